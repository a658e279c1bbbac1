"""What holds for every built-in function: it is whole, and whatever it is called with it gives a value or null with a reason."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.types import type_of
from modelyard.dmn.feel.values import Range
from modelyard.dmn.run import Limits, Run
from tests.conftest import examples
from tests.dmn.builtin_calls import NOON, Python, at

TABLES = """
date, date and time, time, number, string, duration, years and months duration, range, not, substring, string length, upper
case, lower case, substring before, substring after, replace, contains, starts with, ends with, matches, split, string join,
list contains, count, min, max, sum, mean, all, any, sublist, append, concatenate, insert before, remove, list replace,
reverse, index of, union, distinct values, flatten, product, median, stddev, mode, decimal, floor, ceiling, round up, round
down, round half up, round half down, abs, modulo, sqrt, log, exp, odd, even, is, before, after, meets, met by, overlaps,
overlaps before, overlaps after, finishes, finished by, includes, during, starts, started by, coincides, day of year, day of
week, month of year, week of year, sort, get value, get entries, context, context put, context merge, now, today
"""

EXTREMES = ["0", "1", "-1", "2.5", "1E+6144", "-1E-6143", "9999999999999999999999999999999999", "1E+40", "-7", "3"]
POINTS = [
    "2024-02-29",
    "-999999999-01-01",
    "999999999-12-31",
    "23:59:59.999999999+18:00",
    "10:00:00",
    "2024-03-31T02:30:00@Europe/Paris",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(EXTREMES).map(Decimal),
    st.sampled_from(["", "a", "aab", "[a-c]+", "$1", "(", "2024-01-01", "P1D", "[1..2]", "i", "key", "\U0001f40e", " ", ","]),
    st.sampled_from([*POINTS, "P999999999Y", "-P1D", "PT0.5S", "P1M"]).map(at),
    st.builds(Range, st.sampled_from([None, Decimal(1)]), st.sampled_from([None, Decimal(2), "z"]), st.booleans(), st.booleans()),
    st.just(FUNCTIONS["before"]),
    st.just(Python(lambda *arguments: len(arguments) > 1)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["key", "value", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
LIMITS = Limits(steps=100_000, text_length=10_000, list_size=10_000, regex_seconds=0.2)


def test_every_function_of_the_specification_is_there_and_no_other() -> None:
    assert {" ".join(name.split()) for name in TABLES.split(",")} == set(FUNCTIONS)


@settings(max_examples=examples(300, hunt=1500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(VALUES, max_size=4))
def test_whatever_a_function_is_called_with_it_gives_a_value_or_a_reason(name: str, arguments: list[Any]) -> None:
    run = Run(LIMITS, lambda: NOON)
    with suppress(LimitExceeded):
        found = FUNCTIONS[name].call(run, arguments)
        assert found is not None or run.messages or name in ("not", "get value")
        assert str(type_of(found))
        assert not isinstance(found, Decimal) or (found.is_finite() and len(found.as_tuple().digits) <= 34)


@settings(max_examples=examples(150, hunt=500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FUNCTIONS)), st.data())
def test_by_name_a_function_gives_the_same_as_by_position(name: str, data: st.DataObject) -> None:
    overloads = [o for o in FUNCTIONS[name].overloads if o.rest is None and len(o.parameters) > 0]
    if not overloads:
        return
    overload = data.draw(st.sampled_from(overloads))
    values = [data.draw(VALUES) for _ in overload.parameters]
    if not overload.takes(values):
        return
    by_name = {parameter.name: value for parameter, value in zip(overload.parameters, values, strict=True)}
    with suppress(LimitExceeded):
        one, other = (
            FUNCTIONS[name].call(Run(LIMITS, lambda: NOON), values),
            FUNCTIONS[name].call_named(Run(LIMITS, lambda: NOON), by_name),
        )
        assert one == other


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_name_that_is_no_parameter_gives_null_and_a_reason(name: str) -> None:
    run = Run(LIMITS, lambda: NOON)
    assert FUNCTIONS[name].call_named(run, {"no such name": Decimal(1)}) is None
    assert run.messages is not None
    assert "has no parameter 'no such name'" in run.messages[0].text


def test_an_overload_that_takes_arguments_as_they_are_comes_before_one_that_coerces_them() -> None:
    run = Run(LIMITS, lambda: NOON)
    assert FUNCTIONS["context put"].call(run, [{"a": {}}, ["a", "b"], Decimal(1)]) == {"a": {"b": Decimal(1)}}
    assert FUNCTIONS["date"].call(run, [[at("2024-01-01")]]) == at("2024-01-01")
