"""Handlers of the commands on tasks. Whether somebody may is asked of the policies at each of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from modelyard import bpmn
from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, equals, every, first
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import APPROVALS, Evidence, EvidenceType
from modelyard.governance.identity.model import IDENTITIES, Identity
from modelyard.governance.identity.service import roles_of
from modelyard.governance.policy.authorizer import CedarAuthorizer
from modelyard.lifecycle import operations, subjects
from modelyard.lifecycle.advancing import advance
from modelyard.lifecycle.model import INSTANCES, engine_id
from modelyard.lifecycle.tasks import commands as ask
from modelyard.lifecycle.tasks import events, forms, opening
from modelyard.lifecycle.tasks.model import (
    LIVE,
    NEGATIVE,
    TASK_DECISIONS,
    TASK_NOTES,
    TASKS,
    EvidenceShown,
    Task,
    TaskDecision,
    TaskNote,
    TaskStatus,
)
from modelyard.monitoring.model import ALERTS

SECOND_LINE = frozenset(("validator", "risk_officer"))
MOST_FINDINGS = 50


def claim_task(work: Work, command: ask.ClaimTask) -> Task:
    task = _live(work, command.task)
    if task.quorum > 1:
        raise WrongState(f"task {task.id} takes {task.quorum} decisions; it is not claimed, everybody completes it", field="task")
    if task.assignee == work.actor.id:
        return task
    if task.assignee is not None:
        raise WrongState(
            f"task {task.id} is claimed by {_name(work, task.assignee)}", field="task", hint="ask them to release it"
        )
    return _assigned(work, task, work.actor.id, TaskStatus.CLAIMED)


def release_task(work: Work, command: ask.ReleaseTask) -> Task:
    task = _live(work, command.task)
    if task.assignee is None:
        raise WrongState(f"nobody has claimed task {task.id}", field="task")
    return _assigned(work, task, None, TaskStatus.OPEN)


def delegate_task(work: Work, command: ask.DelegateTask) -> Task:
    """Raises Forbidden when the other may not do it either."""
    task = _live(work, command.task)
    other = _identity(work, command.to)
    may = other.id in task.candidates or roles_of(work.tx, other.id) & {*task.roles}
    if not may or other.id in task.excluded:
        raise Forbidden(
            f"{other.name} may not do task {task.id}",
            field="to",
            hint=f"it is for {', '.join(task.roles) or 'named persons'}, and not for who asked or built",
        )
    return _assigned(work, task, other.id, TaskStatus.CLAIMED, delegated_by=work.actor.id)


def _assigned(work: Work, task: Task, who: str | None, status: TaskStatus, **more: Any) -> Task:
    changes = {
        "assignee": who,
        "status": status,
        "worked_s": opening.worked(task, work.now),
        "claimed_at": work.now if who is not None else None,
    }
    task = work.save(TASKS, task.model_copy(update=changes | more))
    work.emit(events.TaskAssigned(**opening.told(task), assignee=who), f"instance:{task.instance}")
    return task


def complete_task(bus: Bus, work: Work, command: ask.CompleteTask) -> Task:
    """Decide. The command that the task stands for, the approval record and the step that follows are kept together."""
    task = _live(work, command.task)
    if task.assignee is not None and task.assignee != work.actor.id:
        raise WrongState(
            f"task {task.id} is claimed by {_name(work, task.assignee)}", field="task", hint="ask them to release it"
        )
    if task.quorum > 1 and task.operation is not None:
        raise WrongState(f"task {task.id} has a command and a quorum, which do not go together", field="task")
    filled = forms.fill(task.form, command.data)
    earlier = every(work.tx, TASK_DECISIONS, equals("task", task.id))
    if any(decision.approver == work.actor.id for decision in earlier):
        raise AlreadyExists(f"you have decided task {task.id} already", field="task", hint="one decision each")
    verdict = _verdict(command, filled)
    result = _operate(bus, work, task, command, filled, verdict)
    decision = _keep_decision(work, task, command, filled, verdict, earlier)
    return _go_on(work, task, [*earlier, decision], filled, result)


def _verdict(command: ask.CompleteTask, filled: dict[str, Any]) -> str:
    """A form may ask for the verdict itself."""
    asked = filled.get("verdict")
    given = asked if command.verdict == "done" and isinstance(asked, str) else command.verdict
    known = ("approved", "approved_with_conditions", "rejected", "changes_requested", "done")
    if given not in known:
        raise InvalidInput(f"{given!r} is no verdict", field="verdict", hint=f"one of {', '.join(known)}")
    return given


def _operate(
    bus: Bus, work: Work, task: Task, command: ask.CompleteTask, filled: dict[str, Any], verdict: str
) -> dict[str, Any] | None:
    """Give the task's command in the person's own name. What the process says comes before what the person fills in."""
    if task.operation is None:
        return None
    kind = bus.command_of(task.operation)
    own = {
        "verdict": verdict,
        "comments": command.comments,
        "conditions": [c.model_dump(mode="json") for c in command.conditions],
    }
    given = {**own, **filled, **task.data}
    made = operations.command_from(kind, given, strict=False, where=task.element)
    reason = command.comments or f"{task.name} ({task.process}, {task.instance})"
    return bus.within(work, made, work.actor, reason).model_dump(mode="json")


def _keep_decision(
    work: Work, task: Task, command: ask.CompleteTask, filled: dict[str, Any], verdict: str, earlier: list[TaskDecision]
) -> TaskDecision:
    role = _role(work, task, earlier)
    about = task.about or f"instance:{task.instance}"
    kind, _, subject = about.partition(":")
    where = (equals("instance", task.instance),)
    before = work.find(TASK_DECISIONS, Query(where=where, sort="created_at", descending=True, limit=1)).items
    decision = TaskDecision(
        **work.new("tdc"),
        task=task.id,
        instance=task.instance,
        process=task.process,
        number=task.number,
        step=task.element,
        subject_type=kind,
        subject_id=subject,
        subject_digest=subjects.digest_of_subject(work.tx, work.organisation, task.about),
        action=task.operation or task.element,
        quorum=task.quorum,
        role=role,
        assignee=task.assignee,
        delegated_by=task.delegated_by,
        requester=task.requester,
        approver=work.actor.id,
        second_line=role in SECOND_LINE,
        verdict=verdict,
        comments=command.comments,
        conditions=command.conditions,
        evidence=_evidence(work, task),
        findings=_findings(work, task),
        policy_set=CedarAuthorizer().policy_set(work.tx),
        tier=task.tier,
        ticket=command.ticket,
        requested_at=task.created_at,
        assigned_at=task.claimed_at,
        expires_at=task.expires_at,
        on_timeout="expire" if task.expires_at else "wait",
        approval=task.approval,
        form=filled,
        shown=digest_of({"name": task.name, "about": task.about, "data": task.data, "form": task.form}),
        previous=before[0].digest() if before else None,
    )
    return work.add(TASK_DECISIONS, decision)


def _role(work: Work, task: Task, earlier: list[TaskDecision]) -> str | None:
    """In which of the task's roles it is decided: with several decisions, one that is not taken yet comes first."""
    mine = [role for role in task.roles if role in work.actor.roles]
    taken = {decision.role for decision in earlier}
    return next((role for role in mine if role not in taken), mine[0] if mine else None)


