"""The memory of Gen2 tags, as far as AccessSpecs reach it (GS1 Gen2 §6.3.2.1; pure).

A tag is made of its EPC alone: the CRC and PC words before it, a TID that is computed from it (as a
serialised one of a maker that does not exist), empty user memory, zero passwords. Only what was
written is kept. EPC and TID are locked: what a tag is called is for the world to say.
"""

from binascii import crc_hqx
from collections import OrderedDict
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

USER_WORDS: Final = 32
_RESERVED_WORDS: Final = 4
_WORD_BITS: Final = 16
_TID_CLASS: Final = bytes.fromhex("e2fff000")
"""Class E2h, then a mask designer's number that nobody has, and no model."""


class Bank(IntEnum):
    """The four memory banks."""

    RESERVED = 0
    EPC = 1
    TID = 2
    USER = 3


class TagWrite(NamedTuple):
    """How many words were written, and why no more, if so: `locked` or `overrun`."""

    words: int
    problem: str = ""


def protocol_control(epc: bytes) -> int:
    """A tag's PC word: the EPC's length in words (GS1 Gen2 §6.3.2.1.2.2)."""
    return len(epc) // 2 << 11


def stored_crc(epc: bytes) -> int:
    """A tag's CRC-16 over its PC word and EPC (GS1 Gen2 §6.3.1.5)."""
    return crc_hqx(protocol_control(epc).to_bytes(2, "big") + epc, 0xFFFF) ^ 0xFFFF


def tid_of(epc: bytes) -> bytes:
    """Return the 96-bit TID of the tag that has this EPC."""
    return _TID_CLASS + blake2b(epc, digest_size=8).digest()


class TagMemories:
    """What a store's tags hold; at most `tags_max` banks differ from how they are made."""

    def __init__(self, tags_max: int) -> None:
        self._tags_max = tags_max
        self._written: OrderedDict[tuple[bytes, Bank], bytes] = OrderedDict()

    def bank(self, epc: bytes, bank: int) -> bytes:
        """Return all that a bank of a tag holds."""
        which = Bank(bank)
        if which == Bank.EPC:
            head = stored_crc(epc) << _WORD_BITS | protocol_control(epc)
            return head.to_bytes(4, "big") + epc
        if which == Bank.TID:
            return tid_of(epc)
        words = USER_WORDS if which == Bank.USER else _RESERVED_WORDS
        return self._written.get((epc, which), bytes(2 * words))

    def matches(self, epc: bytes, bank: int, pointer_bits: int, mask: str, data: str) -> bool:
        """Whether the bits from `pointer_bits` on are those of `data` wherever `mask` is 1."""
        memory = self.bank(epc, bank)
        end = pointer_bits + len(mask)
        if end > 8 * len(memory):
            return False
        bits = f"{int.from_bytes(memory, 'big'):0{8 * len(memory)}b}"[pointer_bits:end]
        return all(m == "0" or bit == d for m, bit, d in zip(mask, bits, data, strict=True))

    def opens(self, epc: bytes, password: int) -> bool:
        """Whether a tag answers after this access password; 0 is none, and nothing is locked."""
        own = int.from_bytes(self.bank(epc, Bank.RESERVED)[4:8], "big")
        return password in (0, own)

    def read(self, epc: bytes, bank: int, pointer: int, words: int) -> bytes | None:
        """Return words of a bank, all up to its end for 0 of them; `None` if it is too short."""
        memory = self.bank(epc, bank)
        end = 2 * (pointer + words) if words else len(memory)
        if 2 * pointer >= len(memory) or end > len(memory):
            return None
        return memory[2 * pointer : end]

    def write(self, epc: bytes, bank: int, pointer: int, data: bytes) -> TagWrite:
        """Write words to a bank, all of them or none."""
        which = Bank(bank)
        if which in (Bank.EPC, Bank.TID):
            return TagWrite(0, "locked")
        memory = self.bank(epc, which)
        end = 2 * pointer + len(data)
        if end > len(memory):
            return TagWrite(0, "overrun")
        self._written[epc, which] = memory[: 2 * pointer] + data + memory[end:]
        if len(self._written) > self._tags_max:
            self._written.popitem(last=False)
        return TagWrite(len(data) // 2)
