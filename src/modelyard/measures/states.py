"""States of a field that add up: over time, processes and machines, in any order, to the same state.

A number is kept as the counts of the top 16 bits of its float32 (sign, exponent and 7 bits of mantissa: cells 0.8 % wide),
after subtracting a centre that is fixed for the field and recorded with the state, so that a field far from zero keeps its
resolution. A category is kept as its counts. States are immutable: `update` and `merge` give new ones. Both are exact:
merging is associative and commutative, and the states of the chunks merge into the state of the whole, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import Vector, column, floats, nulls
from modelyard.measures.drift import Distribution

VERSION = 1
CATEGORIES = 10_000
_CELLS = 1 << 16
_BLOCK = 1 << 18
_LARGEST = float(np.finfo(np.float32).max)
_INFINITE = (0xFFFF - 0xFF80, 0x7F80 | 0x8000)
_UNIT = 1074  # sums count units of 2**-1074, the smallest float64: every float64 is a whole number of them
_HALF = (1 << 26) - 1
# The top bits of a float32 cell by cell: negative floats sort backwards by their bits, and before the positive ones.
_BITS = np.concatenate((np.arange(0xFFFF, 0x7FFF, -1), np.arange(0x8000)))


@dataclass(frozen=True, eq=False)
class NumericState:
    """Counts per cell of a number, and its exact minimum, maximum and sum. Infinite values count in cells of their own
    and stay out of minimum, maximum and sum; they are None, None and 0 while there is no finite value."""

    centre: float = 0.0
    rows: int = 0
    nulls: int = 0
    minimum: float | None = None
    maximum: float | None = None
    units: int = 0
    cells: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if not np.isfinite(self.centre):
            raise InvalidInput("the centre must be a finite number", field="centre")

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls

    @property
    def infinite(self) -> int:
        """Rows whose value is infinite."""
        return int(self.counts[np.isin(self.cells, _INFINITE)].sum())

    @property
    def mean(self) -> float:
        """The mean of the finite values, exact up to one rounding. Raises InvalidInput when there is none."""
        finite = self.present - self.infinite
        if not finite:
            raise InvalidInput("the state holds no finite value")
        return float(Fraction(self.units, finite << _UNIT))

    def update(self, values: ArrayLike) -> NumericState:
        """This state and the values: numbers, with NaN or None for a missing one."""
        vector = floats(values, "values")
        state = self
        for start in range(0, len(vector), _BLOCK):
            state = state.merge(_numeric_block(vector[start : start + _BLOCK], NumericState(self.centre)))
        return state

    def merge(self, other: NumericState) -> NumericState:
        """Both states as one. Raises InvalidInput when their centres differ."""
        same_centre(self, other)
        cells, counts = _add(self.cells, self.counts, other.cells, other.counts)
        return replace(
            self,
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            minimum=min((m for m in (self.minimum, other.minimum) if m is not None), default=None),
            maximum=max((m for m in (self.maximum, other.maximum) if m is not None), default=None),
            units=self.units + other.units,
            cells=cells,
            counts=counts,
        )

    def bounds(self) -> tuple[Vector, Vector]:
        """The lowest and the highest value that each occupied cell may hold."""
        low, high = self._around(_EDGES[self.cells], -1), self._around(_EDGES[self.cells + 1], 1)
        finite = ~np.isin(self.cells, _INFINITE)
        if self.minimum is not None and self.maximum is not None:
            low[finite], high[finite] = np.maximum(low[finite], self.minimum), np.minimum(high[finite], self.maximum)
        sign = np.where(self.cells[~finite] == _INFINITE[0], -np.inf, np.inf)
        low[~finite] = high[~finite] = sign
        return low, high

    def distribution(self) -> Distribution:
        """The cells as a discrete distribution over the middle of each. Raises InvalidInput when there is no value."""
        if not self.present:
            raise InvalidInput("the state holds no value", hint="widen the window")
        low, high = self.bounds()
        middle = np.where(np.isfinite(low), low / 2 + high / 2, low)
        return Distribution(middle, self.counts.astype(np.float64))

    def distribution_of_cells(self) -> Distribution:
        """The cells' own numbers as a discrete distribution: two states of one centre share them, middles may differ."""
        return Distribution(self.cells.astype(np.float64), self.counts.astype(np.float64))

    def to_json(self) -> dict[str, Any]:
        """A compact JSON value; equal states give equal values. Cells are differences, the sum is hex and a power of 2."""
        return {
            "state": "numeric",
            "version": VERSION,
            "centre": self.centre,
            "rows": self.rows,
            "nulls": self.nulls,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "sum": _written(self.units),
            "cells": np.diff(self.cells, prepend=0).tolist(),
            "counts": self.counts.tolist(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> NumericState:
        """The state that `to_json` wrote. Raises InvalidInput when it is malformed or of a later version."""
        _expect(value, "numeric")
        try:
            state = cls(
                centre=float(value["centre"]),
                rows=int(value["rows"]),
                nulls=int(value["nulls"]),
                minimum=None if value["minimum"] is None else float(value["minimum"]),
                maximum=None if value["maximum"] is None else float(value["maximum"]),
                units=_read(value["sum"]),
                cells=np.cumsum(np.array(value["cells"], dtype=np.int64)),
                counts=np.array(value["counts"], dtype=np.int64),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"not a numeric state: {error!r}") from error
        state._check()
        return state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericState) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def _around(self, edges: Vector, outwards: int) -> Vector:
        """The edges moved to the centre, and outwards by what the two roundings on the way may have cost."""
        if self.centre == 0:
            return edges.copy()
        moved: Vector = edges + self.centre
        finite = np.isfinite(edges)
        moved[finite] += outwards * 2 * np.spacing(np.maximum(np.abs(edges[finite]), abs(self.centre)))
        return moved

    def _check(self) -> None:
        sound = (
            self.cells.ndim == self.counts.ndim == 1
            and len(self.cells) == len(self.counts)
            and 0 <= self.nulls <= self.rows
            and bool((self.counts > 0).all() and (np.diff(self.cells) > 0).all())
            and bool(((self.cells >= _INFINITE[0]) & (self.cells <= _INFINITE[1])).all())
            and int(self.counts.sum()) == self.present
            and (self.minimum is None) == (self.maximum is None) == (self.present == self.infinite)
            and (self.minimum is None or self.maximum is None or -np.inf < self.minimum <= self.maximum < np.inf)
        )
        if not sound:
            raise InvalidInput("not a numeric state: its parts contradict each other")


@dataclass(frozen=True)
class CategoricalState:
    """Counts per category, at most `limit` of them; all rows of the other categories are counted in `other`.

    Which categories stay is decided by a hash of their text (the `limit` smallest, a bottom-k sample), never by the order in
    which they came, so that merging stays exact: a category that is kept has its full count. Values are told apart
    by their text.
    """

    limit: int = CATEGORIES
    rows: int = 0
    nulls: int = 0
    other: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InvalidInput("a state keeps at least one category", field="limit")
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls

    @property
    def complete(self) -> bool:
        """Whether every category has its own count."""
        return self.other == 0

    def update(self, values: ArrayLike) -> CategoricalState:
        """This state and the values, with None or NaN for a missing one."""
        array = column(values, "values", least=0)
        missing = nulls(array)
        tally: Counter[str] = Counter()
        try:
            found = Counter(array[~missing].tolist())
        except TypeError as error:
            raise InvalidInput(f"not a category: {error}", field="values") from error
        for value, count in found.items():
            tally[str(value)] += count
        return self._grown(len(array), int(missing.sum()), tally)

    def merge(self, other: CategoricalState) -> CategoricalState:
        """Both states as one. Raises InvalidInput when their limits differ."""
        if self.limit != other.limit:
            raise InvalidInput(f"states of {self.limit} and {other.limit} categories do not add up", field="limit")
        return self._grown(other.rows, other.nulls, other.counts)

    def comparable(self, other: CategoricalState) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """The counts of both over the categories that neither can have dropped, the rest of each under the key ''.

        Keys are the categories with '=' before them, so that the empty text stays a category of its own.
        """
        frontier = min((s._frontier() for s in (self, other) if not s.complete), default=None)
        return self._up_to(frontier), other._up_to(frontier)

    def to_json(self) -> dict[str, Any]:
        """A compact JSON value; equal states give equal values."""
        return {
            "state": "categorical",
            "version": VERSION,
            "limit": self.limit,
            "rows": self.rows,
            "nulls": self.nulls,
            "other": self.other,
            "counts": dict(sorted(self.counts.items())),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CategoricalState:
        """The state that `to_json` wrote. Raises InvalidInput when it is malformed or of a later version."""
        _expect(value, "categorical")
        try:
            parts = {name: int(value[name]) for name in ("limit", "rows", "nulls", "other")}
            state = cls(counts={str(name): int(count) for name, count in value["counts"].items()}, **parts)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a categorical state: {error!r}") from error
        sound = (
            min(state.rows, state.nulls, state.other, state.present) >= 0
            and all(count > 0 for count in state.counts.values())
            and sum(state.counts.values()) + state.other == state.present
            and (len(state.counts) == state.limit if state.other else len(state.counts) <= state.limit)
        )
        if not sound:
            raise InvalidInput("not a categorical state: its parts contradict each other")
        return state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CategoricalState) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def _grown(self, rows: int, missing: int, more: Mapping[str, int]) -> CategoricalState:
        counts = Counter(self.counts)
        counts.update(more)
        total = self.present + rows - missing
        if len(counts) > self.limit:
            kept = sorted(counts, key=_rank)[: self.limit]
            counts = Counter({name: counts[name] for name in kept})
        return replace(
            self,
            rows=self.rows + rows,
            nulls=self.nulls + missing,
            other=total - sum(counts.values()),
            counts=counts,
        )

    def _frontier(self) -> tuple[bytes, str]:
        return max(map(_rank, self.counts))

    def _up_to(self, frontier: tuple[bytes, str] | None) -> Mapping[str, int]:
        if frontier is None:
            return {"=" + name: count for name, count in self.counts.items()}
        counts = {"=" + name: count for name, count in self.counts.items() if _rank(name) <= frontier}
        rest = self.present - sum(counts.values())
        return {**counts, "": rest} if rest else counts


State = NumericState | CategoricalState


def state_from_json(value: Mapping[str, Any]) -> State:
    """The state of either sort that `to_json` wrote."""
    kinds: dict[str, type[NumericState | CategoricalState]]
    kinds = {"numeric": NumericState, "categorical": CategoricalState}
    name = value.get("state")
    if name not in kinds:
        raise InvalidInput(f"no state is called {name!r}", field="state", hint="numeric or categorical")
    return kinds[name].from_json(value)


def same_centre(left: NumericState, right: NumericState) -> None:
    """Raises InvalidInput when two states cut their cells around different centres."""
    if left.centre != right.centre:
        detail = f"states around {left.centre} and {right.centre} have different cells"
        raise InvalidInput(detail, field="centre", hint="fix the centre of a field once, from the reference")


def _numeric_block(vector: Vector, empty: NumericState) -> NumericState:
    missing = np.isnan(vector)
    absent = int(missing.sum())
    some = vector[~missing] if absent else vector
    if not len(some):
        return replace(empty, rows=len(vector), nulls=absent)
    counts = _cell_counts(some, empty.centre)
    cells = np.flatnonzero(counts)
    finite = some[np.isfinite(some)] if np.isin(cells, _INFINITE).any() else some
    return replace(
        empty,
        rows=len(vector),
        nulls=absent,
        minimum=float(finite.min()) + 0.0 if len(finite) else None,
        maximum=float(finite.max()) + 0.0 if len(finite) else None,
        units=_exact_sum(finite) if len(finite) else 0,
        cells=cells,
        counts=counts[cells].astype(np.int64),
    )


def _cell_counts(values: Vector, centre: float) -> NDArray[np.int64]:
    """How many values fall into each cell, cells in the order of the values."""
    with np.errstate(over="ignore"):
        shifted = values - centre if centre else values
        single = shifted.astype(np.float32)
    single += np.float32(0)  # -0.0 becomes 0.0
    counts = np.bincount(single.view(np.uint32) >> np.uint32(16), minlength=_CELLS)[_BITS]
    if counts[list(_INFINITE)].any():
        # Finite values beyond the range of float32 belong into the outermost finite cells.
        for infinite, finite, sign in ((_INFINITE[0], _INFINITE[0] + 1, -np.inf), (_INFINITE[1], _INFINITE[1] - 1, np.inf)):
            moved = counts[infinite] - np.count_nonzero(values == sign)
            counts[infinite] -= moved
            counts[finite] += moved
    return counts


def _exact_sum(values: Vector) -> int:
    """The sum in units of 2**-_UNIT, without rounding: per sign and exponent, the mantissas are added in two halves."""
    bits = values.view(np.int64)
    slot = (bits >> 52) & 0xFFF
    number = np.bincount(slot)
    # A half is below 2**26 and a block has 2**18 rows, so the float64 sums of bincount stay exact (below 2**53).
    upper = np.bincount(slot, weights=((bits >> 26) & _HALF).astype(np.float64))
    lower = np.bincount(slot, weights=(bits & _HALF).astype(np.float64))
    total = 0
    for index in map(int, np.flatnonzero(number)):
        exponent = index & 0x7FF
        implicit = int(number[index]) << 52 if exponent else 0
        amount = (implicit + (int(upper[index]) << 26) + int(lower[index])) << max(exponent, 1) - 1075 + _UNIT
        total += -amount if index & 0x800 else amount
    return total


def _add(
    cells: NDArray[np.int64], counts: NDArray[np.int64], more: NDArray[np.int64], extra: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    merged = np.union1d(cells, more)
    total = np.zeros(len(merged), dtype=np.int64)
    total[np.searchsorted(merged, cells)] += counts
    total[np.searchsorted(merged, more)] += extra
    return merged, total


def _edges() -> Vector:
    """The lower edge of every cell and, last, the upper edge of the highest: half-way between neighbouring float32,
    because a float64 up to half-way rounds into the cell."""
    magnitudes = np.arange(0x7F80, dtype=np.uint32)
    least = (magnitudes << 16).view(np.float32).astype(np.float64)
    most = ((magnitudes << 16) | 0xFFFF).astype(np.uint32).view(np.float32).astype(np.float64)
    between = np.append(0.0, most[:-1] / 2 + least[1:] / 2)
    between[0] = -(2.0**-150)
    edges = np.full(_CELLS + 1, np.inf)
    edges[0x8000 : 0x8000 + 0x7F80] = between
    edges[: 0x8000 - 0x7F80 + 1] = -np.inf
    edges[0x8000 - 0x7F80 + 1 : 0x8000] = -between[1:][::-1]
    return edges


_EDGES = _edges()


def _rank(name: str) -> tuple[bytes, str]:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), name


def _written(units: int) -> str:
    if not units:
        return "0p0"
    zeros = (units & -units).bit_length() - 1
    return f"{units >> zeros:x}p{zeros - _UNIT}"


def _read(text: str) -> int:
    digits, _, power = text.partition("p")
    shift = int(power) + _UNIT
    if not 0 <= shift <= 3000 or len(digits) > 1000:
        raise ValueError(f"sum {text[:40]!r} is out of range")
    return int(digits, 16) << shift


def _expect(value: Mapping[str, Any], name: str) -> None:
    if value.get("state") != name:
        raise InvalidInput(f"expected a {name} state, got {value.get('state')!r}", field="state")
    if value.get("version") != VERSION:
        detail = f"version {value.get('version')!r} of a state is not known"
        raise InvalidInput(detail, field="version", hint=f"this program reads version {VERSION}")
