"""FEEL inside a process: expressions that are compiled once with the process, over the variables that they mention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from modelyard.bpmn.errors import InvalidEvent
from modelyard.dmn import DmnError, Expression
from modelyard.dmn.from_python import from_python

KEPT = 10_000
"""Names for which it is kept whether an expression mentions them."""


class Failed(Exception):  # named for what happened, and never leaves the engine
    """A step that cannot be done: it becomes an incident of this cause."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause, self.message = cause, message


class Feel:
    """A FEEL expression of a process; `place` says for messages whose it is. Instances and threads share it.

    It is given only the variables whose names occur in its text, in the order of the alphabet: then instances with other
    variables, or the same in another order, find the same code."""

    def __init__(self, text: str, place: str) -> None:
        self.text, self.place = text.strip().removeprefix("=").strip(), place
        self._expression = Expression(self.text)
        self._mentions: dict[str, bool] = {}

    def value(self, layers: Iterable[Mapping[str, Any]], at: datetime) -> Any:
        """The value over variables, of which inner layers (the later ones) hide outer ones. Raises Failed when it is null for a
        reason that nobody meant, no FEEL, or nothing that can be kept."""
        try:
            result = self._expression.evaluate(self._named(layers), lambda: at)
        except DmnError as error:
            raise Failed("expression", f"{self.place}: {error}") from error
        if result.value is None and result.failed:
            raise Failed("expression", f"{self.place}: {self.text!r:.200} is null: {result.messages[0].text}")
        if not keepable(result.value):
            raise Failed("expression", f"{self.place}: {self.text!r:.200} gives a function, which cannot be kept")
        return result.value

    def holds(self, layers: Iterable[Mapping[str, Any]], at: datetime) -> bool:
        """The value of a condition. Raises Failed also when it is not true or false."""
        value = self.value(layers, at)
        if type(value) is not bool:
            raise Failed("expression", f"{self.place}: {self.text!r:.200} is {value!s:.60}, neither true nor false")
        return value

    def _named(self, layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        mentions, found = self._mentions, {}
        for layer in layers:
            for name, value in layer.items():
                known = mentions.get(name)
                if known is None:
                    known = name in self.text
                    if len(mentions) < KEPT:
                        mentions[name] = known
                if known:
                    found[name] = value
        return found if len(found) < 2 else {name: found[name] for name in sorted(found)}


def keepable(value: Any) -> bool:
    """Whether a value has no functions in it."""
    if type(value) is list:
        return all(map(keepable, value))
    if type(value) is dict:
        return all(map(keepable, value.values()))
    return not hasattr(value, "call")


def feel_values(data: Mapping[str, Any], element: str | None = None) -> dict[str, Any]:
    """A caller's variables as values of FEEL. Raises InvalidEvent for what is none."""
    try:
        made = {name: from_python(value, name) for name, value in data.items()}
    except (DmnError, ValueError) as error:
        raise InvalidEvent(str(error), element=element) from error
    for name, value in made.items():
        if not isinstance(name, str) or not keepable(value):
            raise InvalidEvent(f"{name!r:.60} is no variable that can be kept", element=element)
    return made
