"""Days of the proleptic Gregorian calendar, and their numbers counted from 1970-01-01."""

from __future__ import annotations

from typing import Final

from modelyard.dmn.feel.temporal.values import MAX_YEAR, Date

DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BEFORE: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_CYCLE: Final = 146_097  # days in 400 years
_SHIFT: Final = 719_468  # days from 0000-03-01 to 1970-01-01


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def last_day(year: int, month: int) -> int:
    """The number of the month's last day."""
    return 29 if month == 2 and is_leap(year) else _LENGTHS[month - 1]


def day_number(date: Date) -> int:
    """Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last."""
    year = date.year - (date.month <= 2)
    cycle, year = divmod(year, 400)
    day_of_year = (153 * ((date.month + 9) % 12) + 2) // 5 + date.day - 1
    return cycle * _CYCLE + year * 365 + year // 4 - year // 100 + day_of_year - _SHIFT


def date_of_number(number: int) -> Date | None:
    """The inverse of `day_number`; None beyond the greatest years."""
    year, month, day = parts_of_number(number)
    return Date(year, month, day) if -MAX_YEAR <= year <= MAX_YEAR else None


def parts_of_number(number: int) -> tuple[int, int, int]:
    """Year, month and day, of any year."""
    cycle, day = divmod(number + _SHIFT, _CYCLE)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    march_month = (5 * day + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return cycle * 400 + year + (month <= 2), month, day - (153 * march_month + 2) // 5 + 1


def weekday(date: Date) -> int:
    """1 is Monday, 7 is Sunday, as ISO 8601."""
    return (day_number(date) + 3) % 7 + 1


def day_of_year(date: Date) -> int:
    """From 1 (10.3.4.8)."""
    return _BEFORE[date.month - 1] + date.day + (date.month > 2 and is_leap(date.year))


def day_of_week(date: Date) -> str:
    """The English name (10.3.4.8)."""
    return DAY_NAMES[weekday(date) - 1]


def month_of_year(date: Date) -> str:
    """The English name (10.3.4.8)."""
    return MONTH_NAMES[date.month - 1]


def week_of_year(date: Date) -> int:
    """The week by ISO 8601, in which the week with the year's first Thursday is the first (10.3.4.8)."""
    week = (day_of_year(date) - weekday(date) + 10) // 7
    if week == 0:
        return _weeks(date.year - 1)
    return 1 if week == 53 and _weeks(date.year) == 52 else week


def _weeks(year: int) -> int:
    """A year has 53 weeks if it begins on a Thursday, or on a Wednesday in a leap year."""
    first = weekday(Date(year, 1, 1))
    return 53 if first == 4 or (first == 3 and is_leap(year)) else 52


def plus_months(date: Date, months: int) -> Date | None:
    """The same day some months later; the month's last where there is none."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    if not -MAX_YEAR <= year <= MAX_YEAR:
        return None
    return Date(year, month + 1, min(date.day, last_day(year, month + 1)))


def months_between(start: Date, end: Date) -> int:
    """Whole months from one day to another, toward zero: what `years and months duration()` gives (10.3.4.1)."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        return months - 1
    return months + 1 if months < 0 and end.day > start.day else months
