"""What a path such as `d.year` gives (10.3.2.13.3, table 64)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from modelyard.dmn.feel import numbers
from modelyard.dmn.feel.temporal.days import day_number, weekday
from modelyard.dmn.feel.temporal.values import DAY, SECOND, Date, DateTime, DaysTime, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import clock_offset, instant, local_nanoseconds, offset_of

_Reader = Callable[[Any], Decimal | DaysTime | str | None]


def property_of(value: Temporal, name: str) -> Decimal | DaysTime | str | None:
    """The property, or None where the type has none of that name; `PROPERTIES` tells these cases apart.

    The parts of a negative duration are negative. The `time offset` of a zone is the one at that date and time."""
    reader = PROPERTIES[type(value)].get(name)
    return None if reader is None else reader(value)


def _seconds(nanoseconds: int) -> Decimal:
    """Exact, without an exponent or needless zeros."""
    whole, rest = divmod(abs(nanoseconds), SECOND)
    sign = "-" if nanoseconds < 0 else ""
    return Decimal(f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")) if rest else numbers.number(whole if not sign else -whole)


def _second(time: Time) -> Decimal:
    return _seconds(time.second * SECOND + time.nanosecond)


def _offset(seconds: int | None) -> DaysTime | None:
    return None if seconds is None else DaysTime(seconds * SECOND)


def _time_value(time: Time) -> Decimal:
    return _seconds(time.nanoseconds - (clock_offset(time) or 0) * SECOND)


def _date_time_value(value: DateTime) -> Decimal:
    moment = instant(value)
    return _seconds(local_nanoseconds(value) if moment is None else moment)


def _part(value: DaysTime, unit: int, modulus: int) -> Decimal:
    count = abs(value.nanoseconds) // (unit * SECOND) % modulus
    return Decimal(-count if value.nanoseconds < 0 else count)


def _rest(value: DaysTime) -> Decimal:
    rest = abs(value.nanoseconds) % (60 * SECOND)
    return _seconds(-rest if value.nanoseconds < 0 else rest)


def _toward_zero(amount: int, unit: int) -> Decimal:
    return Decimal(-(-amount // unit) if amount < 0 else amount // unit)


_DATE: dict[str, _Reader] = {
    "year": lambda d: Decimal(d.year),
    "month": lambda d: Decimal(d.month),
    "day": lambda d: Decimal(d.day),
    "weekday": lambda d: Decimal(weekday(d)),
    "value": lambda d: _seconds(day_number(d) * DAY),
}
_TIME: dict[str, _Reader] = {
    "hour": lambda t: Decimal(t.hour),
    "minute": lambda t: Decimal(t.minute),
    "second": _second,
    "time offset": lambda t: _offset(clock_offset(t)),
    "timezone": lambda t: t.zone,
    "value": _time_value,
}
_DATE_TIME: dict[str, _Reader] = {
    "year": lambda v: Decimal(v.date.year),
    "month": lambda v: Decimal(v.date.month),
    "day": lambda v: Decimal(v.date.day),
    "weekday": lambda v: Decimal(weekday(v.date)),
    "hour": lambda v: Decimal(v.time.hour),
    "minute": lambda v: Decimal(v.time.minute),
    "second": lambda v: _second(v.time),
    "time offset": lambda v: _offset(offset_of(v.date, v.time)),
    "timezone": lambda v: v.time.zone,
    "value": _date_time_value,
}
_DAYS_TIME: dict[str, _Reader] = {
    "days": lambda v: _toward_zero(v.nanoseconds, DAY),
    "hours": lambda v: _part(v, 3600, 24),
    "minutes": lambda v: _part(v, 60, 60),
    "seconds": _rest,
    "value": lambda v: _seconds(v.nanoseconds),
}
_YEARS_MONTHS: dict[str, _Reader] = {
    "years": lambda v: _toward_zero(v.months, 12),
    "months": lambda v: Decimal(v.months) - 12 * _toward_zero(v.months, 12),
    "value": lambda v: Decimal(v.months),
}

PROPERTIES: Final[Mapping[type, Mapping[str, _Reader]]] = MappingProxyType(
    {
        Date: MappingProxyType(_DATE),
        Time: MappingProxyType(_TIME),
        DateTime: MappingProxyType(_DATE_TIME),
        DaysTime: MappingProxyType(_DAYS_TIME),
        YearsMonths: MappingProxyType(_YEARS_MONTHS),
    }
)
"""The names that each type has, with how to read them."""
