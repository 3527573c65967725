"""Hand-overs of a journal, one after the other: suspend, take, commit, resume, and see it end.

Runs in its own event loop. There are always two owner processes: the present one, under load, and
the next one, whose program is loaded and which waits for the order to take the journal.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Final

from cloud.journal.verify import verify
from simulators.errors import ChildDied
from simulators.fencing.checking import Findings, JournalledInput, check
from simulators.fencing.journals import open_journal
from simulators.fencing.load import digest_of, maker_of
from simulators.fencing.moments import HandoverPlan, draw_plan
from simulators.fencing.options import FencingOptions
from simulators.fencing.outcome import OwnersOutcome
from simulators.fencing.owner import STATUS_ENDED, STATUS_LOST
from simulators.fencing.owner_process import OwnerProcess
from simulators.fencing.testimony import Acknowledged, NotTaken, Ready, Refused, Stopping, Taken

MS_PER_S: Final = 1_000


class Campaign:
    """All hand-overs between bare owners of one journal. `advanced` is called after each."""

    def __init__(self, options: FencingOptions, place: str, advanced: Callable[[], None]) -> None:
        self._options: Final = options
        self._place: Final = place
        self._advanced: Final = advanced
        self._rng: Final = Random(f"{options.seed}/fencing")
        self._owners: Final[list[OwnerProcess]] = []
        self._suspended_at: Final[Counter[str]] = Counter()
        self._takeovers_ms: Final[list[int]] = []
        self._handovers = 0
        self._lock_held = 0
        self._gave_up = 0
        self._taken_from_suspended = 0
        self._ended_well = 0
        self._cut_off = 0
        self._problems: Final[list[str]] = []

    async def run(self) -> OwnersOutcome:
        """Run all hand-overs, or as many as go well, and check the journal."""
        began_s = time.monotonic()
        try:
            await self._hand_over_all()
        except ChildDied as error:
            self._problems.append(str(error))
        finally:
            await asyncio.gather(*(owner.kill() for owner in self._owners))
        lasted_s = time.monotonic() - began_s
        findings, verified = await asyncio.to_thread(self._judge)
        return OwnersOutcome(
            handovers=self._handovers,
            suspended_at=dict(self._suspended_at),
            lock_held=self._lock_held,
            gave_up=self._gave_up,
            taken_from_suspended=self._taken_from_suspended,
            stale_ended_well=self._ended_well,
            stale_cut_off=self._cut_off,
            takeover_ms_p50=_percentile(self._takeovers_ms, 50),
            takeover_ms_p99=_percentile(self._takeovers_ms, 99),
            lasted_s=round(lasted_s, 1),
            findings=findings,
            verified=verified,
        )

    async def _hand_over_all(self) -> None:
        present, following = await self._new_owner(), await self._new_owner()
        await present.until(Ready)
        present.tell("take")
        await present.until(Taken)
        for _ in range(self._options.handovers):
            plan = draw_plan(self._rng)
            await following.until(Ready)
            await self._hand_over(present, following, plan)
            present, following = following, await self._new_owner()
            self._handovers += 1
            self._advanced()
        present.tell("end")
        status = await present.until_ended()
        if status != STATUS_ENDED:
            raise ChildDied(f"owner {present.number} ended with {status} when told to end")

    async def _new_owner(self) -> OwnerProcess:
        options = self._options
        number = len(self._owners) + 1
        seed = f"{options.seed}"
        owner = OwnerProcess(number, options.owner_module, self._place, seed, options.folder)
        self._owners.append(owner)
        await owner.start(piped=True)
        return owner

    async def _hand_over(
        self, present: OwnerProcess, following: OwnerProcess, plan: HandoverPlan
    ) -> None:
        await asyncio.sleep(plan.warm_up_ms / MS_PER_S)
        await self._suspend(present, plan)
        is_suspended = await self._take(present, following, plan)
        taken_at = len(following.notes)
        if is_suspended:
            self._taken_from_suspended += 1
            await asyncio.sleep(plan.alone_ms / MS_PER_S)
            await following.until(Acknowledged, after=taken_at)
            present.resume()
        await self._see_it_end(present)

    async def _suspend(self, present: OwnerProcess, plan: HandoverPlan) -> None:
        self._suspended_at[plan.moment] += 1
        if plan.moment == "anywhere":
            await asyncio.sleep(plan.anywhere_ms / MS_PER_S)
            present.suspend()
        else:
            after = len(present.notes)
            present.stop_at(plan.moment)
            await present.until(Stopping, after=after)
        await present.until_suspended()

    async def _take(
        self, present: OwnerProcess, following: OwnerProcess, plan: HandoverPlan
    ) -> bool:
        """Let the newcomer take the journal; return whether the owner still is suspended."""
        began_s = time.monotonic()
        following.tell("take")
        hold_s = plan.hold_ms / MS_PER_S
        if await following.within(hold_s, Taken) is not None:
            self._takeovers_ms.append(round((time.monotonic() - began_s) * MS_PER_S))
            return True
        # The suspended process holds the lock of a transaction, and nobody can take that from it.
        self._lock_held += 1
        if plan.is_stubborn:
            answer = await following.until((Taken, NotTaken))
            if isinstance(answer, Taken):
                return True
            self._gave_up += 1
            following.tell("take")
        present.resume()
        await self._retry_until_taken(following)
        return False

    async def _retry_until_taken(self, following: OwnerProcess) -> None:
        heard = len(following.notes)
        while True:
            answer = await following.until((Taken, NotTaken), after=heard)
            if isinstance(answer, Taken):
                return
            self._gave_up += 1
            heard = len(following.notes)
            following.tell("take")

    async def _see_it_end(self, stale: OwnerProcess) -> None:
        """A stale owner ends because it lost the journal, or because the server cut it off."""
        status = await stale.until_ended(self._options.stale_deadline_s)
        refusals = [note.error for note in stale.notes if isinstance(note, Refused)]
        if status == STATUS_LOST and refusals:
            self._ended_well += 1
            self._cut_off += refusals[0] == "JournalFailed"
        else:
            self._problems.append(
                f"owner {stale.number} ended with {status} after {len(refusals)} refusals;"
                f" a stale owner ends with {STATUS_LOST}"
            )

    def _judge(self) -> tuple[Findings, str]:
        """Compare the journal with the testimony, and replay it."""
        with closing(open_journal(self._place)) as journal:
            testimony = {owner.number: owner.notes for owner in self._owners}
            inputs = (
                JournalledInput(row.position, digest_of(row.payload), maker_of(row.payload))
                for row in journal.inputs()
            )
            findings = check(testimony, inputs)
            report = verify(journal)
        for problem in self._problems:
            findings.violate(problem)
        if not report.is_identical:
            findings.violate(f"verify: {report.difference_count} differences")
            for difference in report.differences[:3]:
                findings.violate(f"verify: {difference}")
        return findings, f"{report.inputs_replayed} inputs replayed, identical"


def _percentile(values: list[int], percent: int) -> int:
    """Return the nearest-rank percentile, 0 of nothing."""
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
