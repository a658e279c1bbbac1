"""How two answers to the same question differ, counted in bounded memory however many there are."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from modelyard.decisions.protection import ENCRYPTED, HASHED
from modelyard.kinds.signature import DataType, FieldSpec, Role
from modelyard.runtime.replay.model import FieldDifference, Pair, Quantiles

_MOST_PAIRS = 1000
_LONGEST = 200
_STEP = math.log(1.02)
_RELATIVE = 1e-6
"""What numbers of 32 bits do not tell apart is no difference."""
_WHOLE_CLASSES = frozenset({Role.LABEL})


class Durations:
    """Seconds, counted in steps of two in a hundred."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[round(math.log(max(seconds, 1e-9)) / _STEP)] += 1

    def quantiles(self) -> Quantiles:
        """What half of them, and 99 in a hundred, do not exceed."""
        return Quantiles(calls=self._counts.total(), p50=self._at(0.5), p99=self._at(0.99))

    def _at(self, share: float) -> float | None:
        left = math.ceil(share * self._counts.total())
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                return math.exp(step * _STEP)
        return None


class Differences:
    """Answers compared field by field, those of the outputs that the later version gives."""

    def __init__(self, specs: Iterable[FieldSpec], hidden: Iterable[str], tolerance: float) -> None:
        """`hidden` are outputs that the log does not have in clear: they are not compared."""
        self.hidden = tuple(sorted(hidden))
        self._fields = {s.name: _field(s, tolerance) for s in specs if s.name not in self.hidden}
        self.same = self.different = self.uncompared = 0

    def take(self, then: str | bytes | None, now: str | bytes | None) -> None:
        """Two answers as the log has them: JSON objects."""
        found = [self._fields[name].take(*both) for name, both in self._shared(_object(then), _object(now))]
        if not found:
            self.uncompared += 1
        elif all(found):
            self.same += 1
        else:
            self.different += 1

    def fields(self) -> tuple[FieldDifference, ...]:
        """What was found, by output."""
        return tuple(field.told() for field in self._fields.values())

    def _shared(self, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[tuple[str, tuple[Any, Any]]]:
        for name in self._fields:
            if name in then and name in now and _clear(then[name]) == _clear(now[name]):
                yield name, (then[name], now[name])


class _Classes:
    """Values that are the same or not."""

    def __init__(self, name: str) -> None:
        self.name, self.same, self.different, self.others = name, 0, 0, 0
        self._pairs: Counter[tuple[str, str]] = Counter()

    def take(self, then: Any, now: Any) -> bool:
        same = _json(then) == _json(now)
        self.same += same
        self.different += not same
        pair = _short(_json(then)), _short(_json(now))
        if pair in self._pairs or len(self._pairs) < _MOST_PAIRS:
            self._pairs[pair] += 1
        else:
            self.others += 1
        return same

    def told(self) -> FieldDifference:
        pairs = tuple(Pair(then, now, rows) for (then, now), rows in self._pairs.most_common())
        rows = self.same + self.different
        return FieldDifference(
            name=self.name, rows=rows, same=self.same, different=self.different, pairs=pairs, others=self.others
        )


class _Numbers:
    """Numbers, or lists of them, that are the same within a tolerance. Whatever else is among them counts as classes do."""

    def __init__(self, name: str, tolerance: float) -> None:
        self._tolerance, self._else = tolerance, _Classes(name)
        self._rows = self._beyond = self._values = 0
        self._sum = self._greatest = 0.0

    def take(self, then: Any, now: Any) -> bool:
        pairs = _numbers(then, now)
        if pairs is None:
            return self._else.take(then, now)
        self._rows += 1
        for a, b in pairs:
            self._values += 1
            self._sum += abs(a - b)
            self._greatest = max(self._greatest, abs(a - b))
        same = all(math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=self._tolerance) for a, b in pairs)
        self._beyond += not same
        return same

    def told(self) -> FieldDifference:
        told = self._else.told()
        if not self._rows:
            return told
        return msgspec.structs.replace(
            told,
            rows=told.rows + self._rows,
            same=told.same + self._rows - self._beyond,
            different=told.different + self._beyond,
            numbers=self._rows,
            mean=self._sum / self._values if self._values else 0.0,
            greatest=self._greatest,
            beyond=self._beyond / self._rows,
        )


def _field(spec: FieldSpec, tolerance: float) -> _Classes | _Numbers:
    """Floats are numbers; whole numbers are, unless they are labels or one of a few values."""
    if spec.type in (DataType.BYTES, DataType.BOOL):
        return _Classes(spec.name)
    whole = not spec.type.startswith("FP")
    if whole and (spec.role in _WHOLE_CLASSES or spec.allowed is not None):
        return _Classes(spec.name)
    return _Numbers(spec.name, tolerance)


def _numbers(then: Any, now: Any) -> list[tuple[float, float]] | None:
    """The numbers of both side by side; None when they are not numbers, or not as many."""
    left, right = list(_flat(then)), list(_flat(now))
    if not left or len(left) != len(right):
        return None
    if any(not isinstance(value, int | float) or isinstance(value, bool) for value in (*left, *right)):
        return None
    return list(zip(left, right, strict=True))


def _flat(value: Any) -> Iterable[Any]:
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from _flat(part)


def _object(text: str | bytes | None) -> Mapping[str, Any]:
    found = {} if text is None else msgspec.json.decode(text)
    return found if isinstance(found, dict) else {}


def _clear(value: Any) -> str:
    """How the log has a value: in clear, hashed, or not to be compared with anything."""
    if not isinstance(value, str) or not value.startswith((HASHED, ENCRYPTED)):
        return ""
    return HASHED if value.startswith(HASHED) else value


def _short(text: str) -> str:
    """A long text by its beginning and its digest: two that differ stay two."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
