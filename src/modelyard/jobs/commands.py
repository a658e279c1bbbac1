"""What people may ask of jobs and schedules. Jobs themselves are enqueued by the commands that need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field, model_validator

from modelyard.core.errors import InvalidInput
from modelyard.core.messages import Command
from modelyard.jobs import cron
from modelyard.jobs.model import GREATEST_LIMIT, Resource


class CancelJob(Command):
    """Stop a job: at once when it waits, at its worker's next heartbeat when it runs."""

    action: ClassVar[str] = "jobs.cancel_job"

    job: str = Field(min_length=1, max_length=100)


class RetryJob(Command):
    """Queue a failed or cancelled job afresh."""

    action: ClassVar[str] = "jobs.retry_job"

    job: str = Field(min_length=1, max_length=100)


class DefineSchedule(Command):
    """Make a schedule, or change the one of that name. Exactly one of `cron` (five fields, UTC) and `every_s`."""

    action: ClassVar[str] = "jobs.define_schedule"

    name: str = Field(min_length=1, max_length=100)
    kind: str = Field(min_length=1, max_length=100)
    payload: dict[str, Any] = {}
    resource: Resource | None = None
    cron: str | None = Field(default=None, max_length=200)
    every_s: float | None = Field(default=None, ge=1, le=366 * 86_400)
    priority: int = Field(default=0, ge=-100, le=100)
    max_attempts: int = Field(default=5, ge=1, le=100)
    timeout_s: float = Field(default=3600.0, gt=0, le=30 * 86_400)

    @model_validator(mode="after")
    def _one_rhythm(self) -> DefineSchedule:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError("give either cron or every_s")
        if self.cron is not None:
            _check_cron(self.cron)
        return self


class PauseSchedule(Command):
    action: ClassVar[str] = "jobs.pause_schedule"

    schedule: str = Field(min_length=1, max_length=100)


class ResumeSchedule(Command):
    action: ClassVar[str] = "jobs.resume_schedule"

    schedule: str = Field(min_length=1, max_length=100)


class SetLimit(Command):
    """Say how many jobs of a resource may run at a time; 0 pauses them. What runs already runs on."""

    action: ClassVar[str] = "jobs.set_limit"

    name: Resource
    limit: int = Field(ge=0, le=GREATEST_LIMIT)


def _check_cron(expression: str) -> None:
    try:
        cron.parse(expression).following(datetime(2026, 1, 1, tzinfo=UTC))
    except InvalidInput as error:
        raise ValueError(str(error)) from error
