"""FEEL outside of decision models."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from modelyard.dmn import Expression, FeelSyntaxError, InvalidData, InvalidModel, LimitExceeded, Limits, plain


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
