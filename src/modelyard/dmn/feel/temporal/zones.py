"""Zones of the IANA data base, from the machine or from the package `tzdata`, for years beyond Python's too.

`zoneinfo` knows the years 1 to 9999. Outside of them a year is looked up as another one of the 400-year cycle, after which the
calendar and so the rules of daylight saving repeat."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from modelyard.dmn.feel.temporal.days import date_of_number, day_number
from modelyard.dmn.feel.temporal.values import DAY, DAY_SECONDS, SECOND, Date, DateTime, Time

REFERENCE_DATE: Final = Date(1972, 12, 31)
"""The day on which a time of day with a zone is taken, to know its offset: that of XML Schema's timeline (1.1 part 2, E.3.6)."""


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Whether the data base has a zone of exactly this name."""
    return name in _names()


def offset_of(date: Date, time: Time) -> int | None:
    """Seconds east of UTC at a date and time; None if it is local.

    In an overlap the earlier of the two offsets (of summer time), in a gap the one before it, as `java.time`."""
    if time.zone is None:
        return time.offset
    moment = datetime(_within(date.year), date.month, date.day, time.hour, time.minute, time.second)
    return _seconds(moment.replace(tzinfo=_zone(time.zone)).utcoffset())


def clock_offset(time: Time) -> int | None:
    """As `offset_of`, for a time without a date."""
    return time.offset if time.zone is None else offset_of(REFERENCE_DATE, time)


def local_nanoseconds(value: DateTime) -> int:
    """Since 1970-01-01T00:00:00 as the clock shows it, whatever the offset."""
    return day_number(value.date) * DAY + value.time.nanoseconds


def instant(value: DateTime) -> int | None:
    """Nanoseconds since 1970-01-01T00:00:00Z; None for a local date and time."""
    offset = offset_of(value.date, value.time)
    return None if offset is None else local_nanoseconds(value) - offset * SECOND


def from_local_nanoseconds(nanoseconds: int, like: Time) -> DateTime | None:
    """The inverse of `local_nanoseconds`, with the offset or zone of `like`; None beyond the greatest years."""
    day, rest = divmod(nanoseconds, DAY)
    date = date_of_number(day)
    return None if date is None else DateTime(date, clock(rest, like))


def from_instant(nanoseconds: int, like: Time) -> DateTime | None:
    """The inverse of `instant`, with the offset or zone of `like`; None beyond the greatest years."""
    offset = like.offset if like.zone is None else _offset_at(nanoseconds, like.zone)
    return from_local_nanoseconds(nanoseconds + (offset or 0) * SECOND, like)


def resolved(value: DateTime) -> DateTime | None:
    """A clock time that a zone leaves out, moved forward by the length of the gap; others as they are."""
    if value.time.zone is None:
        return value
    moment = instant(value)
    found = None if moment is None else from_instant(moment, value.time)
    # In an overlap the way back may be ambiguous, never the way there: the text that was written stays.
    return value if found is not None and instant(found) == moment and not _in_gap(value, found) else found


def clock(nanoseconds: int, like: Time) -> Time:
    """The time of day, `nanoseconds` after midnight, with the offset or zone of `like`."""
    seconds, nanosecond = divmod(nanoseconds, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return Time(hour, minute, second, nanosecond, like.offset, like.zone)


def _offset_at(nanoseconds: int, zone: str) -> int:
    day, rest = divmod(nanoseconds // SECOND, DAY_SECONDS)
    date = date_of_number(day)
    if date is None:
        return 0
    moment = datetime(_within(date.year), date.month, date.day, tzinfo=timezone.utc) + timedelta(seconds=rest)
    return _seconds(moment.astimezone(_zone(zone)).utcoffset())


def _in_gap(value: DateTime, found: DateTime) -> bool:
    return (value.date, value.time) != (found.date, found.time)


def _within(year: int) -> int:
    if 2 <= year <= 9998:
        return year
    return (9200 if year > 9998 else 400) + year % 400


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else round(offset.total_seconds())
