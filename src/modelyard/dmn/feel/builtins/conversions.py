"""Conversion functions (DMN 1.5, 10.3.4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.numbers import number as to_number
from modelyard.dmn.feel.semantics import shown, text
from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Grammar rule 35, numeric literal."""
_GROUPING: Final = (" ", ",", ".", None)
_POINT: Final = (".", ",", None)
_ZONE: Final = 50
"""What a time zone counts for in steps."""
_NANOSECONDS: Final = 1_000_000_000

RangeReader = Callable[[Run, str], Range | None]


def _no_reader(run: Run, literal: str) -> Value:
    return run.null("range() is not connected to the parser")


_read_range: list[RangeReader] = [_no_reader]


def set_range_reader(reader: RangeReader) -> None:
    """Tell `range(from)` how to read a range literal with literal ends: it needs the parser, which is above this package.

    The reader gives null with a message for what is not one."""
    _read_range[0] = reader


@builtin("from: string", name="date")
def date_of_text(run: Run, from_: str) -> Value:
    return _read(run, "date", temporal.parse_date(from_), from_)


@builtin("from: date | dateTime", name="date")
def date_of_moment(run: Run, from_: Date | DateTime) -> Date:
    return from_.date if isinstance(from_, DateTime) else from_


@builtin("year: number, month: number, day: number", name="date")
def date_of_parts(run: Run, year: Decimal, month: Decimal, day: Decimal) -> Value:
    whole = _whole(run, "date", year, month, day)
    if whole is None:
        return None
    made = temporal.make_date(whole[0], whole[1], whole[2])
    return made if made is not None else run.null(f"date() has no day {year}, {month}, {day}")


@builtin("from: string", name="time")
def time_of_text(run: Run, from_: str) -> Value:
    return _read(run, "time", temporal.parse_time(from_), from_)


@builtin("from: time | dateTime", name="time")
def time_of_moment(run: Run, from_: Time | DateTime) -> Time:
    return from_.time if isinstance(from_, DateTime) else from_


@builtin("hour: number, minute: number, second: number, [offset: duration?]", name="time")
def time_of_parts(
    run: Run, hour: Decimal, minute: Decimal, second: Decimal, offset: DaysTime | YearsMonths | None = None
) -> Time | None:
    """Of a second's fraction nine decimals count, of the offset whole seconds."""
    return _time(run, "time", (hour, minute, second), offset)


@builtin("from: string", name="date and time")
def date_time_of_text(run: Run, from_: str) -> Value:
    return _read(run, "date and time", temporal.parse_date_time(from_, date_only=True), from_)


@builtin("date: date | dateTime, time: time", name="date and time")
def date_time_of_both(run: Run, date: Date | DateTime, time: Time) -> Value:
    made = temporal.make_date_time(date.date if isinstance(date, DateTime) else date, time)
    return made if made is not None else run.null("date and time() is out of range")


@builtin(
    "year: number, month: number, day: number, hour: number, minute: number, second: number, [offset: duration?]",
    name="date and time",
)
def date_time_of_parts(
    run: Run,
    year: Decimal,
    month: Decimal,
    day: Decimal,
    hour: Decimal,
    minute: Decimal,
    second: Decimal,
    offset: DaysTime | YearsMonths | None = None,
) -> DateTime | None:
    """Of DMN 1.4; 1.5 does not list it, Drools has it."""
    date = date_of_parts(run, year, month, day)
    time = _time(run, "date and time", (hour, minute, second), offset)
    return None if date is None or time is None else date_time_of_both(run, date, time)


@builtin(
    "year: number, month: number, day: number, hour: number, minute: number, second: number, timezone: string",
    name="date and time",
)
def date_time_in_zone(
    run: Run, year: Decimal, month: Decimal, day: Decimal, hour: Decimal, minute: Decimal, second: Decimal, timezone: str
) -> Value:
    """As `date_time_of_parts`, in a zone of the IANA data base."""
    local = date_time_of_parts(run, year, month, day, hour, minute, second)
    if local is None:
        return None
    time = temporal.parse_time(f"{local.time}@{timezone}")
    if time is None:
        return run.null(f"date and time() knows no time zone {shown(timezone)}")
    return date_time_of_both(run, local.date, time)


