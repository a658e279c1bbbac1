"""Handlers of evidence, gates and approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from modelyard.catalog.lookup import find_version, state_of
from modelyard.catalog.model import MODELS, USE_CASES, VERSIONS, Status, Version
from modelyard.catalog.service import change_status
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, NotApproved, NotFound, Untrusted, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, Where, equals, every, first
from modelyard.governance.assurance import gates
from modelyard.governance.assurance.commands import (
    DecideApproval,
    EvaluateGate,
    RecordEvidence,
    RequestApproval,
    WithdrawApproval,
)
from modelyard.governance.assurance.events import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalWithdrawn,
    EvidenceRecorded,
    GateEvaluated,
)
from modelyard.governance.assurance.model import (
    APPROVAL_DECISIONS,
    APPROVALS,
    EVIDENCE,
    GATES,
    GOVERNANCE,
    PLATFORM,
    Approval,
    ApprovalDecision,
    ApprovalStatus,
    Evidence,
    EvidenceLink,
    EvidenceType,
    Gate,
    RowResult,
    bound_digest,
)

STRICTEST = "high"
PRODUCTION = "production"
SECOND_LINE = frozenset({"validator", "risk_officer"})
CLOSED_BY = {
    "rejected": ApprovalStatus.REJECTED,
    "changes_requested": ApprovalStatus.CHANGES_REQUESTED,
}


def record_evidence(work: Work, command: RecordEvidence) -> Evidence:
    """Keep evidence, bound to the manifest's digest."""
    if command.type is EvidenceType.GATE_RESULT:
        raise InvalidInput("a gate's result comes from evaluating the gate", field="type", hint="use `modelyard gate evaluate`")
    version = find_version(work.tx, work.organisation, command.version)
    evidence = add_evidence(work, version, **command.model_dump(exclude={"version"}))
    work.emit(EvidenceRecorded(evidence=evidence.id, version=version.id, evidence_type=evidence.type), f"version:{version.id}")
    return evidence


def add_evidence(work: Work, version: Version, gate: Gate | None = None, **found: Any) -> Evidence:
    """Keep a result about a version, bound to its manifest and to the definition of the gate in force: `gate`, or the one to the
    stage that the version is meant for."""
    gate = gate or in_force(work.tx, work.organisation, stage_of(work.tx, version))
    evidence = Evidence(
        **work.new("evd"),
        **found,
        version=version.id,
        manifest=version.manifest_digest,
        produced_by=work.actor.id,
        gate_definition=gate.definition_digest() if gate else None,
    )
    return work.add(EVIDENCE, evidence)


def stage_of(tx: Transaction, version: Version) -> str:
    """The stage that a version is meant for: to decide on others, or to serve."""
    return GOVERNANCE if tx.get(USE_CASES, version.use_case_id).name == PLATFORM else PRODUCTION


def gate_to(tx: Transaction, organisation: str, stage: str) -> Gate:
    """The newest gate to a stage. Raises NotFound."""
    found = in_force(tx, organisation, stage)
    if found is None:
        raise NotFound(f"no gate leads to stage {stage!r}", field="stage", hint="adopt one: `modelyard gate adopt NAME VERSION`")
    return found


def in_force(tx: Transaction, organisation: str, stage: str) -> Gate | None:
    """The newest gate to a stage, if there is one."""
    leading = equals("to_stage", stage)
    found = _newest(tx, organisation, "created_at", leading) if stage else None
    # A successor stays one when the clock steps back.
    return found and (_newest(tx, organisation, "number", leading, equals("name", found.name)) or found)


def named(tx: Transaction, organisation: str, name: str) -> Gate | None:
    """The newest definition of that name, if there is one."""
    return _newest(tx, organisation, "number", equals("name", name))


def _newest(tx: Transaction, organisation: str, by: str, *where: Where) -> Gate | None:
    query = Query(where=(equals("organisation", organisation), *where), sort=by, descending=True, limit=1)
    items = tx.find(GATES, query).items
    return items[0] if items else None


