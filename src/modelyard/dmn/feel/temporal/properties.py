"""What a path such as `d.year` gives (10.3.2.15, tables 65 and 66)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from modelyard.dmn.feel.temporal.days import weekday
from modelyard.dmn.feel.temporal.values import DAY, SECOND, Date, DateTime, DaysTime, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import clock_offset, offset_of

_Reader = Callable[[Any], Decimal | DaysTime | str | None]


def property_of(value: Temporal, name: str) -> Decimal | DaysTime | str | None:
    """The property, or None where the type has none of that name; `PROPERTIES` tells these cases apart.

    The parts of a negative duration are negative. The `time offset` of a zone is the one at that date and time."""
    reader = PROPERTIES[type(value)].get(name)
    return None if reader is None else reader(value)


def _seconds(nanoseconds: int) -> Decimal:
    """Exact, without needless zeros."""
    whole, rest = divmod(abs(nanoseconds), SECOND)
    count = Decimal(f"{whole}.{rest:09d}".rstrip("0")) if rest else Decimal(whole)
    return -count if nanoseconds < 0 else count


def _second(time: Time) -> Decimal:
    return _seconds(time.second * SECOND + time.nanosecond)


def _offset(seconds: int | None) -> DaysTime | None:
    return None if seconds is None else DaysTime(seconds * SECOND)


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
}
_TIME: dict[str, _Reader] = {
    "hour": lambda t: Decimal(t.hour),
    "minute": lambda t: Decimal(t.minute),
    "second": _second,
    "time offset": lambda t: _offset(clock_offset(t)),
    "timezone": lambda t: t.zone,
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
}
_DAYS_TIME: dict[str, _Reader] = {
    "days": lambda v: _toward_zero(v.nanoseconds, DAY),
    "hours": lambda v: _part(v, 3600, 24),
    "minutes": lambda v: _part(v, 60, 60),
    "seconds": _rest,
}
_YEARS_MONTHS: dict[str, _Reader] = {
    "years": lambda v: _toward_zero(v.months, 12),
    "months": lambda v: Decimal(v.months) - 12 * _toward_zero(v.months, 12),
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
