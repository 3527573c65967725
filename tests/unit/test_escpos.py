"""ESC/POS status and slips; the bytes are those of Epson's reference.

Epson, ESC/POS command reference, DLE EOT and GS r; the masks of python-escpos, which others wrote
from the same pages, are the second opinion.
"""

import pytest
from escpos import constants
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.escpos import (
    DONE_REQUEST,
    STATUS_REQUEST,
    PrinterStatus,
    parse_done,
    parse_status,
    slip,
)
from edge.devices.task_slips import Printed, Wanted, next_task, task_slip
from protocol.updates import TaskSignal

WELL = PrinterStatus(
    is_offline=False,
    is_drawer_high=False,
    is_cover_open=False,
    is_paper_low=False,
    is_paper_out=False,
    error="",
)
NOW_MS = 1_773_500_000_000


@pytest.mark.parametrize(
    ("answer", "expected", "trouble"),
    [
        ("12 12 12 12", WELL, None),
        ("16 12 12 12", WELL._replace(is_drawer_high=True), None),
        ("1a 16 12 12", WELL._replace(is_offline=True, is_cover_open=True), "the cover is open"),
        ("12 12 12 1e", WELL._replace(is_paper_low=True), "the paper is low"),
        (
            "1a 32 12 7e",
            WELL._replace(is_offline=True, is_paper_low=True, is_paper_out=True),
            "the paper is out",
        ),
        (
            "1a 52 1a 12",
            WELL._replace(is_offline=True, error="the cutter is stuck"),
            "the cutter is stuck",
        ),
        ("1a 12 12 12", WELL._replace(is_offline=True), "it is offline"),
        # Automatic status (GS a) and XON in between are no answers.
        ("14 00 00 0f 12 11 12 12 12", WELL, None),
    ],
)
def test_status_bytes_mean_what_the_reference_says(
    answer: str, expected: PrinterStatus, trouble: str | None
) -> None:
    status = parse_status(bytes.fromhex(answer))
    assert status == expected
    assert status is not None
    assert status.trouble == trouble


@given(st.integers(0, 255))
def test_python_escpos_reads_online_and_paper_alike(bits: int) -> None:
    paper = bits & 0x6C | 0x12
    printer = bits & 0x0C | 0x12
    status = parse_status(bytes([printer, 0x12, 0x12, paper]))
    assert status is not None
    assert status.is_offline == bool(printer & constants.RT_MASK_ONLINE)
    if paper & constants.RT_MASK_NOPAPER == constants.RT_MASK_NOPAPER:
        assert status.is_paper_out
    elif paper == constants.RT_MASK_PAPER:
        assert not status.is_paper_low


def test_the_questions_are_those_of_the_reference() -> None:
    assert STATUS_REQUEST[:3] == constants.RT_STATUS_ONLINE
    assert STATUS_REQUEST[9:] == constants.RT_STATUS_PAPER
    assert DONE_REQUEST == b"\x1d\x72\x01"


@pytest.mark.parametrize(
    ("answer", "has_paper"),
    [("00", True), ("03", True), ("0c", False), ("12 00", True), ("12", None)],
)
def test_gs_r_tells_when_printing_is_done(answer: str, *, has_paper: bool | None) -> None:
    assert parse_done(bytes.fromhex(answer)) is has_paper


@given(st.binary(max_size=64))
def test_any_bytes_are_a_status_or_not_yet(data: bytes) -> None:
    parse_status(data)
    parse_done(data)


def task(number: int, **changes: object) -> TaskSignal:
    fields: dict[str, object] = {
        "store": "S001",
        "task_id": f"T{number:06}",
        "kind": "recount",
        "gtin": "00614141999996",
        "measure": "units",
        "quantity": 3,
        "created_at_ms": NOW_MS,
    }
    return TaskSignal(**(fields | changes))  # type: ignore[arg-type] # One of many kinds each.


WANTED = Wanted(kinds=frozenset(("recount", "pick")), age_max_ms=1_000)


def test_the_oldest_task_that_is_not_printed_comes_next() -> None:
    tasks = [task(3), task(2), task(1)]
    assert next_task(tasks, Printed("T000001"), WANTED, NOW_MS) == task(2)
    assert next_task(tasks, Printed("T000003"), WANTED, NOW_MS) is None


def test_old_and_unwanted_tasks_are_passed_over() -> None:
    tasks = [task(1, created_at_ms=NOW_MS - 2_000), task(2, kind="replenish"), task(3)]
    assert next_task(tasks, Printed(""), WANTED, NOW_MS) == task(3)


def test_a_slip_says_what_to_do() -> None:
    printed = task_slip(
        task(7, kind="pick", quantity=1, order_id="W-1", detail="for 5 pm"),
        "S001",
        30,
        is_repeated=False,
    )
    assert printed.startswith(b"\x1b@\x1b!\x18PICK\n\x1b!\x00GTIN 00614141999996\ntake 1 piece\n")
    assert b"for order W-1\nfor 5 pm\nS001  2026-03-14 14:53 UTC\ntask T000007\n" in printed
    assert printed.endswith(b"\x1dVB\x00")
    assert b"REPEATED" in task_slip(task(7), "S001", 42, is_repeated=True)
    assert b"there are: 1.250 kg" in task_slip(
        task(7, measure="grams", quantity=1_250), "S001", 42, is_repeated=False
    )


@given(detail=st.text(max_size=256), columns=st.integers(24, 96))
def test_no_text_of_a_task_can_send_the_printer_a_command(detail: str, columns: int) -> None:
    printed = task_slip(task(1, detail=detail), "S001", columns, is_repeated=True)
    assert printed.count(b"\x1b") == 3
    assert printed.count(b"\x1d") == 1
    assert b"\x10" not in printed
    lines = printed.removeprefix(slip("PLEASE COUNT", [])[:-4]).removesuffix(b"\x1dVB\x00")
    assert all(len(line) <= columns for line in lines.split(b"\n"))
