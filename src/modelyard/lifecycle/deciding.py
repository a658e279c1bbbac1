"""Handlers of the commands on tasks. Whether somebody may is asked of the policies at each of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from modelyard import bpmn
from modelyard.catalog.lookup import mine
from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import AlreadyExists, Forbidden, NotFound, WrongState
from modelyard.core.messages import Actor, ActorKind, Command, Subject
from modelyard.core.records import Transaction, equals, every, first
from modelyard.governance.assurance.commands import DecideApproval, RecordEvidence
from modelyard.governance.assurance.model import APPROVALS, ApprovalStatus, Evidence, EvidenceType
from modelyard.governance.identity.model import IDENTITIES, Identity
from modelyard.governance.identity.service import roles_of
from modelyard.governance.policy.authorizer import CedarAuthorizer
from modelyard.lifecycle import operations, subjects
from modelyard.lifecycle.advancing import advance
from modelyard.lifecycle.model import INSTANCES, engine_id
from modelyard.lifecycle.tasks import commands as ask
from modelyard.lifecycle.tasks import events, forms, opening, record
from modelyard.lifecycle.tasks.model import (
    GREATEST_PRIORITY,
    LIVE,
    NEGATIVE,
    TASK_DECISIONS,
    TASK_NOTES,
    TASKS,
    Task,
    TaskDecision,
    TaskNote,
    TaskStatus,
)


def claim_task(work: Work, command: ask.ClaimTask) -> Task:
    task = _in_time(work, command.task)
    _require_single(task)
    if task.assignee == work.actor.id:
        return task
    _require_not_others(work, task)
    return _assigned(work, task, work.actor.id)


def release_task(work: Work, command: ask.ReleaseTask) -> Task:
    task = _live(work, command.task)
    if task.assignee is None:
        raise WrongState(f"nobody has claimed task {task.id}", field="task")
    return _assigned(work, task, None)


def delegate_task(work: Work, command: ask.DelegateTask) -> Task:
    """Hand it on: what one holds, or what nobody does. Raises Forbidden when the other may not do it."""
    task = _in_time(work, command.task)
    _require_single(task)
    _require_not_others(work, task)
    other = _identity(work, command.to)
    if other.id in (task.assignee, work.actor.id):
        raise WrongState(f"task {task.id} is delegated to somebody else", field="to", hint="claim it to do it yourself")
    _require_may(work, task, other)
    return _assigned(work, task, other.id, delegated_by=work.actor.id)


def _require_may(work: Work, task: Task, other: Identity) -> None:
    """Asks the policies as for the other, with the roles they hold now."""
    actor = Actor(id=other.id, kind=ActorKind(other.kind.value), roles=roles_of(work.tx, other.id))
    request = Request(command=ask.CompleteTask(task=task.id), actor=actor, organisation=work.organisation, reason="delegated")
    try:
        CedarAuthorizer().authorise(work.tx, request, _subject(work.tx, request, request.command))
    except Forbidden as refusal:
        raise Forbidden(f"{other.name} may not do task {task.id}: {refusal.detail}", field="to", hint=refusal.hint) from refusal


def _require_single(task: Task) -> None:
    if task.quorum > 1:
        raise WrongState(
            f"task {task.id} takes {task.quorum} decisions; nobody holds it alone", field="task", hint="everybody completes it"
        )


def _require_not_others(work: Work, task: Task) -> None:
    if task.assignee is not None and task.assignee != work.actor.id:
        raise WrongState(
            f"task {task.id} is claimed by {_name(work, task.assignee)}", field="task", hint="ask them to release it"
        )


def _assigned(work: Work, task: Task, who: str | None, delegated_by: str | None = None) -> Task:
    """What somebody holds waits in nobody's inbox but theirs."""
    changes = {
        "assignee": who,
        "status": TaskStatus.OPEN if who is None else TaskStatus.CLAIMED,
        "delegated_by": delegated_by,
        "worked_s": opening.worked(task, work.now),
        "claimed_at": work.now if who is not None else None,
    }
    task = work.save(TASKS, task.model_copy(update=changes))
    opening.remove_candidacies(work, task)
    if who is None:
        opening.announce(work, task)
    work.emit(events.TaskAssigned(**opening.told(task), assignee=who), f"instance:{task.instance}")
    return task


