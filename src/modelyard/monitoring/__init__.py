"""Monitoring: scheduled measures over decisions and outcomes, and the alerts they open.

    for command in autoconfigure(signature, profile, tier, Placement("hold-v3", "connections", "hold"), outcome="late"):
        bus.handle(Request(command, actor))
    Watchman(storage, bus, DecisionReader(root), OutcomeReader(root), blobs, clock).run_due()

A monitor judges window after window: closed windows become runs, breaches open alerts, good windows end them, late and
corrected outcomes restate a window by a further run.
"""

from modelyard.monitoring.autoconfigure import Placement, autoconfigure
from modelyard.monitoring.commands import AcknowledgeAlert, CreateMonitor, RecordRun, ResolveAlert, UpdateMonitor
from modelyard.monitoring.events import EVENTS
from modelyard.monitoring.loop import Watchman
from modelyard.monitoring.model import (
    ALERTS,
    MONITOR_RUNS,
    MONITORS,
    TABLES,
    Alert,
    AlertState,
    Answers,
    Figure,
    FigureLevel,
    Monitor,
    MonitorRun,
    MonitorStatus,
    RunFigures,
    RunStatus,
    Severity,
    Watch,
    WatchedField,
)
from modelyard.monitoring.reference import ReferenceProfile, make_profile, observed_fields, read_profile, watched_fields
from modelyard.monitoring.service import find_alert, find_monitor, handlings, latest_run
from modelyard.monitoring.watch import COLUMNS, evaluate
from modelyard.monitoring.windows import Span, WindowKind, WindowSpec, due_windows, window_of

__all__ = [
    "ALERTS",
    "COLUMNS",
    "EVENTS",
    "MONITORS",
    "MONITOR_RUNS",
    "TABLES",
    "AcknowledgeAlert",
    "Alert",
    "AlertState",
    "Answers",
    "CreateMonitor",
    "Figure",
    "FigureLevel",
    "Monitor",
    "MonitorRun",
    "MonitorStatus",
    "Placement",
    "RecordRun",
    "ReferenceProfile",
    "ResolveAlert",
    "RunFigures",
    "RunStatus",
    "Severity",
    "Span",
    "UpdateMonitor",
    "Watch",
    "WatchedField",
    "Watchman",
    "WindowKind",
    "WindowSpec",
    "autoconfigure",
    "due_windows",
    "evaluate",
    "find_alert",
    "find_monitor",
    "handlings",
    "latest_run",
    "make_profile",
    "observed_fields",
    "read_profile",
    "watched_fields",
    "window_of",
]
