"""What governance knows of a version, as fields of its inventory record: results, validations, approvals, what may serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from modelyard.catalog.model import Provenanced, Source, Version
from modelyard.core.records import Transaction, equals, every
from modelyard.governance.assurance.gates import latest
from modelyard.governance.assurance.model import APPROVAL_DECISIONS, APPROVALS, Evidence, EvidenceType
from modelyard.governance.assurance.service import evidence_of
from modelyard.governance.risk.model import RISK_ASSESSMENTS


def contribute(tx: Transaction, version: Version) -> Mapping[str, Provenanced]:
    """Fields that follow from evidence and approvals; those that nothing is known of are left out."""
    newest = latest(evidence_of(tx, version))
    found = _of_results(newest) | _of_approvals(tx, version) | _of_risk(tx, version)
    validations = [e for e in (newest.get(EvidenceType.VALIDATION),) if e is not None]
    if validations:
        found["assurance.validations"] = _from(validations[0], [_short(e) for e in validations])
        found["people.validator"] = _from(validations[0], validations[0].produced_by)
        if validations[0].valid_until is not None:
            found["assurance.valid_until"] = _from(validations[0], validations[0].valid_until.isoformat())
    return found


def _of_results(newest: Mapping[EvidenceType, Evidence]) -> dict[str, Provenanced]:
    found: dict[str, Provenanced] = {}
    report, scan = newest.get(EvidenceType.TEST_REPORT), newest.get(EvidenceType.SCAN)
    if report is not None:
        found["assurance.metrics"] = _from(report, dict(report.metrics))
        groups = [c for c in report.facts.get("checks", ()) if " where " in c["name"]]
        if groups:
            found["assurance.subgroup_results"] = _from(report, groups)
        failed = [c["name"] for c in report.facts.get("checks", ()) if not c["passed"]]
        found["assurance.findings"] = _from(report, failed)
    if scan is not None:
        found["assurance.security_tests"] = _from(scan, {"summary": scan.summary, **scan.metrics})
    gate = newest.get(EvidenceType.GATE_RESULT)
    if gate is not None:
        rows = [{name: r.get(name) for name in ("name", "category", "limit", "passed")} for r in gate.facts.get("rows", ())]
        found["operation.thresholds"] = _from(gate, rows)
    attested = newest.get(EvidenceType.ATTESTATION)
    if attested is not None:
        found["governance.attestations"] = _from(attested, [_short(attested)])
    return found


def _of_approvals(tx: Transaction, version: Version) -> dict[str, Provenanced]:
    approvals = every(tx, APPROVALS, equals("subject_id", version.id))
    if not approvals:
        return {}
    decisions = [d for a in approvals for d in every(tx, APPROVAL_DECISIONS, equals("approval", a.id))]
    told = [
        {"id": a.id, "status": a.status.value, "requester": a.requester, "tier": a.tier, "scope": a.scope.model_dump(mode="json")}
        for a in approvals
    ]
    found = {"governance.approvals": _derived(told, "approvals", approvals[-1].created_at)}
    if decisions:
        people = sorted({d.approver for d in decisions if d.verdict.startswith("approved")})
        found["people.approvers"] = _derived(people, "decisions on approvals", decisions[-1].created_at)
    return found


def _of_risk(tx: Transaction, version: Version) -> dict[str, Provenanced]:
    rated = every(tx, RISK_ASSESSMENTS, equals("use_case_id", version.use_case_id))
    if not rated:
        return {}
    newest = max(rated, key=lambda assessment: (assessment.created_at, assessment.id))

    def told(value: Any) -> Provenanced:
        what = f"risk assessment {newest.id}"
        return Provenanced(value=value, source=Source.DERIVED, by=newest.assessor, from_=what, at=newest.created_at)

    return {
        "governance.tier_inputs": told(newest.inputs.model_dump(mode="json")),
        "assurance.validation_due": told(newest.next_review.date().isoformat()),
    }


def _short(evidence: Evidence) -> dict[str, Any]:
    return {"id": evidence.id, "by": evidence.produced_by, "summary": evidence.summary}


def _from(evidence: Evidence, value: Any) -> Provenanced:
    what = f"{evidence.type.value} {evidence.id}"
    return Provenanced(value=value, source=Source.DERIVED, by=evidence.produced_by, from_=what, at=evidence.created_at)


def _derived(value: Iterable[Any], what: str, at: datetime) -> Provenanced:
    return Provenanced(value=list(value), source=Source.DERIVED, by="governance", from_=what, at=at)
