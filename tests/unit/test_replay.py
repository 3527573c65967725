"""Replays of recordings made by hand: virtual time, what is missing, what is hostile."""

import tempfile
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import EdgeSettings, load_settings
from edge.errors import Mistake
from edge.recording.records import (
    DocumentTaken,
    LlrpMessage,
    Opened,
    Record,
    RecordsDropped,
    RegistersRead,
    SensingStarted,
    TagsDecided,
)
from edge.replay.errors import ReplayRefused
from edge.replay.replaying import Replay, Summary
from protocol.facts import AnyFact, GoodsReceived, ShelfCounted, StockCounted, UnitsSold
from tests.recordings import (
    CONFIG,
    READER,
    SCALE,
    STARTED_UTC_MS,
    TILL,
    Read,
    reads_of,
    records_of,
    report,
    stamps,
    tag,
    write_bytes,
    write_recording,
)

GOLDEN = Path(__file__).parents[1] / "golden"
BASELINE = [
    Read(at_ms, antenna, tag(antenna)) for at_ms in range(0, 1_500, 100) for antenna in (1, 2)
]


@pytest.fixture
def config(tmp_path: Path) -> EdgeSettings:
    (tmp_path / "store.toml").write_text(CONFIG)
    return load_settings(tmp_path / "store.toml")


def run(
    path: Path, config: EdgeSettings, to_s: float | None = None
) -> tuple[list[AnyFact], Summary]:
    replay = Replay(path, config, to_s=to_s)
    facts = [sensed.fact for sensed in replay.facts()]
    return facts, replay.summary(0.5)


def test_without_an_agents_decisions_time_passes_between_reports(
    tmp_path: Path, config: EdgeSettings
) -> None:
    newcomer = reads_of(9, from_ms=5_000, for_ms=2_000)
    write_recording(tmp_path / "a", records_of([*BASELINE, *newcomer]), ends_ms=8_000)
    facts, summary = run(tmp_path / "a", config)
    (counted,) = (each for each in facts if isinstance(each, StockCounted))
    assert counted.quantity == 2
    (received,) = (each for each in facts if isinstance(each, GoodsReceived))
    assert received.epcs == [tag(9)]
    assert 5_000 <= received.occurred_at_ms - STARTED_UTC_MS <= 7_000
    assert (summary.recorded_s, summary.speed_factor) == (8.0, 16.0)
    assert (summary.readings, summary.known_tags, summary.ending) == (50, 3, "stopped")


def test_an_agents_decisions_are_taken_at_their_moments_about_their_reports(
    tmp_path: Path, config: EdgeSettings
) -> None:
    records: list[Record] = [
        SensingStarted(**stamps(0)),
        report(100, [Read(100, 1, tag(1))]),
        report(200, [Read(200, 2, tag(2))]),
        report(300, [Read(300, 2, tag(3))]),
        TagsDecided(**stamps(400), readers=[READER, READER]),
        TagsDecided(**stamps(5_000), readers=[READER, READER]),  # The second has been dropped.
        TagsDecided(**stamps(6_000), readers=[]),
    ]
    write_recording(tmp_path / "a", records, ends_ms=9_000)
    facts, _ = run(tmp_path / "a", config)
    assert sum(each.quantity for each in facts if isinstance(each, StockCounted)) == 3


def test_shelves_and_tills_go_through_the_drivers_own_code(
    tmp_path: Path, config: EdgeSettings
) -> None:
    records: list[Record] = [Opened(**stamps(0), device=SCALE)]
    for at_ms in range(0, 20_000, 500):
        weight_g = 0 if at_ms < 5_000 else 1_000
        registers = [1, 0, weight_g, 0]
        records.append(RegistersRead(**stamps(at_ms), device=SCALE, address=0, registers=registers))
    sale = (GOLDEN / "poslog_sale.xml").read_bytes()
    records.append(DocumentTaken(**stamps(20_000), device=TILL, data=sale))
    records.append(DocumentTaken(**stamps(20_000), device=TILL, data=b"<no>POSLog</no>"))
    write_recording(tmp_path / "a", records, ends_ms=21_000)
    facts, summary = run(tmp_path / "a", config)
    counts = [each.quantity for each in facts if isinstance(each, ShelfCounted)]
    assert counts[-1] == 4
    assert any(isinstance(each, UnitsSold) for each in facts)
    assert summary.refused_documents == 1


def test_what_a_reader_broke_ends_its_driver_until_it_connects_again(
    tmp_path: Path, config: EdgeSettings
) -> None:
    records: list[Record] = [
        *records_of(BASELINE),
        LlrpMessage(
            **stamps(2_000), device=READER, data=b"\x04\x3d\x00\x00\x00\x0b\x00\x00\x00\x01\xff"
        ),
        *records_of(reads_of(7, from_ms=2_100, for_ms=800))[1:],
        Opened(**stamps(3_000), device=READER),
        *records_of(reads_of(8, from_ms=3_100, for_ms=2_000))[1:],
    ]
    write_recording(tmp_path / "a", records, ends_ms=9_000)
    facts, summary = run(tmp_path / "a", config)
    received = [each.epcs for each in facts if isinstance(each, GoodsReceived)]
    assert (received, summary.reader_faults) == ([[tag(8)]], 1)


