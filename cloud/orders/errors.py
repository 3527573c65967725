"""Errors of orders across locations."""

from cloud.errors import CloudError


class OrderUnsettled(CloudError):
    """An order did not come to rest in the moves allowed; it stays open and is resumed later."""
