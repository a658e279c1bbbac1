"""Records and the port that keeps them.

A domain package declares its records (frozen pydantic models) and a `Table` for each; adapters in `modelyard.storage` keep
them in memory, in SQLite or in PostgreSQL, with the same behaviour (one contract suite). The face is small on purpose: add,
get, find, save, remove. A handler never sees SQL, and a new record type costs one declaration and one migration.

    USE_CASES = Table("use_cases", UseCase, indexed=("name", "tier"), unique=(("organisation", "name"),), text=("name",))
    with storage.transaction() as tx:
        tx.add(USE_CASES, use_case)
        page = tx.find(USE_CASES, Query(where=(equals("tier", "high"),), text="delay", sort="name"))
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from modelyard.core.digests import canonical, digest

DEFAULT_ORGANISATION = "default"


class Record(BaseModel):
    """What is kept. `revision` counts changes and guards against lost updates; ids are never reused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    organisation: str = DEFAULT_ORGANISATION
    revision: int = 0
    created_at: datetime

    def digest(self) -> str:
        """The digest of the record's canonical JSON, revision included."""
        return digest(canonical(self.model_dump(mode="json")))


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Table(Generic[R]):
    """Where records of one type are kept.

    `indexed` fields may be filtered and sorted on (dotted paths are not supported: give the record a property-free field);
    `unique` lists groups of indexed fields that no two records share; `text` fields are searched by words;
    `append_only` records are never saved again or removed, and the database itself refuses to.
    """

    name: str
    record: type[R]
    indexed: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    text: tuple[str, ...] = ()
    append_only: bool = False


Operator = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "prefix"]


@dataclass(frozen=True)
class Where:
    """One condition on an indexed field (or id, organisation, revision, created_at)."""

    field: str
    operator: Operator
    value: Any


def equals(field: str, value: Any) -> Where:
    """The commonest condition; a value of None matches absent values."""
    return Where(field, "eq", value)


@dataclass(frozen=True)
class Query:
    """What to find. All conditions hold; every word of `text` occurs (as a prefix of a word of the record's text fields).

    Pages are keyset pages: `after` is the `next` of the page before. Ties in `sort` are broken by id. `claim` locks the found
    rows until the transaction ends and skips rows that another transaction has claimed.
    """

    where: tuple[Where, ...] = ()
    text: str = ""
    sort: str = "created_at"
    descending: bool = False
    limit: int = 50
    after: str | None = None
    claim: bool = False


@dataclass(frozen=True)
class Page(Generic[R]):
    """Some records, and the cursor of the next page (None at the end)."""

    items: tuple[R, ...]
    next: str | None = None


class Transaction(Protocol):
    """One unit of work: all of it happens or none of it. Reads see the transaction's own writes."""

    def add(self, table: Table[R], record: R) -> R:
        """Keep a new record. Raises AlreadyExists when its id or a unique group is taken."""
        ...

    def get(self, table: Table[R], record_id: str) -> R:
        """The record of that id. Raises NotFound."""
        ...

    def find(self, table: Table[R], query: Query) -> Page[R]:
        """Records that match. Raises InvalidInput for a field that is not indexed or a cursor that is not ours."""
        ...

    def save(self, table: Table[R], record: R) -> R:
        """Keep a changed record; `record.revision` is that of the record it was made from, the result has the next one.
        Raises StaleRevision when another revision is kept, NotFound, and WrongState for append-only tables."""
        ...

    def remove(self, table: Table[R], record_id: str) -> None:
        """Forget a record (queues and the like). Raises NotFound, and WrongState for append-only tables."""
        ...


class Storage(Protocol):
    """Where transactions come from."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A writing transaction: commits at the end of the block, rolls back on any exception. Raises Busy when it must be
        tried again (serialization failure, lock not had in time) and StorageFull when nothing more can be kept."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """A consistent view that never takes a write lock; writing in it raises WrongState."""
        ...


def first(tx: Transaction, table: Table[R], *where: Where) -> R | None:
    """The one record that matches, or None."""
    items = tx.find(table, Query(where=where, sort="id", limit=1)).items
    return items[0] if items else None


def every(tx: Transaction, table: Table[R], *where: Where, page: int = 500) -> list[R]:
    """All records that match, page by page; for sets that are known to be small."""
    found: list[R] = []
    cursor: str | None = None
    while True:
        result = tx.find(table, Query(where=where, sort="id", limit=page, after=cursor))
        found.extend(result.items)
        cursor = result.next
        if cursor is None:
            return found


def retrying(attempt: Callable[[], Any], *, times: int, pause: Callable[[int], None], retry_on: type[Exception]) -> Any:
    """Try up to `times` times while `retry_on` is raised; `pause` is told the number of the failed try."""
    for number in range(1, times + 1):
        try:
            return attempt()
        except retry_on:
            if number == times:
                raise
            pause(number)
    raise AssertionError("unreachable: times is at least one")
