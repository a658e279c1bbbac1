"""What happened to tasks."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class TaskEvent(Event):
    """What all events about a task tell."""

    task: str
    instance: str
    process: str
    element: str
    about: str | None


class TaskOpened(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_opened"

    roles: tuple[str, ...]
    candidates: tuple[str, ...]


class TaskAssigned(TaskEvent):
    """Claimed, delegated, or put back (then without an assignee)."""

    type: ClassVar[str] = "lifecycle.task_assigned"

    assignee: str | None


class TaskDecided(TaskEvent):
    """Somebody decided; `ended` says whether the task is done with that."""

    type: ClassVar[str] = "lifecycle.task_decided"

    by: str
    verdict: str
    ended: bool


class TaskReminded(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_reminded"


class TaskEscalated(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_escalated"

    to: tuple[str, ...]


class TaskExpired(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_expired"


class TaskWithdrawn(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_withdrawn"


class TaskCommented(TaskEvent):
    type: ClassVar[str] = "lifecycle.task_commented"

    by: str
    document: str | None = None


EVENTS: tuple[type[Event], ...] = (
    TaskOpened,
    TaskAssigned,
    TaskDecided,
    TaskReminded,
    TaskEscalated,
    TaskExpired,
    TaskWithdrawn,
    TaskCommented,
)
