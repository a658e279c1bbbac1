"""Measures of answers against the truth, and the bounds that they must keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.evaluation.measuring import OF_CLASSES, OF_NUMBERS, OF_TWO_CLASSES, Bound, answered, figures, held
from modelyard.kinds.signature import DataType, FieldSpec, Role

SCORE = FieldSpec(name="p", type=DataType.FP32, role=Role.SCORE, minimum=0, maximum=1, positive="yes")
LABEL = FieldSpec(name="label", type=DataType.BYTES, role=Role.LABEL)
NUMBER = FieldSpec(name="y", type=DataType.FP64, role=Role.SCORE)


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([values])


def test_two_classes_are_measured_by_their_scores() -> None:
    found = figures(answered(column(["yes", "no", "yes", "no"]), {"p": np.array([0.9, 0.2, 0.6, 0.7])}, [SCORE]))
    assert set(found) == {*OF_TWO_CLASSES, "rows", "base_rate"}
    assert (found["roc_auc"], found["accuracy"], found["base_rate"], found["rows"]) == (0.75, 0.75, 0.5, 4)


def test_many_classes_are_measured_by_their_labels() -> None:
    labels = np.array(["a", "b", "c", "c"], dtype=object)
    found = figures(answered(column(["a", "b", "c", "a"]), {"label": labels}, [LABEL]))
    assert set(found) == {*OF_CLASSES, "rows"}
    assert found["accuracy"] == 0.75


def test_numbers_are_measured_by_their_distance() -> None:
    found = figures(answered(column([1.0, 2.0, 3.0]), {"y": np.array([1.0, 2.0, 5.0])}, [NUMBER]))
    assert set(found) == {*OF_NUMBERS, "rows"}
    assert found["mae"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("truth", "outputs", "field"),
    [
        (["yes", None], [SCORE], "label"),
        (["yes", "no"], [SCORE.model_copy(update={"positive": None})], "signature.outputs.p.positive"),
        (["yes", "no"], [FieldSpec(name="p", type=DataType.FP32, role=Role.OTHER)], "signature.outputs"),
    ],
)
def test_what_cannot_be_held_against_the_truth_says_so(truth: list[Any], outputs: list[FieldSpec], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        answered(column(truth), {"p": np.array([0.9, 0.2])}, outputs)
    assert caught.value.field == field


def test_a_bound_holds_in_every_group() -> None:
    truth = ["yes", "no", "yes", "no"]
    table = pa.table({"airport": ["EWR", "EWR", "JFK", "JFK"], "late": truth})
    found = answered(table["late"], {"p": np.array([0.9, 0.2, 0.3, 0.7])}, [SCORE])
    whole = held(Bound(measure="accuracy", minimum=0.5), found, table)
    groups = held(Bound(measure="accuracy", minimum=0.6, by="airport"), found, table)
    assert [r.passed for r in whole] == [True]
    assert [(r.name, r.passed, r.value) for r in groups] == [
        ("accuracy where airport is EWR", True, 1.0),
        ("accuracy where airport is JFK", False, 0.0),
    ]


def test_bounds_that_cannot_be_asked() -> None:
    table = pa.table({"late": ["yes", "no"]})
    found = answered(table["late"], {"p": np.array([0.9, 0.2])}, [SCORE])
    with pytest.raises(NotFound):
        held(Bound(measure="beauty", minimum=1), found, table)
    with pytest.raises(InvalidInput, match="does not give"):
        held(Bound(measure="rmse", maximum=1), found, table)
    with pytest.raises(InvalidInput, match="no column"):
        held(Bound(measure="accuracy", minimum=1, by="gate"), found, table)
    with pytest.raises(ValueError, match="minimum"):
        Bound(measure="accuracy")
