"""Standard loops and multi-instance activities (BPMN 10.3.8 and 13.3.6, 13.3.7).

The activity's own token holds a scope of the kind `loop`; in it is a token for each turn that is being done, with the variables
of that turn (`loopCounter` from 1, the element of the collection). Boundary events belong to the activity, not to a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modelyard.bpmn.engine.compiled import LoopCode, NodeCode
from modelyard.bpmn.engine.draft import Draft
from modelyard.bpmn.engine.expressions import Failed
from modelyard.bpmn.state import ScopeState, Token


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the end of a turn means: its `output`, and whether the loop is `over`."""

    output: Any = None
    over: bool = False


def turns(d: Draft, token: Token, data: Any) -> None:
    """Operation `turns`: begin the loop."""
    code = d.code(token)
    loop = code.loop
    assert loop is not None
    if token.child is not None:
        d.close(token.child)
    items = _items(d, token, loop) if loop.multiple else None
    scope = d.new_scope(code.id, "loop", token.scope, token.id)
    token.child, token.at = scope.id, "loop"
    if items is None:
        if _goes_on(d, scope, loop, 0) if loop.before else loop.maximum != 0:
            _turn(d, scope)
        else:
            _end(d, scope)
        return
    scope.total, scope.outputs = len(items), [None] * len(items) if loop.output is not None else None
    scope.items = items if loop.collection is not None and loop.item is not None else None
    _count(scope)
    for _ in items[:1] if loop.sequential else items:
        _turn(d, scope)
    if not items:
        _end(d, scope)


def _items(d: Draft, token: Token, loop: LoopCode) -> list[Any]:
    """What the instances are of."""
    source = loop.collection or loop.cardinality
    value = 1 if source is None else d.value(source, token)
    if loop.collection is not None:
        if not isinstance(value, list):
            raise Failed("expression", f"{loop.collection.place}: {loop.collection.text!r:.200} is no list")
        count = len(value)
    else:
        place = source.place if source is not None else ""
        if not isinstance(value, (int, Decimal)) or value != int(value) or value < 0:
            raise Failed("expression", f"{place}: {value!s:.60} is no number of instances")
        count = int(value)
    if count > d.limits.instances or (not loop.sequential and len(d.tokens) + count > d.limits.tokens):
        raise Failed("loop", f"{count} instances are more than are allowed")
    return value if isinstance(value, list) else [None] * count


def _turn(d: Draft, scope: ScopeState) -> None:
    scope.turns += 1
    token = d.new_token(scope.id, scope.element, turn=scope.turns)
    token.data = own(d, token)
    d.taken("entered", token)
    d.later("begin", token.id)


def own(d: Draft, token: Token) -> dict[str, Any]:
    """The variables that a turn begins with; those of what is no turn are none."""
    if token.turn is None:
        return {}
    scope, loop = d.scope(token.scope), d.nodes[token.element].loop
    counted: dict[str, Any] = {"loopCounter": Decimal(token.turn)}
    if loop is not None and loop.item is not None and scope.items is not None:
        counted[loop.item] = scope.items[token.turn - 1]
    return counted


def _count(scope: ScopeState) -> None:
    """The variables that a completion condition sees (table 10.31)."""
    scope.data["numberOfInstances"] = Decimal(scope.total or 0)
    scope.data["numberOfCompletedInstances"] = Decimal(scope.finished)
    scope.data["numberOfTerminatedInstances"] = Decimal(0)
    scope.data["numberOfActiveInstances"] = Decimal(len(scope.tokens))


def _goes_on(d: Draft, scope: ScopeState, loop: LoopCode, done: int, *inner: Mapping[str, Any] | None) -> bool:
    """Whether a standard loop does another turn."""
    if loop.maximum is not None and done >= loop.maximum:
        return False
    counted = {"loopCounter": Decimal(done)}
    return loop.condition is None or loop.condition.holds(d.layers(scope.id, counted, *inner), d.at)


def verdict(d: Draft, token: Token, code: NodeCode, given: Mapping[str, Any]) -> Verdict:
    """What the end of this turn would mean; nothing is changed yet, so that an expression that fails can be tried again."""
    loop, scope = code.loop, d.scopes[token.scope]
    assert loop is not None
    if not loop.multiple:
        return Verdict(over=not _goes_on(d, scope, loop, scope.finished + 1, token.data, given))
    inner = (token.data, given)
    output = d.value(loop.output_item, token, given) if loop.output_item is not None else None
    finished = scope.finished + 1
    over = finished == scope.total
    if not over and loop.condition is not None:
        counts = {
            "numberOfCompletedInstances": Decimal(finished),
            "numberOfActiveInstances": Decimal(len(scope.tokens) - 1),
        }
        over = loop.condition.holds(d.layers(scope.id, *inner, counts), d.at)
    return Verdict(output, over)


def turn_ended(d: Draft, token: Token, verdict_: Verdict) -> None:
    """The turn is over: the next one, or the end of the loop."""
    scope = d.scope(token.scope)
    loop = d.nodes[scope.element].loop
    assert loop is not None
    scope.finished += 1
    if scope.outputs is not None and token.turn is not None:
        scope.outputs[token.turn - 1] = verdict_.output
    d.remove(token)
    if loop.multiple:
        _count(scope)
    if verdict_.over or scope.finished == scope.total:
        _end(d, scope)
    elif loop.sequential:
        _turn(d, scope)


def _end(d: Draft, scope: ScopeState) -> None:
    """The loop is over: turns that are still being done are interrupted; the outputs are a list by order of the turns."""
    holder = d.token(scope.holder or "")
    loop = d.nodes[scope.element].loop
    assert loop is not None
    if loop.output is not None:
        d.write(holder.scope, {loop.output: scope.outputs or []})
    if scope.done:
        around = d.scope(holder.scope)
        around.done = (*around.done, *scope.done)
    d.perform("loop ended", holder)
