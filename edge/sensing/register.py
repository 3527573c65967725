"""The register of known tags: which EPCs have counted, and where each was last decided to be.

Its entries are outbox checkpoints, so they commit together with the facts they led to (decision 3).
"""

from typing import Final, NamedTuple, get_args

import msgspec

from protocol.facts import TimeMs, Zone
from protocol.ids import Epc

PREFIX: Final = "tag/"
BASELINE: Final = "tags/baseline"
BASELINE_DONE: Final = b"\x01"
_ZONES: Final[tuple[Zone, ...]] = get_args(Zone)


class Entry(NamedTuple):
    """Where a known tag is, and since when (gateway clock, milliseconds)."""

    zone: Zone
    since_ms: TimeMs


def checkpoint_name(epc: Epc) -> str:
    """Return the name under which a tag's entry is stored."""
    return PREFIX + epc.hex()


def checkpoint_value(entry: Entry) -> bytes:
    """Return an entry as stored: the MessagePack array `[zone number, since_ms]`."""
    return msgspec.msgpack.encode((_ZONES.index(entry.zone), entry.since_ms))


def restore(checkpoints: dict[str, bytes]) -> dict[Epc, Entry]:
    """Return the register from the checkpoints below `PREFIX`."""
    register: dict[Epc, Entry] = {}
    for name, value in checkpoints.items():
        zone, since_ms = msgspec.msgpack.decode(value, type=tuple[int, int])
        register[Epc(bytes.fromhex(name.removeprefix(PREFIX)))] = Entry(_ZONES[zone], since_ms)
    return register
