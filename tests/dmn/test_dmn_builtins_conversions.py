"""Conversions (DMN 1.5, 10.3.4.1), the calendar (10.3.4.6, 10.3.4.8, 10.3.4.11) and contexts (10.3.4.10)."""

from __future__ import annotations

import datetime as py
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.values import Range
from modelyard.dmn.run import Limits
from tests.dmn.builtin_calls import NOON, at, call, feel, named, new_run, reason, span

DATES = st.dates(py.date(1583, 1, 1), py.date(9999, 12, 31))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("date", ("2012-12-25",), "2012-12-25"),
        ("date", (at("2012-12-25T11:00:00Z"),), "2012-12-25"),
        ("date", (at("2012-12-25"),), "2012-12-25"),
        ("date", (2012, 12, 25), "2012-12-25"),
        ("date", (-2017, 1, 1), "-2017-01-01"),
        ("date and time", ("2012-12-24T23:59:00",), "2012-12-24T23:59:00"),
        ("date and time", ("2012-12-24",), "2012-12-24T00:00:00"),
        ("date and time", (at("2012-12-24"), at("23:59:00")), "2012-12-24T23:59:00"),
        ("date and time", (at("2012-12-24T01:02:03Z"), at("23:59:00+02:00")), "2012-12-24T23:59:00+02:00"),
        ("date and time", (2012, 12, 24, 23, 59, 0), "2012-12-24T23:59:00"),
        ("date and time", (2012, 12, 24, 23, 59, 0, at("-PT5H")), "2012-12-24T23:59:00-05:00"),
        ("date and time", (2012, 12, 24, 23, 59, 1.5, "Europe/Paris"), "2012-12-24T23:59:01.5@Europe/Paris"),
        ("time", ("23:59:00Z",), "23:59:00Z"),
        ("time", (at("2012-12-25T11:00:00Z"),), "11:00:00Z"),
        ("time", (at("11:00:00"),), "11:00:00"),
        ("time", (at("2017-08-10"),), "00:00:00Z"),
        ("time", (23, 59, 0, at("PT0H")), "23:59:00Z"),
        ("time", (23, 59, 0.25), "23:59:00.25"),
        ("time", (23, 59, 0, None), "23:59:00"),
        ("time", (23, 59, 0, at("-PT2H45M55S")), "23:59:00-02:45:55"),
        ("number", ("1 000,0", " ", ","), "1000.0"),
        ("number", ("1,000.0", ",", "."), "1000.0"),
        ("number", ("-12.5E1", None, None), "-125"),
        ("string", (1.1,), "1.1"),
        ("string", ("a",), "a"),
        ("string", (True,), "true"),
        ("string", (at("P1DT2H"),), "P1DT2H"),
        ("duration", ("P26M",), "P2Y2M"),
        ("duration", ("P2DT20H14M",), "P2DT20H14M"),
        ("years and months duration", (at("2011-12-22"), at("2013-08-24")), "P1Y8M"),
        ("years and months duration", (at("2013-08-24"), at("2011-12-22T10:00:00")), "-P1Y8M"),
    ],
)
def test_conversions(name: str, arguments: tuple[Any, ...], expected: str) -> None:
    assert str(call(name, *arguments)) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("date", (None,)),
        ("date", ("2012/12/25",)),
        ("date", ("2017-13-10",)),
        ("date", (2017, 13, 31)),
        ("date", (2017, 2, 29)),
        ("date", (2017, 1.5, 1)),
        ("date", (Decimal("1E+6000"), 1, 1)),
        ("date", (2017, None, 1)),
        ("date", (at("10:00:00"),)),
        ("time", ("25:00:00",)),
        ("time", (24, 0, 0, None)),
        ("time", (12, 0, 60)),
        ("time", (12, 0, 0, at("PT19H"))),
        ("time", (12, 0, 0, at("P1Y"))),
        ("time", (12, 0)),
        ("date and time", ("2012-12-25T24:00:01",)),
        ("date and time", (at("2012-12-24"), None)),
        ("date and time", (2012, 12, 24, 24, 0, 0)),
        ("date and time", (2012, 12, 24, 23, 0, 0, "Mars/Olympus")),
        ("number", ("1",)),
        ("number", (None, ",", ".")),
        ("number", ("1.000.0", ".", ".")),
        ("number", ("1", ";", ".")),
        ("number", ("1", ",", ";")),
        ("number", ("1,0", None, ".")),
        ("number", ("1 0", None, None)),
        ("number", ("", None, None)),
        ("number", ("+1", None, None)),
        ("number", ("٣", None, None)),
        ("number", ("1e99999", None, None)),
        ("number", ("Infinity", None, None)),
        ("string", (None,)),
        ("duration", ("P1H",)),
        ("duration", (1,)),
        ("years and months duration", (at("2011-12-22"), None)),
        ("years and months duration", (at("2011-12-22"),)),
        ("range", (None,)),
    ],
)
def test_what_cannot_be_converted_gives_null_and_a_reason(name: str, arguments: tuple[Any, ...]) -> None:
    assert reason(name, *arguments).startswith(f"{name}()")


