"""List functions and aggregates (DMN 1.5, 10.3.4.4) and sort (10.3.4.9)."""

from __future__ import annotations

import statistics
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.run import Limits
from tests.dmn.builtin_calls import Python, at, call, feel, named, new_run, reason

NUMBERS = st.lists(st.integers(-50, 50), max_size=12)
SOME = st.lists(st.integers(-50, 50), min_size=1, max_size=12)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "b"]))
NESTED = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=12).filter(lambda v: isinstance(v, list))
FLATTEN = FUNCTIONS["flatten"]
AGGREGATES = ["min", "max", "sum", "mean", "product", "median", "stddev", "mode", "all", "any"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("list contains", ([1, 2, 3], 2), True),
        ("list contains", ([1, None], None), True),
        ("list contains", ([1], None), False),
        ("count", ([1, 2, 3],), 3),
        ("count", ([],), 0),
        ("count", ([1, [2, 3]],), 2),
        ("min", ([1, 2, 3],), 1),
        ("max", (1, 2, 3), 3),
        ("min", (1,), 1),
        ("max", ([],), None),
        ("sum", ([1, 2, 3],), 6),
        ("sum", (1, 2, 3), 6),
        ("sum", (1,), 1),
        ("sum", ([],), None),
        ("mean", ([1, 2, 3],), 2),
        ("mean", ([],), None),
        ("all", ([False, None, True],), False),
        ("all", (True,), True),
        ("all", ([],), True),
        ("all", (0,), None),
        ("any", ([False, None, True],), True),
        ("any", (False,), False),
        ("any", ([],), False),
        ("any", (0,), None),
        ("sublist", ([4, 5, 6], 1, 2), [4, 5]),
        ("append", ([1], 2, 3), [1, 2, 3]),
        ("append", ([1], None), [1, None]),
        ("append", ([1], [2]), [1, [2]]),
        ("concatenate", ([1, 2], [3]), [1, 2, 3]),
        ("insert before", ([1, 3], 1, 2), [2, 1, 3]),
        ("insert before", ([1, 3], -1, 2), [1, 2, 3]),
        ("remove", ([1, 2, 3], 2), [1, 3]),
        ("list replace", ([2, 4, 7, 8], 3, 6), [2, 4, 6, 8]),
        ("list replace", ([2, 4, 7, 8], -1, 6), [2, 4, 7, 6]),
        ("reverse", ([1, 2, 3],), [3, 2, 1]),
        ("index of", ([1, 2, 3, 2], 2), [2, 4]),
        ("index of", ([None, 1, None], None), [1, 3]),
        ("union", ([1, 2], [2, 3]), [1, 2, 3]),
        ("distinct values", ([1, 2, 3, 2, 1],), [1, 2, 3]),
        ("flatten", ([[1, 2], [[3]], 4],), [1, 2, 3, 4]),
        ("product", ([2, 3, 4],), 24),
        ("product", (2, 3, 4), 24),
        ("product", ([],), None),
        ("median", (8, 2, 5, 3, 4), 4),
        ("median", ([6, 1, 2, 3],), 2.5),
        ("median", ([],), None),
        ("stddev", ([47],), None),
        ("stddev", (47,), None),
        ("stddev", ([],), None),
        ("mode", (6, 3, 9, 6, 6), [6]),
        ("mode", ([6, 1, 9, 6, 1],), [1, 6]),
        ("mode", ([],), []),
    ],
)
def test_the_examples_of_table_75(name: str, arguments: tuple[Any, ...], expected: Any) -> None:
    assert call(name, *arguments) == feel(expected)


def test_the_sample_standard_deviation_has_34_digits() -> None:
    assert call("stddev", 2, 4, 7, 5) == Decimal("2.081665999466132735282297706979931")


