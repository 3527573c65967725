"""CEL text into tokens, after "Syntax" in the CEL specification.

Left out: comments, bytes, raw and multi-line texts, hexadecimal and unsigned numbers.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from cloud.rules.errors import ExpressionRefused

END: Final = "end"
NAME: Final = "name"
INTEGER: Final = "integer"
FRACTION: Final = "fraction"
TEXT: Final = "text"
SYMBOL: Final = "symbol"

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<fraction>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
      | (?P<integer>[0-9]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>"(?:[^"\\\r\n]|\\["'\\nrt])*"|'(?:[^'\\\r\n]|\\["'\\nrt])*')
      | (?P<symbol>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
_PREFIXES_OF_TEXT: Final = frozenset(
    ("r", "R", "b", "B", "br", "bR", "Br", "BR", "rb", "rB", "Rb", "RB")
)


class Token(Struct, frozen=True):
    """One token; `at` counts characters from 1."""

    kind: str
    text: str
    at: int


def tokens_of(expression: str) -> Iterator[Token]:
    """Yield the tokens and an `END`; raises `ExpressionRefused`."""
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise ExpressionRefused(
                f"character {position + 1}: {expression[position]!r} is not understood",
                "allowed: names, numbers, texts in quotes on one line, true, false,"
                " and the operators of CEL",
            )
        kind = match.lastgroup or END
        _check_neighbour(expression, match)
        if kind != "space":
            yield Token(kind, match[0], position + 1)
        position = match.end()
    yield Token(END, "", len(expression) + 1)


def _check_neighbour(expression: str, match: re.Match[str]) -> None:
    """Refuse what CEL reads as one token and two tokens would misread: `1u`, `0x1F`, `r"x"`."""
    following = expression[match.end() : match.end() + 1]
    runs_on = following.isalnum() or following in ("_", ".")
    if match.lastgroup in (INTEGER, FRACTION) and runs_on:
        raise ExpressionRefused(
            f"character {match.start() + 1}: {match[0]}{following} is no number here",
            "allowed: whole numbers as 12 and fractions as 0.5",
        )
    if match[0] in _PREFIXES_OF_TEXT and following in ('"', "'"):
        raise ExpressionRefused(
            f"character {match.start() + 1}: texts with a prefix are not for rules",
            "allowed: \"text\" and 'text'",
        )


def unquoted(token: Token) -> str:
    """Return the text that a `TEXT` token stands for."""
    inside = token.text[1:-1]
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), inside)
