"""One day of two stores and a warehouse, through the HTTP API: run it, and read what happens.

    python docs/worked_day.py

It starts the cloud's shard and API on a temporary folder (no broker, no store gateway) and plays
everybody's part: the warehouse, the portal over the dock, the till, the web shop, the associates.
Facts are offered as a gateway's batches would arrive. Every line that it prints is checked; the
output stands in [worked-day.md](worked-day.md).
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from cloud import assembly
from cloud.api.access import TokenEntry, Tokens
from cloud.config import ApiSettings
from cloud.journal.rows import decode_state
from cloud.journal.sqlite_reader import SqliteReader
from cloud.journal.verify import verify
from cloud.shards.messages import BatchReceived
from cloud.shards.on_pykka import HostedShard
from cloud.sku_location.state import ledger_closes
from protocol.codec import encode_up
from protocol.envelope import FactBatch
from protocol.facts import AnyFact, GoodsReceived, StockCounted, TagsMoved, UnitsSold

COAT, SCARF, GLOVES = "04006381333931", "05901234123457", "00614141123452"
BERLIN, POTSDAM, WAREHOUSE = "S001", "S002", "W01"
PLACES: dict[str, dict[str, Any]] = {
    BERLIN: {"name": "Berlin", "latitude": 52.52, "longitude": 13.40},
    POTSDAM: {"name": "Potsdam", "latitude": 52.40, "longitude": 13.06},
    WAREHOUSE: {"kind": "warehouse", "latitude": 51.34, "longitude": 12.37},
}
RULES = [
    {
        "name": "keep-two-of-fast-sellers",
        "channels": ["web"],
        "demand_classes": ["fast"],
        "hide": 2,
    }
]
DEADLINE_S = 15.0


class Day:
    """Who asks and tells, and what they see."""

    def __init__(self, client: httpx.AsyncClient, shard: HostedShard, journal: Path) -> None:
        self.client = client
        self.shard = shard
        self.journal = journal
        self.keys = count(1)
        self.seqs = {store: count(1) for store in PLACES}
        self.tags = count(1)

    async def ask(self, method: str, path: str, body: object = None, status: int = 0) -> Any:
        """Ask the API, under a key of its own; `status` is an expected refusal."""
        headers = {} if method == "GET" else {"Idempotency-Key": f"day-{next(self.keys)}"}
        answer = await self.client.request(method, f"/v1{path}", json=body, headers=headers)
        assert answer.is_success or answer.status_code == status, answer.text
        return answer.json()

    async def facts(self, store: str, *facts: AnyFact) -> None:
        """Let a gateway's facts arrive, and wait until they are committed."""
        before = self.read(lambda reader: reader.position())
        numbers = [next(self.seqs[store]) for _ in facts]
        batch = FactBatch(
            store=store, epoch=1, first_seq=numbers[0], sent_at_ms=now_ms(), facts=list(facts)
        )
        assert self.shard.offer(BatchReceived(batch=batch, frame=encode_up(batch)))
        await self.until(lambda: self.read(lambda reader: reader.position()) > before)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110 -- the journal tells nobody when it changes.
                await asyncio.sleep(0.01)

    def read(self, what: Callable[[SqliteReader], Any]) -> Any:
        """Look into the journal."""
        reader = SqliteReader(self.journal)
        try:
            return what(reader)
        finally:
            reader.close()

    async def stock(self, store: str, gtin: str) -> Any:
        """Return what the API says is there."""
        return await self.ask("GET", f"/stock/{store}/{gtin}")

    def epcs(self, how_many: int) -> list[bytes]:
        """Return new tags."""
        return [next(self.tags).to_bytes(12, "big") for _ in range(how_many)]


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


def counted(gtin: str, quantity: int) -> StockCounted:
    """Somebody counted all of a GTIN."""
    return StockCounted(
        occurred_at_ms=now_ms(),
        source="handheld-1",
        gtin=gtin,
        quantity=quantity,
        measure="units",
        evidence="document",
    )


def through_portal(gtin: str, epcs: list[bytes]) -> GoodsReceived:
    """Tags came in over the dock."""
    return GoodsReceived(
        occurred_at_ms=now_ms(),
        source="dock-reader",
        gtin=gtin,
        quantity=len(epcs),
        measure="units",
        zone="backroom",
        evidence="portal",
        epcs=epcs,
    )


def sold(gtin: str, quantity: int, transaction: str) -> UnitsSold:
    """A till sold something."""
    return UnitsSold(
        occurred_at_ms=now_ms(),
        source="till-1",
        gtin=gtin,
        quantity=quantity,
        measure="units",
        transaction=transaction,
        line=1,
    )


