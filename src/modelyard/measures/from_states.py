"""Measures read from states: the same formulas as over raw arrays, with what the cells leave open said beside the value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import Vector
from modelyard.measures.drift import (
    BUCKETS,
    EPSILON,
    bucket_shares,
    category_shares,
    js_of_shares,
    psi_of_shares,
    silent_of_counts,
    w1_of,
)
from modelyard.measures.states import CategoricalState, NumericState, State, same_centre


@dataclass(frozen=True)
class Estimate:
    """A value, and the bounds between which the value over the raw rows surely lies."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Estimate:
        return cls(value, value, value)


def state_psi(reference: State, current: State, *, buckets: int = BUCKETS, epsilon: float = EPSILON) -> float:
    """`population_stability_index` with bucket edges at the edges of cells. Categories that either state may have
    dropped form one bucket."""
    return psi_of_shares(*_shares(reference, current, buckets), epsilon=epsilon)


def state_js(reference: State, current: State, *, buckets: int = BUCKETS) -> float:
    """`jensen_shannon` over the same buckets as `state_psi`."""
    return js_of_shares(*_shares(reference, current, buckets))


def state_ks(reference: NumericState, current: NumericState) -> Estimate:
    """`kolmogorov_smirnov`: the greatest distance at the edges of cells; inside a cell it can only be larger."""
    left, right = _aligned(reference, current)
    f, g = np.cumsum(left), np.cumsum(right)
    at_edges = float(np.abs(f - g).max())
    inside = float(np.maximum(f - (g - right), g - (f - left)).max())
    return Estimate(at_edges, at_edges, min(1.0, max(at_edges, inside)))


def state_w1(reference: NumericState, current: NumericState) -> Estimate:
    """`wasserstein_1` with each value moved to the middle of its cell, which changes it by at most half a width each;
    it is never below the distance of the means, which are exact."""
    same_centre(reference, current)
    left, right = reference.distribution(), current.distribution()
    if reference.infinite or current.infinite:
        raise InvalidInput("the distance is infinite: there are infinite values", hint="watch state_ks or state_psi")
    value = w1_of(left, right)
    slack = _half_width(reference) + _half_width(current)
    # Rounding of the sums over cells is far below the cells themselves; the margin keeps the bounds honest about it.
    slack += 1e-12 * float(max(np.abs(left.values).max(), np.abs(right.values).max()))
    low = max(value - slack, abs(reference.mean - current.mean) * (1 - 1e-15) - slack * 1e-12, 0.0)
    return Estimate(max(value, low), low, value + slack)


def state_w1_normalised(reference: NumericState, current: NumericState) -> float:
    """`wasserstein_1_normalised`, with the standard deviation of the middles of the reference's cells."""
    value, d = state_w1(reference, current).value, reference.distribution()
    middle = np.average(d.values, weights=d.counts)
    spread = float(np.sqrt(np.average((d.values - middle) ** 2, weights=d.counts)))
    if spread == 0:
        raise InvalidInput("the reference is constant, so it has no scale", field="reference", hint="use state_w1")
    return value / spread


def state_quantile(state: NumericState, share: float) -> Estimate:
    """The smallest value that at least this share of the rows does not exceed, to within its cell."""
    if not 0 <= share <= 1:
        raise InvalidInput("a share lies between 0 and 1", field="share")
    middle = state.distribution().values
    running = np.cumsum(state.counts)
    index = int(np.searchsorted(running, share * state.present * (1 - 1e-12)))
    low, high = state.bounds()
    return Estimate(float(middle[index]), float(low[index]), float(high[index]))


def state_null_rate(current: State) -> float:
    """The share of rows without a value; exact."""
    if not current.rows:
        raise InvalidInput("the state holds no row", field="current", hint="widen the window")
    return current.nulls / current.rows


def state_row_count(current: State) -> float:
    """The number of rows, missing values included; exact."""
    return float(current.rows)


def state_unseen_category_rate(reference: CategoricalState, current: CategoricalState) -> Estimate:
    """The share of present values that never occur in the reference; exact unless a state ran out of categories.

    Then what cannot be compared is left open between the bounds, and the value is the rate among the comparable.
    """
    _nonempty(reference, current)
    known, found = reference.comparable(current)
    hidden = found.get("", 0)
    unseen = sum(count for name, count in found.items() if name and name not in known)
    comparable = current.present - hidden
    # Without any dropped category of the reference, whatever is hidden in `found` may be known or not.
    low, high = unseen / current.present, (unseen + hidden) / current.present
    return Estimate(unseen / comparable if comparable else low, low, high)


def state_silent_categories(reference: CategoricalState, current: CategoricalState) -> float:
    """`silent_categories` over the categories that neither state can have dropped."""
    _nonempty(reference, current)
    known, found = reference.comparable(current)
    return float(sum(bool(name) for name in silent_of_counts(known, found)))


def state_out_of_range_rate(current: NumericState, *, minimum: float | None = None, maximum: float | None = None) -> Estimate:
    """`out_of_range_rate`: cells surely outside, and those that straddle a bound left open."""
    if minimum is None and maximum is None:
        raise InvalidInput("needs a minimum, a maximum or both", field="minimum")
    bottom, top = -np.inf if minimum is None else minimum, np.inf if maximum is None else maximum
    if not bottom <= top:
        raise InvalidInput(f"the minimum {bottom} is not below the maximum {top}", field="minimum")
    shares = current.distribution().counts / current.present
    low, high = current.bounds()
    surely, perhaps = (high < bottom) | (low > top), (low < bottom) | (high > top)
    least, most = float(shares[surely].sum()), float(shares[perhaps].sum())
    return Estimate((least + most) / 2, least, most)


def _shares(reference: State, current: State, buckets: int) -> tuple[Vector, Vector]:
    _nonempty(reference, current)
    if isinstance(reference, NumericState) and isinstance(current, NumericState):
        same_centre(reference, current)
        return bucket_shares(reference.distribution_of_cells(), current.distribution_of_cells(), buckets)
    if isinstance(reference, CategoricalState) and isinstance(current, CategoricalState):
        return category_shares(*reference.comparable(current))
    raise InvalidInput("one state is numeric, the other categorical", field="current")


def _aligned(reference: NumericState, current: NumericState) -> tuple[Vector, Vector]:
    """The shares of both over the union of their cells."""
    _nonempty(reference, current)
    same_centre(reference, current)
    cells = np.union1d(reference.cells, current.cells)
    sides = []
    for state in (reference, current):
        shares = np.zeros(len(cells))
        shares[np.searchsorted(cells, state.cells)] = state.counts / state.present
        sides.append(shares)
    return sides[0], sides[1]


def _half_width(state: NumericState) -> float:
    low, high = state.bounds()
    return float(np.sum(state.counts * (high - low)) / 2 / state.present)


def _nonempty(reference: State, current: State) -> None:
    for name, state in (("reference", reference), ("current", current)):
        if not state.present:
            raise InvalidInput("the state holds no value", field=name, hint="widen the window")
