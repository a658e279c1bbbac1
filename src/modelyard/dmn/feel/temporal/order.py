"""Equality and order (10.3.2.13, tables 53 and 54).

Dates are ordered by their parts; times and date and times by their values, value_t and value_dt, which are numbers of *whole*
seconds: the leaders and the conformance kit read the specification so. Where one of two has an offset and the other none, the
other takes the first one's. (So this order is total only among values of one kind: all local, or all with an offset or zone.)"""

from __future__ import annotations

from modelyard.dmn.feel.temporal.days import day_number
from modelyard.dmn.feel.temporal.values import DAY_SECONDS, SECOND, Date, DateTime, DaysTime, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import clock_offset, offset_of


def compare(a: Temporal, b: Temporal) -> int | None:
    """-1, 0 or 1; None for two values of different types."""
    if type(a) is not type(b):
        return None
    x, y = _keys(a, b)
    return -1 if x < y else int(x > y)


def equal(a: Temporal, b: Temporal) -> bool | None:
    """FEEL's `=`; None for two values of different types."""
    if type(a) is not type(b):
        return None
    if a == b:
        return True
    x, y = _keys(a, b)
    return x == y


def _keys(a: Temporal, b: Temporal) -> tuple[int, int]:
    if isinstance(a, Date) and isinstance(b, Date):
        return _date_key(a), _date_key(b)
    if isinstance(a, DateTime) and isinstance(b, DateTime):
        x, y = _shown(a), _shown(b)
        return (x, y) if _is_plain(a.time, b.time) else (x - _offset_at(a), y - _offset_at(b))
    if isinstance(a, Time) and isinstance(b, Time):
        x, y = time_seconds(a), time_seconds(b)
        return (x, y) if _is_plain(a, b) else (x - (clock_offset(a) or 0), y - (clock_offset(b) or 0))
    if isinstance(a, DaysTime) and isinstance(b, DaysTime):
        return a.nanoseconds, b.nanoseconds
    assert isinstance(a, YearsMonths) and isinstance(b, YearsMonths)
    return a.months, b.months


def _is_plain(a: Time, b: Time) -> bool:
    """Whether the clocks can be compared as they show: one is local and takes the other's offset, or both have the same."""
    return a.is_local or b.is_local or (a.zone is None and b.zone is None and a.offset == b.offset)


def time_seconds(time: Time) -> int:
    """value_t without the offset: whole seconds since midnight."""
    return time.nanoseconds // SECOND


def _date_key(date: Date) -> int:
    return (date.year * 16 + date.month) * 32 + date.day


def _shown(value: DateTime) -> int:
    return day_number(value.date) * DAY_SECONDS + time_seconds(value.time)


def _offset_at(value: DateTime) -> int:
    return offset_of(value.date, value.time) or 0
