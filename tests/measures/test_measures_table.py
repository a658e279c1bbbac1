"""The table tells the truth about its functions."""

from __future__ import annotations

import inspect

import pytest

from modelyard.core.errors import InvalidInput
from modelyard.measures import MEASURES, Direction, Level, Thresholds, measure


@pytest.mark.parametrize("name", MEASURES)
def test_needs_are_the_required_arguments(name: str) -> None:
    row = MEASURES[name]
    parameters = inspect.signature(row.function).parameters
    required = [p.name for p in parameters.values() if p.default is inspect.Parameter.empty]
    assert required == [need.value for need in row.needs]
    assert row.name == name


@pytest.mark.parametrize("name", MEASURES)
def test_every_row_says_where_it_comes_from(name: str) -> None:
    row = MEASURES[name]
    assert row.title
    assert row.reference
    assert row.unit
    assert row.doc
    assert row.minimum_rows >= 0
    assert (row.target is not None) == (row.direction is Direction.TARGET)
    if row.thresholds:
        assert row.thresholds.source
        rising = row.thresholds.critical > row.thresholds.warning
        assert rising == (row.direction is not Direction.HIGHER)


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("psi", 0.0999, Level.OK),
        ("psi", 0.1, Level.WARNING),
        ("psi", 0.25, Level.CRITICAL),
        ("roc_auc", 0.71, Level.OK),
        ("roc_auc", 0.7, Level.WARNING),
        ("roc_auc", 0.5, Level.CRITICAL),
        ("calibration_slope", 1.1, Level.OK),
        ("calibration_slope", 0.75, Level.WARNING),
        ("calibration_slope", 1.6, Level.CRITICAL),
        ("accuracy", 0.0, Level.OK),
    ],
)
def test_a_value_is_judged_in_the_measures_direction(name: str, value: float, level: Level) -> None:
    assert measure(name).level(value) is level


def test_ones_own_thresholds_come_first() -> None:
    assert measure("accuracy").level(0.85, Thresholds(0.9, 0.8, "the contract")) is Level.WARNING
    assert measure("r2").level(-0.1, Thresholds(0.0, -0.5, "the contract")) is Level.WARNING


def test_nan_is_not_judged() -> None:
    with pytest.raises(InvalidInput):
        measure("psi").level(float("nan"))


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MEASURES["mine"] = measure("psi")  # type: ignore[index]