def test_names_of_the_conversions_parameters() -> None:
    assert named("date", year=2017, month=8, day=30) == at("2017-08-30")
    assert named("date", **{"from": "2017-08-30"}) == at("2017-08-30")
    assert named("date and time", date=at("2017-08-30"), time=at("10:00:00")) == at("2017-08-30T10:00:00")
    assert named("time", hour=11, minute=59, second=0, offset=at("-PT2H")) == at("11:59:00-02:00")
    assert named("time", hour=11, minute=59, second=0) == at("11:59:00")
    assert named("number", **{"from": "1.0"}, grouping_separator=",", decimal_separator=".") == 1
    assert named("years and months duration", **{"from": at("2016-01-21")}, to=at("2015-01-21")) == at("-P1Y")
    assert named("date", val="2017-08-30") is None


def test_writing_what_is_shared_or_nested_without_end_is_bounded() -> None:
    shared: list[Any] = [Decimal(1)]
    for _ in range(60):
        shared = [shared, shared]
    with pytest.raises(LimitExceeded):
        FUNCTIONS["string"].call(new_run(Limits(steps=10_000)), [shared])
    deep: list[Any] = [Decimal(1)]
    for _ in range(5_000):
        deep = [deep]
    assert FUNCTIONS["string"].call(new_run(), [deep]) is None
    assert FUNCTIONS["is"].call(new_run(), [deep, [*deep]]) is True


@given(DATES)
def test_the_calendar_agrees_with_python(date: py.date) -> None:
    value = call("date", date.year, date.month, date.day)
    assert call("day of year", value) == date.timetuple().tm_yday
    assert call("day of week", value) == f"{date:%A}"
    assert call("month of year", value) == f"{date:%B}"
    assert call("week of year", value) == date.isocalendar().week


@pytest.mark.parametrize("name", ["day of year", "day of week", "month of year", "week of year"])
def test_the_calendar_takes_dates_and_date_and_times(name: str) -> None:
    assert call(name, at("2019-09-17T10:10:10")) == named(name, date=at("2019-09-17")) is not None
    assert call(name, "2019-09-17") is None
    assert call(name, None) is None


@given(DATES, DATES)
def test_years_and_months_between_dates(start: py.date, end: py.date) -> None:
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        months -= 1
    if months < 0 and end.day > start.day:
        months += 1
    found = call("years and months duration", at(start.isoformat()), at(end.isoformat()))
    assert found.months == months


def test_now_and_today_come_from_the_clock_once() -> None:
    moments = iter([NOON, NOON.replace(hour=13)])
    run = new_run()
    run.clock = lambda: next(moments)
    assert str(call("now", run=run)) == "2024-02-29T12:00:00Z"
    assert call("now", run=run) == call("now", run=run)
    assert str(call("today", run=run)) == "2024-02-29"
    assert call("now", 1) is None


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1, Decimal("1.0"), True),
        (None, None, True),
        (None, 1, False),
        (1, True, False),
        (at("2012-12-25"), at("23:00:50"), False),
        (at("23:00:50Z"), at("23:00:50"), False),
        (at("23:00:50Z"), at("23:00:50+00:00"), True),
        (at("20:00:50+00:00"), at("21:00:50+01:00"), False),
        (at("P1D"), at("PT24H"), True),
        (at("P0Y"), at("P0D"), False),
        ([1, [at("P1D")]], [1, [at("PT24H")]], True),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        (span("[1..2]"), span("[1..2]"), True),
        (span("[1..2]"), span("[1..2)"), False),
    ],
)
def test_is_the_same_element(a: Any, b: Any, same: bool) -> None:
    assert call("is", a, b) is same
    assert named("is", value1=a, value2=b) is same


