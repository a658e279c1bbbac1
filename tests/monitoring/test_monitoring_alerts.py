"""From the log to runs and alerts: windows close, breaches open, repeat and recover, late data restate, people decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import monitor_yard
import numpy as np
import pytest
from monitor_yard import ANNA, OTHER, SIGNATURE, VERSION, MonitorYard, baselines, flights, month, profile
from pydantic import ValidationError

from modelyard import monitoring
from modelyard.catalog.profile import Tier
from modelyard.core.clock import ManualClock
from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound, StaleRevision, Untrusted, WrongState
from modelyard.core.messages import AUDIT
from modelyard.core.records import Storage, equals, every, first
from modelyard.decisions import Time
from modelyard.kinds.signature import DataType
from modelyard.monitoring import (
    AcknowledgeAlert,
    AlertState,
    CreateMonitor,
    Figure,
    FigureLevel,
    Placement,
    RecordRun,
    ResolveAlert,
    RunFigures,
    RunStatus,
    Severity,
    UpdateMonitor,
    Watch,
    WatchedField,
    WindowKind,
    WindowSpec,
    autoconfigure,
)
from tests.decisions.decision_rows import long_ago

TABLES = monitor_yard.TABLES
MONTHS = WindowSpec(kind=WindowKind.MONTH)
PRESSURE = WatchedField(path="inputs.pressure", type=DataType.FP64, category=False)
NULLS = Watch(measure="null_rate", field="inputs.pressure", warning=0.05, critical=0.2, reason="ours")

EVERYWHERE = pytest.mark.parametrize("adapter", ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
"""For tests that take a monitor's whole way; the rules need no server to show."""


