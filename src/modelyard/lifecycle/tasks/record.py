"""The approval record: who took responsibility for what, in which role, and what lay before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from modelyard.catalog.lookup import state_of
from modelyard.catalog.model import VERSIONS
from modelyard.core.bus import Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import InvalidInput, WrongState
from modelyard.core.records import Query, equals, every
from modelyard.governance.assurance.model import APPROVALS, Approval
from modelyard.governance.policy.authorizer import CedarAuthorizer
from modelyard.lifecycle import subjects
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.model import (
    TASK_DECISIONS,
    TASK_NOTES,
    VERDICTS,
    DueCondition,
    EvidenceShown,
    Task,
    TaskDecision,
    TaskVerdict,
)
from modelyard.monitoring.model import ALERTS

SECOND_LINE = frozenset(("validator", "risk_officer"))
MOST_FINDINGS = 50


@dataclass(frozen=True)
class Word:
    """What somebody says at a task: as the command gives it, else as its form asks for it."""

    verdict: TaskVerdict
    comments: str
    conditions: tuple[DueCondition, ...]
    form: dict[str, Any]

    def said(self) -> dict[str, Any]:
        """As fields of a command that is given in their name: nobody else puts these into their mouth."""
        told: dict[str, Any] = {"verdict": self.verdict, "comments": self.comments}
        if self.conditions or "conditions" not in self.form:
            told["conditions"] = [condition.model_dump(mode="json") for condition in self.conditions]
        return told


def verdict_of(verdict: str, data: dict[str, Any]) -> str:
    """A form may ask for the verdict itself."""
    asked = data.get("verdict")
    return asked if verdict == "done" and isinstance(asked, str) else verdict


def word_of(command: CompleteTask, filled: dict[str, Any]) -> Word:
    """Raises InvalidInput for a verdict that there is not."""
    verdict = verdict_of(command.verdict, filled)
    found = next((known for known in VERDICTS if known == verdict), None)
    if found is None:
        raise InvalidInput(f"{verdict!r} is no verdict", field="verdict", hint=f"one of {', '.join(VERDICTS)}")
    comments = filled.get("comments")
    spoken = command.comments or (comments if isinstance(comments, str) else "")
    return Word(found, spoken, command.conditions or _conditions(filled.get("conditions")), filled)


def _conditions(asked: Any) -> tuple[DueCondition, ...]:
    """Those that a form asks for as such: a list of texts with a date each."""
    try:
        return tuple(DueCondition.model_validate(each) for each in asked) if isinstance(asked, list) else ()
    except ValidationError:
        return ()  # the form means something else by that name; it is kept with the form's data


def role_for(work: Work, task: Task, earlier: Sequence[TaskDecision]) -> str | None:
    """In which of the task's roles it is decided; None for somebody who is named for it. Where one of each role is asked for,
    it is a role that nobody has decided in yet. Raises WrongState when there is none left for this person."""
    mine = [role for role in task.roles if role in work.actor.roles]
    taken = {decision.role for decision in earlier}
    if not task.each:
        return next((role for role in mine if role not in taken), mine[0] if mine else None)
    missing = [role for role in task.each if role not in taken]
    able = [role for role in mine if role in missing or role not in task.each]
    if not able:
        raise WrongState(
            f"task {task.id} takes one decision of each role; {', '.join(missing)} is missing",
            field="task",
            hint="ask one of them",
        )
    return able[0]


def keep_decision(
    work: Work, task: Task, word: Word, earlier: Sequence[TaskDecision], *, approval: str | None, ticket: str
) -> TaskDecision:
    """Add the record, chained to the instance's one before. `approval` is the governed one that was decided with it."""
    governed = work.get(APPROVALS, approval) if approval is not None else None
    fields = (
        work.new("tdc")
        | _asked_of(task)
        | _decided_by(work, task, earlier)
        | _about(work, task, governed)
        | _seen(work, task, governed)
        | _chained(work, task.instance)
        | {"approval": approval, "ticket": ticket or (governed.ticket if governed is not None else "")}
        | {"verdict": word.verdict, "comments": word.comments, "conditions": word.conditions, "form": word.form}
    )
    return work.add(TASK_DECISIONS, TaskDecision(**fields))


