"""Cycles of a campaign: boot, check what the last cut left, write, cut; and a last boot to check.

Runs on the main thread. The disk goes on from cycle to cycle.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from simulators.powercut.books import Books
from simulators.powercut.boot import Boot
from simulators.powercut.machine import Machine
from simulators.powercut.options import Orders, PowercutOptions
from simulators.powercut.outcome import PowercutOutcome
from simulators.powercut.plan import DISK_WEIGHTS, CutPlan, Disk, draw_plan


class Campaign:
    """All cycles on one machine. `advanced` is called after each."""

    def __init__(
        self, options: PowercutOptions, machine: Machine, advanced: Callable[[], None]
    ) -> None:
        self._options: Final = options
        self._machine: Final = machine
        self._advanced: Final = advanced
        self._rng: Final = Random(f"{options.seed}/powercut")
        # What ignores a flush, is a cache.
        ignores = options.planted == "ignored-flush"
        self._disks: Final[Mapping[Disk, int]] = {"caching": 1} if ignores else DISK_WEIGHTS
        self._books: Final = Books()
        self._cuts: Final[Counter[str]] = Counter()
        self._boots: Final[list[float]] = []

    def run(self) -> PowercutOutcome:
        """Cut the power as often as asked, check after the last cut, and tell what was found.

        Raises `PowercutFailed` when a guest does nothing of what is expected.
        """
        began_s = time.monotonic()
        for _ in range(self._options.cycles):
            if self._books.is_unusable:
                self._machine.renew_disk()
                self._books.lose_disk()
            age = 0 if self._books.is_spoilt else self._books.age
            plan = draw_plan(self._rng, age, self._disks)
            self._boot(plan)
            self._cuts[f"{plan.disk}, {plan.moment}"] += 1
            self._advanced()
        if not self._books.is_unusable:
            self._boot(None)
        books = self._books
        return PowercutOutcome(
            seed=self._options.seed,
            planted=self._options.planted,
            cuts=self._options.cycles,
            cuts_by_kind=dict(sorted(self._cuts.items())),
            data_sets=books.data_sets,
            cuts_judged=books.cuts_judged,
            openings=books.openings,
            openings_caught=books.openings_caught,
            boot_s_mean=round(sum(self._boots) / len(self._boots), 2),
            opening_s_max=books.opening_s_max,
            lasted_s=round(time.monotonic() - began_s, 1),
            findings=books.findings,
        )

    def _boot(self, plan: CutPlan | None) -> None:
        orders = self._orders(plan)
        with self._machine.booted(orders) as guest:
            self._boots.append(Boot(self._books, guest, plan, orders.new_data_set).run())
        if plan is not None:
            self._books.note_cut()

    def _orders(self, plan: CutPlan | None) -> Orders:
        number = len(self._boots) + 1
        return Orders(
            boot=number,
            seed=f"{self._options.seed}/{number}",
            mount_point=str(self._machine.mount_point),
            disk="prompt" if plan is None else plan.disk,
            data_set=self._books.data_set,
            new_data_set=f"set-{number}",
            is_old=plan is not None and plan.is_old,
            disk_goes_after_ms=0 if plan is None else plan.disk_goes_after_ms,
            planted=self._options.planted,
            is_check_only=plan is None,
        )
