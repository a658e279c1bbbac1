"""One step of an instance: take the event in, then go on until everything waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelyard.bpmn.engine import activities, catching, compensation, entering, flows, loops, waits
from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode, is_start
from modelyard.bpmn.engine.draft import Draft, Operation
from modelyard.bpmn.engine.expressions import Failed, feel_values
from modelyard.bpmn.errors import InvalidEvent, InvalidState
from modelyard.bpmn.model import Trigger
from modelyard.bpmn.protocol import (
    AnyEffect,
    Cancelled,
    DataChanged,
    IncidentResolved,
    Limits,
    MessageArrived,
    SignalArrived,
    Started,
    StepEvent,
    TimerFired,
    WorkBroke,
    WorkCompleted,
    WorkEscalated,
    WorkFailed,
)
from modelyard.bpmn.state import State, Token, Wait

DEFAULT_LIMITS = Limits()


def step(
    compiled: CompiledProcess, state: State | None, event: StepEvent, limits: Limits = DEFAULT_LIMITS
) -> tuple[State, tuple[AnyEffect, ...]]:
    """The state after the event, and what is to be done, in the order in which it arose. The old state stays as it was.

    Deterministic: the same state and event give the same. `Started` takes no state, every other event the one of the last step.
    Raises InvalidEvent for what nothing waits for (a duplicate too) and for data that are no values, InvalidState for a state of
    another definition; then nothing has happened."""
    if event.at.tzinfo is None:
        raise InvalidEvent(f"the time {event.at} of the event says no offset")
    if isinstance(event, Started) != (state is None):
        raise InvalidEvent("the instance has begun already" if state is not None else "an instance begins with Started")
    if state is None:
        state = State(compiled.digest, compiled.process.id)
    elif state.definition != compiled.digest or state.process != compiled.process.id:
        raise InvalidState(f"the state is of the process {state.process!r} of the definition {state.definition:.12}…")
    elif state.status != "running":
        raise InvalidEvent(f"the instance has ended: it is {state.status}")
    draft = Draft(compiled, state, event.at, limits, OPERATIONS)
    try:
        _TAKEN[type(event)](draft, event)
        drain(draft)
    except Failed as failed:
        raise InvalidEvent(failed.message) from failed
    return draft.state(), tuple(draft.effects)


def drain(d: Draft) -> None:
    left = d.limits.steps
    while d.status == "running":
        while d.queue:
            name, subject, data = d.queue.popleft()
            direct = _DIRECT.get(name)
            if direct is not None:
                direct(d, subject, data)
            elif subject in d.tokens:
                left -= 1
                _perform(d, name, d.token(subject), data, exhausted=left < 0)
            if d.changed and d.compiled.conditions:
                waits.ask_all(d)
        if not flows.fire_inclusive(d):
            break
    if d.status == "running":
        flows.stuck(d)


def _perform(d: Draft, name: str, token: Token, data: Any, *, exhausted: bool) -> None:
    if exhausted:
        failed = Failed("loop", f"more than {d.limits.steps} nodes were passed in one step: does an automatic loop never end?")
        d.incident(token, failed, name, data)
    else:
        d.perform(name, token, data)


def _signal(d: Draft, name: str, payload: Any) -> None:
    """Operation `signal`: all that wait for it at this moment go on."""
    for id_ in [wait.id for wait in d.waits.values() if wait.kind == "signal" and wait.name == name]:
        catching.trigger(d, id_, payload)


def _loop_ended(d: Draft, token: Token, data: Any) -> None:
    activities.end(d, token, None)


def _skip_turn(d: Draft, token: Token, data: Any) -> None:
    code = d.code(token)
    try:
        verdict = loops.verdict(d, token, code, data)
    except Failed:
        # What is skipped need not give what the output element asks for; the loop goes on to its next turn.
        verdict = loops.Verdict()
    activities.end(d, token, verdict)


OPERATIONS: Mapping[str, Operation] = {
    "enter": entering.enter,
    "event": entering.event,
    "thrown": entering.thrown,
    "arm": activities.arm,
    "begin": activities.begin,
    "begin event": activities.begin_event,
    "complete": activities.complete,
    "turns": loops.turns,
    "loop ended": _loop_ended,
    "skip turn": _skip_turn,
    "flows": flows.leave,
    "join": flows.retry_join,
    "undo next": compensation.undo_next,
    "undone": compensation.undone,
}
"""What is done to a token, by name: the queue and the incidents of a state name them."""

_DIRECT: Mapping[str, Callable[[Draft, str, Any], None]] = {
    "settle": lambda d, id_, _: activities.settle(d, id_),
    "trigger": catching.trigger,
    "signal": _signal,
}


# --- events ---------------------------------------------------------------------------------------------------------------------


def _started(d: Draft, event: Started) -> None:
    root = d.new_scope(d.compiled.process.id, "process", None, None)
    d.root = root.id
    nodes = _starts(d.compiled, event.start)
    activities.fill(d, root, d.compiled.body, feel_values(event.data))
    activities.listen(d, root, d.compiled.body)
    for code in nodes:
        token = d.new_token(root.id, code.id)
        if event.start is not None and not is_start(code.node):
            d.taken("entered", token)
            catching.arrived(d, token, code, {})
        else:
            d.later("enter", token.id)
    d.later("settle", root.id)


def _starts(compiled: CompiledProcess, start: str | None) -> list[NodeCode]:
    """Where to begin. Raises InvalidEvent when that is not clear."""
    ways = compiled.starts
    if start is not None:
        found = [way.element for way in ways if way.element == start] or [way.element for way in ways if way.name == start]
        if len({*found}) != 1:
            raise InvalidEvent(f"the process has no start {start!r}" if not found else f"several starts are called {start!r}")
        return [compiled.nodes[found[0]]]
    plain = compiled.body.starts
    if not plain and len({way.element for way in ways}) == 1:
        return [compiled.nodes[ways[0].element]]
    if any(is_start(code.node) for code in plain) and len(plain) > 1:
        raise InvalidEvent(f"the process has {len(plain)} plain start events: say which")
    if not plain and compiled.body.nodes:
        raise InvalidEvent("the process has no plain start event: say which of its starts it is")
    return plain


def _expected(d: Draft, id_: str, kind: str) -> tuple[Wait, Token]:
    """What the event answers, and whose it is. Raises InvalidEvent."""
    wait = d.waits.get(id_)
    if wait is None or wait.kind != kind:
        raise InvalidEvent(f"nothing waits for the {'subscription' if kind == 'message' else kind} {id_!r}")
    return wait, d.token(wait.token) if wait.token is not None else Token("", wait.element, wait.scope or "")


def _completed(d: Draft, event: WorkCompleted) -> None:
    wait, token = _expected(d, event.work, "work")
    node = d.code(token).node
    given = feel_values(event.result, token.element)
    if getattr(node, "result", None) is not None:
        given = activities.as_result(node, given["result"] if given.keys() == {"result"} else given)  # type: ignore[arg-type]
    waits.spent(d, wait)
    d.perform("complete", token, given)


def _failed(d: Draft, event: WorkFailed) -> None:
    wait, token = _expected(d, event.work, "work")
    data = feel_values(event.data, token.element)
    waits.spent(d, wait)
    catcher = catching.find(d, token, token.scope, Trigger.ERROR, event.code)
    if catcher is not None:
        catching.caught(d, catcher, data)
    else:
        d.incident(token, Failed("error", f"nothing catches the error {event.code!r}: {event.message}".rstrip(": ")), "begin")


def _broke(d: Draft, event: WorkBroke) -> None:
    wait, token = _expected(d, event.work, "work")
    waits.spent(d, wait)
    d.incident(token, Failed("work", event.message), "begin")


def _escalated(d: Draft, event: WorkEscalated) -> None:
    _, token = _expected(d, event.work, "work")
    data = feel_values(event.data, token.element)
    catcher = catching.find(d, token, token.scope, Trigger.ESCALATION, event.code)
    if catcher is not None:
        catching.caught(d, catcher, data)


def _timer(d: Draft, event: TimerFired) -> None:
    _expected(d, event.timer, "timer")
    d.later("trigger", event.timer)


def _message(d: Draft, event: MessageArrived) -> None:
    _expected(d, event.subscription, "message")
    d.later("trigger", event.subscription, feel_values(event.payload))


def _signalled(d: Draft, event: SignalArrived) -> None:
    if not any(wait.kind == "signal" and wait.name == event.name for wait in d.waits.values()):
        raise InvalidEvent(f"nothing waits for the signal {event.name!r}")
    d.later("signal", event.name, feel_values(event.payload))


def _data(d: Draft, event: DataChanged) -> None:
    d.write(d.root, feel_values(event.data))
    if d.compiled.conditions:
        waits.ask_all(d)


def _resolved(d: Draft, event: IncidentResolved) -> None:
    found = d.incidents.get(event.incident)
    if found is None:
        raise InvalidEvent(f"there is no incident {event.incident!r}")
    if event.how not in ("retry", "skip"):
        raise InvalidEvent(f"an incident is resolved by retry or skip, not by {event.how!r:.40}")
    data = feel_values(event.data, found.element)
    token = d.token(found.token)
    d.close_incident(token)
    token.at = "moving"
    if event.how == "skip":
        entering.skip(d, token, found.step, data)
        return
    if data:
        d.write(token.scope, data)
    d.perform(found.step, token, found.data)


def _cancelled(d: Draft, event: Cancelled) -> None:
    d.end("cancelled")


_TAKEN: Mapping[type, Callable[[Draft, Any], None]] = {
    Started: _started,
    WorkCompleted: _completed,
    WorkFailed: _failed,
    WorkBroke: _broke,
    WorkEscalated: _escalated,
    TimerFired: _timer,
    MessageArrived: _message,
    SignalArrived: _signalled,
    DataChanged: _data,
    IncidentResolved: _resolved,
    Cancelled: _cancelled,
}
