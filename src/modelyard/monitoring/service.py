"""Handlers of monitoring's commands. Computing a run reads the decision log, so it happens before its command."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from modelyard.catalog.lookup import find_use_case
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotFound, StaleRevision, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, equals, every, first
from modelyard.monitoring.commands import AcknowledgeAlert, CreateMonitor, RecordRun, ResolveAlert, UpdateMonitor
from modelyard.monitoring.events import (
    AlertAcknowledged,
    AlertEvent,
    AlertOpened,
    AlertRecovered,
    AlertRepeated,
    AlertResolved,
    MonitorCreated,
    MonitorUpdated,
    RunRecorded,
)
from modelyard.monitoring.model import (
    ALERTS,
    MONITOR_RUNS,
    MONITORS,
    Alert,
    AlertState,
    Breach,
    Figure,
    FigureLevel,
    Monitor,
    MonitorRun,
    breach_of,
    check_monitor,
    ended,
    only,
    seen_again,
    without,
)


def find_monitor(tx: Transaction, organisation: str, reference: str) -> Monitor:
    """The monitor of that name or id. Raises NotFound."""
    for field in ("name", "id"):
        found = first(tx, MONITORS, equals("organisation", organisation), equals(field, reference))
        if found is not None:
            return found
    raise NotFound(f"no monitor named {reference!r}", field="monitor")


def find_alert(tx: Transaction, organisation: str, alert_id: str) -> Alert:
    """The organisation's alert of that id. Raises NotFound."""
    alert = tx.get(ALERTS, alert_id)
    if alert.organisation != organisation:
        raise NotFound(f"no record {alert_id!r} in {ALERTS.name}", field="alert")
    return alert


def latest_run(tx: Transaction, monitor: Monitor, window_from: datetime | None = None) -> MonitorRun | None:
    """The last window's run, or the last run of the window that starts then."""
    where = [equals("monitor_id", monitor.id)] + ([equals("window_from", window_from)] if window_from else [])
    order = "restatement" if window_from else "window_to"
    items = tx.find(MONITOR_RUNS, Query(where=tuple(where), sort=order, descending=True, limit=1)).items
    return items[0] if items else None


def create_monitor(work: Work, command: CreateMonitor) -> Monitor:
    """Raises NotFound for the use case, InvalidInput when parts do not fit together, AlreadyExists for a taken name."""
    use_case = find_use_case(work.tx, work.organisation, command.use_case)
    given = {name: getattr(command, name) for name in CreateMonitor.model_fields}
    given |= {"use_case": use_case.name, "owner": command.owner or work.actor.id}
    kept = work.add(MONITORS, check_monitor(Monitor(**work.new("mon"), **given)))
    event = MonitorCreated(monitor_id=kept.id, name=kept.name, endpoint=kept.endpoint, use_case=kept.use_case)
    work.emit(event, f"monitor:{kept.id}")
    return kept


def update_monitor(work: Work, command: UpdateMonitor) -> Monitor:
    """Raises NotFound, StaleRevision when somebody else changed it first, InvalidInput when parts do not fit together."""
    before = find_monitor(work.tx, work.organisation, command.monitor)
    if command.revision != before.revision:
        detail = f"{before.name!r} is at revision {before.revision}, not {command.revision}"
        raise StaleRevision(detail, field="revision", hint="read it again and repeat the change")
    names = [n for n in UpdateMonitor.model_fields if n not in ("monitor", "revision")]
    given = {n: getattr(command, n) for n in names if getattr(command, n) is not None}
    changed = {n: value for n, value in given.items() if getattr(before, n) != value}
    if not changed:
        return before
    kept = work.save(MONITORS, check_monitor(before.model_copy(update=changed)))
    _end_unwatched(work, kept)
    event = MonitorUpdated(monitor_id=kept.id, name=kept.name, status=kept.status.value, fields=tuple(sorted(changed)))
    work.emit(event, f"monitor:{kept.id}")
    return kept


def _end_unwatched(work: Work, monitor: Monitor) -> None:
    """Resolve live alerts about what the monitor no longer watches: no window could ever end them."""
    watched = {(w.measure, w.field) for w in monitor.watches}
    for alert in every(work.tx, ALERTS, equals("monitor_id", monitor.id), equals("live", True)):
        if (alert.measure, alert.field) not in watched:
            fields = {"resolution": "no longer watched", "resolved_by": work.actor.id, "resolved_at": work.now}
            _tell(work, AlertResolved, work.save(ALERTS, ended(alert, AlertState.RESOLVED, **fields)))


