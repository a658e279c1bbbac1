"""Identifiers: UUID version 7 (RFC 9562), so that they sort by time of creation and pages of an index stay together."""

from __future__ import annotations

import secrets
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
    """Identifiers for the real world: time from the clock, the rest from the operating system's random source."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def new(self, prefix: str = "") -> str:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        text = uuid7(milliseconds, secrets.randbits(74)).hex
        return f"{prefix}_{text}" if prefix else text


class CountedIds:
    """Identifiers that count up: the same run gives the same names."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str = "") -> str:
        self._count += 1
        return f"{prefix}_{self._count:06d}" if prefix else f"{self._count:06d}"
