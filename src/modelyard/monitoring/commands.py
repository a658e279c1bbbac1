"""What can be done about monitors and alerts. `monitor` takes a name or an id."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, Field, FiniteFloat, model_validator

from modelyard.core.messages import Command
from modelyard.monitoring.model import (
    GREATEST_FIELDS,
    GREATEST_WATCHES,
    Answers,
    Digest,
    MonitorStatus,
    Name,
    Path,
    RunFigures,
    Text,
    Watch,
    WatchedField,
)
from modelyard.monitoring.windows import WindowSpec

Reference = Annotated[str, Field(min_length=1, max_length=200)]
Watches = Annotated[tuple[Watch, ...], Field(min_length=1, max_length=GREATEST_WATCHES)]
Fields = Annotated[tuple[WatchedField, ...], Field(max_length=GREATEST_FIELDS)]
Segments = Annotated[tuple[Path, ...], Field(max_length=20)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[FiniteFloat, Field(ge=0)]


class CreateMonitor(Command):
    """Watch an endpoint's decisions. Without `version` and `arm` all answers are watched; without `start` from the first
    decision on; without `owner` whoever asks owns its alerts."""

    action: ClassVar[str] = "monitoring.create_monitor"

    name: Name
    use_case: Reference
    endpoint: Reference
    version: Digest | None = None
    arm: str | None = None
    window: WindowSpec = WindowSpec()
    start: AwareDatetime | None = None
    fields: Fields = ()
    watches: Watches
    answers: Answers | None = None
    reference: Digest | None = None
    segments: Segments = ()
    minimum_outcomes: Share = 0.5
    restate_for: Seconds = 0.0
    owner: str = ""


class UpdateMonitor(Command):
    """Change a monitor; what is left out stays. How its windows are cut cannot change: make a new monitor for that."""

    action: ClassVar[str] = "monitoring.update_monitor"

    monitor: Reference
    revision: Annotated[int, Field(ge=0)]
    status: MonitorStatus | None = None
    watches: Watches | None = None
    fields: Fields | None = None
    answers: Answers | None = None
    reference: Digest | None = None
    segments: Segments | None = None
    minimum_outcomes: Share | None = None
    restate_for: Seconds | None = None
    owner: Annotated[str, Field(min_length=1)] | None = None


class RecordRun(Command):
    """Keep what was found in a window, and open, repeat or end alerts by it. A window that has a run can only be recorded
    again as a restatement that names the latest run of it."""

    action: ClassVar[str] = "monitoring.record_run"

    monitor: Reference
    window_from: AwareDatetime
    window_to: AwareDatetime
    as_of: AwareDatetime
    found: RunFigures
    restates: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.window_from < self.window_to:
            raise ValueError("the window ends before it starts")
        return self


class AcknowledgeAlert(Command):
    """Say that somebody works on it: who, and what is known so far."""

    action: ClassVar[str] = "monitoring.acknowledge_alert"

    alert: Reference
    owner: str = ""
    cause: Text = ""
    action_taken: Text = ""


class ResolveAlert(Command):
    """Close an alert with what it was and what was done. It opens anew when a later window breaches."""

    action: ClassVar[str] = "monitoring.resolve_alert"

    alert: Reference
    resolution: Annotated[Text, Field(min_length=1)]
    cause: Text = ""
    action_taken: Text = ""
    linked_change: Text = ""
    value_at_stake: FiniteFloat | None = None
