"""Compensation and cancelling transactions (BPMN 10.7 and 13.5.5).

Of the activities that ended, those that can be compensated are remembered by their scope. The token that compensates takes a plan
of them and has them undone one after the other, the last first, each to its end. A sub-process that ended is undone by its
handler, else by its compensating event sub-process, else by undoing what ended inside it, over the variables that it had."""

from __future__ import annotations

from typing import Any

from modelyard.bpmn.engine import catching
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.engine.expressions import Failed
from modelyard.bpmn.engine.flows import is_end
from modelyard.bpmn.model import Trigger
from modelyard.bpmn.state import Token


def throw(d: Draft, token: Token, activity: str | None) -> None:
    """Undo what ended in the scope of the token, or of it only one activity; inside an event sub-process, in the scope around."""
    id_ = _around(d, token.scope)
    scope = d.scope(id_)
    plan = tuple(entry for entry in scope.done if activity in (None, entry[0]))
    scope.done = tuple(entry for entry in scope.done if activity not in (None, entry[0]))
    token.at, token.plan = "undo", plan
    undo_next(d, token, None)


def cancel(d: Draft, token: Token) -> None:
    """A cancel end event: all else in the transaction ends, what ended is undone, then its cancel boundary event happens."""
    scope = d.scope(token.scope)
    catcher = catching.find(d, None, scope.id, Trigger.CANCEL, None)
    if catcher is None:
        raise Failed("error", "nothing catches the cancellation: the transaction has no cancel boundary event")
    d.clear(scope.id, keep=token.id)
    d.withdraw(scope)
    token.at, token.plan, scope.done = "undo", scope.done, ()
    undo_next(d, token, None)


def _around(d: Draft, scope: str) -> str:
    while d.scopes[scope].kind == "event" and d.scopes[scope].parent is not None:
        scope = d.scopes[scope].parent or ""
    return scope


def undo_next(d: Draft, token: Token, data: Any) -> None:
    """Operation `undo next`: the last of the plan, or its end."""
    token.at = "undo"
    if not token.plan:
        d.perform("undone", token)
        return
    *rest, (element, known, inner) = token.plan
    token.plan = tuple(rest)
    code = d.nodes[element]
    scope = token.child if token.child is not None else _around(d, token.scope)
    if code.handler is not None:
        handler = d.new_token(scope, code.handler.id, undoes=token.id)
        handler.data = dict(known)
        d.taken("compensated", _at(token, element))
        d.later("enter", handler.id)
        return
    inside = d.new_token(scope, element, undoes=token.id)
    body = d.new_scope(element, "undo", scope, inside.id)
    body.data = dict(known)
    inside.child, inside.at = body.id, "undo"
    d.taken("compensated", inside)
    undoing = code.body.undoing if code.body is not None else None
    if undoing is not None:
        body.done = inner
        catching.event_body(d, body, undoing, {})
    else:
        inside.plan = inner
        undo_next(d, inside, None)


def _at(token: Token, element: str) -> Token:
    made = token.copy()
    made.element = element
    return made


def undone(d: Draft, token: Token, data: Any) -> None:
    """Operation `undone`: nothing of the plan is left."""
    code = d.code(token)
    if token.undoes is not None:
        waiting = token.undoes
        if token.child is not None:
            d.close(token.child)
            token.child = None
        d.consume(token)
        if waiting in d.tokens:
            d.perform("undo next", d.token(waiting))
        return
    if is_end(code) and any(each.trigger is Trigger.CANCEL for each in code.definitions):
        catcher = catching.find(d, None, token.scope, Trigger.CANCEL, None)
        if catcher is not None:
            catching.caught(d, catcher, {})
        return
    token.at = "moving"
    d.perform("thrown", token)