def _evidence(work: Work, task: Task) -> tuple[EvidenceShown, ...]:
    notes = every(work.tx, TASK_NOTES, equals("task", task.id))
    shown = [EvidenceShown(id=n.evidence or n.id, type="attachment", digest=n.document) for n in notes if n.document]
    if task.approval is not None:
        approval = first(work.tx, APPROVALS, equals("id", task.approval))
        links = approval.evidence if approval is not None else ()
        shown += [EvidenceShown(id=link.id, type=link.type.value, digest=link.digest) for link in links]
    return tuple(shown)


def _findings(work: Work, task: Task) -> tuple[str, ...]:
    """Alerts that are open for the use case at this moment."""
    if task.use_case is None:
        return ()
    where = (equals("use_case", task.use_case), equals("live", True))
    return tuple(alert.id for alert in work.find(ALERTS, Query(where=where, limit=MOST_FINDINGS)).items)


def _go_on(work: Work, task: Task, decisions: list[TaskDecision], filled: dict[str, Any], result: dict[str, Any] | None) -> Task:
    last = decisions[-1]
    approvals = sum(decision.verdict not in NEGATIVE for decision in decisions)
    ended = last.verdict in NEGATIVE or approvals >= task.quorum
    told = events.TaskDecided(**opening.told(task), by=last.approver, verdict=last.verdict, ended=ended)
    work.emit(told, f"instance:{task.instance}")
    if not ended:
        return work.save(TASKS, task.model_copy(update={"approvals": approvals}))
    outcome = {
        **filled,
        "verdict": last.verdict,
        "comments": last.comments,
        "by": last.approver,
        "decisions": [{"by": d.approver, "role": d.role, "verdict": d.verdict, "comments": d.comments} for d in decisions],
        **({"result": result} if result is not None else {}),
    }
    done = {"approvals": approvals, "completed_by": last.approver, "result": outcome}
    task = opening.end_task(work, task, TaskStatus.COMPLETED, **done)
    event = bpmn.WorkCompleted(at=work.now, work=task.work, result=outcome)
    details = {"task": task.id, "verdict": last.verdict}
    advance(work, work.get(INSTANCES, task.instance), event, what="task", element=task.element, details=details)
    return task


def comment_task(work: Work, command: ask.CommentTask) -> TaskNote:
    task = work.get(TASKS, command.task)
    note = TaskNote(**work.new("tnt"), task=task.id, instance=task.instance, author=work.actor.id, text=command.text)
    work.emit(events.TaskCommented(**opening.told(task), by=work.actor.id), f"instance:{task.instance}")
    return work.add(TASK_NOTES, note)


