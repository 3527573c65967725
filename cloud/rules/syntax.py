"""The tree of a CEL expression, and how it reads as text.

The evaluator does not show its own tree, and evaluates `hour == "x"` to false rather than refusing
it. So rules are parsed here as well, for the type check alone; evaluation is the library's.
"""

from collections.abc import Iterator
from typing import Literal as OneOf

from msgspec import Struct

from cloud.rules.value_types import BOOL, STRING


class Literal(Struct, frozen=True):
    """A constant; `type` is one of value_types."""

    type: str
    value: bool | int | float | str


class Name(Struct, frozen=True):
    """A variable of the context, or of a macro."""

    name: str


class Unary(Struct, frozen=True):
    """`!x` or `-x`."""

    operator: OneOf["!", "-"]
    operand: "Node"


class Binary(Struct, frozen=True):
    """Two operands and an operator between them, `in` among them."""

    operator: str
    left: "Node"
    right: "Node"


class Conditional(Struct, frozen=True):
    """`test ? then : otherwise`."""

    test: "Node"
    then: "Node"
    otherwise: "Node"


class ListOf(Struct, frozen=True):
    """`[a, b]`."""

    items: tuple["Node", ...]


class Call(Struct, frozen=True):
    """`function(arguments)`, `target.function(arguments)` or `math.function(arguments)`."""

    function: str
    target: "Node | None"
    arguments: tuple["Node", ...]


Node = Literal | Name | Unary | Binary | Conditional | ListOf | Call


def children_of(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, from left to right."""
    match node:
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Conditional(test=test, then=then, otherwise=otherwise):
            return (test, then, otherwise)
        case ListOf(items=items):
            return items
        case Call(target=target, arguments=arguments):
            return arguments if target is None else (target, *arguments)
        case _:
            return ()


def names_in(node: Node) -> Iterator[str]:
    """Yield every name that is read, with repeats; the variables of macros are among them."""
    if isinstance(node, Name):
        yield node.name
    for child in children_of(node):
        yield from names_in(child)


def text_of(node: Node) -> str:
    """Return the expression with every pair of parentheses written out."""
    match node:
        case Literal():
            return _text_of_literal(node)
        case Name(name=name):
            return name
        case Unary(operator=operator, operand=operand):
            return f"({operator}{text_of(operand)})"
        case Binary(operator=operator, left=left, right=right):
            return f"({text_of(left)} {operator} {text_of(right)})"
        case Conditional(test=test, then=then, otherwise=otherwise):
            return f"({text_of(test)} ? {text_of(then)} : {text_of(otherwise)})"
        case ListOf(items=items):
            return f"[{', '.join(map(text_of, items))}]"
        case Call(function=function, target=target, arguments=arguments):
            owner = "" if target is None else f"{text_of(target)}."
            return f"{owner}{function}({', '.join(map(text_of, arguments))})"


def _text_of_literal(literal: Literal) -> str:
    if literal.type == BOOL:
        return str(literal.value).lower()
    if literal.type == STRING:
        escaped = str(literal.value).replace("\\", "\\\\").replace('"', '\\"')
        return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
    return repr(literal.value)
