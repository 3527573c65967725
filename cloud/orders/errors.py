"""Errors of orders across locations."""

from typing import Final

from cloud.errors import CloudError, JournalFailed, OwnershipLost

FATAL: Final = (JournalFailed, OwnershipLost)
"""No order is to blame for these, and none can be gone on with: they end the process."""


class OrderUnsettled(CloudError):
    """An order did not come to rest in the moves allowed; it stays open and is resumed later."""
