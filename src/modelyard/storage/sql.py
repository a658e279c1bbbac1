"""Storage in SQLite and PostgreSQL: one adapter, two dialects.

SQLite: one writer at a time (`BEGIN IMMEDIATE`), readers keep their snapshot (WAL). Every commit is flushed to the disk
(`synchronous=FULL`); with `durable=False` it is not (`NORMAL`), and a power failure, not a crash of the process, can then lose
the last commits without harming the database. PostgreSQL: SERIALIZABLE for writing, a read-only snapshot for reading.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from modelyard.core.errors import Busy, WrongState
from modelyard.core.records import Page, Query, R, Record, Table
from modelyard.storage import schema
from modelyard.storage.engines import engine_for
from modelyard.storage.failures import translated
from modelyard.storage.layout import FieldKind, Layouts, Search, write_cursor
from modelyard.storage.refusals import already_exists, not_found, refuse_append_only, refuse_reading, stale
from modelyard.storage.statements import Segment, Statements, in_any_order

SORTED = 300
"""So many rows, found by what a query asks for, are sorted for one page."""


class SqlStorage:
    """Keeps records in the database at `url` (`sqlite:///path` or `postgresql://…`).

    `patience` is how long, in seconds, a lock is waited for before Busy. Safe to use from several threads and processes.
    """

    def __init__(self, url: str, tables: Iterable[Table[Any]], *, patience: float = 5.0, durable: bool = True) -> None:
        self.engine = engine_for(url, patience, durable)
        self._layouts = Layouts(tables)
        self._patience = patience
        dialect = self.engine.dialect
        self._statements = {layout.table.name: Statements(layout, dialect) for layout in self._layouts}
        # Threads of one process queue here: SQLite's own waiting is by polling and unfair.
        self._turn = threading.Lock() if dialect.name == schema.SQLITE else None

    def create(self) -> None:
        """Create the declared tables that are missing, without migrations; for tests and tools."""
        with translated(), self.engine.begin() as connection:
            schema.create(connection, [schema.shape_of(layout) for layout in self._layouts])

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        with self._my_turn(), self._session(writable=True) as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        with self._session(writable=False) as tx:
            yield tx

    @contextmanager
    def _session(self, *, writable: bool) -> Iterator[SqlTransaction]:
        with translated(), self.engine.connect() as connection:
            connection.execution_options(**_options(self.engine.dialect.name, writable))
            with connection.begin():
                tx = SqlTransaction(connection, self._layouts, self._statements, writable=writable)
                try:
                    yield tx
                finally:
                    tx.end()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._patience):
            raise Busy("another transaction did not end in time")
        try:
            yield
        finally:
            self._turn.release()


def _options(dialect: str, writable: bool) -> dict[str, Any]:
    if dialect == schema.SQLITE:
        return {"modelyard_writable": writable}
    level = "SERIALIZABLE" if writable else "REPEATABLE READ"
    return {"isolation_level": level, "postgresql_readonly": not writable}


class SqlTransaction:
    """A unit of work on one connection."""

    def __init__(self, connection: sa.Connection, layouts: Layouts, statements: dict[str, Statements], *, writable: bool) -> None:
        self._connection, self._layouts, self._statements = connection, layouts, statements
        self._writable, self._ended = writable, False
        # What was read stays what it is until this transaction changes it; subjects, handlers and the audit ask for the same.
        self._bodies: dict[tuple[str, str], str] = {}

    def end(self) -> None:
        self._ended = True

    def add(self, table: Table[R], record: R) -> R:
        statements = self._for_writing(table)
        row = self._row(statements, record)
        if statements.add.run(self._connection, row).rowcount == 0:
            self._refuse_taken(statements, row)
            raise Busy(f"{table.name}: the same record is being added elsewhere")
        return record

    def get(self, table: Table[R], record_id: str) -> R:
        statements = self._of(table)
        body = self._bodies.get((table.name, record_id))
        if body is None:
            body = statements.get.run(self._connection, {"its_id": _plain_id(record_id)}).scalar()
            if body is None:
                raise not_found(table, record_id)
            self._bodies[table.name, record_id] = body
        return table.record.model_validate_json(body)

    def find(self, table: Table[R], query: Query) -> Page[R]:
        statements = self._of(table)
        search = self._layouts[table].check(query)
        if search.claim:
            refuse_reading(self._writable)
        rows = self._rows(statements, search)
        items = tuple(table.record.model_validate_json(body) for body, _, _ in rows[: search.limit])
        if len(rows) <= search.limit:
            return Page(items)
        _, last_id, place = rows[search.limit - 1]
        place = bool(place) if search.sort.kind is FieldKind.BOOLEAN and place is not None else place
        return Page(items, write_cursor(query, place, last_id))

    def save(self, table: Table[R], record: R) -> R:
        statements = self._for_writing(table)
        refuse_append_only(table)
        self._bodies.pop((table.name, record.id), None)
        changed = record.model_copy(update={"revision": record.revision + 1})
        row = self._row(statements, changed)
        new = self._changing(statements, row)
        if any(name in new for group in table.unique for name in group):
            self._refuse_taken(statements, row, made_from=record)
        values = new | {"its_id": record.id, "its_revision": record.revision}
        if statements.save(new).run(self._connection, values).rowcount == 0:
            self._refuse_stale(statements, record)
            raise Busy(f"{table.name}: the same record is being changed elsewhere")
        return changed

    def remove(self, table: Table[R], record_id: str) -> None:
        statements = self._for_writing(table)
        refuse_append_only(table)
        self._bodies.pop((table.name, record_id), None)
        if statements.remove.run(self._connection, {"its_id": _plain_id(record_id)}).rowcount == 0:
            raise not_found(table, record_id)

    def _of(self, table: Table[Any]) -> Statements:
        if self._ended:
            raise WrongState("the transaction has ended")
        return self._statements[self._layouts[table].table.name]

    def _for_writing(self, table: Table[Any]) -> Statements:
        statements = self._of(table)
        refuse_reading(self._writable)
        return statements

    def _row(self, statements: Statements, record: Any) -> dict[str, Any]:
        layout = statements.layout
        scalars = layout.scalars(record)
        return statements.row(scalars, record.model_dump_json(), layout.words(record) if layout.table.text else ())

    def _changing(self, statements: Statements, row: dict[str, Any]) -> dict[str, Any]:
        """What of a row is to be set. SQLite writes every index anew whose columns are set, changed or not."""
        kept = None
        if self._connection.dialect.name == schema.SQLITE:
            kept = statements.kept.run(self._connection, {"its_id": row["id"]}).first()
        before = {} if kept is None else dict(zip(statements.compared, kept, strict=True))
        return {name: value for name, value in row.items() if name != "id" and (name not in before or before[name] != value)}

    def _rows(self, statements: Statements, search: Search) -> list[Any]:
        """One row more than the page has, when there is one."""
        rows: list[Any] = []
        for segment in statements.segments(search, self._lead(statements, search)):
            wanted = search.limit + 1 - len(rows)
            rows += self._rows_of(statements, search, segment, wanted)
            if len(rows) > search.limit:
                break
        return rows

    def _lead(self, statements: Statements, search: Search) -> str:
        """The field whose index leads to a page: that of the rarest condition, or that of the order when none is rare; empty to
        let the database choose."""
        most, lead = max(SORTED, 2 * search.limit), "" if in_any_order(search) else search.sort.name
        crowds = statements.crowds(search)
        for field, statement, values in crowds:
            count = int(statement.run(self._connection, values | {"limit": most + 1}).scalar())
            if count <= most:
                most, lead = count, field
            if count <= 1:
                break
        return lead if crowds else ""

    def _rows_of(self, statements: Statements, search: Search, segment: Segment, wanted: int) -> list[Any]:
        found: list[Any] = []
        for scanning in statements.ways(search):
            statement, values = statements.find(search, segment, scanning)
            found = list(statement.run(self._connection, values | {"limit": wanted}).rows)
            if len(found) == wanted:
                break
        return found

    def _refuse_taken(self, statements: Statements, row: dict[str, Any], made_from: Record | None = None) -> None:
        """Raises when another record has the id or shares a unique group; when changing a record, only if it is not stale."""
        for group, statement in statements.taken if made_from is None else statements.taken[1:]:
            values = {f"its_{name}": row[name] for name in group}
            if group != ("id",):
                values["not_id"] = row["id"]
            if None not in values.values() and statement.run(self._connection, values).first():
                if made_from is not None:
                    self._refuse_stale(statements, made_from)
                raise already_exists(statements.layout.table, group)

    def _refuse_stale(self, statements: Statements, record: Record) -> None:
        table = statements.layout.table
        kept = statements.revision.run(self._connection, {"its_id": record.id}).scalar()
        if kept is None:
            raise not_found(table, record.id)
        if kept != record.revision:
            raise stale(table, record)


def _plain_id(record_id: str) -> str:
    """PostgreSQL refuses NUL in a text; no record has such an id, so any other unknown id does as well."""
    return record_id.replace("\x00", "\ufffd")
