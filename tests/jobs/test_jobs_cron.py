"""Cron expressions against a definition so slow that it is obviously right, and known dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.jobs.cron import parse


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 6 * * 1", "2026-11-22T00:00", "2026-11-23T06:00"),  # the next Monday
        ("*/15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"),
        ("59 23 31 12 *", "2026-12-31T23:59", "2027-12-31T23:59"),
        ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"),  # 2100 is no leap year
        ("0 0 1 * 7", "2026-11-02T00:00", "2026-11-08T00:00"),  # the first, or any Sunday
        ("30 8-10/2,12 * * *", "2026-01-01T08:30", "2026-01-01T10:30"),
        ("5/20 0 * * *", "2026-01-01T00:05", "2026-01-01T00:25"),
    ],
)
def test_known_dates(expression: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse(expression).following(moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "3-40/9", "59", "1,2,30"]),
    st.sampled_from(["*", "0", "*/5", "22-23"]),
    st.sampled_from(["*", "1", "31", "*/10", "15-20"]),
    st.sampled_from(["*", "2", "1-3", "*/4"]),
    st.sampled_from(["*", "0", "7", "1-5", "*/2"]),
)


@settings(max_examples=40, deadline=None)
@given(FIELDS, st.integers(0, 2_000_000))
def test_following_is_the_first_minute_that_matches(fields: tuple[str, ...], minutes: int) -> None:
    cron = parse(" ".join(fields))
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=minutes % 60)
    try:
        found = cron.following(after)
    except InvalidInput:  # 31 February
        assert (fields[2], fields[3]) == ("31", "2")
        return
    assert cron.matches(found)
    probe = after.replace(second=0) + timedelta(minutes=1)
    while probe < min(found, after + timedelta(days=1)):
        assert not cron.matches(probe)
        probe += timedelta(minutes=1)
    assert probe == found or found > after + timedelta(days=1)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "5-2 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "1- * * * *",
        "٣ * * * *",
    ],
)
def test_nonsense_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        parse(bad)


def test_a_date_that_never_comes_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parse("0 0 31 4 *").following(datetime(2026, 1, 1, tzinfo=UTC))
