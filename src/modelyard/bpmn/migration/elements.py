"""Which element of the old definition is which of the new one, and what of an element a waiting token depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelyard.bpmn.engine.compiled import CompiledProcess, DefinitionCode, NodeCode, ScopeCode
from modelyard.bpmn.engine.expressions import Feel
from modelyard.bpmn.model import (
    Activity,
    CallActivity,
    Event,
    EventPosition,
    Gateway,
    GatewayKind,
    SubProcess,
    Task,
    TaskKind,
    Trigger,
)
from modelyard.bpmn.state import ScopeState, State


class Correspondence:
    """Ids of nodes, scopes and flows: by `moves`, else the same."""

    def __init__(self, old: CompiledProcess, new: CompiledProcess, moves: Mapping[str, str]) -> None:
        self.old, self.new, self.moves = old, new, moves
        self._flows = {flow for code in new.nodes.values() for flow in code.incoming}

    def id(self, element: str) -> str | None:
        found = self.moves.get(element, element)
        return found if found in self.new.nodes else None

    def node(self, element: str) -> NodeCode | None:
        return self.new.nodes.get(self.moves.get(element, element))

    def scope_id(self, element: str) -> str | None:
        """The process corresponds to the process."""
        return self.new.process.id if element == self.old.process.id else self.id(element)

    def flow(self, flow: str) -> str | None:
        found = self.moves.get(flow, flow)
        return found if found in self._flows else None

    def problems(self) -> Iterator[tuple[str, str]]:
        """What `moves` says that cannot be: (id, sentence)."""
        flows = {flow for code in self.old.nodes.values() for flow in code.incoming}
        for source, target in self.moves.items():
            if source not in self.old.nodes and source not in flows:
                yield source, "`moves` names it, and the old definition does not have it"
            elif target not in (self.new.nodes if source in self.old.nodes else self._flows):
                yield source, f"`moves` sends it to {target!r}, which the new definition does not have"


def waits_as(code: NodeCode) -> str | None:
    """How a token waits at the element itself: for `work`, for an `event`, in a `body`, at a `join`; None when it passes."""
    node = code.node
    match node:
        case CallActivity():
            return "work"
        case SubProcess():
            return "body"
        case Task():
            return _task_waits_as(code, node)
        case Gateway():
            joins = node.kind in (GatewayKind.PARALLEL, GatewayKind.INCLUSIVE) and len(code.incoming) > 1
            return "event" if node.kind is GatewayKind.EVENT_BASED else "join" if joins else None
        case Event():
            passes = not code.definitions or code.definitions[0].trigger is Trigger.LINK
            return "event" if node.position is EventPosition.CATCH and not passes else None


def _task_waits_as(code: NodeCode, task: Task) -> str | None:
    if task.kind in (TaskKind.SCRIPT, TaskKind.TASK) or (task.kind is TaskKind.SEND and code.definitions):
        return None
    return "event" if task.kind is TaskKind.RECEIVE and code.definitions else "work"


def is_activity(code: NodeCode) -> bool:
    return isinstance(code.node, Activity)


def work_signature(code: NodeCode) -> Any:
    """Work that was asked for is still the same work when these are equal."""
    node = code.node
    if isinstance(node, CallActivity):
        return "callActivity", node.called
    if isinstance(node, Task):
        return node.kind.value, node.decision if node.kind is TaskKind.RULE else node.operation
    return None


def event_signature(code: NodeCode) -> tuple[Any, ...]:
    """What is waited for is still the same when these are equal."""
    return tuple(map(_definition_signature, code.definitions))


def _definition_signature(of: DefinitionCode) -> tuple[Any, ...]:
    return of.trigger, of.name, of.timer, of.text, _text(of.key)


def loop_signature(code: NodeCode) -> Any:
    """Turns that have begun are of the same loop when these are equal. A condition may change: it is asked at each turn's end."""
    of = code.loop
    if of is None:
        return None
    texts = tuple(map(_text, (of.cardinality, of.collection, of.output_item)))
    return of.multiple, of.sequential, of.before, of.item, of.output, texts


def _text(feel: Feel | None) -> str | None:
    return None if feel is None else feel.text


def kind_of(code: NodeCode) -> str:
    """For an event that is waited for, its trigger as a wait names it; else the element's kind."""
    node = code.node
    if isinstance(node, (Task, Gateway)):
        return node.kind.value
    if isinstance(node, Event):
        kinds = {{Trigger.CONDITIONAL: "condition"}.get(each.trigger, each.trigger.value) for each in code.definitions}
        return kinds.pop() if len(kinds) == 1 else "event"
    return type(node).__name__


def holds_body(source: NodeCode, target: NodeCode) -> bool:
    return isinstance(source.node, SubProcess) and isinstance(target.node, SubProcess) and source.node.event == target.node.event


def own_events(code: NodeCode) -> list[NodeCode]:
    """The events that a token waits for at the element itself: those after an event-based gateway, else its own."""
    if isinstance(code.node, Gateway):
        return [target.node for target in code.targets]
    return [code] if waits_as(code) == "event" else []


def events_of_scope(body: ScopeCode) -> list[NodeCode]:
    """The start events of its event sub-processes that wait."""
    return [event.start for event in body.events if event.start is not None]


def listens(state: State, scope: ScopeState, old: CompiledProcess) -> bool:
    """Whether its event sub-processes can still begin: not after one that interrupted the scope."""
    for id_ in scope.tokens:
        start = old.nodes[state.tokens[id_].element].start
        if start is not None and isinstance(start.node, Event) and start.node.interrupting:
            return False
    return True