async def morning(day: Day) -> None:
    """Say what the places are, what the rules are, and what is there."""
    for place, body in PLACES.items():
        await day.ask("PUT", f"/locations/{place}", body)
    await day.ask("PUT", f"/products/{COAT}", {"name": "Coat", "demand_class": "fast"})
    rules = await day.ask("PUT", "/rules", {"schema": "rules/1", "rules": RULES})
    print(f"rules are at version {rules['version']}: {RULES[0]['name']} hides {RULES[0]['hide']}")
    await day.facts(BERLIN, counted(COAT, 2))
    await day.facts(POTSDAM, counted(COAT, 6))


async def delivery(day: Day) -> None:
    """Advise ten coats and four scarves; nine coats, four scarves and a pair of gloves come."""
    lines = [{"gtin": COAT, "quantity": 10}, {"gtin": SCARF, "quantity": 4}]
    advice = {"location": BERLIN, "source": WAREHOUSE, "despatch_id": "ASN-1", "lines": lines}
    await day.ask("POST", "/despatch-advices", advice | {"strict": True})
    stock = await day.ask("GET", f"/stock/{BERLIN}/{SCARF}")
    print(f"ASN-1 is on its way: {stock['incoming']} scarves are incoming, {stock['on_hand']} here")
    coats = day.epcs(9)
    await day.facts(
        BERLIN,
        through_portal(COAT, coats),
        through_portal(SCARF, day.epcs(4)),
        through_portal(GLOVES, day.epcs(1)),
    )
    closed = await day.ask("POST", f"/despatch-advices/{BERLIN}/ASN-1/close")
    for line in closed["lines"]:
        print(
            f"  {line['gtin']}: {line['advised']} advised, {line['received']} received,"
            f" {line['short']} short"
        )
    found = await day.ask("GET", f"/discrepancies?location={BERLIN}")
    for item in found["items"]:
        print(f"  {item['discrepancy_id']}: {item['quantity']} {item['kind']} of {item['gtin']}")
    gloves = await day.stock(BERLIN, GLOVES)
    print(f"the gloves wait in quality control: {gloves['unavailable']['quality_control']}")
    resolutions = {"wrong_item": "rejected", "short": "written_off"}
    for item in found["items"]:
        path = f"/discrepancies/{BERLIN}/{item['discrepancy_id']}/resolution"
        await day.ask("POST", path, {"resolution": resolutions[item["kind"]]})
    gloves = await day.stock(BERLIN, GLOVES)
    print(f"they went back: {gloves['on_hand']} here")
    await day.facts(BERLIN, to_the_shelf(coats[:6]))
    coat = await day.stock(BERLIN, COAT)
    print(
        f"six coats went to the shelf: {coat['zones']['sales_floor']} on the sales floor,"
        f" {coat['zones']['backroom']} in the backroom"
    )


def to_the_shelf(epcs: list[bytes]) -> TagsMoved:
    """Goods were put on the shelf."""
    return TagsMoved(
        occurred_at_ms=now_ms(),
        source="floor-reader",
        gtin=COAT,
        from_zone="backroom",
        to_zone="sales_floor",
        epcs=epcs,
    )


async def collected(day: Day) -> None:
    """Sell two coats online, under a rule; the customer fetches them."""
    path = f"/availability?gtin={COAT}&channel=web&location={BERLIN}&explain=true"
    (item,) = (await day.ask("GET", path))["items"]
    print(
        f"the web shop may sell {item['available']} of {item['explanation']['on_hand']} coats:"
        f" {item['rule']} hides {item['buffer']}"
    )
    order = {"channel": "web", "order_id": "O-1", "method": "collect", "collect_at": BERLIN}
    await day.ask("POST", "/orders", order | {"lines": [{"gtin": COAT, "quantity": 2}]})
    placed = await day.ask("POST", "/orders/O-1/confirm")
    (parcel,) = placed["parcels"]
    print(f"order O-1 is {placed['status']}: 2 coats wait at {parcel['location']}")
    reservation = f"/reservations/{BERLIN}/{parcel['reservation_id']}"
    await day.ask("POST", f"{reservation}/pick", {})
    await day.ask("POST", f"{reservation}/hand-over", {})
    order_now = await day.ask("GET", "/orders/O-1")
    print(f"the customer has them: order O-1 is {order_now['status']}")


async def eaten(day: Day) -> None:
    """Promise three coats from Berlin; the till sells most of what is left there."""
    order = {"channel": "web", "order_id": "O-2", "latitude": 52.52, "longitude": 13.41}
    await day.ask("POST", "/orders", order | {"lines": [{"gtin": COAT, "quantity": 3}]})
    placed = await day.ask("POST", "/orders/O-2/confirm")
    print(f"order O-2 ships 3 coats from {placed['parcels'][0]['location']}")
    await day.facts(BERLIN, sold(COAT, 8, "T-77"))

    async def is_rerouted() -> Any:
        found = await day.ask("GET", "/orders/O-2")
        held = [parcel for parcel in found["parcels"] if parcel["status"] == "confirmed"]
        return found if len(held) == 2 else None

    async with asyncio.timeout(DEADLINE_S):
        while (order_now := await is_rerouted()) is None:  # noqa: ASYNC110 -- it is asked for.
            await asyncio.sleep(0.02)
    notices = (await day.ask("GET", "/notices"))["items"]
    for notice in notices:
        if notice["kind"] in ("reservation_short", "order_rerouted"):
            print(f"  {notice['kind']}: {notice['quantity']} of order {notice['order_id']}")
    for parcel in order_now["parcels"]:
        path = f"/reservations/{parcel['location']}/{parcel['reservation_id']}"
        (line,) = parcel["lines"]
        print(f"  {line['held']} leave from {parcel['location']}")
        await day.ask("POST", f"{path}/ship", {})
    print(f"order O-2 is {(await day.ask('GET', '/orders/O-2'))['status']}")


