"""Judging a version by a gate: pure functions over evidence."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from modelyard.core.errors import InvalidInput
from modelyard.governance.assurance.model import ApprovalRule, Evidence, EvidenceType, Gate, RowResult, Threshold

COMPARE: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "eq": (operator.eq, "="),
    "ne": (operator.ne, "≠"),
    "lt": (operator.lt, "<"),
    "le": (operator.le, "≤"),
    "gt": (operator.gt, ">"),
    "ge": (operator.ge, "≥"),
}


def latest(evidence: Sequence[Evidence]) -> dict[EvidenceType, Evidence]:
    """The newest evidence of each type."""
    newest: dict[EvidenceType, Evidence] = {}
    for item in sorted(evidence, key=lambda e: (e.created_at, e.id)):
        newest[item.type] = item
    return newest


def judge(gate: Gate, tier: str, evidence: Sequence[Evidence], at: datetime) -> tuple[RowResult, ...]:
    """One result for each row of the gate that applies at the tier."""
    newest = latest([e for e in evidence if e.valid_until is None or e.valid_until > at])
    return tuple(_row(row, newest.get(row.evidence)) for row in gate.thresholds if not row.tiers or tier in row.tiers)


def approval_rule(gate: Gate, tier: str) -> ApprovalRule:
    """The rule for a tier: the one that names it, else the one for all. Raises InvalidInput when there is none."""
    for rule in sorted(gate.approvals, key=lambda r: not r.tiers):
        if not rule.tiers or tier in rule.tiers:
            return rule
    raise InvalidInput(
        f"gate {gate.name} says nothing about who approves at tier {tier!r}",
        field="tier",
        hint="define the gate's successor with a rule for this tier",
    )


def _row(row: Threshold, found: Evidence | None) -> RowResult:
    if found is None:
        return _absent(row, f"there is no valid {row.evidence.value}")
    if row.measure is None or row.limit is None:
        return RowResult(name=row.name, passed=True, detail=f"{row.evidence.value} is there", evidence=found.id)
    value = found.metrics.get(row.measure)
    if value is None:
        return _absent(row, f"the {row.evidence.value} does not show {row.measure}", found)
    compare, sign = COMPARE[row.comparison]
    passed = compare(value, row.limit)
    detail = f"{row.measure} is {value:.6g}, asked is {sign} {row.limit:.6g}"
    return RowResult(name=row.name, passed=passed, detail=detail, evidence=found.id, value=value, limit=row.limit)


def _absent(row: Threshold, detail: str, found: Evidence | None = None) -> RowResult:
    suffix = "" if row.required else " (not required)"
    return RowResult(name=row.name, passed=not row.required, detail=detail + suffix, evidence=found.id if found else None)