def _asked_of(task: Task) -> dict[str, Any]:
    """What the task asked for, of whom and by when."""
    return {
        "task": task.id,
        "instance": task.instance,
        "process": task.process,
        "number": task.number,
        "step": task.element,
        "action": task.operation or task.element,
        "quorum": task.quorum,
        "rule": task.rule,
        "roles": task.roles,
        "assignee": task.assignee,
        "delegated_by": task.delegated_by,
        "requester": task.requester,
        "requested_at": task.created_at,
        "assigned_at": task.claimed_at,
        "expires_at": task.expires_at,
        "on_timeout": _on_timeout(task),
    }


def _decided_by(work: Work, task: Task, earlier: Sequence[TaskDecision]) -> dict[str, Any]:
    """Who decides, in which role, under which policies."""
    role = role_for(work, task, earlier)
    return {
        "approver": work.actor.id,
        "role": role,
        "second_line": role in SECOND_LINE if role is not None else bool(work.actor.roles & SECOND_LINE),
        "policy_set": CedarAuthorizer().policy_set(work.tx),
    }


def _about(work: Work, task: Task, approval: Approval | None) -> dict[str, Any]:
    """What it is about, as it stands at this moment; the instance itself where the task is about nothing else."""
    about = subjects.find(work.tx, work.organisation, task.about) if task.about is not None else None
    kind, _, subject = (task.about or f"instance:{task.instance}").partition(":")
    from_stage, to_stage, number = _stages(work, task, approval)
    return {
        "subject_type": kind,
        "subject_id": subject,
        "subject_version": number,
        "subject_digest": about.digest if about is not None else None,
        "tier": (about.tier if about is not None else None) or task.tier,
        "from_stage": from_stage,
        "to_stage": to_stage,
    }


def _seen(work: Work, task: Task, approval: Approval | None) -> dict[str, Any]:
    """What lay before who decided."""
    return {
        "evidence": _evidence(work, task, approval),
        "findings": _findings(work, task),
        "shown": digest_of({"name": task.name, "about": task.about, "data": task.data, "form": task.form}),
    }


def _chained(work: Work, instance: str) -> dict[str, Any]:
    before = _before(work, instance)
    return {"sequence": before.sequence + 1 if before else 1, "previous": before.digest() if before else None}


def _before(work: Work, instance: str) -> TaskDecision | None:
    where = (equals("instance", instance),)
    found = work.find(TASK_DECISIONS, Query(where=where, sort="sequence", descending=True, limit=1)).items
    return found[0] if found else None


def _stages(work: Work, task: Task, approval: Approval | None) -> tuple[str | None, str | None, int | None]:
    """From where to where it is decided, and the number of the version: of the approval, else as the process names them, else
    where the version stands."""
    kind, _, id_ = (task.about or "").partition(":")
    version = work.get(VERSIONS, id_) if kind == "version" else None
    named = [task.data.get(name) for name in ("from_stage", "to_stage")]
    begin, end = (stage if isinstance(stage, str) else None for stage in named)
    if approval is not None:
        begin, end = approval.from_stage, approval.scope.stage
    elif begin is None and version is not None:
        begin = state_of(work.tx, version).status.value
    return begin, end, version.number if version is not None else None


def _evidence(work: Work, task: Task, approval: Approval | None) -> tuple[EvidenceShown, ...]:
    notes = every(work.tx, TASK_NOTES, equals("task", task.id))
    shown = [EvidenceShown(id=n.evidence or n.id, type="attachment", digest=n.document) for n in notes if n.document]
    links = approval.evidence if approval is not None else ()
    return (*shown, *(EvidenceShown(id=link.id, type=link.type.value, digest=link.digest) for link in links))


def _findings(work: Work, task: Task) -> tuple[str, ...]:
    """Alerts that are open for the use case at this moment."""
    if task.use_case is None:
        return ()
    where = (equals("organisation", work.organisation), equals("use_case", task.use_case), equals("live", True))
    return tuple(alert.id for alert in work.find(ALERTS, Query(where=where, limit=MOST_FINDINGS)).items)


def _on_timeout(task: Task) -> str:
    if task.expires_at is not None:
        return "expire"
    return "escalate" if task.due_at is not None and task.escalate_to else "wait"
