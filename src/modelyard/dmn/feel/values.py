"""The values of FEEL in Python.

| FEEL | Python |
|---|---|
| null, boolean, string | `None`, `bool`, `str` |
| number | `decimal.Decimal`, finite, 34 digits (`modelyard.dmn.feel.numbers`) |
| date, time, date and time, the durations | `Date`, `Time`, `DateTime`, `DaysTime`, `YearsMonths` (`feel.temporal`) |
| list | `list` |
| context | `dict` with `str` keys, in order |
| range | `Range` |
| function | `FeelFunction` |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelyard.dmn.run import Run

Value = Any
"""A value of the table above."""


@dataclass(frozen=True, slots=True)
class Range:
    """An interval. `low` or `high` is None where the interval is unbounded on that side (then that end counts as open).

    `operator` is "=" or "!=" for `(=5)` and `(!=5)`: all values that are, or are not, the one at both ends."""

    low: Value
    high: Value
    low_closed: bool
    high_closed: bool
    operator: str = ""


class FeelFunction(Protocol):
    """A function as a value: built-in, user-defined, a business knowledge model or a decision service.

    `parameters` are the names in order (None when they have none: variadic built-ins). `type` is its `FunctionType`."""

    name: str
    parameters: tuple[str, ...] | None
    type: Any

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        """Apply to arguments by position, coerced to the parameters' types. What is wrong gives null and a message."""
        ...

    def call_named(self, run: Run, arguments: dict[str, Value]) -> Value:
        """Apply to arguments by name. An unknown or missing name gives null and a message."""
        ...


Native = Callable[..., Value]
