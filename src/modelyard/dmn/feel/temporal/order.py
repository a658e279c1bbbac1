"""Equality and order (10.3.2.15, tables 53 and 54).

Dates are ordered by their parts; times and date and times by their values, value_t and value_dt, which are numbers of *whole*
seconds: the leaders and the conformance kit read the specification so. Where one of two has an offset and the other none, the
other takes the first one's. (So this order is total only among values of one kind: all local, or all with an offset or zone.)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from modelyard.dmn.feel.temporal.days import day_number
from modelyard.dmn.feel.temporal.values import DAY_SECONDS, Date, DateTime, DaysTime, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import clock_offset, offset_of

_Keys = tuple[int, int]


def compare(a: Temporal, b: Temporal) -> int | None:
    """-1, 0 or 1; None for two values of different types."""
    if type(a) is not type(b):
        return None
    x, y = _KEYS[type(a)](a, b)
    return -1 if x < y else int(x > y)


def equal(a: Temporal, b: Temporal) -> bool | None:
    """FEEL's `=`; None for two values of different types."""
    if type(a) is not type(b):
        return None
    x, y = _KEYS[type(a)](a, b)
    return x == y


def _dates(a: Date, b: Date) -> _Keys:
    return _packed(a), _packed(b)


def _times(a: Time, b: Time) -> _Keys:
    x, y = _seconds(a), _seconds(b)
    return (x, y) if _share_clock(a, b) else (x - (clock_offset(a) or 0), y - (clock_offset(b) or 0))


def _date_times(a: DateTime, b: DateTime) -> _Keys:
    if _share_clock(a.time, b.time):
        return _packed(a.date) * DAY_SECONDS + _seconds(a.time), _packed(b.date) * DAY_SECONDS + _seconds(b.time)
    return _value(a), _value(b)


def _value(value: DateTime) -> int:
    """value_dt, the seconds since 1970-01-01T00:00:00Z."""
    return day_number(value.date) * DAY_SECONDS + _seconds(value.time) - (offset_of(value.date, value.time) or 0)


def _packed(date: Date) -> int:
    """In the order of dates, and less work than their numbers."""
    return (date.year * 16 + date.month) * 32 + date.day


def _share_clock(a: Time, b: Time) -> bool:
    """Whether what the clocks show can be compared: one is local and takes the other's offset, or both have the same."""
    if a.zone is None and b.zone is None and a.offset == b.offset:
        return True
    return a.is_local or b.is_local


def _seconds(time: Time) -> int:
    return (time.hour * 60 + time.minute) * 60 + time.second


_KEYS: Final[Mapping[type, Callable[[Any, Any], _Keys]]] = {
    Date: _dates,
    Time: _times,
    DateTime: _date_times,
    DaysTime: lambda a, b: (a.nanoseconds, b.nanoseconds),
    YearsMonths: lambda a, b: (a.months, b.months),
}
"""For each type two numbers that stand to each other as two values do."""
