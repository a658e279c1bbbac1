"""Identifiers: UUID version 7 (RFC 9562), so that they sort by time of creation and pages of an index stay together."""

from __future__ import annotations

import secrets
import threading
from typing import Protocol
from uuid import UUID

from modelyard.core.clock import Clock, SystemClock


class Ids(Protocol):
    def new(self, prefix: str = "") -> str:
        """A fresh identifier; with a prefix it reads `prefix_…` and tells what it names."""
        ...


def uuid7(milliseconds: int, randomness: int) -> UUID:
    """UUID version 7 of a Unix time in milliseconds (48 bits) and 74 random bits (RFC 9562, section 5.7)."""
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (randomness >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | randomness & (1 << 62) - 1
    return UUID(int=value)


class RandomIds:
    """Identifiers for the real world: time from the clock, the rest from the operating system's random source.

    Those of one object never go back: within a millisecond, or when the clock steps back, the last one is counted up by a random
    step (RFC 9562, section 6.2, method 2). Safe to use from several threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last = (0, 0)
        self._turn = threading.Lock()

    def new(self, prefix: str = "") -> str:
        text = uuid7(*self._next()).hex
        return f"{prefix}_{text}" if prefix else text

    def _next(self) -> tuple[int, int]:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        with self._turn:
            last, randomness = self._last
            if milliseconds > last:
                self._last = (milliseconds, secrets.randbits(73))
            else:
                self._last = (last, randomness + 1 + secrets.randbits(32))
            return self._last


class CountedIds:
    """Identifiers that count up: the same run gives the same names."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str = "") -> str:
        self._count += 1
        return f"{prefix}_{self._count:06d}" if prefix else f"{self._count:06d}"
