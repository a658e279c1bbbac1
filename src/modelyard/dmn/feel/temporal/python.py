"""To and from Python's `datetime`."""

from __future__ import annotations

import datetime as py
from zoneinfo import ZoneInfo

from modelyard.dmn.feel.temporal.values import MAX_OFFSET, SECOND, Date, DateTime, DaysTime, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import from_instant, is_zone, local_nanoseconds

Python = py.date | py.time | py.datetime | py.timedelta


def to_python(value: Temporal) -> Python:
    """As Python has it, with offset or zone, cut to microseconds.

    Raises ValueError for a years and months duration, and for years and durations that Python does not have."""
    if isinstance(value, YearsMonths):
        raise ValueError(f"Python has no duration in months such as {value}")
    if isinstance(value, DaysTime):
        return _timedelta(value)
    if isinstance(value, Time):
        return _to_time(value)
    if isinstance(value, Date):
        return py.date(value.year, value.month, value.day)
    day = py.date(value.date.year, value.date.month, value.date.day)
    return py.datetime.combine(day, _to_time(value.time))


def from_python(value: Python) -> Temporal:
    """A time zone of `zoneinfo` is kept by its name, of any other the offset at that time.

    Raises ValueError for an offset that is no whole number of seconds or beyond 18 hours, and for a time of day whose time zone
    has no offset without a date."""
    if isinstance(value, py.timedelta):
        return DaysTime(((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1000)
    if isinstance(value, py.time):
        return _from_time(value, _zone_name(value.tzinfo))
    date = Date(value.year, value.month, value.day)
    return _from_datetime(date, value) if isinstance(value, py.datetime) else date


def _from_datetime(date: Date, value: py.datetime) -> DateTime:
    zone = _zone_name(value.tzinfo)
    made = DateTime(date, _from_time(value, zone))
    offset = value.utcoffset()
    if zone is None or offset is None:
        return made
    # By way of the instant, since Python's fold tells the two hours of an overlap apart.
    found = from_instant(local_nanoseconds(made) - _whole_seconds(offset) * SECOND, made.time)
    return made if found is None else found


def _from_time(value: py.time | py.datetime, zone: str | None) -> Time:
    offset = None if zone is not None else value.utcoffset()
    if offset is None and zone is None and value.tzinfo is not None:
        raise ValueError(f"{value} has a time zone that tells no offset")
    seconds = None if offset is None else _whole_seconds(offset)
    return Time(value.hour, value.minute, value.second, value.microsecond * 1000, seconds, zone)


def _to_time(time: Time) -> py.time:
    tzinfo: py.tzinfo | None = None
    if time.zone is not None:
        tzinfo = ZoneInfo(time.zone)
    elif time.offset is not None:
        tzinfo = py.timezone(py.timedelta(seconds=time.offset))
    second_time_round = time.zone is not None and time.offset is not None
    return py.time(time.hour, time.minute, time.second, time.nanosecond // 1000, tzinfo=tzinfo, fold=int(second_time_round))


def _timedelta(value: DaysTime) -> py.timedelta:
    seconds, rest = divmod(abs(value.nanoseconds), SECOND)
    try:
        made = py.timedelta(seconds=seconds, microseconds=rest // 1000)
    except OverflowError as error:
        raise ValueError(f"Python has no duration as long as {value}") from error
    return -made if value.nanoseconds < 0 else made


def _zone_name(tzinfo: py.tzinfo | None) -> str | None:
    return tzinfo.key if isinstance(tzinfo, ZoneInfo) and is_zone(tzinfo.key or "") else None


def _whole_seconds(offset: py.timedelta) -> int:
    seconds = offset.days * 86_400 + offset.seconds
    if offset.microseconds or abs(seconds) > MAX_OFFSET:
        raise ValueError(f"an offset of {offset} from UTC is none of FEEL's")
    return seconds
