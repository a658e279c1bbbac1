"""What happened to batches."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class BatchStarted(Event):
    """It was asked for; its job waits for a worker."""

    type: ClassVar[str] = "delivery.batch_started"

    batch: str
    endpoint: str
    job: str


class BatchFinished(Event):
    """Every row was answered or told why not."""

    type: ClassVar[str] = "delivery.batch_finished"

    batch: str
    endpoint: str
    versions: tuple[str, ...]
    answered: int
    rejected: int


class BatchFailed(Event):
    """It failed for good: it is not tried again by itself."""

    type: ClassVar[str] = "delivery.batch_failed"

    batch: str
    endpoint: str
    error: str


class BatchCancelled(Event):
    type: ClassVar[str] = "delivery.batch_cancelled"

    batch: str
    endpoint: str


EVENTS: tuple[type[Event], ...] = (BatchStarted, BatchFinished, BatchFailed, BatchCancelled)