def record_run(work: Work, command: RecordRun) -> MonitorRun:
    """Raises NotFound, and WrongState when the window has a run that the command does not restate."""
    monitor = find_monitor(work.tx, work.organisation, command.monitor)
    earlier = latest_run(work.tx, monitor, command.window_from)
    if (earlier.id if earlier else None) != command.restates:
        said = f"its latest run is {earlier.id}" if earlier else "it has no run"
        raise WrongState(f"the window cannot be recorded so: {said}", field="restates", hint="read the runs again")
    run = work.add(MONITOR_RUNS, _run(work, monitor, command, earlier))
    work.emit(
        RunRecorded(
            monitor_id=monitor.id,
            run_id=run.id,
            endpoint=run.endpoint,
            window_from=run.window_from,
            window_to=run.window_to,
            status=run.status.value,
            rows=run.rows,
            restates=run.restates,
        ),
        f"monitor:{monitor.id}",
    )
    _update_alerts(work, monitor, run)
    return run


def _run(work: Work, monitor: Monitor, command: RecordRun, earlier: MonitorRun | None) -> MonitorRun:
    found = command.found
    return MonitorRun(
        **work.new("run"),
        monitor_id=monitor.id,
        monitor=monitor.name,
        endpoint=monitor.endpoint,
        use_case=monitor.use_case,
        window_from=command.window_from,
        window_to=command.window_to,
        as_of=command.as_of,
        status=found.status,
        version=monitor.version or only(found.versions),
        arm=monitor.arm or only(found.arms),
        **{n: getattr(found, n) for n in ("rows", "outcomes", "corrections", "unreadable", "versions", "arms", "figures")},
        restates=command.restates,
        restatement=earlier.restatement + 1 if earlier else 0,
    )


def _update_alerts(work: Work, monitor: Monitor, run: MonitorRun) -> None:
    alerts = {a.key: a for a in every(work.tx, ALERTS, equals("monitor_id", monitor.id), equals("live", True))}
    for figure in run.figures:
        alert = _about_window(work, monitor, run, figure) or alerts.get(figure.key)
        if figure.level.breach:
            _breached(work, monitor, run, figure, alert)
        elif figure.level is FigureLevel.OK and alert is not None:
            _passed(work, run, alert)


def _about_window(work: Work, monitor: Monitor, run: MonitorRun, figure: Figure) -> Alert | None:
    """For a restated window, the alert that this window opened or repeated, ended or not."""
    if run.restates is None:
        return None
    alerts = every(work.tx, ALERTS, equals("monitor_id", monitor.id), equals("key", figure.key))
    return next((a for a in alerts if any(b.window_from == run.window_from for b in a.breaches)), None)


def _breached(work: Work, monitor: Monitor, run: MonitorRun, figure: Figure, alert: Alert | None) -> None:
    breach = breach_of(run, figure)
    if alert is None:
        kept = work.add(ALERTS, _opened(work, monitor, run, figure, breach))
        _tell(work, AlertOpened, kept)
    else:
        _tell(work, AlertRepeated, work.save(ALERTS, seen_again(alert, breach, figure.examples)))


def _passed(work: Work, run: MonitorRun, alert: Alert) -> None:
    """A window without a breach ends a live alert, unless it is an earlier window than the alert's latest."""
    struck = any(b.window_from == run.window_from for b in alert.breaches)
    left = without(alert, run.window_from) if struck else alert
    if left is None:
        if alert.live:
            _recover(work, run, alert, "the window was restated and is no breach")
    elif struck:
        _tell(work, AlertRepeated, work.save(ALERTS, left))
    elif alert.live and run.window_from >= alert.last_seen:
        _recover(work, run, alert, "")


def _recover(work: Work, run: MonitorRun, alert: Alert, resolution: str) -> None:
    restored = (run.window_from - alert.first_seen).total_seconds()
    fields = {"recovered_at": work.now, "time_to_restore": max(restored, 0.0), "resolution": resolution or alert.resolution}
    _tell(work, AlertRecovered, work.save(ALERTS, ended(alert, AlertState.RECOVERED, **fields)))