@pytest.fixture(params=["memory", "sqlite"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def yard(storage: Storage, tmp_path: Path) -> MonitorYard:
    return MonitorYard(storage, tmp_path)


def simple(yard: MonitorYard, **more: Any) -> monitoring.Monitor:
    fields = {"name": "nulls", "use_case": "connections", "endpoint": "hold", "window": MONTHS}
    made: monitoring.Monitor = yard.do(CreateMonitor(**fields | {"fields": (PRESSURE,), "watches": (NULLS,)} | more))
    return made


def record(yard: MonitorYard, number: int, value: float | None, restates: str | None = None) -> monitoring.MonitorRun:
    """A run of the simple monitor with one figure, as the watchman would record it."""
    level = FigureLevel.INSUFFICIENT
    if value is not None:
        level = FigureLevel.CRITICAL if value >= 0.2 else FigureLevel.WARNING if value >= 0.05 else FigureLevel.OK
    figure = Figure(
        measure="null_rate",
        field="inputs.pressure",
        level=level,
        value=value,
        rows=1000,
        warning=0.05,
        critical=0.2,
        examples=(f"d{number}",),
    )
    found = RunFigures(rows=1000, versions={VERSION: 1000}, arms={"champion": 1000}, figures=(figure,))
    command = RecordRun(
        monitor="nulls",
        window_from=month(number),
        window_to=month(number + 1),
        as_of=month(number + 1) + timedelta(hours=1),
        found=found,
        restates=restates,
    )
    run: monitoring.MonitorRun = yard.do(command)
    return run


def auto(yard: MonitorYard, **more: Any) -> list[monitoring.Monitor]:
    sample = flights(np.random.default_rng(1), 6_000)
    before = profile(sample, baselines=baselines(sample))
    assert yard.blobs.put(before.encode()) == before.digest()
    commands = autoconfigure(
        SIGNATURE, before, Tier.MEDIUM, Placement("hold-v1", "connections", "hold", window=MONTHS, **more), outcome="late"
    )
    return [yard.do(command) for command in commands]


@EVERYWHERE
def test_the_loop_finds_drift_in_its_month_and_its_end(yard: MonitorYard) -> None:
    inputs, output, performance = auto(yard)
    rng = np.random.default_rng(2)
    for number, warmer in enumerate((0, 0, 8, 8, 0, 0), start=1):
        sample = flights(rng, 1_500, warmer=warmer)
        yard.post(yard.log(sample, month(number), f"m{number}"), sample["late"])
    runs = yard.watchman().run_due()
    assert [r.window_from.month for r in runs if r.monitor_id == inputs.id] == [1, 2, 3, 4, 5]
    assert [r.status for r in runs if r.monitor_id == inputs.id] == [
        RunStatus.OK, RunStatus.OK, RunStatus.BREACH, RunStatus.BREACH, RunStatus.OK,
    ]  # fmt: skip
    assert all(r.status is RunStatus.OK for r in runs if r.monitor_id in (output.id, performance.id))
    assert all(r.outcomes == r.rows == 1_500 and r.version == VERSION for r in runs)
    alerts = yard.alerts()
    assert {(a.measure, a.field) for a in alerts} == {(m, "inputs.temperature") for m in ("psi", "ks", "w1_normalised")}
    for alert in alerts:
        assert (alert.first_seen, alert.last_seen, alert.count) == (month(3), month(5), 2)
        assert alert.state is AlertState.RECOVERED
        assert alert.time_to_restore == timedelta(days=61).total_seconds()
        assert alert.decisions[0].startswith("m4-")
    assert yard.watchman().run_due() == []
    assert yard.watchman().run_due(as_of=month(7))[0].window_from == month(6)


@EVERYWHERE
def test_a_breach_opens_one_alert_that_counts_escalates_and_recovers(yard: MonitorYard) -> None:
    monitor = simple(yard, owner="bea")
    record(yard, 1, 0.01)
    assert yard.alerts() == []
    record(yard, 2, 0.1)
    record(yard, 3, 0.3)
    record(yard, 4, None)
    record(yard, 5, 0.06)
    (alert,) = yard.alerts()
    assert (alert.state, alert.count, alert.severity) == (AlertState.OPEN, 3, Severity.CRITICAL)
    assert (alert.value, alert.threshold) == (0.06, 0.05)
    assert (alert.first_seen, alert.last_seen, alert.window_from) == (month(2), month(6), month(5))
    assert (alert.owner, alert.version, alert.arm, alert.monitor_id) == ("bea", VERSION, "champion", monitor.id)
    assert alert.decisions == ("d5",)
    assert alert.time_to_detect == timedelta(days=28, hours=1).total_seconds()
    record(yard, 6, 0.0)
    (alert,) = yard.alerts()
    assert (alert.state, alert.live) == (AlertState.RECOVERED, False)
    record(yard, 7, 0.1)
    assert [a.state for a in yard.alerts()] == [AlertState.RECOVERED, AlertState.OPEN]
    types = [e.type.removeprefix("monitoring.") for e in yard.events() if e.aggregate_id == alert.id]
    assert types == ["alert_opened", "alert_repeated", "alert_repeated", "alert_recovered"]


def test_no_data_neither_opens_nor_ends_an_alert(yard: MonitorYard) -> None:
    simple(yard)
    assert record(yard, 1, None).status is RunStatus.INSUFFICIENT
    record(yard, 2, 0.1)
    record(yard, 3, None)
    (alert,) = yard.alerts()
    assert (alert.live, alert.count) == (True, 1)


def test_people_acknowledge_and_resolve(yard: MonitorYard) -> None:
    simple(yard)
    record(yard, 1, 0.1)
    (alert,) = yard.alerts()
    alert = yard.do(AcknowledgeAlert(alert=alert.id, cause="sensor"))
    assert (alert.state, alert.owner, alert.acknowledged_by, alert.live) == (AlertState.ACKNOWLEDGED, "anna", "anna", True)
    record(yard, 2, 0.1)
    alert = yard.do(ResolveAlert(alert=alert.id, resolution="sensor replaced", action_taken="ticket", value_at_stake=1200.0))
    assert (alert.state, alert.count, alert.cause, alert.action) == (AlertState.RESOLVED, 2, "sensor", "ticket")
    with pytest.raises(WrongState):
        yard.do(ResolveAlert(alert=alert.id, resolution="again"))
    with pytest.raises(WrongState):
        yard.do(AcknowledgeAlert(alert=alert.id))
    record(yard, 3, 0.1)
    assert [a.state for a in yard.alerts()] == [AlertState.RESOLVED, AlertState.OPEN]


@EVERYWHERE
def test_late_and_corrected_outcomes_restate_a_window_visibly(yard: MonitorYard) -> None:
    _, _, performance = auto(yard, restate_for=90 * 86400.0)
    sample = flights(np.random.default_rng(3), 2_000)
    ids = yard.log(sample, month(1), "m1")
    yard.log(flights(np.random.default_rng(4), 10), month(2), "m2")
    yard.post(ids[:1_600], ~sample["late"][:1_600])

    def run() -> list[monitoring.MonitorRun]:
        return [r for r in yard.watchman().run_due() if r.monitor_id == performance.id]

    (original,) = run()
    assert (original.status, original.outcomes, original.restatement) == (RunStatus.BREACH, 1_600, 0)
    assert run() == []
    yard.post(ids[1_600:], sample["late"][1_600:])
    (late,) = run()
    assert (late.outcomes, late.restates, late.restatement) == (2_000, original.id, 1)
    assert {a.count for a in yard.alerts()} == {1}
    yard.post(ids[:1_600], sample["late"][:1_600])
    (corrected,) = run()
    assert (corrected.corrections, corrected.restates, corrected.restatement) == (1_600, late.id, 2)
    assert corrected.status is RunStatus.OK
    assert {a.state for a in yard.alerts()} == {AlertState.RECOVERED}
    assert run() == []
    assert yard.read(lambda tx: monitoring.latest_run(tx, performance, month(1))) == corrected


class Counted:
    """A reader whose scans are counted."""

    def __init__(self, reader: Any) -> None:
        self._reader, self.scans = reader, 0

    def scan(self, *arguments: Any) -> Any:
        self.scans += 1
        return self._reader.scan(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def test_an_idle_log_is_not_read_again_and_the_latest_row_is_seen_however_late(yard: MonitorYard) -> None:
    simple(yard, restate_for=365 * 86400.0)
    yard.log(flights(np.random.default_rng(5), 300), month(1), "m1")
    yard.log(flights(np.random.default_rng(5), 10), month(2), "m2")
    watchman = yard.watchman()
    watchman.decisions = decisions = Counted(yard.decisions)
    (run,) = watchman.run_due()

    long_ago(yard.root / "log")
    assert watchman.run_due() == []
    read = decisions.scans
    assert watchman.run_due() == []
    assert decisions.scans == read, "an idle log is not read"

    here, yard.clock = yard.clock, ManualClock(yard.clock.now() - timedelta(days=30))
    yard.log(flights(np.random.default_rng(6), 50), month(1), "late")  # by a machine that was away for a month
    (again,) = watchman.run_due()
    assert (again.rows, again.restates) == (350, run.id)

    simple(yard, name="days", window=WindowSpec(kind=WindowKind.DAY, by=Time.DECISION))
    long_ago(yard.root / "log")
    assert len(watchman.run_due()) == 30
    here.advance(timedelta(days=1))
    assert len(watchman.run_due()) == 1, "time goes by for an idle log, too"


def test_a_restated_window_corrects_its_alert_whatever_became_of_it(yard: MonitorYard) -> None:
    simple(yard)
    runs = [record(yard, n, 0.1) for n in (1, 2, 3)]
    again = record(yard, 2, 0.01, restates=runs[1].id)
    (alert,) = yard.alerts()
    assert (alert.count, alert.live, alert.last_seen) == (2, True, month(4))
    record(yard, 4, 0.0)
    record(yard, 2, 0.3, restates=again.id)
    assert [a.state for a in yard.alerts()].count(AlertState.OPEN) == 1, "a window that breaches after all is told"
    record(yard, 3, 0.15, restates=runs[2].id)
    ended = next(a for a in yard.alerts() if a.state is AlertState.RECOVERED)
    assert (ended.count, ended.value) == (2, 0.15)


def test_a_window_is_recorded_once(yard: MonitorYard) -> None:
    simple(yard)
    run = record(yard, 1, 0.0)
    for restates in (None, "run_unknown"):
        with pytest.raises(WrongState):
            record(yard, 1, 0.1, restates=restates)
    record(yard, 1, 0.1, restates=run.id)
    with pytest.raises(WrongState):
        record(yard, 1, 0.0, restates=run.id)


def test_windows_by_rows_and_by_decision_time(yard: MonitorYard) -> None:
    rows = simple(yard, name="rows", window=WindowSpec(kind=WindowKind.ROWS, every=400))
    days = simple(yard, name="days", window=WindowSpec(kind=WindowKind.DAY, by=Time.DECISION))
    yard.log(flights(np.random.default_rng(5), 1_000), month(1), "m1")
    yard.clock.advance(timedelta(days=2))
    runs = yard.watchman().run_due()
    assert [r.rows for r in runs if r.monitor_id == rows.id] == [400, 400]
    assert [(r.rows, r.status) for r in runs if r.monitor_id == days.id] == [(1_000, RunStatus.OK), (0, RunStatus.INSUFFICIENT)]
    yard.log(flights(np.random.default_rng(6), 500), month(2), "m2")
    assert [r.rows for r in yard.watchman().run_due() if r.monitor_id == rows.id] == [400]


def test_a_monitor_of_a_version_sees_that_version_only(yard: MonitorYard) -> None:
    simple(yard, name="old", version=VERSION)
    simple(yard, name="new", version=OTHER)
    simple(yard, name="all")
    yard.log(flights(np.random.default_rng(7), 300), month(1), "a")
    yard.log(flights(np.random.default_rng(8), 200), month(1), "b", version=OTHER)
    runs = {r.monitor: r for r in yard.watchman().run_due(as_of=month(2))}
    assert {name: (r.rows, r.version) for name, r in runs.items()} == {
        "old": (300, VERSION),
        "new": (200, OTHER),
        "all": (500, None),
    }


def test_two_workers_record_each_window_once(yard: MonitorYard) -> None:
    simple(yard)
    for number in range(1, 7):
        yard.log(flights(np.random.default_rng(number), 200), month(number), f"m{number}")
    watchmen = [yard.watchman() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        rounds = list(pool.map(lambda w: w.run_due(as_of=month(7)), watchmen))
    recorded = sorted(r.window_from for runs in rounds for r in runs)
    assert recorded == [month(n) for n in range(1, 7)]
    assert len(yard.read(lambda tx: every(tx, monitoring.MONITOR_RUNS))) == 6


def test_an_alert_about_what_is_no_longer_watched_is_resolved(yard: MonitorYard) -> None:
    monitor = simple(yard)
    record(yard, 1, 0.1)
    rows = Watch(measure="row_count", field="inputs.pressure")
    yard.do(UpdateMonitor(monitor="nulls", revision=monitor.revision, watches=(rows,)))
    (alert,) = yard.alerts()
    assert (alert.state, alert.live, alert.resolution) == (AlertState.RESOLVED, False, "no longer watched")


def test_restating_looks_only_when_something_came(yard: MonitorYard) -> None:
    simple(yard, restate_for=365 * 86400.0)
    yard.log(flights(np.random.default_rng(1), 300), month(1), "a")
    watchman = yard.watchman()
    assert len(watchman.run_due(as_of=month(2))) == 1
    for late in (1, 2):
        yard.clock.advance(timedelta(hours=1))
        assert watchman.run_due(as_of=month(2)) == []
        yard.log(flights(np.random.default_rng(2), 50), month(1), f"late{late}")
        (run,) = watchman.run_due(as_of=month(2))
        assert (run.rows, run.restatement) == (300 + 50 * late, late)


def test_paused_monitors_rest_and_updates_are_guarded(yard: MonitorYard) -> None:
    monitor = simple(yard)
    yard.log(flights(np.random.default_rng(9), 300), month(1), "a")
    paused = yard.do(UpdateMonitor(monitor="nulls", revision=monitor.revision, status="paused"))
    assert yard.watchman().run_due(as_of=month(2)) == []
    with pytest.raises(StaleRevision):
        yard.do(UpdateMonitor(monitor="nulls", revision=monitor.revision, status="active"))
    yard.do(UpdateMonitor(monitor=monitor.id, revision=paused.revision, status="active"))
    assert len(yard.watchman().run_due(as_of=month(2))) == 1


def test_a_swapped_reference_profile_is_refused_and_the_others_run(yard: MonitorYard) -> None:
    inputs, _, _ = auto(yard)
    simple(yard)
    yard.log(flights(np.random.default_rng(10), 1_000), month(1), "a")
    yard.blobs.kept[str(inputs.reference)] = profile(flights(np.random.default_rng(11), 100)).encode()
    with pytest.raises(ExceptionGroup) as failures:
        yard.watchman().run_due(as_of=month(2))
    assert all(isinstance(e, Untrusted) for e in failures.value.exceptions)
    done = yard.read(lambda tx: every(tx, monitoring.MONITOR_RUNS))
    assert {r.monitor for r in done} == {"nulls", "hold-v1-performance"}


def test_bad_monitors_are_refused(yard: MonitorYard) -> None:
    simple(yard)
    with pytest.raises(AlreadyExists):
        simple(yard)
    with pytest.raises(NotFound):
        simple(yard, name="b", use_case="nothing")
    for watch, more in (
        (Watch(measure="no_such"), {}),
        (Watch(measure="psi", field="inputs.pressure"), {}),
        (Watch(measure="null_rate", field="inputs.unknown"), {}),
        (Watch(measure="unseen_category_rate", field="inputs.pressure"), {"reference": VERSION}),
        (Watch(measure="out_of_range_rate", field="inputs.pressure"), {}),
        (Watch(measure="roc_auc"), {}),
        (Watch(measure="null_rate", field="inputs.pressure", warning=0.1), {}),
    ):
        with pytest.raises(InvalidInput):
            simple(yard, name="b", watches=(watch,), **more)
    with pytest.raises(InvalidInput):
        simple(yard, name="b", segments=("inputs.pressure",))
    with pytest.raises(ValidationError):
        CreateMonitor(name="b", use_case="c", endpoint="e", watches=())
    with pytest.raises(ValidationError):
        RecordRun(monitor="b", window_from=month(2), window_to=month(2), as_of=month(2), found=RunFigures(rows=0))


def test_every_change_is_audited_with_its_actor(yard: MonitorYard) -> None:
    simple(yard)
    yard.log(flights(np.random.default_rng(12), 300), month(1), "a")
    yard.watchman().run_due(as_of=month(2))
    audited = yard.read(lambda tx: first(tx, AUDIT, equals("action", "monitoring.record_run")))
    assert audited is not None
    assert audited.actor == "system"
    assert [c.table for c in audited.changes] == ["monitor_runs"]
    created = yard.read(lambda tx: first(tx, AUDIT, equals("action", "monitoring.create_monitor")))
    assert created is not None
    assert created.actor == ANNA.id
