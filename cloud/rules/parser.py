"""CEL tokens into a tree, by recursive descent after the grammar of the CEL specification.

Size and depth are bounded here, before the library sees the text, so that no expression can exhaust
its stack.
"""

from typing import Final

from cloud.rules.documents import EXPRESSION_CHARS_MAX
from cloud.rules.errors import ExpressionRefused
from cloud.rules.syntax import Binary, Call, Conditional, ListOf, Literal, Name, Node, Unary
from cloud.rules.tokens import (
    END,
    FRACTION,
    INTEGER,
    NAME,
    SYMBOL,
    TEXT,
    Token,
    tokens_of,
    unquoted,
)
from cloud.rules.value_types import BOOL, DOUBLE, INT, STRING

NODES_MAX: Final = 128
DEPTH_MAX: Final = 16
INT_MAX: Final = 2**63 - 1

# From loosest to tightest; all of them group from the left.
_LEVELS: Final = (
    frozenset(("||",)),
    frozenset(("&&",)),
    frozenset(("==", "!=", "<", "<=", ">", ">=", "in")),
    frozenset(("+", "-")),
    frozenset(("*", "/", "%")),
)
# fmt: off
_RESERVED: Final = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let",
    "loop", "namespace", "null", "package", "return", "var", "void", "while",
))
# fmt: on


def parse(expression: str) -> Node:
    """Return the tree of an expression; raises `ExpressionRefused`."""
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise ExpressionRefused(
            f"{len(expression)} characters", f"allowed: at most {EXPRESSION_CHARS_MAX}"
        )
    parser = _Parser(list(tokens_of(expression)))
    tree = parser.expression()
    parser.expect(END, "", "an operator or the end")
    return tree


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._nodes = 0
        self._depth = 0

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ExpressionRefused(
                f"nested deeper than {DEPTH_MAX}", f"allowed: at most {DEPTH_MAX} levels"
            )
        tree = self._binary(0)
        if self._accept("?"):
            then = self._binary(0)
            self.expect(SYMBOL, ":", "':' and the other value")
            tree = self._counted(Conditional(tree, then, self.expression()))
        self._depth -= 1
        return tree

    def expect(self, kind: str, text: str, allowed: str) -> Token:
        token = self._tokens[self._position]
        if token.kind != kind or (text and token.text != text):
            raise self._unexpected(allowed)
        self._position += 1
        return token

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        tree = self._binary(level + 1)
        while (operator := self._tokens[self._position]).text in _LEVELS[level] and (
            operator.kind in (SYMBOL, NAME)
        ):
            self._position += 1
            tree = self._counted(Binary(operator.text, tree, self._binary(level + 1)))
        return tree

    def _unary(self) -> Node:
        if self._accept("!"):
            return self._counted(Unary("!", self._member()))
        if self._accept("-"):
            return self._counted(Unary("-", self._member()))
        return self._member()

    def _member(self) -> Node:
        tree = self._primary()
        while self._accept("."):
            name = self.expect(NAME, "", "a function's name").text
            if not self._accept("("):
                raise ExpressionRefused(
                    f".{name} is no function", "allowed after a dot: a function, as .size()"
                )
            tree = self._call(name, tree)
        return tree

    def _primary(self) -> Node:
        token = self._tokens[self._position]
        self._position += 1
        if token.kind == SYMBOL and token.text == "(":
            tree = self.expression()
            self.expect(SYMBOL, ")", "')' or an operator")
            return tree
        if token.kind == SYMBOL and token.text == "[":
            return self._counted(ListOf(self._arguments("]")))
        if token.kind == NAME:
            return self._named(token)
        if token.kind in (INTEGER, FRACTION, TEXT):
            return self._counted(_literal(token))
        self._position -= 1
        raise self._unexpected("a name, a number, a text, '(' or '['")

    def _named(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return self._counted(Literal(BOOL, token.text == "true"))
        if token.text in _RESERVED:
            self._position -= 1
            raise self._unexpected("a name that CEL does not reserve")
        if self._accept("("):
            return self._call(token.text, None)
        return self._counted(Name(token.text))

    def _call(self, function: str, target: Node | None) -> Node:
        return self._counted(Call(function, target, self._arguments(")")))

    def _arguments(self, closing: str) -> tuple[Node, ...]:
        if self._accept(closing):
            return ()
        items = [self.expression()]
        while self._accept(","):
            items.append(self.expression())
        self.expect(SYMBOL, closing, f"',' or {closing!r}")
        return tuple(items)

    def _accept(self, symbol: str) -> bool:
        token = self._tokens[self._position]
        if token.kind != SYMBOL or token.text != symbol:
            return False
        self._position += 1
        return True

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise ExpressionRefused(
                f"more than {NODES_MAX} operators and operands", f"allowed: at most {NODES_MAX}"
            )
        return node

    def _unexpected(self, allowed: str) -> ExpressionRefused:
        token = self._tokens[self._position]
        found = f"{token.text!r} is out of place" if token.text else "something is missing"
        return ExpressionRefused(f"character {token.at}: {found}", f"allowed here: {allowed}")


def _literal(token: Token) -> Literal:
    if token.kind == TEXT:
        return Literal(STRING, unquoted(token))
    if token.kind == FRACTION:
        return Literal(DOUBLE, float(token.text))
    if int(token.text) > INT_MAX:
        raise ExpressionRefused(f"{token.text} is too large", f"allowed: at most {INT_MAX}")
    return Literal(INT, int(token.text))