def attach_to_task(bus: Bus, work: Work, command: ask.AttachToTask) -> TaskNote:
    """Keep a document with the task; at one about a version it is evidence of the type `document`, given in one's own name. Not
    where an approval is being decided: new evidence would make void what the approvers were shown."""
    task = _live(work, command.task)
    evidence: str | None = None
    if task.approval is None and task.about is not None and task.about.startswith("version:"):
        record = RecordEvidence(
            version=task.about.partition(":")[2],
            type=EvidenceType.DOCUMENT,
            document=command.document,
            summary=command.summary or command.filename,
            facts={"task": task.id, "filename": command.filename},
        )
        made = bus.within(work, record, work.actor, f"attached to {task.name}")
        assert isinstance(made, Evidence)
        evidence = made.id
    note = TaskNote(
        **work.new("tnt"),
        task=task.id,
        instance=task.instance,
        author=work.actor.id,
        text=command.summary,
        document=command.document,
        filename=command.filename,
        evidence=evidence,
    )
    work.emit(
        events.TaskCommented(**opening.told(task), by=work.actor.id, document=command.document), f"instance:{task.instance}"
    )
    return work.add(TASK_NOTES, note)


def tend_task(work: Work, command: ask.TendTask) -> Task:
    """What time brings: the end first, then the escalation, then the reminder."""
    task = _live(work, command.task)
    if task.next_at is None or task.next_at > work.now:
        raise WrongState(f"nothing is due at task {task.id}", field="task")
    if task.expires_at is not None and task.expires_at <= work.now:
        return _expire(work, task)
    if task.due_at is not None and task.due_at <= work.now and task.escalate_to and not task.escalated:
        return _escalate(work, task)
    reminded = task.model_copy(update={"remind_at": None})
    work.emit(events.TaskReminded(**opening.told(task)), f"instance:{task.instance}")
    return work.save(TASKS, reminded.model_copy(update={"next_at": opening.next_time(reminded)}))


def _escalate(work: Work, task: Task) -> Task:
    wider = tuple(dict.fromkeys((*task.roles, *task.escalate_to)))
    task = task.model_copy(update={"roles": wider, "escalated": True, "priority": task.priority + 1})
    for role in task.escalate_to:
        opening.add_candidacy(work, task, f"role:{role}")
    work.emit(events.TaskEscalated(**opening.told(task), to=task.escalate_to), f"instance:{task.instance}")
    return work.save(TASKS, task.model_copy(update={"next_at": opening.next_time(task)}))


def _expire(work: Work, task: Task) -> Task:
    task = opening.end_task(work, task, TaskStatus.EXPIRED)
    work.emit(events.TaskExpired(**opening.told(task)), f"instance:{task.instance}")
    event = bpmn.WorkFailed(at=work.now, work=engine_id(task.id), code="expired", message=f"nobody did {task.name} in time")
    details = {"task": task.id, "code": "expired"}
    advance(work, work.get(INSTANCES, task.instance), event, what="failed", element=task.element, details=details)
    return task


def _live(work: Work, id_: str) -> Task:
    task = work.get(TASKS, id_)
    if task.status not in LIVE:
        by = f" by {_name(work, task.completed_by)}" if task.completed_by else ""
        raise WrongState(f"task {task.id} is {task.status.value}{by}", field="task")
    return task


def _identity(work: Work, reference: str) -> Identity:
    found = opening.known_as(work.tx, work.organisation, reference)
    identity = work.get(IDENTITIES, found)
    if not identity.active:
        raise WrongState(f"{identity.name} is no longer active", field="to")
    return identity


def _name(work: Work, identity_id: str) -> str:
    found = first(work.tx, IDENTITIES, equals("id", identity_id))
    return found.name if found is not None else identity_id


def _subject(tx: Transaction, request: Request, command: Any) -> Subject:
    """What separation of duties looks at: whose the task is, whose it is not, who asked and who built."""
    task = tx.get(TASKS, command.task)
    return Subject(type="task", id=task.id, attributes=attributes_of(tx, request.organisation, task))


def attributes_of(tx: Transaction, organisation: str, task: Task) -> dict[str, Any]:
    optional = {
        "assignee": task.assignee,
        "requester": task.requester,
        "use_case": task.use_case,
        "tier": task.tier,
    }
    return {
        "name": task.process,
        "step": task.element,
        "task_roles": list(task.roles),
        "candidates": list(task.candidates),
        "excluded": list(task.excluded),
        "developers": list(subjects.developers_of(tx, organisation, task.about)),
        **{name: value for name, value in optional.items() if value is not None},
    }


def handlings(bus: Bus) -> list[Handling[Any]]:
    return [
        Handling(ask.ClaimTask, claim_task, _subject, Task),
        Handling(ask.ReleaseTask, release_task, _subject, Task),
        Handling(ask.DelegateTask, delegate_task, _subject, Task),
        Handling(ask.CompleteTask, partial(complete_task, bus), _subject, Task),
        Handling(ask.CommentTask, comment_task, _subject, TaskNote),
        Handling(ask.AttachToTask, partial(attach_to_task, bus), _subject, TaskNote),
        Handling(ask.TendTask, tend_task, _subject, Task),
    ]
