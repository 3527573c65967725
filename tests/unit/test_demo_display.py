"""What a demo shows: rows and lines from what was heard and what is true."""

import io
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from protocol.documents import AgentDocument, DeviceStatus, encode_document
from simulators.audit.report import AuditReport
from simulators.demo.board import Board, Moment, Row
from simulators.demo.demo import Demo
from simulators.demo.display import plain_line, table
from simulators.demo.options import DemoOptions
from simulators.demo.outcome import Latency, Outage, Outcome
from simulators.demo.store_run import StoreRun
from simulators.demo.truth import SkuLocationKey
from simulators.scenario import Scenario
from simulators.web_shop.counts import ShopCounts
from tests.unit.test_checker import GTIN, TRUE, document

KEY = SkuLocationKey("S001", GTIN)
MS = 1_000_000


def agent(facts: int, pending: int) -> bytes:
    device = DeviceStatus(name="till-1", kind="pos_journal", health="healthy", facts=facts)
    return encode_document(
        AgentDocument(
            store="S001",
            status="online",
            since="2026-01-01T00:00:00.000Z",
            agent_version="0",
            outbox_pending=pending,
            devices=[device],
        )
    )


async def demo_with_one_store(folder: Path) -> Demo:
    demo = Demo(DemoOptions(scenario=Scenario(), folder=folder), lambda _: None)
    store = StoreRun(Scenario(), folder, lambda *_: None)
    store.truth[KEY] = TRUE
    demo.site.stores["S001"] = store
    return demo


async def test_a_row_tells_what_agent_and_cloud_said(tmp_path: Path) -> None:
    demo = await demo_with_one_store(tmp_path)
    board = Board(demo, [], began_s=0.0)
    assert board.moment(1.0).rows == (Row("S001", "unheard", 1, 0, None, None, 0),)
    demo.heard.take("st/1/S001/agent", agent(facts=100, pending=3), 0)
    demo.heard.take("st/1/S001/stock", encode_document([document()]), 0)
    assert board.moment(2.0).rows == (Row("S001", "online", 1, 12, 0.0, 3, 1),)


async def test_facts_are_counted_on_when_an_agent_starts_anew(tmp_path: Path) -> None:
    demo = await demo_with_one_store(tmp_path)
    board = Board(demo, [], began_s=0.0)
    for now_s, facts in ((1.0, 100), (2.0, 140), (3.0, 20)):
        demo.heard.take("st/1/S001/agent", agent(facts, 0), 0)
        rate = board.moment(now_s).rows[0].facts_per_s
    assert rate == (40 + 20) / 2


async def test_moments_are_lines_and_tables(tmp_path: Path) -> None:
    demo = await demo_with_one_store(tmp_path)
    demo.heard.take("st/1/S001/agent", agent(facts=1, pending=0), 0)
    demo.latency.wrote(KEY, 1, 0)
    demo.latency.heard(KEY, 1, 40 * MS)
    moment = Board(demo, ["1.0 s  cloud: killed"], began_s=0.0).moment(2.0)
    assert plain_line(moment) == (
        "  2.0 s  starting; S001 0/1 true, 0.0 facts/s, outbox 0,"
        " web 0 held, 0 confirmed, 0 shipped, 0 short; p50 40 ms, p99 40 ms (1 sales)"
    )
    screen = io.StringIO()
    Console(file=screen, width=100).print(table(moment))
    for shown in ("S001", "0/1", "p50 40 ms", "cloud: killed"):
        assert shown in screen.getvalue()


def test_a_moment_shows_the_orders_of_the_web_shop() -> None:
    shop = ShopCounts(held=1, confirmed=2, shipped=3, short=4)
    row = Row("S001", "online", 1, 12, 0.0, 0, 1, shop)
    moment = Moment("open", 2.0, (row,), None, None, 0, 0, (), ())
    assert "web 1 held, 2 confirmed, 3 shipped, 4 short" in plain_line(moment)
    screen = io.StringIO()
    Console(file=screen, width=120).print(table(moment))
    for shown in ("web: held", "confirmed", "shipped", "short"):
        assert shown in screen.getvalue()


def test_an_outcome_with_a_broken_promise_is_not_good() -> None:
    report = AuditReport(
        inputs=9,
        grants=1,
        granted_lines=1,
        sku_locations=1,
        endings={},
        violations=1,
        named=["x: oversold"],
    )
    good = replace(an_outcome(), disagreements=[], web_shop=ShopCounts(shipped=1))
    assert good.is_good
    assert any(line.startswith("web shop: 0 held") for line in good.lines())
    bad = replace(good, audit=report)
    assert not bad.is_good
    assert "audit violation: x: oversold" in list(bad.lines())
    failed = replace(good, shop_failures=["status 500: failed"])
    assert not failed.is_good
    assert "web shop: the API failed: status 500: failed" in list(failed.lines())


def an_outcome() -> Outcome:
    return Outcome(
        seed=7,
        stores=1,
        sku_locations=400,
        agreed=399,
        lost=1,
        doubled=0,
        disagreements=["x: sold 1 (true 2)"],
        violations=[],
        latency=Latency(p50_ms=20.4, p99_ms=90.6, sales=250),
        outages=[Outage(name="cloud", times=2, outage_s=3.5)],
        drain_s=1.5,
        verify="identical",
        verify_status=0,
    )


def test_an_outcome_ends_with_its_agreement() -> None:
    outcome = an_outcome()
    assert "disagreement: x: sold 1 (true 2)" in list(outcome.lines())
    unchecked = list(replace(outcome, drain_s=None).lines())
    assert not any("disagreement" in line or "lost" in line for line in unchecked)
    assert list(outcome.lines())[-2:] == [
        "latency till → WMS subscriber: p50 20 ms, p99 91 ms (n=250)",
        "agreement: 399/400 SKU-locations, facts lost 1, doubled 0",
    ]
    assert "chaos: 2 kills and cuts, 3.5 s of outage" in list(outcome.lines())
    assert not outcome.is_good
