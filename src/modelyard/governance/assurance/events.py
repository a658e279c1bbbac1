"""What happened to evidence, gates and approvals."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class EvidenceRecorded(Event):
    type: ClassVar[str] = "governance.evidence_recorded"

    evidence: str
    version: str
    evidence_type: str


class GateDefined(Event):
    type: ClassVar[str] = "governance.gate_defined"

    gate: str
    name: str
    number: int


class GateAdopted(Event):
    """A version became a gate's definition."""

    type: ClassVar[str] = "governance.gate_adopted"

    gate: str
    name: str
    number: int
    version: str
    approval: str


class GateEvaluated(Event):
    type: ClassVar[str] = "governance.gate_evaluated"

    evidence: str
    version: str
    gate: str
    passed: bool


class ApprovalRequested(Event):
    type: ClassVar[str] = "governance.approval_requested"

    approval: str
    version: str
    roles: tuple[str, ...]


class ApprovalDecided(Event):
    type: ClassVar[str] = "governance.approval_decided"

    approval: str
    version: str
    verdict: str
    status: str


class ApprovalWithdrawn(Event):
    type: ClassVar[str] = "governance.approval_withdrawn"

    approval: str
    version: str


EVENTS: tuple[type[Event], ...] = (
    EvidenceRecorded,
    GateDefined,
    GateAdopted,
    GateEvaluated,
    ApprovalRequested,
    ApprovalDecided,
    ApprovalWithdrawn,
)
