"""XML of a POSLog document: a bounded tree, and the values at its leaves.

Pure. A document comes from outside, so nothing is expanded, fetched or guessed: no DTD, no entity,
a bounded number of elements and depth, and one typed error for whatever is wrong.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

# defusedxml ships no type information.
from defusedxml.ElementTree import DefusedXMLParser, DTDForbidden  # type: ignore[import-untyped]

from edge.errors import EdgeError
from protocol.errors import InvalidIdentifier
from protocol.facts import QUANTITY_MAX, TIME_MS_MAX, Measure
from protocol.ids import Gtin, parse_gtin

NAMESPACE: Final = "http://www.nrf-arts.org/IXRetail/namespace/"
ELEMENTS_MAX: Final = 60_000
DEPTH_MAX: Final = 64
STRIDE_BYTES: Final = 131_072
"""Every stretch of so many bytes holds markup, which bounds a tag, its attributes and a text."""

UNIT_CODES: Final = frozenset(("EA", "EACH", "C62", "PCE", "H87"))
GRAMS_PER: Final = {
    "GRM": Decimal(1),
    "KGM": Decimal(1000),
    "KG": Decimal(1000),
    "LBR": Decimal("453.59237"),
}
"""Grams in one unit of measure (UN/ECE Recommendation 20, and `Kg`, which tills write too)."""

_GTIN_TYPES: Final = re.compile("GTIN|EAN|UPC|JAN")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DIGITS_MAX: Final = 18
"""With so many, the product with any factor of `GRAMS_PER` is exact in 28 digits."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class PoslogRejected(EdgeError):
    """The document is no POSLog that we can count by; the text says where and why."""


class Goods(NamedTuple):
    """Some of one item. `quantity` is whole steps of `measure`."""

    gtin: Gtin
    quantity: int
    measure: Measure


class _BoundedTree(TreeBuilder):
    """A tree that stops growing in time: 4 MB of XML can hold a million elements."""

    def __init__(self) -> None:
        super().__init__()
        self._elements = 0
        self._depth = 0

    def start(self, tag: str, attrs: dict[Any, Any], /) -> Element:
        self._elements += 1
        self._depth += 1
        if self._elements > ELEMENTS_MAX:
            raise PoslogRejected(f"more than {ELEMENTS_MAX} elements")
        if self._depth > DEPTH_MAX:
            raise PoslogRejected(f"elements nested deeper than {DEPTH_MAX}")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_tree(data: bytes) -> Element:
    """Return the root of a document, or raise `PoslogRejected`."""
    _refuse_giant_tags(data)
    parser = DefusedXMLParser(target=_BoundedTree(), forbid_dtd=True)
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DTDForbidden as error:
        raise PoslogRejected("it declares a DTD, which is not allowed") from error
    except (ParseError, ValueError, LookupError) as error:
        raise PoslogRejected(f"not well-formed XML: {error}") from error
    return root


def _refuse_giant_tags(data: bytes) -> None:
    # The parser hands a tag over whole: one of 4 MB has 400,000 attributes and takes 100 MB. A tag
    # cannot contain "<" (XML 1.0, section 3.1), so a giant one leaves a stretch without any.
    for start in range(0, len(data) - STRIDE_BYTES, STRIDE_BYTES):
        if data.find(b"<", start, start + STRIDE_BYTES) < 0:
            raise PoslogRejected(f"{STRIDE_BYTES} bytes without markup")


def qualified(name: str) -> str:
    """Return a name in the POSLog namespace as ElementTree writes it."""
    return f"{{{NAMESPACE}}}{name}"


def text_of(element: Element, name: str) -> str | None:
    """Return the text of the first child of that name, trimmed; `None` if there is none."""
    found = element.findtext(qualified(name))
    return (found.strip() or None) if found is not None else None


def required_text(element: Element, name: str) -> str:
    """Return the text of a child that must be there."""
    found = text_of(element, name)
    if found is None:
        raise PoslogRejected(f"{_local_name(element)} has no {name}")
    return found


def is_set(element: Element, *flags: str) -> bool:
    """Return whether any of these xs:boolean attributes is true; an absent one is false."""
    return any(_boolean(element, name) for name in flags)


