"""Carrying a plan out: one step of the engine, of which the event is that the definition changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from modelyard.bpmn.engine import activities, flows, waits
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.engine.expressions import Failed
from modelyard.bpmn.engine.stepping import DEFAULT_LIMITS, OPERATIONS, drain
from modelyard.bpmn.errors import MigrationRefused
from modelyard.bpmn.migration.elements import Correspondence
from modelyard.bpmn.migration.plan import Become, Move, Plan
from modelyard.bpmn.model import Activity, Gateway, GatewayKind
from modelyard.bpmn.protocol import AnyEffect, Limits, SubscriptionWithdrawn, TimerWithdrawn, WorkWithdrawn
from modelyard.bpmn.state import ScopeState, State, Token, Wait


def migrate(state: State, plan: Plan, at: datetime, limits: Limits = DEFAULT_LIMITS) -> tuple[State, tuple[AnyEffect, ...]]:
    """The instance under the new definition, and what is to be done: first what is withdrawn, then what is wanted anew.

    Variables stay, and ids of what is kept; whoever keeps element ids beside them finds the new ones in the plan's moves. Work
    that is wanted anew gets its inputs again; a timer that says something else than before counts from `at`. Gateways that have
    all their tokens now go on at once. The old state stays as it was.

    Raises MigrationRefused, with all `problems`, when the plan has any, when the instance has moved since it was planned, or when
    an expression of the new definition that is needed now cannot be evaluated."""
    if plan.problems:
        error = MigrationRefused("; ".join(map(str, plan.problems)))
        error.problems = plan.problems
        raise error
    if state != plan.state:
        raise MigrationRefused("the instance has moved since the plan was made: plan again")
    if at.tzinfo is None:
        raise MigrationRefused(f"the time {at} says no offset")
    carrying = _Carrying(plan, at, limits)
    try:
        return carrying.done()
    except Failed as failed:
        raise MigrationRefused(failed.message) from failed


class _Carrying:
    def __init__(self, plan: Plan, at: datetime, limits: Limits) -> None:
        self.plan, self.map = plan, plan.correspondence
        moved = replace(plan.state, definition=plan.new.digest, process=plan.new.process.id)
        self.d = Draft(plan.new, moved, at, limits, OPERATIONS)

    def done(self) -> tuple[State, tuple[AnyEffect, ...]]:
        anew = [move for move in self.plan.moves if move.become is Become.ANEW]
        for move in self.plan.moves:
            if move.become is Become.WITHDRAWN:
                self.withdraw(move)
        self.rename()
        for move in anew:
            if move.what == "variable":
                self.declare(move)
        for move in anew:
            if move.what != "variable":
                self.want(move)
        self.complete_joins()
        drain(self.d)
        return self.d.state(), tuple(self.d.effects)

    def withdraw(self, move: Move) -> None:
        wait = self.d.waits[move.id]
        waits.spent(self.d, wait)
        effect = _withdrawn(wait)
        if effect is not None:
            self.d.effects.append(effect)

    def rename(self) -> None:
        """Every element by its new id. Records that say no other one stay the same objects."""
        d = self.d
        for scope in [*d.scopes.values()]:
            self._scope(scope)
        for token in [*d.tokens.values()]:
            self._token(token)
        for wait in [*d.waits.values()]:
            if self.map.id(wait.element) != wait.element:
                made = wait.copy()
                made.element = self.map.id(wait.element) or ""
                d.waits[wait.id] = made
        for incident in [*d.incidents.values()]:
            if self.map.id(incident.element) != incident.element:
                told = incident.copy()
                told.element = self.map.id(incident.element) or ""
                d.incidents[incident.id] = told

    def _token(self, token: Token) -> None:
        element = self.map.id(token.element) or ""
        flow = token.flow if token.at != "join" and token.incident is None else self.map.flow(token.flow or "") or token.flow
        memory = _memories(token.plan, self.map)
        if (element, flow, memory) != (token.element, token.flow, token.plan):
            made = self.d.token(token.id)
            made.element, made.flow, made.plan = element, flow, memory

    def _scope(self, scope: ScopeState) -> None:
        element = self.map.scope_id(scope.element) or ""
        joins = {
            self.map.id(gateway) or "": {self.map.flow(flow) or flow: tokens for flow, tokens in by_flow.items()}
            for gateway, by_flow in scope.joins.items()
        }
        memory = _memories(scope.done, self.map)
        if (element, joins, memory) != (scope.element, scope.joins, scope.done):
            made = self.d.scope(scope.id)
            made.element, made.joins, made.done = element, joins, memory

    def declare(self, move: Move) -> None:
        scope = self.d.scope(move.id)
        body = self.plan.new.body if scope.kind == "process" else self.plan.new.nodes[scope.element].body
        initial = dict(body.data)[move.target or ""] if body is not None else None
        value = None if initial is None else initial.value(self.d.layers(scope.id), self.d.at)
        scope.data[move.target or ""] = value
        self.d.changed = True

    def want(self, move: Move) -> None:
        d, code = self.d, self.plan.new.nodes[move.target or ""]
        owner: Token | ScopeState = d.token(move.id) if move.id in d.tokens else d.scope(move.id)
        if not isinstance(owner, Token):
            waits.arm(d, owner, code, d.layers(owner.id))
        elif owner.element == code.id:
            self._begin(owner)
        else:
            waits.arm(d, owner, code, d.layers(owner.scope))

    def _begin(self, token: Token) -> None:
        """The element begins again: its inputs, then its work or its events. Boundary events are told of by themselves."""
        if isinstance(self.d.code(token).node, Activity):
            activities.begin(self.d, token, None)
        else:
            token.at = "event"
            waits.arm(self.d, token, self.d.code(token), self.d.layers(token.scope))

    def complete_joins(self) -> None:
        """Ask gateways that join again: fewer flows may lead to them now."""
        d = self.d
        for scope in [*d.scopes.values()]:
            for gateway, by_flow in [*scope.joins.items()]:
                own, code = d.scope(scope.id), d.nodes[gateway]
                parallel = isinstance(code.node, Gateway) and code.node.kind is GatewayKind.PARALLEL
                if parallel and len(code.incoming) == len(by_flow):
                    flows.fire(d, own, code)


def _withdrawn(wait: Wait) -> AnyEffect | None:
    token = wait.token or ""
    match wait.kind:
        case "work":
            return WorkWithdrawn(element=wait.element, token=token, work=wait.id)
        case "timer":
            return TimerWithdrawn(element=wait.element, token=token, timer=wait.id)
        case "message" | "signal":
            return SubscriptionWithdrawn(element=wait.element, token=token, subscription=wait.id)
        case _:
            return None


def _memories(entries: tuple[Any, ...], map_: Correspondence) -> tuple[Any, ...]:
    """What can be compensated, by new ids."""
    return tuple((map_.id(element) or "", data, _memories(inner, map_)) for element, data, inner in entries)
