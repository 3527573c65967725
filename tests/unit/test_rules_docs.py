"""docs/rules.md tells the truth: its tables, rules and explanation are those of the code."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from cloud.rules import (
    VARIABLES,
    Contexts,
    LocationFacts,
    Moment,
    Rule,
    SkuFacts,
    compile_rules,
    decode_json,
    decode_toml,
)
from cloud.rules.documents import CONDITIONS_PER_RULE_MAX, EXPRESSION_CHARS_MAX, RULES_MAX
from cloud.rules.explanations import HIDDEN_ALL
from cloud.rules.parser import DEPTH_MAX, NODES_MAX
from cloud.rules.type_check import FUNCTIONS, MACROS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_loads(example: str) -> None:
    document = decode_toml(example)
    assert compile_rules(document).names
    assert decode_json(msgspec.json.encode(document)) == document


def test_the_table_of_names_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([a-z()]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(v.name, v.type, v.doc) for v in VARIABLES.values()]


def test_every_field_of_a_rule_is_described() -> None:
    for field in msgspec.structs.fields(Rule):
        assert f"`{field.name}`" in PAGE


@pytest.mark.parametrize("function", sorted({*FUNCTIONS, *MACROS}))
def test_every_function_is_described(function: str) -> None:
    assert f"{function}(" in PAGE


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"{RULES_MAX} rules, {CONDITIONS_PER_RULE_MAX} conditions a rule" in PAGE
    assert f"{EXPRESSION_CHARS_MAX} characters, {NODES_MAX} operators" in PAGE
    assert f"{DEPTH_MAX} levels" in PAGE
    assert f"{HIDDEN_ALL:,}" in PAGE


def test_the_explanation_is_what_the_rules_say() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    rules = compile_rules(decode_toml(EXAMPLES[0]), version=4)
    tuesday = datetime(2026, 11, 24, 15, tzinfo=UTC)
    moment = Moment(at_ms=int(tuesday.timestamp() * 1000), channel="web")
    store = LocationFacts(location="S001", time_zone="Europe/Berlin", weather="rain", accuracy=0.9)
    umbrella = SkuFacts(gtin="04006381333931", on_hand=9, demand_class="fast")
    explanation = rules.explain(Contexts(moment).of(store, umbrella))
    assert msgspec.json.decode(msgspec.json.encode(explanation)) == msgspec.json.decode(shown)


@pytest.mark.parametrize(("accuracy", "hidden"), [(0.9, 5), (0.98, 1), (1.0, 2)])
def test_the_buffer_shrinks_as_the_example_says(accuracy: float, hidden: int) -> None:
    rules = compile_rules(decode_toml(EXAMPLES[0]))
    moment = Moment(at_ms=1_780_000_000_000, channel="web")
    store = LocationFacts(location="S001", accuracy=accuracy)
    sku = SkuFacts(gtin="00614141123452", on_hand=9, demand_class="fast")
    # At full accuracy the rule does not match, and the one for fast sellers decides.
    assert rules.buffer(Contexts(moment).of(store, sku)).quantity == hidden
