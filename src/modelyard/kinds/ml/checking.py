"""The checks that are native to `ml`: a model must repeat itself, treat rows apart, and answer in its declared range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.batches import is_null, row_count, take
from modelyard.kinds.contract import Batch, CheckResult, Predictor
from modelyard.kinds.signature import FieldSpec, Role

_SINGLE_ROWS = 20
_TOLERANCE = 1e-5


def checks(predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
    """All checks on a sample of inputs. Raises InvalidInput when the sample does not fit the signature."""
    answers = predictor.predict(sample)
    return (
        _deterministic(predictor, sample, answers),
        _independent(predictor, sample, answers),
        _finite(predictor, answers),
        *_ranges(predictor, answers),
        _nulls(predictor, sample),
    )


def difference(one: Batch, other: Batch) -> tuple[float, int]:
    """The greatest absolute difference over floating outputs, and how many rows differ in any discrete output."""
    greatest = 0.0
    changed = np.zeros(row_count(one), dtype=bool)
    for name, left in one.items():
        right = other[name]
        if left.shape != right.shape:
            return float("inf"), len(changed)
        if left.dtype.kind == "f":
            greatest = max(greatest, _greatest(left, right))
        else:
            changed |= np.asarray(left != right).reshape(len(changed), -1).any(axis=1)
    return greatest, int(changed.sum())


def _greatest(left: np.ndarray, right: np.ndarray) -> float:
    left, right = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        gaps = np.where(same, 0.0, np.abs(left - right))
    return float(np.max(np.where(np.isnan(gaps), np.inf, gaps), initial=0.0))


def _deterministic(predictor: Predictor, sample: Batch, answers: Batch) -> CheckResult:
    gap, changed = difference(answers, predictor.predict(sample))
    return CheckResult(
        name="deterministic",
        passed=gap == 0 and changed == 0,
        value=gap,
        threshold=0.0,
        detail=f"the same batch twice: greatest difference {gap:.3g}, {changed} labels changed",
    )


def _independent(predictor: Predictor, sample: Batch, answers: Batch) -> CheckResult:
    rows = np.unique(np.linspace(0, row_count(sample) - 1, _SINGLE_ROWS).astype(int))
    single = [predictor.predict(take(sample, slice(row, row + 1))) for row in rows]
    joined = {name: np.concatenate([one[name] for one in single]) for name in answers}
    gap, changed = difference(take(answers, rows), joined)
    return CheckResult(
        name="rows are independent",
        passed=gap <= _TOLERANCE and changed == 0,
        value=gap,
        threshold=_TOLERANCE,
        detail=f"{len(rows)} rows alone against the batch: greatest difference {gap:.3g}, {changed} labels changed",
    )


def _finite(predictor: Predictor, answers: Batch) -> CheckResult:
    bad = sum(int((~np.isfinite(c)).sum()) for c in answers.values() if c.dtype.kind == "f")
    empty = sum(int(is_null(c).sum()) for c in answers.values() if c.dtype.kind == "O")
    return CheckResult(
        name="answers are finite",
        passed=bad + empty == 0,
        value=float(bad + empty),
        threshold=0.0,
        detail=f"{bad} numbers not finite and {empty} texts empty in {row_count(answers)} rows",
    )


def _ranges(predictor: Predictor, answers: Batch) -> Iterator[CheckResult]:
    for field in predictor.signature.outputs:
        values = answers[field.name]
        if values.dtype.kind in "iuf" and (field.minimum is not None or field.maximum is not None):
            yield _in_range(field, values)
        if field.role is Role.SCORE and field.shape and field.minimum == 0 and field.maximum == 1:
            yield _sums_to_one(field, values)


def _in_range(field: FieldSpec, values: np.ndarray) -> CheckResult:
    low = -np.inf if field.minimum is None else field.minimum
    high = np.inf if field.maximum is None else field.maximum
    outside = int(((values < low) | (values > high)).sum())
    return CheckResult(
        name=f"{field.name} is in range",
        passed=outside == 0,
        value=float(outside),
        threshold=0.0,
        detail=f"{outside} of {values.size} values outside {low:g} to {high:g}",
    )


def _sums_to_one(field: FieldSpec, values: np.ndarray) -> CheckResult:
    gap = float(np.max(np.abs(values.astype(np.float64).sum(axis=-1) - 1), initial=0.0))
    return CheckResult(
        name=f"{field.name} sums to one", passed=gap <= 1e-4, value=gap, threshold=1e-4, detail=f"greatest gap {gap:.3g}"
    )


def _nulls(predictor: Predictor, sample: Batch) -> CheckResult:
    """A null must be answered with finite values where the field may be empty, and refused where it may not."""
    wrong = [
        field.name
        for field in predictor.signature.inputs
        if field.name in sample and not _null_is_right(predictor, sample, field)
    ]
    return CheckResult(
        name="nulls are handled",
        passed=not wrong,
        value=float(len(wrong)),
        threshold=0.0,
        detail=f"wrong for: {', '.join(wrong)}" if wrong else "answered where allowed, refused where not",
    )


def _null_is_right(predictor: Predictor, sample: Batch, field: FieldSpec) -> bool:
    if field.type.numpy.kind not in "fO":
        return True
    row = dict(take(sample, slice(0, 1)))
    empty = np.empty(row[field.name].shape, dtype=field.type.numpy)
    empty[...] = None if field.type.numpy.kind == "O" else np.nan
    row[field.name] = empty
    try:
        answers = predictor.predict(row)
    except InvalidInput:
        return not field.nullable
    return field.nullable and _finite(predictor, answers).passed
