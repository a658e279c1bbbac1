"""Measures of a model's answers against the truth, chosen by the roles of its outputs; pure functions over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch, CheckResult
from modelyard.kinds.signature import FieldSpec, Role
from modelyard.measures import measure

OF_TWO_CLASSES = ("roc_auc", "average_precision", "log_loss", "brier", "ece", "accuracy", "balanced_accuracy")
OF_CLASSES = ("accuracy", "balanced_accuracy")
OF_NUMBERS = ("rmse", "mae", "r2")
EVEN_ODDS = 0.5
Array = np.ndarray[Any, np.dtype[Any]]


class Bound(BaseModel):
    """A bound on a measure that a version must keep; with `by`, in every group of that column of the test data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: Annotated[str, Field(min_length=1, max_length=100)]
    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None
    by: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give `minimum`, `maximum` or both")
        return self

    def holds(self, value: float) -> bool:
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


@dataclass(frozen=True)
class Answered:
    """The truth beside the answers, as the measures take them. `names` are the measures that fit."""

    names: tuple[str, ...]
    given: dict[str, Array]

    @property
    def rows(self) -> int:
        return len(self.given["label"])

    def compute(self, name: str, chosen: Array | None = None) -> float:
        """A measure over all rows, or the chosen ones. Raises NotFound for an unknown measure, InvalidInput for one that does not
        fit or is not defined on these rows."""
        needs = [need.value for need in measure(name).needs]
        missing = [need for need in needs if need not in self.given]
        if missing:
            raise InvalidInput(
                f"{name} needs {', '.join(missing)}, which this model does not give",
                field="measure",
                hint=f"what fits: {', '.join(self.names)}",
            )
        return measure(name).compute(**{n: self.given[n] if chosen is None else self.given[n][chosen] for n in needs})


def answered(truth: pa.ChunkedArray, answers: Batch, outputs: Sequence[FieldSpec]) -> Answered:
    """Truth and answers side by side: two classes where there is a probability, classes where there is a label, else numbers.
    Raises InvalidInput when rows have no truth, or no output can be held against it."""
    if truth.null_count:
        raise InvalidInput(f"{truth.null_count} rows of the test data have no label", field="label", hint="leave them out")
    score = next((f for f in outputs if f.role is Role.SCORE and f.shape == ()), None)
    label = next((f for f in outputs if f.role is Role.LABEL and f.shape == ()), None)
    if score is not None and (score.minimum, score.maximum) == (0, 1):
        values = np.asarray(answers[score.name], dtype=np.float64)
        prediction = (values >= EVEN_ODDS).astype(np.float64)
        return Answered(OF_TWO_CLASSES, {"label": _is_positive(truth, score), "score": values, "prediction": prediction})
    if label is not None:
        texts = np.asarray([str(value) for value in np.asarray(answers[label.name]).tolist()])
        return Answered(OF_CLASSES, {"label": np.asarray([str(v) for v in truth.to_pylist()]), "prediction": texts})
    if score is None:
        raise InvalidInput("no output has the role `score` or `label` with one value a row", field="signature.outputs")
    numbers = np.asarray(pc.cast(truth, pa.float64()).to_numpy(zero_copy_only=False))
    return Answered(OF_NUMBERS, {"label": numbers, "estimate": np.asarray(answers[score.name], dtype=np.float64)})


def _is_positive(truth: pa.ChunkedArray, score: FieldSpec) -> Array:
    if pa.types.is_string(truth.type) or pa.types.is_large_string(truth.type):
        if score.positive is None:
            raise InvalidInput(
                "the labels are text, and the signature does not say which is positive",
                field=f"signature.outputs.{score.name}.positive",
                hint="declare `positive` for the output",
            )
        return np.asarray(pc.equal(truth, str(score.positive)).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(pc.cast(truth, pa.float64()).to_numpy(zero_copy_only=False))


def figures(found: Answered) -> dict[str, float]:
    """Every measure that fits, and the number of rows."""
    values = {name: found.compute(name) for name in found.names}
    if found.names is OF_TWO_CLASSES:
        values["base_rate"] = float(found.given["label"].mean())
    return values | {"rows": float(found.rows)}


def held(bound: Bound, found: Answered, table: pa.Table) -> list[CheckResult]:
    """One result for the bound, or one for each group of its column."""
    if bound.by is None:
        return [_result(bound, found.compute(bound.measure), "")]
    if bound.by not in table.column_names:
        raise InvalidInput(f"the test data has no column {bound.by!r}", field="bounds.by")
    groups = np.asarray([str(value) for value in table[bound.by].to_pylist()])
    return [_result(bound, found.compute(bound.measure, groups == g), f" where {bound.by} is {g}") for g in np.unique(groups)]


def _result(bound: Bound, value: float, where: str) -> CheckResult:
    low = "" if bound.minimum is None else f"at least {bound.minimum:g}"
    high = "" if bound.maximum is None else f"at most {bound.maximum:g}"
    asked = " and ".join(part for part in (low, high) if part)
    return CheckResult(
        name=f"{bound.measure}{where}",
        passed=bound.holds(value),
        value=value,
        threshold=bound.minimum if bound.minimum is not None else bound.maximum,
        detail=f"{value:.6g}, asked is {asked}",
    )
