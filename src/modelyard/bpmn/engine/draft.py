"""A step in the making: the state that it leads to, its effects, and what is still to be done in it.

The tables of the old state are copied shallowly, and a record only when it is first written (`token`, `scope`). What is to be
done next is put in a queue by name (`later`), so that nothing recurses however long a chain of automatic nodes is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode
from modelyard.bpmn.engine.expressions import Failed, Feel
from modelyard.bpmn.protocol import (
    AnyEffect,
    IncidentClosed,
    IncidentRaised,
    InstanceEnded,
    Limits,
    StepTaken,
    SubscriptionWithdrawn,
    TimerWithdrawn,
    WorkWithdrawn,
)
from modelyard.bpmn.state import IncidentState, ScopeState, State, Token
from modelyard.dmn import plain

Operation = Callable[["Draft", Any, Any], None]
_WITHDRAWN: dict[str, Callable[[str, str, str], AnyEffect]] = {
    "work": lambda element, token, id_: WorkWithdrawn(element=element, token=token, work=id_),
    "timer": lambda element, token, id_: TimerWithdrawn(element=element, token=token, timer=id_),
    "message": lambda element, token, id_: SubscriptionWithdrawn(element=element, token=token, subscription=id_),
    "signal": lambda element, token, id_: SubscriptionWithdrawn(element=element, token=token, subscription=id_),
}


class Draft:
    """`operations` are what the queue can name. An operation on a token that raises Failed becomes an incident of that token."""

    def __init__(
        self, compiled: CompiledProcess, state: State, at: datetime, limits: Limits, operations: Mapping[str, Operation]
    ) -> None:
        self.compiled, self.nodes, self.at, self.limits, self.operations = compiled, compiled.nodes, at, limits, operations
        self.before = state
        self.status, self.counter, self.root = state.status, state.counter, state.root
        self.tokens, self.scopes = state.tokens.copy(), state.scopes.copy()
        self.waits, self.incidents = state.waits.copy(), state.incidents.copy()
        self.effects: list[AnyEffect] = []
        self.queue: deque[tuple[str, Any, Any]] = deque()
        self.changed = False
        self._own_tokens: set[str] = set()
        self.own_scopes: dict[str, None] = {}

    def state(self) -> State:
        return State(
            self.before.definition, self.before.process, self.status, self.counter, self.root,
            self.tokens, self.scopes, self.waits, self.incidents,
        )  # fmt: skip

    # --- records

    def new_id(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def token(self, id_: str) -> Token:
        """The token, to be written."""
        if id_ in self._own_tokens:
            return self.tokens[id_]
        self._own_tokens.add(id_)
        made = self.tokens[id_] = self.tokens[id_].copy()
        return made

    def scope(self, id_: str) -> ScopeState:
        """The scope, to be written."""
        if id_ in self.own_scopes:
            return self.scopes[id_]
        self.own_scopes[id_] = None
        made = self.scopes[id_] = self.scopes[id_].copy()
        return made

    def new_token(self, scope: str, element: str, **more: Any) -> Token:
        made = Token(self.new_id("t"), element, scope, **more)
        self.tokens[made.id] = made
        self._own_tokens.add(made.id)
        self.scope(scope).tokens[made.id] = None
        return made

    def new_scope(self, element: str, kind: str, parent: str | None, holder: str | None) -> ScopeState:
        made = ScopeState(self.new_id("s"), element, kind, parent, holder)
        self.scopes[made.id] = made
        self.own_scopes[made.id] = None
        return made

    def code(self, token: Token) -> NodeCode:
        return self.nodes[token.element]

    # --- what is to be done

    def later(self, operation: str, subject: str, data: Any = None) -> None:
        self.queue.append((operation, subject, data))

    def perform(self, operation: str, token: Token, data: Any = None) -> None:
        """Do it now; if it fails the token stays where it is, with an incident that remembers the operation."""
        try:
            self.operations[operation](self, token, data)
        except Failed as failed:
            self.incident(token, failed, operation, data)

    def incident(self, token: Token, failed: Failed, step: str, data: dict[str, Any] | None = None) -> None:
        made = IncidentState(self.new_id("i"), token.id, token.element, failed.cause, failed.message, step, data)
        self.incidents[made.id] = made
        token.at, token.incident = "incident", made.id
        self.effects.append(
            IncidentRaised(element=token.element, token=token.id, incident=made.id, cause=failed.cause, message=failed.message)
        )

    def close_incident(self, token: Token) -> None:
        if token.incident is not None:
            del self.incidents[token.incident]
            self.effects.append(IncidentClosed(element=token.element, token=token.id, incident=token.incident))
            token.incident = None

    def taken(self, what: str, token: Token, flow: str | None = None) -> None:
        self.effects.append(StepTaken(element=token.element, token=token.id, what=what, at=self.at, flow=flow))

    # --- variables

    def layers(self, scope: str | None, *inner: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
        """The variables that are seen from a scope, from the process inward, then the `inner` ones."""
        found: list[Mapping[str, Any]] = [layer for layer in reversed(inner) if layer]
        while scope is not None:
            place = self.scopes[scope]
            if place.data:
                found.append(place.data)
            scope = place.parent
        found.reverse()
        return found

    def value(self, feel: Feel, token: Token, *inner: Mapping[str, Any] | None) -> Any:
        return feel.value(self.layers(token.scope, token.data, *inner), self.at)

    def write(self, scope: str, data: Mapping[str, Any]) -> None:
        """Each variable goes to the nearest scope outward that declares it, else to the process."""
        for name, value in data.items():
            place = self.scopes[scope]
            while place.parent is not None and name not in place.data:
                place = self.scopes[place.parent]
            self.scope(place.id).data[name] = value
            self.changed = True

    # --- ending

    def withdraw(self, owner: Token | ScopeState) -> None:
        """Nothing is expected for it any more."""
        for id_ in owner.waits:
            wait = self.waits.pop(id_)
            effect = _WITHDRAWN.get(wait.kind)
            if effect is not None:
                self.effects.append(effect(wait.element, wait.token or "", id_))
        owner.waits = ()

    def consume(self, token: Token) -> None:
        """The token is used up; its scope ends with its last one."""
        self.remove(token)
        self.later("settle", token.scope)

    def remove(self, token: Token) -> None:
        del self.tokens[token.id]
        scope = self.scope(token.scope)
        del scope.tokens[token.id]
        if token.flow is not None and token.id in scope.joins.get(token.element, {}).get(token.flow, ()):
            self.unjoin(scope, token)

    def unjoin(self, scope: ScopeState, token: Token) -> None:
        flows = dict(scope.joins[token.element])
        flow = token.flow or ""
        flows[flow] = tuple(id_ for id_ in flows[flow] if id_ != token.id)
        if not flows[flow]:
            del flows[flow]
        if flows:
            scope.joins[token.element] = flows
        else:
            del scope.joins[token.element]

    def interrupt(self, token: Token) -> None:
        """End what the token does; it stays, to go on elsewhere or to be removed."""
        self.withdraw(token)
        self.close_incident(token)
        if token.child is not None:
            self.close(token.child)
            token.child = None
        if token.at != "moving":
            self.taken("interrupted", token)
        token.plan, token.data = (), None

    def clear(self, scope: str, keep: str | None = None) -> None:
        """Interrupt and remove the tokens of a scope."""
        for id_ in [*self.scopes[scope].tokens]:
            if id_ != keep:
                token = self.token(id_)
                self.interrupt(token)
                self.remove(token)

    def close(self, scope: str) -> None:
        """End a scope with all that is in it."""
        self.clear(scope)
        place = self.scope(scope)
        self.withdraw(place)
        del self.scopes[scope]
        self.own_scopes.pop(scope, None)

    def end(self, how: str) -> None:
        self.clear(self.root)
        root = self.scope(self.root)
        self.withdraw(root)
        root.done = ()
        self.status = how
        self.queue.clear()
        data = {name: plain(value) for name, value in root.data.items()}
        self.effects.append(InstanceEnded(element=root.element, token="", how=how, data=data))
