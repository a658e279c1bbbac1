"""What decisions were worth: figures that follow from counts and costs, the ledger they are kept in, and fair comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from modelyard.catalog.profile import CostMatrix
from modelyard.core.errors import InvalidInput
from modelyard.core.records import Record, Table
from modelyard.measures import Interval, Moments
from modelyard.measures.compare import student_t_quantile

Count = Annotated[int, Field(ge=0)]
METHOD = "Student's t over the decisions"


class Baseline(StrEnum):
    """What would be done without a model: act on nobody, or on everybody."""

    NEVER = "never_act"
    ALWAYS = "always_act"


class ValueFigures(BaseModel):
    """How many decisions there were, how those with an outcome turned out, and what each way of turning out costs.

    Acting on a positive is a true positive. All money follows from these numbers; a gain is a saving against a baseline on
    the very same decisions. That needs outcomes that do not depend on what was done, and outcomes that are not missing for
    a reason: `outcomes` against `decisions` says how many are missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decisions: Count
    true_positive: Count
    false_positive: Count
    false_negative: Count
    true_negative: Count
    costs: CostMatrix

    @property
    def outcomes(self) -> int:
        return sum(self._counts())

    @property
    def cost(self) -> float:
        """Of the decisions as they were made."""
        return math.fsum(n * c for n, c in zip(self._counts(), self._costs(), strict=True))

    def baseline_cost(self, baseline: Baseline) -> float:
        """Of the same decisions without a model."""
        return math.fsum(n * c for n, c in zip(self._counts(), self._without(baseline), strict=True))

    @property
    def best_baseline(self) -> Baseline:
        """The cheaper way to do without, chosen in hindsight: the gain against it is the modest one."""
        return min(Baseline, key=self.baseline_cost)

    def gain(self, baseline: Baseline | None = None) -> float:
        """What the model saved against doing without it (against the best baseline by default)."""
        return self.baseline_cost(baseline or self.best_baseline) - self.cost

    def gain_per_decision(self, baseline: Baseline | None = None, *, confidence: float = 0.95) -> Interval:
        """The mean gain of a decision with its bounds. Raises InvalidInput with fewer than two outcomes."""
        without = self._without(baseline or self.best_baseline)
        moments = self._moments([w - c for w, c in zip(without, self._costs(), strict=True)])
        half = student_t_quantile(0.5 + confidence / 2, moments.count - 1) * math.sqrt(moments.variance / moments.count)
        return Interval(moments.mean, moments.mean - half, moments.mean + half, confidence, METHOD)

    def cost_moments(self) -> Moments:
        """Size, mean and variance of the cost of a decision. Raises InvalidInput with fewer than two outcomes."""
        return self._moments(self._costs())

    def plus(self, other: ValueFigures) -> ValueFigures:
        """Both together. Raises InvalidInput when they were counted with other costs."""
        if self.costs != other.costs:
            raise InvalidInput("figures with different costs do not add up", field="costs")
        names = ("decisions", "true_positive", "false_positive", "false_negative", "true_negative")
        return ValueFigures(**{n: getattr(self, n) + getattr(other, n) for n in names}, costs=self.costs)

    def _counts(self) -> tuple[int, int, int, int]:
        return self.true_positive, self.false_positive, self.false_negative, self.true_negative

    def _costs(self) -> tuple[float, float, float, float]:
        c = self.costs
        return c.true_positive, c.false_positive, c.false_negative, c.true_negative

    def _without(self, baseline: Baseline) -> tuple[float, float, float, float]:
        c = self.costs
        if baseline is Baseline.NEVER:
            return c.false_negative, c.true_negative, c.false_negative, c.true_negative
        return c.true_positive, c.false_positive, c.true_positive, c.false_positive

    def _moments(self, values: Sequence[float]) -> Moments:
        """Of a value that each of the four ways of turning out has: exact, without a row per decision."""
        counts, rows = self._counts(), self.outcomes
        if rows < 2:
            raise InvalidInput(f"{rows} outcomes say nothing about money", field="outcomes", hint="wait for more")
        mean = math.fsum(n * v for n, v in zip(counts, values, strict=True)) / rows
        squares = math.fsum(n * (v - mean) ** 2 for n, v in zip(counts, values, strict=True))
        return Moments(rows, mean, squares / (rows - 1))


