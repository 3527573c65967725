"""What a barcode says: scanned text in, an item, a logistic unit, a place or plain text out.

Pure. Understood are GTIN-8, -12, -13 and -14, GS1 element strings (GS1-128, GS1 DataBar, GS1
DataMatrix, GS1 QR) and GS1 Digital Link URIs, each with or without the AIM symbology identifier in
front. Sources: GS1 General Specifications, sections 3 (Application Identifiers), 7.8.5
(predefined lengths) and 7.9 (check digits); ISO/IEC 15424 (symbology identifiers); GS1 Digital
Link Standard: URI Syntax 1.2. Check digits are verified; nothing is corrected.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from edge.errors import EdgeError
from protocol.errors import InvalidIdentifier
from protocol.ids import Gtin, parse_gtin

GROUP_SEPARATOR: Final = "\x1d"
"""What a scanner sends for FNC1 between element strings."""
LINK_ATTRIBUTES_MAX: Final = 32
TEXT_CHARACTERS_MAX: Final = 64
"""Plain text, such as the number of a document, is refused above this."""
GRAMS_PER_POUND: Final = Decimal("453.59237")

_GTIN_LENGTHS: Final = (8, 12, 13, 14)
_EAN_13: Final = 13
_ADD_ON_LENGTHS: Final = (2, 5)
_GS1_CARRIERS: Final = ("]C1", "]e0", "]d2", "]Q3", "]J1")
_AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_LINK: Final = re.compile(r"https?://", re.IGNORECASE)
_BARE_ELEMENTS: Final = re.compile(r"\x1d|00[0-9]{18}|0[12][0-9]{14}.|414[0-9]{13}")
_WEIGHT_IN_NUMBER: Final = slice(7, 12)
_AMOUNT_DIGITS_MAX: Final = 8
"""AI 30 and 37 have up to 8 digits, 310n and 320n have 6."""

# Element strings of predefined length, by the first two digits of their AI; the length counts
# the AI as well (GS1 General Specifications, figure 7.8.5-2).
_PREDEFINED: Final = (
    {"00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "20": 4, "41": 16}
    | dict.fromkeys(map(str, range(11, 20)), 8)
    | dict.fromkeys(map(str, range(31, 37)), 10)
)


class BarcodeRejected(EdgeError):
    """A barcode that cannot be used; the text says why, in words for whoever scanned it."""


class ItemScan(NamedTuple):
    """A trade item. `weight_g` or `units` only if the barcode itself says so."""

    gtin: Gtin
    weight_g: int | None = None
    units: int | None = None


class LogisticUnitScan(NamedTuple):
    """A pallet or a case, by its SSCC (18 digits)."""

    sscc: str


class PlaceScan(NamedTuple):
    """A location, by its GLN (13 digits)."""

    gln: str


class TextScan(NamedTuple):
    """Anything else that is printable: a document number, a control code."""

    text: str


Barcode = ItemScan | LogisticUnitScan | PlaceScan | TextScan


def parse_barcode(scanned: str, weight_prefixes: Sequence[str] = ()) -> Barcode:
    """Return what a barcode says, or raise `BarcodeRejected`.

    `weight_prefixes` are the two-digit prefixes of numbers of restricted circulation in which
    digits 8 to 12 are a weight in grams (GS1 General Specifications, 2.1.11.2); the item is the
    same number with a weight of 0.
    """
    aim = _AIM.match(scanned)
    carrier = scanned[:3] if aim else ""
    text = scanned[3:] if aim else scanned
    if carrier in _GS1_CARRIERS and not _LINK.match(text):
        return _from_elements(dict(element_strings(text)))
    if carrier.startswith("]E"):
        return _item(_without_add_on(carrier, text), weight_prefixes)
    if _LINK.match(text):
        return _from_link(text)
    if text.isascii() and text.isdigit() and len(text) in _GTIN_LENGTHS:
        return _item(text, weight_prefixes)
    if _BARE_ELEMENTS.match(text):
        return _from_elements(dict(element_strings(text)))
    return _plain(text)


def element_strings(text: str) -> Iterator[tuple[str, str]]:
    """Yield each AI and its value. Raises `BarcodeRejected` for one that is cut off.

    AIs of variable length that mean nothing to us are yielded under their first two digits.
    """
    at = 0
    while at < len(text):
        if text[at] == GROUP_SEPARATOR:
            at += 1
            continue
        length = _PREDEFINED.get(text[at : at + 2])
        end = text.find(GROUP_SEPARATOR, at) if length is None else at + length
        end = len(text) if end < 0 else end
        field = text[at:end]
        if (length is not None and len(field) < length) or not field[:2].isdigit():
            raise BarcodeRejected(f"the element string at character {at + 1} is cut off")
        digits = _ai_digits(field)
        yield field[:digits], field[digits:]
        at = end


def _ai_digits(field: str) -> int:
    if field[:2] in ("31", "32", "33", "34", "35", "36"):
        return 4
    return 3 if field[:2] == "41" else 2


def _without_add_on(carrier: str, text: str) -> str:
    if carrier in ("]E1", "]E2"):
        raise BarcodeRejected("that was only the add-on beside the barcode")
    has_add_on = carrier == "]E3" and len(text) - _EAN_13 in _ADD_ON_LENGTHS
    return text[:_EAN_13] if has_add_on else text


def _item(number: str, weight_prefixes: Sequence[str]) -> ItemScan:
    gtin = _gtin(number)
    if len(number) == _EAN_13 and number[:2] in weight_prefixes:
        weight_g = int(number[_WEIGHT_IN_NUMBER])
        return ItemScan(_with_check_digit(number[: _WEIGHT_IN_NUMBER.start] + "00000"), weight_g)
    return ItemScan(gtin)


def _with_check_digit(digits: str) -> Gtin:
    # Odd places from the right weigh 3 (GS1 General Specifications, 7.9.1).
    weighed = sum(int(each) * (3 if at % 2 == 0 else 1) for at, each in enumerate(digits[::-1]))
    return parse_gtin(f"{digits}{-weighed % 10}")


def _gtin(number: str) -> Gtin:
    try:
        gtin = parse_gtin(number)
    except InvalidIdentifier as error:
        raise BarcodeRejected(str(error)) from error
    if not gtin.strip("0"):
        raise BarcodeRejected("a GTIN of zeros names no item")
    return gtin


def _from_elements(elements: dict[str, str]) -> Barcode:
    number = elements.get("01") or elements.get("02")
    if number is not None:
        return ItemScan(_gtin(number), _weight_g(elements), _units(elements))
    if "00" in elements:
        return LogisticUnitScan(_checked(elements["00"], "SSCC"))
    if "414" in elements:
        return PlaceScan(_checked(elements["414"], "GLN"))
    raise BarcodeRejected("it names neither an item nor a logistic unit nor a place")


def _weight_g(elements: dict[str, str]) -> int | None:
    """Return the net weight, AI 310n in kilograms or 320n in pounds, n decimals."""
    for ai, value in elements.items():
        grams = {"310": Decimal(1000), "320": GRAMS_PER_POUND}.get(ai[:3])
        if grams is not None and ai[3:].isdigit():
            return whole_grams(Decimal(_digits(value, "weight")).scaleb(-int(ai[3:])) * grams)
    return None


def _units(elements: dict[str, str]) -> int | None:
    """Return the count: AI 30 of a variable measure item, AI 37 of what a logistic unit holds."""
    value = elements.get("30") or elements.get("37")
    return None if value is None else int(_digits(value, "count"))


def whole_grams(grams: Decimal) -> int:
    """Return grams as an integer, half to even."""
    return int(grams.to_integral_value(ROUND_HALF_EVEN))


def _digits(value: str, what: str) -> str:
    if not (value.isascii() and value.isdigit()) or len(value) > _AMOUNT_DIGITS_MAX:
        raise BarcodeRejected(f"its {what} is no number of up to {_AMOUNT_DIGITS_MAX} digits")
    return value


def _checked(number: str, kind: str) -> str:
    if not (number.isascii() and number.isdigit()):
        raise BarcodeRejected(f"its {kind} is no number")
    weighed = sum(int(each) * (3 if at % 2 else 1) for at, each in enumerate(number[::-1]))
    if weighed % 10:
        raise BarcodeRejected(f"{number!r} is not a valid {kind}: its check digit is wrong")
    return number


def _from_link(text: str) -> ItemScan:
    try:
        link = urlsplit(text)
        query = parse_qsl(link.query, max_num_fields=LINK_ATTRIBUTES_MAX)
    except ValueError as error:
        raise BarcodeRejected(f"it is no usable link: {error}") from error
    parts = [unquote(part) for part in link.path.split("/")]
    for key, number in pairwise(parts):
        if key == "01" and number.isascii() and number.isdigit() and len(number) in _GTIN_LENGTHS:
            attributes = {ai: value for ai, value in query if ai.isascii() and ai.isdigit()}
            return ItemScan(_gtin(number), _weight_g(attributes), _units(attributes))
    raise BarcodeRejected("the link names no item")


def _plain(text: str) -> TextScan:
    stripped = text.strip()
    if not stripped:
        raise BarcodeRejected("it is empty")
    if len(stripped) > TEXT_CHARACTERS_MAX:
        raise BarcodeRejected(f"it has more than {TEXT_CHARACTERS_MAX} characters")
    if not (stripped.isascii() and stripped.isprintable()):
        raise BarcodeRejected("it holds control characters")
    return TextScan(stripped)
