"""Windows: the spans of time that a monitor judges one by one, in UTC, without gaps and without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.errors import InvalidInput
from modelyard.decisions import Time

GREATEST_LAG = 366 * 86400.0
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class WindowKind(StrEnum):
    """How windows are cut: by the calendar, or by a number of rows."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ROWS = "rows"


_LENGTHS = {WindowKind.HOUR: timedelta(hours=1), WindowKind.DAY: timedelta(days=1), WindowKind.WEEK: timedelta(weeks=1)}


class WindowSpec(BaseModel):
    """`every` so many hours, days, weeks or months, or every so many rows. `by` says which time rows are put in by.

    A window is judged once time has passed its end by `lag` seconds: for windows by event time the latest event time in the
    log says how late it is, for windows by decision time the clock does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: WindowKind = WindowKind.DAY
    every: Annotated[int, Field(ge=1, le=100_000_000)] = 1
    by: Time = Time.EVENT
    lag: Annotated[float, Field(ge=0, le=GREATEST_LAG)] = 0.0


class Span(BaseModel):
    """From a moment (inclusive) to a moment (exclusive)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime
    until: datetime


def window_of(spec: WindowSpec, moment: datetime) -> Span:
    """The calendar window that holds the moment. Raises InvalidInput for windows of rows, which no moment alone places."""
    if spec.kind is WindowKind.ROWS:
        raise InvalidInput("a window of rows has no place in the calendar", field="window.kind")
    if spec.kind is WindowKind.MONTH:
        number = (moment.astimezone(UTC).year * 12 + moment.astimezone(UTC).month - 1) // spec.every
        return Span(since=_month(number * spec.every), until=_month((number + 1) * spec.every))
    length = _LENGTHS[spec.kind] * spec.every
    start = _FIRST_MONDAY + (moment - _FIRST_MONDAY) // length * length
    return Span(since=start, until=start + length)


def calendar_windows(spec: WindowSpec, first: datetime, high_water: datetime) -> Iterator[Span]:
    """The windows from the one that holds `first`, as far as they are closed when it is `high_water`."""
    span = window_of(spec, first)
    while span.until + timedelta(seconds=spec.lag) <= high_water:
        yield span
        span = window_of(spec, span.until)


def row_windows(spec: WindowSpec, since: datetime, micros: Any, high_water: datetime) -> Iterator[Span]:
    """Windows of at least `every` rows from `since`, given the times of the rows in microseconds since 1970, in any order.

    Rows of the same moment stay together, so a window may have more rows. A window that is not full yet is not given.
    """
    times = np.sort(np.asarray(micros, dtype=np.int64))
    start, until = 0, since
    while start + spec.every < len(times):
        cut = int(np.searchsorted(times, times[start + spec.every - 1], side="right"))
        if cut >= len(times):
            return
        end = _moment(int(times[cut]))
        if end + timedelta(seconds=spec.lag) > high_water:
            return
        yield Span(since=until, until=end)
        start, until = cut, end


def due_windows(
    spec: WindowSpec,
    *,
    last_end: datetime | None,
    high_water: datetime | None,
    micros: Any = (),
    at_most: int = 100,
) -> tuple[Span, ...]:
    """The closed windows that were not judged yet, oldest first. `last_end` is where the last judged one ended (or where the
    monitor starts), None to begin with the first row; `micros` are the times of the rows since then."""
    if high_water is None:
        return ()
    if last_end is None:
        if not len(micros):
            return ()
        last_end = _moment(int(np.min(micros)))
    if spec.kind is WindowKind.ROWS:
        return tuple(islice(row_windows(spec, last_end, micros, high_water), at_most))
    return tuple(islice(calendar_windows(spec, last_end, high_water), at_most))


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
