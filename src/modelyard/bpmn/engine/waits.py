"""Waiting: subscriptions, timers with their absolute times, conditions; when they are asked for, asked again and withdrawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelyard.bpmn.engine.compiled import DefinitionCode, NodeCode
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.engine.expressions import Failed
from modelyard.bpmn.model import TimerKind, Trigger
from modelyard.bpmn.protocol import SubscriptionWanted, SubscriptionWithdrawn, TimerWanted
from modelyard.bpmn.state import ScopeState, Token, Wait
from modelyard.dmn import Date, DateTime, DaysTime, YearsMonths, written
from modelyard.dmn.feel.temporal import add, from_python, parse_date_time, parse_duration, to_python

_CYCLE = re.compile(r"R(?P<count>\d*|-1)/(?:(?P<start>[^P/][^/]*)/)?(?P<every>P[^/]+)")
_ISO = re.compile(r"P[0-9T].*|R-?\d*/.*|-?\d{4,}-\d\d-\d\d(T.*)?")
Layers = Iterable[Mapping[str, Any]]


def arm(d: Draft, owner: Token | ScopeState, code: NodeCode, layers: Layers) -> None:
    """Wait for what the definitions of an event say. Raises Failed when a time or a key cannot be told."""
    for index, definition in enumerate(code.definitions):
        wait = Wait(d.new_id("w"), _KINDS[definition.trigger], code.id, definition=index, name=definition.name)
        if definition.trigger is Trigger.TIMER:
            _time(wait, definition, layers, d.at)
        elif definition.key is not None:
            wait.key = key_of(definition, layers, d.at)
        _begin(d, owner, wait)
        if wait.kind == "condition":
            ask(d, wait, definition, layers)


_KINDS = {Trigger.MESSAGE: "message", Trigger.SIGNAL: "signal", Trigger.TIMER: "timer", Trigger.CONDITIONAL: "condition"}


def _begin(d: Draft, owner: Token | ScopeState, wait: Wait) -> None:
    if isinstance(owner, Token):
        wait.token = owner.id
    else:
        wait.scope = owner.id
    d.waits[wait.id] = wait
    owner.waits = (*owner.waits, wait.id)
    token = wait.token or ""
    if wait.due is not None:
        d.effects.append(TimerWanted(element=wait.element, token=token, timer=wait.id, due=datetime.fromisoformat(wait.due)))
    elif wait.kind in ("message", "signal"):
        d.effects.append(
            SubscriptionWanted(
                element=wait.element, token=token, subscription=wait.id, name=wait.name or "", key=wait.key,
                signal=wait.kind == "signal",
            )
        )  # fmt: skip


def key_of(definition: DefinitionCode, layers: Layers, at: datetime) -> str | None:
    """A message's correlation key as text."""
    if definition.key is None:
        return None
    value = definition.key.value(layers, at)
    if value is None:
        raise Failed("expression", f"{definition.key.place}: the key {definition.key.text!r:.200} is null")
    return value if type(value) is str else written(value)


def spent(d: Draft, wait: Wait) -> None:
    """It happened, and is not waited for any more. A caller who told of a signal cannot know whom it reached, so that is said."""
    del d.waits[wait.id]
    if wait.kind == "signal":
        d.effects.append(SubscriptionWithdrawn(element=wait.element, token=wait.token or "", subscription=wait.id))
    owner: Token | ScopeState = d.token(wait.token) if wait.token is not None else d.scope(wait.scope or "")
    owner.waits = tuple(id_ for id_ in owner.waits if id_ != wait.id)


def again(d: Draft, wait: Wait) -> None:
    """After what does not interrupt: the next turn of a cycle, a new subscription. Signals and conditions go on being waited
    for."""
    if wait.kind in ("signal", "condition"):
        return
    owner: Token | ScopeState = d.token(wait.token) if wait.token is not None else d.scope(wait.scope or "")
    spent(d, wait)
    if wait.kind == "message":
        _begin(d, owner, Wait(d.new_id("w"), "message", wait.element, definition=wait.definition, name=wait.name, key=wait.key))
    elif wait.every is not None and wait.due is not None and wait.left != 1:
        due = _later(parse_date_time(wait.due), parse_duration(wait.every), wait.element)
        left = None if wait.left is None else wait.left - 1
        made = Wait(d.new_id("w"), "timer", wait.element, definition=wait.definition, due=due, every=wait.every, left=left)
        _begin(d, owner, made)


