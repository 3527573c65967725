"""Which rule decides, what is hidden, and what the explanation says about every rule."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import cel
import msgspec
import pytest
from cel.stdlib import add_stdlib_to_context
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.rules import (
    HIDDEN_ALL,
    VARIABLES,
    Buffer,
    Context,
    Contexts,
    LocationFacts,
    Moment,
    Rule,
    RuleSet,
    RuleSetDocument,
    RulesInvalid,
    SkuFacts,
    compile_rules,
)
from cloud.rules.expressions import Expression, value_getter
from cloud.rules.precedence import precedence_of
from tests.rules_strategies import contexts, rule_lists

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
GTIN = "04006381333931"
LOCATION = LocationFacts(location="S001", accuracy=0.9)


def rule_set(*rules: Rule, memo_entries_max: int = 1_000) -> RuleSet:
    document = RuleSetDocument(schema="rules/1", rules=list(rules))
    return compile_rules(document, version=7, memo_entries_max=memo_entries_max)


def context(
    *,
    channel: str = "web",
    location: LocationFacts = LOCATION,
    at: datetime = NOW,
    on_hand: int = 5,
) -> Context:
    moment = Moment(at_ms=int(at.timestamp() * 1000), channel=channel)
    sku = SkuFacts(gtin=GTIN, on_hand=on_hand, demand_class="fast")
    return Contexts(moment).of(location, sku)


def test_no_rule_hides_nothing() -> None:
    explanation = rule_set().explain(context())
    assert explanation.buffer == Buffer(quantity=0)
    assert explanation.version == 7
    assert explanation.rules == ()


def test_scopes_limit_a_rule_to_what_they_list() -> None:
    rules = rule_set(
        Rule(name="all", hide=1),
        Rule(name="web", hide=1, channels=["web", "app"]),
        Rule(name="market", hide=1, channels=["market"]),
        Rule(name="here", hide=1, locations=["S001"]),
        Rule(name="there", hide=1, locations=["S002"]),
        Rule(name="it", hide=1, gtins=["4006381333931"]),
        Rule(name="other", hide=1, gtins=["00614141123452"]),
        Rule(name="fast", hide=1, demand_classes=["fast"]),
        Rule(name="slow", hide=1, demand_classes=["slow", ""]),
    )
    assert set(rules.buffer(context()).matched) == {"all", "web", "here", "it", "fast"}
    assert "market" not in {verdict.rule for verdict in rules.explain(context()).rules}


def test_most_conditions_go_first() -> None:
    rules = rule_set(
        Rule(name="one", hide=9, when=["on_hand > 0"], expires_at=NOW + timedelta(hours=1)),
        Rule(name="two", hide=1, when=["on_hand > 0", "reserved == 0"]),
    )
    assert rules.buffer(context()) == Buffer(quantity=1, rule="two", matched=("two", "one"))


def test_soonest_to_expire_goes_before_narrowest_scope() -> None:
    rules = rule_set(
        Rule(name="narrow", hide=1, gtins=[GTIN], locations=["S001"]),
        Rule(name="later", hide=2, expires_at=NOW + timedelta(days=2)),
        Rule(name="sooner", hide=3, expires_at=NOW + timedelta(days=1)),
    )
    assert rules.buffer(context()).matched == ("sooner", "later", "narrow")


def test_narrowest_scope_goes_before_the_name() -> None:
    rules = rule_set(
        Rule(name="a", hide=1),
        Rule(name="b", hide=1, channels=["web", "app"]),
        Rule(name="c", hide=1, channels=["web"]),
        Rule(name="e", hide=1, channels=["web", "app"], locations=["S001", "S002"]),
        Rule(name="d", hide=1, channels=["web"], locations=["S001", "S002", "S003"]),
    )
    assert rules.buffer(context()).matched == ("d", "e", "c", "b", "a")


def test_a_window_starts_inclusive_and_ends_exclusive() -> None:
    rules = rule_set(
        Rule(name="w", hide=1, starts_at=NOW, expires_at=NOW + timedelta(milliseconds=2))
    )

    def outcome(offset_ms: int) -> str:
        at = NOW + timedelta(milliseconds=offset_ms)
        return rules.explain(context(at=at)).rules[0].outcome

    assert [outcome(n) for n in range(-1, 3)] == ["upcoming", "matched", "matched", "expired"]


def test_a_computed_buffer_shrinks_as_accuracy_rises() -> None:
    rules = rule_set(Rule(name="c", hide="int(math.ceil((1.0 - accuracy) * 10.0))"))

    def hidden(accuracy: float) -> int:
        return rules.buffer(
            context(location=LocationFacts(location="S", accuracy=accuracy))
        ).quantity

    assert [hidden(a) for a in (0.0, 0.75, 0.9, 1.0)] == [10, 3, 1, 0]


def test_less_than_nothing_hides_nothing() -> None:
    assert rule_set(Rule(name="n", hide="on_hand - 9")).buffer(context()).quantity == 0


def test_all_hides_everything_that_can_ever_be_there() -> None:
    buffer = rule_set(Rule(name="n", hide="all")).buffer(context())
    assert buffer == Buffer(quantity=HIDDEN_ALL, rule="n", hides_all=True, matched=("n",))


def test_a_condition_that_fails_hides_everything() -> None:
    rules = rule_set(
        Rule(name="broken", hide=1, when=["10 / reserved > 2"]),
        Rule(name="fine", hide=1),
    )
    explanation = rules.explain(context())
    assert explanation.buffer == Buffer(
        quantity=HIDDEN_ALL, rule="broken", hides_all=True, matched=("fine",), failed=("broken",)
    )
    broken, fine = explanation.rules
    assert (broken.outcome, broken.condition) == ("failed", "10 / reserved > 2")
    assert "zero" in (broken.reason or "")
    assert fine.outranked_by == "broken"


def test_a_failure_is_harmless_where_another_rule_decides_anyway() -> None:
    rules = rule_set(
        Rule(name="broken", hide=1, when=["10 / reserved > 2"]),
        Rule(name="exact", hide=2, when=["on_hand > 0", "hour > 0"]),
    )
    explanation = rules.explain(context())
    assert explanation.buffer == Buffer(
        quantity=2, rule="exact", matched=("exact",), failed=("broken",)
    )
    assert explanation.rules[1].outranked_by == "exact"


def test_false_beside_a_failure_is_still_false() -> None:
    rules = rule_set(Rule(name="r", hide=1, when=["10 / reserved > 2", "on_hand > 100"]))
    (verdict,) = rules.explain(context()).rules
    assert (verdict.outcome, verdict.condition) == ("unmet", "on_hand > 100")


def test_a_failing_shared_condition_is_kept_with_the_rule() -> None:
    when = ["10 / (hour - 12) > 2", "on_hand > 3"]
    rules = rule_set(Rule(name="r", hide=1, when=when), Rule(name="s", hide=1, when=when[:1]))
    for _ in range(2):
        r, s = rules.explain(context(on_hand=5)).rules
        assert (r.outcome, r.condition) == ("failed", when[0])
        assert (s.outcome, s.condition) == ("failed", when[0])
    assert rules.explain(context(on_hand=3)).rules[0].outcome == "unmet"
    assert rules.explain(context(at=NOW + timedelta(hours=1))).rules[0].outcome == "matched"


def test_a_hide_that_fails_or_is_out_of_range_hides_everything() -> None:
    for hide in ("on_hand / reserved", "on_hand * 1000000000", "int(temperature_c)"):
        buffer = rule_set(Rule(name="h", hide=hide)).buffer(context())
        assert buffer == Buffer(quantity=HIDDEN_ALL, rule="h", hides_all=True, failed=("h",))


def test_a_condition_on_what_is_not_known_does_not_hold() -> None:
    rules = rule_set(Rule(name="cold", hide=1, when=["temperature_c < 0.0"]))
    (verdict,) = rules.explain(context()).rules
    assert (verdict.outcome, verdict.reason) == ("unmet", "temperature_c is not known")


def test_an_explanation_is_plain_json() -> None:
    rules = rule_set(Rule(name="a", hide=1, when=["hour == 3"]), Rule(name="b", hide=2))
    assert msgspec.json.decode(msgspec.json.encode(rules.explain(context()))) == {
        "version": 7,
        "buffer": {"quantity": 2, "rule": "b", "hides_all": False, "matched": ["b"], "failed": []},
        "rules": [
            {"rule": "a", "outcome": "unmet", "condition": "hour == 3"},
            {"rule": "b", "outcome": "matched", "hides": 2},
        ],
    }


def test_a_rule_set_tells_what_it_reads() -> None:
    rules = rule_set(
        Rule(name="a", hide="on_hand / 2", when=["hour == 3", "promotions.exists(p, p == 'x')"])
    )
    assert rules.reads == {"on_hand", "hour", "promotions"}


def naive_buffer(rules: list[Rule], at: Context) -> tuple[int, str | None]:
    """Evaluate everything with the library alone, then sort: no index, no memory."""
    candidates = [
        (precedence_of(rule), hidden, rule.name)
        for rule in rules
        if (hidden := naive_hidden(rule, at)) is not None
    ]
    return min(candidates)[1:] if candidates else (0, None)


def naive_hidden(rule: Rule, at: Context) -> int | None:
    now = datetime.fromtimestamp(at.moment.at_ms / 1000, tz=UTC)
    in_scope = (
        (not rule.channels or at.moment.channel in rule.channels)
        and (not rule.locations or at.location.location in rule.locations)
        and (not rule.gtins or at.sku.gtin in rule.gtins)
        and (not rule.demand_classes or at.sku.demand_class in rule.demand_classes)
        and (rule.starts_at is None or rule.starts_at <= now)
        and (rule.expires_at is None or now < rule.expires_at)
    )
    if not in_scope:
        return None
    answers = [naive_answer(text, at) for text in rule.when]
    if False in answers:
        return None
    if None in answers or rule.hide == "all":
        return HIDDEN_ALL
    hide = rule.hide if isinstance(rule.hide, int) else naive_answer(rule.hide, at)
    if hide is None or hide is False or hide > HIDDEN_ALL:
        return HIDDEN_ALL
    return max(0, hide)


def naive_answer(text: str, at: Context) -> int | None:
    """Return the value, `False` for what is not known, or `None` for what fails."""
    names = [name for name in cel.compile(text).variables() if name in VARIABLES]
    values = {name: value_getter((name,))(at) for name in names}
    if None in values.values():
        return False
    context = cel.Context(values)
    add_stdlib_to_context(context)
    try:
        result = cel.evaluate(text, context)
    except (ArithmeticError, TypeError):
        return None
    assert isinstance(result, int)
    return result


def usable(rules: list[Rule]) -> list[Rule]:
    """Leave out the generated rules that are always wrong, as `0 / 0 == 1` is."""
    return [rule for rule in rules if not refused(rule)]


def refused(rule: Rule) -> bool:
    try:
        rule_set(rule)
    except RulesInvalid:
        return True
    return False


@given(rule_lists.map(usable), st.lists(contexts, min_size=1, max_size=4))
@settings(deadline=None)
def test_the_buffer_is_that_of_evaluating_everything(
    rules: list[Rule], asked: list[Context]
) -> None:
    compiled = rule_set(*rules)
    for at in [*asked, *asked]:
        buffer = compiled.buffer(at)
        assert (buffer.quantity, buffer.rule) == naive_buffer(rules, at)
        assert buffer.quantity >= 0


@given(rule_lists.map(usable), st.lists(contexts, min_size=1, max_size=4), st.sampled_from((1, 9)))
@settings(deadline=None)
def test_memory_changes_no_explanation(
    rules: list[Rule], asked: list[Context], entries_max: int
) -> None:
    remembering = rule_set(*rules)
    forgetful = rule_set(*rules, memo_entries_max=entries_max)
    without = rule_set(*rules, memo_entries_max=0)
    for at in [*asked, *asked]:
        expected = without.explain(at)
        assert remembering.explain(at) == expected
        assert forgetful.explain(at) == expected


@given(rule_lists.map(usable), contexts, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_writing_changes_nothing(
    rules: list[Rule], at: Context, random: Random
) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert rule_set(*shuffled).explain(at) == rule_set(*rules).explain(at)


@given(rule_lists)
def test_precedence_is_a_total_order(rules: list[Rule]) -> None:
    keys = [precedence_of(rule) for rule in rules]
    assert len(set(keys)) == len(keys)
    for a in keys:
        for b in keys:
            assert (a < b) + (b < a) + (a == b) == 1


@given(rule_lists.map(usable), contexts)
@settings(deadline=None)
def test_every_rule_in_scope_has_one_verdict_in_order_of_precedence(
    rules: list[Rule], at: Context
) -> None:
    explanation = rule_set(*rules).explain(at)
    by_name = {rule.name: rule for rule in rules}
    keys = [precedence_of(by_name[verdict.rule]) for verdict in explanation.rules]
    assert keys == sorted(set(keys))
    counting = [v for v in explanation.rules if v.outcome in ("matched", "failed")]
    assert [v.outranked_by for v in counting[1:]] == [explanation.buffer.rule] * len(counting[1:])
    assert [v.rule for v in counting[:1]] == [explanation.buffer.rule][: len(counting)]


def test_what_locations_share_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[str] = []
    execute = Expression._executed

    def counted(expression: Expression, by_name: dict[str, object]) -> object:
        evaluated.append(expression.text)
        return execute(expression, by_name)

    shared = "hour >= 8 && weekday != 'sunday'"
    rules = rule_set(Rule(name="r", hide=1, when=[shared, "on_hand > 3"]))
    monkeypatch.setattr(Expression, "_executed", counted)
    contexts_of_request = Contexts(Moment(at_ms=int(NOW.timestamp() * 1000), channel="web"))
    for number in range(500):
        location = LocationFacts(location=f"S{number}")
        sku = SkuFacts(gtin=GTIN, on_hand=number % 7)
        rules.explain(contexts_of_request.of(location, sku))
    assert Counter(evaluated) == {shared: 1, "on_hand > 3": 7}
