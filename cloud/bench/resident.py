"""`bench resident`: what SKU-locations in memory weigh, and what it takes to activate one.

The states are read from a real journal by the shard's own code, as when a store begins to send:
each with a ledger, movements and a belief of its own. Their limit is the same rows, as bytes, in a
dict. Then as many as fit are in memory, and others are activated at random.
"""

import gc
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cloud.bench.ingest import fill
from cloud.bench.measuring import resident_bytes, spread
from cloud.bench.showing import Advance
from cloud.bench.traffic import Size, gtin_of, store_id
from cloud.journal.sqlite_reader import SqliteReader
from cloud.shards.changes import Changes
from cloud.shards.residents import Residents
from cloud.sku_location.refusal import Refused
from protocol.bench_report import BenchReport, Figure

MB: Final = 1_000_000
MB_PER_MILLION_MAX: Final = 800
ACTIVATION_P99_MS_MAX: Final = 5.0
ACTIVATIONS: Final = 20_000
TIMES_BARE_MAX: Final = 1.6
"""How much an active SKU-location may weigh, in rows of its own as bytes in a dict."""


def bench(
    folder: Path, stored: Size, residents_max: int, seed: int, advance: Advance
) -> BenchReport:
    """Store so many SKU-locations, activate as many as may be in memory, then others at random."""
    path = fill(folder / "journal.db", stored, lambda done: advance(0.5 * done))
    reader = SqliteReader(path)
    try:
        bare_bytes = _weigh_rows(reader, residents_max)
        advance(0.6)
        before_bytes, begun_s = resident_bytes(), time.perf_counter()
        residents = _activated(reader, stored, residents_max)
        seconds = time.perf_counter() - begun_s
        weight_bytes = resident_bytes() - before_bytes
        advance(0.8)
        times_ms = _activations(reader, residents, stored, random.Random(seed))  # noqa: S311 # No secret.
        grown_bytes = resident_bytes() - before_bytes - weight_bytes
    finally:
        reader.close()
    active = len(residents)
    took = spread(times_ms)
    return BenchReport(
        bench="resident",
        seed=seed,
        conditions={"stored": stored.sku_locations, "active": active},
        figures=[
            Figure(
                name="memory, per million active",
                value=weight_bytes / active,
                unit="MB",
                at_most=MB_PER_MILLION_MAX,
            ),
            Figure(name="the same rows as bytes in a dict", value=bare_bytes / active, unit="MB"),
            Figure(
                name="weight of an active one, in bare rows",
                value=weight_bytes / bare_bytes,
                unit="",
                at_most=TIMES_BARE_MAX,
                is_ratio=True,
            ),
            Figure(name="activated in a row", value=active / seconds, unit="per s"),
            Figure(name="activation, p50", value=took.p50, unit="ms"),
            Figure(
                name="activation, p99",
                value=took.p99,
                unit="ms",
                at_most=ACTIVATION_P99_MS_MAX,
            ),
            Figure(name="more memory after activations", value=grown_bytes / MB, unit="MB"),
        ],
    )


def _weigh_rows(reader: SqliteReader, rows_max: int) -> int:
    """Return the memory that the bare rows take."""
    gc.collect()
    before_bytes = resident_bytes()
    rows: dict[tuple[str, str], bytes] = {}
    for row in reader.states():
        if len(rows) >= rows_max:
            break
        rows[row.store, row.gtin] = row.data
    return resident_bytes() - before_bytes


def _activated(reader: SqliteReader, stored: Size, residents_max: int) -> Residents:
    """Activate SKU-locations store by store, until no more may be in memory."""
    residents = Residents(residents_max)
    gtins = [gtin_of(number) for number in range(stored.articles)]
    for number in range(stored.stores):
        if len(residents) >= residents_max:
            break
        _activate(reader, residents, store_id(number), gtins)
    gc.collect()
    return residents


def _activate(reader: SqliteReader, residents: Residents, store: str, gtins: list[str]) -> None:
    """Do what a group does that is about these SKU-locations."""
    changes = Changes(reader, residents)
    for gtin in gtins:
        if isinstance(changes.state(store, gtin), Refused):
            raise AssertionError(f"the bench's own GTIN is refused: {gtin}")
    residents.keep(changes.active)


def _activations(
    reader: SqliteReader, residents: Residents, stored: Size, rng: random.Random
) -> list[float]:
    """Return how long each of many activations took, in milliseconds."""
    times_ms: list[float] = []
    for store, gtin in _absent(residents, stored, rng):
        begun_s = time.perf_counter()
        _activate(reader, residents, store, [gtin])
        times_ms.append((time.perf_counter() - begun_s) * 1_000)
    return times_ms


def _absent(residents: Residents, stored: Size, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Return SKU-locations at random that are not in memory; any, where all are."""
    all_fit = len(residents) >= stored.sku_locations
    found = 0
    while found < ACTIVATIONS:
        key = store_id(rng.randrange(stored.stores)), gtin_of(rng.randrange(stored.articles))
        if all_fit or residents.get(key) is None:
            found += 1
            yield key
