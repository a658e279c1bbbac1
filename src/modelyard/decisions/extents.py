"""Extents: what is known of many rows at once (a frame, a row group, a file), so that most are skipped without being read."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol


class Extent(Protocol):
    """The ranges of ids, of the table's time and of event times (microseconds, UTC), and the endpoints that may be in it."""

    @property
    def min_id(self) -> str: ...
    @property
    def max_id(self) -> str: ...
    @property
    def min_time(self) -> int: ...
    @property
    def max_time(self) -> int: ...
    @property
    def min_event(self) -> int | None: ...
    @property
    def max_event(self) -> int | None: ...
    @property
    def endpoints(self) -> Container[str]: ...


@dataclass(frozen=True, slots=True)
class TextRange:
    """Every text from the first to the last; every text at all when the ends are not known."""

    first: str | None
    last: str | None

    def __contains__(self, text: object) -> bool:
        if self.first is None or self.last is None:
            return True
        return isinstance(text, str) and self.first <= text <= self.last


@dataclass(frozen=True, slots=True)
class Ranges:
    """An extent of rows in Parquet."""

    min_id: str
    max_id: str
    min_time: int
    max_time: int
    min_event: int | None
    max_event: int | None
    endpoints: TextRange


class Wanted(Protocol):
    """Which extents may hold rows that a reader asks for. Saying yes too often costs time, saying no wrongly loses rows."""

    def extent(self, extent: Extent) -> bool: ...

    def bucket(self, bucket: int, buckets: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Matching:
    """Extents that a test lets through, in every bucket."""

    test: Callable[[Extent], bool]

    def extent(self, extent: Extent) -> bool:
        return self.test(extent)

    def bucket(self, bucket: int, buckets: int) -> bool:
        return True


class Everything:
    """No extent is skipped."""

    def extent(self, extent: Extent) -> bool:
        return True

    def bucket(self, bucket: int, buckets: int) -> bool:
        return True


class Ids:
    """Extents in whose range one of these ids is, in the buckets that these ids are in."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._sorted = sorted(set(ids))
        self._buckets: dict[int, frozenset[int]] = {}

    def extent(self, extent: Extent) -> bool:
        place = bisect_left(self._sorted, extent.min_id)
        return place < len(self._sorted) and self._sorted[place] <= extent.max_id

    def bucket(self, bucket: int, buckets: int) -> bool:
        if buckets not in self._buckets:
            self._buckets[buckets] = frozenset(bucket_of(i, buckets) for i in self._sorted)
        return bucket in self._buckets[buckets]


def bucket_of(decision_id: str, buckets: int) -> int:
    """The hash bucket of a decision: CRC-32 (zlib) of its id modulo the number of buckets."""
    return zlib.crc32(decision_id.encode()) % buckets