def evaluate_gate(work: Work, command: EvaluateGate) -> Evidence:
    """Judge a version and keep the result as evidence, whether it passes or not."""
    version = find_version(work.tx, work.organisation, command.version)
    gate = gate_to(work.tx, work.organisation, command.stage)
    tier = tier_of(work.tx, version)
    considered = [e for e in evidence_of(work.tx, version, work.now) if e.type is not EvidenceType.GATE_RESULT]
    rows = gates.judge(gate, tier, gates.facts_of(version), considered, work.now)
    passed = bool(rows) and all(row.passed for row in rows)
    result = add_evidence(
        work,
        version,
        gate,
        type=EvidenceType.GATE_RESULT,
        metrics={"passes": float(passed), "rows_failed": float(sum(not r.passed for r in rows))},
        facts=_gate_facts(gate, tier, rows, considered),
        summary=_summary(gate, rows, passed),
    )
    if passed:
        climb(work, version, Status.VALIDATED, f"passed gate {gate.name} #{gate.number}")
    work.emit(GateEvaluated(evidence=result.id, version=version.id, gate=gate.id, passed=passed), f"version:{version.id}")
    return result


def _gate_facts(gate: Gate, tier: str, rows: Sequence[RowResult], considered: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "gate": gate.id,
        "name": gate.name,
        "number": gate.number,
        "to_stage": gate.to_stage,
        "definition": gate.definition_digest(),
        "tier": tier,
        "rows": [row.model_dump(mode="json") for row in rows],
        "evidence": [link(e).model_dump(mode="json") for e in gates.latest(considered).values()],
    }


def _summary(gate: Gate, rows: Sequence[RowResult], passed: bool) -> str:
    failed = "; ".join(f"{r.name}: {r.reason}" for r in rows if not r.passed)
    return f"gate {gate.name} #{gate.number}: " + ("all conditions pass" if passed else f"fails ({failed})")


def request_approval(work: Work, command: RequestApproval) -> Approval:
    """Open an approval on the evidence there is now; an earlier pending one for the same scope is superseded."""
    version = find_version(work.tx, work.organisation, command.version)
    gate = gate_to(work.tx, work.organisation, command.scope.stage)
    tier = tier_of(work.tx, version)
    _check_scope(work.tx, version, command)
    evidence = _evidence_for(work.tx, version, gate, tier, work.now)
    rule = gates.approval_rule(gate, tier, gates.facts_of(version))
    release_until = work.now + timedelta(days=rule.release_days)
    approval = work.add(
        APPROVALS,
        Approval(
            **work.new("apr"),
            subject_id=version.id,
            manifest=version.manifest_digest,
            from_stage="validation",
            scope=command.scope,
            gate=gate.id,
            gate_digest=gate.definition_digest(),
            tier=tier,
            requester=work.actor.id,
            developers=(version.developer,),
            roles_required=rule.roles,
            evidence=evidence,
            bound=bound_digest(
                manifest=version.manifest_digest,
                evidence=evidence,
                gate_digest=gate.definition_digest(),
                tier=tier,
                scope=command.scope,
                release_until=release_until,
            ),
            expires_at=work.now + timedelta(days=rule.days_to_decide),
            release_until=release_until,
            ticket=command.ticket,
        ),
    )
    _supersede(work, approval)
    work.emit(ApprovalRequested(approval=approval.id, version=version.id, roles=approval.roles_required), f"version:{version.id}")
    return approval


def _check_scope(tx: Transaction, version: Version, command: RequestApproval) -> None:
    own = tx.get(MODELS, version.model_id).use_case
    if command.scope.use_case != own:
        raise InvalidInput(
            f"the model serves use case {own!r}, not {command.scope.use_case!r}",
            field="scope.use_case",
            hint="a version is released for its own model's use case",
        )


def _evidence_for(tx: Transaction, version: Version, gate: Gate, tier: str, at: datetime) -> tuple[EvidenceLink, ...]:
    """The gate's result and what it looked at. Raises NotApproved when the gate has not passed on the newest evidence."""
    newest = gates.latest(evidence_of(tx, version, at))
    result = newest.get(EvidenceType.GATE_RESULT)
    hint = f"run `modelyard gate evaluate {version.id} --stage {gate.to_stage}` and look at its rows"
    if result is None:
        raise NotApproved("the version has not been judged by the gate", field="version", hint=hint)
    if result.facts.get("definition") != gate.definition_digest() or result.facts.get("tier") != tier:
        raise NotApproved("the gate or the tier has changed since the version was judged", field="version", hint=hint)
    if not result.metrics.get("passes"):
        raise NotApproved(f"{result.summary}", field="version", hint="mend what failed and evaluate the gate again")
    judged = {e["digest"] for e in result.facts["evidence"]}
    others = [e for e in newest.values() if e.type is not EvidenceType.GATE_RESULT]
    if {e.digest() for e in others} != judged:
        raise NotApproved("the evidence is newer than what the gate has seen, or ended since", field="version", hint=hint)
    return tuple(link(e) for e in (*others, result))


