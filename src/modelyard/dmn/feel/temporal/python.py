"""To and from Python's `datetime`."""

from __future__ import annotations

import datetime as py
from zoneinfo import ZoneInfo

from modelyard.dmn.feel.temporal.parsing import make_date_time
from modelyard.dmn.feel.temporal.values import SECOND, Date, DateTime, DaysTime, Temporal, Time, YearsMonths

Python = py.date | py.time | py.datetime | py.timedelta


def to_python(value: Temporal) -> Python:
    """As Python has it, with offset or zone; microseconds are cut off.

    Raises ValueError for a years and months duration, and for years and durations that Python does not have."""
    if isinstance(value, YearsMonths):
        raise ValueError(f"Python has no duration in months such as {value}")
    if isinstance(value, DaysTime):
        return _timedelta(value)
    if isinstance(value, Time):
        return py.time(value.hour, value.minute, value.second, value.nanosecond // 1000, tzinfo=_tzinfo(value))
    date = value if isinstance(value, Date) else value.date
    day = py.date(date.year, date.month, date.day)
    if isinstance(value, Date):
        return day
    time = value.time
    return py.datetime.combine(day, py.time(time.hour, time.minute, time.second, time.nanosecond // 1000), tzinfo=_tzinfo(time))


def from_python(value: Python) -> Temporal:
    """A zone of `zoneinfo` is kept by its name; of any other time zone the offset, cut to seconds.

    A moment that its zone's name does not single out, the later one in an overlap, is kept by its offset.
    Raises ValueError for a time of day whose time zone gives no offset without a date."""
    if isinstance(value, py.timedelta):
        return DaysTime(((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1000)
    if isinstance(value, py.time):
        return _time(value, value.utcoffset())
    date = Date(value.year, value.month, value.day)
    if not isinstance(value, py.datetime):
        return date
    made = make_date_time(date, _time(value, value.utcoffset()))
    if made is None:
        raise ValueError(f"{value} is out of range")
    return made


def _timedelta(value: DaysTime) -> py.timedelta:
    seconds, rest = divmod(abs(value.nanoseconds), SECOND)
    try:
        made = py.timedelta(seconds=seconds, microseconds=rest // 1000)
    except OverflowError as error:
        raise ValueError(f"Python has no duration as long as {value}") from error
    return -made if value.nanoseconds < 0 else made


def _tzinfo(time: Time) -> py.tzinfo | None:
    if time.zone is not None:
        return ZoneInfo(time.zone)
    return None if time.offset is None else py.timezone(py.timedelta(seconds=time.offset))


def _time(value: py.time | py.datetime, offset: py.timedelta | None) -> Time:
    zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    if zone is not None and value.fold and value.replace(fold=0).utcoffset() != offset:
        zone = None
    if value.tzinfo is not None and zone is None and offset is None:
        raise ValueError(f"{value} has a time zone without an offset")
    seconds = None if zone is not None or offset is None else int(offset.total_seconds())
    return Time(value.hour, value.minute, value.second, value.microsecond * 1000, seconds, zone)
