"""One step of an instance, in the transaction of the command that causes it: the engine says what follows, and it is written
down.

    instance = begin(work, definition, data, start)
    instance = advance(work, instance, WorkCompleted(at=work.now, work="w3", result={...}))

A step leaves: the instance with its new state, one `Step` of history, the stays of tokens that moved, and what the instance now
waits for (timers, subscriptions, work, tasks) or no longer wants. What goes outside is an event in the outbox."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

from modelyard import bpmn
from modelyard.bpmn.engine.stepping import DEFAULT_LIMITS
from modelyard.core.bus import Work
from modelyard.core.errors import InvalidInput, TooLarge, WrongState
from modelyard.core.records import Query, Where, equals, first
from modelyard.jobs.commands import CancelJob
from modelyard.jobs.model import JOBS, JobState
from modelyard.jobs.service import cancel_job
from modelyard.lifecycle import events, subjects
from modelyard.lifecycle.course import Course, Resolution
from modelyard.lifecycle.definitions import compiled
from modelyard.lifecycle.durations import keep_stays
from modelyard.lifecycle.model import (
    INCIDENTS,
    INSTANCES,
    MESSAGES,
    STEPS,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    Health,
    HeldMessage,
    Instance,
    InstanceStatus,
    ProcessDefinition,
    ProcessIncident,
    Step,
    Subscription,
    Timer,
    WorkItem,
    engine_id,
)
from modelyard.lifecycle.replaying import as_kept
from modelyard.lifecycle.tasks import opening
from modelyard.lifecycle.tasks.model import TASKS
from modelyard.lifecycle.values import as_json

HUMAN = ("userTask", "manualTask")
GREATEST_STATE = 4 << 20
"""Characters of an instance's state: far above what a life cycle needs, far below what hurts a database."""
DEEPEST_CALL = 20
BY_ITSELF = ("done", "failed")
"""Steps that the platform's own work causes."""
KEPT_DETAILS = 20_000


def begin(
    work: Work,
    definition: ProcessDefinition,
    data: dict[str, Any],
    *,
    start: str | None = None,
    title: str = "",
    about: str | None = None,
    use_case: str | None = None,
    by: str | None = None,
    parent: str | None = None,
    depth: int = 0,
) -> Instance:
    """Start an instance; `by` is whose doing that is, where it is not who gave the command. Raises InvalidInput when the process
    cannot begin like that."""
    if depth > DEEPEST_CALL:
        raise InvalidInput(f"processes call each other more than {DEEPEST_CALL} deep", field="process")
    code = compiled(work.tx, work.organisation, definition.source, definition.key)
    fresh = Instance(
        **work.new("ins"),
        process=definition.key,
        number=definition.number,
        definition=definition.id,
        source=definition.source,
        title=title or definition.name,
        about=about,
        use_case=use_case,
        state="",
        started_by=by or work.actor.id,
        parent=parent,
        depth=depth,
    )
    work.emit(
        events.InstanceStarted(instance=fresh.id, process=fresh.process, number=fresh.number, about=about), f"instance:{fresh.id}"
    )
    event = bpmn.Started(at=work.now, data=data, start=start)
    return _take(work, code, fresh, None, event, Told("started", start, {"data": data}))


def advance(
    work: Work,
    instance: Instance,
    event: bpmn.protocol.StepEvent,
    *,
    what: str,
    element: str | None = None,
    details: dict[str, Any] | None = None,
    resolution: Resolution | None = None,
) -> Instance:
    """Take an event in. Raises WrongState when nothing waits for it (any more) or the instance has ended."""
    if instance.status is not InstanceStatus.RUNNING:
        raise WrongState(f"instance {instance.id} has ended: it is {instance.status.value}", field="instance")
    code = compiled(work.tx, work.organisation, instance.source, instance.process)
    state = bpmn.loads(instance.state, code.digest)
    return _take(work, code, instance, state, event, Told(what, element, details or {}), resolution)


@dataclass(frozen=True)
class Told:
    """What history says of a step: in a word, where, for people to read, and the event as it was `given` to the engine."""

    what: str
    element: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


def _take(
    work: Work,
    code: bpmn.CompiledProcess,
    instance: Instance,
    state: bpmn.State | None,
    event: bpmn.protocol.StepEvent,
    told: Told,
    resolution: Resolution | None = None,
) -> Instance:
    try:
        after, effects = bpmn.step(code, state, event, DEFAULT_LIMITS)
    except bpmn.InvalidEvent as error:
        raise (InvalidInput if state is None else WrongState)(
            str(error), field="process" if state is None else "instance"
        ) from error
    course = Course(work, code, instance, state, after, effects, resolution)
    return written(course, replace(told, given=as_kept(event)))


def written(course: Course, told: Told) -> Instance:
    """Write a step down, and take what held messages bring at once."""
    if course.instance.about is None:
        course.instance = _about(course)
    for effect in course.effects:
        _carry_out(effect, course)
    kept = _keep(course, told)
    for subscription in course.waiting:
        kept = _take_held(course.work, kept, subscription)
    return kept


