"""The log for others' tools: a DuckDB relation over its files, a Parquet file of a window."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import Unavailable
from modelyard.decisions.errors import storage_error
from modelyard.decisions.files import sync_file, sync_folder
from modelyard.decisions.tables import Plan

_ROWS = 1 << 16
_BYTES = 64 << 20


def relation(connection: Any, plan: Plan, tail: Any, columns: Sequence[str], where: str) -> Any:
    """A DuckDB relation of the plan's files, and of `tail` (an Arrow table with what is in no file yet)."""
    names = [f"modelyard_{part}_{uuid.uuid4().hex}" for part in ("tail", "erased")]
    connection.register(names[0], tail)
    source = f"SELECT * FROM {names[0]}"  # noqa: S608 - a name made here
    if plan.files:
        files = ", ".join(text(str(file.path)) for file in plan.files)
        source += f" UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name=true, hive_partitioning=false)"  # noqa: S608
    tests = [where] if where else []
    if plan.erased.needs:
        key, time = plan.erased.needs
        connection.register(names[1], plan.erased.table())
        tests.append(f"NOT EXISTS (SELECT 1 FROM {names[1]} e WHERE e.whom = rows.{key} AND rows.{time} <= e.until)")  # noqa: S608
    shown = ", ".join(f'"{name}"' for name in columns)
    condition = f" WHERE {' AND '.join(tests)}" if tests else ""
    return connection.sql(f"SELECT {shown} FROM ({source}) rows{condition}")  # noqa: S608 - names are ours, values are quoted


def check_duckdb() -> None:
    """Raises Unavailable, naming what to install, where DuckDB is not."""
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise Unavailable("DuckDB is not installed", hint="pip install 'modelyard[query]'") from error


def text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def write_parquet(batches: Iterator[Any], schema: Any, path: Path) -> int:
    """Batches as one Parquet file that appears whole and durable, or not at all. Returns its rows. Raises StorageFull,
    LogUnwritable."""
    from pyarrow import parquet

    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex}.tmp")
    rows = 0
    try:
        with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for table in _pieces(batches, schema):
                writer.write_table(table)
                rows += table.num_rows
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _pieces(batches: Iterator[Any], schema: Any) -> Iterator[Any]:
    """What makes a row group of a good size."""
    waiting: list[Any] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _ROWS or size >= _BYTES:
            yield pa.Table.from_batches(waiting, schema=schema)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema=schema)
