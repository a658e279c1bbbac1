"""Relations of points and ranges (DMN 1.5, 10.3.4.7): every pair of small ranges against the text of table 78."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from modelyard.dmn.feel.values import Range
from tests.dmn.builtin_calls import at, call, named, reason, span

POINTS = range(4)
RANGES = [
    span(f"{opening}{low}..{high}{closing}")
    for low, high in product(POINTS, POINTS)
    for opening, closing in product("[(", "])")
    if low < high or (low == high and opening + closing == "[]")
]


class Ends:
    """The names that table 78 uses."""

    def __init__(self, value: Range) -> None:
        self.start, self.end = value.low, value.high
        self.start_in, self.end_in = value.low_closed, value.high_closed


def _before(a: Ends, b: Ends) -> bool:
    return a.end < b.start or ((not a.end_in or not b.start_in) and a.end == b.start)


def _meets(a: Ends, b: Ends) -> bool:
    return a.end_in and b.start_in and a.end == b.start


def _overlaps(a: Ends, b: Ends) -> bool:
    reaches = a.end > b.start or (a.end == b.start and a.end_in and b.start_in)
    return reaches and (a.start < b.end or (a.start == b.end and a.start_in and b.end_in))


def _overlaps_before(a: Ends, b: Ends) -> bool:
    first = a.start < b.start or (a.start == b.start and a.start_in and not b.start_in)
    reaches = a.end > b.start or (a.end == b.start and a.end_in and b.start_in)
    return first and reaches and (a.end < b.end or (a.end == b.end and (not a.end_in or b.end_in)))


def _finishes(a: Ends, b: Ends) -> bool:
    same = a.end_in == b.end_in and a.end == b.end
    return same and (a.start > b.start or (a.start == b.start and (not a.start_in or b.start_in)))


def _includes(a: Ends, b: Ends) -> bool:
    start = a.start < b.start or (a.start == b.start and (a.start_in or not b.start_in))
    return start and (a.end > b.end or (a.end == b.end and (a.end_in or not b.end_in)))


def _starts(a: Ends, b: Ends) -> bool:
    same = a.start == b.start and a.start_in == b.start_in
    return same and (a.end < b.end or (a.end == b.end and (not a.end_in or b.end_in)))


def _coincides(a: Ends, b: Ends) -> bool:
    return (a.start, a.start_in, a.end, a.end_in) == (b.start, b.start_in, b.end, b.end_in)


Relation = Callable[[Ends, Ends], bool]
RELATIONS: dict[str, Relation] = {
    "before": _before,
    "meets": _meets,
    "overlaps": _overlaps,
    "overlaps before": _overlaps_before,
    "finishes": _finishes,
    "includes": _includes,
    "starts": _starts,
    "coincides": _coincides,
}
INVERSES = {
    "after": "before",
    "met by": "meets",
    "overlaps after": "overlaps before",
    "finished by": "finishes",
    "during": "includes",
    "started by": "starts",
}


@pytest.mark.parametrize("name", RELATIONS)
def test_relations_of_ranges_are_those_of_table_78(name: str) -> None:
    wrong = [(a, b) for a, b in product(RANGES, RANGES) if call(name, a, b) is not RELATIONS[name](Ends(a), Ends(b))]
    assert not wrong


@pytest.mark.parametrize("name", INVERSES)
def test_relations_have_inverses(name: str) -> None:
    wrong = [(a, b) for a, b in product(RANGES, RANGES) if call(name, a, b) is not call(INVERSES[name], b, a)]
    assert not wrong


def test_points_before_and_after_points() -> None:
    for a, b in product(POINTS, POINTS):
        assert call("before", a, b) is (a < b)
        assert call("after", a, b) is (a > b)
        assert call("coincides", a, b) is (a == b)


def test_relations_of_a_point_and_a_range_are_those_of_table_78() -> None:
    for point, within in product(POINTS, RANGES):
        ends = Ends(within)
        assert call("before", point, within) is (point < ends.start or (point == ends.start and not ends.start_in))
        assert call("after", point, within) is (point > ends.end or (point == ends.end and not ends.end_in))
        assert call("before", within, point) is (ends.end < point or (ends.end == point and not ends.end_in))
        assert call("after", within, point) is (ends.start > point or (ends.start == point and not ends.start_in))
        inside = ends.start < point < ends.end or (point == ends.start and ends.start_in) or (point == ends.end and ends.end_in)
        assert call("during", point, within) is call("includes", within, point) is inside
        assert call("finishes", point, within) is call("finished by", within, point) is (ends.end_in and ends.end == point)
        assert call("starts", point, within) is call("started by", within, point) is (ends.start_in and ends.start == point)


def test_unbounded_ends_are_beyond_every_point() -> None:
    assert call("before", span("(..3]"), span("[4..)")) is True
    assert call("before", 5, span("(..3]")) is False
    assert call("includes", span("(..3]"), -(10**9)) is True
    assert call("includes", span("(..)"), span("[1..2]")) is True
    assert call("includes", span("[1..2]"), span("(..)")) is False
    assert call("overlaps", span("(..3]"), span("[3..)")) is True
    assert call("meets", span("[1..)"), span("(..3]")) is False
    assert call("coincides", span("(..3]"), span("(..3]")) is True
    assert call("coincides", span("(..3]"), span("[3..)")) is False


def test_ranges_of_anything_that_has_an_order() -> None:
    year = Range(at("2024-01-01"), at("2024-12-31"), True, True)
    assert call("during", at("2024-02-29"), year) is True
    assert call("before", "a", Range("b", "c", True, True)) is True
    assert call("after", at("PT2H"), at("PT1H")) is True


@pytest.mark.parametrize(("first", "second"), [(1, "a"), (1, Range("b", "c", True, True)), (at("2024-01-01"), at("PT1H"))])
def test_what_has_no_order_gives_null(first: Any, second: Any) -> None:
    assert "no order" in reason("before", first, second)


def test_the_wrong_kinds_give_null() -> None:
    assert call("meets", 1, 2) is None
    assert call("includes", 1, span("[1..2]")) is None
    assert call("before", None, 1) is None
    assert call("before", True, False) is None
    assert call("overlaps", span("[1..2]")) is None
    assert call("during", 1, Range(1, 1, True, True, "!=")) is None


def test_names_of_parameters() -> None:
    assert named("before", point1=1, point2=2) is True
    assert named("before", point=1, range=span("[2..3]")) is True
    assert named("after", range=span("[2..3]"), point=1) is True
    assert named("meets", range1=span("[1..2]"), range2=span("[2..3]")) is True
    assert named("includes", range=span("[1..2]"), point=1) is True
    assert named("before", range=span("[2..3]"), point=1) is False
    assert named("before", a=1, b=2) is None
