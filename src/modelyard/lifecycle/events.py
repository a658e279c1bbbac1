"""What happened to life cycles."""

from __future__ import annotations

from typing import Any, ClassVar

from modelyard.core.messages import Event


class ProcessProposed(Event):
    type: ClassVar[str] = "lifecycle.process_proposed"

    definition: str
    key: str
    number: int


class ProcessPublished(Event):
    type: ClassVar[str] = "lifecycle.process_published"

    definition: str
    key: str
    number: int


class InstanceStarted(Event):
    type: ClassVar[str] = "lifecycle.instance_started"

    instance: str
    process: str
    number: int
    about: str | None


class InstanceEnded(Event):
    """`work` is what a calling instance waits with."""

    type: ClassVar[str] = "lifecycle.instance_ended"

    instance: str
    process: str
    how: str
    about: str | None
    work: str | None = None
    data: dict[str, Any] = {}


class InstanceMigrated(Event):
    type: ClassVar[str] = "lifecycle.instance_migrated"

    instance: str
    process: str
    before: int
    after: int


class IncidentOpened(Event):
    type: ClassVar[str] = "lifecycle.incident_opened"

    incident: str
    instance: str
    process: str
    element: str
    cause: str
    message: str


class IncidentClosed(Event):
    type: ClassVar[str] = "lifecycle.incident_closed"

    incident: str
    instance: str
    process: str
    element: str
    how: str


class MessageSent(Event):
    """An instance sent a message; whoever waits for it is told."""

    type: ClassVar[str] = "lifecycle.message_sent"

    instance: str
    name: str
    key: str | None
    payload: dict[str, Any]


class SignalSent(Event):
    type: ClassVar[str] = "lifecycle.signal_sent"

    instance: str | None
    name: str
    payload: dict[str, Any]


EVENTS: tuple[type[Event], ...] = (
    ProcessProposed,
    ProcessPublished,
    InstanceStarted,
    InstanceEnded,
    InstanceMigrated,
    IncidentOpened,
    IncidentClosed,
    MessageSent,
    SignalSent,
)
