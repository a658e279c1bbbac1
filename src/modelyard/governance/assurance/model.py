"""Evidence, gates and approvals: what is known of a version, what is asked of it, and who took responsibility."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import DIGEST, digest_of
from modelyard.core.records import Record, Table

Digest = Annotated[str, Field(pattern=DIGEST.pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EvidenceType(StrEnum):
    """What kind of proof a piece of evidence is."""

    SCAN = "scan"
    TRANSLATION = "translation"
    TEST_REPORT = "test_report"
    VALIDATION = "validation"
    COMPARISON = "comparison"
    ATTESTATION = "attestation"
    DOCUMENT = "document"
    GATE_RESULT = "gate_result"


class Evidence(Record):
    """One result, bound to the digest of what it is about. Never changed; newer evidence stands beside it.

    `metrics` are the numbers a gate may look at, `facts` the rest; `document` is the digest of a blob, if there is one.
    """

    type: EvidenceType
    version: str
    manifest: Digest
    metrics: dict[str, float] = {}
    facts: dict[str, Any] = {}
    document: Digest | None = None
    summary: str = ""
    produced_by: str
    valid_until: datetime | None = None


EVIDENCE: Table[Evidence] = Table(
    "evidence", Evidence, indexed=("type", "version", "manifest", "produced_by"), text=("summary",), append_only=True
)

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]


class Threshold(_Part):
    """One row of a gate: the latest evidence of a type must show a measure on the right side of a limit.

    `tiers` narrows the row to those risk tiers (empty: all). `required` false means: only where the measure was taken.
    Without a measure, the row only asks that evidence of the type exists.
    """

    name: str = Field(min_length=1, max_length=100)
    evidence: EvidenceType
    measure: str | None = None
    comparison: Comparison = "ge"
    limit: float | None = None
    required: bool = True
    tiers: tuple[str, ...] = ()
    reason: str = ""


class ApprovalRule(_Part):
    """Who must approve at a tier: one approval from somebody holding each of `roles`, by different people."""

    tiers: tuple[str, ...] = ()
    roles: tuple[str, ...] = Field(min_length=1)
    days_to_decide: int = Field(default=14, ge=1, le=365)
    release_days: int = Field(default=180, ge=1, le=3650)


class Gate(Record):
    """The conditions for passing from one stage to the next. A definition is never changed: its successor has the next number."""

    name: str
    number: int
    to_stage: str
    thresholds: tuple[Threshold, ...]
    approvals: tuple[ApprovalRule, ...]
    defined_by: str
    approved_by: str | None = None

    def definition_digest(self) -> str:
        """The digest of what the gate asks, whoever defined it."""
        return digest_of(self.model_dump(mode="json", include={"name", "number", "to_stage", "thresholds", "approvals"}))


GATES: Table[Gate] = Table(
    "gates",
    Gate,
    indexed=("name", "number", "to_stage"),
    unique=(("organisation", "name", "number"),),
    text=("name",),
    append_only=True,
)


class RowResult(_Part):
    """What a gate's row found. `evidence` is the record it looked at."""

    name: str
    passed: bool
    detail: str
    evidence: str | None = None
    value: float | None = None
    limit: float | None = None


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    VOID = "void"


class EvidenceLink(_Part):
    """Evidence by id, type and the digest that its record had when it was shown."""

    id: str
    type: EvidenceType
    digest: Digest


class Scope(_Part):
    """What is asked for: where, in which roles, and up to which share a version may serve."""

    use_case: str
    endpoints: tuple[str, ...] = Field(min_length=1)
    stage: str = "production"
    roles: tuple[Literal["champion", "challenger", "shadow", "fallback"], ...] = Field(min_length=1)
    greatest_share: float = Field(default=1.0, gt=0, le=1)


class Approval(Record):
    """A request for approval and how it stands. `bound` is the digest of all that is shown to the approvers: version, evidence,
    gate, tier and scope. When any of these changes, the approval is void."""

    subject_type: Literal["version"] = "version"
    subject_id: str
    manifest: Digest
    action: Literal["promote", "demote", "deploy", "replace", "retire", "exception", "override"] = "deploy"
    from_stage: str
    scope: Scope
    gate: str
    gate_digest: Digest
    tier: str
    requester: str
    developers: tuple[str, ...]
    roles_required: tuple[str, ...]
    evidence: tuple[EvidenceLink, ...]
    bound: Digest
    expires_at: datetime
    release_until: datetime
    on_timeout: Literal["expire"] = "expire"
    ticket: str = ""
    status: ApprovalStatus = ApprovalStatus.PENDING
    decided_at: datetime | None = None
    superseded_by: str | None = None


APPROVALS: Table[Approval] = Table(
    "approvals", Approval, indexed=("subject_id", "status", "requester", "tier", "expires_at"), text=("ticket", "subject_id")
)


class Condition(_Part):
    """Something the approver asks for, by a date."""

    text: str = Field(min_length=1, max_length=2000)
    due: datetime


Verdict = Literal["approved", "approved_with_conditions", "rejected", "changes_requested"]


class ApprovalDecision(Record):
    """One person's decision. `shown` is the digest of what they were shown; `previous` chains the decisions of an approval."""

    approval: str
    approver: str
    role: str
    authentication: str
    second_line: bool
    verdict: Verdict
    comments: str
    conditions: tuple[Condition, ...] = ()
    shown: Digest
    previous: Digest | None = None


APPROVAL_DECISIONS: Table[ApprovalDecision] = Table(
    "approval_decisions",
    ApprovalDecision,
    indexed=("approval", "approver"),
    unique=(("approval", "approver"),),
    text=("comments",),
    append_only=True,
)

TABLES: tuple[Table[Any], ...] = (EVIDENCE, GATES, APPROVALS, APPROVAL_DECISIONS)


def bound_digest(
    *, manifest: str, evidence: tuple[EvidenceLink, ...], gate_digest: str, tier: str, scope: Scope, release_until: datetime
) -> str:
    """The digest of everything an approver is shown, independent of the order of the evidence."""
    return digest_of(
        {
            "manifest": manifest,
            "evidence": sorted(e.digest for e in evidence),
            "gate": gate_digest,
            "tier": tier,
            "scope": scope.model_dump(mode="json"),
            "release_until": release_until.isoformat(),
        }
    )
