"""Reading decisions by id or by window, from all writers, compacted or not, with what cannot match skipped by its statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import InvalidInput
from modelyard.decisions import querying
from modelyard.decisions.extents import Extent, Matching
from modelyard.decisions.schema import DECISION_TABLE, TIME
from modelyard.decisions.tables import Mark, TableReader


class Time(StrEnum):
    """Which time a window is about: when it was decided, or when what it is about happened."""

    DECISION = "decision_time"
    EVENT = "event_time"


@dataclass(frozen=True)
class Window:
    """Which decisions to read; what is not given does not filter. `since` is inclusive, `until` is not.

    `versions` are manifest digests; `key` (the unit of randomisation) and `subject` are pseudonyms. Shadows' answers are left out
    unless `shadows` is true or their arm is named.
    """

    organisation: str | None = None
    use_case: str | None = None
    endpoint: str | None = None
    versions: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    key: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: Time = Time.DECISION
    shadows: bool = False

    def micros(self) -> tuple[int | None, int | None]:
        """The window in microseconds. Raises InvalidInput for times without a zone or a window that ends before it starts."""
        since, until = _micros(self.since, "since"), _micros(self.until, "until")
        if since is not None and until is not None and until < since:
            raise InvalidInput("the window ends before it starts", field="until")
        return since, until


class DecisionReader:
    """Decisions by id, or by window."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._table = TableReader(root, DECISION_TABLE)

    def mark(self) -> Mark:
        """See `TableReader.mark`."""
        return self._table.mark()

    def get(self, decision_id: str) -> dict[str, Any] | None:
        """One decision as a row, or None."""
        rows = self.find([decision_id]).to_pylist()
        return rows[0] if rows else None

    def find(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> Any:
        """An Arrow table of the decisions with these ids; ids that are not in the log are simply absent."""
        return self._table.by_ids(ids, _columns(columns))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the log."""
        return set(self.find(ids, ["id"]).column("id").to_pylist())

    def scan(self, window: Window, columns: Sequence[str] | None = None, limit: int | None = None) -> Any:
        """An Arrow table of the window's decisions; writer by writer, each in the order of writing. With `limit`, of the first
        ones: no more than these are read."""
        shown, needed, keep = _selection(window, columns)
        return self._table.collect(Matching(_may_match(window)), needed, keep, limit).cast(_schema(shown))

    def batches(self, window: Window, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The window's decisions as Arrow batches, for what does not fit in memory. Raises Busy when the log was rewritten
        meanwhile, after some were given out."""
        _, needed, keep = _selection(window, columns)
        for batch in self._table.batches(Matching(_may_match(window)), needed):
            kept = keep(batch)
            if kept.num_rows:
                yield kept

    def as_arrow(self, window: Window, columns: Sequence[str] | None = None) -> Any:
        """The window's decisions as a `pyarrow.RecordBatchReader`: a stream that other libraries take as it is."""
        shown = list(_columns(columns))
        return pa.RecordBatchReader.from_batches(_schema(shown), self.batches(window, shown))

    def relation(self, connection: Any, window: Window | None = None, columns: Sequence[str] | None = None) -> Any:
        """The window's decisions as a relation of a DuckDB connection, to be asked with SQL.

        It is of this moment: what is written later is not in it, and once its files are cleaned away (an hour after they were
        replaced) it no longer reads. Rows that are in no Parquet file yet are held in memory. Raises Unavailable without DuckDB.
        """
        querying.check_duckdb()
        asked, shown = window or Window(), list(_columns(columns))
        wanted = Matching(_may_match(asked))
        plan, tail = self._table.moment(wanted)
        return querying.relation(connection, plan, tail, shown, _sql(asked))

    def export(self, window: Window, path: Path, columns: Sequence[str] | None = None) -> int:
        """The window's decisions as one Parquet file, written as a stream; it appears whole or not at all. Returns its rows.
        Raises StorageFull, LogUnwritable, and Busy when the log was rewritten meanwhile."""
        shown = list(_columns(columns))
        return querying.write_parquet(self.batches(window, shown), _schema(shown), path)


def _schema(columns: Sequence[str]) -> Any:
    return pa.schema([DECISION_TABLE.schema.field(name) for name in columns])


def _sql(window: Window) -> str:
    """The tests of `_tests` in SQL."""
    tests = [f'"{name}" = {querying.text(value)}' for name, value in _named(window) if value is not None]
    for name, values in (("manifest", window.versions), ("answered_arm", window.arms)):
        if values:
            tests.append(f'"{name}" IN ({", ".join(map(querying.text, values))})')
    if not window.shadows and not window.arms:
        tests.append("shadow_of IS NULL")
    for sign, micros in zip((">=", "<"), window.micros(), strict=True):
        if micros is not None:
            tests.append(f"{window.by.value} {sign} make_timestamptz({micros})")
    return " AND ".join(tests)


def _named(window: Window) -> tuple[tuple[str, str | None], ...]:
    return (
        ("organisation", window.organisation),
        ("use_case", window.use_case),
        ("endpoint", window.endpoint),
        ("unit", window.key),
        ("subject", window.subject),
    )


def _selection(window: Window, columns: Sequence[str] | None) -> tuple[list[str], list[str], Callable[[Any], Any]]:
    """The columns to show, those to read, and what makes the first of the second, row by row."""
    shown = list(_columns(columns))
    tests = _tests(window)

    def keep(batch: Any) -> Any:
        masks = [test(batch.column(name)) for name, test in tests]
        return (batch.filter(reduce(pc.and_, masks)) if masks else batch).select(shown)

    return shown, list(dict.fromkeys([*shown, *(name for name, _ in tests)])), keep


def _columns(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        return list(DECISION_TABLE.schema.names)
    unknown = set(columns) - DECISION_TABLE.names
    if unknown:
        raise InvalidInput("the decision log has no such column", field=min(unknown))
    return columns


def _micros(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInput("a time without a zone", field=name, hint="give the offset, for example +00:00")
    return int(pa.scalar(moment, TIME).value)


def _may_match(window: Window) -> Callable[[Extent], bool]:
    since, until = window.micros()
    event = window.by is Time.EVENT

    def matches(meta: Extent) -> bool:
        if window.endpoint is not None and window.endpoint not in meta.endpoints:
            return False
        low, high = (meta.min_event, meta.max_event) if event else (meta.min_time, meta.max_time)
        if low is None or high is None:
            return since is None and until is None
        return (since is None or high >= since) and (until is None or low < until)

    return matches


def _tests(window: Window) -> list[tuple[str, Callable[[Any], Any]]]:
    """What each row must pass: a column and a test that gives true or false (never null) for each of its values."""
    tests: list[tuple[str, Callable[[Any], Any]]] = []
    for name, value in _named(window):
        if value is not None:
            tests.append((name, _among((value,))))
    for name, values in (("manifest", window.versions), ("answered_arm", window.arms)):
        if values:
            tests.append((name, _among(values)))
    if not window.shadows and not window.arms:
        tests.append(("shadow_of", pc.is_null))
    since, until = window.micros()
    if since is not None or until is not None:
        tests.append((window.by.value, _between(since, until)))
    return tests


def _among(values: tuple[str, ...]) -> Callable[[Any], Any]:
    wanted = pa.array(values, pa.string())
    return lambda column: pc.is_in(column, value_set=wanted)


def _between(since: int | None, until: int | None) -> Callable[[Any], Any]:
    def test(column: Any) -> Any:
        micros = column.view(pa.int64())
        masks = [pc.is_valid(micros)]
        if since is not None:
            masks.append(pc.fill_null(pc.greater_equal(micros, since), False))
        if until is not None:
            masks.append(pc.fill_null(pc.less(micros, until), False))
        return reduce(pc.and_, masks)

    return test
