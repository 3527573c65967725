"""A stranger with `msgpack`, `json`, `jsonschema` and our documentation understands us.

Nothing here decodes with our own codec: two ends that share a codec share its bugs.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

import msgpack
import pytest
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator

from cloud.publisher.documents import reorder_document, stock_document
from cloud.publisher.marker import Marker
from cloud.publisher.schemas import published
from cloud.shards.messages import ReorderChange
from cloud.sku_location.state import Cause, Reorder, SkuLocation
from protocol.codec import decode_up, encode_down, encode_up
from protocol.documents import AgentDocument, DeviceStatus, encode_document, timestamp
from protocol.envelope import FactBatch, Hello, MirrorRequest, UpMessage
from protocol.facts import (
    AnyFact,
    DeviceHealthChanged,
    FactsShed,
    GoodsReceived,
    ReturnVoided,
    SaleVoided,
    ShelfCounted,
    StockCounted,
    TagsAppeared,
    TagsLeft,
    TagsMoved,
    TagsSwept,
    TillLine,
    UnitsReturned,
    UnitsSold,
)
from protocol.updates import (
    Ack,
    DownMessage,
    MirrorState,
    MirrorUpdate,
    ReorderSignal,
    TaskSignal,
    Welcome,
)

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = DOCS / "schemas"
GTIN = "00614141123452"
EPCS = [bytes(range(12)), bytes(12)]
SEEN: dict[str, Any] = {"occurred_at_ms": 5, "source": "dock"}
LINE: dict[str, Any] = {
    **SEEN,
    "gtin": GTIN,
    "quantity": 2,
    "measure": "units",
    "transaction": "T1",
    "line": 1,
}

FACTS: list[AnyFact] = [
    UnitsSold(**LINE),
    UnitsReturned(**LINE),
    SaleVoided(**LINE, voided_transaction="T0"),
    ReturnVoided(**LINE, voided_transaction="T0"),
    GoodsReceived(
        **SEEN,
        gtin=GTIN,
        quantity=2,
        measure="units",
        zone="backroom",
        evidence="portal",
        epcs=EPCS,
    ),
    TagsMoved(**SEEN, gtin=GTIN, from_zone="backroom", to_zone="sales_floor", epcs=EPCS),
    TagsAppeared(**SEEN, gtin=GTIN, zone="exit", epcs=EPCS),
    TagsLeft(**SEEN, gtin=GTIN, zone="exit", epcs=EPCS),
    ShelfCounted(**SEEN, gtin=GTIN, shelf="A1", quantity=3, weight_g=-750),
    StockCounted(**SEEN, gtin=GTIN, quantity=0, measure="grams", evidence="sweep", document="D1"),
    TagsSwept(**SEEN, gtin=GTIN, sweep="w7", quantity=2, is_complete=True, epcs=EPCS),
    DeviceHealthChanged(**SEEN, health="lost", detail="no answer"),
    FactsShed(**SEEN, telemetry=3, stock=0),
]
UP: list[UpMessage] = [
    FactBatch(store="S001", epoch=2**53 - 1, first_seq=1, sent_at_ms=9, facts=FACTS),
    Hello(
        store="S001",
        epoch=7,
        first_seq=1,
        next_seq=1,
        mirror_position=0,
        sent_at_ms=9,
        agent_version="0.1.0",
    ),
    MirrorRequest(store="S001", position=12),
]
DOWN: list[DownMessage] = [
    Ack(store="S001", epoch=7, through_seq=0),
    Ack(store="S001", epoch=7, through_seq=3, resend_from=4, problem="gap", detail="4 is next"),
    Welcome(store="S001", epoch=7, through_seq=3, digests_from=2, digests=[bytes(8), b"12345678"]),
    MirrorUpdate(
        store="S001",
        previous_position=3,
        position=9,
        epoch=7,
        through_seq=3,
        states=[
            MirrorState(
                gtin=GTIN,
                version=7,
                measure="units",
                on_hand=-1,
                reserved=0,
                unavailable=0,
                incoming=0,
                on_order=20,
                as_of_ms=5,
            )
        ],
    ),
    ReorderSignal(
        store="S001",
        reorder_id=f"S001-{GTIN}-1",
        revision=1,
        gtin=GTIN,
        status="open",
        quantity=20,
        received=0,
    ),
    TaskSignal(
        store="S001",
        task_id="0000000000000012-000001",
        kind="pick",
        gtin=GTIN,
        measure="units",
        quantity=2,
        created_at_ms=5,
        order_id="o-1",
        detail="for web",
    ),
]
STATE = SkuLocation(
    store="S001",
    gtin=GTIN,
    version=1,
    measure="grams",
    on_hand=-5,
    sold=5,
    cause=Cause(kind="UnitsSold", epoch=1, seq=1, occurred_at_ms=0),
)
REORDER = Reorder(
    number=1,
    revision=1,
    status="open",
    quantity=20,
    received=0,
    opened_at_ms=0,
    updated_at_ms=2**53,
)


def validator(name: str) -> Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def as_json(decoded: Any) -> Any:
    """Binary as base64 text, as the schema says."""
    if isinstance(decoded, bytes):
        return base64.b64encode(decoded).decode()
    return [as_json(item) for item in decoded] if isinstance(decoded, list) else decoded


def decoded(frame: bytes) -> Any:
    return as_json(msgpack.unpackb(frame))


@pytest.mark.parametrize("message", UP, ids=lambda message: type(message).__name__)
def test_a_stranger_decodes_and_validates_what_a_store_sends(message: UpMessage) -> None:
    frame = decoded(encode_up(message))
    validator("up-3").validate(frame)
    assert frame[0] == 3
    assert frame[1][1] == "S001"


@pytest.mark.parametrize("message", DOWN, ids=lambda message: type(message).__name__)
def test_a_stranger_decodes_and_validates_what_the_cloud_sends(message: DownMessage) -> None:
    frame = decoded(encode_down(message))
    validator("down-2").validate(frame)
    assert frame[1][1] == "S001"


def test_every_kind_of_fact_is_tried_here() -> None:
    assert len({type(fact) for fact in FACTS}) == len(AnyFact.__args__)
    assert sum(isinstance(fact, TillLine) for fact in FACTS) == 4


def test_a_stranger_writes_frames_that_we_read() -> None:
    fact = [1, 5, "till-1", GTIN, 2, "units", "T1", 1]
    batch = decode_up(msgpack.packb([1, [1, "S001", 7, 1, 9, [fact]]]))
    assert isinstance(batch, FactBatch)
    assert batch.facts == [UnitsSold(**{**LINE, "source": "till-1"})]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: [4, frame[1]],
        lambda frame: [3, [99, *frame[1][1:]]],
        lambda frame: [3, frame[1][:5]],
        lambda frame: [3, [*frame[1], "more"]],
        lambda frame: [3, [frame[1][0], "", *frame[1][2:]]],
        lambda frame: [3, [*frame[1][:5], []]],
        lambda frame: [3, [*frame[1][:5], [[1, 5, "till-1", "614141", 2, "units", "T1", 1]]]],
    ],
)
def test_the_schema_refuses_what_the_decoder_refuses(spoil: Any) -> None:
    spoilt = spoil(decoded(encode_up(UP[0])))
    with pytest.raises(ValidationError):
        validator("up-3").validate(spoilt)


def test_documents_satisfy_their_published_schemas() -> None:
    stock = encode_document(stock_document(STATE))
    change = ReorderChange(store="S001", gtin=GTIN, reorder=REORDER, measure="grams")
    agent = AgentDocument(
        store="S001",
        status="online",
        since=timestamp(0),
        agent_version="0.1.0",
        devices=[DeviceStatus(name="till-1", kind="pos_journal", health="healthy")],
    )
    marker = Marker(since_ms=0, cloud_version="0.1.0", owner_epoch=1)
    validator("stock-1").validate(json.loads(stock))
    validator("stock-array-1").validate(json.loads(b"[" + stock + b"]"))
    validator("reorder-1").validate(json.loads(encode_document(reorder_document(change))))
    validator("agent-1").validate(json.loads(encode_document(agent)))
    validator("cloud-1").validate(json.loads(marker.offline(7)))


@pytest.mark.parametrize("field", ["schema", "version", "available", "ledger", "cause"])
def test_the_schema_of_a_document_demands_every_field_that_we_always_write(field: str) -> None:
    document = json.loads(encode_document(stock_document(STATE)))
    del document[field]
    with pytest.raises(ValidationError):
        validator("stock-1").validate(document)


def test_the_published_schemas_are_current() -> None:
    current = dict(published())
    files = {path.name: path.read_bytes() for path in SCHEMAS.iterdir()}
    again = "run: python -m cloud.publisher.schemas docs/schemas"
    assert files == current, again


def frames_in_the_documentation() -> list[tuple[list[bytes], list[str]]]:
    """Return the byte tables of protocol.md: the bytes of each row, and what it says they are."""
    text = (DOCS / "protocol.md").read_text()
    tables = text.split("| bytes | MessagePack | meaning |")[1:]
    frames = []
    for table in tables:
        rows = re.findall(r"^\| `([0-9a-f ]+)` \| (.+?) \|", table.split("\n\n")[0], re.MULTILINE)
        frames.append(([bytes.fromhex(row[0]) for row in rows], [row[1] for row in rows]))
    return frames


def test_the_frames_in_the_documentation_are_what_we_send() -> None:
    (batch, _), (ack, _) = frames_in_the_documentation()
    sold = UnitsSold(
        occurred_at_ms=1_795_507_200_123,
        source="till-1",
        gtin=GTIN,
        quantity=2,
        measure="units",
        transaction="1042",
        line=1,
    )
    sent = FactBatch(
        store="S001",
        epoch=4660,
        first_seq=40,
        sent_at_ms=1_795_507_200_500,
        facts=[sold],
        session=77,
        welcomed_through=39,
    )
    assert b"".join(batch) == encode_up(sent)
    assert b"".join(ack) == encode_down(Ack(store="S001", epoch=4660, through_seq=40, session=77))


def test_every_row_of_the_documented_frames_says_what_its_bytes_are() -> None:
    for rows, meanings in frames_in_the_documentation():
        for row, meaning in zip(rows, meanings, strict=True):
            if meaning.startswith("array of "):
                unpacker = msgpack.Unpacker()
                unpacker.feed(row)
                assert unpacker.read_array_header() == int(meaning.removeprefix("array of "))
            else:
                value = msgpack.unpackb(row)
                assert json.dumps(value) == meaning.replace("nil", "null")


@pytest.mark.parametrize("schema", ["stock-1", "reorder-1"])
def test_the_documents_in_the_documentation_satisfy_their_schemas(schema: str) -> None:
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "protocol.md").read_text(), re.DOTALL)
    documents = {document["schema"]: document for document in map(json.loads, blocks)}
    validator(schema).validate(documents[schema.replace("-", "/")])


def test_the_documentation_links_every_schema_and_no_other() -> None:
    linked = set(re.findall(r"\(schemas/([a-z0-9-]+\.json)\)", (DOCS / "protocol.md").read_text()))
    assert linked == {path.name for path in SCHEMAS.iterdir()}