def _time(run: Run, name: str, clock: tuple[Decimal, Decimal, Decimal], offset: DaysTime | YearsMonths | None) -> Time | None:
    whole = _whole(run, name, *clock[:2])
    if whole is None:
        return None
    if isinstance(offset, YearsMonths):
        run.null(f"{name}() wants a days and time duration for 'offset', not {shown(offset)}")
        return None
    seconds = None if offset is None else _toward_zero(offset.nanoseconds, _NANOSECONDS)
    made = temporal.make_time(whole[0], whole[1], clock[2], seconds)
    if made is None:
        run.null(f"{name}() has no time {', '.join(map(str, clock))}{f' at {offset}' if offset else ''}")
        return None
    return made


def _toward_zero(amount: int, unit: int) -> int:
    return abs(amount) // unit * (-1 if amount < 0 else 1)


def _whole(run: Run, name: str, *parts: Decimal) -> tuple[int, ...] | None:
    """The numbers as integers; null if one is not, or far beyond what a date may have."""
    for part in parts:
        if part.adjusted() > 10 or part != int(part):
            run.null(f"{name}() wants whole numbers, not {part}")
            return None
    return tuple(map(int, parts))


@builtin("from: string, grouping separator: string?, decimal separator: string?")
def number(run: Run, from_: str, grouping_separator: str | None, decimal_separator: str | None) -> Value:
    """By the footnote: the grouping separator is taken out, then the decimal one made a point; a numeric literal must be left."""
    if grouping_separator not in _GROUPING or decimal_separator not in _POINT:
        return run.null("number() wants ' ', ',', '.' or null to group and ',', '.' or null for the point")
    if grouping_separator is not None and grouping_separator == decimal_separator:
        return run.null("number() wants two separators that differ")
    plain = from_.replace(grouping_separator, "") if grouping_separator else from_
    plain = plain.replace(decimal_separator, ".") if decimal_separator else plain
    if _NUMBER.fullmatch(plain) is None:
        return run.null(f"number() cannot read {shown(from_)}")
    try:
        return to_number(plain)
    except ValueError:
        return run.null(f"number(): {shown(from_)} is out of the range of numbers")


@builtin("from: any")
def string(run: Run, from_: Value) -> Value:
    return text(from_) if _is_writable(run, from_) else run.null("string() cannot write what is nested too deep")


def _is_writable(run: Run, value: Value) -> bool:
    """Whether the value is nested no deeper than `Limits.nesting`. Accounts for its text beforehand: lists that share elements
    may be written far longer than they are."""
    length, waiting = 0, [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > run.limits.nesting:
            return False
        run.step()
        length += len(item) if type(item) is str else 1
        run.room(length)
        if type(item) is list:
            waiting.extend((inner, depth + 1) for inner in item)
        elif type(item) is dict:
            waiting.extend((inner, depth + 1) for inner in item.values())
    run.length(length)
    return True


@builtin("from: string", name="duration")
def duration_of_text(run: Run, from_: str) -> Value:
    return _read(run, "duration", temporal.parse_duration(from_), from_)


@builtin("from: duration", name="duration")
def duration_of_duration(run: Run, from_: DaysTime | YearsMonths) -> DaysTime | YearsMonths:
    return from_


@builtin("from: date | dateTime, to: date | dateTime")
def years_and_months_duration(run: Run, from_: Date | DateTime, to: Date | DateTime) -> YearsMonths:
    """Whole months between the days, toward zero; times and offsets do not count."""
    return YearsMonths(temporal.months_between(date_of_moment(run, from_), date_of_moment(run, to)))


@builtin("from: string", name="range")
def range_of_text(run: Run, from_: str) -> Range | None:
    return _read_range[0](run, from_)


def _read(run: Run, name: str, value: Value, source: str) -> Value:
    if "@" in source:
        run.step(_ZONE)
    return value if value is not None else run.null(f"{name}() cannot read {shown(source)}")
