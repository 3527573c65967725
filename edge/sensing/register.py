"""The register of known tags: which EPCs have counted, and where each was last decided to be.

Its entries are outbox checkpoints, so they commit together with the facts they led to (decision 3).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

import msgspec

from protocol.facts import TimeMs, Zone
from protocol.ids import Epc

PREFIX: Final = "tag/"
BASELINE: Final = "tags/baseline"
BASELINE_DONE: Final = b"\x01"
SWEPT_THROUGH: Final = "tags/swept"
"""Under this name stands until when the readings of sweeps have been told."""
IN_STORE: Final[frozenset[Zone]] = frozenset(("sales_floor", "backroom"))

GONE_AFTER_MS: Final = 60 * 86_400_000
"""So long after it left is a tag remembered; who brings it back later brings an unknown one."""

_ZONES: Final[tuple[Zone, ...]] = get_args(Zone)


class Entry(NamedTuple):
    """Where a known tag is, and since when (gateway clock, milliseconds).

    `missed` complete sweeps in a row have not read it since.
    """

    zone: Zone
    since_ms: TimeMs
    missed: int = 0


def checkpoint_name(epc: Epc) -> str:
    """Return the name under which a tag's entry is stored."""
    return PREFIX + epc.hex()


def checkpoint_value(entry: Entry) -> bytes:
    """Return an entry as stored: the MessagePack array `[zone number, since_ms, missed]`.

    `missed` is left out while it is 0: that is how most tags stand, and how all once stood.
    """
    stored = (_ZONES.index(entry.zone), entry.since_ms, entry.missed)
    return msgspec.msgpack.encode(stored if entry.missed else stored[:2])


def restore(checkpoints: Mapping[str, bytes]) -> dict[Epc, Entry]:
    """Return the register from the checkpoints below `PREFIX`."""
    register: dict[Epc, Entry] = {}
    for name, value in checkpoints.items():
        zone, since_ms, *missed = msgspec.msgpack.decode(value, type=list[int])
        register[Epc(bytes.fromhex(name.removeprefix(PREFIX)))] = Entry(
            _ZONES[zone], since_ms, *missed
        )
    return register


def swept_through_value(through_ms: int) -> bytes:
    """Return what is stored under `SWEPT_THROUGH`: the time in milliseconds, as MessagePack."""
    return msgspec.msgpack.encode(through_ms)


def restore_swept_through(checkpoints: Mapping[str, bytes]) -> int:
    """Return until when the readings of sweeps have been told; 0 when there was none."""
    value = checkpoints.get(SWEPT_THROUGH)
    return 0 if value is None else msgspec.msgpack.decode(value, type=int)


def long_gone(register: Mapping[Epc, Entry], now_ms: int) -> list[Epc]:
    """Return the tags that left the store more than `GONE_AFTER_MS` ago."""
    return [
        epc
        for epc, entry in register.items()
        if entry.zone not in IN_STORE and now_ms - entry.since_ms > GONE_AFTER_MS
    ]
