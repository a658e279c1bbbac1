"""What no single token shows: a join that could never be complete under the new definition, and tokens that would meet.

Both compare with the old definition: what was so before is not for the migration to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode
from modelyard.bpmn.migration.elements import Correspondence
from modelyard.bpmn.model import Gateway, GatewayKind
from modelyard.bpmn.state import ScopeState, State, Token

Finding = tuple[str | None, str]
"""The element, and a sentence."""


def blocked_joins(state: State, old: CompiledProcess, new: CompiledProcess, map_: Correspondence) -> Iterator[Finding]:
    """Parallel gateways to which some tokens of a scope can come, but none by one of the flows in: it would wait for ever."""
    for scope in state.scopes.values():
        before = {
            map_.id(gateway): {map_.flow(flow) for flow in missing} for gateway, missing in _missing(state, scope, old, None)
        }
        for gateway, missing in _missing(state, scope, new, map_):
            for flow in missing - before.get(gateway, set()):
                yield gateway, f"it would wait for ever for a token by flow {flow!r}: none of the instance's can come by it"


def _missing(
    state: State, scope: ScopeState, process: CompiledProcess, map_: Correspondence | None
) -> Iterator[tuple[str, set[str]]]:
    """Joins with the flows by which nothing can come. Without `map_`, where the tokens are; with it, where they will be."""
    if scope.kind == "loop":
        return
    places = [_place(process, state.tokens[id_].element, map_) for id_ in scope.tokens]
    if not places:
        return
    waiting = _waiting(scope, map_)
    for gateway in places[0].scope.nodes.values():
        if not _joins(gateway) or not isinstance(gateway.node, Gateway) or gateway.node.kind is not GatewayKind.PARALLEL:
            continue
        reaches, reached = gateway.reaches(), 0
        for place in places:
            reached |= reaches.get(place.id, 0)
        coming = {flow for index, flow in enumerate(gateway.incoming) if reached >> index & 1 or flow in waiting}
        if coming and len(coming) < len(gateway.incoming):
            yield gateway.id, {*gateway.incoming} - coming


def _waiting(scope: ScopeState, map_: Correspondence | None) -> set[str]:
    flows = [flow for gateway in scope.joins.values() for flow in gateway]
    return {map_.flow(flow) or flow for flow in flows} if map_ is not None else set(flows)


def done_twice(state: State, old: CompiledProcess, new: CompiledProcess, map_: Correspondence) -> Iterator[Finding]:
    """Tokens that would go the same way: as when parallel branches are put one after the other, or two are made one. What comes
    after would be done for each, and a gateway that joins would keep one of them for ever."""
    for scope in state.scopes.values():
        if scope.kind == "loop" or len(scope.tokens) < 2:
            continue
        tokens = [state.tokens[id_] for id_ in scope.tokens]
        ways = [(token, _way(old, token, None), _way(new, token, map_)) for token in tokens]
        for (one, one_before, one_after), (other, other_before, other_after) in combinations(ways, 2):
            if one_after.meets(other_after) and not one_before.meets(other_before):
                yield one.element, f"tokens {one.id} and {other.id} would go the same way, and what comes would be done twice"


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a token can go without passing a gateway that joins: from its `place` (None when it waits at such a gateway) to
    `nodes`, by `edges`: flows, and ids of boundary events and links."""

    place: str | None
    nodes: frozenset[str]
    edges: frozenset[str]

    def meets(self, other: _Way) -> bool:
        same = self.place is not None and self.place == other.place
        return same or self.place in other.nodes or other.place in self.nodes or bool(self.edges & other.edges)


def _way(process: CompiledProcess, token: Token, map_: Correspondence | None) -> _Way:
    place = _place(process, token.element, map_)
    if token.at == "join":
        flow = token.flow or ""
        return _Way(None, frozenset(), frozenset({flow if map_ is None else map_.flow(flow) or flow}))
    nodes: set[str] = set()
    edges: set[str] = set()
    waiting = [place]
    while waiting:
        for edge, node in _next(waiting.pop()):
            edges.add(edge)
            if not _joins(node) and node.id not in nodes:
                nodes.add(node.id)
                waiting.append(node)
    return _Way(place.id, frozenset(nodes), frozenset(edges))


def _place(process: CompiledProcess, element: str, map_: Correspondence | None) -> NodeCode:
    return process.nodes[element if map_ is None else map_.id(element) or element]


def _joins(code: NodeCode) -> bool:
    node = code.node
    return isinstance(node, Gateway) and node.kind in (GatewayKind.PARALLEL, GatewayKind.INCLUSIVE) and len(code.incoming) > 1


def _next(code: NodeCode) -> list[tuple[str, NodeCode]]:
    events = [(event.id, event) for event in (*code.waited, *code.caught)]
    link = [(code.link.id, code.link)] if code.link is not None else []
    return [*((target.flow, target.node) for target in code.targets), *events, *link]
