"""SIGKILL at random moments: what was acknowledged is there, no number is given twice."""

import random
import subprocess
import sys
from pathlib import Path

from edge.outbox.sqlite import SqliteOutbox
from protocol.codec import decode_fact
from protocol.facts import UnitsSold
from protocol.ids import Seq

REPOSITORY = Path(__file__).parents[2]
CYCLES = 20


def acknowledged_until_killed(path: Path, facts: int) -> list[tuple[int, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.append_facts", str(path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(facts)]
    process.kill()
    lines += process.stdout.readlines()
    process.wait(10)
    process.stdout.close()
    words = [line.split() for line in lines if line.endswith("\n")]
    return [(int(epoch), int(seq)) for epoch, seq in words]


def test_a_killed_agent_loses_no_acknowledged_fact_and_reuses_no_number(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    rng = random.Random(20261124)
    acknowledged: list[tuple[int, int]] = []
    for _ in range(CYCLES):
        acknowledged += acknowledged_until_killed(path, rng.randint(1, 60))
    outbox = SqliteOutbox(
        path, disk_budget_bytes=100_000_000, mint_epoch=lambda: 1, clock_ms=lambda: 1
    )
    status = outbox.status()
    pending = outbox.read(Seq(0), 1_000_000, 10**9)
    marks = outbox.checkpoints("mark/")
    outbox.close()
    assert len(set(acknowledged)) == len(acknowledged)
    assert {epoch for epoch, _ in acknowledged} == {status.epoch}
    assert [fact.seq for fact in pending] == list(range(status.first_seq, status.next_seq))
    for _, seq in acknowledged:
        assert f"mark/{seq}" in marks
        assert seq < status.next_seq
    for fact in pending:
        sold = decode_fact(fact.data)
        assert isinstance(sold, UnitsSold)
        assert sold.occurred_at_ms == fact.seq
