"""The database in a portable form: every declared table as JSON lines, all of them from one snapshot.

One reading transaction sees one moment (SQLite: a WAL snapshot; PostgreSQL: REPEATABLE READ) and holds nobody up. A line is a
record as it is kept; columns, indexes and search words are made from records when they are read back, by the storage adapter's
own rules, so what was written from either database can be read into either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from modelyard.core.errors import InvalidInput, NotFound, Untrusted, WrongState
from modelyard.core.records import Table
from modelyard.storage.backup.archive import Archive, ArchiveWriter, damaged
from modelyard.storage.engines import engine_for
from modelyard.storage.failures import translated
from modelyard.storage.layout import Layout, Layouts
from modelyard.storage.migrations import newest, revision_of, upgrade_on
from modelyard.storage.schema import SQLITE
from modelyard.storage.statements import Statements

FOLDER = "database"
PATIENCE = 30.0
_ROWS_AT_ONCE = 500


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite address; None for a server."""
    parsed = sa.make_url(url)
    return Path(parsed.database or "") if parsed.drivername == SQLITE else None


def dump(url: str, tables: Iterable[Table[Any]], writer: ArchiveWriter) -> tuple[str, dict[str, int]]:
    """Write all tables; gives the schema's revision and the rows by table. Raises NotFound when there is no database,
    WrongState when its schema is not this program's, Untrusted for a row that is no record."""
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise NotFound(f"there is no database at {file}", field="database", hint="is this the installation's folder?")
    with _snapshot(url) as connection:
        revision = revision_of(connection)
        if revision is None or revision != newest():
            raise WrongState(
                f"the database is at schema {revision or 'none'}, this program at {newest()}",
                hint="make the backup with the version of modelyard that runs on it",
            )
        return revision, {layout.table.name: _dump_one(connection, layout, writer) for layout in Layouts(tables)}


@contextmanager
def _snapshot(url: str) -> Iterator[sa.Connection]:
    engine = engine_for(url, PATIENCE, True)
    try:
        with translated(), engine.connect() as connection:
            if engine.dialect.name == SQLITE:
                connection.execution_options(modelyard_writable=False)
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection
    finally:
        engine.dispose()


def _dump_one(connection: sa.Connection, layout: Layout[Any], writer: ArchiveWriter) -> int:
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        name = layout.table.name
        columns = sa.table(name, sa.column("id"), sa.column("body"))
        rows = connection.execution_options(stream_results=True).execute(sa.select(columns).order_by(columns.c.id))
        for row in rows.yield_per(_ROWS_AT_ONCE):
            _record_of(layout, row.body, row.id)
            count += 1
            yield row.body.encode() + b"\n"

    writer.add(_name(layout), lines())
    return count


def _record_of(layout: Layout[Any], body: str, row_id: str | None = None) -> Any:
    try:
        record = layout.table.record.model_validate_json(body)
    except ValidationError as error:
        where = f"row {row_id!r}" if row_id is not None else "a row"
        raise Untrusted(
            f"{where} of {layout.table.name} is no record: {error.errors()[0]['msg']}", hint="`modelyard audit verify` tells more"
        ) from error
    if (row_id is not None and record.id != row_id) or "\n" in body:
        raise Untrusted(f"row {row_id!r} of {layout.table.name} is not as it was written", hint="run `modelyard audit verify`")
    return record


def load(url: str, tables: Iterable[Table[Any]], archive: Archive) -> None:
    """Read all tables into an empty database, in one transaction: all of it or nothing. Raises WrongState when the database
    is not empty or the backup's schema is not this program's, Untrusted when the backup holds what is no record."""
    layouts = list(Layouts(tables))
    _require_known(archive, layouts)
    file = sqlite_file(url)
    made = file is not None and not file.exists()
    engine = engine_for(url, PATIENCE, True)
    try:
        with translated(), engine.begin() as connection:
            if sa.inspect(connection).get_table_names():
                raise WrongState("the database to restore into is not empty", field="database", hint="give an empty one")
            upgrade_on(connection)
            for layout in layouts:
                _load_one(connection, layout, archive)
    except BaseException:
        engine.dispose()
        if file is not None and made:
            for path in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
                path.unlink(missing_ok=True)
        raise
    finally:
        engine.dispose()


def _require_known(archive: Archive, layouts: list[Layout[Any]]) -> None:
    facts: Mapping[str, Any] = archive.manifest.facts
    if facts.get("schema") != newest():
        raise WrongState(
            f"the backup is of schema {facts.get('schema')}, this program makes {newest()}",
            hint=f"restore it with modelyard {facts.get('version')}, then upgrade",
        )
    known = {layout.table.name for layout in layouts}
    if set(archive.manifest.rows) != known or set(archive.names(FOLDER)) != {_name(layout) for layout in layouts}:
        raise InvalidInput("the backup has other tables than this program", hint="use the version that wrote it")


def _load_one(connection: sa.Connection, layout: Layout[Any], archive: Archive) -> None:
    statements = Statements(layout, connection.dialect)
    count = 0
    for line in archive.lines(_name(layout)):
        body = _text(line, layout)
        record = _record_of(layout, body)
        row = statements.row(layout.scalars(record), body, layout.words(record) if layout.table.text else ())
        if statements.add.run(connection, row).rowcount != 1:
            raise damaged(f"{layout.table.name} holds {record.id!r} twice")
        count += 1
    if count != archive.manifest.rows[layout.table.name]:
        raise damaged(f"{layout.table.name} has {count} rows, not {archive.manifest.rows[layout.table.name]}")


def _text(line: bytes, layout: Layout[Any]) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise damaged(f"{layout.table.name} is not UTF-8") from error


def _name(layout: Layout[Any]) -> str:
    return f"{FOLDER}/{layout.table.name}.jsonl"
