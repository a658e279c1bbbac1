"""Decision ids: UUID version 7 with a counter in its first random field (RFC 9562, section 6.2, method 1), so that ids of one
process are strictly increasing even when thousands are minted in a millisecond."""

from __future__ import annotations

import os
import threading

from modelyard.core.clock import Clock, SystemClock

PREFIX = "dec_"
_COUNTER = 1 << 12


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
        noise = os.urandom(8 * count).hex()
        ids = []
        for i in range(count):
            place = first + i
            tail = noise[16 * i : 16 * i + 16]
            variant = "89ab"[int(tail[0], 16) & 3]
            ids.append(f"{PREFIX}{place >> 12:012x}7{place & 0xFFF:03x}{variant}{tail[1:]}")
        return ids
