"""Evidence, gates and approvals: what is known of a version, what is asked of it, and who took responsibility."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from modelyard.core.digests import DIGEST, canonical, digest, digest_of
from modelyard.core.records import Record, Table

Digest = Annotated[str, Field(pattern=DIGEST.pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _digest_as_kept(record: Record, later: tuple[str, ...]) -> str:
    """The digest of a record without those of its `later` fields that it does not have: approvals and the audit log name the
    records of earlier schemas by digests taken before these fields existed."""
    absent = {name for name in later if getattr(record, name) is None}
    return digest(canonical(record.model_dump(mode="json", exclude=absent)))


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
    `gate_definition` says under which definition of its gate it was produced: the one in force for the stage that the version
    is meant for, and in a gate's result the one that judged.
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
    gate_definition: Digest | None = None

    def digest(self) -> str:
        """As of every record; what was kept before `gate_definition` existed has the digest that it had."""
        return _digest_as_kept(self, ("gate_definition",))


EVIDENCE: Table[Evidence] = Table(
    "evidence", Evidence, indexed=("type", "version", "manifest", "produced_by"), text=("summary",), append_only=True
)

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]


class Threshold(_Part):
    """One row of a gate as gates were written before they became decisions; `thresholds` translates it.

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
    """Who must approve at a tier: one approval for each of `roles`, all by different people."""

    tiers: tuple[str, ...] = ()
    roles: tuple[str, ...] = Field(min_length=1)
    days_to_decide: int = Field(default=14, ge=1, le=365)
    release_days: int = Field(default=180, ge=1, le=3650)


RISK_TIER = "risk-tier"
"""The name of the decision that rates use cases. It leads to no stage, and is kept and replaced like a gate."""
GOVERNANCE = "governance"
"""The stage of versions that become gates, and the name of the gate to it."""
PLATFORM = "platform-governance"
"""The use case whose models are the gates and the risk tiering."""
GREATEST_SOURCE = 1 << 20
"""Bytes of a gate's DMN file."""
_SINCE_DMN = ("source", "source_digest", "version", "manifest", "approval", "adopted_by")


class Gate(Record):
    """A decision (DMN) on who may pass from one stage to the next, and who approves. Never changed: its successor has the next
    number. `source` is the DMN file. A gate that came with the platform has no `version`; any other is a version of kind
    `rules`, with the approval it was adopted on. `defined_by` wrote it, `adopted_by` put it in force.

    Gates that were defined before gates were decisions have `thresholds` and `approvals` in place of a `source`.
    """

    name: str
    number: int
    to_stage: str
    thresholds: tuple[Threshold, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()
    defined_by: str
    approved_by: str | None = None
    source: str | None = None
    source_digest: Digest | None = None
    version: str | None = None
    manifest: Digest | None = None
    approval: str | None = None
    adopted_by: str | None = None

    def digest(self) -> str:
        """As of every record; what was kept before gates were decisions has the digest that it had."""
        return _digest_as_kept(self, _SINCE_DMN)

    def definition_digest(self) -> str:
        """The digest of what the gate asks, whoever defined it."""
        named = {"name", "number", "to_stage"}
        asked = {"thresholds", "approvals"} if self.source is None else {"source_digest", "manifest"}
        return digest_of(self.model_dump(mode="json", include=named | asked))


GATES: Table[Gate] = Table(
    "gates",
    Gate,
    indexed=("name", "number", "to_stage"),
    unique=(("organisation", "name", "number"),),
    text=("name",),
    append_only=True,
)


class RowResult(_Part):
    """What a condition of a gate came to, and why. `evidence` is the record it looked at, `category` the kind of concern."""

    name: str
    passed: bool
    reason: str
    category: str = ""
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
    """What is asked for: where, in which roles, and up to which share a version may serve, and whether it may use the network."""

    use_case: str
    endpoints: tuple[str, ...] = Field(min_length=1)
    stage: str = "production"
    roles: tuple[Literal["champion", "challenger", "shadow", "fallback"], ...] = Field(min_length=1)
    greatest_share: float = Field(default=1.0, gt=0, le=1)
    network: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not asked for is not written, so that approvals from before it could be have the digests that they had."""
        found: dict[str, Any] = plain(self)
        return {name: value for name, value in found.items() if name != "network" or value}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Described by its fields, whatever is left out when it is written."""
        return handler({name: part for name, part in core.items() if name != "serialization"})


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