async def returned(day: Day) -> None:
    """Bring two coats of the till's sale back, to the other store; then too many."""
    (sale,) = (await day.ask("GET", f"/sales?receipt={BERLIN}/T-77"))["items"]
    print(f"receipt T-77 of {BERLIN}: {sale['lines'][0]['left']} coats can be returned")
    body = {"location": POTSDAM, "receipt": f"{BERLIN}/T-77", "return_id": "R-1"}
    line = {"gtin": COAT, "quantity": 2, "condition": "inspect"}
    await day.ask("POST", "/returns", body | {"lines": [line]})
    verdict = {"gtin": COAT, "quantity": 2, "verdict": "sellable"}
    await day.ask("POST", f"/returns/{POTSDAM}/R-1/inspections", verdict)
    again = body | {"return_id": "R-2", "lines": [line | {"quantity": 7}]}
    problem = await day.ask("POST", "/returns", again, status=409)
    print(f"2 came back to {POTSDAM} and can be sold; 7 more are refused: {problem['reason']}")


async def reordered(day: Day) -> None:
    """Let the position fall below its reorder point, and the warehouse answer."""
    policy = {"reorder_point": 3, "order_up_to": 12, "pack_size": 4, "source": WAREHOUSE}
    await day.ask("PUT", f"/policies/{BERLIN}/{COAT}", policy)
    (reorder,) = (await day.ask("GET", f"/reorders?location={BERLIN}"))["items"]
    name = reorder["reorder_id"]
    print(f"reorder {name}: {reorder['quantity']} coats, {reorder['status']}")
    answer = await day.ask("POST", f"/reorders/{name}/acknowledge", {"reference": "WMS-9"})
    print(f"  {answer['status']} by the warehouse as {answer['reference']}")
    lines = [{"gtin": COAT, "quantity": reorder["quantity"]}]
    advice = {"location": BERLIN, "source": WAREHOUSE, "despatch_id": "ASN-2", "lines": lines}
    await day.ask("POST", "/despatch-advices", advice | {"reorder_id": name})
    print(f"  {(await day.ask('GET', f'/reorders/{name}'))['status']}, as ASN-2")
    await day.ask("POST", f"/despatch-advices/{BERLIN}/ASN-2/receipts", {"lines": lines})
    print(f"  {(await day.ask('GET', f'/reorders/{name}'))['status']}")


def evening(day: Day) -> None:
    """Close the books."""

    def books(reader: SqliteReader) -> None:
        unexplained = 0
        for row in reader.states():
            state = decode_state(row.data)
            assert ledger_closes(state), state
            gained = state.opening + state.received + state.returned + state.found
            gone = state.sold + state.moved + state.lost
            unexplained += gained - gone - state.on_hand
            print(
                f"  {state.gtin} at {state.store}: {gained} came, {gone} went,"
                f" {state.on_hand} are there, {state.reserved} reserved"
            )
            assert state.reserved == state.unavailable == state.incoming == 0
        report = verify(reader)
        assert report.is_identical, report.differences
        print(
            f"conservation: {unexplained} unexplained;"
            f" {report.inputs_replayed} inputs replayed to identical states"
        )

    day.read(books)


async def main() -> None:
    """Live the day."""
    token = secrets.token_urlsafe()
    digest = sha256(token.encode()).hexdigest()
    tokens = Tokens([TokenEntry(name="everybody", sha256=digest, roles=["ops"])])
    settings = ApiSettings(tokens_file="", port=0)
    with TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.db"
        async with (
            assembly.headless(journal, settings, tokens) as (shard, server),
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"Authorization": f"Bearer {token}"},
            ) as client,
        ):
            day = Day(client, shard, journal)
            for title, part in (
                ("Morning", morning),
                ("A delivery, one short and one wrong", delivery),
                ("Ordered online, collected in the store", collected),
                ("A sale eats a promise, and another store keeps it", eaten),
                ("Bought here, returned there", returned),
                ("A reorder", reordered),
            ):
                print(f"\n{title}")
                await part(day)
            print("\nEvening")
            evening(day)


if __name__ == "__main__":
    asyncio.run(main())
