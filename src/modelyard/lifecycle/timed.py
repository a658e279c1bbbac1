"""When a timed start of a process comes: a date, once after a time, or a cycle (ISO 8601, as the timers of instances)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelyard import bpmn
from modelyard.bpmn.model import TimerKind
from modelyard.core.errors import InvalidInput
from modelyard.dmn import Date, DateTime, DaysTime, DmnError, Expression, YearsMonths
from modelyard.dmn.feel.temporal import add, from_python, parse_date_time, parse_duration, to_python

_CYCLE = re.compile(r"R(?P<count>\d*|-1)/(?:(?P<start>[^P/][^/]*)/)?(?P<every>P[^/]+)")
_ISO = re.compile(r"P[0-9T].*|R-?\d*/.*|-?\d{4,}-\d\d-\d\d(T.*)?")
SECOND = 1_000_000_000
Length = DaysTime | YearsMonths


@dataclass(frozen=True)
class Times:
    """The `first` time from now on, how often it comes (`left`, without end if absent), and the time between."""

    first: datetime
    left: int | None = 1
    between: Length | None = None

    def after(self, due: datetime, now: datetime) -> datetime | None:
        """The next time of the cycle that is still to come: those that were missed are not made up for."""
        if self.between is None:
            return None
        if isinstance(self.between, DaysTime):
            between = timedelta(microseconds=self.between.nanoseconds // 1000)
            due += between * max((now - due) // between, 0)
        while due <= now:
            due = _plus(due, self.between)
        return due


def times_of(start: bpmn.Start, now: datetime) -> Times:
    """Raises InvalidInput for what is no time, or none that ever comes again."""
    try:
        return _times(start, now)
    except (DmnError, ValueError, OverflowError) as error:
        raise InvalidInput(f"start {start.element!r}: {error}", field="source", hint="write ISO 8601: R/P30D, PT4H, …") from error


def _times(start: bpmn.Start, now: datetime) -> Times:
    text = (start.expression or "").strip()
    value: Any = text if _ISO.fullmatch(text) else Expression(text, names=()).evaluate({}, lambda: now).value
    if start.timer is TimerKind.CYCLE:
        return _cycle(value, now)
    if start.timer is TimerKind.DURATION:
        return Times(_plus(now, _length(value)))
    return Times(_point(value))


def _cycle(value: Any, now: datetime) -> Times:
    text = value if isinstance(value, str) else f"R/{value}"
    found = _CYCLE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no cycle such as R3/PT10M")
    between = _length(found["every"])
    if (
        str(between).startswith("-")
        or between == YearsMonths(0)
        or (isinstance(between, DaysTime) and between.nanoseconds < SECOND)
    ):
        raise ValueError(f"a cycle of {between} is shorter than a second")
    left = None if found["count"] in ("", "-1") else int(found["count"])
    if left == 0:
        raise ValueError(f"the cycle {text!r} never comes")
    return Times(_point(found["start"]) if found["start"] else _plus(now, between), left, between)


def _length(value: Any) -> Length:
    found = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(found, DaysTime | YearsMonths):
        raise ValueError(f"{value!s:.80} is no duration")
    return found


def _point(value: Any) -> datetime:
    found = parse_date_time(value, date_only=True) if isinstance(value, str) else value
    found = DateTime.at_midnight(found) if isinstance(found, Date) else found
    if not isinstance(found, DateTime):
        raise ValueError(f"{value!s:.80} is no date and time")
    return _aware(found)


def _plus(moment: datetime, by: Length) -> datetime:
    found = add(from_python(moment), by)
    if not isinstance(found, DateTime):
        raise ValueError(f"{by} from {moment.isoformat()} is no time")
    return _aware(found)


def _aware(point: DateTime) -> datetime:
    """A time that says no offset is in UTC."""
    found = to_python(point)
    assert isinstance(found, datetime)
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
