"""Instances: begun by people, messages, times and other processes, steered by people, moved on by time."""

from __future__ import annotations

from typing import Any

from modelyard import bpmn
from modelyard.bpmn.model import Trigger
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import WrongState
from modelyard.core.messages import ActorKind, Subject
from modelyard.core.records import Transaction, equals, first
from modelyard.lifecycle import commands as ask
from modelyard.lifecycle import subjects
from modelyard.lifecycle.advancing import advance, begin
from modelyard.lifecycle.course import Resolution
from modelyard.lifecycle.definitions import compiled, published
from modelyard.lifecycle.migrating import Migrated, migrate_instance
from modelyard.lifecycle.model import (
    DEFINITIONS,
    INCIDENTS,
    INSTANCES,
    TIMERS,
    Instance,
    ProcessDefinition,
    Timer,
    WorkItem,
    engine_id,
)
from modelyard.lifecycle.publishing import record_of
from modelyard.lifecycle.timed import times_of
from modelyard.lifecycle.waiting import require_own_name


def start_process(work: Work, command: ask.StartProcess) -> Instance:
    """Begin an instance of the version in force. Raises NotFound when there is none, InvalidInput for a start that waits for an
    event of the platform."""
    definition = published(work.tx, work.organisation, command.process)
    _require_no_event(work, definition, command.start)
    reference = command.about or subjects.meant(command.data)
    about = subjects.find(work.tx, work.organisation, reference) if reference else None
    return begin_about(work, definition, command.data, about, start=command.start, title=command.title, by=_asker(work))


def _asker(work: Work) -> str:
    """Whose doing a start is. Where the platform gives it as a step of an instance, theirs who began that one: its tasks are kept
    from them just the same."""
    given_by = first(work.tx, INSTANCES, equals("id", work.request.trace_id)) if work.actor.kind is ActorKind.SYSTEM else None
    return given_by.started_by if given_by is not None else work.actor.id


def _require_no_event(work: Work, definition: ProcessDefinition, start: str | None) -> None:
    """A start that waits for an event of the platform is not made to believe in one."""
    code = compiled(work.tx, work.organisation, definition.source, definition.key)
    for way in code.starts:
        if start is not None and start in (way.element, way.name) and way.trigger is Trigger.MESSAGE:
            require_own_name(way.name or "", "start")


def begin_about(
    work: Work,
    definition: ProcessDefinition,
    data: dict[str, Any],
    about: subjects.About | None,
    *,
    start: str | None = None,
    title: str = "",
    by: str | None = None,
    parent: WorkItem | None = None,
    depth: int = 0,
) -> Instance:
    """Begin an instance about something, with what is known of it among its data. `by` is whose doing it is, if not the actor's;
    `parent` the work of the process that calls it."""
    by = by or work.actor.id
    known = {**data, **(about.data if about else {}), "started_by": by}
    return begin(
        work,
        definition,
        known,
        start=start,
        title=title or (f"{definition.name}: {about.name}" if about else definition.name),
        about=about.id if about else None,
        use_case=about.use_case if about else None,
        by=by,
        parent=parent.id if parent else None,
        depth=depth,
    )


def cancel_instance(work: Work, command: ask.CancelInstance) -> Instance:
    instance = work.get(INSTANCES, command.instance)
    return advance(
        work, instance, bpmn.Cancelled(at=work.now, reason=command.why), what="cancelled", details={"why": command.why}
    )


def change_data(work: Work, command: ask.ChangeData) -> Instance:
    instance = work.get(INSTANCES, command.instance)
    return advance(work, instance, bpmn.DataChanged(at=work.now, data=command.data), what="data", details={"data": command.data})


def retry_incident(work: Work, command: ask.RetryIncident) -> Instance:
    return _resolve(work, command.incident, "retry", "", command.data)


def skip_incident(work: Work, command: ask.SkipIncident) -> Instance:
    return _resolve(work, command.incident, "skip", command.why, command.data)


