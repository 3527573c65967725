"""What can be wrong with rules: their author is at fault, and hears of every problem at once."""

from collections.abc import Iterable

from msgspec import Struct

from cloud.errors import CloudError


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: in which rule, in which of its fields, and what is allowed there.

    `rule` is the rule's name, or its place (`rules[3]`) when it has no usable name, or empty when
    the document itself is wrong.
    """

    rule: str
    field: str
    wrong: str
    allowed: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        place = ": ".join(part for part in (self.rule, self.field) if part)
        return f"{place}: {self.wrong}; {self.allowed}"


class RulesInvalid(CloudError):
    """The rules cannot be used; `problems` names every one, and the text has a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class ExpressionRefused(CloudError):
    """An expression is not CEL, or not of the part of CEL that rules may use."""

    def __init__(self, wrong: str, allowed: str) -> None:
        self.wrong = wrong
        self.allowed = allowed
        super().__init__(f"{wrong}; {allowed}")
