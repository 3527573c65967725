"""`verify`: rebuild every state from the journalled inputs and compare, byte for byte (P8).

The inputs of the present era are applied once more, by the code that applied them first, to a
scratch journal that starts from the era's opening snapshot. Then states, watermarks, reorders and
till lines of both journals are walked side by side. Memory stays bounded: everything streams.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, TypeVar

from cloud.errors import JournalIncompatible
from cloud.journal.port import Journal, JournalReader
from cloud.journal.rows import (
    BusinessKeyRow,
    CommandKeyRow,
    InputRow,
    JournalWrite,
    RecordRow,
    ReorderRow,
    StateRow,
    WatermarkRow,
    decode_state,
)
from cloud.shards.changes import Changes
from cloud.shards.residents import Residents
from cloud.sku_location.decide import LOGIC_ERA

ROWS_PER_COMMIT: Final = 2_000
INPUTS_PER_COMMIT: Final = 64
RESIDENTS_MAX: Final = 50_000
DIFFERENCES_NAMED_MAX: Final = 100
SCRATCH_SHARD: Final = "verify"

R = TypeVar("R", StateRow, WatermarkRow, ReorderRow, BusinessKeyRow, RecordRow, CommandKeyRow)
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class VerifyReport:
    """What a replay found. `differences` names the first of them."""

    era: int
    inputs_replayed: int = 0
    facts_applied: int = 0
    states_compared: int = 0
    watermarks_compared: int = 0
    reorders_compared: int = 0
    till_lines_compared: int = 0
    records_compared: int = 0
    command_keys_compared: int = 0
    difference_count: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def is_identical(self) -> bool:
        """Say whether the replay led to the very bytes in the journal."""
        return self.difference_count == 0

    def note(self, difference: str) -> None:
        """Count a difference, and name it while there is room."""
        self.difference_count += 1
        if len(self.differences) < DIFFERENCES_NAMED_MAX:
            self.differences.append(difference)


def verify(journal: JournalReader) -> VerifyReport:
    """Replay the present era and compare. The shard may go on committing meanwhile.

    Raises `JournalIncompatible` when another logic decided this era.
    """
    with journal.snapshot(), journal.scratch() as scratch:
        era = journal.era()
        if era.logic not in (0, LOGIC_ERA):
            detail = f"era {era.number} was decided by logic {era.logic}"
            raise JournalIncompatible(f"{detail}; this program has logic {LOGIC_ERA}")
        report = VerifyReport(era=era.number)
        owner_epoch = scratch.take_ownership(SCRATCH_SHARD, LOGIC_ERA, era.opened_at_ms)
        _copy_opening(journal, era.opened_after, scratch, owner_epoch)
        _replay(journal, era.opened_after, scratch, owner_epoch, report)
        _compare(journal, scratch, report)
        return report


def _copy_opening(
    journal: JournalReader, opened_after: int, scratch: Journal, owner_epoch: int
) -> None:
    for states in _chunks(journal.opening_states(), ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(states=states))
    for records in _chunks(journal.opening_records(), ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(records=records))
    old_keys = (row for row in journal.command_keys() if row.position <= opened_after)
    for command_keys in _chunks(old_keys, ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(command_keys=command_keys))
    for watermarks in _chunks(journal.opening_watermarks(), ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(watermarks=watermarks))
    keys = (row for row in journal.business_keys() if row.position <= opened_after)
    for key_rows in _chunks(keys, ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(business_keys=key_rows))
    old = takewhile(lambda row: row.updated_position <= opened_after, journal.reorders_changed(0))
    for reorders in _chunks(old, ROWS_PER_COMMIT):
        scratch.commit(owner_epoch, JournalWrite(reorders=reorders))


def _replay(
    journal: JournalReader,
    opened_after: int,
    scratch: Journal,
    owner_epoch: int,
    report: VerifyReport,
) -> None:
    residents = Residents(RESIDENTS_MAX)
    for inputs in _chunks(journal.inputs(opened_after), INPUTS_PER_COMMIT):
        changes = Changes(scratch, residents)
        watermarks: dict[tuple[str, int], WatermarkRow] = {}
        for row in inputs:
            changes.apply_input(row)
            if row.kind == "batch":
                _advance(scratch, watermarks, row, report)
        write = JournalWrite(
            watermarks=list(watermarks.values()),
            states=changes.state_rows(),
            business_keys=changes.business_key_rows(),
            reorders=changes.reorder_rows(),
            records=changes.record_rows(),
            command_keys=list(changes.command_keys.values()),
        )
        scratch.commit(owner_epoch, write)
        residents.keep(changes.active)
        report.inputs_replayed += len(inputs)
        report.facts_applied += changes.facts_applied


def _advance(
    scratch: Journal,
    watermarks: dict[tuple[str, int], WatermarkRow],
    row: InputRow,
    report: VerifyReport,
) -> None:
    key = (row.store, row.epoch)
    known = watermarks.get(key)
    through_seq = scratch.watermark(*key) if known is None else known.through_seq
    if row.first_seq != through_seq + 1:
        detail = f"begins at fact {row.first_seq} although {through_seq} was the last before"
        report.note(f"input {row.position} of {row.store}, epoch {row.epoch}: {detail}")
    watermarks[key] = WatermarkRow(row.store, row.epoch, row.last_seq)


def _compare(journal: JournalReader, scratch: Journal, report: VerifyReport) -> None:
    for state, replayed in _side_by_side(journal.states(), scratch.states(), 2):
        report.states_compared += 1
        if state != replayed:
            report.note(_state_difference(state, replayed))
    report.watermarks_compared = _compare_rows(
        "watermark", journal.watermarks(), scratch.watermarks(), 2, report
    )
    report.reorders_compared = _compare_rows(
        "reorder", journal.reorders(), scratch.reorders(), 3, report
    )
    report.till_lines_compared = _compare_rows(
        "till line", journal.business_keys(), scratch.business_keys(), 3, report
    )
    report.records_compared = _compare_rows(
        "record", journal.all_records(), scratch.all_records(), 3, report
    )
    report.command_keys_compared = _compare_rows(
        "command key", journal.command_keys(), scratch.command_keys(), 1, report
    )


def _compare_rows(
    name: str, left: Iterator[R], right: Iterator[R], key_length: int, report: VerifyReport
) -> int:
    """Note what differs; return how many rows there were."""
    compared = 0
    for row, replayed in _side_by_side(left, right, key_length):
        compared += 1
        if row != replayed:
            report.note(f"{name}: journal has {row}, replay gives {replayed}")
    return compared


def _state_difference(state: StateRow | None, replayed: StateRow | None) -> str:
    there = "no state" if state is None else _described(state)
    here = "none" if replayed is None else _described(replayed)
    row = state or replayed
    return f"{row and row.gtin}@{row and row.store}: journal has {there}, replay gives {here}"


def _described(row: StateRow) -> str:
    return f"{decode_state(row.data)} at position {row.position}"


def _side_by_side(
    left: Iterator[R], right: Iterator[R], key_length: int
) -> Iterator[tuple[R | None, R | None]]:
    """Pair rows of two ordered streams by their first `key_length` columns."""
    mine, other = next(left, None), next(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine[:key_length] < other[:key_length]):
            yield mine, None
            mine = next(left, None)
        elif mine is None or other[:key_length] < mine[:key_length]:
            yield None, other
            other = next(right, None)
        else:
            yield mine, other
            mine, other = next(left, None), next(right, None)


def _chunks(rows: Iterable[T], rows_max: int) -> Iterator[list[T]]:
    chunk: list[T] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == rows_max:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
