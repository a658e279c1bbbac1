"""Functions that make one value of a list, or of the arguments one by one (DMN 1.5, 10.3.4.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce

from modelyard.dmn.feel.builtins.numeric import finite
from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.numbers import CONTEXT
from modelyard.dmn.feel.semantics import compare, shown
from modelyard.dmn.feel.values import Native, Value
from modelyard.dmn.run import Run

_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN, Emin=-99_999, Emax=99_999)
"""For sums of squares, so that the result is right to its 34th digit."""


def _aggregate(first: str, rest: str, name: str | None = None) -> Callable[[Native], Native]:
    """Declare both forms: `f(list)` and `f(c1, …, cN)`, N > 0."""

    def add(native: Native) -> Native:
        known_as = name or native.__name__.rstrip("_")

        def of_arguments(run: Run, item: Value, items: list[Value]) -> Value:
            return native(run, [item, *items])

        builtin("list: list", known_as)(native)
        builtin(f"{first}: any?, *{rest}: any?", known_as)(of_arguments)
        return native

    return add


@_aggregate("c1", "cs", name="min")
def least(run: Run, list_: list[Value]) -> Value:
    return _extreme(run, "min", list_, 1)


@_aggregate("c1", "cs", name="max")
def greatest(run: Run, list_: list[Value]) -> Value:
    return _extreme(run, "max", list_, -1)


def _extreme(run: Run, name: str, list_: list[Value], sign: int) -> Value:
    """The first of those that no other is before (after, if `sign` is -1)."""
    if not list_:
        run.null(f"{name}() has no result for an empty list")
        return None
    run.step(len(list_))
    best = list_[0]
    for item in list_:
        order = compare(best, item)
        if order is None:
            run.null(f"{name}() wants comparable items, not {shown(best)} and {shown(item)}")
            return None
        if order * sign > 0:
            best = item
    return best


@_aggregate("n1", "ns", name="sum")
def total(run: Run, list_: list[Value]) -> Decimal | None:
    if not _numbers(run, "sum", list_):
        return None
    return finite(run, "sum", lambda: reduce(CONTEXT.add, list_))


@_aggregate("n1", "ns")
def mean(run: Run, list_: list[Value]) -> Decimal | None:
    if not _numbers(run, "mean", list_):
        return None
    return finite(run, "mean", lambda: CONTEXT.divide(reduce(CONTEXT.add, list_), Decimal(len(list_))))


@_aggregate("n1", "ns")
def product(run: Run, list_: list[Value]) -> Decimal | None:
    if not _numbers(run, "product", list_):
        return None
    return finite(run, "product", lambda: reduce(CONTEXT.multiply, list_))


@_aggregate("n1", "ns")
def median(run: Run, list_: list[Value]) -> Decimal | None:
    if not _numbers(run, "median", list_):
        return None
    ordered, middle = sorted(list_), len(list_) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return finite(run, "median", lambda: CONTEXT.divide(CONTEXT.add(ordered[middle - 1], ordered[middle]), Decimal(2)))


@_aggregate("n1", "ns")
def stddev(run: Run, list_: list[Value]) -> Value:
    """The sample standard deviation (divided by n - 1); null for fewer than two numbers."""
    if not _numbers(run, "stddev", list_):
        return None
    if len(list_) < 2:
        return run.null("stddev() has no result for a single number")
    return finite(run, "stddev", lambda: CONTEXT.plus(_deviation(list_)))


def _deviation(numbers: list[Decimal]) -> Decimal:
    center = _WIDE.divide(reduce(_WIDE.add, numbers), Decimal(len(numbers)))
    away = (_WIDE.subtract(number, center) for number in numbers)
    squares = reduce(_WIDE.add, (_WIDE.multiply(distance, distance) for distance in away))
    return _WIDE.sqrt(_WIDE.divide(squares, Decimal(len(numbers) - 1)))


@_aggregate("n1", "ns")
def mode(run: Run, list_: list[Value]) -> list[Decimal] | None:
    """The numbers that occur most often, ascending; empty for an empty list."""
    if not list_:
        return []
    if not _numbers(run, "mode", list_):
        return None
    counts = Counter(list_)
    most = max(counts.values())
    return sorted(number for number, times in counts.items() if times == most)


@_aggregate("b1", "bs", name="all")
def conjunction(run: Run, list_: list[Value]) -> bool | None:
    """False if any item is false, else true if all are true, else null."""
    return _decided(run, "all", list_, by=False)


@_aggregate("b1", "bs", name="any")
def disjunction(run: Run, list_: list[Value]) -> bool | None:
    """True if any item is true, else false if all are false, else null."""
    return _decided(run, "any", list_, by=True)


def _decided(run: Run, name: str, list_: list[Value], *, by: bool) -> bool | None:
    run.step(len(list_))
    if any(item is by for item in list_):
        return by
    other = next((item for item in list_ if type(item) is not bool), not by)
    if other is (not by):
        return not by
    run.null(f"{name}() cannot be decided by {shown(other)}")
    return None


def _numbers(run: Run, name: str, list_: list[Value]) -> bool:
    """Whether the list has numbers alone and at least one; says why not."""
    run.step(len(list_))
    if not list_:
        run.null(f"{name}() has no result for an empty list")
        return False
    for item in list_:
        if type(item) is not Decimal:
            run.null(f"{name}() wants numbers, not {shown(item)}")
            return False
    return True
