"""Which arm answers: drawn from the shares, and for the same sticky key always the same way; and the rules before that. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from modelyard.dmn import DmnError, Expression

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


class Rule:
    """A FEEL condition over the inputs of a row, and the place of the arm that rows go to for which it holds. Compiled once."""

    def __init__(self, when: str, arm: int) -> None:
        """Raises DmnError when the condition is not FEEL."""
        self.when, self.arm = when, arm
        self._condition = Expression(when)
        self._condition.problems(())

    def holds(self, row: dict[str, Any]) -> bool | None:
        """Whether it holds; None when it cannot be evaluated for this row."""
        try:
            value = self._condition.evaluate(row).value
        except DmnError:
            return None
        return value if isinstance(value, bool) else None
