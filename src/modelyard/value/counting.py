"""Counting the money of a window of the decision log: reads the log through ports, outside of any transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from modelyard.catalog.profile import CostMatrix
from modelyard.core.errors import InvalidInput
from modelyard.decisions import Window, join
from modelyard.kinds.signature import Scalar
from modelyard.value.model import ValueFigures, realised

COLUMNS = ("id", "output", "answered_arm")
_ROWS = msgspec.json.Decoder(list[dict[str, Any]])


class Decisions(Protocol):
    """Reads the decision log; `modelyard.decisions.DecisionReader` does."""

    def scan(self, window: Window, columns: Sequence[str] | None = None) -> Any: ...


class Outcomes(Protocol):
    """Reads outcomes; `modelyard.decisions.OutcomeReader` does."""

    def find(self, ids: Sequence[str]) -> Any: ...


class DecisionRule(BaseModel):
    """When an answer means to act, and when an outcome is positive.

    Acting is a `prediction` that equals `positive` (or is true or 1), or else a `score` of at least `threshold`; both name a
    field of the output. The outcome's value named `outcome` is positive when it equals `outcome_positive`, or is true or 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Annotated[str, Field(min_length=1)]
    outcome_positive: Scalar | None = None
    score: str | None = None
    threshold: FiniteFloat = 0.5
    prediction: str | None = None
    positive: Scalar | None = None


def value_of(table: Any, rule: DecisionRule, costs: CostMatrix) -> ValueFigures:
    """The figures of decisions joined with their outcomes (`decisions.join`). An endpoint's constant counts like any answer:
    it was what was done. Decisions whose outcome or answer lacks the value are counted and not valued.

    Raises InvalidInput when none of the known outcomes can be valued (a name in the rule is wrong), and when a value is
    neither yes nor no and no positive one is named.
    """
    answered = table.filter(pc.is_valid(table["output"]))
    known = answered.filter(pc.is_valid(answered["outcome_values"]))
    outputs = _objects(known["output"].to_pylist(), "output")
    outcomes = _objects(known["outcome_values"].to_pylist(), "outcome_values")
    pairs = [
        (_acts(o, rule), _is(v.get(rule.outcome), rule.outcome_positive, rule.outcome))
        for o, v in zip(outputs, outcomes, strict=True)
    ]
    valued = [(acted, truth) for acted, truth in pairs if acted is not None and truth is not None]
    if pairs and not valued:
        names = f"{rule.prediction or rule.score!r} in its output and {rule.outcome!r} in its outcome"
        raise InvalidInput(f"no decision has both {names}", field="rule", hint="see a decision for the names of its values")
    return realised([a for a, _ in valued], [t for _, t in valued], costs, decisions=answered.num_rows)


def value_in(
    decisions: Decisions,
    outcomes: Outcomes,
    window: Window,
    rule: DecisionRule,
    costs: CostMatrix,
    *,
    as_of: datetime | None = None,
) -> ValueFigures:
    """The figures of a window of the log. `as_of` counts only what was known by then."""
    rows = decisions.scan(window, COLUMNS)
    return value_of(join(rows, outcomes.find(rows["id"].to_pylist()), as_of=as_of), rule, costs)


def first_decision(decisions: Decisions, window: Window) -> datetime | None:
    """When the first decision of the window (a version's, a use case's) was made; None when there is none."""
    found = pc.min(decisions.scan(window, ["decision_time"])["decision_time"]).as_py()
    return found if isinstance(found, datetime) else None


def _objects(texts: list[str], field: str) -> list[dict[str, Any]]:
    try:
        rows = _ROWS.decode("[" + ",".join(texts) + "]")
    except msgspec.DecodeError as error:
        raise InvalidInput(f"a decision holds no JSON object: {error}", field=field) from error
    if len(rows) != len(texts):
        raise InvalidInput("a decision holds no JSON object", field=field)
    return rows


def _acts(output: dict[str, Any], rule: DecisionRule) -> bool | None:
    if rule.prediction is not None:
        return _is(output.get(rule.prediction), rule.positive, rule.prediction)
    if rule.score is None:
        raise InvalidInput("the rule names neither a prediction nor a score", field="rule")
    score = output.get(rule.score)
    value = score[-1] if isinstance(score, list) and score else score
    return value >= rule.threshold if isinstance(value, int | float) else None


def _is(value: Any, positive: Scalar | None, field: str) -> bool | None:
    if value is None:
        return None
    if positive is not None:
        return bool(value == positive)
    if value not in (0, 1):
        raise InvalidInput(f"{value!r} is neither yes nor no", field=field, hint="name the positive value")
    return bool(value)
