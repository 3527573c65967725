"""The one command that is addressed to a single SKU-location as it is journalled."""

from msgspec import Struct

from cloud.sku_location.state import Policy


class SetPolicy(Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """Reorder a SKU-location by this policy from now on (`None`: never).

    `key` and `digest` make it idempotent, as with all commands (`cloud.commands.command`).
    """

    store: str
    gtin: str
    policy: Policy | None
    key: str = ""
    digest: bytes = b""