def test_a_replay_may_stop_early_and_says_what_is_missing(
    tmp_path: Path, config: EdgeSettings
) -> None:
    records: list[Record] = [
        *records_of(BASELINE),
        RecordsDropped(**stamps(1_600), records=7, size_bytes=700),
        LlrpMessage(**stamps(1_700), device="somebody", data=b"x"),
        *records_of(reads_of(9, from_ms=6_000, for_ms=2_000))[1:],
    ]
    write_recording(tmp_path / "a", records, ends_ms=9_000)
    facts, summary = run(tmp_path / "a", config, to_s=5)
    assert not any(isinstance(each, GoodsReceived) for each in facts)
    assert (summary.dropped_records, summary.unknown_devices) == (7, {"somebody": 1})
    assert summary.ending == "stopped at --to"


def test_settings_of_another_store_are_refused(tmp_path: Path, config: EdgeSettings) -> None:
    write_recording(tmp_path / "a", records_of(BASELINE), ends_ms=2_000)
    (tmp_path / "other.toml").write_text(
        CONFIG.replace(READER, "r").replace(SCALE, "s").replace(TILL, "t")
    )
    with pytest.raises(ReplayRefused, match="none of its devices"):
        Replay(tmp_path / "a", load_settings(tmp_path / "other.toml"))


def test_a_gap_of_years_does_not_tick_for_years(tmp_path: Path, config: EdgeSettings) -> None:
    records = [*records_of(BASELINE), report(10**15, [Read(0, 1, tag(9))])]
    records = [record for record in records if record.utc_ms < 253_402_300_799_999]
    later = LlrpMessage(
        monotonic_ms=2**62,
        utc_ms=STARTED_UTC_MS + 9_000,
        device=READER,
        data=records[-1].data,  # type: ignore[union-attr] # It is a report.
    )
    write_recording(tmp_path / "a", [*records, later], ends_ms=9_000)
    facts, _ = run(tmp_path / "a", config)
    assert facts


DEVICES = st.sampled_from([READER, SCALE, TILL, "nobody"])
TIMES = {
    "monotonic_ms": st.integers(0, 20_000) | st.integers(0, 2**63 - 1),
    "utc_ms": st.integers(STARTED_UTC_MS, STARTED_UTC_MS + 20_000)
    | st.integers(0, 253_402_300_799_999),
}
FRAMES = st.binary() | st.integers(1, 4).map(
    lambda number: report(0, [Read(0, number, tag(number))]).data
)


def hostile_payloads() -> st.SearchStrategy[bytes]:
    """Records that decode, with contents from an enemy; and arrays that may not decode at all."""
    stamped = st.tuples(TIMES["monotonic_ms"], TIMES["utc_ms"])
    checkpoints = st.dictionaries(
        st.sampled_from(["tag/00", "tag/xx", "tags/baseline", f"document/{TILL}/a", "tag/"]),
        st.binary(max_size=20)
        | st.sampled_from([b"\x92\x01\x02", b"\x92\x01\x00", b"\x93\x01\x02\x03"]),
    )
    bodies = st.one_of(
        st.tuples(st.just(1), stamped, st.tuples(DEVICES)),
        st.tuples(st.just(2), stamped, st.tuples(DEVICES, FRAMES)),
        st.tuples(
            st.just(3),
            stamped,
            st.tuples(
                DEVICES, st.integers(0, 65_535), st.lists(st.integers(0, 65_535), max_size=125)
            ),
        ),
        st.tuples(st.just(4), stamped, st.tuples(DEVICES, st.binary())),
        st.tuples(st.just(7), stamped, st.tuples(checkpoints)),
        st.tuples(st.just(8), stamped, st.tuples()),
        st.tuples(st.just(9), stamped, st.tuples(st.lists(DEVICES, max_size=5))),
    )
    return bodies.map(lambda body: bytes(msgpack.packb([body[0], *body[1], *body[2]])))


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile_payloads(), max_size=8))
def test_a_hostile_recording_is_replayed_or_refused(payloads: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "store.toml").write_text(CONFIG)
        config = load_settings(Path(folder) / "store.toml")
        write_bytes(Path(folder) / "a", payloads)
        try:
            facts, _ = run(Path(folder) / "a", config)
        except Mistake as error:
            assert "\n" not in str(error)  # noqa: PT017 # The error is one of two right outcomes.
        else:
            assert all(fact.source for fact in facts)
