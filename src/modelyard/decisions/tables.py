"""The rows of one table of the log wherever they are: in the Delta table, in sealed segments, in segments that are being written.

A reader lists segments first and then looks at the Delta table, so that whatever is compacted in between is seen once: segments
that the table has taken in are left out, and one that vanished is in the table. Nothing is locked.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import Busy
from modelyard.decisions import layout
from modelyard.decisions.erasures import Erasures, Filter
from modelyard.decisions.extents import Ids, Wanted
from modelyard.decisions.lake import LOG, Lake, LakeFile, conform
from modelyard.decisions.layout import FrameRef, SegmentPath
from modelyard.decisions.schema import TableSpec
from modelyard.decisions.segment import SegmentReader

_READ_AT_ONCE = 64 << 20
_HELD_OPEN = 256
_TRIES = 50
_STEP = 1_000_000_000

Mark = tuple[tuple[str, int, int], ...] | None
"""See `TableReader.mark`."""


@dataclass(frozen=True)
class Plan:
    """What has to be read: files of the Delta table, frames of segments that are not in it, and who is left out."""

    version: int
    files: list[LakeFile]
    segments: list[tuple[SegmentReader, list[FrameRef]]]
    erased: Filter


class TableReader:
    """Rows of one table under a root. Safe for several threads; keeps an index of what it saw, so keep the object.

    `everyone` shows erased rows too, for who must remove them.
    """

    def __init__(self, root: Path, table: TableSpec, *, everyone: bool = False) -> None:
        self._root, self._table, self._everyone = root, table, everyone
        self._lake = Lake(root, table)
        self._erasures = Erasures(root)
        self._known: dict[SegmentPath, SegmentReader] = {}
        self._mutex = threading.Lock()

    def mark(self) -> Mark:
        """What the log is like now, by names, sizes and times of its files: where two marks are equal, no row came, went or was
        erased between. None where that cannot be told, as something was written within the last second: file systems tell times
        in steps. Cheap: nothing is read."""
        folders = layout.writer_folders(self._root)
        files = [*_files(self._root, ".json"), *(found for folder in folders for found in _files(folder, ".seg"))]
        with suppress(FileNotFoundError):  # nothing is compacted yet
            commits = self._lake.folder / LOG
            files.append((str(commits), 0, commits.stat().st_mtime_ns))
        newest = max((modified for _, _, modified in files), default=0)
        return tuple(sorted(files)) if time.time_ns() - newest > _STEP else None

    def plan(self, wanted: Wanted) -> Plan:
        """Where the wanted rows are at this moment. Raises LogDamaged."""
        for _ in range(_TRIES):
            try:
                with self._mutex:
                    return self._plan(wanted)
            except FileNotFoundError:
                continue
        raise _changing()

    def batches(self, wanted: Wanted, columns: Sequence[str]) -> Iterator[Any]:
        """Arrow batches of the wanted frames and files with these columns, a bounded amount in memory at a time.

        Raises Busy when rows were erased or files cleaned away while they were read, after some were given out.
        """
        given = False
        for _ in range(_TRIES):
            try:
                for batch in self._read(self.plan(wanted), wanted, columns):
                    given = True
                    yield batch
            except FileNotFoundError as error:
                if given:
                    raise _changing() from error
            else:
                return
        raise _changing()

    def collect(self, wanted: Wanted, columns: Sequence[str], keep: Callable[[Any], Any], limit: int | None = None) -> Any:
        """A table of what `keep` keeps of each batch, of one moment; at most about `limit` rows are read."""
        for _ in range(_TRIES):
            try:
                return self._collected(wanted, columns, keep, limit)
            except FileNotFoundError:
                continue
        raise _changing()

    def unsealed(self, wanted: Wanted, columns: Sequence[str]) -> list[tuple[str, Any]]:
        """Batches of segments that are not in the Delta table, each with its writer's name, read as one moment has them."""
        for _ in range(_TRIES):
            try:
                return list(self._tail(self.plan(wanted), columns))
            except FileNotFoundError:
                continue
        raise _changing()

    def moment(self, wanted: Wanted) -> tuple[Plan, Any]:
        """What to read now, and as an Arrow table those of its rows that are in no file of the Delta table."""
        schema = self._table.schema
        for _ in range(_TRIES):
            try:
                plan = self.plan(wanted)
                return plan, pa.Table.from_batches([batch for _, batch in self._tail(plan, schema.names)], schema=schema)
            except FileNotFoundError:
                continue
        raise _changing()

    def _tail(self, plan: Plan, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
        schema = self._schema(columns)
        for segment, frames in plan.segments:
            for batch in segment.read(frames, columns):
                yield segment.path.folder.name, conform(batch, schema)

    def by_ids(self, ids: Sequence[str], columns: Sequence[str]) -> Any:
        """A table of the rows with these ids: first those in the Delta table, then the log's order."""
        schema = pa.schema([self._table.schema.field(name) for name in columns])
        if not ids:
            return schema.empty_table()
        needed = list(dict.fromkeys([self._table.id_column, *columns]))
        values = pa.array(list(ids), pa.string())

        def keep(batch: Any) -> Any:
            return batch.filter(pc.is_in(batch.column(self._table.id_column), value_set=values)).select(list(columns))

        return self.collect(Ids(ids), needed, keep).cast(schema)

    def _collected(self, wanted: Wanted, columns: Sequence[str], keep: Callable[[Any], Any], limit: int | None) -> Any:
        found: list[Any] = []
        rows = 0
        schema = keep(pa.RecordBatch.from_pylist([], schema=self._schema(columns))).schema
        for batch in self._read(self.plan(wanted), wanted, columns):
            kept = keep(batch)
            if kept.num_rows:
                found.append(kept)
                rows += kept.num_rows
            if limit is not None and rows >= limit:
                break
        return pa.Table.from_batches(found, schema=schema).slice(0, limit)

    def _schema(self, columns: Sequence[str]) -> Any:
        return pa.schema([self._table.schema.field(name) for name in columns])

    def _read(self, plan: Plan, wanted: Wanted, columns: Sequence[str]) -> Iterator[Any]:
        needed = list(dict.fromkeys([*columns, *plan.erased.needs]))
        schema = self._schema(needed)
        with ExitStack() as held:
            for segment, _ in plan.segments[:_HELD_OPEN]:
                held.enter_context(segment.holding())
            for file in plan.files:
                for batch in file.read(self._table, wanted, needed):
                    yield plan.erased.keep(batch).select(list(columns))
            for segment, frames in plan.segments:
                for part in _parts(frames):
                    for batch in segment.read(part, needed):
                        yield plan.erased.keep(conform(batch, schema)).select(list(columns))

    def _plan(self, wanted: Wanted) -> Plan:
        found = [path for folder in layout.writer_folders(self._root) for path in layout.segments(folder)]
        snapshot = self._lake.snapshot({path.folder.name for path in found})
        waiting = [path for path in found if path.number > snapshot.taken_in.get(path.folder.name, 0)]
        self._known = {path: self._known.get(path) or SegmentReader(path) for path in waiting}
        segments = []
        for segment in self._known.values():
            segment.refresh()
            frames = segment.wanted(wanted)
            if frames:
                segments.append((segment, frames))
        until = {} if self._everyone else self._erasures.until()
        return Plan(snapshot.version, snapshot.wanted(wanted), segments, Filter(self._table, until))


def _changing() -> Busy:
    return Busy("the log was rewritten while it was read", hint="read again")


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


def _files(folder: Path, suffix: str) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time (nanoseconds) of each file that ends so; of a folder that is not there, none."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix):
                with suppress(FileNotFoundError):  # gone meanwhile
                    seen = entry.stat()
                    found.append((entry.path, seen.st_size, seen.st_mtime_ns))
    return found
