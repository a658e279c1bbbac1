"""The output as a Delta table: files are written as they are done, and become part of the table in one commit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import InvalidInput
from modelyard.decisions.files import sync_folder


def require_compatible(out: Path, schema: Any) -> None:
    """Raises InvalidInput when Delta knows a type not, or the table there has other columns."""
    from deltalake import DeltaTable, Schema

    try:
        wanted = Schema.from_arrow(_plain(schema))
    except Exception as error:  # deltalake raises plain exceptions for types it does not know
        raise InvalidInput(f"Delta cannot hold the output: {error}", field="format", hint="write Parquet") from error
    if DeltaTable.is_deltatable(str(out)):
        table = DeltaTable(str(out))
        have = {field.name: str(field.type) for field in table.schema().fields}
        need = {field.name: str(field.type) for field in wanted.fields}
        if have != need or table.metadata().partition_columns:
            raise InvalidInput(f"the table at {out} has other columns than the answers", field="out", hint="give another folder")


def commit(out: Path, batch: str, files: Sequence[tuple[Path, int]]) -> None:
    """Make the files part of the table, all at once; the batch's id as transaction makes sure that it happens once."""
    import pyarrow.parquet as pq
    from deltalake import CommitProperties, DeltaTable, Schema, Transaction
    from deltalake.transaction import AddAction, create_table_with_add_actions

    actions = [
        AddAction(path.name, path.stat().st_size, {}, int(path.stat().st_mtime * 1000), True, json.dumps({"numRecords": rows}))
        for path, rows in files
    ]
    properties = CommitProperties(app_transactions=[Transaction(batch, 1)], custom_metadata={"modelyard.batch": batch})
    if not DeltaTable.is_deltatable(str(out)):
        schema = Schema.from_arrow(_plain(pq.read_schema(files[0][0]) if files else pa.schema([])))
        create_table_with_add_actions(str(out), schema, actions, mode="append", commit_properties=properties)
    table = DeltaTable(str(out))
    if table.transaction_version(batch) is None:
        table.create_write_transaction(actions, "append", table.schema(), commit_properties=properties)
    _make_durable(out / "_delta_log")


def _make_durable(folder: Path) -> None:
    """Delta Lake's library leaves commits to the system; what is told as done must outlive a power cut."""
    newest = max(folder.glob("*.json"))
    with newest.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(folder)


def _plain(schema: Any) -> Any:
    """Dictionaries are a matter of the file, not of the table."""
    fields = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_fixed_size_list(kind):
            kind = pa.list_(kind.value_type)
        fields.append(pa.field(field.name, kind, nullable=True))
    return pa.schema(fields)
