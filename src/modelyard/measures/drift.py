"""How far the current values of a field have moved from the reference.

A number is compared as two discrete distributions (its distinct values and their counts), so that the same code serves
raw arrays and the cells of a mergeable state. A category is compared by its counts. Missing values are refused here:
drop them with `present` and watch them with `null_rate`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import Vector, categories, column, is_numeric, numbers

BUCKETS = 10
EPSILON = 1e-4
SILENCE = 0.001
"""How unlikely a silence must be by chance, over all categories together."""


@dataclass(frozen=True)
class Distribution:
    """Distinct values in rising order and how often each occurs."""

    values: Vector
    counts: Vector

    @classmethod
    def of(cls, values: ArrayLike, field: str) -> Distribution:
        distinct, counts = np.unique(numbers(values, field), return_counts=True)
        return cls(distinct, counts.astype(np.float64))

    @property
    def cumulative(self) -> Vector:
        """The distribution function just after each value."""
        running: Vector = np.cumsum(self.counts)
        shares: Vector = running / running[-1]
        return shares

    def at(self, points: Vector) -> Vector:
        """The distribution function at each point: the share of values not above it."""
        steps = np.concatenate(([0.0], self.cumulative))
        heights: Vector = steps[np.searchsorted(self.values, points, side="right")]
        return heights

    def quantile(self, shares: Vector) -> Vector:
        """The smallest value whose distribution function reaches each share (inverse of the empirical CDF)."""
        running = np.cumsum(self.counts)
        # The tolerance keeps 0.3 x 10 = 3.0000000000000004 from skipping the third value.
        wanted = shares * running[-1] * (1 - 1e-12)
        found: Vector = self.values[np.minimum(np.searchsorted(running, wanted), len(running) - 1)]
        return found


def population_stability_index(
    reference: ArrayLike, current: ArrayLike, *, buckets: int = BUCKETS, epsilon: float = EPSILON
) -> float:
    """Sum over buckets of (c - r) ln(c / r), with c and r the current and the reference share of the bucket.

    A number falls into `buckets` buckets of equal mass of the reference, the outer two open-ended; a reference with no more
    distinct values than buckets is compared value by value. A category is its own bucket. A share below `epsilon` counts
    as `epsilon`, without rescaling the others (Siddiqi, Credit Risk Scorecards, 2006; the rule keeps the logarithm finite).
    """
    return psi_of_shares(*_shares(reference, current, buckets), epsilon=epsilon)


def jensen_shannon(reference: ArrayLike, current: ArrayLike, *, buckets: int = BUCKETS) -> float:
    """Jensen-Shannon distance, base 2: 0 for the same shares, 1 for shares with nothing in common.

    The square root of the divergence (Lin 1991; Endres and Schindelin 2003), over the buckets of
    `population_stability_index`; no epsilon is needed.
    """
    return js_of_shares(*_shares(reference, current, buckets))


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> float:
    """The greatest distance between the two empirical distribution functions (two-sample Kolmogorov-Smirnov statistic)."""
    left, right = Distribution.of(reference, "reference"), Distribution.of(current, "current")
    points = np.union1d(left.values, right.values)
    return float(np.abs(left.at(points) - right.at(points)).max())


def wasserstein_1(reference: ArrayLike, current: ArrayLike) -> float:
    """Earth mover's distance in the unit of the field: the area between the two distribution functions."""
    return w1_of(Distribution.of(reference, "reference"), Distribution.of(current, "current"))


def wasserstein_1_normalised(reference: ArrayLike, current: ArrayLike) -> float:
    """`wasserstein_1` in standard deviations of the reference, so that fields can be compared."""
    spread = float(numbers(reference, "reference").std())
    if spread == 0:
        raise InvalidInput("the reference is constant, so it has no scale", field="reference", hint="use wasserstein_1")
    return wasserstein_1(reference, current) / spread


def w1_of(left: Distribution, right: Distribution) -> float:
    """The area between two distribution functions."""
    points = np.union1d(left.values, right.values)
    gaps = np.abs(left.at(points) - right.at(points))[:-1]
    return float(np.sum(gaps * np.diff(points)))