@given(SOME)
def test_aggregates_agree_with_python(numbers: list[int]) -> None:
    assert call("sum", numbers) == call("sum", *numbers) == sum(numbers)
    assert call("min", numbers) == call("min", *numbers) == min(numbers)
    assert call("max", numbers) == max(numbers)
    assert call("mean", numbers) == call("mean", *numbers)
    assert abs(Fraction(call("mean", numbers)) - Fraction(sum(numbers), len(numbers))) < Fraction(1, 10**30)
    assert call("median", numbers) == Decimal(str(statistics.median(numbers)))
    assert call("mode", numbers) == sorted(statistics.multimode(numbers))
    if len(numbers) > 1:
        assert abs(call("stddev", numbers) - Decimal(statistics.stdev(numbers))) < Decimal("1e-9")


@given(NUMBERS, NUMBERS)
def test_lists_agree_with_python(a: list[int], b: list[int]) -> None:
    assert call("concatenate", a, b) == feel(a + b)
    assert call("union", a, b) == feel(list(dict.fromkeys(a + b)))
    assert call("distinct values", a) == feel(list(dict.fromkeys(a)))
    assert call("reverse", a) == feel(a[::-1])
    assert call("count", a) == len(a)


@given(NUMBERS, st.integers(-14, 14), st.integers(-1, 14))
def test_positions_are_within_the_list_or_null(numbers: list[int], place: int, length: int) -> None:
    if place == 0 or abs(place) > len(numbers):
        for name, arguments in (("remove", ()), ("insert before", (0,)), ("list replace", (0,)), ("sublist", ())):
            assert call(name, numbers, place, *arguments) is None
        return
    index = place - 1 if place > 0 else len(numbers) + place
    assert call("remove", numbers, place) == feel(numbers[:index] + numbers[index + 1 :])
    assert call("insert before", numbers, place, 99) == feel([*numbers[:index], 99, *numbers[index:]])
    assert call("list replace", numbers, place, 99) == feel([*numbers[:index], 99, *numbers[index + 1 :]])
    assert call("sublist", numbers, place) == feel(numbers[index:])
    fits = 1 <= length <= len(numbers) - index
    assert call("sublist", numbers, place, length) == (feel(numbers[index : index + length]) if fits else None)


def _flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _flat(item)] if isinstance(value, list) else [value]


@given(NESTED)
def test_flattening(nested: list[Any]) -> None:
    assert call("flatten", nested) == feel(_flat(nested))


@given(st.lists(SCALARS, max_size=10), SCALARS)
def test_membership_distinguishes_types(items: list[Any], item: Any) -> None:
    alike = [type(other) is type(item) and other == item for other in items]
    assert call("list contains", items, item) is any(alike)
    assert call("index of", items, item) == [place for place, found in enumerate(alike, start=1) if found]
    assert len(call("distinct values", items)) == len({(type(other), other) for other in items})


def test_distinct_values_of_what_python_cannot_hash() -> None:
    same = [{"a": 1}, [1], {"a": 1}, [1, 2], [1], at("PT24H"), at("P1D"), at("10:00:00+01:00"), at("09:00:00Z"), None, None]
    assert len(call("distinct values", same)) == 6


@given(st.lists(st.sampled_from([True, False, None, 0]), max_size=6))
def test_all_and_any_are_three_valued(items: list[Any]) -> None:
    falses, trues = any(item is False for item in items), any(item is True for item in items)
    plain = all(type(item) is bool for item in items)
    assert call("all", items) is (False if falses else True if plain else None)
    assert call("any", items) is (True if trues else False if plain else None)
    if items:
        assert call("all", *items) is call("all", items)


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregates_need_an_argument_and_know_their_names(name: str) -> None:
    assert "takes" in reason(name)
    assert call(name, None) is None
    assert named(name, list=None) is None
    assert named(name, l=[1]) is None
    right = [True] if name in ("all", "any") else [1, 1]
    assert named(name, list=right) == call(name, right) is not None


@pytest.mark.parametrize("name", ["sum", "mean", "product", "median", "stddev", "mode"])
@pytest.mark.parametrize("wrong", [None, "a", True, [1]])
def test_one_wrong_item_makes_an_aggregate_null(name: str, wrong: Any) -> None:
    assert reason(name, [1, wrong, 2])
    assert call(name, 1, wrong, 2) is None


