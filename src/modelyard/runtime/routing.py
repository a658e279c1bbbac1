"""Which arm answers: drawn from the shares, and for the same sticky key always the same way; and the rules before that. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from modelyard.dmn import DmnError, Expression

_SCALE = 1 << 64
_SHAPES = 64
"""So many sets of fields are remembered for a rule: callers may send any where no model says which there are."""


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
        self._names = lru_cache(_SHAPES)(self._condition.mentioned)

    def holds(self, row: Mapping[str, Any]) -> bool | None:
        """Whether it holds; None when it cannot be evaluated for this row. Fields that the condition does not mention cost
        nothing."""
        try:
            value = self._condition.evaluate({name: row[name] for name in self._names(tuple(row))}).value
        except DmnError:
            return None
        return value if isinstance(value, bool) else None
