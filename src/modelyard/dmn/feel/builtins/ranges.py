"""Relations of points and ranges (DMN 1.5, 10.3.4.7, table 78).

A relation is null when the ends have no order among each other. An unbounded end is before (or after) every point, and the same
as another unbounded end of its side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.semantics import compare, shown
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

_POINT: Final = "number | string | date | time | dateTime | duration"


class _NoOrder(Exception):
    """Two points that cannot be compared; ends the relation."""


class _End:
    """An end of a range: a point (None: unbounded) and whether it is included. `side` is -1 at the start and 1 at the end."""

    __slots__ = ("at", "closed", "side")

    def __init__(self, at: Value, closed: bool, side: int) -> None:
        self.at, self.closed, self.side = at, closed and at is not None, side

    def to(self, other: _End) -> int:
        """-1, 0 or 1 as its point is before, at or after the other's, whether included or not."""
        if self.at is None or other.at is None:
            if self.at is None and other.at is None and self.side == other.side:
                return 0
            return self.side if self.at is None else -other.side
        order = compare(self.at, other.at)
        if order is None:
            raise _NoOrder(f"{shown(self.at)} and {shown(other.at)} have no order")
        return order


class _Span:
    """A range, or a point as the range of itself alone."""

    __slots__ = ("end", "start")

    def __init__(self, value: Value) -> None:
        if isinstance(value, Range) and value.operator == "!=":
            raise _NoOrder(f"{shown(value)} is not an interval")
        if isinstance(value, Range):
            self.start, self.end = _End(value.low, value.low_closed, -1), _End(value.high, value.high_closed, 1)
        else:
            self.start, self.end = _End(value, True, -1), _End(value, True, 1)


_Relation = Callable[[_Span, _Span], bool]
_POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES = (
    f"point1: {_POINT}, point2: {_POINT}",
    f"point: {_POINT}, range: range",
    f"range: range, point: {_POINT}",
    "range1: range, range2: range",
)


def _relation(*declarations: str) -> Callable[[_Relation], _Relation]:
    """Declare a relation for each pair of points and ranges that it is defined for."""

    def add(relation: _Relation) -> Value:
        name = relation.__name__.replace("_", " ")

        def native(run: Run, first: Value, second: Value) -> Value:
            try:
                return relation(_Span(first), _Span(second))
            except _NoOrder as error:
                return run.null(f"{name}(): {error}")

        for declaration in declarations:
            builtin(declaration, name)(native)
        return relation

    return add


def _starts_first(a: _Span, b: _Span) -> bool:
    """Whether `a` has points before all of `b`, as far as their starts go."""
    order = a.start.to(b.start)
    return order < 0 or (order == 0 and a.start.closed and not b.start.closed)


def _starts_no_later(a: _Span, b: _Span) -> bool:
    order = a.start.to(b.start)
    return order < 0 or (order == 0 and (a.start.closed or not b.start.closed))


def _ends_no_later(a: _Span, b: _Span) -> bool:
    order = a.end.to(b.end)
    return order < 0 or (order == 0 and (not a.end.closed or b.end.closed))


def _reaches(a: _Span, b: _Span) -> bool:
    """Whether `a` does not end before `b` starts."""
    order = a.end.to(b.start)
    return order > 0 or (order == 0 and a.end.closed and b.start.closed)


def _same_start(a: _Span, b: _Span) -> bool:
    return a.start.to(b.start) == 0 and a.start.closed == b.start.closed


def _same_end(a: _Span, b: _Span) -> bool:
    return a.end.to(b.end) == 0 and a.end.closed == b.end.closed


@_relation(_POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES)
def before(a: _Span, b: _Span) -> bool:
    return not _reaches(a, b)


@_relation(_POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES)
def after(a: _Span, b: _Span) -> bool:
    return not _reaches(b, a)


@_relation(_RANGES)
def meets(a: _Span, b: _Span) -> bool:
    return a.end.to(b.start) == 0 and a.end.closed and b.start.closed


@_relation(_RANGES)
def met_by(a: _Span, b: _Span) -> bool:
    return meets(b, a)


@_relation(_RANGES)
def overlaps(a: _Span, b: _Span) -> bool:
    return _reaches(a, b) and _reaches(b, a)


@_relation(_RANGES)
def overlaps_before(a: _Span, b: _Span) -> bool:
    return _starts_first(a, b) and _reaches(a, b) and _ends_no_later(a, b)


@_relation(_RANGES)
def overlaps_after(a: _Span, b: _Span) -> bool:
    return overlaps_before(b, a)


@_relation(_POINT_RANGE, _RANGES)
def finishes(a: _Span, b: _Span) -> bool:
    return _same_end(a, b) and _starts_no_later(b, a)


@_relation(_RANGE_POINT, _RANGES)
def finished_by(a: _Span, b: _Span) -> bool:
    return finishes(b, a)


@_relation(_RANGE_POINT, _RANGES)
def includes(a: _Span, b: _Span) -> bool:
    return _starts_no_later(a, b) and _ends_no_later(b, a)


@_relation(_POINT_RANGE, _RANGES)
def during(a: _Span, b: _Span) -> bool:
    return includes(b, a)


@_relation(_POINT_RANGE, _RANGES)
def starts(a: _Span, b: _Span) -> bool:
    return _same_start(a, b) and _ends_no_later(a, b)


@_relation(_RANGE_POINT, _RANGES)
def started_by(a: _Span, b: _Span) -> bool:
    return starts(b, a)


@_relation(_POINTS, _RANGES)
def coincides(a: _Span, b: _Span) -> bool:
    return _same_start(a, b) and _same_end(a, b)
