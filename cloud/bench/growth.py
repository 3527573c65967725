"""`bench growth`: whether ingest slows down as a journal grows.

The same traffic, from the same number of busy stores, into journals that hold ever more stores.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cloud.bench.ingest import fill, run
from cloud.bench.showing import Advance
from cloud.bench.traffic import Size, Traffic
from protocol.bench_report import BenchReport, Figure, Plot

GROWTH_MAX: Final = 1.15
ARTICLES: Final = 1_250
BUSY_STORES: Final = 8
SMALLEST: Final = ARTICLES * BUSY_STORES


def bench(
    folder: Path, sizes: Sequence[int], facts: int, seed: int, advance: Advance
) -> BenchReport:
    """Ingest so many facts into journals of so many SKU-locations each."""
    us_per_fact: list[tuple[float, float]] = []
    for number, sku_locations in enumerate(sizes):
        size = Size(stores=max(BUSY_STORES, sku_locations // ARTICLES), articles=ARTICLES)
        path = fill(folder / f"{size.sku_locations}.db", size)
        stride = size.stores // BUSY_STORES
        busy = range(0, stride * BUSY_STORES, stride)
        taken = run(path, list(Traffic(size, seed).batches(busy, facts)))
        us_per_fact.append((size.sku_locations, 1e6 * taken.seconds / taken.facts))
        path.unlink()
        advance((number + 1) / len(sizes))
    smallest, largest = us_per_fact[0], us_per_fact[-1]
    return BenchReport(
        bench="growth",
        seed=seed,
        conditions={"facts": facts, "stores_sending": BUSY_STORES},
        figures=[
            *(
                Figure(name=f"a fact, {int(size):,} stored", value=us, unit="us")
                for size, us in us_per_fact
            ),
            Figure(
                name=f"from {int(smallest[0]):,} to {int(largest[0]):,} stored",
                value=largest[1] / smallest[1],
                unit="times",
                at_most=GROWTH_MAX,
                is_ratio=True,
            ),
        ],
        plots=[
            Plot(
                title="Ingest time per fact",
                x="stored SKU-locations",
                y="microseconds",
                lines={"durable, one shard": us_per_fact},
                is_log_x=True,
            )
        ],
    )
