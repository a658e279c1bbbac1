"""What decisions cost, counted from what was answered and what came of it; and whether a challenger is worth its place."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.catalog.profile import CostMatrix as CostMatrixInMoney
from modelyard.measures import Interval, Moments, mean_difference
from modelyard.measures.cost import CostMatrix
from modelyard.value.model import ValueFigures, realised

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Books:
    """Labels of the whole year (1, 0, or NaN where there is none) and the price of each way to be wrong."""

    label: NDArray[np.float64]
    costs: CostMatrix

    @property
    def threshold(self) -> float:
        """Hold from this probability on; it follows from the costs."""
        return self.costs.calibrated_threshold()

    def of(self, score: NDArray[np.float64], where: Mask) -> NDArray[np.float64]:
        """The cost of each decision of `where` that has an outcome."""
        rows = where & ~np.isnan(self.label)
        held, late = score[rows] >= self.threshold, self.label[rows] == 1
        price = np.where(late, np.where(held, self.costs.true_positive, self.costs.false_negative), 0.0)
        return np.asarray(price + np.where(late, 0.0, np.where(held, self.costs.false_positive, self.costs.true_negative)))

    def total(self, score: NDArray[np.float64], where: Mask) -> float:
        return float(self.of(score, where).sum())

    def never(self, where: Mask) -> float:
        """The cost of holding for nobody."""
        return self.total(np.zeros(len(self.label)), where)

    def figures(self, score: NDArray[np.float64], where: Mask) -> ValueFigures:
        """The entry of the value ledger for these decisions."""
        rows = where & ~np.isnan(self.label)
        prices = CostMatrixInMoney(currency="USD", **asdict(self.costs))
        return realised(score[rows] >= self.threshold, self.label[rows] == 1, prices, decisions=int(where.sum()))

    def compare(self, score: NDArray[np.float64], champion: Mask, challenger: Mask) -> tuple[Interval, tuple[Moments, Moments]]:
        """The challenger's mean cost of a decision less the champion's with its 95 % interval, and both samples' moments. The
        arms were drawn by lot, so the flights are alike."""
        a, b = Moments.of(self.of(score, champion)), Moments.of(self.of(score, challenger))
        return mean_difference(a, b), (a, b)
