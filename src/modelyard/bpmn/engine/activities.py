"""Activities: tasks, sub-processes and what belongs to each of them, from entering to leaving (BPMN 13.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.bpmn.engine import loops, waits
from modelyard.bpmn.engine.compiled import NodeCode, ScopeCode
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.model import Activity, CallActivity, SubProcess, Task, TaskKind, Trigger
from modelyard.bpmn.protocol import MessageSent, WorkWanted
from modelyard.bpmn.state import ScopeState, Token, Wait
from modelyard.dmn import plain


def arm(d: Draft, token: Token, data: Any) -> None:
    """Operation `arm`: the activity's boundary events begin to wait; then it begins itself."""
    code = d.code(token)
    if code.waited:
        d.withdraw(token)
        layers = d.layers(token.scope)
        for event in code.waited:
            waits.arm(d, token, event, layers)
    d.perform("turns" if code.loop is not None else "begin", token)


def begin(d: Draft, token: Token, data: Any) -> None:
    """Operation `begin`: one instance of the activity."""
    code = d.code(token)
    if token.child is not None:
        d.close(token.child)
        token.child = None
    inputs: dict[str, Any] = {}
    if code.inputs:
        # What an earlier try was given is not what this one sees: an input may have the name of the variable that it is made of.
        token.data = loops.own(d, token) or None
    for name, feel in code.inputs:
        inputs[name] = d.value(feel, token, inputs)
    if inputs:
        token.data = {**(token.data or {}), **inputs}
    node = code.node
    if isinstance(node, SubProcess):
        _open(d, token, code)
    elif isinstance(node, CallActivity):
        _work(d, token, code, "callActivity", node.called)
    elif isinstance(node, Task):
        _task(d, token, code, node)


def _task(d: Draft, token: Token, code: NodeCode, node: Task) -> None:
    kind = node.kind
    if kind is TaskKind.SCRIPT:
        value = None if code.script is None else d.value(code.script, token)
        d.perform("complete", token, as_result(node, value))
    elif kind is TaskKind.TASK:
        d.perform("complete", token, {})
    elif kind is TaskKind.SEND and code.definitions:
        send(d, token, code)
        d.perform("complete", token, {})
    elif kind is TaskKind.RECEIVE and code.definitions:
        token.at = "event"
        waits.arm(d, token, code, d.layers(token.scope, token.data))
    else:
        _work(d, token, code, kind.value, node.decision if kind is TaskKind.RULE else node.operation)


def as_result(node: Activity, value: Any) -> dict[str, Any]:
    """What a task gives, by variables: in its `result` variable, else a context's own entries."""
    name = getattr(node, "result", None)
    if name is not None:
        return {name: value}
    return value if type(value) is dict else {}


def send(d: Draft, token: Token, code: NodeCode) -> None:
    """Tell of the messages of a send task or a throwing event."""
    layers = d.layers(token.scope, token.data)
    for definition in code.definitions:
        if definition.trigger is Trigger.MESSAGE:
            payload = payload_of(definition, layers, d)
            key = waits.key_of(definition, layers, d.at)
            sent = MessageSent(element=code.id, token=token.id, name=definition.name or "", payload=_plain(payload), key=key)
            d.effects.append(sent)


def payload_of(definition: Any, layers: Any, d: Draft) -> dict[str, Any]:
    """A context as it is, any other value as `value`."""
    if definition.expression is None:
        return {}
    value = definition.expression.value(layers, d.at)
    return value if type(value) is dict else {"value": value}


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in data.items()}


def _work(d: Draft, token: Token, code: NodeCode, kind: str, what: str | None) -> None:
    wait = Wait(d.new_id("w"), "work", code.id, token.id)
    d.waits[wait.id] = wait
    token.waits = (*token.waits, wait.id)
    token.at = "work"
    seen: dict[str, Any] = {}
    if code.inputs:
        seen.update(token.data or {})
    else:
        for layer in d.layers(token.scope, token.data):
            seen.update(layer)
    node = code.node
    d.effects.append(
        WorkWanted(
            element=code.id, token=token.id, work=wait.id, kind=kind, name=node.name, data=_plain(seen), what=what,
            lane=node.lane, extensions=node.extensions,
        )
    )  # fmt: skip


# --- scopes ---------------------------------------------------------------------------------------------------------------------


