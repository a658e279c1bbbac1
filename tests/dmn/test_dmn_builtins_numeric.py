"""Numeric functions (DMN 1.5, 10.3.4.5) against the specification's examples, `decimal` and their definitions."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dmn.feel.numbers import CONTEXT
from tests.dmn.builtin_calls import at, call, feel, named, reason

NUMBERS = st.decimals(-(10**18), 10**18, allow_nan=False, allow_infinity=False, places=6)
SCALES = st.integers(-8, 8)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("decimal", (1.5, 0), "2"),
        ("decimal", (2.5, 0), "2"),
        ("decimal", (0.515, 2), "0.52"),
        ("floor", (1.5,), "1"),
        ("floor", (-1.56, 1), "-1.6"),
        ("ceiling", (1.5,), "2"),
        ("ceiling", (-1.56, 1), "-1.5"),
        ("round up", (5.5, 0), "6"),
        ("round up", (-5.5, 0), "-6"),
        ("round up", (1.121, 2), "1.13"),
        ("round up", (-1.126, 2), "-1.13"),
        ("round down", (5.5, 0), "5"),
        ("round down", (-1.126, 2), "-1.12"),
        ("round half up", (5.5, 0), "6"),
        ("round half up", (-1.126, 2), "-1.13"),
        ("round half down", (5.5, 0), "5"),
        ("round half down", (-5.5, 0), "-5"),
        ("round half down", (-1.126, 2), "-1.13"),
        ("abs", (-10,), "10"),
        ("modulo", (12, 5), "2"),
        ("modulo", (-12, 5), "3"),
        ("modulo", (12, -5), "-3"),
        ("modulo", (-12, -5), "-2"),
        ("modulo", (10.1, 4.5), "1.1"),
        ("modulo", (-10.1, 4.5), "3.4"),
        ("modulo", (10.1, -4.5), "-3.4"),
        ("modulo", (-10.1, -4.5), "-1.1"),
        ("sqrt", (16,), "4"),
        ("log", (10,), "2.302585092994045684017991454684364"),
        ("exp", (5,), "148.4131591025766034211155800405523"),
    ],
)
def test_the_examples_of_table_76(name: str, arguments: tuple[float, ...], expected: str) -> None:
    assert call(name, *arguments) == Decimal(expected)


def test_odd_and_even_as_in_table_76() -> None:
    assert (call("odd", 5), call("odd", 2), call("even", 5), call("even", 2)) == (True, False, False, True)
    assert (call("odd", -3), call("even", -4), call("even", 0)) == (True, True, True)


def test_a_fraction_is_neither_odd_nor_even() -> None:
    assert call("odd", 1.5) is False
    assert call("even", 1.5) is False


def test_beyond_34_digits_every_number_is_even() -> None:
    assert call("even", Decimal("1E+6000")) is True
    assert call("odd", Decimal("3E+40")) is False


def test_the_absolute_value_of_durations() -> None:
    assert call("abs", at("-PT5H")) == at("PT5H")
    assert call("abs", at("-P1Y2M")) == at("P1Y2M")
    assert call("abs", at("2024-01-01")) is None


def test_logical_negation() -> None:
    assert call("not", True) is False
    assert call("not", False) is True
    assert call("not", None) is None
    assert call("not", 1) is None
    assert named("not", negand=True) is False


@given(NUMBERS, SCALES)
def test_rounding_keeps_to_its_definition(number: Decimal, scale: int) -> None:
    unit = Fraction(10) ** -scale
    exact = Fraction(number) / unit
    below, above = floor(exact) * unit, -floor(-exact) * unit
    assert Fraction(call("floor", number, scale)) == below
    assert Fraction(call("ceiling", number, scale)) == above
    up = above if number > 0 else below
    assert Fraction(call("round up", number, scale)) == up
    assert Fraction(call("round down", number, scale)) == (below if number > 0 else above)
    nearest = Fraction(call("round half up", number, scale))
    assert abs(nearest - Fraction(number)) == min(abs(below - Fraction(number)), abs(above - Fraction(number)))
    tie = below != above and exact - floor(exact) == Fraction(1, 2)
    assert Fraction(call("round half down", number, scale)) == (below + above - nearest if tie else nearest)
    assert Fraction(call("decimal", number, scale)) == round(Fraction(number) / unit) * unit


@given(NUMBERS, NUMBERS)
def test_modulo_keeps_to_its_definition(dividend: Decimal, divisor: Decimal) -> None:
    if not divisor:
        assert call("modulo", dividend, divisor) is None
        return
    exact = Fraction(dividend) - Fraction(divisor) * floor(Fraction(dividend) / Fraction(divisor))
    found = call("modulo", dividend, divisor)
    assert Fraction(found) == exact
    assert not found or found.is_signed() == divisor.is_signed()


def test_modulo_is_exact_where_the_quotient_has_thousands_of_digits() -> None:
    assert call("modulo", Decimal("1E+6000"), Decimal("7E-6000")) == Decimal(f"{pow(10, 12_000, 7)}E-6000")


@given(NUMBERS)
def test_functions_of_one_number_are_those_of_decimal(number: Decimal) -> None:
    with decimal.localcontext(CONTEXT):
        assert call("sqrt", number) == (number.sqrt() if number >= 0 else None)
        assert call("log", number) == (number.ln() if number > 0 else None)
        small = number / 10**15
        assert call("exp", small) == small.exp()


@pytest.mark.parametrize("name", ["decimal", "floor", "ceiling", "round up", "round down", "round half up", "round half down"])
def test_a_scale_is_from_minus_6111_to_6176(name: str) -> None:
    assert call(name, 5.5, 6176) == Decimal("5.5")
    assert call(name, 5.5, -6111) is not None
    assert call(name, 5.5, 6177) is None
    assert "scale from -6111 to 6176" in reason(name, 5.5, -6112)
    assert call(name, None, 0) is None
    assert call(name, 5.5, None) is None
    assert named(name, n=5.49, scale=1) == call(name, 5.49, 1)
    assert named(name, number=5.49, scale=1) is None


def test_of_a_scale_with_a_fraction_the_whole_part_counts() -> None:
    assert call("decimal", Decimal(1) / 3, 2.5) == Decimal("0.33")


def test_a_number_of_34_digits_stays_as_it_is_at_a_scale_that_it_has_no_room_for() -> None:
    long = Decimal("1234567890123456789012345678901234")
    assert call("decimal", long, 5) == long
    assert str(call("decimal", 1, 2)) == "1.00"


def test_results_beyond_the_range_of_numbers_are_null() -> None:
    assert "out of the range" in reason("exp", 20_000)
    assert call("log", 0) is None
    assert call("sqrt", -1) is None


@pytest.mark.parametrize("name", ["abs", "sqrt", "log", "exp", "odd", "even", "floor", "ceiling"])
@pytest.mark.parametrize("wrong", [None, "4", True, [1, 2], {}, at("2018-12-06")])
def test_what_is_no_number_gives_null(name: str, wrong: object) -> None:
    assert call(name, wrong) is None


def test_the_wrong_number_of_arguments_gives_null_and_says_so() -> None:
    assert reason("abs", 1, 1) == "abs() takes 1 arguments, not 2"
    assert reason("modulo", 1) == "modulo() takes 2 arguments, not 1"
    assert call("sqrt") is None


def test_a_list_of_one_number_is_that_number() -> None:
    assert call("abs", [-1]) == 1
    assert feel([1]) == [Decimal(1)]