def test_extremes_of_anything_that_has_an_order() -> None:
    assert call("min", "b", "a") == "a"
    assert call("max", at("2024-01-01"), at("2023-01-01")) == at("2024-01-01")
    assert call("max", at("PT1H"), at("PT61M")) == at("PT61M")
    assert "comparable" in reason("min", 1, "a")
    assert call("min", [1, None]) is None
    assert call("max", [True]) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers()), max_size=30))
def test_sorting_is_stable_and_ordered(pairs: list[tuple[int, int]]) -> None:
    items = [{"key": key, "mark": str(mark)} for key, mark in pairs]
    by_key = Python(lambda a, b: a["key"] < b["key"])
    assert call("sort", items, by_key) == feel(sorted(items, key=lambda item: item["key"]))


def test_sorting_downward_and_by_name() -> None:
    assert call("sort", [3, 1, 4, 5, 2], Python(lambda a, b: a > b)) == [5, 4, 3, 2, 1]
    assert named("sort", list=[3, 1, 2], precedes=Python(lambda a, b: a < b)) == [1, 2, 3]
    assert named("sort", list=[3, 1, 2], function=Python(lambda a, b: a < b)) is None
    assert "not a boolean" in reason("sort", [1, 2], Python(lambda a, b: None))
    assert call("sort", [1, 2], 5) is None


def test_replacing_where_a_function_matches() -> None:
    less = Python(lambda item, new: item < new)
    assert call("list replace", [2, 4, 7, 8], less, 5) == [5, 5, 7, 8]
    assert named("list replace", list=[2, 9], match=less, newItem=5) == [5, 9]
    assert named("list replace", list=[2, 9], position=1, newItem=5) == [5, 9]
    assert "not a boolean" in reason("list replace", [1], Python(lambda item, new: None), 5)


def test_names_of_parameters() -> None:
    assert named("list contains", list=[1], element=1) is True
    assert named("sublist", list=[1, 2, 3], start_position=2, length=1) == [2]
    assert named("append", list=[1], item=[2]) == [1, [2]]
    assert named("concatenate", list=[1]) == [1]
    assert named("insert before", list=[1], position=1, newItem=2) == [2, 1]
    assert named("remove", list=[1, 2], position=1) == [2]
    assert named("index of", list=[1, 2], match=2) == [2]
    assert named("index of", list=[1, 2], element=2) is None


def test_a_single_value_where_a_list_is_asked_for_is_a_list_of_it() -> None:
    assert call("count", 1) == 1
    assert call("reverse", "ab") == ["ab"]
    assert call("concatenate", [1], 2) == [1, 2]


@pytest.mark.parametrize("name", ["count", "reverse", "distinct values", "flatten", "concatenate", "union"])
def test_null_is_no_list(name: str) -> None:
    assert "not null" in reason(name, None)


def test_results_beyond_the_range_of_numbers_are_null() -> None:
    assert "out of the range" in reason("sum", [Decimal("9E+6144")] * 2)
    assert "out of the range" in reason("product", [Decimal("9E+6000")] * 2)


def test_lists_that_are_too_long_are_refused() -> None:
    run = new_run(Limits(list_size=10))
    for name, arguments in (("concatenate", ([1] * 6, [1] * 6)), ("append", ([1] * 10, 1)), ("insert before", ([1] * 10, 1, 1))):
        with pytest.raises(LimitExceeded, match=r"list of 1[12] elements"):
            call(name, *arguments, run=run)
    shared: list[Any] = [1]
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(LimitExceeded, match="steps"):
        FLATTEN.call(new_run(Limits(steps=10_000)), [shared])


def test_comparing_each_with_each_counts_as_steps() -> None:
    with pytest.raises(LimitExceeded, match="steps"):
        call("distinct values", [[number] for number in range(200)], run=new_run(Limits(steps=10_000)))


def test_the_depth_of_lists_does_not_matter_to_flatten() -> None:
    deep: list[Any] = [Decimal(1)]
    for _ in range(20_000):
        deep = [deep]
    assert FLATTEN.call(new_run(), [deep]) == [1]