def _about(course: Course) -> Instance:
    """The instance, about what its variables say since this step, if they say anything."""
    found = subjects.come_to_be(course.work.tx, course.work.organisation, course.after.data)
    if found is None:
        return course.instance
    title = f"{course.instance.title}: {found.name}"
    return course.instance.model_copy(update={"about": found.id, "use_case": found.use_case, "title": title})


def _take_held(work: Work, instance: Instance, subscription_id: str) -> Instance:
    """A message that was kept for whoever waits reaches the subscription, if that is still there: what another message brought
    may have ended it, and then this one is kept for the next."""
    waits = first(work.tx, SUBSCRIPTIONS, equals("id", subscription_id))
    held = _held(work, waits) if waits is not None else None
    if waits is None or held is None:
        return instance
    work.tx.remove(MESSAGES, held.id)
    work.tx.remove(SUBSCRIPTIONS, waits.id)
    event = bpmn.MessageArrived(at=work.now, subscription=engine_id(waits.id), payload=held.payload)
    details = {"name": held.name, "payload": held.payload, "held": True}
    return advance(work, instance, event, what="message", element=waits.element, details=details)


def _held(work: Work, waits: Subscription) -> HeldMessage | None:
    """The oldest that fits and is not out of date."""
    where = [equals("name", waits.name), equals("organisation", work.organisation), Where("expires_at", "gt", work.now)]
    where += [equals("key", waits.key)] if waits.key is not None else []
    found = work.tx.find(MESSAGES, Query(where=tuple(where), sort="created_at", limit=1)).items
    return found[0] if found else None


def _keep(course: Course, told: Told) -> Instance:
    work, before = course.work, course.instance
    text = bpmn.dumps(course.after)
    if len(text) > GREATEST_STATE:
        raise TooLarge(
            f"the state of instance {before.id} would have {len(text)} characters", field="data", hint="keep less in it"
        )
    number = before.steps + 1
    standing, places = keep_stays(course, number)
    changes = {
        "state": text,
        "steps": number,
        "status": InstanceStatus(course.after.status),
        "open_incidents": len(course.after.incidents),
        "health": Health.BROKEN if course.after.incidents else Health.OK,
        "standing": standing,
        "places": places,
        "unattended": before.unattended + 1 if told.what in BY_ITSELF else 0,
        "ended_at": None if course.after.status == "running" else work.now,
    }
    _keep_step(course, number, told)
    changed = before.model_copy(update=changes)
    return work.add(INSTANCES, changed) if course.before is None else work.save(INSTANCES, changed)


def _keep_step(course: Course, number: int, told: Told) -> None:
    passages = tuple((e.what, e.element, e.flow) for e in course.effects if isinstance(e, bpmn.StepTaken))
    step = Step(
        id=course.named(f"s{number}"),
        **course.kept(),
        instance=course.instance.id,
        number=number,
        event=told.what,
        element=told.element,
        details=_short(told.details),
        given=told.given,
        by=course.work.actor.id,
        passages=passages,
    )
    course.work.tx.add(STEPS, step)


def _short(details: dict[str, Any]) -> dict[str, Any]:
    """Details as the history keeps them: whole, unless they are very long."""
    return details if len(str(details)) <= KEPT_DETAILS else {"left_out": sorted(details)}


# --- effects --------------------------------------------------------------------------------------------------------------------


@singledispatch
def _carry_out(effect: Any, course: Course) -> None:
    raise TypeError(f"nobody carries out {type(effect).__name__}")


@_carry_out.register
def _(effect: bpmn.StepTaken, course: Course) -> None:
    if effect.what in ("left", "interrupted"):
        course.left[effect.token] = effect.what


@_carry_out.register
def _(effect: bpmn.WorkWanted, course: Course) -> None:
    if effect.kind in HUMAN:
        opening.open_task(course, effect)
    else:
        course.work.tx.add(WORK, _item(effect, course))


def _item(effect: bpmn.WorkWanted, course: Course) -> WorkItem:
    more, named = effect.extensions, {name for name, _ in course.code.nodes[effect.element].inputs}
    # What the engine keeps for the turns of a loop is no input that the process names.
    seen = {name: value for name, value in effect.data.items() if name in named} if named else effect.data
    return WorkItem(
        id=course.named(effect.work),
        **course.kept(),
        instance=course.instance.id,
        process=course.instance.process,
        element=effect.element,
        name=effect.name or effect.element,
        kind=effect.kind,
        operation=_operation(effect),
        arguments=as_json(seen),
        strict=bool(named),
        authority=more.get("authority"),
        not_before=course.work.now,
        retries=_whole(more.get("retries"), 3),
    )


