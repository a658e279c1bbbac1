"""Zones of the IANA data base, from the machine or from the package `tzdata`, for years beyond Python's too.

`zoneinfo` knows the years 1 to 9999. Outside of them a year is looked up as another one of the 400-year cycle, after which the
calendar and so the rules of daylight saving repeat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from modelyard.dmn.feel.temporal.days import date_of_number, day_number, parts_of_number
from modelyard.dmn.feel.temporal.values import DAY, DAY_SECONDS, SECOND, Date, DateTime, Time

_WINTER_AND_SUMMER: Final = (Date(2100, 1, 1), Date(2100, 7, 1))  # after all that is decided today: by each zone's last rule


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

    In an overlap the earlier of the two offsets (of summer time) unless `time` has the other, in a gap the one before it, as
    `java.time`."""
    if time.zone is None or time.offset is not None:
        return time.offset
    day = _within(date.year), date.month, date.day
    return _seconds(datetime(*day, time.hour, time.minute, time.second, tzinfo=_zone(time.zone)))


def clock_offset(time: Time) -> int | None:
    """As `offset_of`, for a time without a date: then a zone's standard time counts, as it does for the leaders."""
    return time.offset if time.zone is None else _standard_offset(time.zone)


@lru_cache(maxsize=1024)
def _standard_offset(zone: str) -> int:
    return min(_seconds(datetime(day.year, day.month, day.day, tzinfo=_zone(zone))) for day in _WINTER_AND_SUMMER)


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
    if like.zone is None:
        return from_local_nanoseconds(nanoseconds + (like.offset or 0) * SECOND, like)
    offset = _offset_at(nanoseconds, like.zone)
    shown = from_local_nanoseconds(nanoseconds + offset * SECOND, replace(like, offset=None))
    if shown is None or offset_of(shown.date, shown.time) == offset:
        return shown
    return replace(shown, time=replace(shown.time, offset=offset))


def resolved(value: DateTime) -> DateTime | None:
    """A clock time that a zone leaves out, moved forward by the length of the gap; others as they are."""
    if value.time.zone is None:
        return value
    time = replace(value.time, offset=None)
    moment = instant(DateTime(value.date, time))
    return None if moment is None else from_instant(moment, time)


def clock(nanoseconds: int, like: Time) -> Time:
    """The time of day, `nanoseconds` after midnight, with the offset or zone of `like`."""
    seconds, nanosecond = divmod(nanoseconds, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return Time(hour, minute, second, nanosecond, like.offset, like.zone)


def _offset_at(nanoseconds: int, zone: str) -> int:
    number, rest = divmod(nanoseconds // SECOND, DAY_SECONDS)
    year, month, day = parts_of_number(number)
    moment = datetime(_within(year), month, day, tzinfo=UTC) + timedelta(seconds=rest)
    return _seconds(moment.astimezone(_zone(zone)))


def _within(year: int) -> int:
    """The year, or one that zoneinfo knows with the same calendar."""
    if 2 <= year <= 9998:
        return year
    return (9200 if year > 9998 else 400) + year % 400


def _seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else offset.days * DAY_SECONDS + offset.seconds
