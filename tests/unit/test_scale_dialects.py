"""Counter scales' answers, byte for byte as the manuals have them.

METTLER TOLEDO, DIVA Service Manual, 6.1.3.2 (commands) and 6.1.4.3 (status bits); Rice Lake,
BenchPro Operation Manual, page 26. NCI General Serial Communications Protocol, Weigh-Tronix
8408-14788-01 (SCP-01); Ohaus, Aviator 7000 Service Manual, pages 47 to 49 (ECR, SCP-02);
Fairbanks PC2250 User Manual, page 61.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.counter_scale_settings import WeightUnit
from edge.devices.scale_dialects import ANSWER_BYTES_MAX, Garbled, Nci, ScaleDialect, Toledo8217
from edge.sensing.placements import CounterReading


@pytest.mark.parametrize(
    ("answer", "unit", "expected"),
    [
        (b"\x0202.345\r", "kg", CounterReading(2345)),
        (b"\x0200.000\r", "kg", CounterReading(0, is_zero=True)),
        (b"\x0202.345N\r", "kg", CounterReading(2345)),
        (b"\x0201.25\r", "lb", CounterReading(567)),
        (b"\x02001234\r", "g", CounterReading(1234)),
        # The same with even parity in bit 7, read as eight data bits.
        (bytes.fromhex("82 30 b2 2e 33 b4 35 8d"), "kg", CounterReading(2345)),
        (b"\x02?\x41\r", "kg", CounterReading(is_moving=True)),
        (b"\x02?\x42\r", "kg", CounterReading(is_over=True)),
        (b"\x02?\x44\r", "kg", CounterReading(is_under=True)),
        (b"\x02?\x48\r", "kg", CounterReading(needs_zero=True)),
        (b"\x02?\x50\r", "kg", CounterReading(is_zero=True)),
        (b"\x02?\x61\r", "kg", CounterReading(is_moving=True)),  # Bit 5 is net, or always 1.
    ],
)
def test_a_toledo_answer_means_what_its_manual_says(
    answer: bytes, unit: WeightUnit, expected: CounterReading
) -> None:
    assert Toledo8217(unit).feed(answer) == [expected]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\n0012.34LB\r\n00\r\x03", CounterReading(5597)),
        (b"\n  1.255kg\r\n00\r\x03", CounterReading(1255)),
        (b"\n   500g \r\n00\r\x03", CounterReading(500)),
        (b"\n 0.000KG\r\n20\r\x03", CounterReading(0, is_zero=True)),
        (b"\n-0.050kg\r\n01\r\x03", CounterReading(-50, is_under=True)),
        (b"\n02lb 04.5oz\r\n00\r\x03", CounterReading(1035)),
        # SCP-02 begins its status with an S; SCP-12 leaves the second LF out.
        (b"\n01.500KG\r\nS00\r\x03", CounterReading(1500)),
        (b"\n 01.500KG\r00\x03", CounterReading(1500)),
        (b"\n10\r\x03", CounterReading(is_moving=True)),
        (b"\nS20\r\x03", CounterReading(is_zero=True)),
        (b"\n02\r\x03", CounterReading(is_over=True)),
        (b"\n40\r\x03", CounterReading(fault="RAM error")),
        (b"\n8<\r\x03", CounterReading(fault="EEPROM error, ROM error, faulty calibration")),
        (b"\n0\x708\r\x03", CounterReading(needs_zero=True)),  # A third byte: initial zero error.
        (b"\n^^^^^^^lb\r\n02\r\x03", CounterReading(is_over=True)),
        (b"\n_______lb\r\n01\r\x03", CounterReading(is_under=True)),
        (b"\n-------lb\r\n00\r\x03", CounterReading(needs_zero=True)),
    ],
)
def test_an_nci_answer_means_what_its_manual_says(answer: bytes, expected: CounterReading) -> None:
    assert Nci().feed(answer) == [expected]


def test_each_dialect_asks_in_its_own_words() -> None:
    assert (Toledo8217("kg").request, Nci().request) == (b"W", b"W\r")


@pytest.mark.parametrize(
    ("dialect", "data", "reason"),
    [
        (Toledo8217("kg"), b"\x02AB.CD\r", "neither a weight nor a status"),
        (Toledo8217("kg"), b"\x0201.\x0201.000\r", "an answer without an end"),
        (Toledo8217("kg"), b"garbage", "belong to no answer"),
        (Toledo8217("kg"), b"\x029999.999\r", "more than a counter scale weighs"),
        (Nci(), b"\n?\r\x03", "does not know the question"),
        (Nci(), b"\x03", "ends with no status"),
        (Nci(), b"\nx\r\n00\r\x03", "is no weight"),
        (Nci(), b"\n1\r\n2\r\n00\r\x03", "ends with no status"),
    ],
)
def test_what_is_no_answer_is_told_as_garbled(
    dialect: ScaleDialect, data: bytes, reason: str
) -> None:
    (first, *_) = dialect.feed(data)
    assert isinstance(first, Garbled)
    assert reason in first.reason


@pytest.mark.parametrize("dialect", [Toledo8217("kg"), Nci()])
@given(chunks=st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_are_survived_within_bounds_and_the_next_answer_is_understood(
    dialect: ScaleDialect, chunks: list[bytes]
) -> None:
    for chunk in chunks:
        for answer in dialect.feed(chunk):
            assert isinstance(answer, CounterReading | Garbled)
        assert len(dialect._answer or b"") <= ANSWER_BYTES_MAX  # type: ignore[attr-defined] # Both.
    good = b"\x0201.000\r" if isinstance(dialect, Toledo8217) else b"\x03\n01.000kg\r\n00\r\x03"
    assert dialect.feed(good)[-1] == CounterReading(1000)


@given(cut=st.integers(0, 30))
def test_answers_may_come_in_pieces(cut: int) -> None:
    stream = b"\n01.500KG\r\n00\r\x03" * 2
    dialect = Nci()
    assert dialect.feed(stream[:cut]) + dialect.feed(stream[cut:]) == [CounterReading(1500)] * 2
