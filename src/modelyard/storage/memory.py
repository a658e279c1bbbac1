"""Storage in memory, for tests and for trying things out: the contract of the ports, nothing durable.

Writers take turns by a lock. A reader keeps the state that was committed when it began: states are never changed in place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modelyard.core.errors import Busy, WrongState
from modelyard.core.records import Page, Query, R, Table
from modelyard.storage.layout import Condition, Layout, Layouts, Scalar, Search, write_cursor
from modelyard.storage.refusals import already_exists, not_found, refuse_append_only, refuse_reading, stale


@dataclass(frozen=True)
class _Row:
    body: str
    scalars: dict[str, Scalar]
    words: tuple[str, ...]


class _Rows:
    """One table's rows, and which unique groups are taken by whom."""

    def __init__(self, rows: dict[str, _Row], taken: dict[tuple[Any, ...], str]) -> None:
        self.rows, self.taken = rows, taken

    def copy(self) -> _Rows:
        return _Rows(dict(self.rows), dict(self.taken))

    def put(self, layout: Layout[Any], row: _Row) -> None:
        record_id = str(row.scalars["id"])
        keys = _unique_keys(layout, row)
        for key in keys:
            if self.taken.get(key, record_id) != record_id:
                raise already_exists(layout.table, key[0])
        self.drop(layout, record_id)
        self.rows[record_id] = row
        self.taken.update(dict.fromkeys(keys, record_id))

    def drop(self, layout: Layout[Any], record_id: str) -> None:
        row = self.rows.pop(record_id, None)
        for key in _unique_keys(layout, row) if row else ():
            self.taken.pop(key, None)


_State = dict[str, _Rows]


class MemoryStorage:
    """Keeps records until the process ends. `patience` is how long, in seconds, a writer waits for its turn before Busy."""

    def __init__(self, tables: Iterable[Table[Any]], patience: float = 5.0) -> None:
        self._layouts = Layouts(tables)
        self._state: _State = {layout.table.name: _Rows({}, {}) for layout in self._layouts}
        self._turn = threading.Lock()
        self._patience = patience

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        if not self._turn.acquire(timeout=self._patience):
            raise Busy("another transaction did not end in time")
        try:
            tx = MemoryTransaction(self._layouts, dict(self._state), writable=True)
            try:
                yield tx
                self._state = tx.state
            finally:
                tx.end()
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[MemoryTransaction]:
        tx = MemoryTransaction(self._layouts, self._state, writable=False)
        try:
            yield tx
        finally:
            tx.end()


class MemoryTransaction:
    """A unit of work over a private copy of the tables it writes to."""

    def __init__(self, layouts: Layouts, state: _State, *, writable: bool) -> None:
        self._layouts, self.state, self._writable = layouts, state, writable
        self._copied: set[str] = set()
        self._ended = False

    def end(self) -> None:
        self._ended = True

    def add(self, table: Table[R], record: R) -> R:
        layout, rows = self._layouts[table], self._for_writing(table)
        row = _row(layout, record)
        if record.id in rows.rows:
            raise already_exists(table, ("id",))
        rows.put(layout, row)
        return record

    def get(self, table: Table[R], record_id: str) -> R:
        row = self._rows(table).rows.get(record_id)
        if row is None:
            raise not_found(table, record_id)
        return table.record.model_validate_json(row.body)

    def find(self, table: Table[R], query: Query) -> Page[R]:
        search = self._layouts[table].check(query)
        if search.claim:
            refuse_reading(self._writable)
        rows = self._rows(table).rows
        matching = [row for row in rows.values() if _matches(search, row)]
        matching.sort(key=_position(search), reverse=search.descending)
        if search.after is not None:
            matching = _beyond(search, matching)
        chosen = matching[: search.limit]
        more = len(matching) > len(chosen)
        items = tuple(table.record.model_validate_json(row.body) for row in chosen)
        cursor = write_cursor(query, chosen[-1].scalars[search.sort.name], items[-1].id) if more else None
        return Page(items, cursor)

    def save(self, table: Table[R], record: R) -> R:
        layout, rows = self._layouts[table], self._for_writing(table)
        refuse_append_only(table)
        kept = rows.rows.get(record.id)
        if kept is None:
            raise not_found(table, record.id)
        if kept.scalars["revision"] != record.revision:
            raise stale(table, record)
        changed = record.model_copy(update={"revision": record.revision + 1})
        rows.put(layout, _row(layout, changed))
        return changed

    def remove(self, table: Table[R], record_id: str) -> None:
        layout, rows = self._layouts[table], self._for_writing(table)
        refuse_append_only(table)
        if record_id not in rows.rows:
            raise not_found(table, record_id)
        rows.drop(layout, record_id)

    def _rows(self, table: Table[Any]) -> _Rows:
        if self._ended:
            raise WrongState("the transaction has ended")
        return self.state[self._layouts[table].table.name]

    def _for_writing(self, table: Table[Any]) -> _Rows:
        rows = self._rows(table)
        refuse_reading(self._writable)
        if table.name not in self._copied:
            rows = self.state[table.name] = rows.copy()
            self._copied.add(table.name)
        return rows


def _row(layout: Layout[R], record: R) -> _Row:
    return _Row(record.model_dump_json(), layout.scalars(record), layout.words(record))


def _unique_keys(layout: Layout[Any], row: _Row) -> list[tuple[Any, ...]]:
    keys = [(group, *(row.scalars[name] for name in group)) for group in layout.table.unique]
    return [key for key in keys if None not in key]


def _matches(search: Search, row: _Row) -> bool:
    return all(_holds(condition, row) for condition in search.conditions) and all(
        any(word.startswith(sought) for word in row.words) for sought in search.words
    )


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda kept, value: kept < value,
    "le": lambda kept, value: kept <= value,
    "gt": lambda kept, value: kept > value,
    "ge": lambda kept, value: kept >= value,
    "prefix": lambda kept, value: kept.startswith(value),
}


def _holds(condition: Condition, row: _Row) -> bool:
    kept, value = row.scalars[condition.field.name], condition.value
    if condition.operator == "eq":
        return bool(kept == value)
    if condition.operator == "ne":
        return bool(kept != value)
    if condition.operator == "in":
        return kept in value
    return kept is not None and _COMPARED[condition.operator](kept, value)


_Position = tuple[bool, Any, str]


def _place(value: Scalar, record_id: str) -> _Position:
    return (value is not None, 0 if value is None else value, record_id)


def _position(search: Search) -> Callable[[_Row], _Position]:
    return lambda row: _place(row.scalars[search.sort.name], str(row.scalars["id"]))


def _beyond(search: Search, rows: list[_Row]) -> list[_Row]:
    assert search.after is not None
    position, last = _position(search), _place(search.after.value, search.after.id)
    if search.descending:
        return [row for row in rows if position(row) < last]
    return [row for row in rows if position(row) > last]
