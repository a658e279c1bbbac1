"""The steps that revisions are written in, for both databases.

A revision states the whole shape of what it makes; it never looks at the tables declared today. What these steps do is fixed by
the schemas of released versions (`tests/storage/released`): a change that alters an old revision's outcome fails there.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from modelyard.storage.schema import Shape, create_one, sql_table

BASE = (("id", "text"), ("organisation", "text"), ("revision", "integer"), ("created_at", "moment"))


def create_records(
    name: str,
    columns: dict[str, str] | None = None,
    *,
    unique: Sequence[tuple[str, ...]] = (),
    text: bool = False,
    append_only: bool = False,
) -> None:
    """Create a table of records: `columns` are the indexed fields beyond the base ones, each `text`, `integer`, `real`, `boolean`
    or `moment`, with `?` when it may be absent."""
    connection = op.get_bind()
    shape = Shape(name, (*BASE, *(columns or {}).items()), tuple(unique), text, append_only)
    create_one(connection, shape, connection.dialect.name)


def add_columns(name: str, columns: dict[str, str]) -> None:
    """Give a table of records further indexed fields, each of which may be absent (`?`), as it is in all records kept so far."""
    shape = Shape(name, (*BASE, *columns.items()))
    wanted = sql_table(shape, op.get_bind().dialect.name)
    for column in columns:
        op.add_column(name, sa.Column(column, wanted.c[column].type, nullable=True))
        op.create_index(f"{name}_by_{column}", name, [column, "organisation", "created_at", "id"])
