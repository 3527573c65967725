"""`stocktruth-cloud` as its users run it: a process, a broker, a journal, and the commands."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from aiomqtt import Client, ProtocolVersion

from protocol.documents import CloudDocument
from protocol.facts import StockCounted, UnitsSold
from protocol.updates import Welcome
from tests.brokers import Broker, wait_for
from tests.cloud_process import REPOSITORY, CloudProcess, store_at

GTIN = "00614141123452"
OTHER_GTIN = "00614141999996"
EPOCH = 7
POLICIES = f"""
[[policies]]
store = "S001"
gtin = "{GTIN}"
reorder_point = 3
order_up_to = 20
"""


def counted(quantity: int, gtin: str = GTIN) -> StockCounted:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=gtin,
        quantity=quantity,
        measure="units",
        evidence="sweep",
    )


def sold(transaction: str, gtin: str = GTIN) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=2,
        source="till-1",
        gtin=gtin,
        quantity=1,
        measure="units",
        transaction=transaction,
        line=1,
    )


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path, broker, POLICIES)
    process.start()
    yield process
    process.kill()


def verify_says_identical(cloud: CloudProcess) -> None:
    result = cloud.command("verify")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].startswith("identical: ")


async def test_facts_become_counts_that_explain_themselves(
    cloud: CloudProcess, broker: Broker
) -> None:
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(5), sold("T1"), sold("T2"))
        await store.acknowledged(EPOCH, 3)
        await store.until(lambda: store.states.get(GTIN, {}).get("on_hand") == 3)
    assert cloud.json("stock", f"{GTIN}@S001") == [store.states[GTIN]]
    assert store.states[GTIN]["on_order"] == 17
    steps = [step for step in cloud.json("history", f"{GTIN}@S001") if step["seq"]]
    changes = [(step["event"], step["change"], step["on_hand"]) for step in steps]
    assert changes == [
        ("OpeningCounted", 5, 5),
        ("Sold", -1, 4),
        ("Sold", -1, 3),
        ("ReorderOpened", 0, 3),
    ]
    assert [step["document"] for step in steps] == [None, "T1/1", "T2/1", "T2/1"]
    verify_says_identical(cloud)


async def test_sigterm_stops_cleanly_and_says_offline(cloud: CloudProcess, broker: Broker) -> None:
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(5))
        await store.acknowledged(EPOCH, 1)
    assert cloud.terminate() == 0
    assert "Traceback" not in cloud.log.read_text()
    document = await cloud_document(broker)
    assert document.status == "offline"
    assert document.published_through > 0
    verify_says_identical(cloud)


async def cloud_document(broker: Broker) -> CloudDocument:
    """Return what the broker retains of the cloud."""
    async with Client(broker.host, broker.port, protocol=ProtocolVersion.V5) as client:
        await client.subscribe("st/1/cloud/agent", qos=0)
        async with asyncio.timeout(10):
            message = await anext(aiter(client.messages))
    assert message.retain
    return msgspec.json.decode(message.payload, type=CloudDocument)


async def test_a_killed_cloud_goes_on_where_its_journal_ends(
    cloud: CloudProcess, broker: Broker
) -> None:
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(9), counted(4, OTHER_GTIN))
        await store.acknowledged(EPOCH, 2)
        cloud.kill()
        cloud.start()
        await store.hello(EPOCH, 1, 4)
        await store.until(lambda: any(isinstance(a, Welcome) for a in store.answers))
        welcome = next(a for a in store.answers if isinstance(a, Welcome))
        assert (welcome.through_seq, len(welcome.digests)) == (2, 2)
        await store.send_facts(EPOCH, 1, counted(9), counted(4, OTHER_GTIN), sold("T1"))
        await store.acknowledged(EPOCH, 3)
        await store.until(lambda: store.states.get(GTIN, {}).get("on_hand") == 8)
    assert store.states[GTIN]["ledger"]["opening"] == 9
    verify_says_identical(cloud)


async def test_a_killed_cloud_is_declared_offline_by_its_last_will(
    cloud: CloudProcess, broker: Broker
) -> None:
    assert (await cloud_document(broker)).status == "online"
    cloud.kill()
    async with asyncio.timeout(15):
        while (await cloud_document(broker)).status != "offline":
            pass


async def test_a_broker_restart_is_survived_and_everything_is_retained_again(
    cloud: CloudProcess, broker: Broker
) -> None:
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(9))
        await store.acknowledged(EPOCH, 1)
    broker.kill()
    broker.restart()
    wait_for(lambda: cloud.times_ready == 2, 15, "the cloud is back at its broker")
    async with store_at(broker, "S001") as store:
        await store.until(lambda: store.states.get(GTIN, {}).get("on_hand") == 9)
        await store.send_facts(EPOCH, 2, sold("T1"))
        await store.until(lambda: store.states[GTIN]["on_hand"] == 8)


async def test_a_cloud_that_lost_its_journal_to_another_stops_with_one_clear_line(
    cloud: CloudProcess, broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    second = CloudProcess(tmp_path / "second", broker)
    text = second.config.read_text().replace("data/journal.db", "../data/journal.db")
    second.config.write_text(text.replace("[journal]", 'root = "st/2"\n[journal]'))
    second.start()
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(9))
        assert cloud.wait() == 1
    last = cloud.log.read_text().splitlines()[-1]
    assert last.startswith("stocktruth-cloud: ")
    assert "owner" in last
    assert "Traceback" not in cloud.log.read_text()
    assert second.terminate() == 0


async def test_what_was_refused_can_be_looked_at_tried_again_and_dropped(
    cloud: CloudProcess, broker: Broker
) -> None:
    wrong_gtin = GTIN[:-1] + "0"
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(9), sold("T1", wrong_gtin))
        await store.send(b"rubbish")
        await store.acknowledged(EPOCH, 2)
        await store.until(lambda: any(getattr(a, "problem", None) for a in store.answers))
    wait_for(lambda: len(cloud.json("quarantine", "list")) == 2, 10, "both are quarantined")
    reasons = {entry["reason"]: entry["id"] for entry in cloud.json("quarantine", "list")}
    assert set(reasons) == {"invalid_gtin", "not_a_frame"}
    shown = cloud.command("quarantine", "show", str(reasons["not_a_frame"])).stdout
    assert "72 75 62 62 69 73 68" in shown
    redriven = cloud.command("quarantine", "redrive", *(str(i) for i in reasons.values()))
    assert redriven.returncode == 0, redriven.stderr
    wait_for(lambda: statuses(cloud) == {"quarantined"}, 10, "both are still refused")
    dropped = cloud.command("quarantine", "drop", str(reasons["not_a_frame"]))
    assert dropped.returncode == 0
    assert [e["reason"] for e in cloud.json("quarantine", "list")] == ["invalid_gtin"]
    verify_says_identical(cloud)


def statuses(cloud: CloudProcess) -> set[str]:
    return {entry["status"] for entry in cloud.json("quarantine", "list")}


def documented_commands(broker: Broker) -> list[str]:
    """Return the shell commands of protocol.md, for this broker and for a few seconds."""
    text = (REPOSITORY / "docs" / "protocol.md").read_text()
    block, *_ = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    commands = re.sub(r"\|\n *", "| ", block).splitlines()
    return [
        line.replace("-h BROKER", f"-h {broker.host} -p {broker.port} -W 5")
        for line in commands
        if line.startswith("mosquitto_sub")
    ]


async def test_the_commands_in_the_documentation_print_what_they_promise(
    cloud: CloudProcess, broker: Broker
) -> None:
    for tool in ("mosquitto_sub", "jq"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    async with store_at(broker, "S001") as store:
        await store.send_facts(EPOCH, 1, counted(3))
        await store.until(lambda: store.states.get(GTIN, {}).get("on_hand") == 3)
        listening = [
            await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
            for command in documented_commands(broker)
        ]
        outputs = [asyncio.create_task(process.communicate()) for process in listening]
        # Nobody says when a command has subscribed, so goods are sold until all have ended.
        seq = 2
        while (await asyncio.wait(outputs, timeout=0.1))[1]:
            await store.send_facts(EPOCH, seq, sold(f"T{seq}"))
            seq += 1
    states, arrays, reorders = (
        [json.loads(line) for line in task.result()[0].splitlines()] for task in outputs
    )
    versions = [state["version"] for state in states]
    assert len(versions) > 1
    assert versions == sorted(set(versions))
    assert all(state["available"] == max(0, state["on_hand"]) for state in states)
    heard = [version for _, _, version, _ in arrays]
    assert heard == sorted(set(heard))
    on_hand = [count for *_, count in arrays]
    assert on_hand == list(range(on_hand[0], on_hand[-1] - 1, -1)), "an array was missed"
    assert {(r["reorder_id"], r["status"], r["received"]) for r in reorders} == {
        (f"S001-{GTIN}-1", "open", 0)
    }
    asked_for = [(r["revision"], r["quantity"]) for r in reorders]
    assert asked_for == sorted(set(asked_for)), (
        "until somebody answers, it asks for what is missing"
    )