def _opened(work: Work, monitor: Monitor, run: MonitorRun, figure: Figure, breach: Breach) -> Alert:
    return Alert(
        **work.new("alr"),
        monitor_id=monitor.id,
        monitor=monitor.name,
        endpoint=monitor.endpoint,
        use_case=monitor.use_case,
        measure=figure.measure,
        field=figure.field,
        segment=figure.segment,
        key=figure.key,
        severity=breach.severity,
        value=breach.value,
        threshold=breach.threshold,
        window_from=run.window_from,
        window_to=run.window_to,
        first_seen=run.window_from,
        last_seen=run.window_to,
        breaches=(breach,),
        version=run.version,
        arm=run.arm,
        owner=monitor.owner,
        decisions=figure.examples,
        time_to_detect=max((run.as_of - run.window_from).total_seconds(), 0.0),
    )


def acknowledge_alert(work: Work, command: AcknowledgeAlert) -> Alert:
    """Raises NotFound, and WrongState when the alert is not open (nor acknowledged: that may be said again)."""
    alert = find_alert(work.tx, work.organisation, command.alert)
    if not alert.live:
        raise WrongState(f"the alert is {alert.state}", field="alert", hint="only a live alert can be acknowledged")
    fields = {
        "state": AlertState.ACKNOWLEDGED,
        "acknowledged_by": work.actor.id,
        "acknowledged_at": work.now,
        "owner": command.owner or work.actor.id,
        "cause": command.cause or alert.cause,
        "action": command.action_taken or alert.action,
    }
    kept = work.save(ALERTS, alert.model_copy(update=fields))
    _tell(work, AlertAcknowledged, kept)
    return kept


def resolve_alert(work: Work, command: ResolveAlert) -> Alert:
    """Raises NotFound, and WrongState when the alert is resolved already."""
    alert = find_alert(work.tx, work.organisation, command.alert)
    if alert.state is AlertState.RESOLVED:
        raise WrongState("the alert is resolved already", field="alert")
    fields = {
        "resolution": command.resolution,
        "cause": command.cause or alert.cause,
        "action": command.action_taken or alert.action,
        "linked_change": command.linked_change or alert.linked_change,
        "value_at_stake": alert.value_at_stake if command.value_at_stake is None else command.value_at_stake,
        "resolved_by": work.actor.id,
        "resolved_at": work.now,
    }
    kept = work.save(ALERTS, ended(alert, AlertState.RESOLVED, **fields))
    _tell(work, AlertResolved, kept)
    return kept


def _tell(work: Work, event: type[AlertEvent], alert: Alert) -> None:
    names = [n for n in AlertEvent.model_fields if n != "alert_id"]
    given = {n: getattr(alert, n) for n in names} | {"severity": alert.severity.value}
    work.emit(event(alert_id=alert.id, **given), f"alert:{alert.id}")


def _new_monitor(tx: Transaction, request: Request, command: CreateMonitor) -> Subject:
    use_case = find_use_case(tx, request.organisation, command.use_case)
    attributes = {
        "name": command.name,
        "endpoint": command.endpoint,
        "use_case": use_case.name,
        "owner": command.owner or request.actor.id,
        "tier": use_case.tier or "",
    }
    return Subject(type="monitor", id=command.name, attributes=attributes)


def _named_monitor(tx: Transaction, request: Request, command: UpdateMonitor | RecordRun) -> Subject:
    monitor = find_monitor(tx, request.organisation, command.monitor)
    return Subject(type="monitor", id=monitor.id, attributes=_attributes(tx, request, monitor))


def _named_alert(tx: Transaction, request: Request, command: AcknowledgeAlert | ResolveAlert) -> Subject:
    alert = find_alert(tx, request.organisation, command.alert)
    attributes = _attributes(tx, request, alert) | {"severity": alert.severity.value, "state": alert.state.value}
    return Subject(type="alert", id=alert.id, attributes=attributes)


def _attributes(tx: Transaction, request: Request, record: Monitor | Alert) -> dict[str, Any]:
    name = record.name if isinstance(record, Monitor) else record.monitor
    tier = find_use_case(tx, request.organisation, record.use_case).tier or ""
    return {"name": name, "endpoint": record.endpoint, "use_case": record.use_case, "owner": record.owner, "tier": tier}


def handlings() -> list[Handling[Any]]:
    """Monitoring's commands. `monitoring.record_run` is for the platform's own loop."""
    return [
        Handling(CreateMonitor, create_monitor, _new_monitor, Monitor),
        Handling(UpdateMonitor, update_monitor, _named_monitor, Monitor),
        Handling(RecordRun, record_run, _named_monitor, MonitorRun),
        Handling(AcknowledgeAlert, acknowledge_alert, _named_alert, Alert),
        Handling(ResolveAlert, resolve_alert, _named_alert, Alert),
    ]
