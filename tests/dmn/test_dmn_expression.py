"""FEEL outside of decision models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn import DmnError, Expression, FeelSyntaxError, InvalidData, InvalidModel, LimitExceeded, Limits, plain
from tests.conftest import examples


def test_a_condition_is_evaluated_over_named_values() -> None:
    rule = Expression('amount > 1000 and customer.segment = "gold"')
    assert rule.evaluate({"amount": 1200, "customer": {"segment": "gold"}}).value is True
    assert rule.evaluate({"amount": Decimal("999.99"), "customer": {"segment": "gold"}}).value is False


def test_the_names_decide_how_the_text_is_read() -> None:
    formula = Expression("net amount - fee")
    assert formula.evaluate({"net amount": 10, "fee": 3}).value == 7
    assert formula.evaluate({"net amount - fee": "one name"}).value == "one name"


def test_an_unknown_name_is_null_with_its_reason_or_refused_beforehand() -> None:
    result = Expression("absent + 1").evaluate({"x": 1})
    assert result.value is None
    assert "absent" in result.messages[0].text
    with pytest.raises(InvalidModel, match="absent"):
        Expression("absent + 1", names=("x",))
    assert Expression("x + 1", names=("x",)).problems(("y",)) == ("unknown name 'x'",)


def test_what_is_not_feel_or_no_value_is_refused() -> None:
    with pytest.raises(FeelSyntaxError, match="line 1"):
        Expression("1 +").evaluate({})
    with pytest.raises(InvalidData, match="x"):
        Expression("x").evaluate({"x": object()})
    with pytest.raises(LimitExceeded):
        Expression("for i in 1..100000000 return i", limits=Limits(steps=100_000)).evaluate({})


def test_many_sets_of_names_are_forgotten_again() -> None:
    rule = Expression("x + 1")
    for number in range(200):
        assert rule.evaluate({"x": number, f"other {number}": 0}).value == number + 1


def test_the_clock_is_the_callers() -> None:
    found = Expression("today()").evaluate({}, clock=lambda: datetime(2024, 5, 6, tzinfo=UTC)).value
    assert plain(found) == "2024-05-06"


NAMES = ("a", "b", "ab", "a b", "a-b", "a+b", "b*c", "c", "sum", "1st a", "% due", "a.b", "in", "a's", "é", "not")
PIECES = (
    *NAMES, " ", "  ", "\n", "\u00a0", "+", "-", "*", ">", "(", ")", "1", "2", '"a b"', "[", "]", ",", "/* a */", "if", "then",
    "else", "for x in", "return", "{", "}", ":", ".", "sum(", "and", "or", "between", "some", "satisfies",
)  # fmt: skip


@settings(max_examples=examples(300, hunt=20_000))
@given(names=st.sets(st.sampled_from(NAMES)), text=st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
def test_names_that_are_not_mentioned_have_no_part_in_the_value(names: set[str], text: str) -> None:
    def value(known: Iterable[str]) -> object:
        data = {name: NAMES.index(name) + 1 for name in known}
        try:
            return repr(Expression(text).evaluate(data).value)
        except DmnError as error:
            return type(error)

    few = Expression(text).mentioned(sorted(names))
    assert value(sorted(names)) == value(few)


def test_a_name_is_mentioned_whatever_its_white_space() -> None:
    rule = Expression("date  of\nbirth > 3 and profit +loss < 2")
    assert rule.mentioned(["date of birth", "profit+loss", "loss", "income"]) == ("date of birth", "profit+loss", "loss")
    assert Expression("a > 1").mentioned(["b", "A", "a"]) == ("a",)
