"""Bugs of a gateway, planted to see that the checkers notice."""

import asyncio
import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

import apsw
from msgspec.structs import replace

from cloud.shards.sequence import Sequence
from cloud.shards.sessions import Sessions
from edge.devices.pos_journal import PosJournalDriver
from edge.mirror.sqlite import SqliteMirror
from edge.outbox import sqlite_file
from edge.outbox.sqlite import SqliteOutbox
from edge.outbox.table import FactTable, Tally
from edge.outbox.writer import Append, Job
from edge.uplink import handshake, mqtt, session
from edge.uplink.handshake import Agreed, Renumber, Verdict
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Session
from edge.uplink.steps import BatchSent, OwnFact, SendBatch, SendHello
from protocol.envelope import FactBatch
from protocol.ids import Epoch, Seq
from protocol.updates import Ack, MirrorUpdate, Welcome
from simulators.harness.disk import Machine
from simulators.harness.planting import Canary, Plot
from simulators.harness.stepped import SteppedWriter

COMMITS_LATE_S: Final = 0.5

Method = Callable[..., Any]


def _answer_before_commit(plot: Plot) -> None:
    def around(submit: Method) -> Method:
        def submit_later(self: SteppedWriter, job: Job) -> None:
            if not isinstance(job, Append) or self.ended is not None:
                submit(self, job)
                return
            job.done.set_result(None)
            late = job._replace(done=Future())
            asyncio.get_running_loop().call_later(COMMITS_LATE_S, partial(submit, self, late))

        return submit_later

    plot.wrap(SteppedWriter, "submit", around)


def _synchronous_normal(plot: Plot) -> None:
    def around(open_for_writing: Method) -> Method:
        def open_carelessly(*args: Any) -> apsw.Connection:
            connection: apsw.Connection = open_for_writing(*args)
            connection.pragma("synchronous", "normal")
            return connection

        return open_carelessly

    plot.wrap(sqlite_file, "open_for_writing", around)


def _trim_when_sent(plot: Plot) -> None:
    def around(send_batch: Method) -> Method:
        async def send_and_trim(self: Uplink, batch: SendBatch, *rest: Any) -> BatchSent:
            sent: BatchSent = await send_batch(self, batch, *rest)
            self._outbox.trim(batch.epoch, Seq(sent.through_seq))  # A planted bug.
            return sent

        return send_and_trim

    plot.wrap(Uplink, "_send_batch", around)


def _trim_one_too_many(plot: Plot) -> None:
    def around(trim: Method) -> Method:
        def trim_more(self: SqliteOutbox, epoch: Epoch, through: Seq) -> None:
            trim(self, epoch, min(through + 1, self.status().next_seq - 1))

        return trim_more

    plot.wrap(SqliteOutbox, "trim", around)


def _delete_before_append(plot: Plot) -> None:
    def around(record: Method) -> Method:
        def delete_and_record(self: PosJournalDriver, batch: Any) -> None:
            files, batch.files = batch.files, batch.files[:]
            for name in files:
                self._dispose(name)
                batch.files.remove(name)
            if batch.facts:
                batch.files.append(".gone")
                record(self, batch)

        return delete_and_record

    def dispose_if_there(dispose: Method) -> Method:
        def dispose_it(self: PosJournalDriver, name: str) -> None:
            if name != ".gone":
                dispose(self, name)

        return dispose_it

    from simulators.harness.gateway import SteppedTill  # noqa: PLC0415 # It imports no canaries.

    plot.wrap(SteppedTill, "_dispose", dispose_if_there)
    plot.wrap(PosJournalDriver, "_record", around)


def _compare_nothing(plot: Plot) -> None:
    def judge_kindly(hello: SendHello, welcome: Welcome, own: SequenceOf[OwnFact]) -> Verdict:
        verdict = handshake.judge(hello, welcome, own)
        if isinstance(verdict, Renumber):
            return Agreed(min(welcome.through_seq, hello.next_seq - 1))
        return verdict

    plot.put(session, "judge", judge_kindly)


def _compare_nowhere(plot: Plot) -> None:
    """Neither at the hello nor at a batch; each alone would be noticed by the other."""

    def find_nothing(self: Sequence, *args: Any) -> None:
        del self, args

    _compare_nothing(plot)
    plot.put(Sequence, "_differing_seq", find_nothing)


