"""Five-field cron expressions (POSIX crontab), in UTC: minute, hour, day of month, month, day of week.

Lists, ranges and steps are understood (`*/15`, `1-5`, `0,30`), and day 7 is Sunday like day 0. When both day fields are
restricted, a day matches if either does, as POSIX says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelyard.core.errors import InvalidInput

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$", re.ASCII)
_HORIZON_DAYS = 366 * 8
"""The longest a date can be away: 29 February over a century that is no leap year."""


@dataclass(frozen=True)
class Cron:
    """A parsed expression."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def matches_day(self, moment: datetime) -> bool:
        in_month = moment.day in self.days
        in_week = moment.isoweekday() % 7 in self.weekdays
        either = (in_month or in_week) if self.either_day else (in_month and in_week)
        return moment.month in self.months and either

    def matches(self, moment: datetime) -> bool:
        return self.matches_day(moment) and moment.hour in self.hours and moment.minute in self.minutes

    def following(self, after: datetime) -> datetime:
        """The first matching minute after a time. Raises InvalidInput when there is none (30 February)."""
        moment = after.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for _ in range(_HORIZON_DAYS):
            found = self._on_day(moment) if self.matches_day(moment) else None
            if found is not None:
                return found
            moment = moment.replace(hour=0, minute=0) + timedelta(days=1)
        raise InvalidInput("the schedule never comes due", field="cron")

    def _on_day(self, start: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes) if hour >= start.hour else ():
                moment = start.replace(hour=hour, minute=minute)
                if moment >= start:
                    return moment
        return None


def parse(expression: str) -> Cron:
    """Raises InvalidInput with what is wrong."""
    fields = expression.split()
    if len(fields) != len(_RANGES):
        raise InvalidInput(
            "a cron expression has five fields", field="cron", hint="minute hour day month weekday, like 0 6 * * 1"
        )
    sets = [_field(text, least, greatest) for text, (least, greatest) in zip(fields, _RANGES, strict=True)]
    weekdays = frozenset(day % 7 for day in sets[4])
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Cron(sets[0], sets[1], sets[2], sets[3], weekdays, either)


def _field(text: str, least: int, greatest: int) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, least, greatest))


def _part(part: str, least: int, greatest: int) -> range:
    match = _PART.match(part)
    if match is None:
        raise InvalidInput(f"{part!r} is not understood in a cron expression", field="cron")
    first, last, step = match.groups()
    start = least if first is None else int(first)
    # `5/15` means from 5 on; a lone `5` means 5.
    end = int(last) if last is not None else greatest if first is None or step is not None else start
    if not least <= start <= end <= greatest or step in {"0", "00"}:
        raise InvalidInput(f"{part!r} is out of range {least}-{greatest} in a cron expression", field="cron")
    return range(start, end + 1, int(step or 1))
