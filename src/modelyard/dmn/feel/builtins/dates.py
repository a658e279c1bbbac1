"""Date and time functions: `is` (DMN 1.5, 10.3.4.6), the calendar (10.3.4.8), `now` and `today` (10.3.4.11)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.semantics import TEMPORAL
from modelyard.dmn.feel.temporal import Date, DateTime, Temporal
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

_BY_VALUE: Final = TEMPORAL | {Decimal, str, bool}


@builtin("value1: any?, value2: any?", name="is")
def identical(run: Run, value1: Value, value2: Value) -> bool:
    """Whether both are the same element of the semantic domain: unlike `=`, a time at another offset is another time."""
    waiting = [(value1, value2)]
    while waiting:
        run.step()
        a, b = waiting.pop()
        if a is b:
            continue
        inner = _inner_pairs(a, b) if type(a) is type(b) else None
        if inner is None:
            return False
        waiting.extend(inner)
    return True


def _inner_pairs(a: Value, b: Value) -> Sequence[tuple[Value, Value]] | None:
    """What has to be identical besides for two values of one class to be so; None if they are not anyway."""
    if type(a) is list:
        return list(zip(a, b, strict=True)) if len(a) == len(b) else None
    if type(a) is dict:
        return [(value, b[key]) for key, value in a.items()] if a.keys() == b.keys() else None
    if type(a) is Range:
        alike = (a.low_closed, a.high_closed, a.operator) == (b.low_closed, b.high_closed, b.operator)
        return [(a.low, b.low), (a.high, b.high)] if alike else None
    return () if type(a) in _BY_VALUE and a == b else None


@builtin("date: date | dateTime")
def day_of_year(run: Run, date: Date | DateTime) -> Decimal:
    return Decimal(temporal.day_of_year(_day(date)))


@builtin("date: date | dateTime")
def day_of_week(run: Run, date: Date | DateTime) -> str:
    return temporal.day_of_week(_day(date))


@builtin("date: date | dateTime")
def month_of_year(run: Run, date: Date | DateTime) -> str:
    return temporal.month_of_year(_day(date))


@builtin("date: date | dateTime")
def week_of_year(run: Run, date: Date | DateTime) -> Decimal:
    """By ISO 8601."""
    return Decimal(temporal.week_of_year(_day(date)))


def _day(date: Date | DateTime) -> Date:
    return date.date if isinstance(date, DateTime) else date


@builtin("")
def now(run: Run) -> Temporal:
    """The time of this evaluation, the same at each asking."""
    return temporal.from_python(run.time())


@builtin("")
def today(run: Run) -> Temporal:
    """The date of this evaluation, at the offset of its clock."""
    return temporal.from_python(run.time().date())
