"""Decisions in DMN as governance evaluates them: compiled once for each text, within limits that a transaction can bear, and
closed when they fail. What a decision cannot answer is never an exception here: it is an answer with problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from modelyard import dmn

LARGEST_WHOLE = 2.0**53
LIMITS = dmn.Limits(
    file_bytes=1 << 20,
    elements=20_000,
    expression_length=20_000,
    nesting=60,
    recursion=60,
    steps=100_000,
    list_size=20_000,
    text_length=200_000,
    regex_seconds=0.1,
    messages=20,
)
"""Far above what a table of conditions needs, and far below what would hold up others who wait for the database."""


@dataclass(frozen=True)
class Answer:
    """What a decision gave, as plain JSON values; `problems` say why it may not be relied on (and are then not empty)."""

    value: Any
    problems: tuple[str, ...] = ()


def compiled(source: str) -> dmn.Model:
    """The model of a text. Raises dmn.DmnError when it is not one that can be evaluated."""
    return _compiled(source)


@lru_cache(maxsize=32)
def _compiled(source: str) -> dmn.Model:
    return dmn.load(source.encode(), limits=LIMITS, clock=_no_clock)


def _no_clock() -> datetime:
    """A judgement that is repeated years later must come out the same."""
    raise dmn.InvalidData("now() and today() are not known here: a gate is told the time as its input `at`")


def answer(source: str, decision: str, data: Mapping[str, Any]) -> Answer:
    """Evaluate a decision on plain values; it is given those that it asks for. What goes wrong is among the answer's problems."""
    try:
        model = compiled(source)
        wanted = {known.name for known in model.inputs}
        result = model.evaluate(decision, {name: _value(given) for name, given in data.items() if name in wanted})
    except dmn.DmnError as error:
        return Answer(None, (str(error),))
    problems = tuple(m.text for m in result.messages if m.severity is dmn.Severity.ERROR)
    return Answer(_plain(result.value), problems)


def _value(given: Any) -> Any:
    """As the engine takes it: numbers exactly as they are written, times and the rest as texts."""
    if isinstance(given, bool) or given is None or isinstance(given, str | int | Decimal):
        return given
    if isinstance(given, float):
        # Beyond 2**53 a float's digits are not its own: the shortest text that reads as it does is what was meant.
        return Decimal(int(given)) if given.is_integer() and abs(given) <= LARGEST_WHOLE else Decimal(repr(given))
    if isinstance(given, Mapping):
        return {str(name): _value(inner) for name, inner in given.items()}
    if isinstance(given, list | tuple):
        return [_value(inner) for inner in given]
    return given.isoformat() if isinstance(given, datetime) else str(given)


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    return _floats(dmn.plain(value))


def _floats(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _floats(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_floats(inner) for inner in value]
    return value
