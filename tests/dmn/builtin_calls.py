"""Calls of built-in functions with Python's numbers, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Limits, Run

NOON = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def new_run(limits: Limits | None = None) -> Run:
    return Run(limits or Limits(), lambda: NOON)


def call(name: str, *arguments: Any, run: Run | None = None) -> Value:
    """By position. Ints and floats become numbers, in lists and contexts too."""
    return FUNCTIONS[name].call(run or new_run(), [feel(argument) for argument in arguments])


def named(function: str, /, **arguments: Any) -> Value:
    """By name, with `_` for the spaces of a parameter's name."""
    return FUNCTIONS[function].call_named(new_run(), {name.replace("_", " "): feel(value) for name, value in arguments.items()})


def reason(name: str, *arguments: Any) -> str:
    """Why the call gives null."""
    run = new_run()
    assert call(name, *arguments, run=run) is None
    assert run.messages
    return run.messages[-1].text


def feel(value: Any) -> Value:
    if type(value) is int or type(value) is float:
        return Decimal(repr(value))
    if type(value) is list:
        return [feel(item) for item in value]
    if type(value) is dict:
        return {key: feel(item) for key, item in value.items()}
    if isinstance(value, Range):
        return replace(value, low=feel(value.low), high=feel(value.high))
    return value


def at(text: str) -> Value:
    """A temporal literal."""
    found = temporal.parse_temporal(text)
    assert found is not None
    return found


def span(text: str) -> Range:
    """A range of whole numbers as FEEL writes it; an end left out is unbounded."""
    low, high = text[1:-1].split("..")
    ends = (Decimal(low) if low else None, Decimal(high) if high else None)
    return Range(*ends, text[0] == "[", text[-1] == "]")


class Python:
    """A function as a value, that Python computes."""

    name = "python"
    parameters = None

    def __init__(self, code: Any) -> None:
        self.code = code

    def call(self, run: Run, arguments: Any) -> Value:
        return self.code(*arguments)
