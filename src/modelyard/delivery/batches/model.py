"""The record of a batch: what was asked for, which job does it, and what came of it, with its lineage."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.core.records import Record, Table


class BatchState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Batch(Record):
    """A batch of an endpoint. `order` is what the data plane is asked to do; how far it is stands with the job. When it is done,
    `arms` names version, manifest and release of whoever answered, `epoch` and `snapshot` the routes they came from, `input` the
    fingerprint of the input, and its decisions are those whose `request` is the batch's id."""

    endpoint: str
    use_case: str
    tier: str
    order: dict[str, Any]
    state: BatchState = BatchState.QUEUED
    job: str
    requested_by: str
    read: int = 0
    answered: int = 0
    rejected: int = 0
    logged: int = 0
    by_arm: dict[str, int] = {}
    arms: tuple[dict[str, Any], ...] = ()
    epoch: int | None = None
    snapshot: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    finished_at: datetime | None = None


BATCHES: Table[Batch] = Table(
    "batches", Batch, indexed=("endpoint", "use_case", "state", "job", "requested_by"), text=("endpoint", "use_case")
)

TABLES: tuple[Table[Any], ...] = (BATCHES,)
