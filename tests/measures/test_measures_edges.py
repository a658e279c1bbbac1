"""Where a measure has no value it says so: never a silent NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from modelyard.core.errors import InvalidInput, ModelyardError
from modelyard.measures import MEASURES, CostMatrix, Data, Need, measure, present

COSTS = CostMatrix(false_positive=1, false_negative=2)
OPTIONS: dict[str, dict[str, Any]] = {"out_of_range_rate": {"minimum": 0.0}}


def data_for(name: str) -> dict[str, Any]:
    """Plain data on which the measure has a value."""
    row = measure(name)
    random = np.random.default_rng(7)
    label = random.random(60) < 0.5
    score = np.clip(0.5 + 0.2 * label + random.normal(0, 0.2, 60), 0.01, 0.99)
    field: Any = random.normal(0, 1, 60) if Data.NUMBER in row.takes else random.choice(["a", "b"], 60).astype(object)
    given = {
        Need.REFERENCE: field,
        Need.CURRENT: field[:40],
        Need.LABEL: field if Need.ESTIMATE in row.needs else label.astype(int),
        Need.SCORE: score,
        Need.PREDICTION: (score > 0.6).astype(int),
        Need.ESTIMATE: field + 0.1 * score if Data.NUMBER in row.takes else field,
        Need.COSTS: COSTS,
    }
    return {need.value: given[need] for need in row.needs} | OPTIONS.get(name, {})


ARRAYS = [(name, need.value) for name, row in MEASURES.items() for need in row.needs if need is not Need.COSTS]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_gives_a_finite_number_on_plain_data(name: str) -> None:
    assert math.isfinite(measure(name).compute(**data_for(name)))


@pytest.mark.parametrize(("name", "need"), [pair for pair in ARRAYS if pair != ("row_count", "current")])
def test_empty_arrays_are_refused(name: str, need: str) -> None:
    given = data_for(name)
    with pytest.raises(InvalidInput):
        measure(name).compute(**given | {need: given[need][:0]})


REFUSES_NULLS = [(name, need) for name, need in ARRAYS if measure(name).family not in {"quality"}]


@pytest.mark.parametrize(("name", "need"), REFUSES_NULLS)
def test_missing_values_are_refused(name: str, need: str) -> None:
    given = data_for(name)
    holed = np.array(given[need], dtype=object)
    holed[3] = None
    with pytest.raises(InvalidInput):
        measure(name).compute(**given | {need: holed})


@pytest.mark.parametrize("need", ["score", "estimate"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinite_scores_are_refused(need: str, bad: float) -> None:
    for name, row in MEASURES.items():
        if Need(need) in row.needs:
            given = data_for(name)
            broken = given[need].copy()
            broken[0] = bad
            with pytest.raises(InvalidInput, match="missing or infinite"):
                measure(name).compute(**given | {need: broken})


PAIRED = [(n, need.value) for n, row in MEASURES.items() for need in row.needs if need in {"score", "prediction", "estimate"}]


@pytest.mark.parametrize(("name", "need"), PAIRED)
def test_different_lengths_are_refused(name: str, need: str) -> None:
    given = data_for(name)
    with pytest.raises(InvalidInput, match="rows where") as caught:
        measure(name).compute(**given | {need: given[need][:-1]})
    assert caught.value.field == need


@pytest.mark.parametrize(
    "name", ["roc_auc", "average_precision", "balanced_accuracy", "calibration_slope", "calibration_intercept"]
)
@pytest.mark.parametrize("only", [0, 1])
def test_one_class_is_refused_where_two_are_needed(name: str, only: int) -> None:
    given = data_for(name)
    with pytest.raises(InvalidInput, match="only one class"):
        measure(name).compute(**given | {"label": np.full(60, only)})


def test_a_class_without_weight_is_not_there() -> None:
    with pytest.raises(InvalidInput, match="only one class"):
        measure("roc_auc").compute(label=[0, 1, 1], score=[0.1, 0.2, 0.3], weight=[0, 1, 1])


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("precision", {"label": [0, 1], "prediction": [0, 0]}, "no row was answered positive"),
        ("recall", {"label": [0, 0], "prediction": [0, 1]}, "no row is positive"),
        ("f1", {"label": [0, 0], "prediction": [0, 0]}, "no F1"),
        ("r2", {"label": [2.1, 2.1, 2.1], "estimate": [1, 2, 3]}, "constant"),
        ("log_loss", {"label": [0, 1], "score": [0.2, 1.2]}, "between 0 and 1"),
        ("brier", {"label": [0, 2], "score": [0.2, 0.3]}, "0 and 1 only"),
        ("calibration_slope", {"label": [0, 1], "score": [0.2, 0.8]}, "separate"),
        ("calibration_slope", {"label": [0, 1, 1], "score": [0.5, 0.5, 0.5]}, "same"),
        ("accuracy", {"label": np.array(["1", "0"]), "prediction": [1, 0]}, "not both text"),
        ("accuracy", {"label": [1, 0], "prediction": np.array(["1", "0"], dtype=object)}, "not both text"),
        ("psi", {"reference": [1.0], "current": ["a"]}, "the reference holds"),
        ("w1_normalised", {"reference": [1.0, 1.0], "current": [2.0]}, "constant"),
        ("ks", {"reference": ["a"], "current": [1.0]}, "expected numbers"),
        ("out_of_range_rate", {"current": [1.0]}, "needs a minimum"),
        ("out_of_range_rate", {"current": [1.0], "minimum": 2, "maximum": 1}, "not below"),
        ("out_of_range_rate", {"current": [math.nan], "minimum": 2}, "every value is missing"),
        ("unseen_category_rate", {"reference": ["a"], "current": [None]}, "every value is missing"),
        ("roc_auc", {"label": [[0, 1]], "score": [0.5]}, "one column"),
        ("roc_auc", {"label": [0, 1], "score": [0.5, 0.6], "weight": [-1, 1]}, "weights must not be negative"),
        ("roc_auc", {"label": [0, 1], "score": [0.5, 0.6], "weight": [1]}, "rows where"),
        ("psi", {"reference": [1.0], "current": [1.0], "buckets": 1}, "at least 2 buckets"),
        ("psi", {"reference": [1.0], "current": [1.0], "epsilon": 0.0}, "epsilon"),
        ("rmse", {"label": [1e300, 0], "estimate": [-1e300, 0]}, "not a finite number"),
        ("roc_auc", {"label": [0, 1]}, "needs score"),
        ("roc_auc", {"label": [0, 1], "score": [0, 1], "colour": 1}, "takes no colour"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_an_undefined_value_is_an_error_that_says_why(name: str, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        measure(name).compute(**given)


def test_perfect_and_reversed_rankings() -> None:
    auc = measure("roc_auc")
    assert auc.compute(label=[0, 0, 1, 1], score=[1, 2, 3, 4]) == 1.0
    assert auc.compute(label=[0, 0, 1, 1], score=[4, 3, 2, 1]) == 0.0
    assert auc.compute(label=[0, 1, 0, 1], score=[5, 5, 5, 5]) == 0.5


def test_certain_and_wrong_probabilities_cost_much_but_not_infinitely() -> None:
    assert 30 < measure("log_loss").compute(label=[0, 1], score=[1.0, 0.0]) < 40


@pytest.mark.parametrize("values", [[1.0, math.nan, 2.0, math.nan], np.array(["a", None, "b", None], dtype=object)])
def test_null_rate_and_what_is_present(values: Any) -> None:
    assert measure("null_rate").compute(current=values) == 0.5
    assert len(present(values)) == 2
    assert measure("row_count").compute(current=values) == 4


def test_dates_have_nulls_too() -> None:
    dates = np.array(["2026-01-01", "NaT"], dtype="datetime64[D]")
    assert measure("null_rate").compute(current=dates) == 0.5


def test_rates_leave_missing_values_out() -> None:
    assert measure("out_of_range_rate").compute(current=[-1, 0, 5, 6, math.nan], minimum=0, maximum=5) == 0.5
    current = np.array(["a", "x", None], dtype=object)
    assert measure("unseen_category_rate").compute(reference=["a", "b"], current=current) == 0.5


def test_errors_of_measures_belong_to_the_family() -> None:
    with pytest.raises(ModelyardError) as caught:
        measure("no_such_measure")
    assert caught.value.code == "not_found"
    assert "roc_auc" in str(caught.value.hint)


def test_objects_that_are_numbers_are_compared_as_numbers() -> None:
    holed = np.array([1.5, None, 2], dtype=object)
    assert present(holed).dtype == np.float64
    assert measure("ks").compute(reference=[1.5, 2.0], current=present(holed)) == 0
    assert measure("psi").compute(reference=[1.5, 2.0], current=present(holed)) == 0
    assert present(np.array([True, None], dtype=object)).dtype == object
