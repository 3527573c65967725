"""What a rule may say in CEL: refused with the reason, or evaluated as CEL says."""

import time

import cel
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cloud.rules import VARIABLES, Context
from cloud.rules.documents import EXPRESSION_CHARS_MAX
from cloud.rules.errors import ExpressionRefused
from cloud.rules.expressions import AnswerMemo, Expression, NoAnswer, value_getter
from cloud.rules.memo import Memo
from cloud.rules.parser import DEPTH_MAX, NODES_MAX, parse
from cloud.rules.syntax import names_in, text_of
from cloud.rules.type_check import type_of
from cloud.rules.value_types import BOOL, INT
from tests.rules_strategies import conditions, contexts, fractions, wholes

EXAMPLES = {variable.name: variable.example for variable in VARIABLES.values()}


def expression(text: str, type_wanted: str = BOOL) -> Expression:
    memo: AnswerMemo = Memo(0)
    return Expression(text, type_wanted, 0, memo)


@pytest.mark.parametrize(
    "text",
    [
        "hour >= 8 && hour < 20",
        "weekday in ['friday', 'saturday']",
        "accuracy < 1",
        'temperature_c <= -5.5 || weather == "snow"',
        "!is_holiday",
        "on_hand - reserved - unavailable <= 3",
        "on_promotion ? deadline_minutes > 60 : deadline_minutes > 120",
        "holiday.contains('Christmas')",
        "promotions.exists(p, p.startsWith('black'))",
        "promotions.all(p, p != 'x')",
        "[1, 2, 3].exists_one(n, n == hour)",
        "size(promotions) + promotions.size() > 0",
        "math.greatest(on_hand, 2, reserved) > int(double(hour) * accuracy)",
        "'a' + weather == 'arain'",
        "country == \"DE\" && subdivision != 'BY'",
        "-on_hand < -(1)",
        "hour == 5 == is_holiday",
    ],
)
def test_useful_conditions_are_accepted(text: str) -> None:
    assert isinstance(expression(text)._evaluated(values_of(text)), bool)


def values_of(text: str) -> object:
    names = sorted(set(names_in(parse(text))) & VARIABLES.keys())
    values = tuple(EXAMPLES[name] for name in names)
    return values[0] if len(values) == 1 else values


@pytest.mark.parametrize(
    ("text", "part_of_reason"),
    [
        ("hours > 1", "did you mean hour?"),
        ("hour == 'x'", "int == string"),
        ("hour", "its value is int"),
        ("hour && true", "int before &&"),
        ("true || hour", "int behind ||"),
        ("!hour == 1", "int behind !"),
        ("-weather == ''", "string behind -"),
        ("accuracy * 5 > 1.0", "convert with double(x)"),
        ("accuracy % 2.0 > 1.0", "double before %"),
        ("weather < 5", "two numbers or two texts"),
        ("is_holiday > false", "two numbers or two texts"),
        ("weekday == 'Friday'", "weekday is never 'Friday'"),
        ("'fri' == weekday", "weekday is never 'fri'"),
        ("weekday in ['monday', 'tue']", "weekday is never 'tue'"),
        ("hour == 24", "hour is never 24"),
        ("demand_class != 'quick'", "demand_class is never 'quick'"),
        ("hour in weekday", "a value in a list"),
        ("hour in promotions", "int in list(string)"),
        ("hour in []", "an empty list"),
        ("hour in [1, 'a']", "a list of int, string"),
        ("[[1]].exists(x, hour == 1)", "a list of list(int)"),
        ("promotions == ['a']", "both sides of one type"),
        ("(is_holiday ? 1 : 'x') == 1", "one of int and string"),
        ("(hour ? 1 : 2) == 1", "int before ?"),
        ("hour == 1 ? 2 : 3", "its value is int"),
        ("weather.matches('(a+)+$')", "not for rules"),
        ("now() > 5", "not for rules"),
        ("timestamp('2026-01-01T00:00:00Z') == 1", "not for rules"),
        ("type(hour) == int", "not for rules"),
        ("dyn(hour) == 'x'", "not for rules"),
        ("has(weather.x)", "is no function"),
        ("weather.condition == 'x'", "is no function"),
        ("promotions[0] == 'x'", "out of place"),
        ("{'a': 1}.size() == 1", "not understood"),
        ("size(weather) > 1", "the size of a string"),
        ("weather.size() > 1", "the size of a string"),
        ("int(weather) > 1", "string in int()"),
        ("weather.contains(5)", "int in .contains()"),
        ("math.ceil(hour) > 1.0", "int in math.ceil()"),
        ("math.greatest(hour, 1.0) > 1", "beside int"),
        ("math.greatest(hour) > 1", "not for rules"),
        ("math.sqrt(accuracy) > 0.1", "not for rules"),
        ("math > 1", "there is no math"),
        ("promotions.map(p, p + 'x').size() > 1", "not for rules"),
        ("promotions.filter(p, p == 'x').size() > 1", "not for rules"),
        ("promotions.exists(p, promotions.exists(q, p == q))", "inside another"),
        ("promotions.exists(hour, hour == 'x')", "has a meaning already"),
        ("promotions.exists(p, p)", "string in .exists()"),
        ("promotions.exists('p', true)", "the arguments of .exists()"),
        ("promotions.exists(p == 'x')", "the arguments of .exists()"),
        ("weather.exists(p, true)", "what is no list"),
        ("p == 'x'", "there is no p"),
        ("hour = 5", "'=' is not understood"),
        ("hour == 1; true", "';' is not understood"),
        ("hour == 1u", "no number"),
        ("hour == 0x1F", "no number"),
        ("hour == 1.", "no number"),
        ("hour == 9223372036854775808", "too large"),
        ("weather == r'x'", "with a prefix"),
        ("weather == b'x'", "with a prefix"),
        ("weather == 'x", "not understood"),
        ("weather == '\\q'", "not understood"),
        ("hour == 1 // always", "out of place"),
        ("hour == null", "null"),
        ("hour ==", "something is missing"),
        ("(hour == 1", "something is missing"),
        ("hour == 1)", "out of place"),
        ("hour hour", "out of place"),
        ("is_holiday ? on_promotion ? true : false : true", "out of place"),
        ("--hour == 1", "out of place"),
        ("  ", "something is missing"),
        ("0.0 / 0.0 < accuracy", "the evaluator fails"),
    ],
)
def test_what_rules_may_not_say_is_refused_with_the_reason(text: str, part_of_reason: str) -> None:
    with pytest.raises(ExpressionRefused) as caught:
        expression(text)
    assert part_of_reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEPTH_MAX + 1) + "is_holiday" + ")" * (DEPTH_MAX + 1),
        "(" * 249 + "1" + ")" * 249,
        "[" * 400,
        "!" * 400 + "true",
        "x.y(" * 100,
        "true ? " * 70,
        "1+" * NODES_MAX + "1 == 1",
        "true" + " " * EXPRESSION_CHARS_MAX,
    ],
)
def test_costly_expressions_are_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionRefused):
        expression(text)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("text", ["hour / 0 == 1", "1 / (hour - hour) == 1", "on_hand % 0 == 1"])
