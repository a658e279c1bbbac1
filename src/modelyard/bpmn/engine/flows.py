"""Leaving nodes by their flows, and gateways that join (BPMN 13.4)."""

from __future__ import annotations

from typing import Any

from modelyard.bpmn.engine.compiled import NodeCode, Target
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.engine.expressions import Failed
from modelyard.bpmn.model import EventPosition, Gateway, GatewayKind
from modelyard.bpmn.state import ScopeState, Token


def leave(d: Draft, token: Token, data: Any) -> None:
    """Operation `flows`: go on along the flows that are to be taken. `data` of {"skip": …}: conditions that fail count as
    false."""
    code = d.code(token)
    chosen = _chosen(d, token, code, skipping=data is not None)
    if len(d.tokens) + len(chosen) - 1 > d.limits.tokens:
        raise Failed("loop", f"the instance has more than {d.limits.tokens} tokens")
    if isinstance(code.node, Gateway):
        d.taken("left", token)
    if not chosen:
        d.consume(token)
        return
    d.taken("flow", token, chosen[0].flow)
    others = [(d.new_token(token.scope, target.node.id, flow=target.flow), target) for target in chosen[1:]]
    _go(d, token, chosen[0])
    for other, target in others:
        other.element = code.id
        d.taken("flow", other, target.flow)
        _go(d, other, target)


def _go(d: Draft, token: Token, target: Target) -> None:
    token.element, token.flow, token.at = target.node.id, target.flow, "moving"
    d.later("enter", token.id)


def _chosen(d: Draft, token: Token, code: NodeCode, *, skipping: bool) -> list[Target]:
    node = code.node
    if isinstance(node, Gateway):
        if node.kind is GatewayKind.PARALLEL:
            return code.targets
        if node.kind is GatewayKind.EVENT_BASED:
            return code.targets[:1]
        if len(code.targets) == 1 and code.targets[0].condition is None:
            return code.targets
        return _conditional(d, token, code, first=node.kind is GatewayKind.EXCLUSIVE, skipping=skipping)
    if code.conditional or code.default is not None:
        return _conditional(d, token, code, first=False, skipping=skipping)
    return code.targets


def _conditional(d: Draft, token: Token, code: NodeCode, *, first: bool, skipping: bool) -> list[Target]:
    """Those whose condition holds (of an exclusive gateway the first); a flow without one holds always. Else the default."""
    layers = d.layers(token.scope)
    chosen: list[Target] = []
    conditional = False
    for target in code.targets:
        if target is code.default:
            continue
        if target.condition is None or _holds(d, target, layers, skipping):
            chosen.append(target)
            conditional = conditional or target.condition is not None
            if first:
                return chosen
    if code.default is not None and not conditional and (not chosen or not isinstance(code.node, Gateway)):
        chosen.append(code.default)
    if not chosen and code.targets:
        if skipping:
            return code.targets[:1]
        raise Failed("no flow", f"no condition of the flows out of {code.id!r} holds, and there is no default flow")
    return chosen


def _holds(d: Draft, target: Target, layers: Any, skipping: bool) -> bool:
    assert target.condition is not None
    try:
        return target.condition.holds(layers, d.at)
    except Failed:
        if skipping:
            return False
        raise


# --- gateways -------------------------------------------------------------------------------------------------------------------


def arrive(d: Draft, token: Token, code: NodeCode, kind: GatewayKind) -> None:
    """A token comes to a parallel or inclusive gateway: it waits if there are several flows in."""
    if len(code.incoming) < 2 or token.flow is None:
        d.perform("flows", token)
        return
    scope = d.scope(token.scope)
    flows = dict(scope.joins.get(code.id, {}))
    flows[token.flow] = (*flows.get(token.flow, ()), token.id)
    scope.joins[code.id] = flows
    token.at = "join"
    if kind is GatewayKind.PARALLEL and len(flows) == len(code.incoming):
        fire(d, scope, code)


def fire(d: Draft, scope: ScopeState, code: NodeCode) -> None:
    """Take one token of each flow that has one; they become one, which goes on."""
    flows = scope.joins[code.id]
    first, *others = [d.token(flows[flow][0]) for flow in code.incoming if flow in flows]
    for token in (first, *others):
        d.close_incident(token)
        d.unjoin(scope, token)
        token.at = "moving"
    for token in others:
        d.taken("left", token)
        token.flow = None
        d.remove(token)
    d.perform("flows", first)


def retry_join(d: Draft, token: Token, data: Any) -> None:
    """Operation `join`: look again whether the others came; skipped, go on without them."""
    token.at = "join"
    scope, code = d.scope(token.scope), d.code(token)
    if data is not None:
        fire(d, scope, code)


def fire_inclusive(d: Draft) -> bool:
    """Let one inclusive gateway of the scopes in which something moved go on, if one need not wait any longer.

    It waits for a token that can still come to a flow that has none, unless that token could as well come to a flow that has one
    (13.4.3). Asked when nothing else moves."""
    for id_ in [*d.own_scopes]:
        scope = d.scopes[id_]
        for gateway in scope.joins:
            code = d.nodes[gateway]
            if isinstance(code.node, Gateway) and code.node.kind is GatewayKind.INCLUSIVE and not _expects(d, scope, code):
                fire(d, d.scope(id_), code)
                return True
    return False


def _expects(d: Draft, scope: ScopeState, code: NodeCode) -> bool:
    flows = scope.joins[code.id]
    here = sum(1 << index for index, flow in enumerate(code.incoming) if flow in flows)
    missing = (1 << len(code.incoming)) - 1 & ~here
    if not missing:
        return False
    reaches = code.reaches()
    return any(
        reached & missing and not reached & here for reached in (reaches.get(d.tokens[id_].element, 0) for id_ in scope.tokens)
    )


def stuck(d: Draft) -> None:
    """Where all tokens of a scope wait at gateways for each other, nobody can come any more: an incident, not a silent hang."""
    for id_ in [*d.own_scopes]:
        scope = d.scopes[id_]
        if scope.joins and all(d.tokens[token].at == "join" for token in scope.tokens):
            gateway, flows = next(iter(scope.joins.items()))
            missing = [flow for flow in d.nodes[gateway].incoming if flow not in flows]
            token = d.token(next(iter(flows.values()))[0])
            names = ", ".join(missing)
            d.incident(token, Failed("no flow", f"the gateway {gateway!r} waits for {names}, by which nothing can come"), "join")


def is_end(code: NodeCode) -> bool:
    return getattr(code.node, "position", None) is EventPosition.END
