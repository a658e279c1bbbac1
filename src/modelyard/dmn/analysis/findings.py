"""What the analysis of a decision table finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Severity


class Code(StrEnum):
    GAP = "gap"
    OVERLAP = "overlap"
    MASKED = "masked"
    UNREACHABLE = "unreachable"
    IMPOSSIBLE_CELL = "impossible-cell"
    DUPLICATE = "duplicate"
    REDUNDANT = "redundant"
    MERGEABLE = "mergeable"
    TYPE_MISMATCH = "type-mismatch"
    OUTSIDE_VALUES = "outside-allowed-values"
    OUTPUT_VALUES_MISSING = "output-values-missing"
    OUTPUT_NOT_ALLOWED = "output-not-allowed"
    AGGREGATION_TYPE = "aggregation-type"
    UNUSED_INPUT = "unused-input"
    CONSTANT_COLUMN = "constant-column"
    DEFAULT_MISSING = "default-missing"
    NOT_ANALYSED = "not-analysed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding about one table.

    `rules` are counted from 1 as in the table; where one rule is at fault it stands first and those it meets follow.
    `witness` gives a value for each input expression, by its text: an input with which the table shows what is said. It is
    None where the finding is not about particular inputs."""

    code: Code
    severity: Severity
    owner: str
    text: str
    rules: tuple[int, ...] = ()
    witness: Mapping[str, Value] | None = field(default=None, hash=False)
    element: str | None = None
    """The id of the table, if it has one."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """`complete`: everything that can be known was looked at, and every finding is here. Cells that could not be analysed and
    limits that were reached make it false; then the findings are still right, but there may be more. `assumptions` are
    sentences that say which inputs were taken into account."""

    findings: tuple[Finding, ...]
    complete: bool
    assumptions: tuple[str, ...] = ()
    work: int = 0
    """Steps taken, to compare with `AnalysisLimits.work`."""


@dataclass(frozen=True, slots=True)
class AnalysisLimits:
    """`findings` of one code are shown for a table, then how many more there are; each search ends after `work`
    set operations, of which a million take about a second."""

    findings: int = 50
    work: int = 4_000_000
    bits: int = 400_000_000
    """Of the sets of one table: tests times regions, over all columns. A larger table is not analysed, and that is told."""


def describe(finding: Finding) -> str:
    """One line for a terminal."""
    rules = ", ".join(map(str, finding.rules[:8])) + (", …" if len(finding.rules) > 8 else "")
    place = finding.owner + (f", rule{'s' if len(finding.rules) > 1 else ''} {rules}" if rules else "")
    return f"{finding.severity.value}: {place}: {finding.text} [{finding.code.value}]"


def example(witness: Mapping[str, Value]) -> str:
    """A witness in words: `age = 10, risk = "High"`."""
    return ", ".join(f"{name} = {written(value)}" for name, value in witness.items())
