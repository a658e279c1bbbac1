"""What interrupts or adds to what goes on: boundary events and event sub-processes, by what they wait for and by what arises
inside.

Errors, escalations and cancellations go outward from where they arise: at each activity its boundary events, in each scope its
event sub-processes; the one of that code first, then one that catches all (BPMN 10.5.6, 13.5.3). What arises inside an event
sub-process is not caught by the event sub-processes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.bpmn.engine import waits
from modelyard.bpmn.engine.compiled import NodeCode
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.model import Event, Gateway, Task, Trigger
from modelyard.bpmn.state import ScopeState, Token, Wait


@dataclass(frozen=True, slots=True)
class Catcher:
    """A boundary `event` of the activity of `token`, or an event sub-process of `scope`."""

    event: NodeCode
    token: str | None = None
    scope: str | None = None


def find(d: Draft, token: Token | None, scope: str, trigger: Trigger, code: str | None) -> Catcher | None:
    """Who catches what arises in an activity (its token), or else in a scope."""
    sibling = False
    while True:
        place = d.scopes[scope]
        if token is not None and place.kind != "loop":
            event = _match(d.code(token).caught, trigger, code)
            if event is not None:
                return Catcher(event, token=token.id)
        if place.kind in ("process", "body", "event", "undo") and not sibling:
            body = d.compiled.body if place.kind == "process" else d.nodes[place.element].body
            event = _match(body.catching, trigger, code) if body is not None else None
            if event is not None:
                return Catcher(event, scope=scope)
        if place.holder is None:
            return None
        sibling = place.kind == "event"
        token = d.tokens[place.holder]
        scope = token.scope


def _match(events: list[NodeCode], trigger: Trigger, code: str | None) -> NodeCode | None:
    """The event of the code before the one that catches all."""
    general: NodeCode | None = None
    for event in events:
        for definition in (event.start or event).definitions:
            if definition.trigger is trigger and definition.name == code:
                return event
            if definition.trigger is trigger and definition.name is None:
                general = general or event
    return general


def caught(d: Draft, catcher: Catcher, payload: Mapping[str, Any]) -> None:
    if catcher.token is not None:
        boundary(d, d.token(catcher.token), catcher.event, payload)
    elif catcher.scope is not None:
        event_body(d, d.scope(catcher.scope), catcher.event, payload)


def carried(code: NodeCode, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What an event brings, by variables: in its `result` variable, else its own entries."""
    name = getattr(code.node, "result", None)
    return dict(payload) if name is None else {name: dict(payload)}


def boundary(d: Draft, token: Token, event: NodeCode, payload: Mapping[str, Any]) -> None:
    """A boundary event happens: the activity's token leaves by it, or beside it a new one."""
    if event.interrupting:
        d.interrupt(token)
        token.element, token.at, token.flow = event.id, "moving", None
    else:
        token = d.new_token(token.scope, event.id)
    brought = carried(event, payload)
    if brought:
        d.write(token.scope, brought)
    d.taken("entered", token)
    d.taken("left", token)
    d.perform("flows", token)


def event_body(d: Draft, scope: ScopeState, code: NodeCode, payload: Mapping[str, Any]) -> None:
    """An event sub-process begins: instead of all else in its scope, or beside it."""
    if code.start is not None and code.start.interrupting and scope.kind != "undo":
        d.clear(scope.id)
        d.withdraw(scope)
    token = d.new_token(scope.id, code.id)
    d.taken("entered", token)
    d.perform("begin event", token, carried(code.start or code, payload))


def trigger(d: Draft, id_: str, payload: Any) -> None:
    """Operation `trigger`: what was waited for happened (if it is still waited for)."""
    wait = d.waits.get(id_)
    if wait is None:
        return
    code = d.nodes[wait.element]
    if wait.scope is not None:
        _started(d, wait, code, payload or {})
        return
    token = d.token(wait.token or "")
    if token.element != wait.element and not isinstance(d.code(token).node, Gateway):
        _at_boundary(d, wait, token, code, payload or {})
        return
    node = code.node
    waits.spent(d, wait)
    if isinstance(node, Event) and node.parallel and token.waits:
        brought = carried(code, payload or {})
        if brought:
            d.write(token.scope, brought)
        return
    arrived(d, token, code, payload or {})


def _started(d: Draft, wait: Wait, start: NodeCode, payload: Mapping[str, Any]) -> None:
    scope = d.scope(wait.scope or "")
    event = d.nodes[start.scope.element]
    if start.interrupting:
        waits.spent(d, wait)
    else:
        waits.again(d, wait)
    event_body(d, scope, event, payload)


def _at_boundary(d: Draft, wait: Wait, token: Token, event: NodeCode, payload: Mapping[str, Any]) -> None:
    if event.interrupting:
        waits.spent(d, wait)
    else:
        waits.again(d, wait)
    boundary(d, token, event, payload)


def arrived(d: Draft, token: Token, code: NodeCode, payload: Mapping[str, Any]) -> None:
    """The token's own event happened, or one of those after its event-based gateway."""
    if token.element != code.id:
        d.withdraw(token)
        d.close_incident(token)
        d.taken("left", token)
        flow = next((target.flow for target in d.code(token).targets if target.node is code), None)
        d.taken("flow", token, flow)
        token.element, token.flow = code.id, flow
        d.taken("entered", token)
    if isinstance(code.node, Task):
        # Its boundary events go on waiting until its outputs are written.
        d.perform("complete", token, carried(code, payload))
        return
    d.withdraw(token)
    d.close_incident(token)
    brought = carried(code, payload)
    if brought:
        d.write(token.scope, brought)
    d.taken("left", token)
    token.at = "moving"
    d.perform("flows", token)
