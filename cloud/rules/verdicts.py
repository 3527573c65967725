"""One rule against one context, and several verdicts into one explanation.

A rule is judged in two steps. What all locations of a request share (channel, calendar) is judged
once and kept; only rules that are still open are judged per location.
"""

from collections.abc import Sequence

from msgspec import Struct

from cloud.rules.context import Context
from cloud.rules.documents import Rule
from cloud.rules.explanations import HIDDEN_ALL, Buffer, Explanation, Verdict
from cloud.rules.expressions import Expression, NoAnswer, value_getter
from cloud.rules.memo import Memo
from cloud.rules.precedence import epoch_ms
from protocol.facts import QUANTITY_MAX


class Failure(Struct, frozen=True):
    """The condition that could not be evaluated, and why."""

    condition: str
    reason: str


class CompiledRule:
    """A rule whose expressions are ready. `hide` is `None` where the rule hides everything."""

    def __init__(
        self,
        rule: Rule,
        conditions: Sequence[Expression],
        hide: int | Expression | None,
        memo_entries_max: int,
    ) -> None:
        self.rule = rule
        self.name = rule.name
        self.shared = tuple(c for c in conditions if c.is_shared)
        self.own = tuple(c for c in conditions if not c.is_shared)
        self.hide = hide
        self.open_values = value_getter(self._open_names)
        self.open_verdicts: Memo[object, Verdict] = Memo(memo_entries_max)
        self.starts_at_ms = None if rule.starts_at is None else epoch_ms(rule.starts_at)
        self.expires_at_ms = None if rule.expires_at is None else epoch_ms(rule.expires_at)
        # Most verdicts are one of few; making them once is cheaper than making them each time.
        self._unmet = {
            condition.text: Verdict(rule=self.name, outcome="unmet", condition=condition.text)
            for condition in conditions
        }
        # A rule that computes what it hides makes a verdict each time instead of using this one.
        self._matched = Verdict(
            rule=self.name,
            outcome="matched",
            hides=hide if isinstance(hide, int) else HIDDEN_ALL,
            hides_all=hide is None,
        )
        self._upcoming = Verdict(rule=self.name, outcome="upcoming")
        self._expired = Verdict(rule=self.name, outcome="expired")

    @property
    def _open_names(self) -> tuple[str, ...]:
        """Return what is read after the shared conditions hold."""
        hide = (self.hide,) if isinstance(self.hide, Expression) else ()
        return tuple(sorted({name for e in (*self.own, *hide) for name in e.names}))

    @property
    def names(self) -> set[str]:
        """Return the names that any of its expressions reads."""
        return {name for e in self.shared for name in e.names}.union(self._open_names)

    def out_of_force(self, at_ms: int) -> Verdict | None:
        """Return why the rule is not in force at this time, or `None` if it is."""
        if self.expires_at_ms is not None and at_ms >= self.expires_at_ms:
            return self._expired
        if self.starts_at_ms is not None and at_ms < self.starts_at_ms:
            return self._upcoming
        return None

    def judge_shared(self, context: Context) -> "Verdict | Failure | None":
        """Return the verdict if the shared conditions settle it, else what failed among them."""
        outcome = self._conditions(self.shared, context, None)
        if isinstance(outcome, Verdict) or self.own:
            return outcome
        if isinstance(self.hide, Expression) and not self.hide.is_shared and outcome is None:
            return None
        return self._concluded(context, outcome)

    def judge_own(self, context: Context, failure: Failure | None) -> Verdict:
        """Return the verdict, after `judge_shared` left the rule open with this failure or none.

        Without a failure it follows from `open_values` alone, and is kept in `open_verdicts`.
        """
        outcome = self._conditions(self.own, context, failure)
        verdict = outcome if isinstance(outcome, Verdict) else self._concluded(context, outcome)
        if failure is None:
            self.open_verdicts.put(self.open_values(context), verdict)
        return verdict

    def _conditions(
        self, conditions: tuple[Expression, ...], context: Context, failure: Failure | None
    ) -> Verdict | Failure | None:
        """Return the first condition that does not hold, else the first that failed.

        As with CEL's own `&&`: false is false, whatever else failed.
        """
        for condition in conditions:
            answer = condition.answer(context)
            if answer is True:
                continue
            if answer is False:
                return self._unmet[condition.text]
            if isinstance(answer, NoAnswer):
                if answer.is_unknown:
                    return self._unmet_unknown(condition, answer)
                failure = failure or Failure(condition.text, answer.reason)
        return failure

    def _unmet_unknown(self, condition: Expression, answer: NoAnswer) -> Verdict:
        return Verdict(
            rule=self.name, outcome="unmet", condition=condition.text, reason=answer.reason
        )

    def _concluded(self, context: Context, failure: Failure | None) -> Verdict:
        if failure is not None:
            return self._failed(failure)
        if isinstance(self.hide, Expression):
            return self._computed(self.hide, context)
        return self._matched

    def _computed(self, hide: Expression, context: Context) -> Verdict:
        answer = hide.answer(context)
        if isinstance(answer, NoAnswer):
            return self._failed(Failure(hide.text, answer.reason))
        if answer > QUANTITY_MAX:
            return self._failed(Failure(hide.text, f"{answer} is more than {QUANTITY_MAX}"))
        return Verdict(rule=self.name, outcome="matched", hides=max(0, answer))

    def _failed(self, failure: Failure) -> Verdict:
        return Verdict(
            rule=self.name,
            outcome="failed",
            hides=HIDDEN_ALL,
            hides_all=True,
            condition=failure.condition,
            reason=failure.reason,
        )


def explanation_of(verdicts: Sequence[Verdict], version: int) -> Explanation:
    """Return what the verdicts, in order of precedence, come to: the first that hides decides."""
    deciding: Verdict | None = None
    matched: list[str] = []
    failed: list[str] = []
    rules = list(verdicts)
    for place, verdict in enumerate(verdicts):
        if verdict.hides is None:
            continue
        (matched if verdict.outcome == "matched" else failed).append(verdict.rule)
        if deciding is None:
            deciding = verdict
        else:
            rules[place] = outranked(verdict, deciding)
    return Explanation(
        version=version, buffer=_buffer(deciding, matched, failed), rules=tuple(rules)
    )


def _buffer(deciding: Verdict | None, matched: list[str], failed: list[str]) -> Buffer:
    if deciding is None or deciding.hides is None:
        return Buffer(quantity=0)
    return Buffer(
        quantity=deciding.hides,
        rule=deciding.rule,
        hides_all=deciding.hides_all,
        matched=tuple(matched),
        failed=tuple(failed),
    )


def outranked(verdict: Verdict, deciding: Verdict) -> Verdict:
    """Return the verdict with the name of the rule that decided instead."""
    return Verdict(
        rule=verdict.rule,
        outcome=verdict.outcome,
        hides=verdict.hides,
        hides_all=verdict.hides_all,
        condition=verdict.condition,
        reason=verdict.reason,
        outranked_by=deciding.rule,
    )