def test_is_with_a_parameter_left_out_compares_with_null() -> None:
    assert named("is", value1=1) is False
    assert call("is", 1) is None
    assert named("is", value1=1, value3=1) is None


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("get value", ({"key1": "value1"}, "key1"), "value1"),
        ("get value", ({"key1": "value1"}, "other"), None),
        ("get entries", ({"a": 1, "b": 2},), [{"key": "a", "value": 1}, {"key": "b", "value": 2}]),
        ("context", ([{"key": "a", "value": 1}, {"key": "b", "value": 2, "something": "else"}],), {"a": 1, "b": 2}),
        ("context", ({"key": "a", "value": 1},), {"a": 1}),
        ("context", ([],), {}),
        ("context", ([{"key": "a", "value": 1}, {"key": "b"}],), None),
        ("context", ([{"key": "a", "value": 1}, {"key": "a", "value": 2}],), None),
        ("context", ([{"key": 1, "value": 1}],), None),
        ("context put", ({"x": 1}, "y", 2), {"x": 1, "y": 2}),
        ("context put", ({"x": 1, "y": 0, "z": 0}, "y", 2), {"x": 1, "y": 2, "z": 0}),
        ("context put", ({"x": 1}, "y", None), {"x": 1, "y": None}),
        ("context put", ({"x": 1}, ["y"], 2), {"x": 1, "y": 2}),
        ("context put", ({"x": 1, "y": {"a": 0}}, ["y", "a"], 2), {"x": 1, "y": {"a": 2}}),
        ("context put", ({"x": 1, "y": {"a": 0}}, ["y", "b"], 2), {"x": 1, "y": {"a": 0, "b": 2}}),
        ("context put", ({"x": 1, "y": {"a": 0}}, [], 2), None),
        ("context put", ({"x": 1}, ["x", "a"], 2), None),
        ("context put", ({"x": 1}, ["z", "a"], 2), None),
        ("context put", ({"x": 1}, ["x", None], 2), None),
        ("context put", ({}, 1, 1), None),
        ("context merge", ([{"x": 1}, {"y": 2}],), {"x": 1, "y": 2}),
        ("context merge", ([{"x": 1, "y": 0}, {"y": 2}],), {"x": 1, "y": 2}),
        ("context merge", ({"x": 1},), {"x": 1}),
        ("context merge", ([],), {}),
        ("context merge", ([{"x": 1}, None],), None),
    ],
)
def test_contexts_as_in_table_81(name: str, arguments: tuple[Any, ...], expected: Any) -> None:
    found = call(name, *arguments)
    assert found == feel(expected)
    if isinstance(found, dict):
        assert list(found) == list(expected)


def test_names_of_the_context_functions_parameters() -> None:
    assert named("get value", m={"a": 1}, key="a") == 1
    assert named("get value", m={"a": 1}, k="a") is None
    assert named("context", entries={"key": "a", "value": 1}) == {"a": 1}
    assert named("context put", context={}, key="a", value=1) == {"a": 1}
    assert named("context put", context={"y": {}}, keys=["y", "a"], value=1) == {"y": {"a": 1}}
    assert named("context put", context={"y": {}}, key=["y", "a"], value=1) is None
    assert named("context merge", contexts=[{"a": 1}]) == {"a": 1}


def test_putting_leaves_the_context_as_it_was() -> None:
    original = feel({"x": {"a": 1}})
    FUNCTIONS["context put"].call(new_run(), [original, ["x", "a"], Decimal(2)])
    assert original == {"x": {"a": 1}}


def test_a_range_is_read_by_the_parser() -> None:
    import modelyard.dmn  # noqa: F401 - connects range() to the parser

    assert call("range", "[18..21)") == Range(Decimal(18), Decimal(21), True, False)
    assert call("range", "[1..") is None
    assert call("range", "") is None
