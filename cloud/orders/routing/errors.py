"""Errors of order routing. The name says whose fault it is."""

from cloud.errors import CloudError


class RoutingInvalid(CloudError, ValueError):
    """The caller's problem makes no sense; `field` is the place, `detail` what is wrong there."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail
