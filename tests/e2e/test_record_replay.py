"""Record a store's real sockets, replay the file, and find the facts that the live agent told."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.config import load_settings
from edge.recording.reader import RecordingReader
from edge.recording.records import DocumentLeftOut, DocumentTaken, LlrpMessage, RegistersRead
from edge.replay.replaying import Replay
from protocol.facts import AnyFact, GoodsReceived, ShelfCounted, UnitsSold
from tests.recorded_store import ITEM_G, RecordedStore, by_source, recorded_store, tag

NEWCOMER = 77
DELIVERY = range(100, 130)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordedStore]:
    async with recorded_store(tmp_path) as store:
        yield store


def replayed(recording: Path, store: RecordedStore) -> list[AnyFact]:
    replay = Replay(recording, load_settings(store.config))
    return [sensed.fact for sensed in replay.facts()]


def received(facts: list[AnyFact]) -> set[bytes]:
    return {epc for each in facts if isinstance(each, GoodsReceived) for epc in each.epcs}


def counted(facts: list[AnyFact]) -> list[int]:
    return [each.quantity for each in facts if isinstance(each, ShelfCounted)]


async def a_morning(store: RecordedStore) -> None:
    """Stock is counted, a delivery comes, a sale is made, and a shelf is filled."""
    await store.until_told(lambda facts: bool(by_source(facts).get("tags")), "the baseline")
    await store.carry_in(NEWCOMER)
    await store.until_told(lambda facts: tag(NEWCOMER) in received(facts), "the delivery")
    store.sell(3)
    await store.until_told(
        lambda facts: any(isinstance(each, UnitsSold) for each in facts), "the sale"
    )
    store.loads_g[0] = 4.0 * ITEM_G
    await store.until_told(lambda facts: 4 in counted(facts), "the shelf")


@pytest.mark.parametrize("gzip", ["false", "true"])
async def test_a_replay_tells_the_bytes_that_the_agent_told(
    store: RecordedStore, gzip: str
) -> None:
    store.write_config(f'[recording]\npath = "./raw/day.strec"\ngzip = {gzip}')
    store.stock(range(5))
    store.start("run")
    await a_morning(store)
    await store.reader.drop_connections()
    await store.carry_in(NEWCOMER + 1)
    await store.until_told(lambda facts: tag(NEWCOMER + 1) in received(facts), "after a reconnect")
    assert await store.stop() == 0
    live = by_source(store.facts())
    assert live.keys() == {"tags", "scale-1", "till-1"}
    recording = store.folder / "raw" / "day.strec"
    assert by_source(replayed(recording, store)) == live


async def test_tags_that_come_together_are_told_in_the_same_order(store: RecordedStore) -> None:
    store.write_config('[recording]\npath = "./day.strec"')
    store.stock(range(5))
    store.start("run")
    await store.until_told(lambda facts: bool(by_source(facts).get("tags")), "the baseline")
    await store.carry_in(*DELIVERY, past=(1, 2), reads=12)
    await store.until_told(lambda facts: set(map(tag, DELIVERY)) <= received(facts), "a delivery")
    assert await store.stop() == 0
    assert by_source(replayed(store.folder / "day.strec", store)) == by_source(store.facts())


async def test_an_agent_that_is_started_again_records_into_a_further_file_and_replays_alike(
    store: RecordedStore,
) -> None:
    store.write_config('[recording]\npath = "./day.strec"')
    store.stock(range(5))
    store.start("run")
    await a_morning(store)
    assert await store.stop() == 0
    before = len(store.facts())
    store.start("run")
    await store.carry_in(NEWCOMER + 1)
    await store.until_told(lambda facts: tag(NEWCOMER + 1) in received(facts), "the delivery")
    assert await store.stop() == 0
    live = by_source(store.facts()[before:])
    assert b"".join(live["tags"]).count(tag(NEWCOMER)) == 0
    # The register of before is in the file, or everything would be received once more.
    assert by_source(replayed(store.folder / "day-2.strec", store)) == live


async def test_a_killed_agents_recording_is_read_up_to_what_was_on_disk(
    store: RecordedStore,
) -> None:
    store.write_config('[recording]\npath = "./day.strec"')
    store.stock(range(5))
    store.start("run")
    await a_morning(store)
    recording = store.folder / "day.strec"
    size = recording.stat().st_size
    await store.until(lambda: recording.stat().st_size > size, "it is written")
    store.kill()
    live, replayed_facts = by_source(store.facts()), by_source(replayed(recording, store))
    for source, facts in replayed_facts.items():
        assert facts == live[source][: len(facts)]
    assert len(replayed_facts["tags"]) > 1


async def test_record_needs_no_agent_and_leaves_the_spool_alone(store: RecordedStore) -> None:
    store.stock(range(5))
    store.sell(3)
    out = store.folder / "desk.strec.gz"
    store.start("record", str(out), "--for", "60")
    await store.until_read(more=1_000)  # The replay has its baseline by then.
    await store.carry_in(NEWCOMER)
    store.loads_g[0] = 4.0 * ITEM_G
    await store.until_read(more=1_000)
    assert await store.stop() == 0
    assert list((store.folder / "till-1").glob("*.xml"))
    facts = replayed(out, store)
    assert tag(NEWCOMER) in received(facts)
    assert 4 in counted(facts)
    assert [each.quantity for each in facts if isinstance(each, UnitsSold)] == [3]
    assert "dock-reader: " in store.log.read_text()


async def test_one_device_can_be_recorded_alone_without_documents(store: RecordedStore) -> None:
    store.sell(3)
    out = store.folder / "till.strec"
    store.start("record", str(out), "--device", "till-1", "--no-documents", "--for", "1")
    assert store.process is not None
    assert await asyncio.to_thread(store.process.wait, 20) == 0
    with RecordingReader(out) as reader:
        records = list(reader.records())
        assert [device.name for device in reader.header.devices] == ["till-1"]
    assert any(isinstance(each, DocumentLeftOut) for each in records)
    assert not any(
        isinstance(each, DocumentTaken | LlrpMessage | RegistersRead) for each in records
    )
    assert b"POSLog" not in out.read_bytes()


async def test_the_command_prints_facts_scores_and_how_fast_it_was(store: RecordedStore) -> None:
    store.write_config('[recording]\npath = "./day.strec"')
    store.stock(range(5))
    store.start("run")
    await a_morning(store)
    assert await store.stop() == 0
    recording = str(store.folder / "day.strec")
    labels = store.folder / "labels.json"
    crossing = {
        "epcs": [tag(NEWCOMER).hex()],
        "to_zone": "backroom",
        "at_s": 5,
        "within_s": 60,
    }
    shelf = {"shelf": "A1", "quantity": 4, "at_s": 1000}
    labels.write_text(json.dumps({"crossings": [crossing], "shelves": [shelf]}))
    done = store.ask("replay", recording, "--labels", str(labels), "--json")
    assert done.returncode == 0, done.stderr
    *facts, summary = map(json.loads, done.stdout.splitlines())
    assert len(facts) == len(store.facts()) == summary["facts"]
    assert any(tag(NEWCOMER).hex() in fact.get("epcs", []) for fact in facts)
    assert summary["kind"] == "summary"
    assert summary["speed_factor"] > 1
    assert {score["subject"]: score["value"] for score in summary["scores"]} == {
        "crossings": 1.0,
        "shelves": 1.0,
    }
    text = store.ask("replay", recording, "--labels", str(labels))
    assert text.returncode == 0, text.stderr
    assert "times as fast" in text.stdout
    assert "precision 1.0000" in text.stdout
