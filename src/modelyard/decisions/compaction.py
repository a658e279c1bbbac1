"""Compaction: sealed segments become Delta Lake, each exactly once, whoever dies when.

    Compactor(root).run()        by the worker, every few minutes; safe to repeat, one at a time under a root

Segments of all writers are taken in with one commit, which also says (as Delta's application transactions: the writer, the number
of its last segment) that they are. Until that commit is on the disk nothing is removed; after it they are never taken in again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import structlog

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import WrongState
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import adoption, layout
from modelyard.decisions.erasures import Erasures, Filter
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import exclusive, sync_folder, try_lock
from modelyard.decisions.lake import LakeFile, conform
from modelyard.decisions.lakewriting import Change, LakeWriter
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.schema import DECISION_TABLE, SCHEMA_VERSION, TableSpec
from modelyard.decisions.segment import SegmentReader

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Keeping:
    """How much is done at once, how large files get, and how long what was replaced stays for who still reads it.

    `commit_bytes` of rows in memory go into one commit; files of a day and bucket are merged up to `file_bytes`, `merge_from` of
    about a size at a time; `segments_for` and `files_for` are how long compacted segments and replaced files stay,
    `folders_for` how long the empty folder of a dead writer does.
    """

    commit_bytes: int = 128 << 20
    file_bytes: int = 32 << 20
    merge_from: int = 8
    segments_for: timedelta = timedelta(minutes=10)
    files_for: timedelta = timedelta(hours=1)
    folders_for: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Compacted:
    """What a run did: segments and rows taken in, data files written for them, and files merged into larger ones.

    `damaged` are segments that no longer read as written; their writers' later ones wait for them to be restored. `leased` is
    false when somebody else was at it and nothing was done.
    """

    segments: int = 0
    rows: int = 0
    files: int = 0
    merged: int = 0
    damaged: tuple[str, ...] = ()
    leased: bool = True


@dataclass
class _Batch:
    rows: list[Any] = field(default_factory=list)
    segments: list[SegmentPath] = field(default_factory=list)
    with_erased: list[SegmentPath] = field(default_factory=list)
    bytes: int = 0


class Compactor:
    """Compacts one log: decisions, or with `table` outcomes.

    `removable` says of a compacted segment whether its files may go now (a runtime that ships segments elsewhere keeps them until
    it has). Raises StorageFull or LogUnwritable when the disk refuses; nothing is lost then, and the next run goes on.
    """

    def __init__(
        self,
        root: Path,
        *,
        table: TableSpec = DECISION_TABLE,
        keeping: Keeping | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
        removable: Callable[[SegmentPath], bool] | None = None,
    ) -> None:
        self._root, self._table = root, table
        self._keeping, self._clock, self._faults = keeping or Keeping(), clock or SystemClock(), faults or NoFaults()
        self._removable = removable or (lambda _: True)

    def run(self) -> Compacted:
        """Take in every segment that is sealed, merge small files, remove what nobody needs. Idempotent."""
        if not layout.writer_folders(self._root):
            return Compacted()
        with self._disk():
            lease = try_lock(self._root / layout.COMPACTING)
            if lease is None:
                return Compacted(leased=False)
            with lease:
                return self._held().run()

    @contextmanager
    def held(self) -> Iterator[Compaction]:
        """The lease, for who must rewrite; waits for its turn."""
        with self._disk(), exclusive(self._root / layout.COMPACTING):
            yield self._held()

    def _held(self) -> Compaction:
        lake = LakeWriter(self._root, self._table, self._clock, self._faults)
        return Compaction(self._root, self._table, lake, self._keeping, self._clock, self._faults, self._removable)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self._root / layout.DELTA) from error


class Compaction:
    """One turn under the lease."""

    def __init__(
        self,
        root: Path,
        table: TableSpec,
        lake: LakeWriter,
        keeping: Keeping,
        clock: Clock,
        faults: Faults,
        removable: Callable[[SegmentPath], bool],
    ) -> None:
        self._root, self._table, self.lake = root, table, lake
        self._keeping, self._clock, self._faults, self._removable = keeping, clock, faults, removable
        self._damaged: list[SegmentPath] = []

    def run(self) -> Compacted:
        """Everything that is due."""
        done = self.take_in()
        merged = self._merge()
        self.remove_segments(self._keeping.segments_for)
        self.lake.tidy(self._keeping.files_for)
        adoption.forget_dead(self._root, self._keeping.folders_for, self._clock.now().timestamp())
        return Compacted(done.segments, done.rows, done.files, merged, done.damaged)

    def take_in(self) -> Compacted:
        """All sealed segments into the table, those of dead writers sealed first. Erased rows are left out."""
        self._damaged = adoption.adopt_dead(self._root).damaged
        segments = rows = files = 0
        for batch in self._batches():
            table = pa.Table.from_batches(batch.rows, schema=self._table.schema)
            change = Change("WRITE", self.lake.write(table) if table.num_rows else [])
            for path in batch.segments:
                change.taken_in[path.folder.name] = path.number
            self.lake.commit(change)
            self._note(batch)
            segments, rows, files = segments + len(batch.segments), rows + table.num_rows, files + len(change.added)
        names = tuple(f"{p.folder.name}/{p.data.name}" for p in self._damaged)
        if names:
            _log.error("segments of the decision log are damaged and stay as they are", segments=names)
        return Compacted(segments, rows, files, damaged=names)

    def remove_segments(self, keep_for: timedelta) -> int:
        """Remove the files of segments that were taken in so long ago. Returns how many segments went."""
        removed = 0
        taken_in = self._taken_in()
        self._remember(taken_in)
        for folder in layout.writer_folders(self._root):
            last = taken_in.get(folder.name, 0)
            gone = [s for s in _named(folder) if s.number <= last and self._may_go(s, keep_for)]
            for path in gone:
                path.data.unlink(missing_ok=True)
                self._faults.reach("decisions.compaction.segment_removed")
                path.seal.unlink(missing_ok=True)
            if gone:
                sync_folder(folder)
            removed += len(gone)
        return removed

    def _batches(self) -> Iterator[_Batch]:
        """Segments in order, writer by writer, as many at a time as fit."""
        until = Erasures(self._root).until()
        erased = Filter(self._table, until)
        taken_in = self._taken_in()
        batch = _Batch()
        for folder in layout.writer_folders(self._root):
            for path in layout.segments(folder):
                if path.number <= taken_in.get(folder.name, 0):
                    continue
                rows = self._rows(path)
                if rows is None:
                    break
                kept = [erased.keep(r) for r in rows]
                if any(k.num_rows < r.num_rows for k, r in zip(kept, rows, strict=True)):
                    batch.with_erased.append(path)
                batch.rows += [r for r in kept if r.num_rows]
                batch.segments.append(path)
                batch.bytes += sum(r.nbytes for r in kept)
                if batch.bytes >= self._keeping.commit_bytes:
                    yield batch
                    batch = _Batch()
        if batch.segments:
            yield batch

    def _rows(self, path: SegmentPath) -> list[Any] | None:
        """All rows of a segment; None when it is not sealed, or cannot be read: those after it wait, as numbers say how far."""
        if adoption.needs_seal(path):
            return None
        try:
            segment = SegmentReader(path)
            if segment.header.schema_version > SCHEMA_VERSION and self._lacks(segment):
                raise WrongState(
                    f"segment {path.folder.name}/{path.data.name} was written by a newer version",
                    hint="let that version's worker compact, or update this one",
                )
            segment.refresh()
            return [conform(batch, self._table.schema) for batch in segment.read(segment.frames, self._table.schema.names)]
        except LogDamaged as damage:
            _log.error("a segment of the decision log is damaged", detail=damage.detail)
            self._damaged.append(path)
            return None

    def _lacks(self, segment: SegmentReader) -> bool:
        return not set(segment.columns) <= self._table.names

    def _merge(self) -> int:
        """Files of about a size become one, so that there are few and each row is written again a few times only."""
        merged = 0
        erased = Filter(self._table, Erasures(self._root).until())
        for files in self._mergeable():
            self.lake.merge(files, erased.keep)
            merged += len(files)
        return merged

    def _mergeable(self) -> Iterator[list[LakeFile]]:
        places: dict[tuple[date, int, int], list[LakeFile]] = {}
        today = self._clock.now().astimezone(UTC).date()
        for file in self.lake.snapshot().files:
            if file.size < self._keeping.file_bytes // 2:
                settled = today - file.day > timedelta(days=1)
                tier = 0 if settled else file.size.bit_length() // 3
                places.setdefault((file.day, file.bucket, tier), []).append(file)
        for files in places.values():
            if len(files) >= self._keeping.merge_from:
                yield from self._groups(sorted(files, key=lambda f: f.extent.min_id))

    def _groups(self, files: list[LakeFile]) -> Iterator[list[LakeFile]]:
        group: list[LakeFile] = []
        for file in files:
            group.append(file)
            if sum(f.size for f in group) >= self._keeping.file_bytes:
                yield group
                group = []
        if len(group) > 1:
            yield group

    def _taken_in(self) -> dict[str, int]:
        return dict(self.lake.snapshot([f.name for f in layout.writer_folders(self._root)]).taken_in)

    def _note(self, batch: _Batch) -> None:
        """Seals bear the time since when their segments are not needed; those with erased rows are not kept for any reader."""
        now = self._clock.now().timestamp()
        for path in batch.segments:
            since = 0.0 if path in batch.with_erased else now
            os.utime(path.seal, (since, since))

    def _remember(self, taken_in: dict[str, int]) -> None:
        """Numbers of removed segments must not be used again, not even by who never sees the table."""
        known = layout.compacted(self._root)
        now = known | {w: max(n, known.get(w, 0)) for w, n in taken_in.items() if n}
        if now != known:
            layout.remember_compacted(self._root, now)
            self._faults.reach("decisions.compaction.remembered")

    def _may_go(self, path: SegmentPath, keep_for: timedelta) -> bool:
        try:
            age = self._clock.now().timestamp() - path.seal.stat().st_mtime
        except FileNotFoundError:
            return self._removable(path)
        return abs(age) >= keep_for.total_seconds() and self._removable(path)


def _named(folder: Path) -> list[SegmentPath]:
    """Every segment of which a file is left."""
    numbers = {int(p.stem) for p in folder.iterdir() if p.suffix in (".seg", ".json") and p.stem.isdigit()}
    return [SegmentPath(folder, number) for number in sorted(numbers)]
