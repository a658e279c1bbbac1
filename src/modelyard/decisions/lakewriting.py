"""Writing the Delta table of a log, so that a power cut leaves one version or the next and never something between.

Delta's own writers do not sync to the disk. Here data files are synced before a commit names them, a commit appears whole, synced
and under a name that nobody has, and a checkpoint is made aside and moved into place. Only who holds the log's lease may write.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.clock import Clock
from modelyard.core.errors import Conflict
from modelyard.core.faults import Faults
from modelyard.decisions.extents import Everything, bucket_of
from modelyard.decisions.files import create_durably, make_folder, sync_file, sync_folder, write_atomically
from modelyard.decisions.lake import BUCKETS, LOG, Lake, LakeFile, Snapshot, log_file
from modelyard.decisions.schema import TableSpec

BUCKET_COUNT = 4
ROW_GROUP = 1 << 13
CHECKPOINT_EVERY = 20
KEPT_COMMITS = 10
_LAST_CHECKPOINT = "_last_checkpoint"


@dataclass
class Change:
    """What one commit does: files that come, files that go, and the segments (by writer, up to a number) taken in with it."""

    operation: str
    added: list[LakeFile] = field(default_factory=list)
    removed: list[LakeFile] = field(default_factory=list)
    taken_in: dict[str, int] = field(default_factory=dict)
    changes_data: bool = True


class LakeWriter:
    """The write side of the Delta table under a root. Makes the table, and widens its schema, when it is opened."""

    def __init__(self, root: Path, table: TableSpec, clock: Clock, faults: Faults) -> None:
        self._table, self._clock, self._faults = table, clock, faults
        self._lake = Lake(root, table)
        self.folder = self._lake.folder
        self._writers: set[str] = set()
        make_folder(self.folder / LOG, root)
        self._fit_schema()

    def snapshot(self, writers: Sequence[str] = ()) -> Snapshot:
        """The newest version."""
        return self._lake.snapshot(writers)

    def write(self, rows: Any) -> list[LakeFile]:
        """Rows (an Arrow table with the log's columns) as data files, one for each day and bucket, sorted by id; durable on
        return, and in no version yet."""
        keys = self._places(rows)
        rows = rows.combine_chunks()
        order = pc.sort_indices(
            rows.append_column("_place", pa.array(keys)),
            sort_keys=[("_place", "ascending"), (self._table.id_column, "ascending")],
        )
        found, counts = np.unique(keys, return_counts=True)
        files: list[LakeFile] = []
        start = 0
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            day, bucket = divmod(key, self._buckets)
            name = f"date={_day(day)}/bucket={bucket}/part-{uuid.uuid4()}.parquet"
            files.append(self._write_file(name, rows, order.slice(start, count)))
            start += count
        for folder in {file.path.parent for file in files}:
            sync_folder(folder)
        self._faults.reach("decisions.compaction.files_written")
        return files

    def commit(self, change: Change) -> int:
        """The next version, durable on return. Raises Conflict when somebody else wrote one."""
        now = self._millis()
        actions: list[dict[str, Any]] = [
            {"txn": {"appId": writer, "version": number, "lastUpdated": now}}
            for writer, number in sorted(change.taken_in.items())
        ]
        actions += [{"remove": self._remove_action(file, now, change.changes_data)} for file in change.removed]
        actions += [{"add": self._add_action(file, now, change.changes_data)} for file in change.added]
        version = self._append(change.operation, actions)
        for file in change.removed:
            self._mark_dropped(file.path)
        return version

    def tidy(self, keep_for: timedelta) -> int:
        """Make a checkpoint when it is due, and remove what no version has needed for so long. Returns how many files went."""
        last = self._last_checkpoint()
        version = self.snapshot().version
        if version - last >= CHECKPOINT_EVERY:
            self._checkpoint(version)
            last = version
        return self._clean_log(last, keep_for) + self.vacuum(keep_for)

    def vacuum(self, keep_for: timedelta) -> int:
        """Remove data files that are in no version, and have not been for so long. Returns how many."""
        live = {file.path for file in self.snapshot().files}
        gone = [p for p in self.folder.glob("date=*/bucket=*/*") if p not in live and self._old(p, keep_for)]
        for path in gone:
            path.unlink(missing_ok=True)
            self._faults.reach("decisions.compaction.file_removed")
        for folder in {path.parent for path in gone}:
            sync_folder(folder)
        return len(gone)

    def rewrite(self, files: Sequence[LakeFile], columns: Sequence[str], drop: Callable[[Any], Any], operation: str) -> int:
        """Take the rows that `drop` says (a mask, of batches with these columns) out of these files. Returns how many rows."""
        rows = 0
        for start in range(0, len(files), _REWRITTEN_AT_ONCE):
            change = Change(operation)
            for file in files[start : start + _REWRITTEN_AT_ONCE]:
                hit = sum(pc.sum(drop(batch)).as_py() or 0 for batch in file.read(self._table, Everything(), columns))
                if hit:
                    table = self._read(file)
                    left = table.filter(pc.invert(drop(table)))
                    change.added += self.write(left) if left.num_rows else []
                    change.removed.append(file)
                    rows += hit
            if change.removed:
                self.commit(change)
        return rows

    def merge(self, files: Sequence[LakeFile], keep: Callable[[Any], Any]) -> None:
        """One file of several of the same day and bucket. `keep` leaves out what must not be written again."""
        table = keep(pa.concat_tables([self._read(file) for file in files]))
        added = self.write(table) if table.num_rows else []
        self.commit(Change("OPTIMIZE", added, list(files), changes_data=False))
        self._faults.reach("decisions.compaction.merged")

    def _read(self, file: LakeFile) -> Any:
        schema = self._table.schema
        return pa.Table.from_batches(list(file.read(self._table, Everything(), schema.names)), schema=schema)

    @property
    def _buckets(self) -> int:
        return self.snapshot().buckets

    def _places(self, rows: Any) -> Any:
        """Day (since 1970) times buckets plus bucket, of each row."""
        count = self._buckets
        times = pc.cast(rows[self._table.time_column], pa.int64()).to_numpy()
        days = np.clip(np.floor_divide(times, _DAY), *_DAYS)
        ids = rows[self._table.id_column].to_pylist()
        return days * count + np.fromiter((bucket_of(i, count) for i in ids), np.int64, len(ids))

    def _write_file(self, name: str, rows: Any, order: Any) -> LakeFile:
        from pyarrow import parquet

        path = self.folder / name
        make_folder(path.parent, self.folder)
        schema = self._table.schema
        repeating = [n for n in schema.names if n not in _UNLIKE]
        ends = _Ends(self._table)
        with parquet.ParquetWriter(
            path, schema, compression="zstd", write_page_checksum=True, use_dictionary=repeating
        ) as writer:
            for start in range(0, len(order), ROW_GROUP):
                part = rows.take(order.slice(start, ROW_GROUP))
                ends.add(part)
                writer.write_table(part, ROW_GROUP)
        sync_file(path)
        parts = dict(part.split("=") for part in name.split("/")[:2])
        return self._lake.file(name, path.stat().st_size, len(order), parts, ends.low, ends.high)

    def _add_action(self, file: LakeFile, now: int, changes_data: bool) -> dict[str, Any]:
        extent = file.extent
        table = self._table
        stats: dict[str, Any] = {"numRecords": file.rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
        ends: dict[str, tuple[Any, Any]] = {
            table.id_column: (extent.min_id, extent.max_id),
            table.time_column: (_time(extent.min_time), _time(extent.max_time)),
        }
        if extent.min_event is not None and extent.max_event is not None:
            ends["event_time"] = (_time(extent.min_event), _time(extent.max_event))
        else:
            stats["nullCount"]["event_time"] = file.rows
        if table.endpoint_column and extent.endpoints.first is not None:
            ends[table.endpoint_column] = (extent.endpoints.first, extent.endpoints.last)
        for name, (low, high) in ends.items():
            stats["minValues"][name], stats["maxValues"][name] = low, high
        return {
            "path": quote(file.name, safe="/="),
            "partitionValues": {"date": file.day.isoformat(), "bucket": str(file.bucket)},
            "size": file.size,
            "modificationTime": now,
            "dataChange": changes_data,
            "stats": msgspec.json.encode(stats).decode(),
        }

    @staticmethod
    def _remove_action(file: LakeFile, now: int, changes_data: bool) -> dict[str, Any]:
        return {
            "path": quote(file.name, safe="/="),
            "deletionTimestamp": now,
            "dataChange": changes_data,
            "extendedFileMetadata": True,
            "partitionValues": {"date": file.day.isoformat(), "bucket": str(file.bucket)},
            "size": file.size,
        }

    def _append(self, operation: str, actions: list[dict[str, Any]]) -> int:
        version = self.snapshot().version + 1
        about = {"timestamp": self._millis(), "operation": operation, "engineInfo": "modelyard", "operationParameters": {}}
        lines = [{"commitInfo": about}, *actions]
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        self._faults.reach("decisions.compaction.commit")
        try:
            create_durably(log_file(self.folder, version), data)
        except FileExistsError as error:
            raise Conflict(f"somebody else wrote version {version} of the log's Delta table", hint="try again") from error
        self._faults.reach("decisions.compaction.committed")
        return version

    def _fit_schema(self) -> None:
        """Make the table, or give it the columns that came with a later version of the log."""
        snapshot = self.snapshot()
        if snapshot.version < 0:
            first = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
            self._append(
                "CREATE TABLE", [first, {"metaData": self._metadata(self._table.schema, str(uuid.uuid4()), BUCKET_COUNT)}]
            )
            return
        known = self._lake.schema()
        missing = [f for f in self._table.schema if f.name not in known.names]
        if missing:
            columns = [f for f in known if f.name not in _PARTITIONS]
            schema = pa.schema([*columns, *(pa.field(f.name, f.type) for f in missing)])
            self._append("ADD COLUMNS", [{"metaData": self._metadata(schema, self._lake.identity(), snapshot.buckets)}])

    def _metadata(self, schema: Any, identity: str, buckets: int) -> dict[str, Any]:
        from deltalake import Schema

        partitions = [pa.field("date", pa.date32(), nullable=False), pa.field("bucket", pa.int32(), nullable=False)]
        named = (self._table.id_column, self._table.time_column, "event_time", self._table.endpoint_column)
        return {
            "id": identity,
            "name": self._table.name,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": Schema.from_arrow(pa.schema([*schema, *partitions])).to_json(),
            "partitionColumns": list(_PARTITIONS),
            "configuration": {BUCKETS: str(buckets), "delta.dataSkippingStatsColumns": ",".join(filter(None, named))},
            "createdTime": self._millis(),
        }

    def _checkpoint(self, version: int) -> None:
        """Made beside the table by `deltalake`, synced, then moved into place."""
        from deltalake import DeltaTable

        aside = Path(mkdtemp(prefix="_checkpoint-", dir=self.folder))
        try:
            (aside / LOG).mkdir()
            for path in (self.folder / LOG).iterdir():
                if not path.name.endswith(".tmp"):
                    os.link(path, aside / LOG / path.name)
            (aside / LOG / _LAST_CHECKPOINT).unlink(missing_ok=True)
            if (self.folder / LOG / _LAST_CHECKPOINT).exists():
                shutil.copyfile(self.folder / LOG / _LAST_CHECKPOINT, aside / LOG / _LAST_CHECKPOINT)
            DeltaTable(aside).create_checkpoint()
            made = aside / LOG / f"{version:020}.checkpoint.parquet"
            sync_file(made)
            made.replace(self.folder / LOG / made.name)
            sync_folder(self.folder / LOG)
            self._faults.reach("decisions.compaction.checkpoint")
            write_atomically(self.folder / LOG / _LAST_CHECKPOINT, (aside / LOG / _LAST_CHECKPOINT).read_bytes())
        finally:
            shutil.rmtree(aside)

    def _last_checkpoint(self) -> int:
        try:
            return int(msgspec.json.decode((self.folder / LOG / _LAST_CHECKPOINT).read_bytes())["version"])
        except (FileNotFoundError, msgspec.DecodeError):
            return -1  # the next checkpoint writes it anew

    def _clean_log(self, checkpoint: int, keep_for: timedelta) -> int:
        """Remove commits and checkpoints that the last checkpoint stands for; what a crash left of an earlier one too."""
        gone = [p for p in (self.folder / LOG).iterdir() if self._needless(p, checkpoint) and self._old(p, keep_for)]
        for path in sorted(gone):
            path.unlink(missing_ok=True)
        for left in self.folder.glob("_checkpoint-*"):
            shutil.rmtree(left, ignore_errors=True)
        if gone:
            sync_folder(self.folder / LOG)
        return len(gone)

    @staticmethod
    def _needless(path: Path, checkpoint: int) -> bool:
        if path.name.endswith(".tmp"):
            return True
        number = path.name.split(".", 1)[0]
        return number.isdigit() and int(number) < checkpoint - (KEPT_COMMITS if path.suffix == ".json" else 0)

    def _mark_dropped(self, path: Path) -> None:
        """A file's time says since when it is in no version."""
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))

    def _old(self, path: Path, keep_for: timedelta) -> bool:
        """Whether a file has been as it is for so long; a time in the far future is a clock that was wrong."""
        try:
            age = self._clock.now().timestamp() - path.stat().st_mtime
        except FileNotFoundError:
            return False
        return abs(age) >= keep_for.total_seconds()

    def _millis(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


_PARTITIONS = ("date", "bucket")
_DAY = 86_400_000_000
_DAYS = ((date(1, 1, 1) - date(1970, 1, 1)).days, (date(9999, 12, 31) - date(1970, 1, 1)).days)
_REWRITTEN_AT_ONCE = 64
_UNLIKE = {"id", "decision_id", "inputs", "output", "values", "decision_time", "recorded_time", "request", "trace", "parts"}


class _Ends:
    """The least and the greatest value of the columns by which files are skipped; times in microseconds."""

    def __init__(self, table: TableSpec) -> None:
        self._names = [n for n in (table.id_column, table.time_column, "event_time", table.endpoint_column) if n]
        self.low: dict[str, Any] = {}
        self.high: dict[str, Any] = {}

    def add(self, rows: Any) -> None:
        for name in self._names:
            column = rows[name]
            ends = pc.min_max(column if pa.types.is_string(column.type) else pc.cast(column, pa.int64()))
            low, high = ends["min"].as_py(), ends["max"].as_py()
            if low is not None:
                self.low[name] = min(low, self.low.get(name, low))
                self.high[name] = max(high, self.high.get(name, high))


def _day(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def _time(micros: int) -> str:
    """A time as Delta's statistics have it; times that no calendar has are the nearest ones that it has."""
    days, rest = divmod(micros, _DAY)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=min(max(days, _DAYS[0]), _DAYS[1]), microseconds=rest)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
