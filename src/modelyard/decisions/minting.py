"""Decision ids: UUID version 7 with a counter in its first random field (RFC 9562, section 6.2, method 1), so that ids of one
process are strictly increasing even when thousands are minted in a millisecond."""

from __future__ import annotations

import hashlib
import os
import threading

from modelyard.core.clock import Clock, SystemClock

PREFIX = "dec_"
_COUNTER = 1 << 12
_MILLIS = (1 << 48) - 1
_ID = PREFIX + "%012x7%03x%016x"
_RANDOM, _VARIANT = (1 << 62) - 1, 1 << 63


def derived_id(micros: int, *of: str) -> str:
    """The id that follows from a time (microseconds since 1970) and texts, whoever makes it: `dec_` and a UUID of version 8 with
    the time in its first 48 bits (milliseconds), as the ids of other decisions have it, and SHA-256 of the texts and the time in
    the rest."""
    told = hashlib.sha256("\0".join((*of, str(micros))).encode("utf-8", "surrogatepass")).hexdigest()
    millis = min(max(micros // 1000, 0), _MILLIS)
    return f"{PREFIX}{millis:012x}8{told[:3]}{'89ab'[int(told[3], 16) & 3]}{told[4:19]}"


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
