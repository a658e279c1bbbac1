"""Whether the data are what they should be: present, known, within range, enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import categories, column, floats, nulls


def row_count(current: ArrayLike) -> float:
    """The number of rows, missing values included."""
    return float(len(column(current, "current", least=0)))


def null_rate(current: ArrayLike) -> float:
    """The share of rows whose value is missing (NaN, NaT or None)."""
    return float(nulls(column(current, "current")).mean())


def unseen_category_rate(reference: ArrayLike, current: ArrayLike) -> float:
    """The share of present values that never occur in the reference (its values, or the list of allowed ones)."""
    known = set(categories(reference, "reference").tolist())
    array = column(current, "current")
    seen = array[~nulls(array)].tolist()
    if not seen:
        raise InvalidInput("every value is missing", field="current", hint="watch null_rate")
    return sum(value not in known for value in seen) / len(seen)


def out_of_range_rate(current: ArrayLike, *, minimum: float | None = None, maximum: float | None = None) -> float:
    """The share of present values below `minimum` or above `maximum`; both bounds are allowed values themselves."""
    if minimum is None and maximum is None:
        raise InvalidInput("needs a minimum, a maximum or both", field="minimum")
    low, high = -np.inf if minimum is None else minimum, np.inf if maximum is None else maximum
    if not low <= high:
        raise InvalidInput(f"the minimum {low} is not below the maximum {high}", field="minimum")
    vector = floats(current, "current", least=1)
    vector = vector[~np.isnan(vector)]
    if not len(vector):
        raise InvalidInput("every value is missing", field="current", hint="watch null_rate")
    return float(((vector < low) | (vector > high)).mean())
