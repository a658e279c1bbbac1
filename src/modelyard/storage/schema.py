"""How a table of records looks in SQL: the indexed fields as columns, the whole record as JSON in `body`.

Indexes lead with the field, then the organisation, then the time of creation: one index answers "equal to, newest first" with
and without an organisation, and a page sorted by the field is a scan of it. Text is searched through FTS5 in SQLite, kept by
triggers, and through a `tsvector` with a GIN index in PostgreSQL. Triggers make append-only tables refuse UPDATE and DELETE.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from modelyard.storage.layout import FieldKind, Layout

SQLITE, POSTGRESQL = "sqlite", "postgresql"
LONGEST_NAME = 63


@dataclass(frozen=True)
class Shape:
    """What a table has: columns by name (`?` after the kind: may be absent), unique groups, text search, append-only."""

    name: str
    columns: tuple[tuple[str, str], ...]
    unique: tuple[tuple[str, ...], ...] = ()
    text: bool = False
    append_only: bool = False


def shape_of(layout: Layout[Any]) -> Shape:
    """The shape that a declared table should have."""
    table = layout.table
    columns = tuple((field.name, field.kind + "?" * field.nullable) for field in layout.fields.values())
    return Shape(table.name, columns, table.unique, bool(table.text), table.append_only)


def sql_table(shape: Shape, dialect: str) -> sa.Table:
    """The table with its indexes and unique constraints, in a MetaData of its own."""
    table = sa.Table(shape.name, sa.MetaData(), *_columns(shape, dialect), *_unique(shape))
    sa.Index(f"{shape.name}_by_age", table.c.organisation, table.c.created_at, table.c.id)
    for name, _ in shape.columns:
        if name not in {"id", "organisation", "revision", "created_at"}:
            fields = (table.c[name], table.c.organisation, table.c.created_at, table.c.id)
            sa.Index(f"{shape.name}_by_{name}", *fields)
    if shape.text and dialect == POSTGRESQL:
        sa.Index(f"{shape.name}_by_words", table.c.words, postgresql_using="gin")
    return table


def further_ddl(shape: Shape, dialect: str) -> list[str]:
    """Statements that SQLAlchemy has no words for: search tables and triggers."""
    statements = []
    if dialect == SQLITE and shape.text:
        statements += _fts(shape.name)
    if shape.append_only:
        statements += _sqlite_append_only(shape.name) if dialect == SQLITE else _postgresql_append_only(shape.name)
    return statements


def create(connection: sa.Connection, shapes: list[Shape]) -> None:
    """Create tables that are not there yet, as declared; for tests and tools. A real database is made by migrations."""
    dialect = connection.dialect.name
    present = set(sa.inspect(connection).get_table_names())
    for shape in shapes:
        if shape.name not in present:
            create_one(connection, shape, dialect)


def create_one(connection: sa.Connection, shape: Shape, dialect: str) -> None:
    sql_table(shape, dialect).create(connection)
    for statement in further_ddl(shape, dialect):
        connection.exec_driver_sql(statement)


def _columns(shape: Shape, dialect: str) -> list[sa.Column[Any]]:
    columns = [_column(name, kind, dialect) for name, kind in shape.columns]
    columns.append(sa.Column("body", sa.Text, nullable=False))
    if shape.text:
        words = postgresql.TSVECTOR() if dialect == POSTGRESQL else sa.Text()
        columns.append(sa.Column("words", words, nullable=False))
    if shape.text and dialect == SQLITE:
        # The search table refers to rows by number; only a declared number survives VACUUM.
        columns.insert(0, sa.Column("seq", sa.Integer, primary_key=True))
        columns[1] = sa.Column("id", sa.Text, nullable=False, unique=True)
    return columns


def _column(name: str, kind: str, dialect: str) -> sa.Column[Any]:
    # Sorting by code point, as SQLite and Python do, whatever the locale of the PostgreSQL database.
    text = sa.Text(collation="C") if dialect == POSTGRESQL else sa.Text()
    types: dict[str, sa.types.TypeEngine[Any]] = {
        FieldKind.TEXT: text,
        FieldKind.INTEGER: sa.BigInteger(),
        FieldKind.REAL: sa.Double(),
        FieldKind.BOOLEAN: sa.Boolean(),
        FieldKind.MOMENT: sa.BigInteger(),
    }
    return sa.Column(name, types[kind.rstrip("?")], primary_key=name == "id", nullable=kind.endswith("?"))


def _unique(shape: Shape) -> list[sa.UniqueConstraint]:
    return [sa.UniqueConstraint(*group, name=_short(f"{shape.name}_one_{'_'.join(group)}")) for group in shape.unique]


def _short(name: str) -> str:
    """The name, or its beginning and a checksum: PostgreSQL keeps 63 characters."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}_{zlib.crc32(name.encode()):08x}"


def search_table(name: str) -> str:
    """The name of the FTS5 table that belongs to a table."""
    return f"{name}_words"


def _fts(name: str) -> list[str]:
    fts = search_table(name)
    forget = f'INSERT INTO "{fts}" ("{fts}", rowid, words) VALUES (\'delete\', old.seq, old.words);'  # noqa: S608 -- see Layout
    learn = f'INSERT INTO "{fts}" (rowid, words) VALUES (new.seq, new.words);'  # noqa: S608 -- names are checked by Layout
    options = f"content='{name}', content_rowid='seq', tokenize='unicode61 remove_diacritics 0'"
    changed = f'AFTER UPDATE OF words ON "{name}" WHEN old.words <> new.words'
    return [
        f'CREATE VIRTUAL TABLE "{fts}" USING fts5(words, {options})',
        f'CREATE TRIGGER "{name}_words_added" AFTER INSERT ON "{name}" BEGIN {learn} END',
        f'CREATE TRIGGER "{name}_words_removed" AFTER DELETE ON "{name}" BEGIN {forget} END',
        f'CREATE TRIGGER "{name}_words_changed" {changed} BEGIN {forget} {learn} END',
    ]


def _sqlite_append_only(name: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, 'append-only: {name}'); END"
    return [
        f'CREATE TRIGGER "{name}_never_changed" BEFORE UPDATE ON "{name}" {refuse}',
        f'CREATE TRIGGER "{name}_never_removed" BEFORE DELETE ON "{name}" {refuse}',
    ]


def _postgresql_append_only(name: str) -> list[str]:
    body = "BEGIN RAISE EXCEPTION USING MESSAGE = 'append-only: ' || TG_TABLE_NAME; END"
    event = f'BEFORE UPDATE OR DELETE OR TRUNCATE ON "{name}" FOR EACH STATEMENT'
    return [
        f"CREATE OR REPLACE FUNCTION modelyard_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f'CREATE TRIGGER "{name}_append_only" {event} EXECUTE FUNCTION modelyard_append_only()',
    ]
