"""Windows follow each other without gap or overlap, and close when their time has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor_yard import month

from modelyard.core.errors import InvalidInput
from modelyard.monitoring import WindowKind, WindowSpec, due_windows, window_of

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- zone given beside
CALENDAR = st.builds(
    WindowSpec, kind=st.sampled_from([k for k in WindowKind if k is not WindowKind.ROWS]), every=st.integers(1, 7)
)


@given(CALENDAR, MOMENTS)
def test_a_moment_lies_in_its_window_and_the_next_one_follows(spec: WindowSpec, moment: datetime) -> None:
    span = window_of(spec, moment)
    assert span.since <= moment < span.until
    assert window_of(spec, span.since) == span
    assert window_of(spec, span.until).since == span.until


@given(CALENDAR, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)), st.integers(0, 10**6))
def test_closed_windows_are_contiguous_and_behind_the_high_water_mark(
    spec: WindowSpec, first: datetime, ahead: timedelta, lag: int
) -> None:
    spec = spec.model_copy(update={"lag": float(lag)})
    spans = due_windows(spec, last_end=first, high_water=first + ahead)
    assert all(a.until == b.since for a, b in pairwise(spans))
    assert all(s.until + timedelta(seconds=lag) <= first + ahead for s in spans)
    if spans:
        assert spans[0].since <= first


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 20))
def test_windows_of_rows_hold_enough_rows_and_lose_none(times: list[int], every: int) -> None:
    spec = WindowSpec(kind=WindowKind.ROWS, every=every)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    spans = due_windows(spec, last_end=start, high_water=month(1), micros=np.array(times, dtype=np.int64), at_most=1000)
    assert all(a.until == b.since for a, b in pairwise(spans))
    counts = [sum(s.since <= start + timedelta(microseconds=t) < s.until for t in times) for s in spans]
    assert all(count >= every for count in counts)
    left = len(times) - sum(counts)
    assert left == len(times) or left >= 1


def test_months_are_those_of_the_calendar() -> None:
    spec = WindowSpec(kind=WindowKind.MONTH)
    spans = due_windows(spec, last_end=month(1), high_water=month(13) - timedelta(microseconds=1))
    assert [s.since for s in spans] == [month(n) for n in range(1, 12)]
    quarters = due_windows(WindowSpec(kind=WindowKind.MONTH, every=3), last_end=month(2), high_water=month(13))
    assert [(q.since.month, q.until.month) for q in quarters] == [(1, 4), (4, 7), (7, 10), (10, 1)]


def test_nothing_is_due_without_a_row_or_a_time() -> None:
    spec = WindowSpec(kind=WindowKind.DAY)
    assert due_windows(spec, last_end=None, high_water=None) == ()
    assert due_windows(spec, last_end=None, high_water=month(3)) == ()
    with pytest.raises(InvalidInput):
        window_of(WindowSpec(kind=WindowKind.ROWS), month(1))
