"""Fault injection is a port: code names the points where a crash would hurt, campaigns decide which of them crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Faults(Protocol):
    def reach(self, point: str) -> None:
        """Called at a named point; returns at once, or raises, or ends the process, as the campaign wants."""
        ...


class NoFaults:
    """Nothing ever goes wrong by design."""

    def reach(self, point: str) -> None:
        return None


class FaultAt:
    """Does something at the nth time a point is reached."""

    def __init__(self, point: str, effect: Callable[[], None], nth: int = 1) -> None:
        self._point, self._effect, self._left = point, effect, nth

    def reach(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            self._effect()
