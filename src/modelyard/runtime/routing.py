"""Which arm answers: drawn from the shares, and for the same sticky key always the same way. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_SCALE = 1 << 64


def draw(salt: str, key: str) -> float:
    """A number in [0, 1) that depends on salt and key alone: the same on every machine and after every restart."""
    hashed = hashlib.sha256(f"{salt}\0{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(hashed[:8], "big") / _SCALE


class Shares:
    """Arms in the order of the snapshot, each with its part of [0, 1)."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._bounds = list(accumulate(shares))
        self._last = max((i for i, share in enumerate(shares) if share > 0), default=0)

    def arm(self, number: float) -> int:
        """The arm whose part the number falls into."""
        return min(bisect_right(self._bounds, number), self._last)
