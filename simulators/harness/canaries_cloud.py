"""Bugs of the cloud, planted to see that the checkers notice."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final

import apsw
from msgspec.structs import replace

from cloud.ingest.mqtt import Ingest
from cloud.journal import sqlite
from cloud.journal.rows import JournalWrite
from cloud.journal.sql_reader import SqlReader
from cloud.journal.sqlite import SqliteJournal
from cloud.journal.sqlite_file import transaction
from cloud.journal.sqlite_reader import SqliteReader
from cloud.orders.driver import Driver
from cloud.publisher.outgoing import Outgoing
from cloud.publisher.progress import Progress
from cloud.publisher.retained import Backlog, Retained
from cloud.publisher.session import Session as PublisherSession
from cloud.shards import changes
from cloud.shards.messages import BatchReceived
from cloud.shards.sequence import Judgement, Sequence
from cloud.sku_location import holds
from cloud.sku_location.events import HoldConfirmed
from cloud.sku_location.state import Hold, SkuLocation
from protocol.codec import decode_up
from protocol.envelope import FactBatch
from protocol.errors import FrameRejected
from protocol.updates import Ack
from simulators.harness.planting import Canary, Plot

Method = Callable[..., Any]


def _ack_on_receipt(plot: Plot) -> None:
    def around(take: Method) -> Method:
        async def take_and_answer(self: Ingest, topic: str, payload: bytes) -> None:
            try:
                batch = decode_up(payload)
            except FrameRejected:
                batch = None
            if isinstance(batch, FactBatch):
                through_seq = batch.first_seq + len(batch.facts) - 1
                self._answer(  # A planted bug.
                    Ack(
                        store=batch.store,
                        epoch=batch.epoch,
                        through_seq=through_seq,
                        session=batch.session,
                    )
                )
            await take(self, topic, payload)

        return take_and_answer

    plot.wrap(Ingest, "take", around)


def _synchronous_normal(plot: Plot) -> None:
    def around(open_for_writing: Method) -> Method:
        def open_carelessly(*args: Any, **kwargs: Any) -> apsw.Connection:
            connection: apsw.Connection = open_for_writing(*args, **kwargs)
            connection.pragma("synchronous", "normal")
            return connection

        return open_carelessly

    plot.wrap(sqlite, "open_for_writing", around)


def _no_fence(plot: Plot) -> None:
    def commit_anyway(self: SqliteJournal, owner_epoch: int, write: JournalWrite) -> None:
        del owner_epoch
        with self._storage(), transaction(self._connection):
            self._write(write)  # A planted bug.

    plot.put(SqliteJournal, "commit", commit_anyway)


def _same_owner_epoch(plot: Plot) -> None:
    def around(take_ownership: Method) -> Method:
        def take_as_before(self: SqliteJournal, *args: Any) -> int:
            owner_epoch: int = take_ownership(self, *args)
            if owner_epoch > 1:
                with self._storage():
                    self._connection.execute("UPDATE journal SET owner_epoch = owner_epoch - 1")
                return owner_epoch - 1
            return owner_epoch

        return take_as_before

    plot.wrap(SqliteJournal, "take_ownership", around)


def _dedupe_without_epoch(plot: Plot) -> None:
    def around(watermark: Method) -> Method:
        def newest(self: SqliteReader, store: str, epoch: int) -> int:
            del epoch
            rows = [row.through_seq for row in self.watermarks(store)]
            return max(rows, default=0)

        del watermark
        return newest

    plot.wrap(SqlReader, "watermark", around)


def _apply_behind_gaps(plot: Plot) -> None:
    def around(judge: Method) -> Method:
        def judge_kindly(self: Sequence, received: BatchReceived) -> Judgement:
            judgement: Judgement = judge(self, received)
            if judgement.verdict == "gap":
                return Judgement("apply", received.batch.first_seq)
            return judgement

        return judge_kindly

    plot.wrap(Sequence, "judge", around)


def _forget_watermarks(plot: Plot) -> None:
    def around(write_all: Method) -> Method:
        def write_less(self: SqliteJournal, write: JournalWrite) -> None:
            write.watermarks.clear()
            write_all(self, write)

        return write_less

    plot.wrap(SqliteJournal, "_write", around)


def _forget_till_lines(plot: Plot) -> None:
    def know_none(self: SqliteReader, *args: Any) -> dict[Any, Any]:
        del self, args
        return {}

    plot.put(SqlReader, "business_keys_of", know_none)
    plot.put(sqlite, "_INSERT_KEY", "INSERT OR IGNORE INTO business_keys VALUES (?, ?, ?, ?, ?, ?)")


def _forget_command_keys(plot: Plot) -> None:
    from cloud.journal.sql_records import SqlRecords  # noqa: PLC0415 # For this bug alone.

    def know_none(self: SqliteReader, key: str) -> None:
        del self, key

    plot.put(SqlRecords, "command_key", know_none)
    insert = "INSERT OR REPLACE INTO command_keys VALUES (?, ?, ?, ?, ?)"
    plot.put(sqlite, "_INSERT_COMMAND_KEY", insert)


def _expiry_beats_confirm(plot: Plot) -> None:
    def is_late(hold: Hold, now_ms: int) -> bool:
        return 0 < hold.expires_at_ms <= now_ms

    def around(hold_after: Method) -> Method:
        def keep_end(hold: Hold, event: Any) -> Hold:
            after: Hold = hold_after(hold, event)
            is_confirmed = isinstance(event, HoldConfirmed)
            return replace(after, expires_at_ms=hold.expires_at_ms) if is_confirmed else after

        return keep_end

    plot.put(holds, "is_expired", is_late)
    plot.wrap(holds, "_hold_after", around)


def _one_too_many(plot: Plot) -> None:
    def sellable(state: SkuLocation) -> int:
        return state.on_hand - state.reserved - state.unavailable + 1

    plot.put(SkuLocation, "sellable", property(sellable))


def _reserved_not_counted(plot: Plot) -> None:
    def sellable(state: SkuLocation) -> int:
        return state.on_hand - state.unavailable

    plot.put(SkuLocation, "sellable", property(sellable))


def _two_versions_in_flight(plot: Plot) -> None:
    rng = Random(0)

    def put_always(self: Backlog, entry: Retained) -> None:
        self._waiting[entry.key] = entry  # A planted bug.

    def confirm(self: Backlog, entry: Retained) -> None:
        self._in_flight.pop(entry.key, None)  # As above.

    def around(post: Method) -> Method:
        def post_some_time(self: PublisherSession, message: Outgoing, then: Method) -> None:
            delay_s = rng.random() if message.retain else 0.0
            asyncio.get_running_loop().call_later(delay_s, post, self, message, then)

        return post_some_time

    plot.put(Backlog, "_put", put_always)
    plot.put(Backlog, "confirm", confirm)
    plot.wrap(PublisherSession, "_post", around)


def _forget_behind_a_flight(plot: Plot) -> None:
    def around(offer: Method) -> Method:
        def offer_if_idle(self: Backlog, entry: Retained) -> bool:
            is_busy = entry.key in self._in_flight  # A planted bug.
            return is_busy or bool(offer(self, entry))

        return offer_if_idle

    plot.wrap(Backlog, "offer", around)


def _promise_what_was_not_confirmed(plot: Plot) -> None:
    plot.put(Progress, "confirmed_through", property(lambda self: self.head))


def _no_compensation(plot: Plot) -> None:
    def around(tell: Method) -> Method:
        async def tell_no_release(self: Driver, act: str, *rest: Any) -> None:
            if act != "release":
                await tell(self, act, *rest)

        return tell_no_release

    plot.wrap(Driver, "_tell", around)


def _decide_by_chance(plot: Plot) -> None:
    rng = Random(0)

    def around(evolve: Method) -> Method:
        def evolve_somehow(state: SkuLocation, event: Any) -> SkuLocation:
            evolved: SkuLocation = evolve(state, event)
            return replace(evolved, as_of_ms=evolved.as_of_ms + (rng.random() < 0.05))

        return evolve_somehow

    plot.wrap(changes, "evolve", around)


def _version_stands_still(plot: Plot) -> None:
    rng = Random(0)

    def around(evolve: Method) -> Method:
        def evolve_without_growing(state: SkuLocation, event: Any) -> SkuLocation:
            evolved: SkuLocation = evolve(state, event)
            is_lazy = state.version > 0 and rng.random() < 0.1
            return replace(evolved, version=state.version) if is_lazy else evolved

        return evolve_without_growing

    plot.wrap(changes, "evolve", around)


CLOUD_CANARIES: Final = (
    Canary(
        "ack-on-receipt",
        "P1",
        "ingest acknowledges before the commit",
        _ack_on_receipt,
        ("kill", "kill_soon"),
    ),
    Canary(
        "journal-normal",
        "P1",
        "the journal runs with synchronous=NORMAL",
        _synchronous_normal,
        ("power_cut",),
    ),
    Canary("no-fence", "P3", "a stale owner's commit is not refused", _no_fence, ("take_over",)),
    Canary(
        "same-owner-epoch",
        "P3",
        "a new owner takes the old epoch",
        _same_owner_epoch,
        ("take_over", "kill"),
    ),
    Canary(
        "dedupe-without-epoch",
        "P2",
        "watermarks are kept per store",
        _dedupe_without_epoch,
        ("restore_image", "clone"),
    ),
    Canary(
        "apply-behind-gap", "P1", "a batch behind a gap is applied", _apply_behind_gaps, ("drop",)
    ),
    Canary("watermark-lost", "P2", "the watermark is not in the transaction", _forget_watermarks),
    Canary(
        "till-line-twice",
        "P2",
        "till lines are not looked up",
        _forget_till_lines,
        ("power_cut", "kill_soon"),
    ),
    Canary("key-forgotten", "P2", "idempotency keys are not looked up", _forget_command_keys),
    Canary("expiry-beats-confirm", "P4", "a confirmed hold expires", _expiry_beats_confirm),
    Canary("one-too-many", "P4", "one more than there is may be reserved", _one_too_many),
    Canary("reserved-uncounted", "P4", "what is reserved may be reserved", _reserved_not_counted),
    Canary("two-in-flight", "P6", "two versions of a topic race", _two_versions_in_flight),
    Canary(
        "conflated-update-lost",
        "P6",
        "what changes while a version is in flight is forgotten",
        _forget_behind_a_flight,
        ("delay_ms",),
    ),
    Canary(
        "marker-too-far",
        "P6",
        "the marker says what is not confirmed",
        _promise_what_was_not_confirmed,
        ("kill", "drop"),
    ),
    Canary("no-compensation", "P4", "a failed order keeps its parcels", _no_compensation),
    Canary("by-chance", "P8", "evolve draws lots", _decide_by_chance),
    Canary("version-stands-still", "P6", "a change keeps its version", _version_stands_still),
)
