"""Human tasks: what a person is to do in a process, who may, by when, and the record of who took responsibility."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.core.records import Record, Table
from modelyard.lifecycle.model import Digest

GREATEST_QUORUM = 50
GREATEST_PRIORITY = 9999


class TaskStatus(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


LIVE = (TaskStatus.OPEN, TaskStatus.CLAIMED)


class Task(Record):
    """A step that waits for a person: one who has one of `roles` or is among `candidates`, and is not among `excluded`. Policies
    ask that when the task is claimed and again when it is completed.

    `form` is the JSON Schema of what is to be filled in, `data` what the person is shown; with `strict` the process named it
    itself. `operation` is the command that is given in the person's name when the task is completed, in the same transaction.
    `quorum` is how many must approve by `rule`, `each` the roles of which one is asked for each, `decided_by` who has decided
    so far. `next_at` is the next reminder, escalation or expiry. `opened_step` is the instance's step that asked for it, `scopes`
    what the token of who completed it was narrowed to."""

    instance: str
    process: str
    number: int
    work: str
    element: str
    name: str
    about: str | None = None
    use_case: str | None = None
    status: TaskStatus = TaskStatus.OPEN
    priority: int = 0
    roles: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    assignee: str | None = None
    delegated_by: str | None = None
    requester: str | None = None
    tier: str | None = None
    form: dict[str, Any] | None = None
    data: dict[str, Any] = {}
    strict: bool = False
    operation: str | None = None
    approval: str | None = None
    quorum: int = Field(default=1, ge=1)
    rule: str = "any"
    each: tuple[str, ...] = ()
    approvals: int = 0
    decided_by: tuple[str, ...] = ()
    due_at: datetime | None = None
    remind_at: datetime | None = None
    expires_at: datetime | None = None
    next_at: datetime | None = None
    escalate_to: tuple[str, ...] = ()
    escalated: bool = False
    claimed_at: datetime | None = None
    worked_s: float = 0.0
    ended_at: datetime | None = None
    completed_by: str | None = None
    opened_step: int = 0
    scopes: tuple[str, ...] = ()
    result: dict[str, Any] | None = None


TASKS: Table[Task] = Table(
    "tasks",
    Task,
    indexed=(
        "instance", "process", "element", "status", "assignee", "priority", "about", "use_case", "due_at", "next_at",
        "completed_by",
    ),
    text=("name", "about", "process"),
)  # fmt: skip


class Candidacy(Record):
    """That a task nobody has claimed waits for `who`: `role:validator` or `identity:idn_…`. An inbox is one look-up, in the order
    of `urgency`; removed when the task is claimed or ends."""

    task: str
    who: str
    urgency: str


CANDIDACIES: Table[Candidacy] = Table("task_candidacies", Candidacy, indexed=("task", "who", "urgency"))

TaskVerdict = Literal["approved", "approved_with_conditions", "rejected", "changes_requested", "done"]
VERDICTS: tuple[TaskVerdict, ...] = ("approved", "approved_with_conditions", "rejected", "changes_requested", "done")
NEGATIVE = ("rejected", "changes_requested")


class DueCondition(BaseModel):
    """Something the approver asks for, by a date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, max_length=2000)
    due: AwareDatetime


class EvidenceShown(BaseModel):
    """A piece of evidence, or an attachment, with the digest it had when the decision was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    type: str
    digest: Digest


class TaskDecision(Record):
    """One person's decision at a task: the approval record. `roles` and `rule` are whose decision was asked for, `role` is in
    which of these it was taken. `shown` is the digest of what the task showed; `sequence` and `previous`, the digest of the one
    before, chain the decisions of an instance. Where it is about a version's release, `approval` is the governed approval it
    belongs to."""

    task: str
    instance: str
    process: str
    number: int
    step: str
    sequence: int
    subject_type: str
    subject_id: str
    subject_version: int | None = None
    subject_digest: Digest | None = None
    action: str
    from_stage: str | None = None
    to_stage: str | None = None
    quorum: int
    rule: str
    roles: tuple[str, ...]
    role: str | None
    assignee: str | None
    delegated_by: str | None
    requester: str | None
    approver: str
    authentication: str = "token"
    second_line: bool
    verdict: TaskVerdict
    comments: str = ""
    conditions: tuple[DueCondition, ...] = ()
    evidence: tuple[EvidenceShown, ...] = ()
    findings: tuple[str, ...] = ()
    policy_set: str
    tier: str | None
    ticket: str = ""
    requested_at: datetime
    assigned_at: datetime | None
    expires_at: datetime | None
    on_timeout: str
    approval: str | None = None
    form: dict[str, Any] = {}
    shown: Digest
    previous: Digest | None = None


TASK_DECISIONS: Table[TaskDecision] = Table(
    "task_decisions",
    TaskDecision,
    indexed=("task", "instance", "process", "step", "sequence", "approver", "verdict", "subject_id", "approval"),
    unique=(("task", "approver"), ("instance", "sequence")),
    text=("comments",),
    append_only=True,
)


class TaskNote(Record):
    """What somebody said at a task, or attached to it: `document` is the digest of a blob, `evidence` the record it became when
    the task is about a version."""

    task: str
    instance: str
    author: str
    text: str = ""
    document: Digest | None = None
    filename: str | None = None
    evidence: str | None = None


TASK_NOTES: Table[TaskNote] = Table(
    "task_notes", TaskNote, indexed=("task", "instance", "author"), text=("text",), append_only=True
)

EXPLAINED_TABLES: tuple[Table[Any], ...] = (TASKS, TASK_DECISIONS, TASK_NOTES)
TABLES: tuple[Table[Any], ...] = (*EXPLAINED_TABLES, CANDIDACIES)
