"""What jobs tell of."""

from __future__ import annotations

from modelyard.core.messages import Event


class JobDone(Event):
    type = "jobs.job_done"

    job: str
    kind: str


class JobFailed(Event):
    """It failed for good: it will not be tried again by itself."""

    type = "jobs.job_failed"

    job: str
    kind: str
    error: str


class JobCancelled(Event):
    type = "jobs.job_cancelled"

    job: str
    kind: str


class JobRetried(Event):
    type = "jobs.job_retried"

    job: str
    kind: str


class CancellationRequested(Event):
    """Its worker will be told at the next heartbeat."""

    type = "jobs.cancellation_requested"

    job: str
    kind: str


class ScheduleDefined(Event):
    type = "jobs.schedule_defined"

    schedule: str
    name: str


class SchedulePaused(Event):
    type = "jobs.schedule_paused"

    schedule: str
    name: str


class ScheduleResumed(Event):
    type = "jobs.schedule_resumed"

    schedule: str
    name: str


class LimitSet(Event):
    """So many jobs of the resource may run at a time from now on."""

    type = "jobs.limit_set"

    name: str
    limit: int


EVENTS = (
    JobDone,
    JobFailed,
    JobCancelled,
    JobRetried,
    CancellationRequested,
    ScheduleDefined,
    SchedulePaused,
    ScheduleResumed,
    LimitSet,
)
