"""FEEL's operators on values (DMN 1.5, 10.3.2.11 to 10.3.2.15). What is undefined is null, and the reason is kept."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.numbers import CONTEXT, ONE, TRAPPED
from modelyard.dmn.feel.semantics import TEMPORAL, compare, equal, shown
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run

Binary = Callable[[Run, Value, Value], Value]
_POWER, _TEMPORAL = 30, 5
"""What a power and the arithmetic of dates and times count for in steps."""
_DURATIONS = (temporal.DaysTime, temporal.YearsMonths)


def add(run: Run, a: Value, b: Value) -> Value:
    kind = type(a)
    if kind is Decimal and type(b) is Decimal:
        return _number(run, CONTEXT.add, a, b)
    if kind is str and type(b) is str:
        run.length(len(a) + len(b))
        return a + b
    if kind in TEMPORAL and type(b) in TEMPORAL:
        return _known(run, temporal.add(a, b), "+", a, b)
    return _undefined(run, "+", a, b)


def subtract(run: Run, a: Value, b: Value) -> Value:
    if type(a) is Decimal and type(b) is Decimal:
        return _number(run, CONTEXT.subtract, a, b)
    if type(a) in TEMPORAL and type(b) in TEMPORAL:
        return _known(run, temporal.subtract(a, b), "-", a, b)
    return _undefined(run, "-", a, b)


def multiply(run: Run, a: Value, b: Value) -> Value:
    if type(a) is Decimal and type(b) is Decimal:
        return _number(run, CONTEXT.multiply, a, b)
    if type(a) in _DURATIONS and type(b) is Decimal:
        return _known(run, temporal.multiply(a, b), "*", a, b)
    if type(a) is Decimal and type(b) in _DURATIONS:
        return _known(run, temporal.multiply(b, a), "*", a, b)
    return _undefined(run, "*", a, b)


def divide(run: Run, a: Value, b: Value) -> Value:
    if type(a) is Decimal and type(b) is Decimal:
        return _number(run, CONTEXT.divide, a, b) if b else run.null("a division by zero")
    if type(a) in _DURATIONS and (type(b) is Decimal or type(b) in _DURATIONS):
        return _known(run, temporal.divide(a, b), "/", a, b)
    return _undefined(run, "/", a, b)


def power(run: Run, a: Value, b: Value) -> Value:
    if type(a) is Decimal and type(b) is Decimal:
        if not a and b <= 0:
            return ONE if not b else run.null("0 has no negative power")
        run.step(_POWER)
        return _number(run, CONTEXT.power, a, b)
    return _undefined(run, "**", a, b)


def negate(run: Run, a: Value) -> Value:
    if type(a) is Decimal:
        return CONTEXT.minus(a)
    if type(a) in _DURATIONS:
        return temporal.negate(a)
    return run.null(f"- of {shown(a)} is not defined")


def equals(run: Run, a: Value, b: Value) -> bool | None:
    found = equal(a, b, run)
    return found if found is not None else _incomparable(run, a, b)


def differs(run: Run, a: Value, b: Value) -> bool | None:
    found = equal(a, b, run)
    return not found if found is not None else _incomparable(run, a, b)


def less(run: Run, a: Value, b: Value) -> bool | None:
    order = compare(a, b)
    return order < 0 if order is not None else _incomparable(run, a, b)


def less_or_equal(run: Run, a: Value, b: Value) -> bool | None:
    order = compare(a, b)
    return order <= 0 if order is not None else _incomparable(run, a, b)


def greater(run: Run, a: Value, b: Value) -> bool | None:
    order = compare(a, b)
    return order > 0 if order is not None else _incomparable(run, a, b)


def greater_or_equal(run: Run, a: Value, b: Value) -> bool | None:
    order = compare(a, b)
    return order >= 0 if order is not None else _incomparable(run, a, b)


ARITHMETIC: dict[str, Binary] = {"+": add, "-": subtract, "*": multiply, "/": divide, "**": power}
NUMBERS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": CONTEXT.add,
    "-": CONTEXT.subtract,
    "*": CONTEXT.multiply,
    "/": CONTEXT.divide,
}
"""The same for two numbers, where nothing is special but what traps."""
COMPARISON: dict[str, Binary] = {
    "=": equals,
    "!=": differs,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
}


def undecided(run: Run, what: str, odd: Value) -> Value:
    """The null of three-valued logic; the reason is kept when it comes of a value that is no boolean."""
    return None if odd is None else run.null(f"{what} wants booleans, not {shown(odd)}")


def _number(run: Run, operation: Callable[[Decimal, Decimal], Decimal], a: Decimal, b: Decimal) -> Decimal | None:
    try:
        return operation(a, b)
    except TRAPPED as error:
        return run.null(f"the arithmetic of {shown(a)} and {shown(b)} has no result ({type(error).__name__})")


def _known(run: Run, found: Value, operator: str, a: Value, b: Value) -> Value:
    run.step(_TEMPORAL)
    return found if found is not None else _undefined(run, operator, a, b)


def _undefined(run: Run, operator: str, a: Value, b: Value) -> Value:
    return run.null(f"{shown(a)} {operator} {shown(b)} is not defined")


def _incomparable(run: Run, a: Value, b: Value) -> Value:
    return run.null(f"{shown(a)} and {shown(b)} are not comparable")
