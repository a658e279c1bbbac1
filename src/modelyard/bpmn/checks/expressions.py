"""Whether every expression is FEEL, and every literal time one of ISO 8601 (BPMN 2.0.2, 8.4.6 and 10.5.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelyard.bpmn.checks.place import Place
from modelyard.bpmn.model import (
    Activity,
    Event,
    EventDefinition,
    Flow,
    MultiInstance,
    Node,
    Process,
    StandardLoop,
    Task,
    TimerKind,
    Trigger,
)
from modelyard.dmn import DaysTime, Expression, FeelSyntaxError, LimitExceeded, YearsMonths
from modelyard.dmn.feel.temporal import parse_date_time, parse_duration

_LOOKS_LIKE_TIME = re.compile(r"R\d*/.*|[-+]?P(T?\d.*)?|\d{4}-\d\d?-.*", re.A | re.S)
"""Not FEEL, though some of it could be read so: `P1D` as a name, `R3/PT1H` as a division, `2026-01-31` as a difference."""
_QUOTED = re.compile(r'"([^"\\]*)"')

Found = tuple[Node | Flow, str, str]
"""Where an expression stands, what it is there, and its text."""


def syntax(place: Place) -> None:
    if not place.process.executable:
        return
    names = tuple(made.name for made in place.scope.data)
    for of, what, text in _all(place):
        _check(of, what, text, names, place)
    for data in place.scope.data:
        if data.initial is not None:
            _check(place.whole, f"the initial value of {data.name!r:.60}", data.initial, names, place)


def _check(of: Node | Flow | Process, what: str, text: str, names: tuple[str, ...], place: Place) -> None:
    try:
        problems = Expression(text).problems(names)
    except FeelSyntaxError as error:
        place.error(of, "feel", f"{what} is not FEEL: {error}")
    except LimitExceeded as error:
        place.error(of, "feel", f"{what} is too much: {error.detail}")
    else:
        # Which variables there will be is not known before; which functions there are, is.
        for problem in problems:
            if problem.startswith("unknown function"):
                place.warning(of, "feel", f"{what} has an {problem}")


def _all(place: Place) -> Iterator[Found]:
    for flow in place.scope.flows.values():
        if flow.condition is not None:
            yield flow, "the condition", flow.condition
    for node in place.nodes.values():
        for what, text in (*_of_event(node), *_of_activity(node), *_of_loop(node)):
            if text is not None:
                yield node, what, text


def _of_event(node: Node) -> Iterator[tuple[str, str | None]]:
    definitions = node.definitions if isinstance(node, Event) else (node.event,) if isinstance(node, Task) and node.event else ()
    for made in definitions:
        yield "the correlation key", made.correlation
        if made.trigger is not Trigger.TIMER:
            yield ("the condition" if made.trigger is Trigger.CONDITIONAL else "the payload"), made.expression
        elif made.expression is not None and not _LOOKS_LIKE_TIME.fullmatch(made.expression):
            yield "the time", made.expression


def _of_activity(node: Node) -> Iterator[tuple[str, str | None]]:
    if isinstance(node, Task):
        yield "the script", node.script
    if isinstance(node, Activity):
        for assignment in (*node.inputs, *node.outputs):
            yield f"the expression for {assignment.target!r:.60}", assignment.expression


def _of_loop(node: Node) -> Iterator[tuple[str, str | None]]:
    loop = node.loop if isinstance(node, Activity) else None
    if isinstance(loop, StandardLoop):
        yield "the loop's condition", loop.condition
    if isinstance(loop, MultiInstance):
        yield "the cardinality", loop.cardinality
        yield "the collection", loop.collection
        yield "the output of each", loop.output_item
        yield "the completion condition", loop.completion


def timers(place: Place) -> None:
    """A time that is written out, with or without quotation marks, is a date, duration or cycle as the timer wants it."""
    if not place.process.executable:
        return
    for node in place.nodes.values():
        for made in node.definitions if isinstance(node, Event) else ():
            literal = _literal(made)
            if literal is not None and not is_time(literal, made.timer):
                wanted = {TimerKind.DATE: "date", TimerKind.DURATION: "duration", TimerKind.CYCLE: "cycle"}
                kind = wanted[made.timer] if made.timer else "time"
                place.error(node, "timer", f"{literal!r:.60} is no {kind} that is understood")


def _literal(made: EventDefinition) -> str | None:
    if made.trigger is not Trigger.TIMER or made.expression is None:
        return None
    quoted = _QUOTED.fullmatch(made.expression)
    if quoted is not None:
        return quoted[1]
    return made.expression if _LOOKS_LIKE_TIME.fullmatch(made.expression) else None


def is_time(text: str, kind: TimerKind | None) -> bool:
    """Whether a timer of that kind understands a text: a date, with a time of day or not; a duration, of years and months or of
    days and times as in FEEL; a cycle such as `R3/PT10M` or `R/2026-01-31T10:00:00Z/P1D`, which fires once at least."""
    if kind is TimerKind.DURATION:
        return parse_duration(text) is not None
    if kind is not TimerKind.CYCLE:
        return parse_date_time(text, date_only=True) is not None
    repeat, *start, every = text.split("/") if "/" in text else ("", text)
    duration = parse_duration(every)
    repeats = re.fullmatch(r"R(-1|\d*)", repeat, re.A) is not None and repeat.strip("R") not in ("0", "00")
    lasts = duration is not None and duration not in (DaysTime(0), YearsMonths(0)) and not every.startswith("-")
    return repeats and lasts and len(start) < 2 and all(parse_date_time(each, date_only=True) is not None for each in start)


CHECKS = (syntax, timers)
