"""One boot as the host lives through it: hear the guest, judge what it found, cut its power."""

import time
from collections.abc import Iterator
from typing import Final

from simulators.powercut import notes
from simulators.powercut.books import Books
from simulators.powercut.errors import PowercutFailed
from simulators.powercut.machine import Guest
from simulators.powercut.notes import AnyNote
from simulators.powercut.plan import CutPlan, Moment
from simulators.powercut.survey import Survey

BOOT_DEADLINE_S: Final = 90.0
"""A guest must have come to the moment of its cut, or be off, by then."""
MOMENT_NOTES: Final[dict[Moment, type[notes.Note]]] = {
    "opening": notes.Opening,
    "migration": notes.Emptied,
    "load": notes.Loading,
    "checkpoint": notes.Moving,
    "disk": notes.DiskGone,
}


class Boot:
    """`plan` is when to cut; `new_set` the data set that the guest makes when it is told to."""

    def __init__(self, books: Books, guest: Guest, plan: CutPlan | None, new_set: str) -> None:
        self._books: Final = books
        self._guest: Final = guest
        self._plan: Final = plan
        self._new_set: Final = new_set
        self._survey: Final = Survey()
        self._occurrences = 0
        self._is_opened = books.data_set is None
        self._is_renewed = False
        self._is_loading = False
        self._is_disk_gone = False
        self._is_deaf = False

    def run(self) -> float:
        """Live through it; return how many seconds the guest's kernel took to our first line.

        Raises `PowercutFailed` when the guest does nothing of what was expected.
        """
        uptime_s = 0.0
        for note in self._until_moment():
            if isinstance(note, notes.Up):
                uptime_s = note.uptime_s
        if self._plan is not None and not self._guest.has_ended:
            self._hear_for(self._plan.delay_ms / 1_000)
            for note in self._guest.cut():
                self._take(note)
        return uptime_s

    def _until_moment(self) -> Iterator[AnyNote]:
        deadline_s = time.monotonic() + BOOT_DEADLINE_S
        while not self._guest.has_ended:
            heard = self._guest.heard(deadline_s)
            if time.monotonic() > deadline_s:
                raise PowercutFailed(f"the guest did not come to its moment; {self._standing()}")
            is_due = False
            for note in heard:
                self._take(note)
                is_due |= self._is_moment(note)
                yield note
            if is_due:
                return
        if not self._has_told_enough():
            raise PowercutFailed(f"the guest went off by itself; {self._standing()}")

    def _has_told_enough(self) -> bool:
        """Return whether a guest may be off: all is checked, or it has said what is wrong."""
        is_done = self._is_opened if self._plan is None else self._is_deaf
        return is_done or self._books.is_spoilt

    def _standing(self) -> str:
        return f"opened: {self._is_opened}, plan: {self._plan}; see console.log"

    def _hear_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and not self._guest.has_ended:
            for note in self._guest.heard(end_s):
                self._take(note)

    def _is_moment(self, note: AnyNote) -> bool:
        plan = self._plan
        if plan is None or not isinstance(note, MOMENT_NOTES[plan.moment]):
            return False
        if plan.moment != "opening" and not self._is_opened:
            return False
        if self._wants_new_set() and not self._is_renewed:
            return False  # Between the old data set and the new one there is nothing to lose.
        self._occurrences += 1
        return self._occurrences >= plan.occurrence

    def _wants_new_set(self) -> bool:
        wants = self._plan is not None and self._plan.is_fresh
        return wants or self._books.is_spoilt or self._books.data_set is None

    def _take(self, note: AnyNote) -> None:
        if self._is_deaf:
            return
        if isinstance(note, notes.Opened):
            self._books.judge(self._survey, note.took_s)
            self._is_opened = True
            self._guest.answer(renew=self._wants_new_set())
        elif isinstance(note, notes.Emptied):
            self._books.begin_data_set(self._new_set)
            self._is_renewed = True
        elif isinstance(note, notes.Problem):
            self._books.complain(note.detail, is_unusable=not self._is_loading)
        elif isinstance(note, notes.Loading):
            self._is_loading = True
        elif isinstance(note, notes.DiskGone):
            self._is_disk_gone = True
            # Of a disk that lies, nothing counts from here on; one that fails is still believed.
            self._is_deaf = self._plan is not None and self._plan.disk == "vanishing"
        elif isinstance(note, notes.Failed) and not self._is_disk_gone:
            text = f"the {note.part} failed on a sound disk: {note.detail}"
            self._books.complain(text, is_unusable=not self._is_loading)
        else:
            self._survey.take(note)
            self._books.hear(note)