def test_a_failing_evaluation_is_an_answer(text: str) -> None:
    answer = expression(text)._evaluated(values_of(text))
    assert isinstance(answer, NoAnswer)
    assert "zero" in answer.reason
    assert not answer.is_unknown


def test_an_unknown_value_gives_no_answer() -> None:
    answer = expression("temperature_c < 0.0 || true")._evaluated(None)
    assert answer == NoAnswer("temperature_c is not known", is_unknown=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 == 7 && hour > -1", True),
        ("10 - 4 - 3 == 3 && hour > -1", True),
        ("-7 / 2 == -3 && -7 % 3 == -1 && hour > -1", True),
        ("true || false && false || hour < 0", True),
        ("1 < 2 == true && hour > -1", True),
        ("int(2.9) == 2 && int(-2.9) == -2 && hour > -1", True),
        ("math.ceil(0.2) == 1.0 && math.round(2.5) == 3.0 && hour > -1", True),
        ("'\\\\\\'\\\"\\n' == \"\\\\'\\\"\\n\" && hour > -1", True),
        ("5.0 == 5 && 1 < 1.5 && hour > -1", True),
    ],
)
def test_meaning_is_that_of_the_cel_specification(text: str, expected: bool) -> None:
    assert expression(text)._evaluated(12) is expected


def accepted(text: str, type_wanted: str = BOOL) -> Expression | ExpressionRefused:
    try:
        return expression(text, type_wanted)
    except ExpressionRefused as refusal:
        return refusal


@given(conditions, contexts)
def test_an_accepted_condition_is_true_false_or_fails_by_value(text: str, context: Context) -> None:
    checked = accepted(text)
    if isinstance(checked, ExpressionRefused):
        # Constant parts can fail whatever the values, or be equal to what never comes.
        assert "the evaluator fails" in str(checked) or "is never" in str(checked)
        return
    answer = checked.answer(context)
    if isinstance(answer, NoAnswer):
        by_value = ("not known", "zero", "verflow", "No such overload")
        assert any(word in answer.reason for word in by_value), answer
        # The one type error left is the comparison of what is not a number: 0.0 / 0.0.
        assert "No such overload" not in answer.reason or "/" in text
    else:
        assert isinstance(answer, bool)


@given(conditions | wholes | fractions, contexts)
def test_our_reading_and_the_evaluator_s_group_alike(text: str, context: Context) -> None:
    names = cel.compile(text).variables()
    values = {name: known_value(name, context) for name in names if name in EXAMPLES}
    tree = parse(text)
    assume("math" not in names_in(tree))
    written_out = text_of(tree)
    assert result_of(written_out, values) == result_of(text, values)
    assert parse(written_out) == tree or "-" in text


def known_value(name: str, context: Context) -> object:
    value = value_getter((name,))(context)
    return EXAMPLES[name] if value is None else value


def result_of(text: str, values: dict[str, object]) -> str:
    try:
        return repr(cel.evaluate(text, values))
    except (ArithmeticError, TypeError) as error:
        return type(error).__name__


@given(st.text(max_size=60) | st.text("hour on&|!<>=()[]'\"\\.,?:+-*/%1.0\n ", max_size=60))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    for type_wanted in (BOOL, INT):
        checked = accepted(text, type_wanted)
        if isinstance(checked, ExpressionRefused):
            assert checked.wrong
            assert checked.allowed
        else:
            assert type_of(parse(text)) == type_wanted
