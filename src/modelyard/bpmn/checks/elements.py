"""Whether tasks, events and loops say what it takes to execute them (BPMN 2.0.2, 10.3 and 10.5)."""

from __future__ import annotations

from modelyard.bpmn.checks.place import Place
from modelyard.bpmn.model import (
    Activity,
    CallActivity,
    Event,
    EventDefinition,
    EventPosition,
    MultiInstance,
    StandardLoop,
    SubProcess,
    Task,
    TaskKind,
    Trigger,
)

_THROWN = {Trigger.MESSAGE, Trigger.SIGNAL, Trigger.ESCALATION, Trigger.COMPENSATION}
_CAUGHT = {Trigger.MESSAGE, Trigger.SIGNAL, Trigger.TIMER, Trigger.CONDITIONAL}
_ALLOWED = {
    EventPosition.START: _CAUGHT,
    EventPosition.CATCH: _CAUGHT | {Trigger.LINK},
    EventPosition.THROW: _THROWN | {Trigger.LINK},
    EventPosition.BOUNDARY: _CAUGHT | {Trigger.ERROR, Trigger.ESCALATION, Trigger.COMPENSATION, Trigger.CANCEL},
    EventPosition.END: _THROWN | {Trigger.ERROR, Trigger.CANCEL, Trigger.TERMINATE},
}
"""What may stand at which position (table 10.93), but for event sub-processes."""
_OF_EVENT_SUB_PROCESS = _CAUGHT | {Trigger.ERROR, Trigger.ESCALATION, Trigger.COMPENSATION}


def tasks(place: Place) -> None:
    """Tasks of an executable process say what is to be done."""
    if not place.process.executable:
        return
    for node in place.nodes.values():
        if isinstance(node, Task):
            _task(node, place)
        elif isinstance(node, CallActivity) and not node.called:
            place.error(node, "calls-nothing", "the call activity calls nothing")
        elif isinstance(node, SubProcess) and node.ad_hoc:
            place.error(node, "not-executable", "an ad hoc sub-process is not executed")


def _task(task: Task, place: Place) -> None:
    if task.kind is TaskKind.SERVICE and task.operation is None:
        place.error(task, "no-operation", "the service task has no modelyard:operation")
    elif task.kind is TaskKind.RULE and task.decision is None:
        place.error(task, "no-decision", "the business rule task has no modelyard:decision")
    elif task.kind is TaskKind.SCRIPT and task.script is None:
        place.error(task, "no-script", "the script task has no script")
    elif task.kind is TaskKind.RECEIVE and (task.event is None or task.event.name is None):
        place.error(task, "no-message", "the receive task names no message")
    elif task.kind is TaskKind.SEND and task.operation is None and (task.event is None or task.event.name is None):
        place.error(task, "no-message", "the send task names no message and no modelyard:operation")
    elif task.kind is TaskKind.TASK:
        place.note(task, "abstract-task", "a task of no kind: nothing is done")


def events(place: Place) -> None:
    for node in place.nodes.values():
        if isinstance(node, Event):
            _triggers(node, place)
            if place.process.executable:
                _complete(node, place)


def _triggers(event: Event, place: Place) -> None:
    """Whether what it waits for or causes may stand where it stands."""
    in_event_sub_process = place.owner is not None and place.owner.event
    starting = event.position is EventPosition.START
    allowed = _OF_EVENT_SUB_PROCESS if starting and in_event_sub_process else _ALLOWED[event.position]
    for made in event.definitions:
        if made.trigger not in allowed:
            place.error(event, "wrong-trigger", f"a {event.position.value} is not of the kind {made.trigger.value}")
        elif made.trigger is Trigger.CANCEL and not _of_transaction(event, place):
            place.error(event, "wrong-trigger", "only transactions are cancelled")
    if not event.definitions and event.position in (EventPosition.CATCH, EventPosition.BOUNDARY):
        place.error(event, "no-trigger", f"the {event.position.value} waits for nothing")
    if not event.interrupting and any(made.trigger in (Trigger.ERROR, Trigger.CANCEL) for made in event.definitions):
        place.error(event, "wrong-trigger", "what catches an error or a cancellation interrupts")


def _of_transaction(event: Event, place: Place) -> bool:
    if event.position is EventPosition.BOUNDARY:
        on = place.nodes.get(event.attached_to or "")
        return isinstance(on, SubProcess) and on.transaction
    return place.owner is not None and place.owner.transaction


def _complete(event: Event, place: Place) -> None:
    """Whether an event of an executable process names what it waits for or causes."""
    catching = event.position in (EventPosition.START, EventPosition.CATCH, EventPosition.BOUNDARY)
    for made in event.definitions:
        missing = _missing(made, catching)
        if missing is not None:
            place.error(event, f"no-{missing}", f"the {made.trigger.value} event has no {missing}")
        if made.trigger is Trigger.COMPENSATION and made.activity is not None:
            _compensated(event, made.activity, place)


def _missing(made: EventDefinition, catching: bool) -> str | None:
    if made.trigger in (Trigger.MESSAGE, Trigger.SIGNAL, Trigger.LINK) and made.name is None:
        return {Trigger.LINK: "name"}.get(made.trigger, made.trigger.value)
    if made.trigger in (Trigger.ERROR, Trigger.ESCALATION) and made.name is None and not catching:
        return "code"
    if made.trigger is Trigger.TIMER and made.expression is None:
        return "time"
    if made.trigger is Trigger.CONDITIONAL and made.expression is None:
        return "condition"
    return None


def _compensated(event: Event, activity: str, place: Place) -> None:
    on = place.nodes.get(activity)
    if on is None:
        return  # Of a scope around it, as in an event sub-process.
    boundaries = {boundary for boundary, _ in place.scope.compensations}
    handled = any(one.id in boundaries for one in place.attached.get(activity, ())) or isinstance(on, SubProcess)
    if not handled:
        place.warning(event, "compensation", f"nothing compensates the activity {activity!r}")


def loops(place: Place) -> None:
    if not place.process.executable:
        return
    for node in place.nodes.values():
        loop = node.loop if isinstance(node, Activity) else None
        if isinstance(loop, MultiInstance) and loop.cardinality is None and loop.collection is None:
            place.error(node, "multi-instance", "the multi-instance activity has neither a cardinality nor a collection")
        if isinstance(loop, StandardLoop) and loop.condition is None and loop.maximum is None:
            place.error(node, "endless-loop", "the loop has neither a condition nor a maximum")


CHECKS = (tasks, events, loops)