def complete_task(bus: Bus, work: Work, command: ask.CompleteTask) -> Task:
    """Decide. The command that the task stands for, the approval record and the step that follows are kept together."""
    task = _in_time(work, command.task)
    _require_not_others(work, task)
    if task.quorum > 1 and task.operation is not None:
        raise WrongState(f"task {task.id} has a command and a quorum, which do not go together", field="task")
    earlier = sorted(every(work.tx, TASK_DECISIONS, equals("task", task.id)), key=lambda decision: decision.sequence)
    if any(decision.approver == work.actor.id for decision in earlier):
        raise AlreadyExists(f"you have decided task {task.id} already", field="task", hint="one decision each")
    word = record.word_of(command, forms.fill(task.form, command.data))
    stands_for = _stands_for(bus, task, word) if task.operation is not None else None
    result = _give(bus, work, task, stands_for, word) if stands_for is not None else None
    approval = stands_for.approval if isinstance(stands_for, DecideApproval) else None
    decision = record.keep_decision(work, task, word, earlier, approval=approval, ticket=command.ticket)
    return _go_on(work, task, [*earlier, decision], result)


def _stands_for(bus: Bus, task: Task, word: record.Word) -> Command:
    """The command that is given by completing the task. What the process names comes before what the person fills in, which comes
    before what merely is in scope; verdict, comments and conditions are always the person's."""
    given = {**word.form, **task.data} if task.strict else {**task.data, **word.form}
    kind = bus.command_of(str(task.operation))
    return operations.command_from(kind, given | word.said(), strict=False, where=task.element)


def _give(bus: Bus, work: Work, task: Task, command: Command, word: record.Word) -> dict[str, Any]:
    """In the person's own name."""
    reason = word.comments or f"{task.name} ({task.process}, {task.instance})"
    return bus.within(work, command, work.actor, reason).model_dump(mode="json")


def _go_on(work: Work, task: Task, decisions: list[TaskDecision], result: dict[str, Any] | None) -> Task:
    last = decisions[-1]
    approvals = sum(decision.verdict not in NEGATIVE for decision in decisions)
    ended = last.verdict in NEGATIVE or approvals >= task.quorum
    work.emit(
        events.TaskDecided(**opening.told(task), by=last.approver, verdict=last.verdict, ended=ended), f"instance:{task.instance}"
    )
    so_far = {"approvals": approvals, "decided_by": tuple(decision.approver for decision in decisions)}
    if not ended:
        return work.save(TASKS, task.model_copy(update=so_far))
    outcome = _outcome(decisions) | ({"result": result} if result is not None else {})
    said = {"completed_by": last.approver, "scopes": tuple(sorted(work.actor.scopes)), "result": outcome}
    task = opening.end_task(work, task, TaskStatus.COMPLETED, **so_far, **said)
    event = bpmn.WorkCompleted(at=work.now, work=task.work, result=outcome)
    details = {"task": task.id, "verdict": last.verdict}
    advance(work, work.get(INSTANCES, task.instance), event, what="task", element=task.element, details=details)
    return task


def _outcome(decisions: list[TaskDecision]) -> dict[str, Any]:
    """What the process gets: the last one's form and word, and what each one said."""
    last = decisions[-1]
    each = [{"by": d.approver, "role": d.role, "verdict": d.verdict, "comments": d.comments, "data": d.form} for d in decisions]
    conditions = [condition.model_dump(mode="json") for d in decisions for condition in d.conditions]
    word = {"verdict": last.verdict, "comments": last.comments, "by": last.approver, "decisions": each}
    return {"conditions": conditions, **last.form, **word}


def comment_task(work: Work, command: ask.CommentTask) -> TaskNote:
    task = work.get(TASKS, command.task)
    note = TaskNote(**work.new("tnt"), task=task.id, instance=task.instance, author=work.actor.id, text=command.text)
    work.emit(events.TaskCommented(**opening.told(task), by=work.actor.id), f"instance:{task.instance}")
    return work.add(TASK_NOTES, note)