def _supersede(work: Work, approval: Approval) -> None:
    where = (equals("subject_id", approval.subject_id), equals("status", ApprovalStatus.PENDING))
    for earlier in every(work.tx, APPROVALS, *where):
        if earlier.id != approval.id and earlier.scope == approval.scope:
            work.save(APPROVALS, earlier.model_copy(update={"status": ApprovalStatus.VOID, "superseded_by": approval.id}))


def decide_approval(work: Work, command: DecideApproval) -> Approval:
    """Record one person's decision; the approval closes when it is rejected or every role has approved."""
    approval = work.get(APPROVALS, command.approval)
    _check_open(work, approval)
    if command.shown != approval.bound:
        raise Untrusted(
            "what was shown is not what this approval is about", field="shown", hint="show the approval again, then decide"
        )
    changed = what_changed(work.tx, approval, work.organisation, work.now)
    if changed:
        raise NotApproved(f"the approval is void: {changed}", field="approval", hint="request approval again")
    earlier = every(work.tx, APPROVAL_DECISIONS, equals("approval", approval.id))
    if any(d.approver == work.actor.id for d in earlier):
        raise AlreadyExists(f"{work.actor.id} has decided this approval already", field="approval", hint="one decision each")
    role = _role_for(work, approval, earlier)
    decision = work.add(
        APPROVAL_DECISIONS,
        ApprovalDecision(
            **work.new("dcn"),
            approval=approval.id,
            approver=work.actor.id,
            role=role,
            authentication="token",
            second_line=role in SECOND_LINE,
            verdict=command.verdict,
            comments=command.comments,
            conditions=command.conditions,
            shown=command.shown,
            previous=earlier[-1].digest() if earlier else None,
        ),
    )
    return _close_or_wait(work, approval, [*earlier, decision])


def _check_open(work: Work, approval: Approval) -> None:
    if approval.status is not ApprovalStatus.PENDING:
        raise WrongState(f"the approval is {approval.status.value}", field="approval", hint="request a new one")
    if approval.expires_at <= work.now:
        raise NotApproved(
            f"the approval expired at {approval.expires_at:%Y-%m-%d %H:%M} UTC", field="approval", hint="request a new one"
        )


def _role_for(work: Work, approval: Approval, earlier: Sequence[ApprovalDecision]) -> str:
    taken = [d.role for d in earlier]
    missing = list(approval.roles_required)
    for role in taken:
        missing.remove(role)
    for role in missing:
        if role in work.actor.roles:
            return role
    wanted = ", ".join(missing)
    raise Forbidden(f"an approval from {wanted} is missing, and {work.actor.id} is none of these", hint=f"ask a {wanted}")


def _close_or_wait(work: Work, approval: Approval, decisions: Sequence[ApprovalDecision]) -> Approval:
    verdict = decisions[-1].verdict
    status = CLOSED_BY.get(verdict)
    if status is None and len(decisions) == len(approval.roles_required):
        status = ApprovalStatus.APPROVED
    if status is not None:
        approval = work.save(APPROVALS, approval.model_copy(update={"status": status, "decided_at": work.now}))
    if status is ApprovalStatus.APPROVED:
        climb(work, work.get(VERSIONS, approval.subject_id), Status.APPROVED, f"approval {approval.id}")
    work.emit(
        ApprovalDecided(approval=approval.id, version=approval.subject_id, verdict=verdict, status=approval.status),
        f"version:{approval.subject_id}",
    )
    return approval


def withdraw_approval(work: Work, command: WithdrawApproval) -> Approval:
    """Close a pending approval without a decision."""
    approval = work.get(APPROVALS, command.approval)
    if approval.status is not ApprovalStatus.PENDING:
        raise WrongState(f"the approval is {approval.status.value}", field="approval", hint="only a pending one is withdrawn")
    update = {"status": ApprovalStatus.WITHDRAWN, "decided_at": work.now}
    approval = work.save(APPROVALS, approval.model_copy(update=update))
    work.emit(ApprovalWithdrawn(approval=approval.id, version=approval.subject_id), f"version:{approval.subject_id}")
    return approval


