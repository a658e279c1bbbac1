"""Life cycles: BPMN processes that are published, run for months, ask people, wait, and remember.

Commands: `publishing` versions put in force · `instances` begun, steered, moved on by time · `messages` told to who waits ·
`working` what steps ask for · `deciding` what people do at tasks · `service` all of them.

`definitions` what may be published · `advancing` a step written down · `operations` what a step does · `tasks` what a task is ·
`inbound` events and times that move instances · `durations` and `times` how long it took · `processes` the life cycles that are
shipped.
"""

from __future__ import annotations

from typing import Any

from modelyard.core.messages import Event
from modelyard.core.records import Table
from modelyard.lifecycle import events, model
from modelyard.lifecycle.service import handlings
from modelyard.lifecycle.shipped import bootstrap_processes
from modelyard.lifecycle.tasks import events as task_events
from modelyard.lifecycle.tasks import model as task_model

TABLES: tuple[Table[Any], ...] = (*model.TABLES, *task_model.TABLES)
EXPLAINED_TABLES: tuple[Table[Any], ...] = (*model.EXPLAINED_TABLES, *task_model.EXPLAINED_TABLES)
EVENTS: tuple[type[Event], ...] = (*events.EVENTS, *task_events.EVENTS)

__all__ = ["EVENTS", "EXPLAINED_TABLES", "TABLES", "bootstrap_processes", "handlings"]
