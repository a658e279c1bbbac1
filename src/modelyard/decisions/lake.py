"""The Delta table of a log, for readers: which files are in it now, what is in each, and which segments it has taken in.

The first look is `deltalake`'s; later commits are read from their JSON as they come, which costs a millisecond and not a tenth of
a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa

from modelyard.decisions import layout
from modelyard.decisions.errors import LogDamaged
from modelyard.decisions.extents import Ranges, TextRange, Wanted
from modelyard.decisions.schema import TIME, TableSpec

LOG = "_delta_log"
BUCKETS = "modelyard.buckets"
_RESTORE = "restore the decision log from a backup; the log never guesses"
_ROWS_AT_ONCE = 1 << 16
_FOOTERS = 256


def log_file(folder: Path, version: int) -> Path:
    """The commit of a version."""
    return folder / LOG / f"{version:020}.json"


@dataclass(frozen=True)
class LakeFile:
    """A Parquet file of the table: its path relative to the table, and the extent of its rows."""

    folder: Path
    name: str
    size: int
    rows: int
    day: date
    bucket: int
    extent: Ranges

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @cached_property
    def footer(self) -> Any:
        """Parquet's metadata. Raises LogDamaged naming the file, FileNotFoundError when it was replaced."""
        from pyarrow import parquet

        try:
            return parquet.read_metadata(self.path)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def read(self, table: TableSpec, wanted: Wanted, columns: Sequence[str]) -> Iterator[Any]:
        """Arrow batches of these columns, without row groups that are not wanted. Raises LogDamaged, FileNotFoundError."""
        from pyarrow import parquet

        groups = [n for n, extent in enumerate(self.groups(table)) if wanted.extent(extent)]
        if not groups:
            return
        schema = pa.schema([table.schema.field(name) for name in columns])
        present = [name for name in columns if name in self.footer.schema.names]
        try:
            with parquet.ParquetFile(self.path, metadata=self.footer, page_checksum_verification=True) as source:
                for batch in source.iter_batches(_ROWS_AT_ONCE, groups, present):
                    yield conform(batch, schema)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def groups(self, table: TableSpec) -> list[Ranges]:
        """The extent of each row group."""
        return _groups(self, table)

    def _damaged(self, error: Exception) -> LogDamaged:
        return LogDamaged(f"{layout.DELTA}/{self.name} does not read: {error}", hint=_RESTORE)


@dataclass(frozen=True)
class Snapshot:
    """The table at one version; version -1 where there is none yet. `taken_in` is by writer the greatest number of a segment
    that is in it."""

    version: int = -1
    files: tuple[LakeFile, ...] = ()
    taken_in: Mapping[str, int] = field(default_factory=dict)
    buckets: int = 1

    def wanted(self, wanted: Wanted) -> list[LakeFile]:
        """The files that may hold what is asked for."""
        return [f for f in self.files if wanted.bucket(f.bucket, self.buckets) and wanted.extent(f.extent)]


class Lake:
    """Keeps the newest snapshot and brings it up to date cheaply. Not safe for several threads."""

    def __init__(self, root: Path, table: TableSpec) -> None:
        self.folder = root / layout.DELTA
        self._table = table
        self._delta: Any = None
        self._version = -1
        self._files: dict[str, LakeFile] = {}
        self._all: tuple[LakeFile, ...] | None = None
        self._taken_in: dict[str, int] = {}
        self._buckets = 1
        self._mark: int | None = None
        self.columns: tuple[str, ...] = ()

    def snapshot(self, writers: Iterable[str]) -> Snapshot:
        """The newest version. `writers` says whose segments are asked about. Raises LogDamaged, and Busy when the table changes
        faster than it can be read."""
        self._refresh()
        if self._version < 0:
            return Snapshot()
        if self._all is None:
            self._all = tuple(self._files.values())
            _forget_footers(self._all)
        return Snapshot(self._version, self._all, {w: self._number(w) for w in writers}, self._buckets)

    def _number(self, writer: str) -> int:
        if writer not in self._taken_in:
            self._taken_in[writer] = self._delta.transaction_version(writer) or 0
        return self._taken_in[writer]

    def _refresh(self) -> None:
        try:
            mark = (self.folder / LOG).stat().st_mtime_ns
        except FileNotFoundError:
            return
        if mark == self._mark and not log_file(self.folder, self._version + 1).exists():
            return
        if self._version < 0 or not self._catch_up(mark):
            self._load()
        self._mark = mark

    def _catch_up(self, mark: int) -> bool:
        """Take in commits after the one known; says no when they are too many, not simple, or were cleaned away."""
        commits = []
        for version in range(self._version + 1, self._version + 100):
            try:
                commits.append(_commit(log_file(self.folder, version)))
            except FileNotFoundError:
                break
            except (msgspec.DecodeError, KeyError):
                return False
        if not commits:
            return not self._behind()
        if len(commits) >= 99 or any(c.foreign or c.metadata for c in commits):
            return False
        for commit in commits:
            for name in commit.removed:
                self._files.pop(name, None)
            for add in commit.added:
                found = self._of_action(add)
                self._files[found.name] = found
            self._taken_in |= commit.taken_in
        self._version += len(commits)
        self._all = None
        return True

    def _behind(self) -> bool:
        """Whether the table is at a later version whose way there was cleaned away."""
        newest = max((int(p.stem) for p in (self.folder / LOG).glob("*.json") if p.stem.isdigit()), default=-1)
        return newest > self._version

    def _load(self) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        failure: Exception | None = None
        for _ in range(20):
            try:
                delta = DeltaTable(self.folder)
                files = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
                self.columns = tuple(f.name for f in delta.schema().fields)
                break
            except TableNotFoundError as error:
                if log_file(self.folder, 0).exists() or self._version >= 0:
                    failure = error
                    continue
                return
            except Exception as error:  # noqa: BLE001 - deltalake raises whatever Rust has; told below
                failure = error
        else:
            raise self._unreadable(failure)
        self._delta, self._version = delta, delta.version()
        self._buckets = int(delta.metadata().configuration.get(BUCKETS, "1"))
        self._files = {}
        for row in files:
            found = self._of_row(row)
            self._files[found.name] = found
        self._all, self._taken_in = None, {}

    def _unreadable(self, failure: Exception | None) -> Exception:
        return LogDamaged(f"the Delta table {self.folder.parent.name}/{layout.DELTA} does not read: {failure}", hint=_RESTORE)

    def _of_row(self, row: dict[str, Any]) -> LakeFile:
        low = {key[4:]: value for key, value in row.items() if key.startswith("min.")}
        high = {key[4:]: value for key, value in row.items() if key.startswith("max.")}
        parts = {"date": str(row["partition.date"]), "bucket": str(row["partition.bucket"])}
        return self.file(row["path"], row["size_bytes"], row["num_records"], parts, low, high)

    def _of_action(self, add: dict[str, Any]) -> LakeFile:
        stats = msgspec.json.decode(add["stats"])
        low, high = stats["minValues"], stats["maxValues"]
        return self.file(add["path"], add["size"], stats["numRecords"], add["partitionValues"], low, high)

    def schema(self) -> Any:
        """The table's Arrow schema, with the columns it is partitioned by."""
        return pa.schema(self._delta.schema())

    def identity(self) -> str:
        """The table's id."""
        return str(self._delta.metadata().id)

    def file(
        self, path: str, size: int, rows: int, parts: Mapping[str, str], low: Mapping[str, Any], high: Mapping[str, Any]
    ) -> LakeFile:
        """A file by its path in the table, the values of its partition, and the ends of its columns."""
        table = self._table
        endpoint = table.endpoint_column
        extent = Ranges(
            low.get(table.id_column) or "",
            high.get(table.id_column) or _LAST,
            _least(low.get(table.time_column)),
            _greatest(high.get(table.time_column)),
            _micros(low.get("event_time")),
            _rounded_up(_micros(high.get("event_time"))),
            TextRange(low.get(endpoint), high.get(endpoint)) if endpoint else TextRange(None, None),
        )
        day, bucket = date.fromisoformat(parts["date"]), int(parts["bucket"])
        return LakeFile(self.folder, unquote(path), size, rows or 0, day, bucket, extent)