def what_changed(tx: Transaction, approval: Approval, organisation: str, at: datetime) -> str:
    """Why an approval no longer holds, or an empty string while all that it is bound to is as it was."""
    version = tx.get(VERSIONS, approval.subject_id)
    gate = gate_to(tx, organisation, approval.scope.stage)
    if version.manifest.digest() != approval.manifest or version.manifest_digest != approval.manifest:
        return "the version is not the one that was shown"
    if gate.definition_digest() != approval.gate_digest:
        return f"gate {gate.name} has a successor (#{gate.number})"
    tier = tier_of(tx, version)
    if tier != approval.tier:
        return f"the use case's tier is {tier}, it was {approval.tier}"
    evidence = _evidence_changed(tx, version, approval, at)
    if evidence:
        return evidence
    rebound = bound_digest(
        manifest=approval.manifest,
        evidence=approval.evidence,
        gate_digest=approval.gate_digest,
        tier=approval.tier,
        scope=approval.scope,
        release_until=approval.release_until,
    )
    return "" if rebound == approval.bound else "the approval's own record was edited"


def _evidence_changed(tx: Transaction, version: Version, approval: Approval, at: datetime) -> str:
    for shown in approval.evidence:
        kept = first(tx, EVIDENCE, equals("id", shown.id))
        if kept is None or kept.digest() != shown.digest:
            return f"evidence {shown.id} is not what was shown"
        if kept.valid_until is not None and kept.valid_until <= at:
            return f"evidence {shown.id} was valid until {kept.valid_until:%Y-%m-%d %H:%M} UTC"
    newest = {e.id for e in gates.latest(evidence_of(tx, version, at)).values()}
    return "" if newest == {e.id for e in approval.evidence} else "there is newer evidence"


def evidence_of(tx: Transaction, version: Version, at: datetime | None = None) -> list[Evidence]:
    """All evidence about exactly this version's manifest, or what of it is valid at a time, oldest first."""
    found = every(tx, EVIDENCE, equals("version", version.id), equals("manifest", version.manifest_digest))
    return [e for e in found if at is None or e.valid_until is None or e.valid_until > at]


def link(evidence: Evidence) -> EvidenceLink:
    return EvidenceLink(id=evidence.id, type=evidence.type, digest=evidence.digest())


def tier_of(tx: Transaction, version: Version) -> str:
    """The risk tier of the use case that the version serves; one that was never rated counts as the strictest."""
    return tx.get(USE_CASES, version.use_case_id).tier or STRICTEST


LADDER = (Status.REGISTERED, Status.VALIDATED, Status.APPROVED, Status.RELEASED)


def climb(work: Work, version: Version, status: Status, reason: str, stage: str | None = None) -> None:
    """Move a version's status up to `status`, step by step; one that stands higher stays where it is."""
    current = state_of(work.tx, version).status
    if current is Status.RETIRED:
        raise WrongState(f"version {version.name} is retired", field="version", hint="register a new version")
    for step in LADDER[LADDER.index(current) + 1 : LADDER.index(status) + 1]:
        change_status(work, version.id, step, reason=reason, stage=stage)


def subject_of_approval(tx: Transaction, request: Request, command: DecideApproval | WithdrawApproval) -> Subject:
    """What separation of duties looks at."""
    approval = tx.get(APPROVALS, command.approval)
    return Subject(
        type="approval",
        id=approval.id,
        attributes={
            "requester": approval.requester,
            "gate_definer": tx.get(GATES, approval.gate).defined_by,
            "developers": list(approval.developers),
            "tier": approval.tier,
            "stage": approval.scope.stage,
        },
    )


def _subject_of_version(tx: Transaction, request: Request, command: RecordEvidence | EvaluateGate | RequestApproval) -> Subject:
    version = find_version(tx, request.organisation, command.version)
    attributes = {"developer": version.developer, "developers": [version.developer], "tier": tier_of(tx, version)}
    if isinstance(command, RecordEvidence):
        attributes["evidence_type"] = command.type.value
    return Subject(type="version", id=version.id, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(RecordEvidence, record_evidence, _subject_of_version, Evidence),
        Handling(EvaluateGate, evaluate_gate, _subject_of_version, Evidence),
        Handling(RequestApproval, request_approval, _subject_of_version, Approval),
        Handling(DecideApproval, decide_approval, subject_of_approval, Approval),
        Handling(WithdrawApproval, withdraw_approval, subject_of_approval, Approval),
    ]
