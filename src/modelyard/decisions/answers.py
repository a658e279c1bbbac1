"""Answers that batches wrote to files: whose rows are where, and how rows of the erased leave them.

A batch's decisions have ids of their batch and part (`runtime.batch.idents` makes them), so that nothing else has to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions.files import sync_file, sync_folder
from modelyard.decisions.minting import PREFIX

_ID = "decision_id"
_AT_ONCE = 500
"""Ids in one predicate of a Delta table."""


def by_part(batch: str, ids: Iterable[str]) -> dict[int, list[str]]:
    """Those of the decisions that this batch made, by the number of their part."""
    time = batch.rpartition("_")[2][:12]
    found: dict[int, list[str]] = {}
    for decision in ids:
        digits = decision.removeprefix(PREFIX)
        if len(digits) == 32 and digits.startswith(time):
            found.setdefault(int(digits[19:24], 16), []).append(decision)
    return found


def part_name(batch: str, part: int) -> str:
    """How the file with the answers of a part is called."""
    return f"part-{part:06d}-{batch.rpartition('_')[2][-12:]}.parquet"


def hits(source: Path | pa.BufferReader, ids: Iterable[str]) -> int:
    """How many rows of a Parquet file are answers of these decisions. Raises OSError, ArrowException, KeyError without ids."""
    from pyarrow import parquet

    values = pa.array(list(ids), pa.string())
    with parquet.ParquetFile(source) as file:
        if _ID not in file.schema_arrow.names:
            raise KeyError(f"there is no column {_ID}")
        found = (pc.sum(_of(b.column(0), values)).as_py() or 0 for b in file.iter_batches(columns=[_ID]))
        return int(sum(found))


def rewrite(path: Path, ids: Iterable[str]) -> None:
    """Leave the rows of these decisions out of a Parquet file, which is replaced as a whole: durable on return, and the old file
    or the new one is there at any time. Raises OSError, ArrowException."""
    from pyarrow import parquet

    values, fresh = pa.array(list(ids), pa.string()), path.with_name(f".{path.name}.erasing")
    try:
        with parquet.ParquetFile(path) as file, parquet.ParquetWriter(fresh, file.schema_arrow, store_schema=False) as out:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                out.write_table(table.filter(pc.invert(_of(table[_ID], values))))
        sync_file(fresh)
        fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def _of(column: Any, values: Any) -> Any:
    """Which rows are of these decisions, whatever text the writer made of ids (Delta's library writes views)."""
    return pc.is_in(column.cast(pa.string()), value_set=values)


def unreachable() -> tuple[type[Exception], ...]:
    """What reading and writing files of answers raises when it cannot be done."""
    from deltalake.exceptions import DeltaError

    return (OSError, pa.ArrowException, KeyError, DeltaError)


class DeltaAnswers:
    """A Delta table of answers. Raises what deltalake raises where it is none."""

    def __init__(self, folder: Path) -> None:
        from deltalake import DeltaTable

        self._folder, self._table = folder, DeltaTable(str(folder))

    def files(self) -> list[Path]:
        """Those that the table names, and those that it named once and that are still there."""
        return sorted(self._named() | set(self._replaced()))

    def hit(self, ids: list[str]) -> dict[Path, int]:
        """The files with rows of these decisions, and how many."""
        counted = {path: hits(path, ids) for path in self.files()}
        return {path: count for path, count in counted.items() if count}

    def rewrite(self, ids: list[str], note: Mapping[str, str]) -> None:
        """Delete the rows by commits of the table, and remove the files that it does not name any more: earlier versions of the
        table end here. What others have in the folder, or are writing, stays. `note` is told in each commit."""
        from deltalake import ColumnProperties, CommitProperties, WriterProperties

        plain = WriterProperties(default_column_properties=ColumnProperties(statistics_enabled="NONE"))  # they quote values
        told = CommitProperties(custom_metadata=dict(note))
        standing = self._named()
        wanted = ids if any(hits(path, ids) for path in standing) else []
        for first in range(0, len(wanted), _AT_ONCE):
            listed = ", ".join(f"'{decision}'" for decision in wanted[first : first + _AT_ONCE])
            self._table.delete(f"{_ID} in ({listed})", writer_properties=plain, commit_properties=told)
        newest = max((self._folder / "_delta_log").glob("*.json"))
        for path in (*(self._named() - standing), newest):
            sync_file(path)
        sync_folder(self._folder / "_delta_log")
        sync_folder(self._folder)
        for path in {
            *(standing - self._named()),
            *self._replaced(),
        }:  # what was replaced this moment is no candidate of vacuum yet
            path.unlink(missing_ok=True)
        sync_folder(self._folder)

    def _named(self) -> set[Path]:
        return {self._folder / Path(uri).name for uri in self._table.file_uris()}

    def _replaced(self) -> list[Path]:
        named: Any = self._table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)
        return [path for path in (self._folder / Path(text).name for text in named) if path.exists()]