def ask(d: Draft, wait: Wait, definition: DefinitionCode, layers: Layers) -> None:
    """A conditional event happens when its condition becomes true. One that is null, for want of data, is not true yet."""
    holds = False
    if definition.expression is not None:
        try:
            holds = definition.expression.value(layers, d.at) is True
        except Failed:
            # Data that is not there yet is what such an event waits for; the lint tells of expressions that are no FEEL.
            holds = False
    if holds != wait.held:
        made = wait.copy()
        made.held = holds
        d.waits[wait.id] = made
        if holds:
            d.later("trigger", wait.id)


def ask_all(d: Draft) -> None:
    """Variables have changed."""
    d.changed = False
    for wait in [each for each in d.waits.values() if each.kind == "condition"]:
        if wait.token is not None:
            token = d.tokens[wait.token]
            layers = d.layers(token.scope, token.data)
        else:
            layers = d.layers(wait.scope)
        ask(d, wait, d.nodes[wait.element].definitions[wait.definition], layers)


# --- times (ISO 8601; 10.5.5.1 of the BPMN specification) -----------------------------------------------------------------------


def _time(wait: Wait, definition: DefinitionCode, layers: Layers, at: datetime) -> None:
    value = _literal(definition, layers, at)
    place = definition.expression.place if definition.expression else wait.element
    if definition.timer is TimerKind.CYCLE:
        _cycle(wait, value, at, place)
    elif definition.timer is TimerKind.DURATION:
        wait.due = _later(_moment(at), _duration(value, place), place)
    else:
        wait.due = _point(value, at, place)


def _literal(definition: DefinitionCode, layers: Layers, at: datetime) -> Any:
    """What a timer says: ISO text is taken as it stands, anything else is FEEL."""
    text = (definition.text or "").strip()
    if _ISO.fullmatch(text):
        return text
    return None if definition.expression is None else definition.expression.value(layers, at)


def _cycle(wait: Wait, value: Any, at: datetime, place: str) -> None:
    text = value if isinstance(value, str) else f"R/{value}"
    found = _CYCLE.fullmatch(text)
    if found is None:
        raise Failed("expression", f"{place}: {text!r:.80} is no cycle such as R3/PT10M")
    every = _duration(found["every"], place)
    if str(every).startswith("-") or every in (DaysTime(0), YearsMonths(0)):
        raise Failed("expression", f"{place}: a cycle of {every} does not get on")
    count = found["count"]
    wait.every, wait.left = str(every), None if count in ("", "-1") else int(count)
    if wait.left == 0:
        raise Failed("expression", f"{place}: the cycle {text!r:.80} never fires")
    wait.due = _point(found["start"], at, place) if found["start"] else _later(_moment(at), every, place)


def _duration(value: Any, place: str) -> DaysTime | YearsMonths:
    found = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(found, DaysTime | YearsMonths):
        raise Failed("expression", f"{place}: {value!s:.80} is no duration")
    return found


def _moment(at: datetime) -> DateTime:
    found = from_python(at)
    assert isinstance(found, DateTime)
    return found


def _point(value: Any, at: datetime, place: str) -> str:
    found = parse_date_time(value, date_only=True) if isinstance(value, str) else value
    if isinstance(found, Date):
        found = DateTime.at_midnight(found)
    if not isinstance(found, DateTime):
        raise Failed("expression", f"{place}: {value!s:.80} is no date and time")
    return _text(found, at, place)


def _later(point: DateTime | None, by: Any, place: str) -> str:
    found = None if point is None else add(point, by)
    if not isinstance(found, DateTime):
        raise Failed("expression", f"{place}: {by} from {point} is no time")
    return _text(found, None, place)


def _text(point: DateTime, at: datetime | None, place: str) -> str:
    """As ISO text with an offset. A time that says no offset has that of the event."""
    try:
        found = to_python(point)
    except (ValueError, OverflowError) as error:
        raise Failed("expression", f"{place}: {error}") from error
    assert isinstance(found, datetime)
    if found.tzinfo is None:
        found = found.replace(tzinfo=at.tzinfo if at is not None else UTC)
    return datetime.fromisoformat(found.isoformat()).isoformat()