_LAST = "\U0010ffff"
_EVER = 1 << 62


@dataclass(frozen=True)
class _Commit:
    added: list[dict[str, Any]]
    removed: list[str]
    taken_in: dict[str, int]
    metadata: bool
    foreign: bool


def _commit(path: Path) -> _Commit:
    """A commit's actions. One that somebody else wrote with less than we write is told by `foreign`."""
    actions = [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line]
    added = [a["add"] for a in actions if "add" in a]
    stats = [msgspec.json.decode(a["stats"]) if a.get("stats") else {} for a in added]
    whole = all({"numRecords", "minValues", "maxValues"} <= told.keys() for told in stats)
    return _Commit(
        added,
        [unquote(a["remove"]["path"]) for a in actions if "remove" in a],
        {a["txn"]["appId"]: a["txn"]["version"] for a in actions if "txn" in a},
        any("metaData" in a or "protocol" in a for a in actions),
        not whole or any(a.get("deletionVector") for a in added),
    )


def _micros(value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return int(pa.scalar(value, TIME).value)


def _rounded_up(micros: int | None) -> int | None:
    """Others cut the greatest time to the millisecond."""
    return micros + 999 if micros is not None and micros % 1000 == 0 else micros


def _least(value: Any) -> int:
    found = _micros(value)
    return -_EVER if found is None else found


def _greatest(value: Any) -> int:
    found = _rounded_up(_micros(value))
    return _EVER if found is None else found


def conform(batch: Any, schema: Any) -> Any:
    """The batch with these columns in this order; those it lacks (they came with a later schema) are null."""
    if batch.schema.equals(schema):
        return batch
    names = set(batch.schema.names)
    arrays = [batch.column(f.name).cast(f.type) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _groups(file: LakeFile, table: TableSpec) -> list[Ranges]:
    known: list[Ranges] | None = file.__dict__.get("_ranges")
    if known is None:
        footer = file.footer
        places = {footer.schema.column(n).name: n for n in range(len(footer.schema.names))}
        known = [_group(footer.row_group(n), places, table) for n in range(footer.num_row_groups)]
        file.__dict__["_ranges"] = known
    return known


def _group(group: Any, places: Mapping[str, int], table: TableSpec) -> Ranges:
    def ends(name: str | None) -> tuple[Any, Any]:
        if name is None or name not in places:
            return None, None
        stats = group.column(places[name]).statistics
        if stats is None or not stats.has_min_max:
            return None, None
        return (stats.min, stats.max) if stats.physical_type == "BYTE_ARRAY" else (stats.min_raw, stats.max_raw)

    (first, last), (low, high) = ends(table.id_column), ends(table.time_column)
    (early, late), endpoints = ends("event_time"), ends(table.endpoint_column)
    return Ranges(first or "", last or _LAST, _least(low), _greatest(high), _micros(early), _micros(late), TextRange(*endpoints))


def _forget_footers(files: Sequence[LakeFile]) -> None:
    """Footers are kept of the newest files that were read, not of all."""
    held = [f for f in files if "footer" in f.__dict__]
    for file in held[:-_FOOTERS]:
        file.__dict__.pop("footer", None)
        file.__dict__.pop("_ranges", None)
