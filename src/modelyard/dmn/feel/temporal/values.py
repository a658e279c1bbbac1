"""The temporal values and how FEEL prints them.

They are not Python's `datetime`, since FEEL's years go from -999,999,999 to 999,999,999 (proleptic Gregorian calendar with a
year 0, as XML Schema 1.1). Equality and hash of the classes are of the parts, as FEEL's `is()`; FEEL's `=` is `equal` of `order`.
Constructors do not check: what comes from outside goes through the functions of `parsing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_YEAR: Final = 999_999_999
MAX_OFFSET: Final = 18 * 3600
"""The greatest distance from UTC in seconds: that of `java.time`, which leaders and the kit go by; XML Schema has 14 hours."""
MAX_DURATION: Final = 2**63 - 1
"""The longest duration, in seconds or in months: those of `java.time`, since the specification is silent."""
SECOND: Final = 1_000_000_000
DAY_SECONDS: Final = 86_400
DAY: Final = DAY_SECONDS * SECOND


@dataclass(frozen=True, slots=True)
class Date:
    """A day of the calendar (10.3.2.3.5)."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        year = f"{self.year:04d}" if self.year >= 0 else f"-{-self.year:04d}"
        return f"{year}-{self.month:02d}-{self.day:02d}"


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day (10.3.2.3.4): local, or with an `offset` from UTC in seconds, or with a `zone` of the IANA data base.

    It has both only as part of a date and time whose clock shows the hour of an overlap for the second time."""

    hour: int
    minute: int
    second: int
    nanosecond: int = 0
    offset: int | None = None
    zone: str | None = None

    @property
    def nanoseconds(self) -> int:
        """Since midnight, as the clock shows it."""
        return ((self.hour * 60 + self.minute) * 60 + self.second) * SECOND + self.nanosecond

    @property
    def is_local(self) -> bool:
        return self.offset is None and self.zone is None

    def __str__(self) -> str:
        clock = f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}{_fraction(self.nanosecond)}"
        if self.zone is not None:
            return f"{clock}@{self.zone}"
        return clock if self.offset is None else clock + offset_text(self.offset)


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date and time (10.3.2.3.6). The offset or zone is the time's."""

    date: Date
    time: Time

    @staticmethod
    def at_midnight(date: Date) -> DateTime:
        """What a date becomes where a date and time is asked for: midnight UTC (10.3.2.9.4)."""
        return DateTime(date, MIDNIGHT_UTC)

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"


@dataclass(frozen=True, slots=True)
class DaysTime:
    """A days and time duration (10.3.2.3.7)."""

    nanoseconds: int

    def __str__(self) -> str:
        seconds, nanosecond = divmod(abs(self.nanoseconds), SECOND)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        days, hour = divmod(hours, 24)
        clock = _part(hour, "H") + _part(minute, "M")
        if second or nanosecond:
            clock += f"{second}{_fraction(nanosecond)}S"
        if not days and not clock:
            return "PT0S"
        return f"{'-' if self.nanoseconds < 0 else ''}P{_part(days, 'D')}{'T' if clock else ''}{clock}"


@dataclass(frozen=True, slots=True)
class YearsMonths:
    """A years and months duration (10.3.2.3.8)."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        if not self.months:
            return "P0M"
        return f"{'-' if self.months < 0 else ''}P{_part(years, 'Y')}{_part(months, 'M')}"


Duration = DaysTime | YearsMonths
Temporal = Date | Time | DateTime | DaysTime | YearsMonths

MIDNIGHT = Time(0, 0, 0)
MIDNIGHT_UTC = Time(0, 0, 0, offset=0)


def offset_text(offset: int) -> str:
    """`Z`, `+02:00`; with seconds only where there are some."""
    if not offset:
        return "Z"
    minutes, second = divmod(abs(offset), 60)
    hour, minute = divmod(minutes, 60)
    return f"{'-' if offset < 0 else '+'}{hour:02d}:{minute:02d}" + (f":{second:02d}" if second else "")


def _fraction(nanosecond: int) -> str:
    return f".{nanosecond:09d}".rstrip("0") if nanosecond else ""


def _part(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""
