"""The SQL statements of one table, built when first asked for and kept: a process that starts needs few of them at once.

Values are always bound, never written into the text of a statement. Statements of one form (the same fields, operators and
order) differ only in their values, so that both SQLAlchemy and the database can keep them prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.operators import custom_op

from modelyard.storage.layout import Condition, Cursor, Layout, Scalar, Search
from modelyard.storage.schema import POSTGRESQL, SQLITE, Shape, search_table, shape_of, sql_table

SCANNED = 1_000
"""SQLite: so many rows are read in order first, looking for the words in each: common words fill a page at once, at any size of
the table. When they do not, the words are rare, and the search table knows the few rows that have them."""

_AS_THEY_ARE = frozenset({"id", "created_at", "revision"})
"""Orders that no field's index leads to: by id and by age every index of a condition serves, by revision none."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What executing a statement gave: its rows, or how many it changed."""

    rows: Sequence[Sequence[Any]]
    rowcount: int

    def first(self) -> Sequence[Any] | None:
        return self.rows[0] if self.rows else None

    def scalar(self) -> Any:
        """The first value of the first row; None when there is none."""
        return self.rows[0][0] if self.rows else None


class Prepared:
    """A statement compiled once: executing it again costs what the driver costs.

    SQLite is in this process, and SQLAlchemy's way to it takes three times as long as the driver's: that one is asked itself.
    PostgreSQL's takes a network's round trip anyway, and SQLAlchemy knows when its connections are lost."""

    def __init__(self, statement: Any, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: list[str] | None = compiled.positiontup if compiled.positional else None
        # A list of any length is written out at each execution, which only the statement itself can do.
        self._statement = statement if compiled.post_compile_params else None
        self._by_driver = dialect.name == SQLITE and self._statement is None

    def run(self, connection: sa.Connection, values: Values) -> Found:
        if self._statement is not None:
            return _found(connection.execute(self._statement, values))
        values = self._fixed | values
        given = values if self._order is None else tuple([values[name] for name in self._order])
        if not self._by_driver:
            return _found(connection.exec_driver_sql(self._text, given))
        cursor: sqlite3.Cursor = connection.connection.dbapi_connection.execute(self._text, given)  # type: ignore[union-attr]
        return Found(cursor.fetchall(), cursor.rowcount)


def _found(result: sa.CursorResult[Any]) -> Found:
    return Found(result.all() if result.returns_rows else (), result.rowcount)


@dataclass(frozen=True)
class Segment:
    """A part of a sorted list: the rows whose sort field is absent, present, or either (the field is never absent). `lead` names
    the field whose index finds the rows, the others' conditions being tested one by one; without it the database chooses."""

    absent: bool | None
    after: Cursor | None
    lead: str = ""


@lru_cache(maxsize=1024)
def _known_table(shape: Shape, dialect: str) -> sa.Table:
    """Of each shape one for the process, made when it is first asked for: of all tables there are, a process asks for few."""
    return sql_table(shape, dialect)


class Statements:
    """All statements of one table for one dialect. Nothing is made before it is asked for."""

    def __init__(self, layout: Layout[Any], dialect: sa.Dialect) -> None:
        self.layout, self._dialect, self._dialect_of = layout, dialect.name, dialect
        self._found: dict[Any, Prepared] = {}

    @cached_property
    def _table(self) -> sa.Table:
        return _known_table(shape_of(self.layout), self._dialect)

    @cached_property
    def _mine(self) -> Any:
        return self._table.c.id == sa.bindparam("its_id")

    @cached_property
    def get(self) -> Prepared:
        return self._prepared(sa.select(self._table.c.body).where(self._mine))

    @cached_property
    def revision(self) -> Prepared:
        return self._prepared(sa.select(self._table.c.revision).where(self._mine))

    @cached_property
    def remove(self) -> Prepared:
        return self._prepared(sa.delete(self._table).where(self._mine))

    @cached_property
    def add(self) -> Prepared:
        return self._prepared(self._insert())

    @cached_property
    def kept(self) -> Prepared:
        """All that a row has but its body, in the order of `compared`."""
        return self._prepared(sa.select(*(self._table.c[name] for name in self.compared)).where(self._mine))

    @cached_property
    def compared(self) -> tuple[str, ...]:
        return tuple(column.name for column in self._table.c if column.name not in {"seq", "id", "body"})

    def save(self, columns: Iterable[str]) -> Prepared:
        """The statement that sets these columns of the row `its_id`, if it still has `its_revision`."""
        form = ("save", frozenset(columns))
        if form not in self._found:
            unchanged = self._table.c.revision == sa.bindparam("its_revision")
            self._found[form] = self._prepared(self._update(form[1]).where(self._mine, unchanged))
        return self._found[form]

    @cached_property
    def taken(self) -> list[tuple[tuple[str, ...], Prepared]]:
        return [(group, self._prepared(self._taken(group))) for group in (("id",), *self.layout.table.unique)]

    def _prepared(self, statement: Any) -> Prepared:
        return Prepared(statement, self._dialect_of)

    def row(self, scalars: dict[str, Scalar], body: str, words: Sequence[str]) -> Values:
        """The parameters that keep a record."""
        values: Values = {**scalars, "body": body}
        if self.layout.table.text:
            values["words"] = list(words) if self._dialect == POSTGRESQL else " ".join(words)
        return values

    def crowds(self, search: Search) -> list[tuple[str, Prepared, Values]]:
        """For each field that a page's rows may be found by, a statement that counts them, up to `limit`; none when there is no
        choice.

        SQLite has no statistics unless told to gather them and takes every condition for a rare one: it would sort all of ten
        thousand registered versions to show twenty, and read all who wait for a message to find the one who waits with its key.
        Where many rows meet each condition, reading in order finds twenty soon."""
        fields = {c.field.name for c in search.conditions}
        if self._dialect != SQLITE or search.words or search.claim or search.sort.name in fields:
            return []
        if in_any_order(search) and len(fields - {"organisation"}) < 2:
            return []
        return [self._crowd(c) for c in search.conditions if c.operator != "ne"]

    def _crowd(self, condition: Condition) -> tuple[str, Prepared, Values]:
        form = ("crowd", condition.field.name, condition.operator, _value_form(condition))
        if form not in self._found:
            test = _test(self._table.c[condition.field.name], condition, "p")
            rows = sa.select(sa.literal(1)).where(test).limit(sa.bindparam("limit", type_=sa.Integer)).subquery("some")
            self._found[form] = self._prepared(sa.select(sa.func.count()).select_from(rows))
        return condition.field.name, self._found[form], _test_values(condition, "p")

    def segments(self, search: Search, lead: str = "") -> list[Segment]:
        """The parts to read, in order, to find a page. Absent values come before all others."""
        return [replace(segment, lead=lead) for segment in self._segments(search)]

    def _segments(self, search: Search) -> list[Segment]:
        after = search.after
        if not search.sort.nullable:
            return [Segment(None, after)]
        if any(c.field == search.sort and _present_only(c) for c in search.conditions):
            return [Segment(False, after)]
        parts = [Segment(True, None), Segment(False, None)]
        if search.descending:
            parts.reverse()
        if after is None:
            return parts
        first = Segment(after.value is None, after)
        return [first, parts[1]] if first.absent is parts[0].absent else [first]

    def ways(self, search: Search) -> tuple[bool, ...]:
        """The ways to find a page, the likely one first: by reading rows in order (True), by asking the search table (False)."""
        return (True, False) if search.words and self._dialect == SQLITE else (False,)

    def find(self, search: Search, segment: Segment, scanning: bool) -> tuple[Prepared, Values]:
        """The statement that finds the rows of a segment, and its values; `limit` is left to the caller."""
        form = (
            tuple((c.field.name, c.operator, _value_form(c)) for c in search.conditions),
            len(search.words) if scanning else bool(search.words),
            scanning,
            (search.sort.name, search.descending, search.claim),
            (segment.absent, segment.after is None, segment.lead),
        )
        statement = self._found.get(form)
        if statement is None:
            statement = self._found[form] = self._prepared(self._build(search, segment, scanning))
        return statement, self._values(search, segment, scanning)

    def words_sought(self, words: Sequence[str]) -> str:
        """A full-text query in which every word is the beginning of a word of the text."""
        if self._dialect == SQLITE:
            return " AND ".join(f'"{word}"*' for word in words)
        return " & ".join(f"'{word}':*" for word in words)

    def _insert(self) -> Any:
        values = self._bound({column.name for column in self._table.c} - {"seq", "words"})
        insert = postgresql.insert if self._dialect == POSTGRESQL else sqlite.insert
        return insert(self._table).values(**values, **self._words_value()).on_conflict_do_nothing()

    def _update(self, columns: frozenset[str]) -> Any:
        words = self._words_value() if "words" in columns else {}
        return sa.update(self._table).values(**self._bound(columns - {"words"}), **words)

    def _bound(self, columns: Iterable[str]) -> Values:
        return {name: sa.bindparam(name) for name in sorted(columns)}

    def _words_value(self) -> Values:
        if not self.layout.table.text:
            return {}
        if self._dialect == SQLITE:
            return {"words": sa.bindparam("words")}
        return {"words": sa.func.array_to_tsvector(sa.bindparam("words", type_=postgresql.ARRAY(sa.Text)))}

    def _taken(self, group: tuple[str, ...]) -> sa.Select[Any]:
        same = [self._table.c[name] == sa.bindparam(f"its_{name}") for name in group]
        others = [self._table.c.id != sa.bindparam("not_id")] if group != ("id",) else []
        return sa.select(sa.literal(1)).where(*same, *others).limit(1)

    def _fts(self) -> sa.Select[Any]:
        name = search_table(self.layout.table.name)
        fts = sa.table(name, sa.column("rowid"), sa.column(name))
        return sa.select(fts.c.rowid).where(fts.c[name].op("MATCH")(sa.bindparam("sought", type_=sa.Text)))

    def _build(self, search: Search, segment: Segment, scanning: bool) -> sa.Select[Any]:
        columns = self._columns(asking_search_table=bool(search.words) and not scanning)
        sort = columns[search.sort.name]
        tested = {n: c if segment.lead in ("", n) else _without_index(self._table.c[n]) for n, c in columns.items()}
        tests = [_test(tested[c.field.name], c, f"p{i}") for i, c in enumerate(search.conditions)]
        if search.words and not scanning:
            tests.append(self._match())
        if segment.absent is not None:
            tests.append(sort.is_(None) if segment.absent else sort.is_not(None))
        if segment.after is not None:
            tests.append(_beyond(sort, columns["id"], search, segment))
        order = [columns["id"]] if search.sort.name == "id" or segment.absent else [sort, columns["id"]]
        ordered = [column.desc() for column in order] if search.descending else order
        limit = sa.bindparam("limit", type_=sa.Integer)
        kept = self._table.c
        statement = sa.select(kept.body, kept.id, kept[search.sort.name].label("place")).where(*tests).order_by(*ordered)
        if scanning:
            return _scan(statement.add_columns(kept.words), search, limit)
        statement = statement.limit(limit)
        return statement.with_for_update(skip_locked=True) if search.claim and self._dialect == POSTGRESQL else statement

    def _columns(self, asking_search_table: bool) -> dict[str, ColumnElement[Any]]:
        """The columns for conditions and order. SQLite is to look up the few rows that the search table names, so that no other
        index may tempt its planner: a unary plus takes a column's indexes away."""
        if asking_search_table and self._dialect == SQLITE:
            return {column.name: _without_index(column) for column in self._table.c}
        return {column.name: column for column in self._table.c}

    def _match(self) -> ColumnElement[bool]:
        columns = self._table.c
        if self._dialect == POSTGRESQL:
            return columns.words.op("@@")(sa.cast(sa.bindparam("sought", type_=sa.Text), postgresql.TSQUERY))
        return columns.seq.in_(self._fts())

    def _values(self, search: Search, segment: Segment, scanning: bool) -> Values:
        values: Values = {}
        for number, condition in enumerate(search.conditions):
            values |= _test_values(condition, f"p{number}")
        if scanning:
            values |= {f"word{i}": f" {word}" for i, word in enumerate(search.words)}
        elif search.words:
            values["sought"] = self.words_sought(search.words)
        if segment.after is not None:
            values["after_id"] = segment.after.id
            if not segment.absent and search.sort.name != "id":
                values["after_value"] = segment.after.value
        return values


def in_any_order(search: Search) -> bool:
    """Whether the order asked for is as good with one condition's index as with another's."""
    return search.sort.name in _AS_THEY_ARE


def _without_index(column: sa.Column[Any]) -> ColumnElement[Any]:
    return sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _beyond(sort: ColumnElement[Any], id_: ColumnElement[Any], search: Search, segment: Segment) -> ColumnElement[bool]:
    last_id = sa.bindparam("after_id", type_=sa.Text)
    if segment.absent or search.sort.name == "id":
        return id_ < last_id if search.descending else id_ > last_id
    place = sa.tuple_(sort, id_)
    last = sa.tuple_(sa.bindparam("after_value", type_=sort.type), last_id)
    return place < last if search.descending else place > last


def _scan(statement: sa.Select[Any], search: Search, limit: sa.BindParameter[int]) -> sa.Select[Any]:
    """Of the first rows of a statement, those in which every word sought begins a word."""
    rows = statement.limit(SCANNED).subquery("scanned").c
    text = sa.literal(" ").concat(rows.words)
    found = [sa.func.instr(text, sa.bindparam(f"word{i}", type_=sa.Text)) > 0 for i in range(len(search.words))]
    ordered = [column.desc() if search.descending else column.asc() for column in (rows.place, rows.id)]
    return sa.select(rows.body, rows.id, rows.place).where(*found).order_by(*ordered).limit(limit)


def _present_only(condition: Condition) -> bool:
    """Whether the condition never holds for an absent value."""
    if condition.operator == "in":
        return None not in condition.value
    return (condition.operator == "ne") == (condition.value is None)


def _value_form(condition: Condition) -> Any:
    """What of a condition's value changes the statement: absence, and for a prefix whether it has an end."""
    if condition.operator == "in":
        return None in condition.value
    if condition.operator == "prefix":
        return prefix_end(condition.value) is None
    return condition.value is None


def _test(column: ColumnElement[Any], condition: Condition, name: str) -> ColumnElement[bool]:
    value = sa.bindparam(name, type_=column.type)
    if condition.operator in {"eq", "ne"} and condition.value is None:
        return column.is_(None) if condition.operator == "eq" else column.is_not(None)
    if condition.operator == "ne":
        return column.is_distinct_from(value)
    if condition.operator == "in":
        inside = column.in_(sa.bindparam(name, type_=column.type, expanding=True))
        return sa.or_(inside, column.is_(None)) if None in condition.value else inside
    if condition.operator == "prefix":
        upper = column < sa.bindparam(f"{name}_end", type_=column.type)
        return column >= value if prefix_end(condition.value) is None else sa.and_(column >= value, upper)
    tests: dict[str, ColumnElement[bool]] = {
        "eq": column == value,
        "lt": column < value,
        "le": column <= value,
        "gt": column > value,
        "ge": column >= value,
    }
    return tests[condition.operator]


def _test_values(condition: Condition, name: str) -> Values:
    if condition.operator == "in":
        return {name: [value for value in condition.value if value is not None]}
    if condition.operator == "prefix":
        end = prefix_end(condition.value)
        return {name: condition.value} if end is None else {name: condition.value, f"{name}_end": end}
    return {} if condition.value is None else {name: condition.value}


def prefix_end(prefix: str) -> str | None:
    """The least text that is greater than every text with the prefix, by code point; None when there is none."""
    kept = prefix.rstrip(chr(0x10FFFF))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)