def _operation(effect: bpmn.WorkWanted) -> str:
    prefix = {"businessRuleTask": "decision:", "callActivity": "call:"}.get(effect.kind, "")
    return prefix + (effect.what or "")


def _whole(text: Any, otherwise: int) -> int:
    return int(text) if isinstance(text, str) and text.strip().isdecimal() else otherwise


@_carry_out.register
def _(effect: bpmn.WorkWithdrawn, course: Course) -> None:
    id_ = course.named(effect.work)
    item = first(course.work.tx, WORK, equals("id", id_))
    if item is not None:
        course.work.tx.remove(WORK, id_)
        _call_off(course, item)
        return
    task = first(course.work.tx, TASKS, equals("id", id_))
    if task is not None:
        opening.withdraw_task(course.work, task)


def _call_off(course: Course, item: WorkItem) -> None:
    """What somebody does for work that nobody wants any more ends too."""
    work = course.work
    if item.child is not None:
        child = work.get(INSTANCES, item.child)
        if child.status is InstanceStatus.RUNNING:
            advance(work, child, bpmn.Cancelled(at=work.now, reason="its caller goes on"), what="cancelled")
    if item.job is not None:
        job = work.get(JOBS, item.job)
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            cancel_job(work, CancelJob(job=job.id))


@_carry_out.register
def _(effect: bpmn.TimerWanted, course: Course) -> None:
    timer = Timer(
        id=course.named(effect.timer), **course.kept(), instance=course.instance.id, element=effect.element, due=effect.due
    )
    course.work.tx.add(TIMERS, timer)


@_carry_out.register
def _(effect: bpmn.TimerWithdrawn, course: Course) -> None:
    id_ = course.named(effect.timer)
    if first(course.work.tx, TIMERS, equals("id", id_)) is not None:
        course.work.tx.remove(TIMERS, id_)


@_carry_out.register
def _(effect: bpmn.SubscriptionWanted, course: Course) -> None:
    wanted = Subscription(
        id=course.named(effect.subscription),
        **course.kept(),
        instance=course.instance.id,
        element=effect.element,
        name=effect.name,
        key=effect.key,
        signal=effect.signal,
    )
    course.work.tx.add(SUBSCRIPTIONS, wanted)
    if not effect.signal:
        course.waiting.append(wanted.id)


@_carry_out.register
def _(effect: bpmn.SubscriptionWithdrawn, course: Course) -> None:
    id_ = course.named(effect.subscription)
    if first(course.work.tx, SUBSCRIPTIONS, equals("id", id_)) is not None:
        course.work.tx.remove(SUBSCRIPTIONS, id_)


@_carry_out.register
def _(effect: bpmn.MessageSent, course: Course) -> None:
    told = events.MessageSent(instance=course.instance.id, name=effect.name, key=effect.key, payload=as_json(effect.payload))
    course.work.emit(told, f"instance:{course.instance.id}")


@_carry_out.register
def _(effect: bpmn.SignalSent, course: Course) -> None:
    told = events.SignalSent(instance=course.instance.id, name=effect.name, payload=as_json(effect.payload))
    course.work.emit(told, f"instance:{course.instance.id}")


@_carry_out.register
def _(effect: bpmn.IncidentRaised, course: Course) -> None:
    incident = ProcessIncident(
        id=course.named(effect.incident),
        **course.kept(),
        instance=course.instance.id,
        process=course.instance.process,
        element=effect.element,
        cause=effect.cause,
        message=effect.message[:4000],
    )
    course.work.add(INCIDENTS, incident)
    told = events.IncidentOpened(
        incident=incident.id,
        instance=incident.instance,
        process=incident.process,
        element=incident.element,
        cause=incident.cause,
        message=incident.message,
    )
    course.work.emit(told, f"instance:{course.instance.id}")


@_carry_out.register
def _(effect: bpmn.IncidentClosed, course: Course) -> None:
    incident = course.work.get(INCIDENTS, course.named(effect.incident))
    if incident.status != "open":
        return
    by = course.resolution
    mine = by is not None and by.incident == incident.id
    how = by.how if by is not None and mine else "with its scope"
    changes = {"status": "closed", "how": how, "closed_at": course.work.now, "resolved_by": course.work.actor.id}
    course.work.save(INCIDENTS, incident.model_copy(update=changes | ({"why": by.why} if by is not None and mine else {})))
    told = events.IncidentClosed(
        incident=incident.id, instance=incident.instance, process=incident.process, element=incident.element, how=how
    )
    course.work.emit(told, f"instance:{course.instance.id}")


@_carry_out.register
def _(effect: bpmn.InstanceEnded, course: Course) -> None:
    instance = course.instance
    told = events.InstanceEnded(
        instance=instance.id,
        process=instance.process,
        how=effect.how,
        about=instance.about,
        work=instance.parent,
        data=as_json(effect.data) if instance.parent is not None else {},
    )
    course.work.emit(told, f"instance:{instance.id}")
