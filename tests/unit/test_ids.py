"""Identifiers against GS1's own examples."""

import pytest

from protocol.errors import InvalidIdentifier
from protocol.ids import Epc, gtin_of_tag, parse_gtin, parse_store_id, sgtin_tag


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("96385074", "00000096385074"),
        ("614141999996", "00614141999996"),
        ("9506000134352", "09506000134352"),
        ("80614141123458", "80614141123458"),
    ],
)
def test_a_gtin_of_any_length_becomes_14_digits(text: str, gtin: str) -> None:
    assert parse_gtin(text) == gtin


def test_a_wrong_check_digit_is_refused_and_the_right_one_is_named() -> None:
    with pytest.raises(InvalidIdentifier, match="check digit should be 2"):
        parse_gtin("9506000134353")


@pytest.mark.parametrize("text", ["", "123", "95060001343521", "950600013435x", "٩٥٠٦٠٠٠١٣٤٣٥٢"])
def test_what_is_not_a_gtin_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_gtin(text)


def test_the_tag_of_the_gs1_tag_data_standard_gives_its_gtin() -> None:
    # GS1 EPC Tag Data Standard 1.13, table 14-3: urn:epc:tag:sgtin-96:3.0614141.812345.6789
    tag = Epc(bytes.fromhex("3074257BF7194E4000001A85"))
    assert gtin_of_tag(tag) == "80614141123458"


def test_a_written_tag_reads_back_as_its_gtin() -> None:
    gtin = parse_gtin("00614141999996")
    assert gtin_of_tag(sgtin_tag(gtin, 2**38 - 1)) == gtin


def test_a_serial_that_does_not_fit_the_tag_is_refused() -> None:
    with pytest.raises(InvalidIdentifier, match="SGTIN"):
        sgtin_tag(parse_gtin("00614141999996"), 2**38)


@pytest.mark.parametrize(
    "contents",
    [
        "",
        "30",
        "3074257BF7194E",  # truncated memory
        "E2801160600002054E2D1C2A",  # a TID written as an EPC
        "3174257BF7194E4000001A85",  # an SSCC
        "30" + "FF" * 11,  # a partition value that does not exist
        "36" + "00" * 24,  # an SGTIN-198 without a serial
    ],
)
def test_a_tag_that_carries_no_gtin_is_recognised_as_such(contents: str) -> None:
    assert gtin_of_tag(Epc(bytes.fromhex(contents))) is None


@pytest.mark.parametrize("text", ["", "a/b", "+", "#", "S 1", "-x", "x" * 33, "cloud", "st\n"])
def test_a_store_id_that_could_be_a_wildcard_or_another_level_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_store_id(text)
