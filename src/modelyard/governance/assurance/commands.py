"""What can be done about evidence, gates and approvals."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import AwareDatetime, Base64Bytes, Field

from modelyard.core.messages import Command
from modelyard.governance.assurance.model import (
    GREATEST_SOURCE,
    Condition,
    Digest,
    EvidenceType,
    Scope,
    Verdict,
)

GATE_NAME = r"^[a-z][a-z0-9-]{0,62}$"


class RecordEvidence(Command):
    """Add evidence about a version. A gate's result is not recorded by hand: evaluate the gate."""

    action: ClassVar[str] = "governance.record_evidence"

    version: str
    type: EvidenceType
    metrics: dict[str, float] = {}
    facts: dict[str, Any] = {}
    document: Digest | None = None
    summary: str = Field(default="", max_length=4000)
    valid_until: AwareDatetime | None = None


class AdoptGate(Command):
    """Put an approved version in force as a gate's definition, or as the first one of a gate to a new stage.

    `artifact` is the version's file in base64, read before the command is given; its digest must be the one in the manifest."""

    action: ClassVar[str] = "governance.adopt_gate"

    gate: str = Field(pattern=GATE_NAME)
    version: str
    artifact: Base64Bytes = Field(max_length=2 * GREATEST_SOURCE)


class EvaluateGate(Command):
    """Judge a version by the newest gate to a stage; the result is evidence."""

    action: ClassVar[str] = "governance.evaluate_gate"

    version: str
    stage: str = "production"


class RequestApproval(Command):
    """Ask for approval to serve. The gate must have passed on the evidence there is now."""

    action: ClassVar[str] = "governance.request_approval"

    version: str
    scope: Scope
    ticket: str = Field(default="", max_length=200)


class DecideApproval(Command):
    """Take responsibility. `shown` is the `bound` digest of the approval as it was shown."""

    action: ClassVar[str] = "governance.decide_approval"

    approval: str
    verdict: Verdict
    comments: str = Field(min_length=1, max_length=4000)
    conditions: tuple[Condition, ...] = ()
    shown: Digest


class WithdrawApproval(Command):
    """Take back a request that is still pending."""

    action: ClassVar[str] = "governance.withdraw_approval"

    approval: str
