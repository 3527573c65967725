"""The books of a campaign: the present data set, its ledger, and what was found so far. Pure."""

from typing import Final

from simulators.powercut.findings import Findings
from simulators.powercut.judging import judge
from simulators.powercut.ledger import Ledger
from simulators.powercut.notes import AnyNote
from simulators.powercut.survey import Survey


class Books:
    """`unjudged` cuts have hit the present data set since it was last compared with its ledger."""

    def __init__(self) -> None:
        self.findings: Final = Findings()
        self.data_set: str | None = None
        self.data_sets = 0
        self.age = 0
        self.is_spoilt = False
        self.is_unusable = False
        self.unjudged = 0
        self.cuts_judged = 0
        self.openings = 0
        self.openings_caught = 0
        self.opening_s_max = 0.0
        self._ledger = Ledger(self.findings)

    def begin_data_set(self, name: str) -> None:
        """A new data set has taken the place of the old one."""
        self.data_set, self.age, self.unjudged = name, 0, 0
        self.is_spoilt = self.is_unusable = False
        self.data_sets += 1
        self._ledger = Ledger(self.findings)

    def lose_disk(self) -> None:
        """The disk was replaced."""
        self.data_set, self.age, self.unjudged = None, 0, 0
        self.is_spoilt = self.is_unusable = False

    def hear(self, note: AnyNote) -> None:
        """Take down a promise."""
        before = self.findings.total
        self._ledger.hear(note)
        self.is_spoilt |= self.findings.total > before

    def note_cut(self) -> None:
        """The power was cut."""
        self.unjudged += 1
        self.age += 1

    def judge(self, survey: Survey, took_s: float) -> None:
        """Compare what the last cuts left with what had been promised before them."""
        before = self.findings.total
        judge(self._ledger, survey)
        self.opening_s_max = max(self.opening_s_max, took_s)
        self._note_opening(is_caught=self.findings.total > before)

    def complain(self, detail: str, *, is_unusable: bool) -> None:
        """Take down what must not be; if nothing can be written, the last cuts have led to it."""
        self.findings.violate("corrupt", detail)
        self.is_spoilt = True
        if is_unusable:
            self.is_unusable = True
            self._note_opening(is_caught=True)

    def _note_opening(self, *, is_caught: bool) -> None:
        self.is_spoilt |= is_caught
        if self.unjudged:
            self.openings += 1
            self.openings_caught += is_caught
            self.cuts_judged += self.unjudged
        self.unjudged = 0
