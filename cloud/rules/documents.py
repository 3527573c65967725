"""Rules as people write them: TOML in a file, JSON through the API, both of the same shape.

Decoding checks shape and bounds only; `rule_set.compile_rules` checks what the expressions mean.
"""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from cloud.rules.errors import Problem, RulesInvalid
from protocol.facts import QUANTITY_MAX

RULES_MAX: Final = 500
RULE_NAME_CHARS_MAX: Final = 64
CONDITIONS_PER_RULE_MAX: Final = 16
EXPRESSION_CHARS_MAX: Final = 500
SCOPE_ENTRIES_MAX: Final = 10_000
DOCUMENT_BYTES_MAX: Final = 16 * 1_048_576
HIDE_ALL: Final = "all"
"""The value of `hide` that hides everything from the channel."""

# The look-ahead keeps out a line break at the end, which `$` alone lets through.
_SLUG: Final = r"^[a-z0-9][a-z0-9_-]*(?!\n)$"

RuleName = Annotated[
    str,
    Meta(
        pattern=_SLUG,
        max_length=RULE_NAME_CHARS_MAX,
        description="1 to 64 of a-z, 0-9, '-' and '_', the first a letter or digit",
    ),
]
ChannelName = Annotated[
    str, Meta(min_length=1, max_length=64, description="a channel's name of 1 to 64 characters")
]
LocationName = Annotated[
    str, Meta(min_length=1, max_length=32, description="a location's id of 1 to 32 characters")
]
GtinName = Annotated[
    str, Meta(pattern=r"^[0-9]{8,14}(?!\n)$", description="a GTIN of 8 to 14 digits")
]
DemandClass = Literal["fast", "medium", "slow", ""]
Expression = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=EXPRESSION_CHARS_MAX,
        description=f"a CEL expression of at most {EXPRESSION_CHARS_MAX} characters",
    ),
]
ZonedTime = Annotated[
    datetime, Meta(tz=True, description="a time with its zone, as 2026-11-27T00:00:00+01:00")
]
HideUnits = Annotated[
    int,
    Meta(ge=0, le=QUANTITY_MAX, description="a whole number of at least 0, an expression or 'all'"),
]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Hide `hide` units of a SKU from channels, in a scope, while every condition holds.

    An empty scope list means all there are. `hide` counts steps of the SKU's measure (pieces or
    grams), or is a CEL expression for such a number, or `"all"`. The rule is in force from
    `starts_at` (inclusive) to `expires_at` (exclusive).
    """

    name: RuleName
    hide: HideUnits | Expression
    description: Annotated[str, Meta(max_length=1_000)] = ""
    channels: Annotated[list[ChannelName], Meta(max_length=SCOPE_ENTRIES_MAX)] = []
    locations: Annotated[list[LocationName], Meta(max_length=SCOPE_ENTRIES_MAX)] = []
    gtins: Annotated[list[GtinName], Meta(max_length=SCOPE_ENTRIES_MAX)] = []
    demand_classes: Annotated[list[DemandClass], Meta(max_length=4)] = []
    when: Annotated[list[Expression], Meta(max_length=CONDITIONS_PER_RULE_MAX)] = []
    starts_at: ZonedTime | None = None
    expires_at: ZonedTime | None = None


class RuleSetDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every rule there is. A change replaces the whole document and gets a new version."""

    schema: Literal["rules/1"]
    rules: Annotated[list[Rule], Meta(max_length=RULES_MAX)] = []


