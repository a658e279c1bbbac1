"""Reads tables that somebody may have edited: a row that cannot be read is named, and does not hide the others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic

from modelyard.core.errors import NotFound
from modelyard.core.records import Query, R, Table, Transaction, Where

PAGE = 500
_START = Where("id", "gt", "")


@dataclass
class Contents(Generic[R]):
    """All that a table holds. `unreadable` are ids of rows that are no records, `doubled` ids that several rows claim;
    `strangers` says after which ids rows stand that cannot be read and should not be there."""

    records: dict[str, R] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def take(self, records: Iterable[R]) -> None:
        for record in records:
            if record.id in self.records:
                self.doubled.append(record.id)
            self.records[record.id] = record


def read_all(tx: Transaction, table: Table[R], known: Iterable[str]) -> Contents[R]:
    """Everything in the table. `known` are the ids that should be there: only by them can an unreadable row be named, and
    what stands between an unreadable row of another id and the next known one is not seen."""
    contents: Contents[R] = Contents()
    candidates = sorted(set(known))
    start, cursor, last, limit = _START, None, "", PAGE
    while True:
        try:
            page = tx.find(table, Query(where=(start,), sort="id", limit=limit, after=cursor))
        except ValueError:  # a body that is no record; narrow the page down to it
            if limit > 1:
                limit = max(1, limit // 8)
                continue
            resume = _beyond(tx, table, candidates[bisect_right(candidates, last) :], last, contents)
            if resume is None:
                return contents
            start, cursor, last, limit = resume, None, str(resume.value), PAGE
            continue
        contents.take(page.items)
        if page.next is None:
            return contents
        cursor, last, limit = page.next, page.items[-1].id, PAGE


def _beyond(tx: Transaction, table: Table[R], candidates: list[str], last: str, contents: Contents[R]) -> Where | None:
    """Where reading goes on after an unreadable row; None when nothing known follows."""
    for candidate in candidates:
        try:
            tx.get(table, candidate)
        except NotFound:
            continue
        except ValueError:
            contents.unreadable.append(candidate)
            return Where("id", "gt", candidate)
        contents.strangers.append(last)
        return Where("id", "ge", candidate)
    contents.strangers.append(last)
    return None
