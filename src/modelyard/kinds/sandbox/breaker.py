"""Decides when a model that fails may be tried again: back-off after failures in a row, a breaker for failures in a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum

FIRST_DELAY = 0.5
MOST_DELAY = 30.0


class State(StrEnum):
    """`closed`: asked as usual. `open`: nobody is let through. `half-open`: one is let through, and decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens at the second failure in a row, or at the fifth within a minute; for half a second at first, doubled every time it
    opens again without an answer between, up to half a minute. Not locked: the owner's lock guards it.
    """

    def __init__(self, now: Callable[[], float], failures: int = 5, window: float = 60.0) -> None:
        self._now, self._most, self._window = now, failures, window
        self._recent: deque[float] = deque(maxlen=failures)
        self._not_before = 0.0
        self._openings = 0
        self._open = False
        self.in_a_row = 0
        self.total = 0

    @property
    def state(self) -> State:
        """What would happen to a call now."""
        if not self._open:
            return State.CLOSED
        return State.OPEN if self._now() < self._not_before else State.HALF_OPEN

    @property
    def wait(self) -> float:
        """Seconds until the next try; 0 when it may be now."""
        return max(0.0, self._not_before - self._now()) if self._open else 0.0

    def failed(self) -> None:
        """A failure: it may open the breaker."""
        now = self._now()
        self.in_a_row += 1
        self.total += 1
        self._recent.append(now)
        often = len(self._recent) == self._most and now - self._recent[0] < self._window
        if self.in_a_row >= 2 or often:
            self._open = True
            self._not_before = now + min(FIRST_DELAY * 2**self._openings, MOST_DELAY)
            self._openings += 1

    def succeeded(self) -> None:
        """An answer: the breaker closes. Failures of the last minute are not forgotten."""
        if self._open or self.in_a_row:
            self._open, self.in_a_row, self._openings = False, 0, 0

    def why(self) -> str:
        """Words for whoever is turned away."""
        if self.in_a_row >= 2:
            return f"the model crashed {self.in_a_row} times in a row"
        return f"the model crashed {len(self._recent)} times within {self._window:g} seconds"
