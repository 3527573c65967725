"""Appends sales to an outbox until it is killed, and prints each number once it is durable.

Run as a process of its own by `test_outbox_crash.py`.
"""

import secrets
import sys
from pathlib import Path

from edge.outbox.sqlite import SqliteOutbox
from protocol.facts import UnitsSold
from protocol.ids import EPOCH_MAX, Seq


def main() -> None:
    outbox = SqliteOutbox(
        Path(sys.argv[1]),
        disk_budget_bytes=100_000_000,
        mint_epoch=lambda: secrets.randbelow(EPOCH_MAX) + 1,
        clock_ms=lambda: 1,
    )
    while True:
        status = outbox.status()
        number = status.next_seq
        fact = UnitsSold(
            occurred_at_ms=number,
            source="till-1",
            gtin="00614141123452",
            quantity=1,
            measure="units",
            transaction=f"1/2026-11-24/{number}",
            line=1,
        )
        outbox.append([fact], {f"mark/{number}": b"1"})
        print(status.epoch, number, flush=True)  # noqa: T201 # This is how the test hears of it.
        if number % 50 == 0:
            outbox.trim(status.epoch, Seq(number - 20))


if __name__ == "__main__":
    main()