def _no_sessions(plot: Plot) -> None:
    """As it was before decision 11: nobody asks whose facts and acknowledgements these are."""

    def is_of_our_epoch(self: Session, ack: Ack) -> bool:
        return ack.epoch == self._hello.epoch  # A planted bug.

    def admit(self: Sessions, batch: FactBatch) -> bool:
        del self, batch
        return True

    def judge_any(hello: SendHello, welcome: Welcome, own: SequenceOf[OwnFact]) -> Verdict:
        return handshake.judge(hello, replace(welcome, session=0), own)

    plot.put(session, "judge", judge_any)
    plot.put(Session, "_is_ours", is_of_our_epoch)
    plot.put(Sessions, "admits", admit)


def _keep_epoch_number(plot: Plot) -> None:
    def around(start_epoch: Method) -> Method:
        def start_same(self: FactTable, epoch: int, keep_from: int, tally: Tally) -> None:
            start_epoch(self, tally.epoch or epoch, keep_from, tally)

        return start_same

    plot.wrap(FactTable, "start_epoch", around)


def _pass_over_failed_sync(plot: Plot) -> None:
    """The kernel says once that it could not write, and somebody does not listen."""

    def around(sync: Method) -> Method:
        def sync_and_hope(self: Machine, path: str) -> None:
            self.must_answer()
            with suppress(apsw.IOError):
                sync(self, path)

        return sync_and_hope

    plot.wrap(Machine, "sync", around)


def _mirror_without_predecessor(plot: Plot) -> None:
    def around(apply: Method) -> Method:
        def apply_anything(self: SqliteMirror, update: MirrorUpdate) -> None:
            before = min(update.previous_position, self.position)
            apply(self, replace(update, previous_position=before or update.previous_position))

        return apply_anything

    plot.wrap(SqliteMirror, "apply", around)


def _mirror_never_asks(plot: Plot) -> None:
    plot.put(mqtt, "MIRROR_CHECK_INTERVAL_S", float("inf"))


def _number_twice(plot: Plot) -> None:
    def around(save: Method) -> Method:
        def save_old(self: FactTable, tally: Tally) -> None:
            save(self, dataclasses.replace(tally, next_seq=max(1, tally.next_seq - 1)))

        return save_old

    plot.wrap(FactTable, "save", around)


EDGE_CANARIES: Final = (
    Canary(
        "answer-before-commit",
        "P1",
        "append returns before its commit",
        _answer_before_commit,
        ("kill",),
    ),
    Canary(
        "outbox-normal",
        "P1",
        "the outbox runs with synchronous=NORMAL",
        _synchronous_normal,
        ("power_cut",),
    ),
    Canary("trim-when-sent", "P1", "facts are forgotten when they are sent", _trim_when_sent),
    Canary(
        "trim-one-more", "P1", "one fact more than acknowledged is forgotten", _trim_one_too_many
    ),
    Canary(
        "delete-first", "P1", "a till's file is deleted before its append", _delete_before_append
    ),
    Canary(
        "compare-nothing",
        "P2",
        "a restored outbox goes on in its epoch",
        _compare_nothing,
        ("restore_image",),
    ),
    Canary(
        "compare-nowhere",
        "P2",
        "known numbers are duplicates, whatever they say",
        _compare_nowhere,
        ("restore_image", "clone"),
    ),
    Canary(
        "no-sessions",
        "P1",
        "batches and acks of any session count",
        _no_sessions,
        ("clone", "drop", "delay_ms"),
    ),
    Canary(
        "same-epoch",
        "P2",
        "a new life of an outbox keeps its epoch",
        _keep_epoch_number,
        ("restore_image", "clone"),
    ),
    Canary(
        "sync-unheard",
        "P1",
        "a failed fsync passes for a good one",
        _pass_over_failed_sync,
        ("sync_fails", "power_cut"),
    ),
    Canary(
        "mirror-gap",
        "P6",
        "a mirror applies what follows a gap",
        _mirror_without_predecessor,
        ("drop",),
    ),
    Canary("mirror-silent", "P6", "a mirror never asks by itself", _mirror_never_asks, ("drop",)),
    Canary(
        "number-twice",
        "P2",
        "a number is given again after a crash",
        _number_twice,
        ("kill", "stop"),
    ),
)
