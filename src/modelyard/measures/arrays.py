"""What every measure asks of its arrays, so that a bad input is an InvalidInput and never a silent NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core.errors import InvalidInput

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
Column = NDArray[Any]
_NUMBER = (int, float, np.integer, np.floating)


def column(values: ArrayLike, field: str, *, least: int = 1) -> Column:
    """A one-dimensional array of at least `least` rows."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidInput(f"expected one column, got an array of shape {array.shape}", field=field)
    if len(array) < least:
        raise InvalidInput(f"needs at least {least} row{'s' * (least > 1)}, got {len(array)}", field=field)
    return array


def is_numeric(array: Column) -> bool:
    """Integers and floats are numbers; booleans, text and objects are categories."""
    return array.dtype.kind in "iuf"


def nulls(array: Column) -> Flags:
    """True where a value is missing: NaN, NaT or None."""
    if array.dtype.kind in "fcmM":
        return np.asarray(np.isnan(array) if array.dtype.kind in "fc" else np.isnat(array))
    if array.dtype.kind == "O":
        return np.asarray((array == None) | (array != array), dtype=bool)  # noqa: E711, PLR0124 - elementwise on purpose
    return np.zeros(len(array), dtype=bool)


def present(values: ArrayLike) -> Column:
    """The values that are not missing; objects that are all numbers become an array of numbers.

    Drift is measured over these; what is missing is measured by `null_rate`.
    """
    array = column(values, "values", least=0)
    found: Column = array[~nulls(array)]
    if array.dtype.kind != "O" or not len(found) or not _all_numbers(found):
        return found
    return found.astype(np.float64)


def _all_numbers(objects: Column) -> bool:
    return all(issubclass(kind, _NUMBER) and kind is not bool for kind in set(map(type, objects)))


def floats(values: ArrayLike, field: str, *, least: int = 0) -> Vector:
    """The column as float64, missing values as NaN. Raises InvalidInput for anything that is not a number."""
    array = column(values, field, least=least)
    if array.dtype.kind not in "biufO":
        raise InvalidInput(f"expected numbers, got {array.dtype}", field=field)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"expected numbers: {error}", field=field) from error


def numbers(values: ArrayLike, field: str, *, least: int = 1) -> Vector:
    """Finite numbers only."""
    vector = floats(values, field, least=least)
    if not np.isfinite(vector).all():
        bad = int((~np.isfinite(vector)).sum())
        raise InvalidInput(f"{bad} of {len(vector)} values are missing or infinite", field=field, hint="drop them first")
    return vector


def probabilities(values: ArrayLike, field: str) -> Vector:
    """Finite numbers between 0 and 1."""
    vector = numbers(values, field)
    if vector.min() < 0 or vector.max() > 1:
        raise InvalidInput("expected probabilities between 0 and 1", field=field, hint="calibrate the scores first")
    return vector


def categories(values: ArrayLike, field: str, *, least: int = 1) -> Column:
    """Any values that can be told apart, none of them missing."""
    array = column(values, field, least=least)
    missing = int(nulls(array).sum())
    if missing:
        raise InvalidInput(f"{missing} of {len(array)} values are missing", field=field, hint="drop them first")
    return array


def binary(values: ArrayLike, field: str, positive: Any = None) -> Flags:
    """True for the positive class: `positive` if given, else 1 or True of a 0/1 or boolean column."""
    array = categories(values, field)
    if positive is not None:
        return np.asarray(array == positive, dtype=bool)
    if array.dtype.kind == "b":
        return array
    zero, one = np.asarray(array == 0, dtype=bool), np.asarray(array == 1, dtype=bool)
    if not (zero | one).all():
        raise InvalidInput("expected 0 and 1 only", field=field, hint="name the positive class with `positive`")
    return one


def weights(values: ArrayLike | None, rows: int) -> Vector:
    """The weight of each row, ones by default. Raises InvalidInput when negative, all zero or of another length."""
    if values is None:
        return np.ones(rows)
    vector = numbers(values, "weight")
    same_length(weight=vector, rows=rows)
    if vector.min() < 0 or not 0 < vector.sum() < np.inf:
        raise InvalidInput("weights must not be negative and their sum must be positive and finite", field="weight")
    return vector


def same_length(*, rows: int, **arrays: Column) -> None:
    """Raises InvalidInput naming the first array that has another number of rows."""
    for field, array in arrays.items():
        if len(array) != rows:
            raise InvalidInput(f"has {len(array)} rows where {rows} were expected", field=field)


def both_classes(positives: Flags, weight: Vector) -> None:
    """Raises InvalidInput unless both classes are there with a positive weight."""
    if not (weight[positives].sum() > 0 and weight[~positives].sum() > 0):
        raise InvalidInput("only one class is present", field="label", hint="widen the window until both classes occur")


def divide(numerator: float, denominator: float, undefined: str) -> float:
    """The quotient; raises InvalidInput with the reason `undefined` when the denominator is zero."""
    if denominator == 0:
        raise InvalidInput(undefined, hint="widen the window")
    return float(numerator / denominator)