def silent_categories(reference: ArrayLike, current: ArrayLike) -> float:
    """How many categories of the reference no longer occur, where chance alone does not explain their silence.

    A category with `a` of the `m` reference values and none of the `n` current ones is silent when Fisher's exact test
    (one-sided: all `a` of the `m + n` fell into the reference) gives less than 0.001 divided by the number of categories
    (Bonferroni).
    """
    found = _count(current, "current")
    return float(len(silent_of_counts(_count(reference, "reference"), found)))


def silent_of_counts(reference: Mapping[str, int], current: Mapping[str, int]) -> tuple[str, ...]:
    """The categories that fell silent, see `silent_categories`."""
    before, after = sum(reference.values()), sum(current.values())
    line = math.log(SILENCE / len(reference)) if reference else 0.0
    return tuple(name for name, count in reference.items() if not current.get(name) and _all_before(count, before, after) < line)


def _all_before(count: int, before: int, after: int) -> float:
    """The logarithm of the chance that all of `count` among `before + after` values are among the first `before`."""
    whole = before + after
    return math.lgamma(before + 1) - math.lgamma(before - count + 1) - math.lgamma(whole + 1) + math.lgamma(whole - count + 1)


def psi_of_shares(reference: Vector, current: Vector, *, epsilon: float = EPSILON) -> float:
    """The population stability index of two vectors of shares over the same buckets."""
    if not 0 < epsilon < 1:
        raise InvalidInput("epsilon must lie between 0 and 1", field="epsilon")
    r, c = np.maximum(reference, epsilon), np.maximum(current, epsilon)
    return float(np.sum((c - r) * np.log(c / r)))


def js_of_shares(reference: Vector, current: Vector) -> float:
    """The Jensen-Shannon distance, base 2, of two vectors of shares over the same buckets."""
    middle = (reference + current) / 2
    divergence = (_relative_entropy(reference, middle) + _relative_entropy(current, middle)) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def bucket_shares(reference: Distribution, current: Distribution, buckets: int = BUCKETS) -> tuple[Vector, Vector]:
    """The shares of both distributions in buckets of equal mass of the reference (see `population_stability_index`)."""
    if buckets < 2:
        raise InvalidInput("needs at least 2 buckets", field="buckets")
    if len(reference.values) <= buckets:
        points = np.union1d(reference.values, current.values)
        return _spread(reference, points), _spread(current, points)
    edges = np.unique(reference.quantile(np.arange(1, buckets) / buckets))
    edges = edges[edges < reference.values[-1]]
    return _between(reference, edges), _between(current, edges)


def category_shares(reference: Mapping[str, int], current: Mapping[str, int]) -> tuple[Vector, Vector]:
    """The shares of both over the union of their categories."""
    names = sorted({*reference, *current})
    left = np.array([reference.get(name, 0) for name in names], dtype=np.float64)
    right = np.array([current.get(name, 0) for name in names], dtype=np.float64)
    return left / left.sum(), right / right.sum()


def _shares(reference: ArrayLike, current: ArrayLike, buckets: int) -> tuple[Vector, Vector]:
    left, right = column(reference, "reference"), column(current, "current")
    if is_numeric(left) != is_numeric(right):
        raise InvalidInput(f"the reference holds {left.dtype}, the current values {right.dtype}", field="current")
    if is_numeric(left):
        return bucket_shares(Distribution.of(left, "reference"), Distribution.of(right, "current"), buckets)
    return category_shares(_count(left, "reference"), _count(right, "current"))


def _count(values: ArrayLike, field: str) -> Mapping[str, int]:
    return Counter(str(value) for value in categories(values, field).tolist())


def _spread(distribution: Distribution, points: Vector) -> Vector:
    counts: Vector = np.zeros(len(points))
    counts[np.searchsorted(points, distribution.values)] = distribution.counts
    return _normalised(counts)


def _between(distribution: Distribution, edges: Vector) -> Vector:
    bucket = np.searchsorted(edges, distribution.values, side="left")
    counts = np.bincount(bucket, weights=distribution.counts, minlength=len(edges) + 1)
    return _normalised(counts.astype(np.float64))


def _normalised(counts: Vector) -> Vector:
    shares: Vector = counts / counts.sum()
    return shares


def _relative_entropy(p: Vector, q: Vector) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