def decode_toml(text: str) -> RuleSetDocument:
    """Return the rules in a TOML text; raises `RulesInvalid`."""
    _check_size(len(text))
    try:
        return document_of(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RulesInvalid([_unreadable(f"not TOML: {error}")]) from error


def decode_json(data: bytes) -> RuleSetDocument:
    """Return the rules in a JSON text; raises `RulesInvalid`."""
    _check_size(len(data))
    try:
        return document_of(msgspec.json.decode(data))
    except msgspec.DecodeError as error:
        raise RulesInvalid([_unreadable(f"not JSON: {error}")]) from error


def document_of(data: object) -> RuleSetDocument:
    """Return the document in decoded TOML or JSON; `RulesInvalid` has a problem for each bad rule.

    msgspec stops at the first problem, so each rule is converted by itself.
    """
    if not isinstance(data, dict):
        raise RulesInvalid([_unreadable("not a table")])
    rules = data.get("rules", [])
    problems = list(_problems_of_rules(rules)) if isinstance(rules, list) else []
    try:
        head = msgspec.convert({**data, "rules": []}, RuleSetDocument)
    except msgspec.ValidationError as error:
        allowed = 'a rule document has `schema = "rules/1"` and `rules`, nothing else'
        problems.insert(0, Problem(rule="", field="", wrong=str(error), allowed=allowed))
    if problems:
        raise RulesInvalid(problems)
    try:
        return RuleSetDocument(schema=head.schema, rules=msgspec.convert(rules, list[Rule]))
    except msgspec.ValidationError as error:
        raise RulesInvalid([_bad_rules(str(error))]) from error


def _problems_of_rules(rules: list[object]) -> Iterator[Problem]:
    if len(rules) > RULES_MAX:
        yield _bad_rules(f"{len(rules)} rules")
        return
    for index, data in enumerate(rules):
        try:
            msgspec.convert(data, Rule)
        except msgspec.ValidationError as error:
            yield shape_problem(data, index, error)


def shape_problem(data: object, index: int, error: msgspec.ValidationError) -> Problem:
    """Return what msgspec found wrong with the shape of one rule, as a problem."""
    wrong, _, path = str(error).partition(" - at `$")
    name = data.get("name") if isinstance(data, dict) else None
    usable = isinstance(name, str) and 0 < len(name) <= RULE_NAME_CHARS_MAX
    field = path.rstrip("`").removeprefix(".")
    return Problem(
        rule=name if usable and isinstance(name, str) else f"rules[{index}]",
        field=field,
        wrong=wrong,
        allowed=_allowed(field.partition("[")[0]),
    )


def _allowed(field_name: str) -> str:
    for field in msgspec.structs.fields(Rule):
        if field.name == field_name:
            return f"allowed: {_ALLOWED[field_name]}"
    return f"the fields of a rule are {', '.join(sorted(_ALLOWED))}"


_ALLOWED: Final = {
    "name": "1 to 64 of a-z, 0-9, '-' and '_', the first a letter or digit",
    "hide": f'a whole number from 0 to {QUANTITY_MAX}, a CEL expression for one, or "all"',
    "description": "a text of at most 1000 characters",
    "channels": f"at most {SCOPE_ENTRIES_MAX} names of channels",
    "locations": f"at most {SCOPE_ENTRIES_MAX} ids of locations",
    "gtins": f"at most {SCOPE_ENTRIES_MAX} GTINs of 8 to 14 digits",
    "demand_classes": '"fast", "medium", "slow" and ""',
    "when": (
        f"at most {CONDITIONS_PER_RULE_MAX} CEL expressions of 1 to"
        f" {EXPRESSION_CHARS_MAX} characters"
    ),
    "starts_at": "a time with its zone, as 2026-11-27T00:00:00+01:00",
    "expires_at": "a time with its zone, as 2026-11-27T00:00:00+01:00",
}


def _check_size(size: int) -> None:
    if size > DOCUMENT_BYTES_MAX:
        raise RulesInvalid([_unreadable(f"larger than {DOCUMENT_BYTES_MAX} bytes")])


def _unreadable(wrong: str) -> Problem:
    return Problem(rule="", field="", wrong=wrong, allowed="allowed: a rule document, rules/1")


def _bad_rules(wrong: str) -> Problem:
    return Problem(
        rule="", field="rules", wrong=wrong, allowed=f"allowed: at most {RULES_MAX} rules"
    )