def _open(d: Draft, token: Token, code: NodeCode) -> None:
    """The body of a sub-process begins."""
    assert code.body is not None
    scope = d.new_scope(code.id, "body", token.scope, token.id)
    token.child, token.at = scope.id, "body"
    fill(d, scope, code.body, token.data or {})
    token.data = None if token.turn is None else token.data
    listen(d, scope, code.body)
    for node in code.body.starts:
        started = d.new_token(scope.id, node.id)
        d.later("enter", started.id)
    d.later("settle", scope.id)


def fill(d: Draft, scope: ScopeState, body: ScopeCode, given: Mapping[str, Any]) -> None:
    """The variables that a scope declares, with what they begin with; `given` values come instead."""
    scope.data.update(given)
    for name, initial in body.data:
        if name not in given:
            scope.data[name] = None if initial is None else initial.value(d.layers(scope.id), d.at)


def listen(d: Draft, scope: ScopeState, body: ScopeCode) -> None:
    """The event sub-processes of a scope begin to wait."""
    for event in body.events:
        if event.start is not None:
            waits.arm(d, scope, event.start, d.layers(scope.id))


def begin_event(d: Draft, token: Token, payload: Any) -> None:
    """Operation `begin event`: the body of an event sub-process, whose start event happened with this payload."""
    code = d.code(token)
    assert code.body is not None
    assert code.start is not None
    if token.child is not None:
        d.close(token.child)
    scope = d.new_scope(code.id, "event", token.scope, token.id)
    token.child, token.at = scope.id, "body"
    fill(d, scope, code.body, {})
    listen(d, scope, code.body)
    if payload:
        d.write(scope.id, payload)
    started = d.new_token(scope.id, code.start.id)
    d.taken("entered", started)
    d.taken("left", started)
    d.perform("flows", started)


def settle(d: Draft, id_: str) -> None:
    """Operation `settle`: a scope without tokens has ended."""
    scope = d.scopes.get(id_)
    if scope is None or scope.tokens or d.status != "running":
        return
    if scope.kind == "process":
        d.end("completed")
    elif scope.kind != "loop" and scope.holder in d.tokens:
        holder = d.token(scope.holder or "")
        if holder.incident is None:
            d.perform("undone" if scope.kind == "undo" else "complete", holder, {})


# --- ending ---------------------------------------------------------------------------------------------------------------------


def complete(d: Draft, token: Token, given: Any) -> None:
    """Operation `complete`: what the activity gives goes to the scope around it; then it is left."""
    code = d.code(token)
    inside = d.scopes[token.child].data if token.child is not None else None
    outputs: dict[str, Any] = {}
    for name, feel in code.outputs:
        outputs[name] = d.value(feel, token, inside, given, outputs)
    is_turn = token.turn is not None
    keeps = is_turn and code.loop is not None and code.loop.output is not None
    written = outputs if code.outputs else {} if keeps else given
    verdict = loops.verdict(d, token, code, {**(inside or {}), **given, **outputs}) if is_turn else None
    if written:
        d.write(token.scope, written)
    end(d, token, verdict)


def end(d: Draft, token: Token, verdict: loops.Verdict | None) -> None:
    """The activity has ended: remember it for compensation, take down what is inside, and go on."""
    code = d.code(token)
    if code.loop is None or token.turn is not None:
        _remember(d, token, code)
    if token.child is not None:
        d.close(token.child)
        token.child = None
    d.withdraw(token)
    d.taken("left", token)
    token.at, token.data = "moving", None
    if token.turn is not None:
        loops.turn_ended(d, token, verdict or loops.Verdict())
    elif token.undoes is not None:
        waiting = token.undoes
        d.consume(token)
        if waiting in d.tokens:
            d.perform("undo next", d.token(waiting))
    else:
        d.perform("flows", token)


def _remember(d: Draft, token: Token, code: NodeCode) -> None:
    inner = d.scopes[token.child] if token.child is not None else None
    inside = inner.done if inner is not None else ()
    undoing = code.body.undoing if code.body is not None else None
    if token.undoes is None and (code.handler is not None or inside or undoing is not None):
        data = {**(token.data or {}), **(inner.data if inner is not None else {})}
        scope = d.scope(token.scope)
        scope.done = (*scope.done, (code.id, data, inside))
