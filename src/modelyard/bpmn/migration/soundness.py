"""What no single token shows: a join that could never be complete under the new definition, and work that would be done twice.

Both compare with the old definition: what was so before is not for the migration to refuse."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode
from modelyard.bpmn.migration.elements import Correspondence
from modelyard.bpmn.model import Gateway, GatewayKind
from modelyard.bpmn.state import ScopeState, State

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
    """Tokens of which one could come to where the other is, as when parallel branches were put one after the other."""
    for scope in state.scopes.values():
        if scope.kind == "loop" or len(scope.tokens) < 2:
            continue
        tokens = [state.tokens[id_] for id_ in scope.tokens]
        before = {token.id: _onward(_place(old, token.element, None)) for token in tokens}
        for token in tokens:
            onward = _onward(_place(new, token.element, map_))
            for other in tokens:
                if other is token or other.element == token.element:
                    continue
                target = map_.id(other.element)
                if target in onward and other.element not in before[token.id]:
                    yield (
                        token.element,
                        f"token {token.id} would come to {target!r} too, where token {other.id} is: it would be done twice",
                    )


def _place(process: CompiledProcess, element: str, map_: Correspondence | None) -> NodeCode:
    return process.nodes[element if map_ is None else map_.id(element) or element]


def _joins(code: NodeCode) -> bool:
    node = code.node
    return isinstance(node, Gateway) and node.kind in (GatewayKind.PARALLEL, GatewayKind.INCLUSIVE) and len(code.incoming) > 1


def _onward(place: NodeCode) -> set[str]:
    """The nodes to which a token can come from there without passing a gateway that joins."""
    if _joins(place):
        return set()
    found: set[str] = set()
    waiting = _next(place)
    while waiting:
        code = waiting.pop()
        if code.id in found:
            continue
        found.add(code.id)
        if not _joins(code):
            waiting += _next(code)
    return found


def _next(code: NodeCode) -> list[NodeCode]:
    return [
        *(target.node for target in code.targets),
        *code.waited,
        *code.caught,
        *([code.link] if code.link is not None else []),
    ]
