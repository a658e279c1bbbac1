"""States add up exactly, and what is read from them holds for the raw rows."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.measures import CategoricalState, Estimate, NumericState, measure, state_from_json, state_quantile

quick = settings(max_examples=80, deadline=None)
any_float = st.one_of(st.floats(), st.floats(-100, 100), st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, 1e-320, 1e308]))
columns = st.lists(any_float, max_size=30)
finite_columns = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60)
centres = st.sampled_from([0.0, 10.0, -3.7, 1e5])
texts = st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "c", "d", "e", "f", "g", "ü", "="])), max_size=30)


def text_column(values: list[str | None]) -> Any:
    return np.array(values, dtype=object)


def from_states(name: str, *states: Any, **options: Any) -> Any:
    function = measure(name).from_states
    assert function is not None
    return function(*states, **options)


@quick
@given(columns, columns, columns, centres)
def test_numeric_states_add_up(a: list[float], b: list[float], c: list[float], centre: float) -> None:
    empty = NumericState(centre)
    x, y, z = (empty.update(values) for values in (a, b, c))
    whole = empty.update(a + b + c)
    assert x.merge(y).merge(z) == whole
    assert x.merge(y.merge(z)) == whole
    assert z.merge(x).merge(y) == whole
    assert x.update(b).update(c) == whole
    assert whole.merge(empty) == whole


@quick
@given(texts, texts, texts, st.integers(1, 9))
def test_categorical_states_add_up_even_when_categories_run_out(
    a: list[str | None], b: list[str | None], c: list[str | None], limit: int
) -> None:
    empty = CategoricalState(limit)
    x, y, z = (empty.update(text_column(values)) for values in (a, b, c))
    whole = empty.update(text_column(a + b + c))
    assert x.merge(y).merge(z) == whole
    assert x.merge(y.merge(z)) == whole
    assert z.merge(x).merge(y) == whole
    assert x.update(text_column(b)).update(text_column(c)) == whole
    assert len(whole.counts) <= limit
    for name, count in whole.counts.items():
        assert count == (a + b + c).count(name)


@quick
@given(columns, centres)
def test_numeric_states_survive_being_written(values: list[float], centre: float) -> None:
    state = NumericState(centre).update(values)
    again = state_from_json(json.loads(json.dumps(state.to_json(), allow_nan=False)))
    assert again == state


@quick
@given(texts, st.integers(1, 9))
def test_categorical_states_survive_being_written(values: list[str | None], limit: int) -> None:
    state = CategoricalState(limit).update(text_column(values))
    again = state_from_json(json.loads(json.dumps(state.to_json())))
    assert again == state


def test_version_1_stays_readable() -> None:
    numeric = {
        "state": "numeric",
        "version": 1,
        "centre": 0.0,
        "rows": 4,
        "nulls": 1,
        "minimum": 0.5,
        "maximum": 2.0,
        "sum": "7p-1",
        "cells": [48896, 128, 128],
        "counts": [1, 1, 1],
    }
    assert NumericState.from_json(numeric) == NumericState().update([0.5, 1.0, 2.0, math.nan])
    assert NumericState.from_json(numeric).to_json() == numeric
    categorical = {
        "state": "categorical",
        "version": 1,
        "limit": 5,
        "rows": 4,
        "nulls": 1,
        "other": 0,
        "counts": {"a": 2, "b": 1},
    }
    assert CategoricalState.from_json(categorical) == CategoricalState(5).update(text_column(["a", "b", "a", None]))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"state": "other"},
        {"rows": 5},
        {"counts": [1, 1]},
        {"counts": [1, 1, -1]},
        {"cells": [48896, 0, 128]},
        {"cells": [48896, 128, 1 << 40]},
        {"cells": "abc"},
        {"minimum": None},
        {"minimum": 3.0},
        {"sum": "7p99999999"},
        {"sum": "?"},
        {"nulls": -1},
        {"centre": math.nan},
    ],
)
def test_a_broken_numeric_state_is_refused(change: dict[str, Any]) -> None:
    sound = NumericState().update([0.5, 1.0, 2.0, math.nan]).to_json()
    with pytest.raises(InvalidInput):
        state_from_json(sound | change)


@pytest.mark.parametrize(
    "change", [{"version": 0}, {"rows": 9}, {"counts": {"a": -3}}, {"counts": []}, {"limit": 1}, {"other": 1}, {"limit": 0}]
)
def test_a_broken_categorical_state_is_refused(change: dict[str, Any]) -> None:
    sound = CategoricalState(5).update(text_column(["a", "b", None])).to_json()
    with pytest.raises(InvalidInput):
        state_from_json(sound | change)


@quick
@given(finite_columns, centres)
def test_count_extremes_and_mean_are_exact(values: list[float], centre: float) -> None:
    state = NumericState(centre).update([*values, math.nan])
    assert (state.rows, state.nulls, state.present) == (len(values) + 1, 1, len(values))
    assert (state.minimum, state.maximum) == (min(values), max(values))
    assert state.mean == pytest.approx(math.fsum(values) / len(values), rel=1e-15, abs=1e-300)


@quick
@given(finite_columns, centres, st.floats(0, 1))
def test_quantiles_lie_within_their_bounds(values: list[float], centre: float, share: float) -> None:
    found = state_quantile(NumericState(centre).update(values), share)
    true = float(np.quantile(values, share, method="inverted_cdf"))
    assert found.low <= true <= found.high
    assert found.high - found.low <= 0.008 * max(abs(true - centre), 1e-30) + 1e-9


@quick
@given(finite_columns, finite_columns, centres)
def test_distances_lie_within_their_bounds(a: list[float], b: list[float], centre: float) -> None:
    reference, current = NumericState(centre).update(a), NumericState(centre).update(b)
    for name in ("ks", "w1"):
        found = from_states(name, reference, current)
        true = measure(name).compute(reference=a, current=b)
        assert found.low - 1e-9 * (1 + true) <= true <= found.high + 1e-9 * (1 + true), name
        assert found.low <= found.value <= found.high


@quick
@given(finite_columns, st.floats(-1e6, 1e6), centres)
def test_out_of_range_lies_within_its_bounds(values: list[float], bound: float, centre: float) -> None:
    state = NumericState(centre).update(values)
    for options in ({"minimum": bound}, {"maximum": bound}, {"minimum": values[0]}):
        found = from_states("out_of_range_rate", state, **options)
        true = measure("out_of_range_rate").compute(current=values, **options)
        assert found.low - 1e-12 <= true <= found.high + 1e-12


def test_on_real_sizes_states_agree_with_the_raw_rows() -> None:
    random = np.random.default_rng(11)
    reference, current = random.lognormal(3, 1, 200_000), random.lognormal(3.1, 1.1, 150_000)
    states = NumericState().update(reference), NumericState().update(current)
    for name, tolerance in (("psi", 2e-3), ("js", 2e-3), ("ks", 2e-3), ("w1", 0.02), ("w1_normalised", 1e-3)):
        found = from_states(name, *states)
        value = found.value if isinstance(found, Estimate) else found
        assert value == pytest.approx(measure(name).compute(reference=reference, current=current), abs=tolerance), name


def test_discrete_numbers_give_the_same_psi_as_the_raw_rows() -> None:
    random = np.random.default_rng(2)
    reference, current = random.integers(0, 40, 5000), random.binomial(40, 0.5, 4000)
    states = NumericState().update(reference), NumericState().update(current)
    for name in ("psi", "js"):
        assert from_states(name, *states) == pytest.approx(measure(name).compute(reference=reference, current=current))


def test_a_centre_keeps_the_resolution_of_a_field_far_from_zero() -> None:
    random = np.random.default_rng(4)
    values = 1e6 + random.normal(0, 1, 10_000)
    coarse, fine = NumericState().update(values), NumericState(1e6).update(values)
    assert len(coarse.cells) < 3
    assert len(fine.cells) > 500
    found = state_quantile(fine, 0.5)
    assert found.high - found.low < 0.02
    assert found.low <= np.quantile(values, 0.5, method="inverted_cdf") <= found.high


@quick
@given(texts, texts)
def test_categories_agree_with_the_raw_rows(a: list[str | None], b: list[str | None]) -> None:
    a, b = [*a, "a"], [*b, "b"]
    states = CategoricalState().update(text_column(a)), CategoricalState().update(text_column(b))
    kept = [text_column([value for value in side if value is not None]) for side in (a, b)]
    for name in ("psi", "js"):
        assert from_states(name, *states) == pytest.approx(measure(name).compute(reference=kept[0], current=kept[1]))
    unseen = measure("unseen_category_rate").compute(reference=kept[0], current=text_column(b))
    assert from_states("unseen_category_rate", *states) == Estimate.exact(unseen)
    assert from_states("null_rate", states[0]) == measure("null_rate").compute(current=text_column(a))
    assert from_states("row_count", states[0]) == len(a)


@quick
@given(texts, texts, st.integers(1, 7), st.booleans())
def test_unseen_categories_lie_within_their_bounds(a: list[str | None], b: list[str | None], limit: int, only_one: bool) -> None:
    a, b = [*a, "a"], [*b, "b"]
    reference = CategoricalState(100 if only_one else limit).update(text_column(a))
    current = CategoricalState(limit).update(text_column(b))
    kept = text_column([value for value in a if value is not None])
    true = measure("unseen_category_rate").compute(reference=kept, current=text_column(b))
    found = from_states("unseen_category_rate", reference, current)
    assert found.low - 1e-12 <= true <= found.high + 1e-12
    assert found.low - 1e-12 <= found.value <= found.high + 1e-12


@quick
@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 300), min_size=1),
    st.sets(st.sampled_from("abcde")),
    st.integers(1, 500),
)
def test_a_silence_counts_when_chance_does_not_explain_it(before: dict[str, int], speaking: set[str], rows: int) -> None:
    """Against scipy's hypergeometric distribution, which Fisher's test is made of."""
    from scipy.stats import hypergeom

    heard = sorted(speaking) or ["f"]
    reference, current = text_column([name for name, n in before.items() for _ in range(n)]), text_column(heard * rows)
    whole, first = len(reference) + len(current), len(reference)
    silent = [n for name, n in before.items() if name not in heard]
    expected = sum(hypergeom.pmf(n, whole, n, first) < 0.001 / len(before) for n in silent)
    assert measure("silent_categories").compute(reference=reference, current=current) == expected
    states = CategoricalState().update(reference), CategoricalState().update(current)
    assert from_states("silent_categories", *states) == expected


def test_a_dropped_category_never_looks_like_drift() -> None:
    names = [f"shop {index}" for index in range(200)]
    reference = CategoricalState(20).update(text_column(names * 3))
    current = CategoricalState(20).update(text_column(names))
    assert reference.other == 3 * 180
    assert from_states("psi", reference, current) == pytest.approx(0)
    assert from_states("unseen_category_rate", reference, current).low == 0
    assert from_states("silent_categories", reference, current) == 0


def test_infinite_values_count_and_are_said_so() -> None:
    state = NumericState().update([1.0, math.inf, -math.inf, 3.0])
    assert (state.infinite, state.mean, state.maximum) == (2, 2.0, 3.0)
    assert state_quantile(state, 1).value == math.inf
    with pytest.raises(InvalidInput, match="infinite"):
        from_states("w1", state, state)
    assert from_states("ks", state, state).value == 0
    assert from_states("psi", state, state) == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda: NumericState(1.0).merge(NumericState(2.0)),
        lambda: CategoricalState(1).merge(CategoricalState(2)),
        lambda: NumericState().update(["a"]),
        lambda: NumericState().update(np.zeros((2, 2))),
        lambda: NumericState().mean,
        lambda: state_quantile(NumericState(), 0.5),
        lambda: state_quantile(NumericState().update([1.0]), 1.5),
        lambda: from_states("psi", NumericState(), NumericState().update([1.0])),
        lambda: from_states("psi", NumericState().update([1.0]), CategoricalState().update(["a"])),
        lambda: from_states("ks", NumericState(1.0).update([1.0]), NumericState().update([1.0])),
        lambda: from_states("null_rate", NumericState()),
        lambda: from_states("out_of_range_rate", NumericState().update([1.0])),
        lambda: state_from_json({}),
    ],
)
def test_what_cannot_be_answered_is_refused(act: Any) -> None:
    with pytest.raises(InvalidInput):
        act()


def test_objects_with_missing_values_are_numbers_too() -> None:
    state = NumericState().update(np.array([1, None, 2.5], dtype=object))
    assert (state.rows, state.nulls, state.maximum) == (3, 1, 2.5)


def test_five_million_rows_take_less_than_seconds() -> None:
    values = np.random.default_rng(0).normal(50, 9, 5_000_000)
    started = time.process_time()
    state = NumericState(50.0).update(values)
    assert time.process_time() - started < 3  # well under one on an idle machine
    assert state.mean == pytest.approx(float(values.mean()), rel=1e-12)
    assert len(json.dumps(state.to_json())) < 100_000
