"""Events and what they wait for or cause (BPMN 2.0.2, 10.5)."""

from __future__ import annotations

from lxml import etree

from modelyard.bpmn.model import Event, EventDefinition, EventPosition, Severity, TimerKind, Trigger
from modelyard.bpmn.reading.context import Reading
from modelyard.bpmn.reading.extensions import ZEEBE, attribute, others
from modelyard.bpmn.reading.node import common
from modelyard.bpmn.reading.tree import child, children, flag, tag, text

DEFINITIONS = {
    "messageEventDefinition": Trigger.MESSAGE,
    "timerEventDefinition": Trigger.TIMER,
    "signalEventDefinition": Trigger.SIGNAL,
    "errorEventDefinition": Trigger.ERROR,
    "escalationEventDefinition": Trigger.ESCALATION,
    "conditionalEventDefinition": Trigger.CONDITIONAL,
    "linkEventDefinition": Trigger.LINK,
    "terminateEventDefinition": Trigger.TERMINATE,
    "compensateEventDefinition": Trigger.COMPENSATION,
    "cancelEventDefinition": Trigger.CANCEL,
}
_CODES = {Trigger.ERROR: "errorCode", Trigger.ESCALATION: "escalationCode"}
_THROWING = (EventPosition.THROW, EventPosition.END)


def event(element: etree._Element, reading: Reading) -> Event:
    position = EventPosition(tag(element))
    found = [made for made in children(element) if tag(made) in DEFINITIONS]
    for reference in children(element, "eventDefinitionRef"):
        shared = reading.referred(element, text(reference), *DEFINITIONS)
        if shared is not None:
            found.append(shared)
    parallel = flag(element, "parallelMultiple") and len(found) > 1
    if parallel and position is not EventPosition.CATCH:
        reading.cannot_run(element, "not-executable", f"a {position.value} that waits for all of several things is not executed")
    attached = None
    if position is EventPosition.BOUNDARY:
        attached = _attached(element, reading)
    return Event(
        **common(element, reading),
        position=position,
        definitions=tuple(_definition(made, element, position, reading) for made in found),
        attached_to=attached,
        interrupting=flag(element, "cancelActivity" if attached else "isInterrupting", True),
        parallel=parallel,
        result=attribute(element, "result"),
    )


def _attached(element: etree._Element, reading: Reading) -> str | None:
    """The activity of a boundary event, which is of the same scope (10.5.4)."""
    written = (element.get("attachedToRef") or "").strip()
    if not written:
        reading.problem(element, "the boundary event is attached to nothing")
        return None
    found = reading.elements.get(written)
    if found is None:
        found = reading.elements.get(written.rpartition(":")[2])
    if found is None:
        reading.problem(element, f"the boundary event is attached to {written!r}, which is not in the file")
        return None
    if found.getparent() is not element.getparent():
        reading.problem(
            element, f"the boundary event is attached to {written!r}, which is not in the same process or sub-process"
        )
    return reading.id(found)


def _definition(made: etree._Element, element: etree._Element, position: EventPosition, reading: Reading) -> EventDefinition:
    trigger = DEFINITIONS[tag(made)]
    id_ = made.get("id")
    if trigger in (Trigger.MESSAGE, Trigger.SIGNAL, Trigger.ERROR, Trigger.ESCALATION):
        return thrown_or_caught(trigger, made, made.get(f"{trigger.value}Ref") or of_operation(made, reading), reading, id_)
    if trigger is Trigger.TIMER:
        return _timer(made, reading)
    if trigger is Trigger.CONDITIONAL:
        return EventDefinition(trigger, expression=reading.expression(child(made, "condition")), id=id_)
    if trigger is Trigger.LINK:
        return EventDefinition(trigger, name=(made.get("name") or element.get("name") or "").strip() or None, id=id_)
    if trigger is Trigger.COMPENSATION:
        return _compensation(made, reading)
    return EventDefinition(trigger, id=id_)


def thrown_or_caught(
    trigger: Trigger, made: etree._Element, reference: str | None, reading: Reading, id_: str | None = None
) -> EventDefinition:
    """A message, signal, error or escalation, known to the world by its name or code, else by its id."""
    found = reading.referred(made, reference, trigger.value)
    name = None
    if found is not None:
        name = found.get(_CODES.get(trigger, "name")) or found.get("name") or reading.id(found)
    payload = attribute(made, "payload")
    correlation = attribute(made, "correlation") or (_correlation(found, reading) if found is not None else None)
    return EventDefinition(trigger, name=name, expression=payload, correlation=correlation, id=id_)


def of_operation(made: etree._Element, reading: Reading) -> str | None:
    """The message of the operation that an event or task names instead of a message (8.4.3)."""
    named = made.get("operationRef") or text(child(made, "operationRef"))
    operation = reading.referred(made, named, "operation")
    return text(child(operation, "inMessageRef")) if operation is not None else None


def _correlation(message: etree._Element, reading: Reading) -> str | None:
    """The key that all who send or wait for a message share."""
    own = attribute(message, "correlation")
    if own is not None:
        return own
    for found in others(message, ZEEBE, "subscription"):
        key = (found.get("correlationKey") or "").strip()
        if key:
            return reading.feel(message, key)
    return None


def _timer(made: etree._Element, reading: Reading) -> EventDefinition:
    kinds = list(children(made, *(kind.value for kind in TimerKind)))
    if len(kinds) > 1:
        reading.notice(
            made, "timer", "the timer has more than one of date, duration and cycle; the first holds", Severity.WARNING
        )
    kind = TimerKind(tag(kinds[0])) if kinds else None
    expression = reading.expression(kinds[0]) if kinds else None
    return EventDefinition(Trigger.TIMER, timer=kind, expression=expression, id=made.get("id"))


def _compensation(made: etree._Element, reading: Reading) -> EventDefinition:
    found = reading.referred(made, made.get("activityRef"))
    if not flag(made, "waitForCompletion", True):
        reading.notice(made, "wait-for-completion", "compensation is always waited for; waitForCompletion has no effect")
    return EventDefinition(Trigger.COMPENSATION, activity=reading.id(found) if found is not None else None, id=made.get("id"))
