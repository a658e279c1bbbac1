"""What one evaluation carries along: its messages, limits, clock and, when asked for, its trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from modelyard.dmn.errors import LimitExceeded

Clock = Callable[[], datetime]
"""Gives the time of now, with an offset."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Message:
    """Why something is null, or what was coerced. `element` is the id or name of the DMN element, where it is known."""

    severity: Severity
    text: str
    element: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one file or one evaluation may go before LimitExceeded is raised."""

    file_bytes: int = 64 << 20
    elements: int = 2_000_000
    expression_length: int = 1 << 20
    nesting: int = 150
    """Depth of nested expressions and of nested XML elements."""
    recursion: int = 1_000
    """Depth of function calls: enough for a function that goes through the months of a long loan one by one."""
    steps: int = 5_000_000
    """Loop turns, function calls, elements made or compared and characters made in one evaluation, each about a microsecond's
    worth."""
    list_size: int = 2_000_000
    text_length: int = 10_000_000
    """Characters of one string made by an evaluation."""
    regex_seconds: float = 1.0
    messages: int = 1_000
    """Further messages are counted, not kept."""


DEFAULT_LIMITS = Limits()

_CALL, _MADE, _SCANNED = 4, 5, 8
"""What a function call counts for in steps, and, as powers of two, the characters made and looked through that count for one."""


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """A rule that matched: `index` counts from 1; `outputs` by the name of the output column ('' if it has none)."""

    index: int
    id: str | None
    text: str
    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableTrace:
    """One evaluation of one decision table: the values of its input expressions by their text, and the rules that matched."""

    element: str
    inputs: tuple[tuple[str, Any], ...]
    rules: tuple[RuleTrace, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class NodeTrace:
    """A node of the requirements graph (decision, business knowledge model, service) and its value; `tables` ran inside it."""

    id: str
    name: str
    kind: str
    value: Any
    tables: tuple[TableTrace, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The nodes that were evaluated, in the order in which they ended."""

    nodes: tuple[NodeTrace, ...]


def system_clock() -> datetime:
    """The machine's clock; callers who want another give their own."""
    return datetime.now(UTC)


class Tracer:
    """Collects a trace while an evaluation runs."""

    def __init__(self) -> None:
        self.nodes: list[NodeTrace] = []
        self._tables: list[list[TableTrace]] = []

    def begin(self) -> None:
        self._tables.append([])

    def table(self, trace: TableTrace) -> None:
        if self._tables:
            self._tables[-1].append(trace)

    def end(self, id_: str, name: str, kind: str, value: Any) -> None:
        self.nodes.append(NodeTrace(id_, name, kind, value, tuple(self._tables.pop())))

    def result(self) -> Trace:
        return Trace(tuple(self.nodes))


class Run:
    """One evaluation. `element` is the element being evaluated, for messages; `tracer` is None when no trace was asked for."""

    messages: list[Message] | None = None
    dropped: int = 0
    element: str | None = None
    now: datetime | None = None
    tracer: Tracer | None = None
    # Defaults of the class, and few assignments: a run is made for each evaluation.

    def __init__(self, limits: Limits, clock: Clock, tracer: Tracer | None = None) -> None:
        self.limits, self.clock = limits, clock
        self.steps = limits.steps
        self.depth = limits.recursion
        if tracer is not None:
            self.tracer = tracer

    def null(self, reason: str) -> Any:
        """Keep the reason; returns None, so that code reads `return run.null("…")`."""
        self.say(Severity.ERROR, reason)

    def warn(self, text: str) -> None:
        self.say(Severity.WARNING, text)

    def say(self, severity: Severity, text: str) -> None:
        if self.messages is None:
            self.messages = []
        if len(self.messages) < self.limits.messages:
            self.messages.append(Message(severity, text, self.element))
        else:
            self.dropped += 1

    def step(self, count: int = 1) -> None:
        """Account for work. Raises LimitExceeded."""
        self.steps -= count
        if self.steps < 0:
            raise LimitExceeded(f"the evaluation took more than {self.limits.steps} steps", element=self.element)

    def size(self, count: int) -> None:
        """Account for a list of `count` elements that is about to be made. Raises LimitExceeded."""
        if count > self.limits.list_size:
            raise LimitExceeded(f"a list of {count} elements is larger than {self.limits.list_size}", element=self.element)
        self.step(count)

    def length(self, count: int) -> None:
        """Account for a string of `count` characters that is about to be made. Raises LimitExceeded."""
        self.room(count)
        self.step(count >> _MADE)

    def room(self, count: int) -> None:
        """Whether a string may have `count` characters. Raises LimitExceeded."""
        if count > self.limits.text_length:
            raise LimitExceeded(f"a string of {count} characters is larger than {self.limits.text_length}", element=self.element)

    def scan(self, count: int) -> None:
        """Account for `count` characters that are about to be looked through. Raises LimitExceeded."""
        self.step(count >> _SCANNED)

    def enter(self) -> None:
        """Begin a function call. Raises LimitExceeded."""
        self.depth -= 1
        if self.depth < 0:
            raise LimitExceeded(f"functions call each other more than {self.limits.recursion} deep", element=self.element)
        self.step(_CALL)

    def leave(self) -> None:
        self.depth += 1

    def time(self) -> datetime:
        """The time of this evaluation: the same at each asking."""
        if self.now is None:
            self.now = self.clock()
        return self.now
