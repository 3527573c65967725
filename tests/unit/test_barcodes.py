"""Barcodes against published examples and biip, a codec of somebody else's."""

from contextlib import suppress

import biip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.barcodes import (
    BarcodeRejected,
    ItemScan,
    LogisticUnitScan,
    PlaceScan,
    TextScan,
    parse_barcode,
)
from protocol.ids import Gtin

ITEM = Gtin("09501234567891")
GS = "\x1d"


@pytest.mark.parametrize(
    ("scanned", "expected"),
    [
        # GS1 General Specifications and the README of biip.
        ("7032069804988", ItemScan(Gtin("07032069804988"))),
        ("]E07032069804988", ItemScan(Gtin("07032069804988"))),
        ("614141999996", ItemScan(Gtin("00614141999996"))),
        ("]E496385074", ItemScan(Gtin("00000096385074"))),
        ("96385074", ItemScan(Gtin("00000096385074"))),
        ("]I195012345678903", ItemScan(Gtin("95012345678903"))),
        # The example of GS1 DataBar Expanded in ISO/IEC 24724 and in BWIPP's documentation.
        ("]e001950123456789033103000123", ItemScan(Gtin("95012345678903"), weight_g=123)),
        ("01950123456789033103000123", ItemScan(Gtin("95012345678903"), weight_g=123)),
        # Pounds, two decimals: 1.23 lb are 557.9 g.
        ("]C101950123456789033202000123", ItemScan(Gtin("95012345678903"), weight_g=558)),
        (
            f"]C10195012345678903310000000117251231{GS}10AB-1",
            ItemScan(Gtin("95012345678903"), 1000),
        ),
        (f"]C10195012345678903{GS}3012{GS}10X", ItemScan(Gtin("95012345678903"), units=12)),
        ("]C102950123456789033724", ItemScan(Gtin("95012345678903"), units=24)),
        ("]C100106141411234567897", LogisticUnitScan("106141411234567897")),
        ("00106141411234567897", LogisticUnitScan("106141411234567897")),
        ("]C14140614141000012", PlaceScan("0614141000012")),
        ("https://id.gs1.org/01/09506000134352", ItemScan(Gtin("09506000134352"))),
        (
            "]Q1https://brand.example/some/01/9506000134352/10/ABC?3103=000195&x=y",
            ItemScan(Gtin("09506000134352"), weight_g=195),
        ),
        ("DOC:4711", TextScan("DOC:4711")),
        ("]C0END", TextScan("END")),
        ("]E37032069804988" + "12", ItemScan(Gtin("07032069804988"))),
    ],
)
def test_a_barcode_says_what_its_standard_says(scanned: str, expected: object) -> None:
    assert parse_barcode(scanned) == expected


@pytest.mark.parametrize(
    ("scanned", "reason"),
    [
        ("7032069804989", "check digit should be 8"),
        ("]E0614141999997", "check digit should be 6"),
        ("]C10195012345678904", "check digit"),
        ("]C100106141411234567898", "SSCC: its check digit is wrong"),
        ("]C1019501234567", "is cut off"),
        ("]C10195012345678903310300012", "is cut off"),
        ("]C10195012345678903310300012X", "its weight is no number"),
        ("]C117251231", "neither an item"),
        ("]E112", "add-on"),
        ("00000000000000", "names no item"),
        ("https://shop.example/yoghurt", "names no item"),
        ("http://[", "no usable link"),
        ("x" * 65, "more than 64 characters"),
        ("   ", "it is empty"),
        ("A\x1dB", "control characters"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_reason(scanned: str, reason: str) -> None:
    with pytest.raises(BarcodeRejected, match=reason):
        parse_barcode(scanned)


def test_a_number_of_restricted_circulation_gives_its_weight_only_where_it_is_set_so() -> None:
    number = "2312345012340"
    assert parse_barcode(number) == ItemScan(Gtin("02312345012340"))
    weighed = parse_barcode(number, weight_prefixes=("23",))
    assert weighed == ItemScan(Gtin("02312345000002"), weight_g=1234)
    assert biip.parse(number).gtin is not None
    assert biip.parse("2312345000002").gtin is not None, "the item's own check digit is right"


@given(
    item=st.integers(0, 10**13 - 1),
    weight=st.integers(0, 999_999),
    decimals=st.integers(0, 5),
    lot=st.text("ABCxyz0189-/", min_size=1, max_size=20),
    carrier=st.sampled_from(["]C1", "]e0", "]d2", "]Q3"]),
)
def test_element_strings_mean_what_biip_says(
    item: int, weight: int, decimals: int, lot: str, carrier: str
) -> None:
    digits = f"{item + 1:013}"[-13:]
    check = biip.checksums.gs1_standard_check_digit(digits)
    if not digits.strip("0"):
        return
    text = f"{carrier}10{lot}{GS}01{digits}{check}310{decimals}{weight:06}"
    theirs = biip.parse(text)
    ours = parse_barcode(text)
    assert isinstance(ours, ItemScan)
    assert theirs.gs1_message is not None
    number, mass = (theirs.gs1_message.element_strings.get(ai=ai) for ai in ("01", "310"))
    assert number is not None
    assert ours.gtin == number.value
    assert mass is not None
    assert mass.decimal is not None
    assert ours.weight_g is not None
    assert abs(ours.weight_g - mass.decimal * 1000) <= 0.5


@given(st.text(st.characters(max_codepoint=0x17F), max_size=100))
def test_any_text_is_a_barcode_or_rejected(text: str) -> None:
    for scanned in (text, "]C1" + text, "]e001" + text, "https://x/01/" + text, "]E0" + text):
        with suppress(BarcodeRejected):
            parse_barcode(scanned, weight_prefixes=("23",))
