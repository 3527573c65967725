"""A checked expression, ready to be evaluated against contexts.

It is parsed and type-checked here, then compiled by the CEL library, which evaluates it. Both have
to agree on the names it reads, and a trial with example values has to give the declared type.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

import cel
from cel.stdlib import STDLIB_FUNCTIONS
from msgspec import Struct

from cloud.rules.context import VARIABLES, Context
from cloud.rules.errors import ExpressionRefused
from cloud.rules.memo import Memo
from cloud.rules.parser import parse
from cloud.rules.syntax import Node, names_in
from cloud.rules.type_check import type_of
from cloud.rules.value_types import BOOL

REASON_CHARS_MAX: Final = 200

_MATH: Final[dict[str, Callable[..., object]]] = {
    name: STDLIB_FUNCTIONS[name]
    for name in (
        "math.abs",
        "math.ceil",
        "math.floor",
        "math.greatest",
        "math.least",
        "math.round",
    )
}
# What the library raises for what CEL calls an error. A failure of Python itself stays a failure.
_EVALUATION_ERRORS: Final = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class NoAnswer(Struct, frozen=True):
    """An expression had no value: it failed, or a value that it reads `is_unknown`."""

    reason: str
    is_unknown: bool = False


Answer = bool | int | NoAnswer
AnswerMemo = Memo[tuple[int, object], Answer]


class Expression:
    """One expression; `number` tells it from the others that share a memo.

    Raises `ExpressionRefused` when the text is not CEL that rules may use, or not of `type_wanted`.
    """

    def __init__(self, text: str, type_wanted: str, number: int, memo: AnswerMemo) -> None:
        tree = parse(text)
        found = type_of(tree)
        if found != type_wanted:
            raise ExpressionRefused(f"its value is {found}", f"allowed: {type_wanted}")
        self.text = text
        self.names = tuple(sorted(set(names_in(tree)) & VARIABLES.keys()))
        self.is_shared = all(VARIABLES[name].is_shared for name in self.names)
        self._is_bool = type_wanted == BOOL
        self._functions = _MATH if "math" in names_in(tree) else None
        self._program = _compiled(text, tree)
        self._values = value_getter(self.names)
        self._number = number
        self._memo = memo
        self._try()

    def answer(self, context: Context) -> Answer:
        """Return the value in this context, from memory where the same values were seen before."""
        values = self._values(context)
        key = (self._number, values)
        known = self._memo.get(key)
        return self._memo.put(key, self._evaluated(values)) if known is None else known

    def _evaluated(self, values: object) -> Answer:
        by_name = self._by_name(values)
        for name, value in by_name.items():
            if value is None:
                return NoAnswer(f"{name} is not known", is_unknown=True)
        try:
            return self._checked(self._executed(by_name))
        except _EVALUATION_ERRORS as error:
            return NoAnswer(str(error)[:REASON_CHARS_MAX])

    def _by_name(self, values: object) -> dict[str, object]:
        if isinstance(values, tuple) and len(self.names) != 1:
            return dict(zip(self.names, values, strict=True))
        return {self.names[0]: values}

    def _executed(self, by_name: dict[str, object]) -> object:
        return self._program.execute(cel.Context(by_name, self._functions))

    def _checked(self, value: object) -> Answer:
        if isinstance(value, int) and isinstance(value, bool) is self._is_bool:
            return value
        return NoAnswer(f"its value is {type(value).__name__}")

    def _try(self) -> None:
        """Evaluate it once, so that what only the evaluator refuses is refused now."""
        try:
            value = self._executed({name: VARIABLES[name].example for name in self.names})
        except ArithmeticError:
            return  # A division by zero depends on the values: the examples prove nothing.
        except _EVALUATION_ERRORS as error:
            reason = str(error)[:REASON_CHARS_MAX]
        else:
            answer = self._checked(value)
            if not isinstance(answer, NoAnswer):
                return
            reason = answer.reason
        raise ExpressionRefused(f"the evaluator fails: {reason}", "allowed: what gives a value")


def value_getter(names: tuple[str, ...]) -> Callable[[Context], object]:
    """Return what reads the values of these names from a context, as one hashable thing.

    One name gives its value, several give a tuple, none gives an empty tuple.
    """
    if not names:
        return _nothing
    return attrgetter(*(VARIABLES[name].path for name in names))


def _nothing(_context: Context) -> tuple[()]:
    return ()


def _compiled(text: str, tree: Node) -> cel.Program:
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ExpressionRefused(
            f"the evaluator cannot read it: {str(error)[:REASON_CHARS_MAX]}", "allowed: CEL"
        ) from error
    if set(program.variables()) != set(names_in(tree)):
        raise ExpressionRefused(
            f"the evaluator reads {', '.join(program.variables())} in it",
            f"allowed: what the text shows, {', '.join(sorted(set(names_in(tree))))}",
        )
    return program