def whole_number(text: str, name: str, most: int) -> int:
    """Return a number from 0 to `most`."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) <= most):
        raise PoslogRejected(f"{name} {text[:_DIGITS_MAX]!r} is no number from 0 to {most}")
    return int(text)


def instant_ms(text: str, local: tzinfo) -> int:
    """Return an xs:dateTime as milliseconds since 1970, in the `local` zone if it has no offset.

    In the hour that a zone repeats in autumn the first passage is meant.
    """
    if not _DATE_TIME.fullmatch(text):
        raise PoslogRejected(f"{text[:64]!r} is no xs:dateTime")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=local)
        milliseconds = (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise PoslogRejected(f"time {text!r}: {error}") from error
    if not 0 <= milliseconds <= TIME_MS_MAX:
        raise PoslogRejected(f"time {text!r} is before 1970")
    return milliseconds


def goods_in(item: Element, quantity_name: str, least: int) -> Goods:
    """Return which item a line is about, and how much of it: `least` or more."""
    quantity, measure = amount_in(item, quantity_name)
    if quantity < least:
        raise PoslogRejected(f"{quantity_name} is {quantity}; at least {least} is expected")
    return Goods(_gtin(item), quantity, measure)


def amount_in(item: Element, name: str) -> tuple[int, Measure]:
    """Return a quantity as whole steps of its measure; a weight is rounded to the gram, half even.

    The schema allows several quantities of one item: the first is the one that was sold, others
    weigh it once more.
    """
    steps, measure = _steps(item, name)
    if not 0 <= steps <= QUANTITY_MAX:
        raise PoslogRejected(f"{name} of {steps} {measure} is not from 0 to {QUANTITY_MAX}")
    return steps, measure


def _steps(item: Element, name: str) -> tuple[int, Measure]:
    element = item.find(qualified(name))
    if element is None:
        raise PoslogRejected(f"{_local_name(item)} has no {name}")
    amount = _decimal((element.text or "").strip(), name)
    code = element.get("UnitOfMeasureCode", "EA").upper()
    if code in GRAMS_PER:
        grams = amount * GRAMS_PER[code]
        return int(grams.to_integral_value(ROUND_HALF_EVEN)), "grams"
    if code not in UNIT_CODES:
        raise PoslogRejected(f"unit of measure {code[:16]!r} is not known")
    if amount != int(amount):
        raise PoslogRejected(f"{amount} is no whole number of units")
    return int(amount), "units"


def _decimal(text: str, name: str) -> Decimal:
    # Decimal alone would take NaN, 1E+999999999 and underscores.
    if len(text) > _DIGITS_MAX or not _DECIMAL.fullmatch(text):
        raise PoslogRejected(f"{name} {text[:_DIGITS_MAX]!r} is no decimal number")
    return Decimal(text)


def _gtin(item: Element) -> Gtin:
    """Return the item's GTIN.

    An identifier that its type declares to be a GTIN decides alone; undeclared ones are tried in
    document order, because one till in two leaves the type out.
    """
    declared: list[str] = []
    undeclared: list[str] = []
    for identifier, kind in _identifiers(item):
        if kind is None:
            undeclared.append(identifier)
        elif _GTIN_TYPES.search(kind.upper()):
            declared.append(identifier)
    problems = []
    for identifier in declared or undeclared:
        try:
            return parse_gtin(identifier)
        except InvalidIdentifier as error:
            problems.append(str(error))
    raise PoslogRejected("; ".join(problems)[:160] or "an item has no identifier")


def _identifiers(item: Element) -> list[tuple[str, str | None]]:
    found = []
    for identity in item.iterfind(qualified("POSIdentity")):
        text = text_of(identity, "POSItemID")
        if text is not None:
            found.append((text, identity.get("POSIDType")))
    for identifier in item.iterfind(qualified("ItemID")):
        text = (identifier.text or "").strip()
        if text:
            found.append((text, identifier.get("Type")))
    return found


def _boolean(element: Element, name: str) -> bool:
    value = element.get(name)
    if value is None or value in ("false", "0"):
        return False
    if value in ("true", "1"):
        return True
    raise PoslogRejected(f"{_local_name(element)} {name} {value[:16]!r} is neither true nor false")


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
