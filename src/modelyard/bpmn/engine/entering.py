"""What happens when a token comes to a node."""

from __future__ import annotations

from typing import Any

from modelyard.bpmn.engine import activities, catching, compensation, flows, waits
from modelyard.bpmn.engine.compiled import DefinitionCode, NodeCode
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.model import Event, EventPosition, Gateway, GatewayKind, SubProcess, Trigger
from modelyard.bpmn.protocol import SignalSent
from modelyard.bpmn.state import Token
from modelyard.dmn import plain


def enter(d: Draft, token: Token, data: Any) -> None:
    """Operation `enter`."""
    code = d.code(token)
    node = code.node
    d.taken("entered", token)
    if isinstance(node, Gateway):
        _gateway(d, token, code, node)
    elif isinstance(node, Event):
        d.perform("event", token)
    else:
        d.perform("arm", token)


def _gateway(d: Draft, token: Token, code: NodeCode, node: Gateway) -> None:
    if node.kind in (GatewayKind.PARALLEL, GatewayKind.INCLUSIVE):
        flows.arrive(d, token, code, node.kind)
    elif node.kind is GatewayKind.EVENT_BASED:
        d.perform("event", token)
    else:
        d.perform("flows", token)


def event(d: Draft, token: Token, data: Any) -> None:
    """Operation `event`: wait, or cause what the event is to cause."""
    code = d.code(token)
    node = code.node
    d.withdraw(token)
    if isinstance(node, Gateway):
        token.at = "event"
        for target in code.targets:
            waits.arm(d, token, target.node, d.layers(token.scope))
    elif isinstance(node, Event) and node.position is EventPosition.CATCH and not _passes(code):
        token.at = "event"
        waits.arm(d, token, code, d.layers(token.scope))
    elif isinstance(node, Event) and node.position in (EventPosition.THROW, EventPosition.END):
        _throw(d, token, code)
    else:
        d.taken("left", token)
        d.perform("flows", token)


def _passes(code: NodeCode) -> bool:
    return not code.definitions or code.definitions[0].trigger is Trigger.LINK


def _throw(d: Draft, token: Token, code: NodeCode) -> None:
    """The definitions in order. Compensation goes on by itself, so it comes last."""
    activities.send(d, token, code)
    waiting: DefinitionCode | None = None
    for definition in code.definitions:
        if definition.trigger in (Trigger.COMPENSATION, Trigger.CANCEL):
            waiting = definition
        else:
            _cause(d, token, definition)
            if token.id not in d.tokens or token.element != code.id or d.status != "running":
                return
    if waiting is None:
        d.perform("thrown", token)
    elif waiting.trigger is Trigger.CANCEL:
        compensation.cancel(d, token)
    else:
        compensation.throw(d, token, waiting.activity)


def _cause(d: Draft, token: Token, definition: DefinitionCode) -> None:
    trigger = definition.trigger
    if trigger is Trigger.MESSAGE:
        return
    payload = activities.payload_of(definition, d.layers(token.scope), d)
    if trigger is Trigger.SIGNAL:
        name = definition.name or ""
        shown = {key: plain(value) for key, value in payload.items()}
        d.effects.append(SignalSent(element=token.element, token=token.id, name=name, payload=shown))
        d.later("signal", name, payload)
    elif trigger is Trigger.ESCALATION:
        catcher = catching.find(d, None, token.scope, Trigger.ESCALATION, definition.name)
        if catcher is not None:
            catching.caught(d, catcher, payload)
    elif trigger is Trigger.ERROR:
        _error(d, token, definition, payload)
    elif trigger is Trigger.TERMINATE:
        _terminate(d, token)


def _error(d: Draft, token: Token, definition: DefinitionCode, payload: dict[str, Any]) -> None:
    catcher = catching.find(d, None, token.scope, Trigger.ERROR, definition.name)
    if catcher is None:
        d.taken("left", token)
        d.end("failed")
    else:
        catching.caught(d, catcher, payload)


def _terminate(d: Draft, token: Token) -> None:
    """All of the scope ends; a sub-process then goes on as after its ordinary end."""
    scope = token.scope
    d.taken("left", token)
    if scope == d.root:
        d.remove(token)
        d.end("terminated")
        return
    d.clear(scope, keep=token.id)
    d.withdraw(d.scope(scope))
    d.consume(token)


def thrown(d: Draft, token: Token, data: Any) -> None:
    """Operation `thrown`: a throwing event is done."""
    code = d.code(token)
    d.taken("left", token)
    if code.link is not None:
        token.element, token.flow = code.link.id, None
        d.later("enter", token.id)
        return
    d.perform("flows", token)


def skip(d: Draft, token: Token, step: str, data: dict[str, Any]) -> None:
    """Go on as if the step that failed had ended with these data."""
    code = d.code(token)
    if data:
        d.write(token.scope, data)
    if step in ("flows", "join"):
        d.perform(step, token, {})
    elif isinstance(code.node, SubProcess) and code.node.event:
        _abandon(d, token)
        d.consume(token)
    elif isinstance(code.node, (Event, Gateway)):
        d.withdraw(token)
        d.perform("flows" if isinstance(code.node, Gateway) else "thrown", token, {})
    else:
        _abandon(d, token)
        if token.turn is not None:
            d.perform("skip turn", token, data)
        else:
            activities.end(d, token, None)


def _abandon(d: Draft, token: Token) -> None:
    d.withdraw(token)
    if token.child is not None:
        d.close(token.child)
        token.child = None
