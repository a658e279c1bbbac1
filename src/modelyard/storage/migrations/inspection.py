"""What is in a database, as plain text that two databases can be compared by."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from modelyard.storage.schema import SQLITE

Description = dict[str, list[str]]

_TRIGGERS = {
    SQLITE: "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name",
    "postgresql": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal",
}


def describe(connection: sa.Connection) -> Description:
    """Columns, keys, constraints, indexes and triggers of every table of records, sorted; the order of columns does not count."""
    inspector = sa.inspect(connection)
    names = [name for name in inspector.get_table_names() if name != "alembic_version" and not _of_search(name)]
    return {name: sorted(_lines(connection, inspector, name)) for name in sorted(names)}


def _of_search(name: str) -> bool:
    """Tables that FTS5 keeps for itself, and its virtual tables."""
    return name.endswith(("_words", "_words_data", "_words_idx", "_words_docsize", "_words_config", "_words_content"))


def _lines(connection: sa.Connection, inspector: sa.Inspector, name: str) -> list[str]:
    columns = [
        f"column {c['name']} {c['type']} {getattr(c['type'], 'collation', None) or ''} {'null' if c['nullable'] else 'not null'}"
        for c in inspector.get_columns(name)
    ]
    key = f"key {', '.join(inspector.get_pk_constraint(name)['constrained_columns'])}"
    unique = [f"unique {u['name']} {u['column_names']}" for u in inspector.get_unique_constraints(name)]
    indexes = [f"index {i['name']} {i['column_names']} {i['unique']}" for i in inspector.get_indexes(name)]
    triggers = [f"trigger {t} {sql}" for t, sql in _rows(connection, _TRIGGERS[connection.dialect.name], name)]
    return [*columns, key, *unique, *indexes, *triggers, *_search(connection, name)]


def _search(connection: sa.Connection, name: str) -> list[str]:
    if connection.dialect.name != SQLITE:
        return []
    found = _rows(connection, "SELECT name, sql FROM sqlite_master WHERE name = :name || '_words'", name)
    return [f"search {sql}" for _, sql in found]


def _rows(connection: sa.Connection, sql: str, name: str) -> list[Any]:
    return list(connection.execute(sa.text(sql), {"name": name}))
