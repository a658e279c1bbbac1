"""The ordered kinds of FEEL values, each as a line of keys: numbers and strings are their own keys, dates are days, times and
date-times whole seconds, durations nanoseconds or months. Values of different scales have no order and are never equal (DMN 1.5,
Tables 53 and 54), but for local and zoned times, which are compared by their clocks: see `MIXES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from modelyard.dmn.feel.numbers import CONTEXT
from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.temporal.days import date_of_number, day_number
from modelyard.dmn.feel.temporal.values import DAY, DAY_SECONDS, MAX_OFFSET, SECOND
from modelyard.dmn.feel.temporal.zones import clock_offset, from_instant, from_local_nanoseconds, offset_of
from modelyard.dmn.feel.values import Value

Key = Any
"""`Decimal`, `str` or `int`, one of them in each scale."""

_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN, Emin=-99_999, Emax=99_999)
_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """`key` and `value` convert; `value` gives None beyond the greatest values.

    `round_keys` are keys near a place, the roundest first; `window` is how far to look where a side is open; `least` and
    `greatest` are the ends of the scale where it has some; `signed` scales have a zero that people look from."""

    name: str
    key: Callable[[Value], Key]
    value: Callable[[Key], Value | None]
    round_keys: Callable[[Key, Key], Iterator[Key]]
    window: Key = None
    least: Key | None = None
    greatest: Key | None = None
    signed: bool = False
    usual: Key = 0

    def between(self, low: Key | None, high: Key | None) -> Value | None:
        """A typical value strictly between two keys (None: open on that side); None where there is no value."""
        key = self._key_between(low, high)
        return None if key is None else self.value(key)

    def _key_between(self, low: Key | None, high: Key | None) -> Key | None:
        if low is None and high is None:
            return self.usual
        near, far = (low, high) if self is STRINGS else self._window(low, high)
        keys = [key for key in self.round_keys(near, far) if self._within(key) and (low is None or low < key)]
        keys = [key for key in keys if high is None or key < high]
        if self is STRINGS:
            return keys[0] if keys else None
        return next((key for key in keys if near < key < far), keys[0] if keys else None)

    def _within(self, key: Key) -> bool:
        return (self.least is None or self.least <= key) and (self.greatest is None or key <= self.greatest)

    def _window(self, low: Key | None, high: Key | None) -> tuple[Key, Key]:
        if low is None:
            assert high is not None
            if self.least is not None:
                return self.least - 1, high
            return (high - high if self.signed and high > 0 else high - self._reach(high)), high
        if high is None:
            if self.greatest is not None:
                return low, self.greatest + 1
            return low, (-low if self.signed and low < 0 else low + self._reach(low))
        return low, high

    def _reach(self, key: Key) -> Key:
        return abs(key) + self.window if self.signed else self.window


def _number_keys(low: Decimal, high: Decimal) -> Iterator[Decimal]:
    width = _WIDE.subtract(high, low)
    middle = _WIDE.divide(_WIDE.add(high, low), Decimal(2))
    for exponent in range(width.adjusted() + 1, width.adjusted() - 3, -1):
        unit = Decimal(1).scaleb(exponent, _WIDE)
        yield _number_key(_WIDE.multiply(_WIDE.to_integral_value(_WIDE.divide(middle, unit)), unit))
    yield _number_key(middle)


def _number_key(key: Decimal) -> Decimal:
    """As FEEL holds it: without exponent where it is whole."""
    number = CONTEXT.plus(key) + 0
    return number.quantize(Decimal(1)) if number == number.to_integral_value() and number.adjusted() < 20 else number.normalize()


def _string_key(value: str) -> str:
    return value


def _text_between(low: str | None, high: str | None) -> Iterator[str]:
    if low is None:
        yield ""
    yield from ((low or "") + more for more in ("a", "0", " ", "\x01", "\x00"))


def _multiples(*units: int) -> Callable[[int, int], Iterator[int]]:
    def keys(low: int, high: int) -> Iterator[int]:
        for unit in (*units, 1):
            yield (low + high + unit) // (2 * unit) * unit
        yield low + 1

    return keys


def _day_keys(low: int, high: int) -> Iterator[int]:
    middle = (low + high) // 2
    date = date_of_number(middle)
    if date is not None:
        yield from (day_number(Date(date.year + more, 1, 1)) for more in (0, 1))
        yield day_number(Date(date.year, date.month, 1))
        yield day_number(Date(date.year + date.month // 12, date.month % 12 + 1, 1))
    yield middle
    yield low + 1


def _clock(key: int) -> Time:
    hour, rest = divmod(key, _HOUR)
    return Time(hour, *divmod(rest, _MINUTE))


def _time_key(value: Time) -> int:
    """Order and equality look at whole seconds."""
    return value.nanoseconds // SECOND


def _zoned_time_key(value: Time) -> int:
    return _time_key(value) - (clock_offset(value) or 0)


def _zoned_time(key: int) -> Time:
    offset = 0 if 0 <= key < DAY_SECONDS else MAX_OFFSET if key < 0 else -MAX_OFFSET
    clock = _clock(key + offset)
    return Time(clock.hour, clock.minute, clock.second, offset=offset)


def _local_key(value: DateTime) -> int:
    return day_number(value.date) * DAY_SECONDS + _time_key(value.time)


def _zoned_key(value: DateTime) -> int:
    return _local_key(value) - (offset_of(value.date, value.time) or 0)


_CLOCK_KEYS = _multiples(_HOUR, 15 * _MINUTE, _MINUTE)
_MOMENT_KEYS = _multiples(DAY_SECONDS, _HOUR, 15 * _MINUTE, _MINUTE)
_DURATION_KEYS = _multiples(DAY, _HOUR * SECOND, 15 * _MINUTE * SECOND, _MINUTE * SECOND, SECOND)
_USUAL_DAY = day_number(Date(2025, 1, 1))

NUMBERS = Scale(
    "number",
    key=lambda value: value,
    value=_number_key,
    round_keys=_number_keys,
    window=Decimal(10),
    signed=True,
    usual=Decimal(0),
)
STRINGS = Scale("string", key=_string_key, value=_string_key, round_keys=_text_between, usual="")
DATES = Scale("date", key=day_number, value=date_of_number, round_keys=_day_keys, window=1000, usual=_USUAL_DAY)
LOCAL_TIMES = Scale(
    "time", key=_time_key, value=_clock, round_keys=_CLOCK_KEYS, least=0, greatest=DAY_SECONDS - 1, usual=12 * _HOUR
)
ZONED_TIMES = Scale(
    "time with an offset",
    key=_zoned_time_key,
    value=_zoned_time,
    round_keys=_CLOCK_KEYS,
    least=-MAX_OFFSET,
    greatest=DAY_SECONDS - 1 + MAX_OFFSET,
    usual=12 * _HOUR,
)
LOCAL_DATE_TIMES = Scale(
    "date and time",
    key=_local_key,
    value=lambda key: from_local_nanoseconds(key * SECOND, Time(0, 0, 0)),
    round_keys=_MOMENT_KEYS,
    window=4 * DAY_SECONDS,
    usual=_USUAL_DAY * DAY_SECONDS,
)
ZONED_DATE_TIMES = Scale(
    "date and time with an offset",
    key=_zoned_key,
    value=lambda key: from_instant(key * SECOND, Time(0, 0, 0, offset=0)),
    round_keys=_MOMENT_KEYS,
    window=4 * DAY_SECONDS,
    usual=_USUAL_DAY * DAY_SECONDS,
)
DAYS_TIMES = Scale(
    "days and time duration",
    key=lambda value: value.nanoseconds,
    value=DaysTime,
    round_keys=_DURATION_KEYS,
    window=4 * DAY,
    signed=True,
)
YEARS_MONTHS = Scale(
    "years and months duration",
    key=lambda value: value.months,
    value=YearsMonths,
    round_keys=_multiples(12, 6),
    window=24,
    signed=True,
)

MIXES = {ZONED_TIMES: LOCAL_TIMES, ZONED_DATE_TIMES: LOCAL_DATE_TIMES}
"""Compared with a value of the other, only the clock counts: there is no common line of keys."""

_BY_CLASS = {Decimal: NUMBERS, str: STRINGS, Date: DATES, DaysTime: DAYS_TIMES, YearsMonths: YEARS_MONTHS}


def scale_of(value: Value) -> Scale | None:
    """The scale on which a value lies; None for booleans, null, lists, contexts, ranges, functions."""
    if type(value) is Time:
        return LOCAL_TIMES if value.is_local else ZONED_TIMES
    if type(value) is DateTime:
        return LOCAL_DATE_TIMES if value.time.is_local else ZONED_DATE_TIMES
    return _BY_CLASS.get(type(value))
