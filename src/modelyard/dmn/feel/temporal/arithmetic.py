"""Addition, subtraction, multiplication, division and negation (10.3.2.15, tables 57, 59 and 62).

A pair for which the tables have no row, and a result out of range, give None. Arithmetic is exact to the nanosecond.
A days and time duration added to a date and time with a zone is time that passes; months are calendar months."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from modelyard.dmn.feel import numbers
from modelyard.dmn.feel.temporal.days import date_of_number, day_number, plus_months
from modelyard.dmn.feel.temporal.parsing import make_date_time, make_days_time, make_years_months
from modelyard.dmn.feel.temporal.values import DAY, SECOND, Date, DateTime, DaysTime, Duration, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import (
    clock,
    clock_offset,
    from_instant,
    from_local_nanoseconds,
    instant,
    local_nanoseconds,
)


def add(a: Temporal, b: Temporal) -> Temporal | None:
    """`a + b`: a duration to a duration of its type, or a duration and a point in time in either order."""
    if isinstance(a, DaysTime) and isinstance(b, DaysTime):
        return make_days_time(a.nanoseconds + b.nanoseconds)
    if isinstance(a, YearsMonths) and isinstance(b, YearsMonths):
        return make_years_months(a.months + b.months)
    if isinstance(a, DaysTime | YearsMonths):
        a, b = b, a
    if isinstance(b, DaysTime):
        return _later(a, b.nanoseconds)
    return _months_later(a, b.months) if isinstance(b, YearsMonths) else None


def subtract(a: Temporal, b: Temporal) -> Temporal | None:
    """`a - b`: a duration of anything that it can be added to, or the time between two points.

    A date among date and times is its midnight UTC. Between a local point and one with an offset the time is not defined."""
    if isinstance(b, DaysTime | YearsMonths):
        return None if isinstance(a, DaysTime | YearsMonths) and type(a) is not type(b) else add(a, negate(b))
    if isinstance(a, Date) and isinstance(b, Date):
        return DaysTime((day_number(a) - day_number(b)) * DAY)
    if isinstance(a, Time) and isinstance(b, Time):
        return _between_times(a, b)
    left, right = _moment(a), _moment(b)
    return None if left is None or right is None else _between(left, right)


def negate(value: Duration) -> Duration:
    if isinstance(value, DaysTime):
        return DaysTime(-value.nanoseconds)
    return YearsMonths(-value.months)


def multiply(value: Duration, factor: Decimal) -> Duration | None:
    """A years and months duration is cut to whole months, a days and time duration rounded to the nanosecond."""
    try:
        return _scaled(value, numbers.CONTEXT.multiply(_amount(value), factor))
    except numbers.TRAPPED:
        return None


def divide(value: Duration, divisor: Decimal | Duration) -> Duration | Decimal | None:
    """By a number as `multiply`; by a duration of the same type, the number of times that it goes in. By zero None."""
    try:
        if isinstance(divisor, Decimal):
            return _scaled(value, numbers.CONTEXT.divide(_amount(value), divisor))
        if type(divisor) is not type(value):
            return None
        return numbers.CONTEXT.divide(_amount(value), _amount(divisor))
    except numbers.TRAPPED:
        return None


def _later(point: Temporal, nanoseconds: int) -> Temporal | None:
    if isinstance(point, Date):
        return date_of_number(day_number(point) + nanoseconds // DAY)
    if isinstance(point, Time):
        return clock((point.nanoseconds + nanoseconds) % DAY, point)
    if not isinstance(point, DateTime):
        return None
    moment = instant(point) if point.time.zone is not None else None
    if moment is None:
        return from_local_nanoseconds(local_nanoseconds(point) + nanoseconds, point.time)
    return from_instant(moment + nanoseconds, point.time)


def _months_later(point: Temporal, months: int) -> Temporal | None:
    if isinstance(point, Date):
        return plus_months(point, months)
    if not isinstance(point, DateTime):
        return None
    date = plus_months(point.date, months)
    return None if date is None else make_date_time(date, point.time)


def _moment(point: Temporal) -> DateTime | None:
    if isinstance(point, Date):
        return DateTime.at_midnight(point)
    return point if isinstance(point, DateTime) else None


def _between(a: DateTime, b: DateTime) -> DaysTime | None:
    if a.time.is_local and b.time.is_local:
        return DaysTime(local_nanoseconds(a) - local_nanoseconds(b))
    left, right = instant(a), instant(b)
    return None if left is None or right is None else DaysTime(left - right)


def _between_times(a: Time, b: Time) -> DaysTime | None:
    if a.is_local != b.is_local:
        return None
    offsets = (clock_offset(a) or 0) - (clock_offset(b) or 0)
    return DaysTime(a.nanoseconds - b.nanoseconds - offsets * SECOND)


def _amount(value: Duration) -> Decimal:
    return Decimal(value.nanoseconds if isinstance(value, DaysTime) else value.months)


def _scaled(like: Duration, amount: Decimal) -> Duration | None:
    if amount.adjusted() > 34:
        return None
    if isinstance(like, DaysTime):
        return make_days_time(int(amount.to_integral_value(ROUND_HALF_EVEN)))
    return make_years_months(int(amount.to_integral_value(ROUND_DOWN)))
