"""`bench query`: what one GTIN costs at many locations, explained, over a large journal.

A real journal in a temporary folder, the real API on a socket, and a client in a process of its
own. What is asserted is a ratio within the run, which no machine's speed can bend: an answer over
HTTP against a bare read of the same states on the same machine.
"""

import asyncio
import random
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cloud import assembly
from cloud.api.access import TokenEntry, Tokens
from cloud.bench.asking import Asked
from cloud.bench.measuring import spread
from cloud.bench.showing import Advance
from cloud.bench.traffic import BENCH_MS, gtin_of
from cloud.commands.documents import DocumentKind, SetDocument
from cloud.config import ApiSettings
from cloud.context_documents import LocationBody, ProductBody
from cloud.journal.rows import JournalWrite, StateRow, StoreRow, decode_state, encode_state
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_reader import SqliteReader
from cloud.rules.documents import Rule, RuleSetDocument
from cloud.shards.messages import Submitted
from cloud.shards.placement import shard_name
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.refusal import Refused
from cloud.sku_location.state import SkuLocation
from protocol.bench_report import BenchReport, Figure
from protocol.ids import CLOUD_STORE_ID

RATIO_MAX: Final = 8.0
"""How many bare reads of the states an explained answer may cost (medians)."""

WARM_UP: Final = 20
CHANNEL: Final = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the bench is."""

    sku_locations: int
    locations: int
    requests: int
    rules: int


def bench(folder: Path, size: Size, seed: int, advance: Advance) -> BenchReport:
    """Fill a journal in the folder, ask, and measure."""
    path = folder / "journal.db"
    gtins = _fill(path, size)
    advance(0.6)
    rng = random.Random(seed)  # noqa: S311 -- which GTIN is asked for next is no secret.
    asked = [rng.choice(gtins) for _ in range(size.requests + WARM_UP)]
    bare = spread(_bare_reads(path, size, asked[:100]))
    advance(0.7)
    answers = asyncio.run(_ask(path, asked))
    took = spread(answers.times_ms[WARM_UP:])
    return BenchReport(
        bench="query",
        seed=seed,
        conditions={
            "sku_locations": len(gtins) * size.locations,
            "locations": size.locations,
            "rules": size.rules,
            "requests": size.requests,
        },
        figures=[
            Figure(name="availability everywhere, explained, p50", value=took.p50, unit="ms"),
            Figure(name="availability everywhere, explained, p99", value=took.p99, unit="ms"),
            Figure(name="a bare read of the same states, p50", value=bare.p50, unit="ms"),
            Figure(
                name="an answer, in bare reads",
                value=took.p50 / bare.p50,
                unit="",
                at_most=RATIO_MAX,
                is_ratio=True,
            ),
            Figure(name="an answer", value=answers.answer_bytes, unit="bytes"),
        ],
    )


def _fill(path: Path, size: Size) -> list[str]:
    """Make a journal of this size, and return its GTINs."""
    gtins = [gtin_of(number) for number in range(max(1, size.sku_locations // size.locations))]
    journal = SqliteJournal(path, durable=False)
    owner_epoch = journal.take_ownership(shard_name(0, 1), LOGIC_ERA, BENCH_MS)
    for number in range(size.locations):
        journal.commit(owner_epoch, _stock_of(_location(number), number + 1, gtins))
    shard = Shard(journal, shard_name(0, 1), owner_epoch)
    for command in _documents(gtins, size):
        (reply,) = shard.commit([Submitted(ticket=0, command=command)], BENCH_MS).replies
        if isinstance(reply.answer, Refused):
            raise AssertionError(f"the bench's own document is refused: {reply.answer}")
    journal.close()
    return gtins


def _stock_of(store: str, position: int, gtins: list[str]) -> JournalWrite:
    states = [
        SkuLocation(
            store=store,
            gtin=gtin,
            version=3,
            measure="units",
            on_hand=3 + (position + number) % 17,
            opening=3 + (position + number) % 17,
            counted=True,
            counted_at_ms=BENCH_MS,
            as_of_ms=BENCH_MS,
        )
        for number, gtin in enumerate(gtins)
    ]
    rows = [StateRow(store, state.gtin, position, encode_state(state)) for state in states]
    return JournalWrite(states=rows, stores=[StoreRow(store, position, 1)])


def _documents(gtins: list[str], size: Size) -> Iterator[SetDocument]:
    for number in range(size.locations):
        body = LocationBody(
            latitude=47.0 + number % 70 / 10,
            longitude=6.0 + number % 80 / 10,
            time_zone="Europe/Berlin",
            country="DE",
            accuracy=0.9 + number % 10 / 100,
        )
        yield _set("location", _location(number), body)
    for gtin in gtins[:100]:
        yield _set("product", gtin, ProductBody(demand_class="fast"))
    rules = RuleSetDocument(schema="rules/1", rules=[_rule(number) for number in range(size.rules)])
    yield _set("rules", "rules", rules)


def _set(kind: DocumentKind, name: str, body: Struct) -> SetDocument:
    return SetDocument(store=CLOUD_STORE_ID, kind=kind, id=name, body=msgspec.json.encode(body))


def _rule(number: int) -> Rule:
    """Return one of several kinds of rule; few of a request's rules can be ruled out early."""
    conditions = (
        ["accuracy < 0.97", f"on_hand > {number}"],
        [f"hour >= {number % 12}", 'weekday != "sunday"'],
        [f"deadline_minutes > {number}"],
        [f"on_hand < {5 + number}", "!is_holiday", f"month != {1 + number % 12}"],
    )
    return Rule(
        name=f"rule-{number}",
        channels=[CHANNEL],
        when=conditions[number % len(conditions)],
        hide=1 + number % 3,
    )


def _location(number: int) -> str:
    return f"S{number:04d}"


def _bare_reads(path: Path, size: Size, gtins: list[str]) -> list[float]:
    """Return how long it takes to read and decode the states, in milliseconds."""
    reader = SqliteReader(path)
    places = [_location(number) for number in range(size.locations)]
    times_ms: list[float] = []
    for gtin in gtins:
        started_s = time.perf_counter()
        for row in reader.states_at(places, gtin):
            decode_state(row.data)
        times_ms.append((time.perf_counter() - started_s) * 1_000)
    reader.close()
    return times_ms


async def _ask(path: Path, gtins: list[str]) -> Asked:
    token = secrets.token_urlsafe()
    digest = sha256(token.encode()).hexdigest()
    tokens = Tokens([TokenEntry(name="bench", sha256=digest, roles=["ops"])])
    settings = ApiSettings(tokens_file="", port=0, requests_per_minute=10_000_000)
    async with assembly.headless(path, settings, tokens) as (_, server):
        command = [sys.executable, "-m", "cloud.bench.asking", str(server.port), CHANNEL]
        client = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        lines = "\n".join([token, *gtins]).encode()
        out, _ = await client.communicate(lines)
        if client.returncode != 0:
            raise AssertionError("the bench's client has failed; see above")
        return msgspec.json.decode(out, type=Asked)
