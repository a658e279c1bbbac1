"""What happened to monitors and alerts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from modelyard.core.messages import Event


class MonitorCreated(Event):
    type: ClassVar[str] = "monitoring.monitor_created"

    monitor_id: str
    name: str
    endpoint: str
    use_case: str


class MonitorUpdated(Event):
    type: ClassVar[str] = "monitoring.monitor_updated"

    monitor_id: str
    name: str
    status: str
    fields: tuple[str, ...]


class RunRecorded(Event):
    type: ClassVar[str] = "monitoring.run_recorded"

    monitor_id: str
    run_id: str
    endpoint: str
    window_from: AwareDatetime
    window_to: AwareDatetime
    status: str
    rows: int
    restates: str | None


class AlertEvent(Event):
    """What all events about an alert tell."""

    alert_id: str
    monitor_id: str
    endpoint: str
    use_case: str
    version: str | None
    measure: str
    field: str
    severity: str
    value: float
    threshold: float | None
    count: int
    window_from: AwareDatetime
    window_to: AwareDatetime


class AlertOpened(AlertEvent):
    type: ClassVar[str] = "monitoring.alert_opened"


class AlertRepeated(AlertEvent):
    """Another window breached, or one was restated."""

    type: ClassVar[str] = "monitoring.alert_repeated"


class AlertRecovered(AlertEvent):
    type: ClassVar[str] = "monitoring.alert_recovered"


class AlertAcknowledged(AlertEvent):
    type: ClassVar[str] = "monitoring.alert_acknowledged"


class AlertResolved(AlertEvent):
    type: ClassVar[str] = "monitoring.alert_resolved"


EVENTS: tuple[type[Event], ...] = (
    MonitorCreated,
    MonitorUpdated,
    RunRecorded,
    AlertOpened,
    AlertRepeated,
    AlertRecovered,
    AlertAcknowledged,
    AlertResolved,
)
