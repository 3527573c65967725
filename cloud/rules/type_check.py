"""The static check of an expression: every name is known, every type fits, the cost is bounded.

Stricter than CEL, which leaves much to run time: there are no maps, no indexing, no regular
expressions and no clocks; a macro loops over one short list and never inside another. What passes
reads nothing but the context and changes nothing, so evaluating it twice gives the same.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NoReturn

from cloud.rules.context import VARIABLES, Variable
from cloud.rules.errors import ExpressionRefused
from cloud.rules.syntax import Binary, Call, Conditional, ListOf, Literal, Name, Node, Unary
from cloud.rules.value_types import BOOL, DOUBLE, INT, NUMBERS, STRING, item_type_of, list_of

COMPARABLE: Final = frozenset((BOOL, INT, DOUBLE, STRING))
MACROS: Final = ("exists", "all", "exists_one")
TEXT_TESTS: Final = ("contains", "startsWith", "endsWith")
CONVERSIONS: Final = {"int": INT, "double": DOUBLE}
MATH_OF_SAME_TYPE: Final = ("greatest", "least")
MATH_OF_FRACTIONS: Final = ("ceil", "floor", "round")
FUNCTIONS: Final = frozenset(
    ("size", "abs", *TEXT_TESTS, *CONVERSIONS, *MATH_OF_SAME_TYPE, *MATH_OF_FRACTIONS)
)
ALLOWED_FUNCTIONS: Final = (
    "x.contains(y), x.startsWith(y), x.endsWith(y), size(list), int(x), double(x),"
    " math.greatest(x, y), math.least(x, y), math.abs(x), math.ceil(x), math.floor(x),"
    " math.round(x), list.exists(p, …), list.all(p, …), list.exists_one(p, …)"
)

Scope = Mapping[str, str]


def type_of(node: Node) -> str:
    """Return the type an expression over the context has; raises `ExpressionRefused`."""
    return _type(node, {name: variable.type for name, variable in VARIABLES.items()}, False)


def _type(node: Node, scope: Scope, in_macro: bool) -> str:
    match node:
        case Literal(type=literal_type):
            return literal_type
        case Name(name=name):
            return scope[name] if name in scope else _refuse_name(name, scope)
        case Unary():
            return _type_of_unary(node, _type(node.operand, scope, in_macro))
        case Binary():
            left = _type(node.left, scope, in_macro)
            right = _type(node.right, scope, in_macro)
            result = _BINARY[node.operator](node.operator, left, right)
            _check_values(node)
            return result
        case Conditional():
            return _type_of_conditional(node, scope, in_macro)
        case ListOf(items=items):
            return _type_of_list([_type(item, scope, in_macro) for item in items])
        case Call():
            return _type_of_call(node, scope, in_macro)


def _type_of_unary(node: Unary, operand: str) -> str:
    if node.operator == "!":
        return _expected(operand, (BOOL,), "behind !")
    return _expected(operand, (INT, DOUBLE), "behind -")


def _type_of_conditional(node: Conditional, scope: Scope, in_macro: bool) -> str:
    _expected(_type(node.test, scope, in_macro), (BOOL,), "before ?")
    then = _type(node.then, scope, in_macro)
    otherwise = _type(node.otherwise, scope, in_macro)
    if then != otherwise:
        raise ExpressionRefused(
            f"one of {then} and {otherwise}, divided by ':'", "allowed: two values of one type"
        )
    return then


def _type_of_list(items: list[str]) -> str:
    if not items:
        raise ExpressionRefused("an empty list", "allowed: a list with something in it")
    if any(item != items[0] or item not in COMPARABLE for item in items):
        raise ExpressionRefused(
            f"a list of {', '.join(dict.fromkeys(items))}",
            "allowed: a list of texts, of whole numbers, of fractions, or of truth values",
        )
    return list_of(items[0])


def _logical(operator: str, left: str, right: str) -> str:
    _expected(left, (BOOL,), f"before {operator}")
    return _expected(right, (BOOL,), f"behind {operator}")


def _equality(operator: str, left: str, right: str) -> str:
    if left not in COMPARABLE or (left != right and not {left, right} <= NUMBERS):
        raise ExpressionRefused(
            f"{left} {operator} {right}", "allowed: both sides of one type, or both numbers"
        )
    return BOOL


def _order(operator: str, left: str, right: str) -> str:
    if not ({left, right} <= NUMBERS or left == right == STRING):
        raise ExpressionRefused(f"{left} {operator} {right}", "allowed: two numbers or two texts")
    return BOOL


def _membership(operator: str, left: str, right: str) -> str:
    if item_type_of(right) != left:
        raise ExpressionRefused(
            f"{left} {operator} {right}", f"allowed: a value {operator} a list of its type"
        )
    return BOOL


def _addition(operator: str, left: str, right: str) -> str:
    return STRING if left == right == STRING else _arithmetic(operator, left, right)


def _arithmetic(operator: str, left: str, right: str) -> str:
    if left == right and left in NUMBERS:
        return left
    hint = "; convert with double(x) or int(x)" if {left, right} == NUMBERS else ""
    raise ExpressionRefused(
        f"{left} {operator} {right}", f"allowed: two whole numbers or two fractions{hint}"
    )


def _remainder(operator: str, left: str, right: str) -> str:
    _expected(left, (INT,), f"before {operator}")
    return _expected(right, (INT,), f"behind {operator}")


_BINARY: Final[dict[str, Callable[[str, str, str], str]]] = {
    "||": _logical,
    "&&": _logical,
    "==": _equality,
    "!=": _equality,
    **dict.fromkeys(("<", "<=", ">", ">="), _order),
    "in": _membership,
    "+": _addition,
    **dict.fromkeys(("-", "*", "/"), _arithmetic),
    "%": _remainder,
}


def _check_values(node: Binary) -> None:
    """Refuse `weekday == "Friday"`: of a closed set of values, this one never comes."""
    if node.operator not in ("==", "!=", "in"):
        return
    for name, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(name, Name) and name.name in VARIABLES:
            _check_literals(VARIABLES[name.name], other)


def _check_literals(variable: Variable, other: Node) -> None:
    candidates = other.items if isinstance(other, ListOf) else (other,)
    for candidate in candidates:
        if not variable.values or not isinstance(candidate, Literal):
            continue
        if candidate.value not in variable.values:
            shown = [f'"{value}"' if isinstance(value, str) else value for value in variable.values]
            raise ExpressionRefused(
                f"{variable.name} is never {candidate.value!r}",
                f"allowed: {', '.join(map(str, shown))}",
            )


def _type_of_call(node: Call, scope: Scope, in_macro: bool) -> str:
    if node.function in MACROS and node.target is not None:
        return _type_of_macro(node, node.target, scope, in_macro)
    if node.function not in FUNCTIONS:
        _refuse_function(f"{node.function}()", len(node.arguments))
    arguments = [_type(argument, scope, in_macro) for argument in node.arguments]
    if isinstance(node.target, Name) and node.target.name == "math":
        return _type_of_math(node.function, arguments)
    if node.target is not None:
        return _type_of_method(node.function, _type(node.target, scope, in_macro), arguments)
    if node.function in CONVERSIONS and len(arguments) == 1:
        _expected(arguments[0], (INT, DOUBLE), f"in {node.function}()")
        return CONVERSIONS[node.function]
    if node.function == "size" and len(arguments) == 1:
        return _size(arguments[0])
    return _refuse_function(f"{node.function}()", len(arguments))


def _type_of_method(function: str, target: str, arguments: list[str]) -> str:
    if function in TEXT_TESTS and len(arguments) == 1:
        _expected(target, (STRING,), f"before .{function}()")
        _expected(arguments[0], (STRING,), f"in .{function}()")
        return BOOL
    if function == "size" and not arguments:
        return _size(target)
    return _refuse_function(f".{function}()", len(arguments))


def _type_of_math(function: str, arguments: list[str]) -> str:
    if function in MATH_OF_FRACTIONS and len(arguments) == 1:
        return _expected(arguments[0], (DOUBLE,), f"in math.{function}()")
    if function == "abs" and len(arguments) == 1:
        return _expected(arguments[0], (INT, DOUBLE), "in math.abs()")
    if function in MATH_OF_SAME_TYPE and len(arguments) > 1:
        first = _expected(arguments[0], (INT, DOUBLE), f"in math.{function}()")
        for argument in arguments[1:]:
            _expected(argument, (first,), f"in math.{function}() beside {first}")
        return first
    return _refuse_function(f"math.{function}()", len(arguments))


def _type_of_macro(node: Call, target: Node, scope: Scope, in_macro: bool) -> str:
    macro = f".{node.function}()"
    if in_macro:
        raise ExpressionRefused(f"{macro} inside another", "allowed: one loop at a time")
    item_type = item_type_of(_type(target, scope, in_macro))
    if item_type is None:
        raise ExpressionRefused(f"{macro} of what is no list", "allowed: a list, as promotions")
    match node.arguments:
        case (Name(name=variable), test) if variable not in scope and variable != "math":
            inner = {**scope, variable: item_type}
            return _expected(_type(test, inner, True), (BOOL,), f"in {macro}")
        case (Name(name=variable), _):
            raise ExpressionRefused(f"{variable} has a meaning already", "allowed: another name")
        case _:
            allowed = f'allowed: a name and a test, as promotions.{node.function}(p, p == "x")'
            raise ExpressionRefused(f"the arguments of {macro}", allowed)


def _size(target: str) -> str:
    if item_type_of(target) is None:
        raise ExpressionRefused(f"the size of a {target}", "allowed: the size of a list")
    return INT


def _expected(found: str, allowed: tuple[str, ...], place: str) -> str:
    if found not in allowed:
        raise ExpressionRefused(f"{found} {place}", f"allowed there: {' or '.join(allowed)}")
    return found


def _refuse_name(name: str, scope: Iterable[str]) -> NoReturn:
    known = sorted(scope)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise ExpressionRefused(f"there is no {name}", f"{hint}allowed: {', '.join(known)}")


def _refuse_function(call: str, count: int) -> NoReturn:
    raise ExpressionRefused(
        f"{call} with {count} arguments is not for rules", f"allowed: {ALLOWED_FUNCTIONS}"
    )
