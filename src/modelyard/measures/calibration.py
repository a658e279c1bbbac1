"""Whether probabilities mean what they say: of the cases given 30 %, do 30 % happen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import Flags, Vector, both_classes
from modelyard.measures.performance import probabilistic

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """One point of a reliability diagram: the mean score, the observed rate and the weight of a bin that is not empty."""

    score: float
    rate: float
    weight: float


def reliability(
    label: ArrayLike,
    score: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    positive: Any = None,
    bins: int = BINS,
    equal_mass: bool = False,
) -> tuple[Reliability, ...]:
    """The reliability diagram, lowest scores first. Bins have equal width, or equal mass with equal scores kept together."""
    truth, p, w = probabilistic(label, score, weight, positive)
    if bins < 1:
        raise InvalidInput("needs at least one bin", field="bins")
    bin_of = _mass_bins(p, w, bins) if equal_mass else np.minimum((p * bins).astype(np.int64), bins - 1)
    mass, scores, hits = (np.bincount(bin_of, weights=x, minlength=bins) for x in (w, w * p, w * truth))
    some = mass > 0
    rows = zip(scores[some] / mass[some], hits[some] / mass[some], mass[some], strict=True)
    return tuple(Reliability(float(s), float(r), float(m)) for s, r, m in rows)


def expected_calibration_error(
    label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None, bins: int = BINS
) -> float:
    """Mean over bins of equal width of |observed rate - mean score|, weighted by the bin (Naeini et al. 2015)."""
    return _gap(reliability(label, score, weight, positive=positive, bins=bins))


def expected_calibration_error_equal_mass(
    label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None, bins: int = BINS
) -> float:
    """As `expected_calibration_error`, over bins of equal mass, which are steadier where scores crowd (Nixon et al. 2019)."""
    return _gap(reliability(label, score, weight, positive=positive, bins=bins, equal_mass=True))


def calibration_slope(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """The slope of a logistic regression of the label on the log odds of the score (Cox 1958).

    1 is right; below 1 the scores are too extreme, above 1 too timid. Raises InvalidInput when no finite slope exists.
    """
    truth, logits, w = _log_odds(label, score, weight, positive)
    _overlapping(truth[w > 0], logits[w > 0])
    return float(_logistic(np.column_stack((np.ones_like(logits), logits)), np.zeros_like(logits), truth, w)[1])


def calibration_intercept(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Calibration in the large: the intercept of that regression with the slope held at 1 (Van Calster et al. 2019).

    0 is right; above 0 the scores are too low on average, below 0 too high.
    """
    truth, logits, w = _log_odds(label, score, weight, positive)
    return float(_logistic(np.ones((len(logits), 1)), logits, truth, w)[0])


def _gap(points: tuple[Reliability, ...]) -> float:
    total = sum(point.weight for point in points)
    return sum(point.weight * abs(point.rate - point.score) for point in points) / total


def _mass_bins(p: Vector, w: Vector, bins: int) -> NDArray[np.int64]:
    """Each row's bin: where the middle of its score's mass falls among the total mass."""
    _, code = np.unique(p, return_inverse=True)
    mass = np.bincount(code, weights=w)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of: NDArray[np.int64] = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return bin_of[code]


def _log_odds(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None, positive: Any) -> tuple[Flags, Vector, Vector]:
    truth, p, w = probabilistic(label, score, weight, positive)
    both_classes(truth, w)
    epsilon = np.finfo(np.float64).eps
    p = np.clip(p, epsilon, 1 - epsilon)
    return truth, np.log(p) - np.log1p(-p), w


def _overlapping(truth: Flags, logits: Vector) -> None:
    """The maximum-likelihood slope is finite only if the classes overlap (Albert and Anderson 1984)."""
    yes, no = logits[truth], logits[~truth]
    if logits.min() == logits.max():
        raise InvalidInput("every score is the same: no slope", field="score")
    if yes.min() >= no.max() or no.min() >= yes.max():
        raise InvalidInput("the scores separate the classes: no finite slope", field="score", hint="widen the window")


def _logistic(x: Vector, offset: Vector, truth: Flags, w: Vector) -> Vector:
    """Weighted maximum likelihood by Newton's method with step halving; the problem is convex."""
    beta = np.zeros(x.shape[1])
    best = _loss(x @ beta + offset, truth, w)
    for _ in range(200):
        chance = _sigmoid(x @ beta + offset)
        gradient = x.T @ (w * (truth - chance))
        step = np.linalg.lstsq((x * (w * chance * (1 - chance))[:, None]).T @ x, gradient, rcond=None)[0]
        while (loss := _loss(x @ (beta + step) + offset, truth, w)) > best and np.abs(step).max() > 1e-12:
            step = step / 2
        beta, best = beta + step, min(loss, best)
        if np.abs(step).max() < 1e-10 * (1 + np.abs(beta).max()):
            return beta
    raise InvalidInput("the calibration fit did not converge", field="score", hint="look for near-separated classes")


def _loss(logits: Vector, truth: Flags, w: Vector) -> float:
    return float(np.sum(w * (np.logaddexp(0.0, logits) - truth * logits)))


def _sigmoid(logits: Vector) -> Vector:
    return np.exp(-np.logaddexp(0.0, -logits))
