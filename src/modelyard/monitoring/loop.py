"""The loop that judges windows as they close: reads the log outside of any transaction, then records by command.

Safe to repeat and to run in several workers at once: a window is recorded once, whoever comes second is told and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.bus import Request
from modelyard.core.clock import Clock
from modelyard.core.errors import AlreadyExists, WrongState
from modelyard.core.messages import SYSTEM
from modelyard.core.records import DEFAULT_ORGANISATION, Storage, Transaction, Where, equals, every
from modelyard.decisions import Mark, Time, Window, join
from modelyard.monitoring.commands import RecordRun
from modelyard.monitoring.model import MONITOR_RUNS, MONITORS, Monitor, MonitorRun, MonitorStatus
from modelyard.monitoring.ports import Blobs, Commands, Decisions, Observer, Outcomes
from modelyard.monitoring.reference import ReferenceProfile, read_profile
from modelyard.monitoring.service import latest_run
from modelyard.monitoring.watch import COLUMNS, evaluate
from modelyard.monitoring.windows import Span, due_windows

MOST_OBSERVED = 20_000
"""Decisions of a window that are seen happening again."""


@dataclass
class Watchman:
    """Runs all active monitors of an organisation. Keep the object: it keeps the reference profiles it read, and knows when
    nothing has come since it last looked."""

    storage: Storage
    commands: Commands
    decisions: Decisions
    outcomes: Outcomes
    blobs: Blobs
    clock: Clock
    organisation: str = DEFAULT_ORGANISATION
    observer: Observer | None = None
    _profiles: dict[str, ReferenceProfile] = field(default_factory=dict)
    _restated: dict[str, tuple[_Marks, Monitor]] = field(default_factory=dict)
    _tables: _Tables | None = None

    def run_due(self, *, as_of: datetime | None = None, at_most: int = 100) -> list[MonitorRun]:
        """Judge every window that has closed, at most so many a monitor, and restate those whose rows or outcomes changed.

        `as_of` is how late it is in event time (default: the latest event in the log); windows by decision time go by the
        clock. A monitor whose reference profile cannot be read raises, after the others had their turn.
        """
        with self.storage.reading() as tx:
            found = every(tx, MONITORS, equals("organisation", self.organisation), equals("status", MonitorStatus.ACTIVE))
        tables = self._tables = _Tables(self.decisions, self.outcomes, self._tables)
        runs: list[MonitorRun] = []
        failures: list[Exception] = []
        for monitor in found:
            try:
                runs.extend(self._run_monitor(monitor, tables, as_of, at_most))
            except Exception as error:  # noqa: BLE001 -- raised below, once the other monitors have run
                error.add_note(f"monitor {monitor.name}")
                failures.append(error)
        tables.forget_rows()
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("monitors failed", failures)
        return runs

    def _run_monitor(self, monitor: Monitor, tables: _Tables, as_of: datetime | None, at_most: int) -> Iterator[MonitorRun]:
        with self.storage.reading() as tx:
            last = latest_run(tx, monitor)
        last_end = last.window_to if last else monitor.start
        micros = tables.times(monitor, last_end)
        high_water = self._high_water(monitor, micros, as_of, last)
        spans = due_windows(monitor.window, last_end=last_end, high_water=high_water, micros=micros, at_most=at_most)
        for span in spans:
            yield from self._judge(monitor, span, tables, cast("datetime", high_water), None)
        if monitor.restate_for and high_water is not None:
            yield from self._restate(monitor, tables, high_water, before=spans[0].since if spans else last_end)

    def _high_water(self, monitor: Monitor, micros: Any, as_of: datetime | None, last: MonitorRun | None) -> datetime | None:
        if monitor.window.by is Time.DECISION:
            return self.clock.now()
        latest = pa.scalar(int(micros.max()), pa.timestamp("us", tz="UTC")).as_py() if len(micros) else None
        known = [moment for moment in (as_of, latest, last.as_of if last else None) if moment is not None]
        return max(known, default=None)

    def _restate(self, monitor: Monitor, tables: _Tables, high_water: datetime, before: datetime | None) -> Iterator[MonitorRun]:
        """Judge again the recent windows whose counts of rows, outcomes or corrections are no longer those of their run."""
        if tables.marks is not None and self._restated.get(monitor.id) == (tables.marks, monitor):
            return
        with self.storage.reading() as tx:
            recent = _recent_runs(tx, monitor, high_water - timedelta(seconds=monitor.restate_for))
        for run in recent:
            if before is None or run.window_from < before:
                yield from self._judge(monitor, Span(since=run.window_from, until=run.window_to), tables, high_water, run)
        if tables.marks is not None:
            self._restated[monitor.id] = tables.marks, monitor

    def _judge(
        self, monitor: Monitor, span: Span, tables: _Tables, as_of: datetime, earlier: MonitorRun | None
    ) -> Iterator[MonitorRun]:
        table = tables.window(monitor, span)
        if earlier is not None and not _changed(earlier, table, monitor.needs_outcomes):
            return
        command = RecordRun(
            monitor=monitor.id,
            window_from=span.since,
            window_to=span.until,
            as_of=as_of,
            found=evaluate(monitor, self._profile(monitor), self._observed(monitor, table)),
            restates=earlier.id if earlier else None,
        )
        try:
            yield cast("MonitorRun", self.commands.handle(Request(command, SYSTEM, organisation=self.organisation)))
        except (AlreadyExists, WrongState) as error:
            if not self._judged_elsewhere(monitor, span, earlier):
                raise error

    def _observed(self, monitor: Monitor, table: Any) -> Any:
        """The window with what happened on the way to its answers beside it, of at most so many rows, evenly taken."""
        if self.observer is None or not monitor.observes:
            return table
        found: list[str | None] = [None] * table.num_rows
        manifests, inputs = table["manifest"].to_pylist(), table["inputs"].to_pylist()
        chosen = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_OBSERVED)).astype(int)).tolist()
        for manifest in sorted({manifests[row] for row in chosen} - {None}):
            rows = [row for row in chosen if manifests[row] == manifest]
            for row, seen in zip(rows, self.observer.observe(manifest, [inputs[row] for row in rows]), strict=True):
                found[row] = seen
        return table.append_column("observed", pa.array(found, pa.string()))

    def _judged_elsewhere(self, monitor: Monitor, span: Span, earlier: MonitorRun | None) -> bool:
        """Whether another worker recorded the window meanwhile."""
        with self.storage.reading() as tx:
            now = latest_run(tx, monitor, span.since)
        return now is not None and now.id != (earlier.id if earlier else None)

    def _profile(self, monitor: Monitor) -> ReferenceProfile | None:
        digest = monitor.reference
        if digest is None:
            return None
        if digest not in self._profiles:
            self._profiles[digest] = read_profile(self.blobs.read(digest), digest)
        return self._profiles[digest]


_Marks = tuple[Mark, Mark]


class _Tables:
    """What was read of the log in one round, so that monitors of one endpoint share it. A round that finds the log as the
    `earlier` one did reads no times again: an idle log costs nothing, whatever is in it."""

    def __init__(self, decisions: Decisions, outcomes: Outcomes, earlier: _Tables | None) -> None:
        self._decisions, self._outcomes = decisions, outcomes
        marks = decisions.mark(), outcomes.mark()
        self.marks: _Marks | None = None if None in marks else marks
        """What the log is like since before anything was read; None when that cannot be told."""
        self._last: tuple[Window, Any] | None = None
        self._times: dict[Window, Any] = {}
        same = earlier is not None and self.marks is not None and earlier.marks == self.marks
        self._earlier: dict[Window, Any] = earlier._times if earlier is not None and same else {}

    def forget_rows(self) -> None:
        """Of the round only times are kept: rows may be many."""
        self._last = None

    def window(self, monitor: Monitor, span: Span) -> Any:
        """The span's decisions, with their outcomes. The latest one read is kept: monitors of one endpoint come in turn."""
        window = _window(monitor, span.since, span.until)
        if self._last is None or self._last[0] != window:
            rows = self._decisions.scan(window, COLUMNS)
            self._last = window, join(rows, self._outcomes.find(rows["id"].to_pylist()))
        return self._last[1]

    def times(self, monitor: Monitor, since: datetime | None) -> Any:
        """The times, in microseconds since 1970, of the decisions since a moment; rows without one are left out."""
        window = _window(monitor, since, None)
        if window in self._earlier:
            self._times[window] = self._earlier[window]
        if window not in self._times:
            column = self._decisions.scan(window, [window.by.value])[window.by.value].drop_null()
            self._times[window] = pc.cast(column, pa.int64()).to_numpy() if len(column) else np.zeros(0, dtype=np.int64)
        return self._times[window]


def _window(monitor: Monitor, since: datetime | None, until: datetime | None) -> Window:
    return Window(
        organisation=monitor.organisation,
        endpoint=monitor.endpoint,
        versions=(monitor.version,) if monitor.version else (),
        arms=(monitor.arm,) if monitor.arm else (),
        since=since,
        until=until,
        by=monitor.window.by,
    )


def _recent_runs(tx: Transaction, monitor: Monitor, since: datetime) -> list[MonitorRun]:
    """The latest run of each window that ended since then."""
    latest: dict[datetime, MonitorRun] = {}
    for run in every(tx, MONITOR_RUNS, equals("monitor_id", monitor.id), Where("window_to", "ge", since)):
        known = latest.get(run.window_from)
        if known is None or run.restatement > known.restatement:
            latest[run.window_from] = run
    return [latest[start] for start in sorted(latest)]


def _changed(run: MonitorRun, table: Any, outcomes_matter: bool) -> bool:
    if table.num_rows != run.rows:
        return True
    if not outcomes_matter:
        return False
    known = table["outcome_values"].is_valid()
    corrections = int(pc.sum(table["outcome_correction"]).as_py() or 0)
    return int(pc.sum(known).as_py() or 0) != run.outcomes or corrections != run.corrections
