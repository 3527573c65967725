"""What a warehouse system sends: a command of the topic's store, once, or a reason why not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cloud.commands.goods import AdviseDespatch
from cloud.commands.reorders import SetReorderStatus
from cloud.ingest.admission import admit, refusal_answer
from cloud.ingest.redrive import redrive_of
from cloud.journal.rows import QuarantineEntry
from cloud.shards.messages import DocumentReceived, PayloadRefused, SetPolicy
from cloud.sku_location.state import Policy
from protocol.codec import FRAME_BYTES_MAX
from protocol.ids import StoreId
from protocol.topics import Topics
from tests.receiving_world import ReceivingWorld, tags
from tests.shard_inputs import GTIN, NOW_MS, OTHER_GTIN, STORE, counted

TOPICS = Topics()
ADVICE = TOPICS.wms(StoreId(STORE), "despatch_advice")
STATUS = TOPICS.wms(StoreId(STORE), "reorder_status")
REORDER_ID = f"{STORE}-{GTIN}-1"
PROTOCOL_MD = Path(__file__).parents[2] / "docs" / "protocol.md"
SCHEMAS = PROTOCOL_MD.parent / "schemas"


def advice(**more: Any) -> dict[str, Any]:
    lines = [{"gtin": GTIN, "quantity": 18}]
    return {"despatch_id": "D1", "source": "DC1", "lines": lines, **more}


def status(name: str, **more: Any) -> dict[str, Any]:
    return {"reorder_id": REORDER_ID, "status": name, **more}


class WmsWorld(ReceivingWorld):
    """Takes documents as ingest does, and tries quarantined ones again as an operator does."""

    def send(self, topic: str, document: Any) -> None:
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.committed = self.shard.commit(
            [admit(topic, payload, TOPICS, self.now_ms)], self.now_ms
        )

    def entries(self) -> list[QuarantineEntry]:
        return list(self.journal.quarantine())

    def redrive(self) -> None:
        for entry in self.entries():
            self.journal.request_redrive(entry.id)
        for entry in self.journal.redrive_requests(100):
            self.shard.commit([redrive_of(entry, TOPICS, self.now_ms)], self.now_ms)

    def order(self) -> None:
        policy = Policy(reorder_point=5, order_up_to=20)
        self.shard.commit([SetPolicy(store=STORE, gtin=GTIN, policy=policy)], NOW_MS)
        self.facts(counted(2))

    def reorder_status(self) -> str:
        reorder = self.state().reorder
        return "none" if reorder is None else reorder.status


@pytest.fixture
def world() -> Iterator[WmsWorld]:
    world = WmsWorld()
    yield world
    world.check()
    world.check_replay()


def command(topic: str, document: dict[str, Any]) -> AdviseDespatch | SetReorderStatus:
    admitted = admit(topic, json.dumps(document).encode(), TOPICS, NOW_MS)
    assert isinstance(admitted, DocumentReceived)
    assert isinstance(admitted.command, AdviseDespatch | SetReorderStatus)
    return admitted.command


def refused(topic: str, payload: bytes) -> PayloadRefused:
    admitted = admit(topic, payload, TOPICS, NOW_MS)
    assert isinstance(admitted, PayloadRefused)
    assert (admitted.store, admitted.topic) == (STORE, topic)
    assert admitted.detail
    return admitted


def test_an_advice_becomes_a_command_of_the_topic_s_store() -> None:
    (epc,) = tags(1, 1)
    lines = [
        {"gtin": "9506000134352", "quantity": 1, "epcs": [epc.hex().upper()]},
        {"gtin": GTIN, "quantity": 500, "measure": "grams", "sscc": "006141411234567890"},
    ]
    document = advice(lines=lines, expected_at="2026-11-25T07:00:00.5+01:00", is_strict=True)
    made = command(ADVICE, document)
    assert isinstance(made, AdviseDespatch)
    assert (made.store, made.despatch_id, made.source, made.is_strict) == (STORE, "D1", "DC1", True)
    assert made.expected_at_ms == 1_795_586_400_500
    assert [(line.gtin, line.epcs) for line in made.lines] == [(OTHER_GTIN, (epc,)), (GTIN, ())]
    assert (made.lines[1].measure, made.lines[1].sscc) == ("grams", "006141411234567890")


def test_a_status_becomes_a_command() -> None:
    made = command(STATUS, status("acknowledged", reference="PO-1", quantity=12))
    assert isinstance(made, SetReorderStatus)
    assert (made.store, made.reorder_id, made.status) == (STORE, REORDER_ID, "acknowledged")
    assert (made.reference, made.quantity, made.expected_at_ms) == ("PO-1", 12, 0)


def test_a_message_is_known_by_its_id_or_else_by_what_it_says() -> None:
    plain = command(ADVICE, advice())
    spelt = command(ADVICE, advice(lines=[{"quantity": 18, "measure": "units", "gtin": GTIN[1:]}]))
    assert (spelt.key, spelt.digest) == (plain.key, plain.digest)
    assert command(ADVICE, advice(is_strict=True)).key != plain.key
    named = command(ADVICE, advice(message_id="m" * 64))
    assert named.key == command(ADVICE, advice(message_id="m" * 64, is_strict=True)).key
    assert len(named.key) <= 128
    elsewhere = TOPICS.wms(StoreId("S002"), "despatch_advice")
    assert command(elsewhere, advice()).key != plain.key


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (ADVICE, b"", "empty"),
        (ADVICE, b" " * (FRAME_BYTES_MAX + 1), "too_large"),
        (ADVICE, b"{", "malformed"),
        (ADVICE, b"[]", "malformed"),
        (ADVICE, b"\xff\xfe", "malformed"),
        (ADVICE, b"[" * 100_000, "malformed"),
        (ADVICE, json.dumps(advice(store="S002")).encode(), "malformed"),
        (ADVICE, json.dumps(advice(schema="despatch-advice/2")).encode(), "malformed"),
        (ADVICE, json.dumps(advice(lines=[])).encode(), "malformed"),
        (ADVICE, json.dumps(advice(expected_at="2026-11-25T07:00:00")).encode(), "malformed"),
        (ADVICE, json.dumps(advice(expected_at="1969-11-25T07:00:00Z")).encode(), "malformed"),
        (
            ADVICE,
            json.dumps(advice(lines=[{"gtin": "4006381333932", "quantity": 1}])).encode(),
            "invalid_gtin",
        ),
        (
            ADVICE,
            json.dumps(advice(lines=[{"gtin": "400638133393", "quantity": 0}])).encode(),
            "malformed",
        ),
        (STATUS, json.dumps(status("open")).encode(), "malformed"),
        (STATUS, json.dumps(advice()).encode(), "malformed"),
        (TOPICS.wms(StoreId(STORE), "invoice"), b"{}", "unknown_kind"),
        (TOPICS.wms(StoreId(STORE), "despatch_advice/1"), b"{}", "unknown_kind"),
    ],
)
def test_what_is_no_document_is_refused_with_its_reason(
    topic: str, payload: bytes, reason: str
) -> None:
    assert refused(topic, payload).reason == reason


def test_a_gateway_hears_nothing_of_what_a_warehouse_system_sent_wrong() -> None:
    assert refusal_answer(refused(ADVICE, b"{")) is None


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_break_admission(payload: bytes) -> None:
    assert isinstance(admit(ADVICE, payload, TOPICS, NOW_MS), PayloadRefused)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["lines", "gtin", "quantity", "epcs", "source"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_no_json_breaks_admission(document: Any) -> None:
    for topic in (ADVICE, STATUS):
        payload = json.dumps(document).encode()
        assert isinstance(admit(topic, payload, TOPICS, NOW_MS), PayloadRefused | DocumentReceived)


def test_an_advice_that_is_redelivered_counts_once(world: WmsWorld) -> None:
    for _ in range(3):
        world.send(ADVICE, advice())
    assert world.state().incoming == 18
    assert len(list(world.journal.inputs())) == 1
    assert world.entries() == []


def test_a_reorder_is_acknowledged_despatched_and_received(world: WmsWorld) -> None:
    world.order()
    world.send(STATUS, status("acknowledged", reference="PO-1"))
    assert world.reorder_status() == "acknowledged"
    world.send(ADVICE, advice(reorder_id=REORDER_ID))
    assert (world.reorder_status(), world.state().incoming) == ("despatched", 18)
    world.send(STATUS, status("acknowledged", reference="PO-1"))
    assert world.reorder_status() == "despatched"
    assert world.entries() == []


@pytest.mark.parametrize(
    ("topic", "document", "reason"),
    [
        (ADVICE, advice(lines=[{"gtin": GTIN, "quantity": 2, "epcs": ["01"]}]), "invalid"),
        (ADVICE, advice(despatch_id="D0"), "repeated_id"),
        (ADVICE, advice(despatch_id="D2", message_id="m1"), "key_reused"),
        (ADVICE, advice(reorder_id=REORDER_ID), "unknown"),
        (STATUS, status("acknowledged"), "unknown"),
        (STATUS, {"reorder_id": f"S002-{GTIN}-1", "status": "cancelled"}, "invalid"),
    ],
)
def test_what_the_shard_refuses_is_quarantined_with_its_reason(
    world: WmsWorld, topic: str, document: dict[str, Any], reason: str
) -> None:
    first = {"gtin": OTHER_GTIN, "quantity": 1}
    world.send(ADVICE, advice(despatch_id="D0", message_id="m1", lines=[first]))
    before = world.journal.position()
    world.send(topic, document)
    (entry,) = world.entries()
    assert (entry.content.reason, entry.content.topic) == (reason, topic)
    assert json.loads(entry.content.payload) == document
    assert entry.content.detail
    assert world.journal.position() == before


def test_a_quarantined_document_is_tried_again_when_its_reason_is_gone(world: WmsWorld) -> None:
    world.send(STATUS, status("acknowledged"))
    world.redrive()
    (entry,) = world.entries()
    assert (entry.status, "reorder" in entry.content.detail) == ("quarantined", True)
    world.order()
    world.redrive()
    (entry,) = world.entries()
    assert (entry.status, world.reorder_status()) == ("redriven", "acknowledged")


def test_a_quarantined_document_that_is_none_says_so_again(world: WmsWorld) -> None:
    world.send(ADVICE, b"{")
    world.redrive()
    (entry,) = world.entries()
    assert entry.status == "quarantined"
    assert "truncated" in entry.content.detail


@pytest.mark.parametrize("schema", ["despatch-advice/1", "reorder-status/1"])
def test_the_documents_in_the_documentation_are_read(schema: str) -> None:
    blocks = re.findall(r"```json\n(.*?)```", PROTOCOL_MD.read_text(), re.DOTALL)
    (document,) = [d for d in map(json.loads, blocks) if d["schema"] == schema]
    topic = ADVICE if schema.startswith("despatch") else STATUS
    published = json.loads((SCHEMAS / f"{schema.replace('/', '-')}.json").read_bytes())
    Draft202012Validator(published).validate(document)
    assert command(topic, document).key.endswith(document["message_id"])


def test_every_reason_in_the_documentation_is_one_that_we_give() -> None:
    section = PROTOCOL_MD.read_text().split("## What a warehouse system sends")[1]
    for reason in ("repeated_id", "key_reused", "unknown_kind", "invalid_gtin", "measure_conflict"):
        assert f"`{reason}`" in section.split("## Schemas")[0]
