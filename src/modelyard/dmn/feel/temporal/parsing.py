"""Reading temporal values from text and from parts.

The lexical forms are those of XML Schema 1.1 part 2 with FEEL's `@Zone/Name` (10.3.4.1), strict in digits and leading zeros.
Beyond it, `z` is `Z` (as in the examples of table 72) and, as in `java.time`, which the leaders use, offsets go to ±18:00 and may
have seconds, a second has no more than nine decimals and a duration's may have none after the point.
What is not of the form, or not on the calendar, gives None."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from modelyard.dmn.feel.temporal.days import date_of_number, day_number, last_day
from modelyard.dmn.feel.temporal.values import (
    DAY_SECONDS,
    MAX_DURATION,
    MAX_OFFSET,
    MAX_YEAR,
    MIDNIGHT,
    SECOND,
    Date,
    DateTime,
    DaysTime,
    Duration,
    Temporal,
    Time,
    YearsMonths,
)
from modelyard.dmn.feel.temporal.zones import is_zone, resolved

_CUT: Final = Context(prec=60, rounding=ROUND_DOWN)
"""Enough for the fraction of any second, exactly."""
_DATE: Final = re.compile(r"(-?(?:[1-9][0-9]{4,8}|[0-9]{4}))-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?|@([A-Za-z0-9_+/-]{1,64}))?"
)
_YEARS_MONTHS: Final = re.compile(r"(-?)P(?=[0-9])(?:([0-9]{1,19})Y)?(?:([0-9]{1,19})M)?")
_DAYS_TIME: Final = re.compile(
    r"(-?)P(?=[0-9T])(?:([0-9]{1,19})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,19})H)?(?:([0-9]{1,19})M)?(?:([0-9]{1,19})(?:\.([0-9]{0,9}))?S)?)?"
)


def make_date(year: int, month: int, day: int) -> Date | None:
    """A date of its parts, if there is such a day."""
    if not (-MAX_YEAR <= year <= MAX_YEAR and 1 <= month <= 12 and 1 <= day <= last_day(year, month)):
        return None
    return Date(year, month, day)


def make_time(hour: int, minute: int, second: Decimal | int, offset: int | None = None) -> Time | None:
    """A time of its parts, if there is such a time; `offset` in seconds. Of a fraction nine decimals count."""
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second < 60):
        return None
    if offset is not None and abs(offset) > MAX_OFFSET:
        return None
    whole = int(second)
    return Time(hour, minute, whole, _fraction(second, whole), offset)


def make_date_time(date: Date, time: Time) -> DateTime | None:
    """A date and time of its parts; in a zone, a clock time that is left out moves forward by the gap."""
    return resolved(DateTime(date, time))


def parse_date(text: str) -> Date | None:
    found = _DATE.fullmatch(text)
    return None if found is None else make_date(int(found[1]), int(found[2]), int(found[3]))


def parse_time(text: str) -> Time | None:
    """24:00:00 is 00:00:00."""
    found = _clock(text)
    return None if found is None else found[0]


def parse_date_time(text: str, *, date_only: bool = False) -> DateTime | None:
    """24:00:00 is midnight of the next day. With `date_only` a date alone is its midnight, local: so `date and time("…")` has it
    (10.3.4.1), whereas the coercion of a date is to midnight UTC."""
    day, separator, rest = text.partition("T")
    date = parse_date(day)
    if date is None:
        return None
    if not separator:
        return DateTime(date, MIDNIGHT) if date_only else None
    found = _clock(rest)
    if found is None:
        return None
    time, next_day = found
    later = date_of_number(day_number(date) + 1) if next_day else date
    return None if later is None else make_date_time(later, time)


def parse_duration(text: str) -> Duration | None:
    """A duration of either type; one that mixes months with days is of neither."""
    found = _YEARS_MONTHS.fullmatch(text)
    if found is not None:
        return make_years_months(_signed(found[1], int(found[2] or 0) * 12 + int(found[3] or 0)))
    found = _DAYS_TIME.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(found[part] or 0) for part in (2, 3, 4, 5))
    whole = days * DAY_SECONDS + (hours * 60 + minutes) * 60 + seconds
    return make_days_time(_signed(found[1], whole * SECOND + _nanoseconds(found[6])))


def make_days_time(nanoseconds: int) -> DaysTime | None:
    return DaysTime(nanoseconds) if abs(nanoseconds) < (MAX_DURATION + 1) * SECOND else None


def make_years_months(months: int) -> YearsMonths | None:
    return YearsMonths(months) if abs(months) <= MAX_DURATION else None


def parse_temporal(text: str) -> Temporal | None:
    """What an `@"…"` literal means: whichever form fits (grammar rule 64)."""
    if text[:1] == "P" or text[:2] == "-P":
        return parse_duration(text)
    if "T" in text.partition("@")[0]:
        return parse_date_time(text)
    return parse_time(text) if text[2:3] == ":" else parse_date(text)


def _clock(text: str) -> tuple[Time, bool] | None:
    """The time of day and whether it is the next day's (24:00:00)."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    nanosecond = _nanoseconds(found[4])
    next_day = hour == 24 and not (minute or second or nanosecond)
    if not (minute < 60 and second < 60 and (hour < 24 or next_day)):
        return None
    offset = _offset(found)
    if offset is not None and abs(offset) > MAX_OFFSET:
        return None
    if found[10] is not None and not is_zone(found[10]):
        return None
    return Time(0 if next_day else hour, minute, second, nanosecond, offset, found[10]), next_day


def _offset(found: re.Match[str]) -> int | None:
    """Seconds; one with 60 minutes or more is put beyond the greatest, so that it is refused."""
    if found[5] is not None:
        return 0
    if found[6] is None:
        return None
    minute, second = int(found[8]), int(found[9] or 0)
    if minute > 59 or second > 59:
        return MAX_OFFSET + 1
    return _signed(found[6], (int(found[7]) * 60 + minute) * 60 + second)


def _fraction(second: Decimal | int, whole: int) -> int:
    """The nanoseconds of a second's fraction, cut off, not rounded up to a second that there is not."""
    return int(_CUT.multiply(_CUT.subtract(Decimal(second), whole), SECOND))


def _nanoseconds(decimals: str | None) -> int:
    return int(decimals.ljust(9, "0")) if decimals else 0


def _signed(sign: str, amount: int) -> int:
    return -amount if sign == "-" else amount
