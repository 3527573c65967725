"""The simulators' Modbus against frames from elsewhere: the standards' and a public reference's.

Serial frames are those of simplymodbus.ca, which explains the protocol by example; PDUs are those
of the MODBUS Application Protocol V1.1b3. Neither our codec nor pymodbus made them.
"""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.devices.modbus import (
    ADU_BYTES_MAX,
    ExceptionCode,
    Hopeless,
    Refused,
    RtuFramer,
    TcpFramer,
    answer,
    crc16,
    is_sound,
    with_crc,
)

UNIT = 0x11


class Table:
    """Registers as the reference's examples have them."""

    def __init__(self) -> None:
        self.inputs = {8: 0x000A}
        self.holding = {0x6B: 0xAE41, 0x6C: 0x5652, 0x6D: 0x4340, 1: 0, 2: 0}

    def read_input(self, address: int, count: int) -> Sequence[int]:
        return _read(self.inputs, address, count)

    def read_holding(self, address: int, count: int) -> Sequence[int]:
        return _read(self.holding, address, count)

    def write_holding(self, address: int, values: Sequence[int]) -> None:
        _read(self.holding, address, len(values))
        self.holding |= dict(enumerate(values, address))


def _read(table: dict[int, int], address: int, count: int) -> list[int]:
    try:
        return [table[at] for at in range(address, address + count)]
    except KeyError as error:
        raise Refused(ExceptionCode.ILLEGAL_DATA_ADDRESS) from error


def rtu(table: Table) -> RtuFramer:
    return RtuFramer(UNIT, lambda pdu: answer(pdu, table))


def tcp(table: Table) -> TcpFramer:
    return TcpFramer(UNIT, lambda pdu: answer(pdu, table))


EXCHANGES = [
    ("11 03 006B 0003 7687", "11 03 06 AE41 5652 4340 49AD"),
    ("11 04 0008 0001 B298", "11 04 02 000A F8F4"),
    ("11 06 0001 0003 9A9B", "11 06 0001 0003 9A9B"),
    ("11 10 0001 0002 04 000A 0102 C6F0", "11 10 0001 0002 1298"),
]


@pytest.mark.parametrize(("request_hex", "response_hex"), EXCHANGES)
def test_serial_frames_of_a_public_reference_are_answered_as_it_says(
    request_hex: str, response_hex: str
) -> None:
    framer = rtu(Table())
    assert framer.feed(bytes.fromhex(request_hex)) == [bytes.fromhex(response_hex)]


@pytest.mark.parametrize(("request_hex", "response_hex"), EXCHANGES)
def test_a_frame_may_come_in_pieces(request_hex: str, response_hex: str) -> None:
    framer = rtu(Table())
    answers = [each for byte in bytes.fromhex(request_hex) for each in framer.feed(bytes((byte,)))]
    assert answers == [bytes.fromhex(response_hex)]


def test_what_is_written_is_there() -> None:
    table = Table()
    rtu(table).feed(bytes.fromhex(EXCHANGES[3][0]))
    assert (table.holding[1], table.holding[2]) == (0x000A, 0x0102)


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc16(bytes((2, 7))) == 0x1241, "MODBUS over Serial Line V1.02, 6.2.2"
    assert with_crc(bytes.fromhex("0A 81 02")) == bytes.fromhex("0A 81 02 B053")


@pytest.mark.parametrize(
    ("pdu", "response"),
    [
        ("04 0008 0001", "04 02 000A"),  # V1.1b3, 6.4.
        ("04 0009 0001", "84 02"),
        ("04 0008 0000", "84 03"),
        ("04 0008 007E", "84 03"),
        ("04 0008", "84 03"),
        ("10 0001 0002 03 000A 01", "90 03"),
        ("10 0001 0002", "90 03"),
        ("07", "87 01"),
        ("", "80 01"),
    ],
)
def test_a_request_that_cannot_be_served_is_an_exception(pdu: str, response: str) -> None:
    assert answer(bytes.fromhex(pdu), Table()) == bytes.fromhex(response)


@pytest.mark.parametrize(
    "frame",
    [
        bytes.fromhex("11 04 0008 0001 B299"),  # The checksum is wrong.
        with_crc(bytes.fromhex("12 04 0008 0001")),  # It is for another unit.
    ],
)
def test_what_is_not_for_this_unit_is_not_answered(frame: bytes) -> None:
    assert rtu(Table()).feed(frame) == []


def test_a_broadcast_is_obeyed() -> None:
    table = Table()
    frame = with_crc(bytes.fromhex("00 06 0001 0003"))
    assert rtu(table).feed(frame) == []
    assert table.holding[1] == 3


def test_after_silence_a_frame_that_was_cut_is_forgotten() -> None:
    framer = rtu(Table())
    assert framer.feed(bytes.fromhex("11 04 00")) == []
    framer.silence()
    assert framer.feed(bytes.fromhex(EXCHANGES[1][0])) == [bytes.fromhex(EXCHANGES[1][1])]


def test_tcp_requests_in_one_piece_are_answered_in_order() -> None:
    framer = tcp(Table())
    first = bytes.fromhex("0001 0000 0006 11 04 0008 0001")
    second = bytes.fromhex("0002 0000 0006 11 04 0009 0001")
    data = first + second
    assert framer.feed(data[:5]) == []
    assert framer.feed(data[5:]) == [
        bytes.fromhex("0001 0000 0005 11 04 02 000A"),
        bytes.fromhex("0002 0000 0003 11 84 02"),
    ]


@pytest.mark.parametrize("header", ["0001 0001 0006 11", "0001 0000 0001 11", "0001 0000 FFFF 11"])
def test_a_header_that_is_not_modbus_ends_the_connection(header: str) -> None:
    with pytest.raises(Hopeless):
        tcp(Table()).feed(bytes.fromhex(header))


@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_answered_soundly_or_not_at_all(pieces: list[bytes]) -> None:
    serial, network = rtu(Table()), tcp(Table())
    for piece in pieces:
        assert all(is_sound(each) for each in serial.feed(piece))
        assert len(serial._pending) <= ADU_BYTES_MAX
    with suppress(Hopeless):  # Most bytes are no requests.
        for piece in pieces:
            network.feed(piece)
