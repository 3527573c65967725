"""A set of rules in force: what it hides from a channel, and why. Pure, and fast on many locations.

Memories make it so: of answers, of verdicts, of what the shared part of a request settles, and of
whole explanations, each by the values that they follow from. All are bounded, and all hold pure
results, so that they change no answer.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from cloud.rules.compiler import Compiler
from cloud.rules.context import VARIABLES, Context
from cloud.rules.documents import RuleSetDocument
from cloud.rules.explanations import Buffer, Explanation, Verdict
from cloud.rules.expressions import value_getter
from cloud.rules.memo import Memo
from cloud.rules.scopes import ScopeIndex
from cloud.rules.verdicts import CompiledRule, Failure, explanation_of

MEMO_ENTRIES_MAX: Final = 65_536
"""How many answers of expressions are remembered, about 15 MB."""
VERDICTS_PER_EXPLANATION_MIN: Final = 8
"""An explanation has a verdict for each rule and is that much larger than an answer, at least; by
so much fewer are remembered."""


PENDING: Final = Verdict(rule="", outcome="unmet")
"""Keeps the place of a rule's verdict until it is judged."""


def compile_rules(
    document: RuleSetDocument, version: int = 1, memo_entries_max: int = MEMO_ENTRIES_MAX
) -> "RuleSet":
    """Return the rules ready for use; `RulesInvalid` names everything that is wrong.

    `version` is whatever counts the changes of the document; explanations show it.
    """
    rules = Compiler(memo_entries_max).compile(document)
    return RuleSet(rules, version, memo_entries_max)


class RuleSet:
    """Rules of one version. Immutable to whoever uses it; make one with `compile_rules`."""

    def __init__(self, rules: Sequence[CompiledRule], version: int, memo_entries_max: int) -> None:
        self.version = version
        self.names = tuple(rule.name for rule in rules)
        self.reads = frozenset(name for rule in rules for name in rule.names)
        self._rules = tuple(rules)
        self._scopes = ScopeIndex([rule.rule for rule in rules])
        self._boundaries_ms = sorted(
            {
                at_ms
                for rule in rules
                for at_ms in (rule.starts_at_ms, rule.expires_at_ms)
                if at_ms is not None
            }
        )
        explanations_max = memo_entries_max // max(VERDICTS_PER_EXPLANATION_MIN, len(rules))
        self._plans: Memo[tuple[int, int], _Plan] = Memo(explanations_max)
        self._nodes: Memo[tuple[_Plan, object], _Node] = Memo(explanations_max)
        self._explanations: Memo[tuple[_Node, object], Explanation] = Memo(explanations_max)

    def buffer(self, context: Context) -> Buffer:
        """Return how many units the rules hide here. Never raises: what fails hides everything."""
        return self.explain(context).buffer

    def explain(self, context: Context) -> Explanation:
        """Return the buffer and what became of each rule in scope, in order of precedence."""
        node = self._node(self._plan(context), context)
        key = (node, node.own_values(context))
        known = self._explanations.get(key)
        if known is not None:
            return known
        return self._explanations.put(key, explanation_of(node.verdicts(context), self.version))

    def _plan(self, context: Context) -> "_Plan":
        at_ms = context.moment.at_ms
        key = (self._scopes.mask(context), bisect_right(self._boundaries_ms, at_ms))
        known = self._plans.get(key)
        if known is not None:
            return known
        in_scope = [rule for place, rule in enumerate(self._rules) if key[0] >> place & 1]
        return self._plans.put(key, _Plan(in_scope, at_ms))

    def _node(self, plan: "_Plan", context: Context) -> "_Node":
        key = (plan, plan.shared_values(context))
        known = self._nodes.get(key)
        return self._nodes.put(key, _Node(plan, context)) if known is None else known


# The third reads the remembered verdict that follows from what the second reads.
_OpenRule = tuple[
    int,
    Callable[[Context], object],
    Callable[[object], Verdict | None],
    CompiledRule,
    Failure | None,
]


class _Plan:
    """The rules of one scope between two moments at which a rule starts or expires."""

    def __init__(self, rules: Sequence[CompiledRule], at_ms: int) -> None:
        self.rules = tuple((rule, rule.out_of_force(at_ms)) for rule in rules)
        names = {name for rule, settled in self.rules if settled is None for name in rule.names}
        self.shared_values = value_getter(
            tuple(sorted(name for name in names if VARIABLES[name].is_shared))
        )


class _Node:
    """A plan after all that the locations of a request share has been judged."""

    def __init__(self, plan: _Plan, context: Context) -> None:
        self._settled: list[Verdict] = []
        self._open: list[_OpenRule] = []
        names: set[str] = set()
        for place, (rule, out_of_force) in enumerate(plan.rules):
            judged = out_of_force or rule.judge_shared(context)
            if isinstance(judged, Verdict):
                self._settled.append(judged)
                continue
            self._settled.append(PENDING)
            self._open.append(_open_rule(place, rule, judged))
            names |= rule.names
        self.own_values = value_getter(
            tuple(sorted(name for name in names if not VARIABLES[name].is_shared))
        )

    def verdicts(self, context: Context) -> list[Verdict]:
        """Return the verdict of every rule in scope."""
        verdicts = list(self._settled)
        for place, values_of, verdict_of, rule, failure in self._open:
            known = verdict_of(values_of(context))
            verdicts[place] = rule.judge_own(context, failure) if known is None else known
        return verdicts


def _open_rule(place: int, rule: CompiledRule, failure: Failure | None) -> _OpenRule:
    # After a failure the verdict follows from more than the open values: nothing is remembered.
    verdict_of = rule.open_verdicts.get if failure is None else _unknown_verdict
    return place, rule.open_values, verdict_of, rule, failure


def _unknown_verdict(_values: object) -> None:
    return None
