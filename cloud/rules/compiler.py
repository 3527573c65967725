"""A document into compiled rules, with every problem of every rule named at once."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from cloud.rules.documents import HIDE_ALL, RULES_MAX, Rule, RuleSetDocument, shape_problem
from cloud.rules.errors import ExpressionRefused, Problem, RulesInvalid
from cloud.rules.expressions import AnswerMemo, Expression
from cloud.rules.memo import Memo
from cloud.rules.precedence import precedence_of
from cloud.rules.value_types import BOOL, INT
from cloud.rules.verdicts import CompiledRule
from protocol.errors import InvalidIdentifier
from protocol.ids import parse_gtin


class Compiler:
    """Compiles one document. Equal expressions, in whatever rules, become one."""

    def __init__(self, memo_entries_max: int) -> None:
        self._memo_entries_max = memo_entries_max
        self._memo: AnswerMemo = Memo(memo_entries_max)
        self._expressions: dict[tuple[str, str], Expression] = {}
        self._problems: list[Problem] = []

    def compile(self, document: RuleSetDocument) -> list[CompiledRule]:
        """Return the rules in order of precedence; raises `RulesInvalid`."""
        self._check_document(document)
        ordered = sorted(document.rules, key=precedence_of)
        verdicts_max = self._memo_entries_max // max(1, len(ordered))
        compiled = [self._compiled(rule, verdicts_max) for rule in ordered]
        if self._problems:
            raise RulesInvalid(self._problems)
        return compiled

    def _check_document(self, document: RuleSetDocument) -> None:
        if len(document.rules) > RULES_MAX:
            wrong = f"{len(document.rules)} rules"
            allowed = f"allowed: at most {RULES_MAX}"
            raise RulesInvalid([Problem(rule="", field="rules", wrong=wrong, allowed=allowed)])
        problems = list(_problems_of_shape(document.rules))
        if problems:
            # Rules of another shape cannot be ordered, let alone compiled.
            raise RulesInvalid(problems)
        self._problems.extend(_problems_of_names(document.rules))
        for rule in document.rules:
            self._problems.extend(_problems_of_rule(rule))

    def _compiled(self, rule: Rule, verdicts_max: int) -> CompiledRule:
        conditions = []
        for index, text in enumerate(rule.when):
            condition = self._expression(rule.name, f"when[{index}]", text, BOOL)
            if condition is not None and not condition.names:
                self._add(
                    rule.name, f"when[{index}]", "reads nothing", "read the context or drop it"
                )
            if condition is not None:
                conditions.append(condition)
        return CompiledRule(rule, conditions, self._hide(rule), verdicts_max)

    def _hide(self, rule: Rule) -> int | Expression | None:
        if isinstance(rule.hide, int):
            return rule.hide
        if rule.hide == HIDE_ALL:
            return None
        return self._expression(rule.name, "hide", rule.hide, INT)

    def _expression(self, rule: str, field: str, text: str, type_wanted: str) -> Expression | None:
        known = self._expressions.get((text, type_wanted))
        if known is not None:
            return known
        try:
            expression = Expression(text, type_wanted, len(self._expressions), self._memo)
        except ExpressionRefused as refusal:
            self._add(rule, field, f"{text!r}: {refusal.wrong}", refusal.allowed)
            return None
        self._expressions[text, type_wanted] = expression
        return expression

    def _add(self, rule: str, field: str, wrong: str, allowed: str) -> None:
        self._problems.append(Problem(rule=rule, field=field, wrong=wrong, allowed=allowed))


def _problems_of_shape(rules: list[Rule]) -> Iterator[Problem]:
    """Yield what is out of bounds in rules that were made in Python and never decoded."""
    for index, rule in enumerate(rules):
        data = msgspec.to_builtins(rule, builtin_types=(datetime,))
        try:
            msgspec.convert(data, Rule)
        except msgspec.ValidationError as error:
            yield shape_problem(data, index, error)


def _problems_of_names(rules: list[Rule]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            yield Problem(
                rule=rule.name,
                field="name",
                wrong=f"rules[{index}] has this name as well",
                allowed="allowed: a name that no other rule has",
            )
        seen.add(rule.name)


def _problems_of_rule(rule: Rule) -> Iterator[Problem]:
    if rule.starts_at and rule.expires_at and rule.expires_at <= rule.starts_at:
        yield Problem(
            rule=rule.name,
            field="expires_at",
            wrong=f"{rule.expires_at.isoformat()} is not after the start",
            allowed=f"allowed: after {rule.starts_at.isoformat()}",
        )
    for index, gtin in enumerate(rule.gtins):
        try:
            parse_gtin(gtin)
        except InvalidIdentifier as error:
            yield Problem(
                rule=rule.name,
                field=f"gtins[{index}]",
                wrong=str(error),
                allowed="allowed: GTINs with a right check digit",
            )
    for index, condition in enumerate(rule.when):
        if condition in rule.when[:index]:
            yield Problem(
                rule=rule.name,
                field=f"when[{index}]",
                wrong="is there twice",
                allowed="allowed: each condition once, since their number decides precedence",
            )
