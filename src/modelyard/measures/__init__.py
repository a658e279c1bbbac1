"""Measures: metrics, drift, data quality, calibration, cost and comparison, as pure functions over arrays and states.

    from modelyard.measures import measure
    measure("roc_auc").compute(label=labels, score=scores)

`MEASURES` is the table; `NumericState` and `CategoricalState` are what monitors keep; `proportion_difference`,
`mean_difference` and `mean_difference_sequence` compare champion and challenger. No I/O; numpy is all it needs.
"""

from modelyard.measures.arrays import present
from modelyard.measures.calibration import Reliability, reliability
from modelyard.measures.compare import (
    ConfidenceSequence,
    Interval,
    Moments,
    mean_difference,
    mean_difference_sequence,
    proportion,
    proportion_difference,
)
from modelyard.measures.cost import BestThreshold, CostMatrix, best_threshold, expected_cost_at
from modelyard.measures.from_states import Estimate, state_quantile
from modelyard.measures.performance import Confusion, confusion
from modelyard.measures.states import CategoricalState, NumericState, State, state_from_json
from modelyard.measures.table import MEASURES, Data, Direction, Family, Level, Measure, Need, Thresholds, measure

__all__ = [
    "MEASURES",
    "BestThreshold",
    "CategoricalState",
    "ConfidenceSequence",
    "Confusion",
    "CostMatrix",
    "Data",
    "Direction",
    "Estimate",
    "Family",
    "Interval",
    "Level",
    "Measure",
    "Moments",
    "Need",
    "NumericState",
    "Reliability",
    "State",
    "Thresholds",
    "best_threshold",
    "confusion",
    "expected_cost_at",
    "mean_difference",
    "mean_difference_sequence",
    "measure",
    "present",
    "proportion",
    "proportion_difference",
    "reliability",
    "state_from_json",
    "state_quantile",
]