def _resolve(work: Work, id_: str, how: str, why: str, data: dict[str, Any]) -> Instance:
    incident = work.get(INCIDENTS, id_)
    if incident.status != "open":
        raise WrongState(f"incident {id_} is closed ({incident.how})", field="incident")
    instance = work.get(INSTANCES, incident.instance)
    event = bpmn.IncidentResolved(at=work.now, incident=engine_id(id_), how=how, data=data)
    return advance(
        work,
        instance,
        event,
        what=how,
        element=incident.element,
        details={"incident": id_, "why": why, "data": data},
        resolution=Resolution(id_, how, why),
    )


def fire_timer(work: Work, command: ask.FireTimer) -> Instance:
    """A time has come: an instance goes on, or a new one begins. Raises WrongState before it is due."""
    timer = work.get(TIMERS, command.timer)
    if timer.due > work.now:
        raise WrongState(f"timer {timer.id} is due at {timer.due.isoformat()}", field="timer")
    if timer.instance is None:
        return _start_by_time(work, timer)
    work.tx.remove(TIMERS, timer.id)
    instance = work.get(INSTANCES, timer.instance)
    event = bpmn.TimerFired(at=work.now, timer=engine_id(timer.id))
    return advance(work, instance, event, what="timer", element=timer.element, details={"due": timer.due.isoformat()})


def _start_by_time(work: Work, timer: Timer) -> Instance:
    """Begin an instance. Times of a cycle that nobody was there for come once; then it goes on as planned."""
    definition = work.get(DEFINITIONS, str(timer.definition))
    code = compiled(work.tx, work.organisation, definition.source, definition.key)
    start = next(each for each in code.starts if record_of(definition, each) == timer.id)
    planned = timer.planned or timer.due
    left = None if timer.left is None else timer.left - 1
    due = times_of(start, work.now).after(planned, work.now) if left != 0 else None
    if due is None:
        work.tx.remove(TIMERS, timer.id)
    else:
        work.tx.save(TIMERS, timer.model_copy(update={"due": due, "left": left, "planned": None, "error": None}))
    return begin_about(work, definition, {"due": planned.isoformat()}, None, start=timer.element)


def _of_start(tx: Transaction, request: Request, command: ask.StartProcess) -> Subject:
    return Subject(type="process", id=command.process, attributes={"name": command.process})


def _of_instance(tx: Transaction, request: Request, command: Any) -> Subject:
    return _about_instance(tx, tx.get(INSTANCES, command.instance))


def _about_instance(tx: Transaction, instance: Instance) -> Subject:
    attributes = {"name": instance.process, "owner": instance.started_by, "status": instance.status.value}
    more = {"use_case": instance.use_case} if instance.use_case else {}
    return Subject(type="instance", id=instance.id, attributes=attributes | more)


def _of_incident(tx: Transaction, request: Request, command: ask.RetryIncident | ask.SkipIncident) -> Subject:
    incident = tx.get(INCIDENTS, command.incident)
    instance = tx.get(INSTANCES, incident.instance)
    attributes = _about_instance(tx, instance).attributes | {"sets_data": bool(command.data)}
    return Subject(type="process_incident", id=incident.id, attributes=attributes)


def _of_timer(tx: Transaction, request: Request, command: ask.FireTimer) -> Subject:
    return Subject(type="timer", id=tx.get(TIMERS, command.timer).id)


def handlings() -> list[Handling[Any]]:
    """The commands on instances, their incidents and their timers."""
    return [
        Handling(ask.StartProcess, start_process, _of_start, Instance),
        Handling(ask.CancelInstance, cancel_instance, _of_instance, Instance),
        Handling(ask.ChangeData, change_data, _of_instance, Instance),
        Handling(ask.MigrateInstance, migrate_instance, _of_instance, Migrated),
        Handling(ask.RetryIncident, retry_incident, _of_incident, Instance),
        Handling(ask.SkipIncident, skip_incident, _of_incident, Instance),
        Handling(ask.FireTimer, fire_timer, _of_timer, Instance),
    ]
