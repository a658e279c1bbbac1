"""Paths and filters (DMN 1.5, 10.3.2.5)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from modelyard.dmn.feel import syntax, temporal
from modelyard.dmn.feel.scope import Code, Env, Report, Scope
from modelyard.dmn.feel.semantics import TEMPORAL, shown
from modelyard.dmn.feel.syntax import Expr
from modelyard.dmn.feel.types import ANY
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

Compile = Callable[[Expr, Scope, Report], Code]
Constant = Callable[[Expr], tuple[bool, Value]]

_RANGE = {
    "start": lambda r: r.low,
    "end": lambda r: r.high,
    "start included": lambda r: r.low_closed,
    "end included": lambda r: r.high_closed,
}


def path_of(run: Run, source: Value, name: str) -> Value:
    """`source.name`: an entry of a context, a property of a temporal value or a range, or of each element of a list."""
    kind = type(source)
    if kind is dict:
        if name in source:
            return source[name]
        return run.null(f"the context has no entry {name!r}")
    if kind is list:
        run.size(len(source))
        return [path_of(run, item, name) for item in source]
    if kind in TEMPORAL:
        if name in temporal.PROPERTIES[kind]:
            return temporal.property_of(source, name)
        return run.null(f"{shown(source)} has no property {name!r}")
    if kind is Range and name in _RANGE:
        return _RANGE[name](source)
    if source is None:
        return run.null(f"there is no {name!r} of null")
    return run.null(f"{shown(source)} has no entry {name!r}")


def compile_filter(node: syntax.Filter, scope: Scope, report: Report, compile_expression: Compile, constant: Constant) -> Code:
    """`source[condition]`: one element by its number, or those for which the condition is true."""
    source = compile_expression(node.source, scope, report)
    known, index = constant(node.condition)
    if known and type(index) is Decimal:
        return lambda env: element(env[1], _as_list(source(env)), index)
    condition = compile_expression(node.condition, Scope({"item": ANY}, scope, filtering=True), report)
    numeric = isinstance(node.condition, (syntax.Arithmetic, syntax.Negation))

    def select(env: Env) -> Value:
        items, run = _as_list(source(env)), env[1]
        if not items:
            return run.null("there is no such element of an empty list") if numeric else []
        run.size(len(items))
        kept = []
        for item in items:
            held = condition([env, run, item])
            if held is True:
                kept.append(item)
            elif type(held) is Decimal:
                return element(run, items, held)
        return kept

    return select


def _as_list(value: Value) -> list[Value]:
    if type(value) is list:
        return value
    return [] if value is None else [value]


def element(run: Run, items: list[Value], index: Decimal) -> Value:
    """The element of that number: from 1, or from the end when negative."""
    place = int(index) if index == index.to_integral_value() else 0
    if 1 <= place <= len(items):
        return items[place - 1]
    if -len(items) <= place <= -1:
        return items[place]
    return run.null(f"there is no element {index} in a list of {len(items)}")
