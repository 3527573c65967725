"""Scans as a serial line delivers them."""

from hypothesis import given
from hypothesis import strategies as st

from edge.devices.scan_framing import SCAN_BYTES_MAX, ScanFramer, Unreadable


def test_cr_lf_and_both_end_a_scan() -> None:
    assert ScanFramer().feed(b"1\r2\n3\r\n4\r") == ["1", "2", "3", "4"]


def test_a_scan_may_come_in_pieces_and_hold_the_group_separator() -> None:
    framer = ScanFramer()
    assert framer.feed(b"]C101950\x1d") == []
    assert framer.feed(b"10A\r") == ["]C101950\x1d10A"]


def test_garbled_bytes_make_a_scan_unreadable_and_leave_the_next_alone() -> None:
    (garbled, good) = ScanFramer().feed(b"70\xb32\x0106\r7032069804988\r")
    assert isinstance(garbled, Unreadable)
    assert garbled == "2 of 7 bytes are garbled"
    assert not isinstance(good, Unreadable)


@given(st.lists(st.binary(max_size=3_000), max_size=5))
def test_any_bytes_are_survived_within_bounds(chunks: list[bytes]) -> None:
    framer = ScanFramer()
    for chunk in chunks:
        framer.feed(chunk)
        assert len(framer._unfinished) <= SCAN_BYTES_MAX
    framer.feed(b"\r")
    assert framer.feed(b"123\r") == ["123"]


def test_a_scan_that_is_too_long_is_unreadable() -> None:
    (scan,) = ScanFramer().feed(b"1" * (SCAN_BYTES_MAX + 1) + b"\r")
    assert isinstance(scan, Unreadable)
