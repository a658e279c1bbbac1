"""Loops: for, some and every (DMN 1.5, 10.3.2.14 and Table 57)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from modelyard.dmn.feel import syntax, temporal
from modelyard.dmn.feel.operators import undecided
from modelyard.dmn.feel.scope import Code, Env, Report, Scope
from modelyard.dmn.feel.semantics import compare, shown
from modelyard.dmn.feel.syntax import Expr
from modelyard.dmn.feel.temporal import Date, DaysTime
from modelyard.dmn.feel.types import ANY
from modelyard.dmn.feel.unary import mentions
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

Compile = Callable[[Expr, Scope, Report], Code]
Source = Callable[[Env], "Iterable[Value] | None"]
_DATE = 5
"""What a turn over days counts for in steps, besides being a turn."""
_A_DAY = DaysTime(24 * 3600 * 1_000_000_000)


def compile_for(node: syntax.For, scope: Scope, report: Report, compile_expression: Compile) -> Code:
    """All combinations of the iterations, the last one fastest; each later source sees the earlier variables."""
    outer = Scope({"partial": ANY}, scope)
    sources, inner = _sources(node.iterations, outer, report, compile_expression)
    body = compile_expression(node.body, inner, report)
    looks_back = mentions(node.body, "partial")

    def loop(env: Env) -> Value:
        run: Run = env[1]
        made: list[Value] = []
        around: Env = [env, run, made]
        for turn in turns(sources, around):
            if turn is None:
                return None
            run.step()
            if looks_back:
                run.size(len(made))
                around[2] = made.copy()
            made.append(body(turn))
        run.size(len(made))
        return made

    return loop


def compile_quantified(node: syntax.Quantified, scope: Scope, report: Report, compile_expression: Compile) -> Code:
    """`some`: true if any is true, else null if any is not a boolean, else false; `every` the other way round."""
    sources, inner = _sources(node.iterations, scope, report, compile_expression)
    condition = compile_expression(node.condition, inner, report)
    decisive = not node.every

    def quantified(env: Env) -> bool | None:
        run, unknown, odd = env[1], False, None
        for turn in turns(sources, env):
            if turn is None:
                return None
            run.step()
            held = condition(turn)
            if held is decisive:
                return decisive
            if held is not True and held is not False:
                unknown, odd = True, odd if held is None else held
        return undecided(run, "some" if decisive else "every", odd) if unknown else not decisive

    return quantified


def _sources(
    iterations: tuple[syntax.Iteration, ...], scope: Scope, report: Report, compile_expression: Compile
) -> tuple[list[Source], Scope]:
    sources: list[Source] = []
    for iteration in iterations:
        sources.append(_source(iteration, scope, report, compile_expression))
        scope = Scope({iteration.name: ANY}, scope)
    return sources, scope


def _source(iteration: syntax.Iteration, scope: Scope, report: Report, compile_expression: Compile) -> Source:
    first = compile_expression(iteration.source, scope, report)
    if iteration.until is None:
        return lambda env: elements(env[1], first(env))
    last = compile_expression(iteration.until, scope, report)
    return lambda env: between(env[1], first(env), last(env))


def turns(sources: list[Source], env: Env, level: int = 0) -> Iterator[Env | None]:
    """The environments of all turns; None once when a source cannot be gone through."""
    items = sources[level](env)
    if items is None:
        yield None
        return
    last = level + 1 == len(sources)
    for item in items:
        inner: Env = [env, env[1], item]
        if last:
            yield inner
        else:
            env[1].step()
            yield from turns(sources, inner, level + 1)


def elements(run: Run, value: Value) -> Iterable[Value] | None:
    """What a loop goes through: a list's elements, a range's numbers or days, or the one value itself."""
    if type(value) is list:
        return value
    if type(value) is Range:
        return _of_range(run, value)
    return run.null("a loop over null") if value is None else (value,)


def _of_range(run: Run, value: Range) -> Iterable[Value] | None:
    """A range of whole numbers or dates with both ends; open ends are left out."""
    found = between(run, value.low, value.high)
    if found is None:
        return None
    skip_low, skip_high = not value.low_closed, not value.high_closed
    return (
        item
        for item in found
        if not (skip_low and compare(item, value.low) == 0) and not (skip_high and compare(item, value.high) == 0)
    )


def between(run: Run, first: Value, last: Value) -> Iterable[Value] | None:
    """From one whole number or date to another, upward or downward, both included."""
    if (
        type(first) is Decimal
        and type(last) is Decimal
        and first == first.to_integral_value()
        and last == last.to_integral_value()
    ):
        start, end = int(first), int(last)
        step = 1 if start <= end else -1
        return map(Decimal, range(start, end + step, step))
    if type(first) is Date and type(last) is Date:
        return _days(run, first, last)
    return run.null(f"a loop cannot go from {shown(first)} to {shown(last)}")


def _days(run: Run, first: Date, last: Date) -> Iterator[Date]:
    order = compare(first, last)
    step = _A_DAY if order is not None and order <= 0 else temporal.negate(_A_DAY)
    current: Value = first
    while current is not None:
        run.step(_DATE)
        yield current
        current = None if current == last else temporal.add(current, step)
