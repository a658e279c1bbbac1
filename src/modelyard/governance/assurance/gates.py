"""Judging a version by a gate: pure functions over evidence.

A gate's DMN file has a decision `Gate`, a list with a context for each condition, and a decision `Approvals` on who must approve.
Both may use the inputs `tier`, `stage` and `version`; `Gate` also has `evidence`, and `at`, the time of judging.

    Gate       [{condition, passes, reason, category, evidence id, value, limit}, …]      passes when all do
    Approvals  {roles, days to decide, release days}                                      a role that stands twice: two people

A gate that answers anything else, or nothing, does not let pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from modelyard.catalog.model import Version
from modelyard.core.errors import InvalidInput
from modelyard.governance.assurance.decisions import Answer, answer
from modelyard.governance.assurance.model import ApprovalRule, Evidence, EvidenceType, Gate, RowResult
from modelyard.governance.assurance.thresholds import as_dmn
from modelyard.kinds.signature import Role as FieldRole

Facts = Mapping[str, Any]
GATE = "Gate"
APPROVALS = "Approvals"
DAY = 86_400.0
INPUTS = frozenset({"tier", "stage", "version", "evidence", "at"})
ITSELF = "the gate can be evaluated"
"""The condition that every gate has: without it there is no answer."""
BROKEN = "gate"
"""The category of conditions that could not be judged because of how the gate is written."""
UNASKED = "it names no condition"
LONGEST_REASON = 500


def source_of(gate: Gate) -> str:
    """The gate's DMN file."""
    return gate.source if gate.source is not None else as_dmn(gate)


def latest(evidence: Sequence[Evidence]) -> dict[EvidenceType, Evidence]:
    """The newest evidence of each type."""
    newest: dict[EvidenceType, Evidence] = {}
    for item in in_order(evidence):
        newest[item.type] = item
    return newest


def in_order(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Oldest first."""
    return sorted(evidence, key=lambda e: (e.created_at, e.id))


def judge(gate: Gate, tier: str, version: Facts, evidence: Sequence[Evidence], at: datetime) -> tuple[RowResult, ...]:
    """What each condition of the gate came to; never empty."""
    valid = [e for e in in_order(evidence) if e.valid_until is None or e.valid_until > at]
    data = _about(gate, tier, version) | {"evidence": [_told(e, at) for e in valid], "at": at.isoformat()}
    return rows_of(answer(source_of(gate), GATE, data))


def rows_of(found: Answer) -> tuple[RowResult, ...]:
    """What a gate answered, as rows: each that is not plainly passed does not pass, and so does the whole when anything went
    wrong on the way."""
    value = found.value if isinstance(found.value, list) else []
    rows = tuple(_row(number, row) for number, row in enumerate(value, 1))
    problem = "; ".join(found.problems) or ("" if rows else UNASKED)
    if problem:
        return (*rows, RowResult(name=ITSELF, passed=False, reason=problem[:LONGEST_REASON], category=BROKEN))
    return rows


def _row(number: int, told: Any) -> RowResult:
    if not isinstance(told, Mapping) or not isinstance(told.get("condition"), str):
        return RowResult(
            name=f"condition {number}", passed=False, reason="it is not as a gate's condition must be", category=BROKEN
        )
    passed = told.get("passes") is True
    return RowResult(
        name=told["condition"],
        passed=passed,
        reason=_text(told.get("reason"))[:LONGEST_REASON] or ("" if passed else "the gate does not say why"),
        category=_text(told.get("category")),
        evidence=_text(told.get("evidence id")) or None,
        value=_number(told.get("value")),
        limit=_number(told.get("limit")),
    )


def approval_rule(gate: Gate, tier: str, version: Facts) -> ApprovalRule:
    """Who must approve at a tier. Raises InvalidInput when the gate does not say so."""
    found = answer(source_of(gate), APPROVALS, _about(gate, tier, version))
    told = found.value if isinstance(found.value, Mapping) and not found.problems else {}
    try:
        return ApprovalRule(
            roles=told.get("roles"), days_to_decide=told.get("days to decide"), release_days=told.get("release days")
        )
    except ValidationError as error:
        why = f": {'; '.join(found.problems)[:LONGEST_REASON]}" if found.problems else ""
        raise InvalidInput(
            f"gate {gate.name} says nothing usable about who approves at tier {tier!r}{why}",
            field="tier",
            hint="adopt a successor of the gate that names roles, days to decide and release days for this tier",
        ) from error


def _about(gate: Gate, tier: str, version: Facts) -> dict[str, Any]:
    return {"tier": tier, "stage": gate.to_stage, "version": dict(version)}


def facts_of(version: Version) -> Facts:
    """What a gate may know of a version."""
    manifest = version.manifest
    protected = [f.name for f in manifest.signature.inputs if f.role is FieldRole.PROTECTED]
    told = facts_of_kind(manifest.kind)
    told |= {"model": version.model, "number": version.number, "developer": version.developer}
    return told | {
        "format": manifest.artifact.format,
        "executes code": manifest.inspection.executes_code,
        "protected fields": protected,
    }


def facts_of_kind(kind: str) -> dict[str, Any]:
    """Facts of a version of some kind that has nothing special about it, to try a gate with."""
    return {
        "model": "any",
        "number": 1,
        "kind": kind,
        "format": "any",
        "developer": "anybody",
        "executes code": False,
        "protected fields": [],
    }


def _told(evidence: Evidence, at: datetime) -> dict[str, Any]:
    return {
        "id": evidence.id,
        "type": evidence.type.value,
        "metrics": evidence.metrics,
        "facts": evidence.facts,
        "age": round((at - evidence.created_at).total_seconds() / DAY, 6),
        "produced by": evidence.produced_by,
        "summary": evidence.summary,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
