"""Decision ids: UUID version 7 with a counter in its first random field (RFC 9562, section 6.2, method 1), so that ids of one
process are strictly increasing even when thousands are minted in a millisecond."""

from __future__ import annotations

import os
import threading

from modelyard.core.clock import Clock, SystemClock

PREFIX = "dec_"
_COUNTER = 1 << 12
_ID = PREFIX + "%012x7%03x%016x"
_RANDOM, _VARIANT = (1 << 62) - 1, 1 << 63


class DecisionIds:
    """Mints ids many at a time. Safe for several threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._next = 0
        self._mutex = threading.Lock()

    def mint(self, count: int) -> list[str]:
        """So many fresh ids in increasing order, each greater than all before it."""
        now = int(self._clock.now().timestamp() * 1000) * _COUNTER
        with self._mutex:
            first = max(now, self._next)
            self._next = first + count
        noise = memoryview(os.urandom(8 * count)).cast("Q").tolist()
        return [_ID % (i >> 12, i & 0xFFF, some & _RANDOM | _VARIANT) for i, some in enumerate(noise, first)]
