"""What chance alone can do to a measure on so many rows: how far the lines of a watch must move so that a small window, or a
field of many categories, does not cry wolf. With many rows every margin goes to zero and the watch's own lines hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modelyard.measures import NumericState, State, reliability
from modelyard.measures.drift import EPSILON, bucket_shares, category_shares
from modelyard.monitoring.columns import Vector

STEADY = 3.0
"""Standard errors that a share, an error or an AUC must lie beyond its line."""
DRIFT_STEADY = 5.0
"""Standard deviations above the mean of a drift measure under no drift; like a chi-squared it leans to the right."""
_DRAWS = 100
_SEED = 20_060_101


def drift_margin(name: str, reference: State, current: State, warning: float) -> float:
    """How far the line of a drift measure must move up. PSI and JS are drawn anew from the pooled shares (a parametric
    bootstrap); KS uses Smirnov's limit; W1 the integral of the Brownian bridge's deviation."""
    if name in ("psi", "js"):
        floor = _shares_floor(name, reference, current)
    elif isinstance(reference, NumericState):
        scale = math.sqrt(1 / reference.present + 1 / current.present)
        floor = scale * (2.23 if name == "ks" else _bridge(reference, normalised=name == "w1_normalised"))
    else:
        floor = 0.0
    return max(0.0, floor - warning)


def rate_margin(line: float, rows: int) -> float:
    """Of a share of rows, at the line."""
    share = min(max(line, 1 / rows), 1 - 1 / rows) if rows > 1 else 0.5
    return STEADY * math.sqrt(share * (1 - share) / rows)


def performance_margin(name: str, value: float, given: dict[str, Any]) -> float:
    """Of a measure of performance or calibration; 0 for those without a known error."""
    label = np.asarray(given["label"], dtype=np.float64)
    rows = len(label)
    if name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1"):
        return rate_margin(value, rows)
    if name in ("roc_auc", "average_precision"):
        return STEADY * _hanley_mcneil(value, int(label.sum()), int(rows - label.sum()))
    if name in ("ece", "ece_equal_mass"):
        return _calibration_margin(label, given["score"], name == "ece_equal_mass")
    losses = _losses(name, label, given)
    if losses is None or rows < 2:
        return 0.0
    error = float(losses.std(ddof=1)) / math.sqrt(rows)
    # The root's error by the delta method: d sqrt(x) = dx / (2 sqrt(x)).
    return STEADY * (error / (2 * value) if name == "rmse" and value > 0 else error)


def _losses(name: str, label: Vector, given: dict[str, Any]) -> Vector | None:
    """The loss of each row, for measures that are the mean (or the root of the mean) of one."""
    if name in ("rmse", "mae"):
        gap = np.abs(label - given["estimate"])
        return np.asarray(gap**2 if name == "rmse" else gap)
    if name == "brier":
        return np.asarray((label - given["score"]) ** 2)
    if name == "log_loss":
        p = np.clip(np.where(label > 0, given["score"], 1 - given["score"]), 1e-15, 1)
        return np.asarray(-np.log(p))
    return None


def _shares_floor(name: str, reference: State, current: State) -> float:
    if isinstance(reference, NumericState) and isinstance(current, NumericState):
        r, c = bucket_shares(reference.distribution_of_cells(), current.distribution_of_cells())
    else:
        r, c = category_shares(*reference.comparable(current))  # type: ignore[union-attr, arg-type]
    m, n = reference.present, current.present
    pooled = (m * r + n * c) / (m + n)
    pooled /= pooled.sum()
    rng = np.random.default_rng(_SEED)
    values = _psi_or_js(name, rng.multinomial(m, pooled, _DRAWS) / m, rng.multinomial(n, pooled, _DRAWS) / n)
    return float(values.mean() + DRIFT_STEADY * values.std())


def _psi_or_js(name: str, r: Vector, c: Vector) -> Vector:
    """The measure of each row of two matrices of shares."""
    if name == "psi":
        r, c = np.maximum(r, EPSILON), np.maximum(c, EPSILON)
        return np.asarray(((c - r) * np.log(c / r)).sum(axis=1))
    middle = (r + c) / 2
    divergence = (_entropy(r, middle) + _entropy(c, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0, 1)))


def _entropy(p: Vector, q: Vector) -> Vector:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(p > 0, p * np.log2(p / q), 0.0).sum(axis=1))


def _bridge(state: NumericState, *, normalised: bool) -> float:
    """Mean and five deviations of the integral of |B(F(x))|, whose deviation is at most that of fully dependent parts."""
    d = state.distribution()
    shares = d.cumulative[:-1]
    area = float(np.sum(np.sqrt(shares * (1 - shares)) * np.diff(d.values)))
    if normalised:
        middle = np.average(d.values, weights=d.counts)
        spread = math.sqrt(float(np.average((d.values - middle) ** 2, weights=d.counts)))
        area = area / spread if spread else 0.0
    return area * (math.sqrt(2 / math.pi) + STEADY * math.sqrt(1 - 2 / math.pi))


def _hanley_mcneil(auc: float, positives: int, negatives: int) -> float:
    """The standard error of an AUC (Hanley and McNeil 1982)."""
    one, two = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (one - auc * auc) + (negatives - 1) * (two - auc * auc)
    return math.sqrt(max(variance, 0.0) / (positives * negatives))


def _calibration_margin(label: Vector, score: Vector, equal_mass: bool) -> float:
    """What the calibration error is on calibrated scores: the mean and deviations of the sum of |noise| over the bins."""
    bins = reliability(label.astype(bool), score, equal_mass=equal_mass)
    shares = np.array([b.weight for b in bins]) / len(label)
    p = np.clip([b.score for b in bins], 1e-6, 1 - 1e-6)
    errors = shares * np.sqrt(p * (1 - p) / np.array([b.weight for b in bins]))
    mean, deviation = math.sqrt(2 / math.pi) * errors.sum(), math.sqrt((1 - 2 / math.pi) * float((errors**2).sum()))
    return float(mean + STEADY * deviation)
