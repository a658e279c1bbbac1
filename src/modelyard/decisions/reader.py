"""Reading the log: all writers, sealed and open segments alike, with segments and frames skipped by their statistics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import InvalidInput
from modelyard.decisions import layout
from modelyard.decisions.framing import FrameMeta
from modelyard.decisions.layout import FrameRef, SegmentPath
from modelyard.decisions.schema import DECISION_TABLE, TIME, TableSpec
from modelyard.decisions.segment import SegmentReader

_READ_AT_ONCE = 64 << 20


class Time(StrEnum):
    """Which time a window is about: when it was decided, or when what it is about happened."""

    DECISION = "decision_time"
    EVENT = "event_time"


@dataclass(frozen=True)
class Window:
    """Which decisions to read; what is not given does not filter. `since` is inclusive, `until` is not.

    `versions` are manifest digests. Shadows' answers are left out unless `shadows` is true or their arm is named.
    """

    organisation: str | None = None
    use_case: str | None = None
    endpoint: str | None = None
    versions: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    by: Time = Time.DECISION
    shadows: bool = False

    def micros(self) -> tuple[int | None, int | None]:
        """The window in microseconds. Raises InvalidInput for times without a zone or a window that ends before it starts."""
        since, until = _micros(self.since, "since"), _micros(self.until, "until")
        if since is not None and until is not None and until < since:
            raise InvalidInput("the window ends before it starts", field="until")
        return since, until


class TableReader:
    """Frames of one table under a root. Safe for several threads; keeps an index of what it saw, so keep the object."""

    def __init__(self, root: Path, table: TableSpec) -> None:
        self._root, self._table = root, table
        self._known: dict[SegmentPath, SegmentReader] = {}
        self._mutex = threading.Lock()

    def frames(self, wanted: Callable[[FrameMeta], bool]) -> list[tuple[SegmentReader, FrameRef]]:
        """Every frame of every writer whose meta is wanted, by writer and in the order of writing."""
        with self._mutex:
            return [(s, f) for s in self._refreshed() for f in s.frames if wanted(f.meta)]

    def batches(self, wanted: Callable[[FrameMeta], bool], columns: Sequence[str]) -> Iterator[Any]:
        """Arrow batches of the wanted frames with these columns, a bounded amount in memory at a time."""
        for segment, pairs in groupby(self.frames(wanted), key=lambda pair: pair[0]):
            for part in _parts([frame for _, frame in pairs]):
                for batch in segment.read(part, columns):
                    yield batch.select(list(columns))

    def by_ids(self, ids: Sequence[str], columns: Sequence[str]) -> Any:
        """A table of the rows with these ids, in the log's order."""
        schema = pa.schema([self._table.schema.field(name) for name in columns])
        if not ids:
            return schema.empty_table()
        low, high = min(ids), max(ids)
        needed = list(dict.fromkeys([self._table.id_column, *columns]))
        values = pa.array(list(ids), pa.string())
        found = []
        for batch in self.batches(lambda m: m.min_id <= high and m.max_id >= low, needed):
            kept = batch.filter(pc.is_in(batch.column(self._table.id_column), value_set=values))
            if kept.num_rows:
                found.append(kept.select(list(columns)))
        return pa.Table.from_batches(found, schema=schema)

    def _refreshed(self) -> list[SegmentReader]:
        found = [path for folder in layout.writer_folders(self._root) for path in layout.segments(folder)]
        self._known = {path: self._known.get(path) or SegmentReader(path) for path in found}
        for segment in self._known.values():
            segment.refresh()
        return list(self._known.values())


class DecisionReader:
    """Decisions by id, or by window."""

    def __init__(self, root: Path) -> None:
        self._table = TableReader(root, DECISION_TABLE)

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """One decision as a row, or None."""
        rows = self.find([decision_id]).to_pylist()
        return rows[0] if rows else None

    def find(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> Any:
        """An Arrow table of the decisions with these ids; ids that are not in the log are simply absent."""
        return self._table.by_ids(ids, _columns(columns))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the log."""
        return set(self.find(ids, ["id"]).column("id").to_pylist())

    def scan(self, window: Window, columns: Sequence[str] | None = None, limit: int | None = None) -> Any:
        """An Arrow table of the window's decisions; writer by writer, each in the order of writing. With `limit`, of the first
        ones: no more than these are read."""
        schema = pa.schema([DECISION_TABLE.schema.field(name) for name in _columns(columns)])
        found: list[Any] = []
        rows = 0
        for batch in self.batches(window, columns):
            found.append(batch)
            rows += batch.num_rows
            if limit is not None and rows >= limit:
                break
        return pa.Table.from_batches(found, schema=schema).slice(0, limit)

    def batches(self, window: Window, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The window's decisions as Arrow batches, for what does not fit in memory."""
        shown = list(_columns(columns))
        tests = _tests(window)
        needed = list(dict.fromkeys([*shown, *(name for name, _ in tests)]))
        for batch in self._table.batches(_may_match(window), needed):
            masks = [test(batch.column(name)) for name, test in tests]
            kept = batch.filter(reduce(pc.and_, masks)) if masks else batch
            if kept.num_rows:
                yield kept.select(shown)


def _columns(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        return list(DECISION_TABLE.schema.names)
    unknown = set(columns) - DECISION_TABLE.names
    if unknown:
        raise InvalidInput("the decision log has no such column", field=min(unknown))
    return columns


def _micros(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInput("a time without a zone", field=name, hint="give the offset, for example +00:00")
    return int(pa.scalar(moment, TIME).value)


def _may_match(window: Window) -> Callable[[FrameMeta], bool]:
    since, until = window.micros()
    event = window.by is Time.EVENT

    def matches(meta: FrameMeta) -> bool:
        if window.endpoint is not None and window.endpoint not in meta.endpoints:
            return False
        low, high = (meta.min_event, meta.max_event) if event else (meta.min_time, meta.max_time)
        if low is None or high is None:
            return since is None and until is None
        return (since is None or high >= since) and (until is None or low < until)

    return matches


def _tests(window: Window) -> list[tuple[str, Callable[[Any], Any]]]:
    """What each row must pass: a column and a test that gives true or false (never null) for each of its values."""
    tests: list[tuple[str, Callable[[Any], Any]]] = []
    named = (("organisation", window.organisation), ("use_case", window.use_case), ("endpoint", window.endpoint))
    for name, value in named:
        if value is not None:
            tests.append((name, _among((value,))))
    for name, values in (("manifest", window.versions), ("answered_arm", window.arms)):
        if values:
            tests.append((name, _among(values)))
    if not window.shadows and not window.arms:
        tests.append(("shadow_of", pc.is_null))
    since, until = window.micros()
    if since is not None or until is not None:
        tests.append((window.by.value, _between(since, until)))
    return tests


def _among(values: tuple[str, ...]) -> Callable[[Any], Any]:
    wanted = pa.array(values, pa.string())
    return lambda column: pc.is_in(column, value_set=wanted)


def _between(since: int | None, until: int | None) -> Callable[[Any], Any]:
    def test(column: Any) -> Any:
        micros = column.view(pa.int64())
        masks = [pc.is_valid(micros)]
        if since is not None:
            masks.append(pc.fill_null(pc.greater_equal(micros, since), False))
        if until is not None:
            masks.append(pc.fill_null(pc.less(micros, until), False))
        return reduce(pc.and_, masks)

    return test


def _parts(frames: list[FrameRef]) -> Iterator[list[FrameRef]]:
    part: list[FrameRef] = []
    size = 0
    for frame in frames:
        part.append(frame)
        size += frame.end - frame.offset
        if size >= _READ_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part
