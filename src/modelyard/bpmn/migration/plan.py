"""The plan of a migration: what becomes of each token, scope, wait, memory of compensation and incident of an instance.

Elements that have the same id in both definitions correspond, others by `moves`. A plan only looks; `carrying` does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode, ScopeCode
from modelyard.bpmn.errors import InvalidState, MigrationRefused
from modelyard.bpmn.migration.elements import (
    Correspondence,
    event_signature,
    events_of_scope,
    holds_body,
    is_activity,
    kind_of,
    listens,
    loop_signature,
    own_events,
    waits_as,
    work_signature,
)
from modelyard.bpmn.migration.soundness import blocked_joins, done_twice
from modelyard.bpmn.model import Gateway
from modelyard.bpmn.state import ScopeState, State, Token, Wait


class Become(StrEnum):
    """What happens to something: it is `kept` as it is, it `moves` to another element, is `withdrawn`, or wanted `anew`."""

    KEPT = "kept"
    MOVES = "moves"
    WITHDRAWN = "withdrawn"
    ANEW = "anew"


@dataclass(frozen=True, slots=True)
class Move:
    """`what` is `token`, `scope`, `incident`, `compensation`, `variable`, or what is waited for: `work`, `timer`, `message`,
    `signal`, `condition`, `event` (of several definitions). `id` is that of the record (of what is wanted anew, that of the token
    or scope that will wait); `source` and `target` are element ids (of a variable, its name)."""

    what: str
    id: str
    become: Become
    source: str | None
    target: str | None
    note: str = ""

    def __str__(self) -> str:
        match self.become:
            case Become.KEPT:
                text = f"stays at {self.target}"
            case Become.MOVES:
                text = f"moves from {self.source} to {self.target}"
            case Become.WITHDRAWN:
                text = f"at {self.source} is withdrawn"
            case _:
                text = f"at {self.target} is wanted anew"
        return f"{self.what} {self.id} {text}{': ' if self.note else ''}{self.note}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`state` is the instance for which it was made. `correspondence` says which element is which."""

    state: State
    old: CompiledProcess
    new: CompiledProcess
    correspondence: Correspondence
    moves: tuple[Move, ...]
    problems: tuple[MigrationRefused, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: what changes, then what stays, then why it cannot be done."""
        changed = [str(move) for move in self.moves if move.become is not Become.KEPT]
        kept = [str(move) for move in self.moves if move.become is Become.KEPT]
        return (*changed, *kept, *(f"refused: {problem}" for problem in self.problems))


def plan(state: State, old: CompiledProcess, new: CompiledProcess, moves: Mapping[str, str] | None = None) -> Plan:
    """What a migration would do. `moves` are ids of nodes (and of flows into gateways that join) of the old definition, with
    those of the new one. Raises InvalidState when the instance is not of the old definition."""
    if state.definition != old.digest or state.process != old.process.id:
        raise InvalidState(f"the instance is of process {state.process!r} of {state.definition:.12}…, not of the old definition")
    planner = _Planner(state, old, new, Correspondence(old, new, dict(moves or {})))
    planner.run()
    return Plan(state, old, new, planner.map, tuple(planner.moves), tuple(planner.problems))


@dataclass
class _Planner:
    state: State
    old: CompiledProcess
    new: CompiledProcess
    map: Correspondence
    moves: list[Move] = field(default_factory=list)
    problems: list[MigrationRefused] = field(default_factory=list)

    def problem(self, detail: str, element: str | None) -> None:
        code = self.old.nodes.get(element or "")
        self.problems.append(MigrationRefused(detail, element=element, line=code.node.line if code is not None else None))

    def run(self) -> None:
        if self.state.status != "running":
            self.problem(f"the instance has {self.state.status}: there is nothing to migrate", None)
            return
        for source, detail in self.map.problems():
            self.problem(detail, source)
        for token in self.state.tokens.values():
            self.token(token)
        for scope in self.state.scopes.values():
            self.scope(scope)
        if not self.problems:
            for found in (blocked_joins, done_twice):
                for element, detail in found(self.state, self.old, self.new, self.map):
                    self.problem(detail, element)

    # --- tokens

    def token(self, token: Token) -> None:
        source, target = self.old.nodes[token.element], self.map.node(token.element)
        if target is None:
            detail = f"token {token.id} is at it, and the new definition does not have it: say in `moves` where it goes"
            self.problem(detail, token.element)
            return
        self.moves.append(_moved("token", token.id, token.element, target.id))
        found = [*self.placed(token, target), *_misfits(token, source, target, self.map)]
        for detail in found:
            self.problem(f"token {token.id} cannot go to {target.id!r}: {detail}", token.element)
        for entry in token.plan:
            self.memory(entry)
        if token.incident is not None:
            self.moves.append(_moved("incident", token.incident, token.element, target.id))
        if not found:
            self.waits_of_token(token, source, target)

    def placed(self, token: Token, target: NodeCode) -> Iterator[str]:
        """Why its scope would be another."""
        scope = self.state.scopes[token.scope]
        if scope.kind == "loop":
            if target.id != self.map.id(scope.element):
                yield "it would leave its loop"
        elif target.scope.element != self.map.scope_id(scope.element):
            yield f"that is inside {target.scope.element!r}, it is inside {scope.element!r}"

    def waits_of_token(self, token: Token, source: NodeCode, target: NodeCode) -> None:
        mine = [self.state.waits[id_] for id_ in token.waits]
        works, listening = waits_as(target) == "work", token.at == "event"
        for wait in mine:
            if wait.kind == "work":
                self.work(token, wait, source, target)
        if listening and works:
            self.moves.append(Move("work", token.id, Become.ANEW, None, target.id))
        listens_after = token.at in ("work", "event") and not works
        before = [*_boundaries(source, token), *(own_events(source) if listening else [])]
        after = [*_boundaries(target, token), *(own_events(target) if listens_after else [])]
        self.events(token.id, mine, before, after)

    def work(self, token: Token, wait: Wait, source: NodeCode, target: NodeCode) -> None:
        if work_signature(source) == work_signature(target) and waits_as(target) == "work":
            self.moves.append(_moved("work", wait.id, wait.element, target.id))
            return
        note = "it is another kind of work, or another operation"
        self.moves.append(Move("work", wait.id, Become.WITHDRAWN, wait.element, None, note))
        if waits_as(target) == "work":
            self.moves.append(Move("work", token.id, Become.ANEW, None, target.id))

    # --- what is waited for

    def events(self, owner: str, waits: list[Wait], before: list[NodeCode], after: list[NodeCode]) -> None:
        """Of each event: kept when it says the same, else withdrawn and, if there is one in its place, wanted anew. One that was
        waited for and happened is not waited for again."""
        was = {self.map.id(event.id): event for event in before}
        there = {event.id: event for event in after}
        for wait in waits:
            if wait.kind == "work":
                continue
            event, target = self.old.nodes[wait.element], there.get(self.map.id(wait.element) or "")
            if target is not None and event_signature(event) == event_signature(target):
                self.moves.append(_moved(wait.kind, wait.id, wait.element, target.id))
            else:
                note = "there is no such event any more" if target is None else "it says something else"
                self.moves.append(Move(wait.kind, wait.id, Become.WITHDRAWN, wait.element, None, note))
        waited = {self.map.id(wait.element) for wait in waits if wait.kind != "work"}
        for event in after:
            known = was.get(event.id)
            changed = known is not None and event.id in waited and event_signature(known) != event_signature(event)
            if known is None or changed:
                self.moves.append(Move(kind_of(event), owner, Become.ANEW, None, event.id, "" if changed else "the event is new"))

    # --- scopes

    def scope(self, scope: ScopeState) -> None:
        target = self.map.scope_id(scope.element)
        if target is None:
            return  # its holder's token has told already
        if target != scope.element:
            self.moves.append(_moved("scope", scope.id, scope.element, target))
        for entry in scope.done:
            self.memory(entry)
        before, after = self.bodies(scope, target)
        if before is None or after is None or scope.kind == "loop":
            return
        known = {name for name, _ in before.data}
        for name, _ in after.data:
            if name not in scope.data and name not in known:
                self.moves.append(Move("variable", scope.id, Become.ANEW, None, name, "the new definition declares it"))
        mine = [self.state.waits[id_] for id_ in scope.waits]
        self.events(
            scope.id, mine, events_of_scope(before), events_of_scope(after) if listens(self.state, scope, self.old) else []
        )

    def bodies(self, scope: ScopeState, target: str) -> tuple[ScopeCode | None, ScopeCode | None]:
        if scope.kind == "process":
            return self.old.body, self.new.body
        return self.old.nodes[scope.element].body, self.new.nodes[target].body

    def memory(self, entry: Any) -> None:
        """An activity that ended and can be compensated."""
        element, _, inner = entry
        source, target = self.old.nodes[element], self.map.node(element)
        undoing = source.handler is not None or (source.body is not None and source.body.undoing is not None)
        lost = target is None or (undoing and target.handler is None and (target.body is None or target.body.undoing is None))
        lost = lost or (bool(inner) and not undoing and target is not None and target.body is None)
        lost = lost or (target is not None and target.scope.element != self.map.scope_id(source.scope.element))
        if lost:
            self.problem("it has ended and could not be compensated any more", element)
            return
        assert target is not None
        if target.id != element:
            self.moves.append(_moved("compensation", element, element, target.id))
        for each in inner:
            self.memory(each)


def _moved(what: str, id_: str, source: str, target: str) -> Move:
    return Move(what, id_, Become.KEPT if source == target else Become.MOVES, source, target)


def _boundaries(code: NodeCode, token: Token) -> list[NodeCode]:
    """Boundary events wait for the activity's token, not for those of its turns, and not when a sub-process is compensated."""
    return [] if token.turn is not None or token.at == "undo" else code.waited


def _misfits(token: Token, source: NodeCode, target: NodeCode, map_: Correspondence) -> Iterator[str]:
    """Why the token cannot be there as it is."""
    if (token.turn is not None or token.at == "loop") and loop_signature(source) != loop_signature(target):
        yield "its loop is another"
    elif token.turn is None and token.at in ("work", "event", "body") and target.loop is not None:
        yield "that is a loop, of which no turn has begun"
    match token.at:
        case "work" | "event":
            yield from _misfits_waiting(source, target)
        case "join":
            yield from _misfits_join(token, source, target, map_)
        case "body":
            if not holds_body(source, target):
                yield "it is another kind of sub-process"
        case _:
            if kind_of(source) != kind_of(target):
                yield "it is another kind of element"


def _misfits_waiting(source: NodeCode, target: NodeCode) -> Iterator[str]:
    if waits_as(target) not in ("work", "event"):
        yield "it cannot wait there"
    elif is_activity(source) != is_activity(target):
        yield "it is another kind of element"


def _misfits_join(token: Token, source: NodeCode, target: NodeCode, map_: Correspondence) -> Iterator[str]:
    before, after = source.node, target.node
    if not isinstance(before, Gateway) or not isinstance(after, Gateway) or before.kind is not after.kind:
        yield "it is another kind of gateway"
    elif map_.flow(token.flow or "") not in target.incoming or len(target.incoming) < 2:
        yield f"it came by flow {token.flow!r}, which does not lead there: say in `moves` which flow it is now"