def realised(acted: ArrayLike, truth: ArrayLike, costs: CostMatrix, *, decisions: int | None = None) -> ValueFigures:
    """Count what was done against what came of it: two columns of booleans over the decisions with an outcome. `decisions` is
    how many there were in all. Raises InvalidInput when the columns are no booleans or differ in length."""
    done, true = np.asarray(acted), np.asarray(truth)
    for name, column in (("acted", done), ("truth", true)):
        if column.ndim != 1 or (len(column) and column.dtype.kind != "b"):
            raise InvalidInput(f"expected a column of booleans, got {column.dtype}", field=name)
    if len(done) != len(true):
        raise InvalidInput(f"{len(done)} actions for {len(true)} outcomes", field="truth")
    if decisions is not None and decisions < len(done):
        raise InvalidInput(f"{len(done)} outcomes for {decisions} decisions", field="decisions")
    done, true = done.astype(bool), true.astype(bool)
    return ValueFigures(
        decisions=len(done) if decisions is None else decisions,
        true_positive=int((done & true).sum()),
        false_positive=int((done & ~true).sum()),
        false_negative=int((~done & true).sum()),
        true_negative=int((~done & ~true).sum()),
        costs=costs,
    )


@dataclass(frozen=True)
class Comparison:
    """The challenger's money less the champion's, over the windows in which both decided. `per_decision` is the difference
    in cost of a decision (negative: the challenger is cheaper); `saved` is what the challenger would have saved on all
    decisions of these windows that have an outcome. `left_out` are windows in which only one of them decided, or too little."""

    per_decision: Interval
    saved: float
    windows: int
    left_out: int
    currency: str


def compare_versions(
    champion: Mapping[datetime, ValueFigures], challenger: Mapping[datetime, ValueFigures], *, confidence: float = 0.95
) -> Comparison:
    """Compare two versions' money window by window, each window weighing as many decisions as both made in it.

    Stratified, so that a challenger with a growing share in a costly season is not blamed for the season. Raises InvalidInput
    when there is no window in common or costs differ.
    """
    common = [w for w in champion if w in challenger and min(champion[w].outcomes, challenger[w].outcomes) >= 2]
    if not common:
        raise InvalidInput("there is no window in which both versions decided and have outcomes", field="windows")
    if len({f.costs for w in common for f in (champion[w], challenger[w])}) > 1:
        raise InvalidInput("the figures were counted with different costs", field="costs")
    pairs = [(champion[w].cost_moments(), challenger[w].cost_moments()) for w in common]
    sizes = np.array([a.count + b.count for a, b in pairs], dtype=np.float64)
    weights = sizes / sizes.sum()
    difference = float(sum(w * (b.mean - a.mean) for w, (a, b) in zip(weights, pairs, strict=True)))
    errors = [w * w * (a.variance / a.count + b.variance / b.count) for w, (a, b) in zip(weights, pairs, strict=True)]
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(math.fsum(errors))
    interval = Interval(difference, difference - half, difference + half, confidence, "stratified by window, normal")
    return Comparison(
        per_decision=interval,
        saved=-difference * float(sizes.sum()),
        windows=len(common),
        left_out=len(champion.keys() | challenger.keys()) - len(common),
        currency=champion[common[0]].costs.currency,
    )


def time_to_first_decision(registered_at: datetime, first_decision_at: datetime | None) -> timedelta | None:
    """From registration to the first logged decision; None while there is none. Raises InvalidInput when it decided before."""
    if first_decision_at is None:
        return None
    if first_decision_at < registered_at:
        raise InvalidInput("the first decision is older than the registration", field="first_decision_at")
    return first_decision_at - registered_at


class ValueEntry(Record):
    """One line of the value ledger: what a use case's decisions of a period were to bring and what they brought.

    `version` is a manifest digest, or empty for all versions together. `realised` is the gain against the best baseline
    (`baseline`), with bounds; `cost` is what running the model cost; both, and `expected`, in `currency`. `basis` says on what
    the entry rests. Never changed: a later entry that `restates` it takes its place.
    """

    use_case: str
    endpoint: str
    version: str
    period_from: datetime
    period_to: datetime
    currency: str
    expected: FiniteFloat | None
    realised: FiniteFloat
    realised_low: FiniteFloat | None
    realised_high: FiniteFloat | None
    baseline: Baseline
    decided: FiniteFloat
    cost: FiniteFloat
    basis: str
    figures: ValueFigures
    restates: str | None = None
    restatement: int = 0


VALUE_ENTRIES: Table[ValueEntry] = Table(
    "value_entries",
    ValueEntry,
    indexed=("use_case", "endpoint", "version", "period_from", "period_to", "currency", "restates", "restatement"),
    unique=(("organisation", "use_case", "endpoint", "version", "period_from", "restatement"),),
    append_only=True,
)
TABLES: tuple[Table[Any], ...] = (VALUE_ENTRIES,)


def in_force(entries: Sequence[ValueEntry]) -> list[ValueEntry]:
    """The entries that no other restates, oldest period first."""
    replaced = {entry.restates for entry in entries}
    return sorted((e for e in entries if e.id not in replaced), key=lambda e: (e.period_from, e.use_case, e.version))
