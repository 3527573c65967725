"""Identifiers, as GS1 and our own topics define them.

Sources: GS1 General Specifications, section 7.9 (check digits); GS1 EPC Tag Data Standard 2.0,
sections 14.6.1 (SGTIN) and 13 (headers). Decoding goes through epcpy and is cached, because a
portal reads the same tag hundreds of times.
"""

import re
from functools import lru_cache
from typing import Final, NewType

from epcpy.epc_schemes.sgtin import SGTIN, SGTINFilterValue
from epcpy.utils.common import ConvertException, calculate_checksum

from protocol.errors import InvalidIdentifier

StoreId = NewType("StoreId", str)
"""A store or warehouse; one MQTT topic level, so it can never hold `/`, `+` or `#`."""

Gtin = NewType("Gtin", str)
"""Always 14 digits with a correct check digit."""

Epc = NewType("Epc", bytes)
"""The EPC memory bank of a tag, binary, as a reader reports it (12 bytes for a 96-bit tag)."""

Seq = NewType("Seq", int)
"""Position of a fact in its epoch, from 1, without gaps."""

Epoch = NewType("Epoch", int)
"""One life of an outbox: a random number from 1 to 2**53 - 1, never reused by a store."""

EPOCH_MAX: Final = 2**53 - 1
STORE_ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
GTIN_PATTERN: Final = r"^[0-9]{14}$"
CLOUD_STORE_ID: Final = StoreId("cloud")
"""The topic level under which the cloud publishes its own birth and death; no store may be it."""

_SGTIN_HEADERS: Final = frozenset((0x30, 0x36))
_SGTIN_LENGTHS_BYTES: Final = {0x30: 12, 0x36: 25}
_SGTIN_96_SERIAL_END: Final = 2**38
_TAG_CACHE_SIZE: Final = 65_536
_STORE_ID = re.compile(STORE_ID_PATTERN)


def parse_store_id(text: str) -> StoreId:
    """Return `text` as a store id, or raise `InvalidIdentifier`."""
    if not _STORE_ID.fullmatch(text):
        raise InvalidIdentifier("store id", text, "use 1 to 32 letters, digits, '_' or '-'")
    if text == CLOUD_STORE_ID:
        raise InvalidIdentifier("store id", text, "this name is reserved for the cloud itself")
    return StoreId(text)


@lru_cache(maxsize=_TAG_CACHE_SIZE)
def parse_gtin(text: str) -> Gtin:
    """Return a GTIN-8, -12, -13 or -14 as 14 digits, or raise `InvalidIdentifier`.

    The check digit is verified (GS1 General Specifications, section 7.9).
    """
    if len(text) not in (8, 12, 13, 14) or not (text.isascii() and text.isdigit()):
        raise InvalidIdentifier("GTIN", text, "a GTIN has 8, 12, 13 or 14 digits")
    gtin = text.zfill(14)
    expected = calculate_checksum(gtin[:-1])
    if int(gtin[-1]) != expected:
        raise InvalidIdentifier("GTIN", text, f"its check digit should be {expected}")
    return Gtin(gtin)


@lru_cache(maxsize=_TAG_CACHE_SIZE)
def gtin_of_tag(epc: Epc) -> Gtin | None:
    """Return the GTIN that an SGTIN-96 or SGTIN-198 tag carries.

    `None` for every other tag: other GS1 schemes, non-GS1 contents, truncated memory.
    """
    if not epc or epc[0] not in _SGTIN_HEADERS or len(epc) < _SGTIN_LENGTHS_BYTES[epc[0]]:
        return None
    try:
        return Gtin(SGTIN.from_hex(epc[: _SGTIN_LENGTHS_BYTES[epc[0]]].hex().upper()).gtin())
    except (ConvertException, ValueError, KeyError):
        return None


def sgtin_tag(gtin: Gtin, serial: int, company_prefix_length: int = 7) -> Epc:
    """Return the SGTIN-96 contents for one tagged unit.

    Raises `InvalidIdentifier` when the serial does not fit 38 bits (Tag Data Standard 14.6.1.1).
    """
    if not 0 <= serial < _SGTIN_96_SERIAL_END:
        raise InvalidIdentifier("SGTIN", f"{gtin} serial {serial}", "a serial has 38 bits")
    try:
        identity = SGTIN.from_gtin_plus_serial(gtin, str(serial), company_prefix_length)
        contents = identity.hex(
            binary_coding_scheme=SGTIN.BinaryCodingScheme.SGTIN_96,
            filter_value=SGTINFilterValue.POS_ITEM,
        )
        return Epc(bytes.fromhex(contents))
    except (ConvertException, ValueError, KeyError) as error:
        raise InvalidIdentifier("SGTIN", f"{gtin} serial {serial}", str(error)) from error
