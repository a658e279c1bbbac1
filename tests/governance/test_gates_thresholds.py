"""Gates of schema 0001, rows of thresholds, judge as they did: against the rules by which they were judged then."""

from __future__ import annotations

import operator
from datetime import timedelta
from typing import Any

import pytest
from gates_yard import START, evidence_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.governance.assurance import gates
from modelyard.governance.assurance.model import ApprovalRule, Evidence, EvidenceType, Gate, Threshold

COMPARE = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
FACTS = gates.facts_of_kind("ml")
TIERS = ("low", "medium", "high", "critical")
TYPES = [kind.value for kind in EvidenceType if kind is not EvidenceType.GATE_RESULT]

numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e12, 1e12), st.sampled_from([1e-9, 0.1, 1e300, -2.5e-300]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
tiers = st.lists(st.sampled_from(TIERS), max_size=2, unique=True).map(tuple)
measures = st.sampled_from(["dangers", "roc_auc", 'the "best"', "with\\slash", "über größe"])
thresholds = st.builds(
    Threshold,
    name=st.one_of(names.filter(lambda n: n.isprintable()), st.just('</text> & "quoted" \\ {0} <!--approvals-->')),
    evidence=st.sampled_from(TYPES),
    measure=st.none() | measures,
    comparison=st.sampled_from(sorted(COMPARE)),
    limit=st.none() | numbers,
    required=st.booleans(),
    tiers=tiers,
    reason=st.just("why") | st.just(""),
)
rules = st.builds(
    ApprovalRule,
    tiers=tiers,
    roles=st.lists(st.sampled_from(["validator", "business_owner", "risk_officer"]), min_size=1, max_size=3).map(tuple),
    days_to_decide=st.integers(1, 365),
    release_days=st.integers(1, 3650),
)


def old(rows: list[Threshold], approvals: list[ApprovalRule]) -> Gate:
    fields: dict[str, Any] = {"name": "production", "number": 3, "to_stage": "production", "defined_by": "idn_rita"}
    return Gate(id="gate_1", created_at=START, thresholds=tuple(rows), approvals=tuple(approvals), **fields)


def as_then(row: Threshold, newest: dict[EvidenceType, Evidence]) -> tuple[str, bool]:
    """How a row was judged by version 0.1."""
    found = newest.get(row.evidence)
    if found is not None and (row.measure is None or row.limit is None):
        return row.name, True
    value = found.metrics.get(row.measure or "") if found is not None else None
    if value is None or row.limit is None:
        return row.name, not row.required
    return row.name, COMPARE[row.comparison](value, row.limit)


HUGE = Threshold(name="huge", evidence=EvidenceType.SCAN, measure="dangers", comparison="eq", limit=1e300)


@settings(max_examples=80, deadline=None)
@example([HUGE], [("scan", {"dangers": 1e300})], "low")
@given(
    st.lists(thresholds, min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(TYPES), st.dictionaries(measures, numbers, max_size=3)), max_size=6),
    st.sampled_from(TIERS),
)
def test_rows_of_thresholds_are_judged_as_they_were(
    rows: list[Threshold], known: list[tuple[str, dict[str, float]]], tier: str
) -> None:
    evidence = [evidence_of(kind, number, metrics=metrics) for number, (kind, metrics) in enumerate(known, 1)]
    gate = old(rows, [ApprovalRule(roles=("validator",))])
    found = gates.judge(gate, tier, FACTS, evidence, START + timedelta(hours=1))
    newest = gates.latest(evidence)
    expected = [as_then(row, newest) for row in rows if not row.tiers or tier in row.tiers]
    assert [(row.name, row.passed) for row in found] == (expected or [("nothing is asked at this tier", True)])


@settings(max_examples=50, deadline=None)
@given(st.lists(rules, min_size=1, max_size=4), st.sampled_from(TIERS))
def test_who_approves_is_as_it_was(approvals: list[ApprovalRule], tier: str) -> None:
    gate = old([Threshold(name="a", evidence=EvidenceType.SCAN)], approvals)
    ordered = sorted(approvals, key=lambda rule: not rule.tiers)
    expected = next((rule for rule in ordered if not rule.tiers or tier in rule.tiers), None)
    if expected is None:
        with pytest.raises(InvalidInput, match="who approves"):
            gates.approval_rule(gate, tier, FACTS)
        return
    found = gates.approval_rule(gate, tier, FACTS)
    assert found.model_dump(exclude={"tiers"}) == expected.model_dump(exclude={"tiers"})
