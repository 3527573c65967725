"""Rules are decoded from TOML and JSON alike, and what is wrong is named by rule and field."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cloud.rules import Rule, RuleSetDocument, RulesInvalid, compile_rules, decode_json, decode_toml
from cloud.rules.documents import (
    CONDITIONS_PER_RULE_MAX,
    DOCUMENT_BYTES_MAX,
    EXPRESSION_CHARS_MAX,
    RULES_MAX,
)
from cloud.rules.errors import Problem

TOML = """
schema = "rules/1"

[[rules]]
name = "keep-two"
channels = ["web"]
when = ["on_hand > 0"]
hide = 2
starts_at = 2026-11-27T00:00:00+01:00
expires_at = "2026-11-30T00:00:00Z"
"""


def document(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "rules/1", "rules": list(rules)}


def problems_of(*rules: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(RulesInvalid) as caught:
        compile_rules(decode_json(msgspec.json.encode(document(*rules))))
    return caught.value.problems


def test_toml_and_json_give_the_same_document() -> None:
    from_toml = decode_toml(TOML)
    assert decode_json(msgspec.json.encode(from_toml)) == from_toml
    (rule,) = from_toml.rules
    assert rule.starts_at is not None
    assert rule.starts_at.astimezone(UTC) == datetime(2026, 11, 26, 23, tzinfo=UTC)
    assert rule.expires_at == datetime(2026, 11, 30, tzinfo=UTC)


def test_every_bad_rule_is_named_at_once() -> None:
    problems = problems_of(
        {"name": "UPPER", "hide": 1},
        {"name": "a", "hide": -1},
        {"name": "b", "hide": 1, "when": [5]},
        {"name": "c"},
        {"name": "d", "hide": 1, "shelf": 1},
        {"name": "fine", "hide": 1},
    )
    assert [problem.rule for problem in problems] == ["UPPER", "a", "b", "c", "d"]
    assert [problem.field for problem in problems] == ["name", "hide", "when[0]", "", ""]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "x\n"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"when": ["hour > 1"] * (CONDITIONS_PER_RULE_MAX + 1)}, "when"),
        ({"when": ["x" * (EXPRESSION_CHARS_MAX + 1)]}, "when[0]"),
        ({"when": [""]}, "when[0]"),
        ({"hide": 1.5}, "hide"),
        ({"hide": True}, "hide"),
        ({"hide": 10**9 + 1}, "hide"),
        ({"demand_classes": ["quick"]}, "demand_classes[0]"),
        ({"gtins": ["123"]}, "gtins[0]"),
        ({"gtins": ["04006381333932"]}, "gtins[0]"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2026-11-27T00:00:00"}, "expires_at"),
        (
            {"starts_at": "2026-11-27T00:00:00Z", "expires_at": "2026-11-27T01:00:00+01:00"},
            "expires_at",
        ),
        ({"when": ["hour > 1", "hour > 1"]}, "when[1]"),
        ({"when": ["1 == 1"]}, "when[0]"),
        ({"when": ["hour"]}, "when[0]"),
        ({"hide": "accuracy"}, "hide"),
        ({"hide": "everything"}, "hide"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(change: dict[str, Any], field: str) -> None:
    rule = {"name": "one", "hide": 1, **change}
    (problem,) = problems_of(rule)
    assert problem.field == field
    assert problem.wrong
    assert "allowed" in problem.allowed or "read the context" in problem.allowed
    if field != "name":
        assert problem.rule == "one"


def test_duplicate_names_are_refused() -> None:
    (problem,) = problems_of({"name": "a", "hide": 1}, {"name": "a", "hide": 2})
    assert (problem.rule, problem.field) == ("a", "name")


def test_problems_of_several_expressions_come_together() -> None:
    problems = problems_of(
        {"name": "a", "hide": "onhand", "when": ["hour == 'x'", "weekday == 'Friday'"]},
        {"name": "b", "hide": 1, "when": ["1 +"]},
    )
    places = [(problem.rule, problem.field) for problem in problems]
    assert sorted(places) == [("a", "hide"), ("a", "when[0]"), ("a", "when[1]"), ("b", "when[0]")]
    text = str(RulesInvalid(problems))
    assert "did you mean on_hand?" in text
    assert "a: when[0]: \"hour == 'x'\": int == string" in text


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_toml, "not toml"),
        (decode_toml, 'schema = "rules/2"'),
        (decode_toml, 'schema = "rules/1"\nversion = 3'),
        (decode_toml, 'schema = "rules/1"\nrules = 3'),
        (decode_toml, "# " + "x" * DOCUMENT_BYTES_MAX),
        (decode_json, b"{"),
        (decode_json, b"[]"),
        (decode_json, b"\xff"),
        (decode_json, b"{}"),
    ],
)
def test_what_is_no_rule_document_is_refused(
    decode: Callable[[Any], RuleSetDocument], data: str | bytes
) -> None:
    with pytest.raises(RulesInvalid):
        decode(data)


def test_more_rules_than_allowed_are_refused() -> None:
    rules = [Rule(name=f"r{n}", hide=1) for n in range(RULES_MAX + 1)]
    with pytest.raises(RulesInvalid, match="501 rules"):
        compile_rules(RuleSetDocument(schema="rules/1", rules=rules))
    with pytest.raises(RulesInvalid, match="501 rules"):
        decode_json(msgspec.json.encode(RuleSetDocument(schema="rules/1", rules=rules)))


def test_rules_made_in_python_have_the_same_bounds() -> None:
    rules = [Rule(name="x", hide=-1), Rule(name="y", hide=1, expires_at=datetime(2026, 1, 1))]  # noqa: DTZ001 - A time without zone is what must be refused.
    with pytest.raises(RulesInvalid) as caught:
        compile_rules(RuleSetDocument(schema="rules/1", rules=rules))
    assert [problem.field for problem in caught.value.problems] == ["hide", "expires_at"]


def test_an_empty_document_hides_nothing() -> None:
    assert compile_rules(decode_toml('schema = "rules/1"')).names == ()
