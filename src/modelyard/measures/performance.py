"""How good the answers are, once the ground truth is known.

`label` is the ground truth, `prediction` a discrete answer, `score` a number that rises with the chance of the positive
class, `estimate` a predicted number. `positive` names the positive class; without it labels are 0/1 or booleans.
`weight` is the weight of each row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import (
    Column,
    Flags,
    Vector,
    binary,
    both_classes,
    categories,
    divide,
    numbers,
    probabilities,
    same_length,
    weights,
)


@dataclass(frozen=True)
class Confusion:
    """The weight of each of the four outcomes of a yes-or-no decision."""

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float

    @property
    def total(self) -> float:
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative


def confusion(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> Confusion:
    """The confusion matrix of a yes-or-no decision."""
    truth, answer = binary(label, "label", positive), binary(prediction, "prediction", positive)
    same_length(prediction=answer, rows=len(truth))
    w = weights(weight, len(truth))
    cells = np.bincount(2 * truth + answer, weights=w, minlength=4)
    return Confusion(float(cells[3]), float(cells[1]), float(cells[2]), float(cells[0]))


def accuracy(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The share of right answers, over any number of classes."""
    truth, answer = _classes(label, prediction)
    return float(np.average(truth == answer, weights=weights(weight, len(truth))))


def balanced_accuracy(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The mean over the classes of the label of each class's recall (Brodersen et al. 2010)."""
    truth, answer = _classes(label, prediction)
    w = weights(weight, len(truth))
    _, code = np.unique(truth if truth.dtype.kind != "O" else truth.astype(str), return_inverse=True)
    total, right = np.bincount(code, weights=w), np.bincount(code, weights=w * (truth == answer))
    if np.count_nonzero(total) < 2:
        raise InvalidInput("only one class is present", field="label", hint="widen the window until more classes occur")
    return float(np.mean(right[total > 0] / total[total > 0]))


def precision(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Of the rows answered positive, the share that is."""
    c = confusion(label, prediction, weight, positive=positive)
    return divide(c.true_positive, c.true_positive + c.false_positive, "no row was answered positive: no precision")


def recall(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Of the rows that are positive, the share answered so."""
    c = confusion(label, prediction, weight, positive=positive)
    return divide(c.true_positive, c.true_positive + c.false_negative, "no row is positive: no recall")


def f1(label: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    c = confusion(label, prediction, weight, positive=positive)
    wrong = c.false_positive + c.false_negative
    return divide(2 * c.true_positive, 2 * c.true_positive + wrong, "no row is or was answered positive: no F1")


def roc_auc(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half. O(n log n)."""
    hits, false_alarms = _by_threshold(label, score, weight, positive)
    recalls, rates = hits / hits[-1], false_alarms / false_alarms[-1]
    return float(min(1.0, np.trapezoid(np.append(0.0, recalls), np.append(0.0, rates))))


def average_precision(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Area under the precision-recall curve as a sum of steps, without interpolation: sum of (R_n - R_n-1) P_n."""
    hits, false_alarms = _by_threshold(label, score, weight, positive)
    gained = np.diff(hits, prepend=0.0) / hits[-1]
    some = gained > 0
    return float(np.sum(gained[some] * hits[some] / (hits[some] + false_alarms[some])))


def log_loss(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Mean of -ln of the probability given to what happened; probabilities are kept one machine epsilon off 0 and 1."""
    truth, p, w = probabilistic(label, score, weight, positive)
    epsilon = np.finfo(np.float64).eps
    p = np.clip(p, epsilon, 1 - epsilon)
    return float(np.average(-np.log(np.where(truth, p, 1 - p)), weights=w))


def brier(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, positive: Any = None) -> float:
    """Mean squared difference between probability and outcome (Brier 1950)."""
    truth, p, w = probabilistic(label, score, weight, positive)
    return float(np.average((p - truth) ** 2, weights=w))


def rmse(label: ArrayLike, estimate: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Root mean squared error, in the unit of the label."""
    truth, guess, w = _numeric(label, estimate, weight)
    return float(np.sqrt(np.average((truth - guess) ** 2, weights=w)))


def mae(label: ArrayLike, estimate: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean absolute error, in the unit of the label."""
    truth, guess, w = _numeric(label, estimate, weight)
    return float(np.average(np.abs(truth - guess), weights=w))


def r2(label: ArrayLike, estimate: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Coefficient of determination: 1 is perfect, 0 is as good as the mean of the label."""
    truth, guess, w = _numeric(label, estimate, weight)
    residual = float(np.sum(w * (truth - guess) ** 2))
    total = float(np.sum(w * (truth - np.average(truth, weights=w)) ** 2))
    if truth[w > 0].min() == truth[w > 0].max():
        total = 0.0
    return 1 - divide(residual, total, "the label is constant: there is no variance to explain")


def probabilistic(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None, positive: Any) -> tuple[Flags, Vector, Vector]:
    """Checked labels, probabilities and weights of the same length."""
    truth, p = binary(label, "label", positive), probabilities(score, "score")
    same_length(score=p, rows=len(truth))
    return truth, p, weights(weight, len(truth))


def ranked(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None, positive: Any) -> tuple[Vector, Vector, Vector]:
    """Each distinct score, falling, with the weight of positives and of negatives that score at least as much."""
    truth, s = binary(label, "label", positive), numbers(score, "score")
    same_length(score=s, rows=len(truth))
    w = weights(weight, len(truth))
    order = np.argsort(-s, kind="stable")
    s, truth, w = s[order], truth[order], w[order]
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    return s[last], np.cumsum(w * truth)[last], np.cumsum(w * ~truth)[last]


def _by_threshold(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None, positive: Any) -> tuple[Vector, Vector]:
    _, hits, false_alarms = ranked(label, score, weight, positive)
    both_classes(np.array([True, False]), np.array([hits[-1], false_alarms[-1]]))
    return hits, false_alarms


def _classes(label: ArrayLike, prediction: ArrayLike) -> tuple[Column, Column]:
    truth, answer = categories(label, "label"), categories(prediction, "prediction")
    same_length(prediction=answer, rows=len(truth))
    # A number never equals a text: without this check every answer would silently be wrong.
    if _is_text(truth) != _is_text(answer):
        raise InvalidInput("labels and predictions are not both text", field="prediction", hint="map one to the other")
    return truth, answer


def _is_text(array: Column) -> bool:
    return array.dtype.kind in "US" or (array.dtype.kind == "O" and str in set(map(type, array.tolist())))


def _numeric(label: ArrayLike, estimate: ArrayLike, weight: ArrayLike | None) -> tuple[Vector, Vector, Vector]:
    truth, guess = numbers(label, "label"), numbers(estimate, "estimate")
    same_length(estimate=guess, rows=len(truth))
    return truth, guess, weights(weight, len(truth))
