"""Commands: what someone asks of a SKU-location. Imperative, and journalled when accepted.

The tag is the command's kind in the journal; kinds and positions of fields are never reused.
"""

from msgspec import Struct

from cloud.sku_location.state import Policy


class SetPolicy(Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """Reorder a SKU-location by this policy from now on (`None`: never)."""

    store: str
    gtin: str
    policy: Policy | None


class ApplyFact(Struct, frozen=True, kw_only=True, array_like=True, tag=2):
    """Apply a fact that was quarantined when its batch came, under the number it had then.

    `fact` is the fact as its MessagePack bytes.
    """

    store: str
    epoch: int
    seq: int
    fact: bytes


Command = SetPolicy | ApplyFact
