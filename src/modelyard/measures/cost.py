"""What decisions cost: a price for each cell of the confusion matrix, and the threshold that costs least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import binary, numbers
from modelyard.measures.performance import Confusion, confusion, ranked


@dataclass(frozen=True)
class CostMatrix:
    """Cost of each outcome of one decision, in one currency; a gain is a negative cost."""

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            if not math.isfinite(value):
                raise InvalidInput("a cost must be a finite number", field=field)

    def per_decision(self, c: Confusion) -> float:
        """The mean cost of a decision with these outcomes."""
        total = (
            self.true_positive * c.true_positive
            + self.false_positive * c.false_positive
            + self.false_negative * c.false_negative
            + self.true_negative * c.true_negative
        )
        return total / c.total

    def calibrated_threshold(self) -> float:
        """The threshold that costs least if the scores are calibrated probabilities (Elkan 2001, equation 2).

        Raises InvalidInput unless being wrong costs more than being right for both classes.
        """
        alarm, miss = self.false_positive - self.true_negative, self.false_negative - self.true_positive
        if alarm <= 0 or miss <= 0:
            raise InvalidInput("for both classes a wrong answer must cost more than a right one", field="costs")
        return alarm / (alarm + miss)


@dataclass(frozen=True)
class BestThreshold:
    """Answer positive when score >= threshold; `cost` is then the mean cost of a decision."""

    threshold: float
    cost: float


def expected_cost(
    label: ArrayLike, prediction: ArrayLike, costs: CostMatrix, weight: ArrayLike | None = None, *, positive: Any = None
) -> float:
    """The mean cost of a decision, in the currency of `costs`."""
    return costs.per_decision(confusion(label, prediction, weight, positive=positive))


def expected_cost_at(
    label: ArrayLike,
    score: ArrayLike,
    costs: CostMatrix,
    threshold: float,
    weight: ArrayLike | None = None,
    *,
    positive: Any = None,
) -> float:
    """The mean cost of a decision when the answer is positive for score >= threshold."""
    return expected_cost(binary(label, "label", positive), numbers(score, "score") >= threshold, costs, weight)


def best_threshold(
    label: ArrayLike, score: ArrayLike, costs: CostMatrix, weight: ArrayLike | None = None, *, positive: Any = None
) -> BestThreshold:
    """The threshold with the least mean cost on this sample, in O(n log n); the highest among equals.

    It is one of the observed scores, or the number next above the highest when answering never positive is cheapest.
    """
    scores, hits, alarms = ranked(label, score, weight, positive)
    thresholds = np.append(np.nextafter(scores[0], np.inf), scores)
    hits, alarms = np.append(0.0, hits), np.append(0.0, alarms)
    cost = (
        costs.true_positive * hits
        + costs.false_positive * alarms
        + costs.false_negative * (hits[-1] - hits)
        + costs.true_negative * (alarms[-1] - alarms)
    )
    best = int(np.argmin(cost))
    return BestThreshold(float(thresholds[best]), float(cost[best] / (hits[-1] + alarms[-1])))


def least_cost(
    label: ArrayLike, score: ArrayLike, costs: CostMatrix, weight: ArrayLike | None = None, *, positive: Any = None
) -> float:
    """The mean cost of a decision at `best_threshold`: what the scores are worth when they are used as well as can be."""
    return best_threshold(label, score, costs, weight, positive=positive).cost
