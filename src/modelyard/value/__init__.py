"""Value: what decisions are worth in money, the ledger of it, and how long it took to get there.

figures = value_in(reader, outcomes, Window(endpoint="hold", since=june, until=july, by=Time.EVENT), rule, costs)
    entry = RecordValue(use_case="connections", endpoint="hold", period_from=june, period_to=july, figures=figures)
    bus.handle(Request(entry, actor))
"""

from modelyard.value.commands import RecordValue
from modelyard.value.counting import DecisionRule, first_decision, value_in, value_of
from modelyard.value.events import EVENTS
from modelyard.value.model import (
    TABLES,
    VALUE_ENTRIES,
    Baseline,
    Comparison,
    ValueEntry,
    ValueFigures,
    compare_versions,
    in_force,
    realised,
    time_to_first_decision,
)
from modelyard.value.service import handlings

__all__ = [
    "EVENTS",
    "TABLES",
    "VALUE_ENTRIES",
    "Baseline",
    "Comparison",
    "DecisionRule",
    "RecordValue",
    "ValueEntry",
    "ValueFigures",
    "compare_versions",
    "first_decision",
    "handlings",
    "in_force",
    "realised",
    "time_to_first_decision",
    "value_in",
    "value_of",
]
