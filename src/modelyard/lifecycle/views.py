"""What people look at: an instance with all that it waits for, a task with all that belongs to it, an inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard import bpmn
from modelyard.core.messages import Actor
from modelyard.core.records import Query, Transaction, Where, equals, every
from modelyard.governance.identity.model import IDENTITIES
from modelyard.lifecycle.definitions import compiled
from modelyard.lifecycle.model import (
    INCIDENTS,
    INSTANCES,
    STAYS,
    STEPS,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    Instance,
    ProcessIncident,
    Step,
    Subscription,
    Timer,
    WorkItem,
)
from modelyard.lifecycle.tasks.model import CANDIDACIES, LIVE, TASK_DECISIONS, TASK_NOTES, TASKS, Task, TaskDecision, TaskNote
from modelyard.lifecycle.tasks.opening import urgency
from modelyard.lifecycle.values import as_json

MOST_LISTED = 500
LEAST_LOOKED_AT = 50


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Place(View):
    """Where a token stands, and since when. `task` is whom it waits for, `incident` what broke there."""

    element: str
    name: str
    kind: str
    role: str
    since: datetime
    seconds: float
    task: str | None = None
    incident: str | None = None


class InstanceView(View):
    """An instance (without the engine's state) with its variables, where it stands and what it waits for. `entered` and `taken`
    are the nodes and flows that it came by, for a diagram."""

    instance: Instance
    data: dict[str, Any]
    places: tuple[Place, ...]
    tasks: tuple[Task, ...]
    incidents: tuple[ProcessIncident, ...]
    timers: tuple[Timer, ...]
    subscriptions: tuple[Subscription, ...]
    work: tuple[WorkItem, ...]
    called: tuple[str, ...]
    entered: tuple[str, ...]
    taken: tuple[str, ...]


class TaskView(View):
    """A task with what was said and decided at it. `people` are the names of the identities it speaks of."""

    task: Task
    decisions: tuple[TaskDecision, ...]
    notes: tuple[TaskNote, ...]
    people: dict[str, str]


def without_state(instance: Instance) -> Instance:
    return instance.model_copy(update={"state": ""})


def view_instance(tx: Transaction, instance: Instance, now: datetime) -> InstanceView:
    """Raises NotFound when its definition is gone."""
    code = compiled(tx, instance.organisation, instance.source, instance.process)
    state = bpmn.loads(instance.state, code.digest)
    mine = equals("instance", instance.id)
    tasks = tuple(every(tx, TASKS, mine, Where("status", "in", LIVE)))
    incidents = tuple(every(tx, INCIDENTS, mine, equals("status", "open")))
    work = tuple(every(tx, WORK, mine))
    steps = every(tx, STEPS, mine)
    passages = [passage for step in sorted(steps, key=lambda step: step.number) for passage in step.passages]
    return InstanceView(
        instance=without_state(instance),
        data=as_json(state.data),
        places=_places(tx, instance, tasks, incidents, now),
        tasks=tasks,
        incidents=incidents,
        timers=tuple(sorted(every(tx, TIMERS, mine), key=lambda timer: timer.due)),
        subscriptions=tuple(every(tx, SUBSCRIPTIONS, mine)),
        work=work,
        called=tuple(item.child for item in work if item.child is not None),
        entered=tuple(dict.fromkeys(element for what, element, _ in passages if what == "entered")),
        taken=tuple(dict.fromkeys(flow for _, _, flow in passages if flow is not None)),
    )


def _places(
    tx: Transaction, instance: Instance, tasks: tuple[Task, ...], incidents: tuple[ProcessIncident, ...], now: datetime
) -> tuple[Place, ...]:
    standing = tuple(instance.standing.values())
    stays = every(tx, STAYS, Where("id", "in", standing)) if standing else []
    waiting, broken = {task.id for task in tasks}, {incident.element: incident.id for incident in incidents}
    return tuple(
        Place(
            element=stay.element,
            name=stay.name,
            kind=stay.kind,
            role=stay.role,
            since=stay.entered_at,
            seconds=max((now - stay.entered_at).total_seconds(), 0.0),
            task=stay.work if stay.work in waiting else None,
            incident=broken.get(stay.element) if stay.kind == "incident" else None,
        )
        for stay in sorted(stays, key=lambda stay: (stay.entered_at, stay.id))
    )


def history(tx: Transaction, instance: str, after: int = 0) -> tuple[Step, ...]:
    """The steps of an instance after a number, in order."""
    where = (equals("instance", instance), Where("number", "gt", after))
    return tx.find(STEPS, Query(where=where, sort="number", limit=MOST_LISTED)).items


def view_task(tx: Transaction, task: Task) -> TaskView:
    decisions = tuple(sorted(every(tx, TASK_DECISIONS, equals("task", task.id)), key=lambda decision: decision.sequence))
    notes = tuple(sorted(every(tx, TASK_NOTES, equals("task", task.id)), key=lambda note: (note.created_at, note.id)))
    spoken_of = {
        *task.candidates,
        *task.excluded,
        *(who for who in (task.assignee, task.requester, task.completed_by, task.delegated_by) if who),
        *(decision.approver for decision in decisions),
        *(note.author for note in notes),
    }
    return TaskView(task=task, decisions=decisions, notes=notes, people=names(tx, task.organisation, spoken_of))


def names(tx: Transaction, organisation: str, identities: set[str]) -> dict[str, str]:
    """What identities of an organisation are called, of those that are known."""
    if not identities:
        return {}
    found = every(tx, IDENTITIES, equals("organisation", organisation), Where("id", "in", tuple(sorted(identities))))
    return {identity.id: identity.name for identity in found}


def inbox(tx: Transaction, organisation: str, who: Actor, limit: int = 50) -> tuple[Task, ...]:
    """The live tasks that somebody could do now, most urgent first: theirs and nobody's, not those they are kept out of or have
    decided already. A few look-ups for a page, however many tasks there are."""
    held = (equals("organisation", organisation), equals("assignee", who.id), Where("status", "in", LIVE))
    theirs = tx.find(TASKS, Query(where=held, limit=MOST_LISTED)).items
    waiting = _waiting(tx, organisation, who, limit)
    return tuple(sorted((*theirs, *waiting), key=urgency)[:limit])


def _waiting(tx: Transaction, organisation: str, who: Actor, limit: int) -> list[Task]:
    """The most urgent that nobody holds, page by page until there are enough."""
    keys = (*(f"role:{role}" for role in sorted(who.roles)), f"identity:{who.id}")
    where = (equals("organisation", organisation), Where("who", "in", keys))
    found: dict[str, Task] = {}
    after: str | None = None
    while True:
        page = tx.find(CANDIDACIES, Query(where=where, sort="urgency", limit=max(limit, LEAST_LOOKED_AT), after=after))
        ids = tuple({each.task for each in page.items} - found.keys())
        tasks = tx.find(TASKS, Query(where=(Where("id", "in", ids),), limit=len(ids))).items if ids else ()
        found |= {task.id: task for task in tasks if _for(task, who)}
        after = page.next
        if after is None or len(found) >= limit:
            return list(found.values())


def _for(task: Task, who: Actor) -> bool:
    return task.status in LIVE and task.assignee is None and who.id not in (*task.excluded, *task.decided_by)


def running(tx: Transaction, organisation: str, process: str) -> int:
    """How many instances of a process run, up to the most that is listed."""
    where = (equals("organisation", organisation), equals("process", process), equals("status", "running"))
    return len(tx.find(INSTANCES, Query(where=where, limit=MOST_LISTED)).items)