def attach_to_task(bus: Bus, work: Work, command: ask.AttachToTask) -> TaskNote:
    """Keep a document with the task; at one about a version it is evidence of the type `document`, given in one's own name by who
    may give evidence. Not while an approval of that version is pending: new evidence would make void what the approvers were
    shown."""
    task = _in_time(work, command.task)
    given = _as_evidence(task, command)
    evidence: str | None = None
    if given is not None and not _is_pending(work, task, given.version) and _may_record(work, task, given):
        made = bus.within(work, given, work.actor, f"attached to {task.name}")
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


def _as_evidence(task: Task, command: ask.AttachToTask) -> RecordEvidence | None:
    kind, _, version = (task.about or "").partition(":")
    if kind != "version":
        return None
    return RecordEvidence(
        version=version,
        type=EvidenceType.DOCUMENT,
        document=command.document,
        summary=command.summary or command.filename,
        facts={"task": task.id, "filename": command.filename},
    )


def _is_pending(work: Work, task: Task, version: str) -> bool:
    pending = first(work.tx, APPROVALS, equals("subject_id", version), equals("status", ApprovalStatus.PENDING))
    return task.approval is not None or pending is not None


def _may_record(work: Work, task: Task, command: RecordEvidence) -> bool:
    """Whether the policies let this person give evidence; who does not may still attach what they have."""
    attributes = {"evidence_type": command.type.value, "developers": list(_developers(work.tx, work.organisation, task))}
    about = Subject(type="version", id=command.version, attributes=attributes)
    try:
        CedarAuthorizer().authorise(work.tx, replace(work.request, command=command), about)
    except Forbidden:
        return False
    return True


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
    more = min(task.priority + 1, GREATEST_PRIORITY)
    task = task.model_copy(update={"roles": wider, "escalated": True, "priority": more})
    if task.assignee is None:
        opening.remove_candidacies(work, task)
        opening.announce(work, task)
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


def _in_time(work: Work, id_: str) -> Task:
    """A live task whose time is not up, whether or not the platform has ended it already; for somebody who is still there."""
    task = _live(work, id_)
    if task.expires_at is not None and task.expires_at <= work.now:
        raise WrongState(f"task {task.id} expired at {task.expires_at:%Y-%m-%d %H:%M} UTC", field="task")
    asking = first(work.tx, IDENTITIES, equals("id", work.actor.id))
    if asking is not None and not asking.active:
        raise Forbidden(f"{asking.name} is no longer active", hint="let somebody else do it")
    return task


def _identity(work: Work, reference: str) -> Identity:
    found = opening.known_as(work.tx, work.organisation, reference)
    identity = first(work.tx, IDENTITIES, equals("organisation", work.organisation), equals("id", found))
    if identity is None:
        raise NotFound(f"nobody is called {reference!r}", field="to")
    if not identity.active:
        raise WrongState(f"{identity.name} is no longer active", field="to")
    return identity


def _name(work: Work, identity_id: str) -> str:
    found = first(work.tx, IDENTITIES, equals("id", identity_id))
    return found.name if found is not None else identity_id


def _subject(tx: Transaction, request: Request, command: Any) -> Subject:
    """What separation of duties looks at: whose the task is, whose it is not, who asked and who built."""
    task = mine(tx, TASKS, command.task, request.organisation)
    decides = isinstance(command, ask.CompleteTask) and _decides(task, command)
    return Subject(type="task", id=task.id, attributes=attributes_of(tx, request.organisation, task) | {"decides": decides})


def _decides(task: Task, command: ask.CompleteTask) -> bool:
    """Whether completing it like that gives a verdict; a form's default is one, too."""
    said = record.verdict_of(command.verdict, forms.with_defaults(task.form or {}, command.data))
    return said != "done" or task.quorum > 1


def _developers(tx: Transaction, organisation: str, task: Task) -> tuple[str, ...]:
    return subjects.developers_of(tx, organisation, task.about)


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
        "excluded": [opening.known_as(tx, organisation, who) for who in task.excluded],
        "developers": list(_developers(tx, organisation, task)),
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
