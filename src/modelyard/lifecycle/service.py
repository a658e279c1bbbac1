"""Handlers of the commands on life cycles and their instances."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard import bpmn
from modelyard.bpmn.engine.catching import carried
from modelyard.bpmn.model import Trigger
from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound, TooLarge, WrongState
from modelyard.core.messages import ActorKind, Subject
from modelyard.core.records import Query, Table, Transaction, equals, every, first
from modelyard.governance.policy.cedar import known_actions
from modelyard.jobs.model import Job, JobState
from modelyard.jobs.queue import Order, enqueue
from modelyard.lifecycle import commands as ask
from modelyard.lifecycle import deciding as tasks
from modelyard.lifecycle import events, operations, subjects
from modelyard.lifecycle.advancing import advance, begin
from modelyard.lifecycle.course import Resolution
from modelyard.lifecycle.definitions import check, compiled, in_force, published
from modelyard.lifecycle.migrating import Migrated, migrate_instance
from modelyard.lifecycle.model import (
    DEFINITIONS,
    INCIDENTS,
    INSTANCES,
    MESSAGES,
    SOURCES,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    DefinitionStatus,
    HeldMessage,
    Instance,
    ProcessDefinition,
    ProcessSource,
    Subscription,
    Timer,
    WorkItem,
    engine_id,
)
from modelyard.lifecycle.timed import times_of
from modelyard.lifecycle.waiting import waiting_for

MOST_TOLD = 200
LONGEST_PAUSE_S = 600.0
LONGEST_RUN = 10_000
"""Pieces of work that an instance may do in a row without a person, a time or a message."""
ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


ENDLESS = "loop"


class Endless(Exception):
    """A loop of work that nothing from outside ever stops; an error of that code, in the process."""


class Told(BaseModel):
    """Who was told of a message or signal: `instances` went on, `started` are new, `held` says that it is kept for later."""

    model_config = ConfigDict(frozen=True)

    instances: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    held: bool = False


class Worked(BaseModel):
    """What became of a piece of work: it is `done`, a job or a called process does it (`waits`), or it is tried `again`."""

    model_config = ConfigDict(frozen=True)

    work: str
    instance: str
    outcome: str


# --- definitions ----------------------------------------------------------------------------------------------------------------


def propose_process(work: Work, command: ask.ProposeProcess) -> ProcessDefinition:
    """Keep a new version that was checked. The same bundle again is an error that names the version it is."""
    found = check(command.source, command.process, command.forms, command.scenarios)
    mine = equals("organisation", work.organisation)
    same = first(work.tx, DEFINITIONS, mine, equals("key", found.key), equals("bundle", found.bundle))
    if same is not None:
        raise AlreadyExists(f"this is version {same.number} of {same.key}, {same.status.value}", field="source")
    newest = work.find(DEFINITIONS, Query(where=(mine, equals("key", found.key)), sort="number", descending=True, limit=1)).items
    if first(work.tx, SOURCES, mine, equals("digest_of_source", found.source)) is None:
        work.add(SOURCES, ProcessSource(**work.new("src"), digest_of_source=found.source, text=command.source))
    definition = ProcessDefinition(
        **work.new("prc"),
        key=found.key,
        number=newest[0].number + 1 if newest else 1,
        name=found.name,
        source=found.source,
        bundle=found.bundle,
        forms=command.forms,
        scenarios=command.scenarios,
        tested=found.tested,
        coverage=found.coverage,
        warnings=found.warnings,
        notes=command.notes,
        proposed_by=work.actor.id,
    )
    work.emit(
        events.ProcessProposed(definition=definition.id, key=definition.key, number=definition.number),
        f"process:{definition.key}",
    )
    return work.add(DEFINITIONS, definition)


def publish_process(work: Work, command: ask.PublishProcess) -> ProcessDefinition:
    """Put a version in force; the one before is superseded, and no longer starts anything."""
    definition = work.get(DEFINITIONS, command.definition)
    if definition.status is DefinitionStatus.PUBLISHED:
        raise WrongState(f"{definition.key} {definition.number} is published already", field="definition")
    before = in_force(work.tx, work.organisation, definition.key)
    if before is not None:
        work.save(DEFINITIONS, before.model_copy(update={"status": DefinitionStatus.SUPERSEDED}))
        _no_longer_start(work, before)
    changes = {"status": DefinitionStatus.PUBLISHED, "published_by": work.actor.id, "published_at": work.now}
    definition = work.save(DEFINITIONS, definition.model_copy(update=changes))
    _start_on(work, definition)
    told = events.ProcessPublished(definition=definition.id, key=definition.key, number=definition.number)
    work.emit(told, f"process:{definition.key}")
    return definition


def _no_longer_start(work: Work, definition: ProcessDefinition) -> None:
    tables: tuple[Table[Any], ...] = (TIMERS, SUBSCRIPTIONS)
    for table in tables:
        for record in every(work.tx, table, equals("definition", definition.id)):
            work.tx.remove(table, record.id)


def record_of(definition: ProcessDefinition, start: bpmn.Start) -> str:
    """The id under which a start is waited for; an element may have several."""
    told = start.name or start.expression or ""
    return f"{definition.id}:{start.element}:{start.trigger.value}:{digest_of([told])[7:19]}"


def _start_on(work: Work, definition: ProcessDefinition) -> None:
    """Wait for what starts instances: messages, signals and times."""
    code = compiled(work.tx, work.organisation, definition.source, definition.key)
    for start in code.starts:
        kept = {"organisation": work.organisation, "created_at": work.now, "id": record_of(definition, start)}
        if start.trigger in (Trigger.MESSAGE, Trigger.SIGNAL):
            signal = start.trigger is Trigger.SIGNAL
            waits = Subscription(
                **kept, instance=None, definition=definition.id, element=start.element, name=start.name or "", signal=signal
            )
            work.tx.add(SUBSCRIPTIONS, waits)
        elif start.trigger is Trigger.TIMER:
            times = times_of(start, work.now)
            timer = Timer(
                **kept, instance=None, definition=definition.id, element=start.element, due=times.first, left=times.left
            )
            work.tx.add(TIMERS, timer)


# --- instances ------------------------------------------------------------------------------------------------------------------


def start_process(work: Work, command: ask.StartProcess) -> Instance:
    definition = published(work.tx, work.organisation, command.process)
    _require_no_event(work, definition, command.start)
    reference = command.about or subjects.meant(command.data)
    about = subjects.find(work.tx, work.organisation, reference) if reference else None
    return _begin(work, definition, command.data, about, start=command.start, title=command.title, by=_asker(work))


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
            _require_own_name(way.name or "", "start")


def _require_own_name(name: str, field: str) -> None:
    """What happened on the platform is told by the platform alone: processes act on it in the platform's name. Raises
    InvalidInput."""
    rooms = {action.partition(".")[0] for action in known_actions() if "." in action}
    if name.partition(".")[0] in rooms and "." in name:
        raise InvalidInput(
            f"{name!r} is an event of the platform, which only the platform tells of", field=field, hint="use a name of your own"
        )


def _begin(
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


# --- messages and signals -------------------------------------------------------------------------------------------------------


def send_message(work: Work, command: ask.SendMessage) -> Told:
    """Tell all who wait for it, in this transaction. Raises NotFound when nobody does and it is not to be kept,
    InvalidInput for the name of a platform event."""
    _require_own_name(command.name, "name")
    waiting = waiting_for(work.tx, work.organisation, command.name, [command.key] if command.key is not None else [])
    if len(waiting) > MOST_TOLD:
        raise TooLarge(
            f"{len(waiting)} wait for {command.name!r}, more than {MOST_TOLD}", field="key", hint="give a key, or send a signal"
        )
    if waiting:
        return _tell(work, waiting, command.name, command.payload)
    if command.keep_s <= 0:
        key = f" with key {command.key!r}" if command.key is not None else ""
        raise NotFound(
            f"nobody waits for the message {command.name!r}{key}", field="name", hint="give `keep_s` to keep it for who will"
        )
    expires = work.now + timedelta(seconds=command.keep_s)
    held = HeldMessage(**work.new("msg"), name=command.name, key=command.key, payload=command.payload, expires_at=expires)
    work.tx.add(MESSAGES, held)
    return Told(held=True)


def _tell(work: Work, waiting: list[Subscription], name: str, payload: dict[str, Any], by: str | None = None) -> Told:
    """Tell each that still waits when its turn comes: what it brought the one before may have ended what the next waited for."""
    went_on: list[str] = []
    started: list[str] = []
    for subscription in waiting:
        if first(work.tx, SUBSCRIPTIONS, equals("id", subscription.id)) is not None:
            reached = deliver(work, subscription, name, payload, by)
            (started if subscription.instance is None else went_on).append(reached.id)
    return Told(instances=tuple(dict.fromkeys(went_on)), started=tuple(started))


def deliver(work: Work, subscription: Subscription, name: str, payload: dict[str, Any], by: str | None = None) -> Instance:
    """A message or signal reaches one who waits for it: an instance goes on, or a new one begins. `by` is who caused it."""
    if subscription.instance is None:
        definition = work.get(DEFINITIONS, str(subscription.definition))
        about = subjects.of_payload(work.tx, work.organisation, payload)
        code = compiled(work.tx, work.organisation, definition.source, definition.key)
        given = carried(code.nodes[subscription.element], payload)
        return _begin(work, definition, given, about, start=subscription.element, by=by)
    instance = work.get(INSTANCES, subscription.instance)
    if subscription.signal:
        event: Any = bpmn.SignalArrived(at=work.now, name=name, payload=payload)
    else:
        work.tx.remove(SUBSCRIPTIONS, subscription.id)
        event = bpmn.MessageArrived(at=work.now, subscription=engine_id(subscription.id), payload=payload)
    what = "signal" if subscription.signal else "message"
    return advance(work, instance, event, what=what, element=subscription.element, details={"name": name, "payload": payload})


def deliver_event(work: Work, command: ask.DeliverEvent) -> Told:
    found = [first(work.tx, SUBSCRIPTIONS, equals("id", id_)) for id_ in command.subscriptions]
    waiting = [subscription for subscription in found if subscription is not None]
    if not waiting:
        raise NotFound("nobody waits for it any more", field="subscriptions")
    return _tell(work, waiting, command.name, command.payload, command.by)


def send_signal(work: Work, command: ask.SendSignal) -> Told:
    """Put it in the outbox; who waits at the moment it is delivered goes on."""
    work.emit(events.SignalSent(instance=None, name=command.name, payload=command.payload), f"signal:{command.name}")
    return Told()


# --- timers ---------------------------------------------------------------------------------------------------------------------


def fire_timer(work: Work, command: ask.FireTimer) -> Instance:
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
    return _begin(work, definition, {"due": planned.isoformat()}, None, start=timer.element)


# --- work -----------------------------------------------------------------------------------------------------------------------


def do_work(bus: Bus, tables: dict[str, Table[Any]], work: Work, command: ask.DoWork) -> Worked:
    """Do what is asked for; what it changes and the step that follows are kept together or not at all."""
    item = _waiting(work, command.work)
    kind, _, name = item.operation.partition(":")
    if kind == "call":
        return _call(work, item, name)
    if kind == "job":
        return _wait_for_job(work, item, enqueue(work, Order(kind=name, payload=item.arguments)))
    if kind == "decision":
        value = operations.decide(work.tx, work.organisation, name, item.arguments)
        return _done(work, item, {"result": value})
    if item.operation.startswith("read."):
        table = tables.get(item.operation.removeprefix("read."))
        if table is None:
            raise InvalidInput(f"there is no table {item.operation!r} to read", field="operation")
        return _done(
            work, item, {"result": operations.read(work.tx, work.organisation, table, item.arguments if item.strict else {})}
        )
    return _command(bus, work, item)


def _waiting(work: Work, id_: str) -> WorkItem:
    found = work.find(WORK, Query(where=(equals("id", id_),), sort="id", limit=1, claim=True)).items
    if not found:
        raise NotFound(f"there is no work {id_!r}; it was done, or is no longer wanted", field="work")
    if found[0].not_before is None or found[0].not_before > work.now:
        raise WrongState(f"work {id_} is not due", field="work")
    if work.get(INSTANCES, found[0].instance).unattended >= LONGEST_RUN:
        raise Endless(f"{LONGEST_RUN} pieces of work were done and nobody was asked, nor anything waited for: does it never end?")
    return found[0]


def _command(bus: Bus, work: Work, item: WorkItem) -> Worked:
    kind = bus.command_of(item.operation)
    command = operations.command_from(kind, item.arguments, strict=item.strict, where=item.element)
    actor = operations.actor_of(work, item)
    result = bus.within(work, command, actor, f"{item.process}, step {item.name} of {item.instance}")
    if isinstance(result, Job) and result.state not in ENDED:
        return _wait_for_job(work, item, result)
    return _done(work, item, {"result": result.model_dump(mode="json")})


def _call(work: Work, item: WorkItem, key: str) -> Worked:
    caller = work.get(INSTANCES, item.instance)
    asked = item.arguments.get("about") or caller.about
    about = subjects.find(work.tx, work.organisation, str(asked)) if asked else None
    definition = published(work.tx, work.organisation, key)
    # Who began the caller asks for what the called process does: its tasks are kept from them just the same.
    child = _begin(work, definition, item.arguments, about, by=caller.started_by, parent=item, depth=caller.depth + 1)
    work.tx.save(WORK, item.model_copy(update={"child": child.id, "not_before": None}))
    return Worked(work=item.id, instance=item.instance, outcome="waits")


def _wait_for_job(work: Work, item: WorkItem, job: Job) -> Worked:
    work.tx.save(WORK, item.model_copy(update={"job": job.id, "not_before": None}))
    return Worked(work=item.id, instance=item.instance, outcome="waits")


def _done(work: Work, item: WorkItem, result: dict[str, Any]) -> Worked:
    work.tx.remove(WORK, item.id)
    instance = work.get(INSTANCES, item.instance)
    event = bpmn.WorkCompleted(at=work.now, work=engine_id(item.id), result=result)
    advance(work, instance, event, what="done", element=item.element, details={"operation": item.operation})
    return Worked(work=item.id, instance=item.instance, outcome="done")


def record_result(work: Work, command: ask.RecordResult) -> Worked:
    return _done(work, _done_by(work, command.work, command.doer), command.result)


def _done_by(work: Work, id_: str, doer: str) -> WorkItem:
    """The work that a job or a called process does. Raises NotFound, and WrongState when something else does it."""
    item = _known(work, id_)
    if doer not in (item.job, item.child):
        raise WrongState(f"work {id_} is not done by {doer}", field="doer")
    return item


def _tried(work: Work, command: ask.RecordFailure) -> WorkItem:
    """The work that was tried. Raises WrongState when somebody else has tried it since, or a job or process does it by now."""
    item = _known(work, command.work)
    if item.not_before is None or item.attempts != command.attempts:
        raise WrongState(f"work {item.id} was tried again in the meantime", field="work")
    return item


def _known(work: Work, id_: str) -> WorkItem:
    found = first(work.tx, WORK, equals("id", id_))
    if found is None:
        raise NotFound(f"there is no work {id_!r}; it was done, or is no longer wanted", field="work")
    return found


def record_failure(work: Work, command: ask.RecordFailure) -> Worked:
    """A business error goes to who catches it, a technical one is tried again and then an incident."""
    item = _tried(work, command) if command.doer is None else _done_by(work, command.work, command.doer)
    endless = command.code == ENDLESS and work.get(INSTANCES, item.instance).unattended > LONGEST_RUN
    if endless:  # it was told once; caught again and again, it would never end either
        command = command.model_copy(update={"code": None})
    if command.code is None and not endless and item.attempts < item.retries:
        pause = min(2.0 ** (item.attempts + 1), LONGEST_PAUSE_S)
        later = {"attempts": item.attempts + 1, "not_before": work.now + timedelta(seconds=pause), "error": command.message}
        work.tx.save(WORK, item.model_copy(update=later))
        return Worked(work=item.id, instance=item.instance, outcome="again")
    work.tx.remove(WORK, item.id)
    id_ = engine_id(item.id)
    event = (
        bpmn.WorkBroke(at=work.now, work=id_, message=command.message)
        if command.code is None
        else bpmn.WorkFailed(at=work.now, work=id_, code=command.code, message=command.message, data={"error": command.message})
    )
    details = {"operation": item.operation, "code": command.code, "message": command.message}
    advance(work, work.get(INSTANCES, item.instance), event, what="failed", element=item.element, details=details)
    return Worked(work=item.id, instance=item.instance, outcome="failed")


# --- what policies look at ------------------------------------------------------------------------------------------------------


def _of_process(tx: Transaction, request: Request, command: ask.ProposeProcess | ask.StartProcess) -> Subject:
    key = command.process if isinstance(command, ask.StartProcess) else check_key(command)
    return Subject(type="process", id=key, attributes={"name": key})


def check_key(command: ask.ProposeProcess) -> str:
    """The id of the process that is proposed; checking it here means that a bad file is told as bad input, not as a refusal."""
    return check(command.source, command.process, command.forms, command.scenarios).key


def _of_definition(tx: Transaction, request: Request, command: ask.PublishProcess) -> Subject:
    definition = tx.get(DEFINITIONS, command.definition)
    attributes = {"name": definition.key, "proposer": definition.proposed_by, "number": definition.number}
    return Subject(type="process", id=definition.id, attributes=attributes)


def _of_instance(tx: Transaction, request: Request, command: Any) -> Subject:
    return about_instance(tx, tx.get(INSTANCES, command.instance))


def about_instance(tx: Transaction, instance: Instance) -> Subject:
    attributes = {"name": instance.process, "owner": instance.started_by, "status": instance.status.value}
    more = {"use_case": instance.use_case} if instance.use_case else {}
    return Subject(type="instance", id=instance.id, attributes=attributes | more)


def _of_incident(tx: Transaction, request: Request, command: ask.RetryIncident | ask.SkipIncident) -> Subject:
    incident = tx.get(INCIDENTS, command.incident)
    instance = tx.get(INSTANCES, incident.instance)
    attributes = about_instance(tx, instance).attributes | {"sets_data": bool(command.data)}
    return Subject(type="process_incident", id=incident.id, attributes=attributes)


def _of_message(tx: Transaction, request: Request, command: ask.SendMessage | ask.SendSignal | ask.DeliverEvent) -> Subject:
    return Subject(type="message", id=command.name, attributes={"name": command.name})


def _of_timer(tx: Transaction, request: Request, command: ask.FireTimer) -> Subject:
    return Subject(type="timer", id=tx.get(TIMERS, command.timer).id)


def _of_work(tx: Transaction, request: Request, command: ask.DoWork | ask.RecordFailure | ask.RecordResult) -> Subject:
    return Subject(type="process_work", id=command.work)


def handlings(bus: Bus, tables: tuple[Table[Any], ...]) -> list[Handling[Any]]:
    """Every command of life cycles. `bus` gives the commands of steps; `tables` are what steps may read."""
    readable = {table.name: table for table in tables}
    doing: Callable[[Work, ask.DoWork], Worked] = partial(do_work, bus, readable)
    return [
        Handling(ask.ProposeProcess, propose_process, _of_process, ProcessDefinition),
        Handling(ask.PublishProcess, publish_process, _of_definition, ProcessDefinition),
        Handling(ask.StartProcess, start_process, _of_process, Instance),
        Handling(ask.CancelInstance, cancel_instance, _of_instance, Instance),
        Handling(ask.ChangeData, change_data, _of_instance, Instance),
        Handling(ask.MigrateInstance, migrate_instance, _of_instance, Migrated),
        Handling(ask.RetryIncident, retry_incident, _of_incident, Instance),
        Handling(ask.SkipIncident, skip_incident, _of_incident, Instance),
        Handling(ask.SendMessage, send_message, _of_message, Told),
        Handling(ask.SendSignal, send_signal, _of_message, Told),
        Handling(ask.DeliverEvent, deliver_event, _of_message, Told),
        Handling(ask.FireTimer, fire_timer, _of_timer, Instance),
        Handling(ask.DoWork, doing, _of_work, Worked),
        Handling(ask.RecordFailure, record_failure, _of_work, Worked),
        Handling(ask.RecordResult, record_result, _of_work, Worked),
        *tasks.handlings(bus),
    ]
