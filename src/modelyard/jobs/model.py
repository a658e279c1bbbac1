"""Jobs and schedules: the records and the pure rules by which they change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelyard.core.errors import WrongState
from modelyard.core.records import Record, Table
from modelyard.jobs import cron

LONGEST_PAUSE_S = 3600.0
GREATEST_LIMIT = 10_000
Resource = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]*$")]
"""What jobs take up while they run: `gpu`, `training`, `endpoint:hold`."""
_RANK_BASE = 2 * 10**18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Record):
    """Work to be done by a worker, at least once, until it is done, has failed too often or is cancelled.

    `fence` grows with every claim: only the worker of the last claim may write, and what an attempt logs and keeps carries its
    fence as `attempt`. `rank` is the place in the queue (less is sooner), `lane` the same place among jobs of one resource and
    kind; both are absent unless the job is queued. `occupies` is the resource while the job runs. `artifacts_of` is the attempt
    whose artifacts are the job's: the last one, unless it lost its lease. `key` names what must not be queued twice at once.
    """

    kind: str
    payload: dict[str, Any] = {}
    resource: Resource | None = None
    state: JobState = JobState.QUEUED
    priority: int = Field(default=0, ge=-100, le=100)
    rank: int | None = None
    lane: str | None = None
    occupies: str | None = None
    attempts: int = 0
    max_attempts: int = Field(default=5, ge=1, le=100)
    back_off_s: float = Field(default=2.0, ge=0)
    timeout_s: float = Field(default=3600.0, gt=0)
    not_before: datetime
    lease_until: datetime | None = None
    deadline: datetime | None = None
    worker: str | None = None
    fence: int = 0
    artifacts_of: int | None = None
    cancelling: bool = False
    progress: float = Field(default=0.0, ge=0, le=1)
    note: str = ""
    result: dict[str, Any] | None = None
    error: str | None = None
    enqueued_by: str
    key: str | None = None
    active_key: str | None = None
    finished_at: datetime | None = None


class Schedule(Record):
    """When to enqueue a job again and again: by a cron expression (UTC) or every so many seconds. `next_due` is absent while it
    is paused."""

    name: str
    kind: str
    payload: dict[str, Any] = {}
    resource: Resource | None = None
    cron: str | None = None
    every_s: float | None = Field(default=None, ge=1)
    priority: int = Field(default=0, ge=-100, le=100)
    max_attempts: int = Field(default=5, ge=1, le=100)
    timeout_s: float = Field(default=3600.0, gt=0)
    next_due: datetime | None
    last_job: str | None = None
    enqueued_by: str


class ResourceLimit(Record):
    """How many jobs of an organisation that take up a resource may run at a time; 0 pauses them. Without one they are not
    limited."""

    name: Resource
    limit: int = Field(ge=0, le=GREATEST_LIMIT)


class LogChunk(Record):
    """A piece of a job's log, as it was written. `number` counts the chunks of the job from 1, `end` the bytes up to and with
    this one; after a chunk that is `cut` there are no more. The id is the job's with the number, so that chunks are read in
    order."""

    job: str
    attempt: int
    number: int
    text: str
    end: int
    cut: bool = False


class Artifact(Record):
    """A file that an attempt of a job kept, as a blob. Its name is a plain file name, unique within the attempt."""

    job: str
    attempt: int
    name: str
    blob: str
    size: int
    media_type: str


JOBS: Table[Job] = Table(
    "jobs",
    Job,
    indexed=(
        "kind",
        "state",
        "rank",
        "not_before",
        "lease_until",
        "worker",
        "enqueued_by",
        "key",
        "active_key",
        "resource",
        "lane",
        "occupies",
    ),
    unique=(("organisation", "active_key"),),
)
SCHEDULES: Table[Schedule] = Table(
    "schedules", Schedule, indexed=("name", "next_due", "kind"), unique=(("organisation", "name"),)
)
RESOURCE_LIMITS: Table[ResourceLimit] = Table(
    "resource_limits", ResourceLimit, indexed=("name",), unique=(("organisation", "name"),)
)
JOB_LOGS: Table[LogChunk] = Table("job_logs", LogChunk, append_only=True)
JOB_ARTIFACTS: Table[Artifact] = Table(
    "job_artifacts",
    Artifact,
    indexed=("job", "attempt", "name", "blob"),
    unique=(("job", "attempt", "name"),),
    append_only=True,
)

TABLES: tuple[Table[Any], ...] = (JOBS, SCHEDULES, RESOURCE_LIMITS, JOB_LOGS, JOB_ARTIFACTS)


def queued(job: Job, not_before: datetime) -> Job:
    """The job, waiting until a time."""
    place = rank(job.priority, not_before)
    return job.model_copy(
        update={
            "state": JobState.QUEUED,
            "not_before": not_before,
            "rank": place,
            "lane": f"{lane(job)}{place + _RANK_BASE:019d}",
            "active_key": job.key,
            "finished_at": None,
        }
        | _unowned()
    )


def rank(priority: int, not_before: datetime) -> int:
    """The place in the queue: higher priority first, then what may begin earlier."""
    return -priority * 10**16 + (not_before - _EPOCH) // timedelta(microseconds=1)


def lane(job: Job) -> str:
    """What the places of all queued jobs of one organisation, resource and kind begin with: the first of them is found, and the
    others are jumped over, by one look at the index."""
    return f"{_plain(job.organisation)}|{job.resource or ''}|{_plain(job.kind)}|"


def _plain(text: str) -> str:
    return text.replace("%", "%25").replace("|", "%7C")


def claimed(job: Job, worker: str, now: datetime, lease: timedelta) -> Job:
    deadline = now + timedelta(seconds=job.timeout_s)
    return job.model_copy(
        update={
            "state": JobState.RUNNING,
            "rank": None,
            "lane": None,
            "occupies": job.resource,
            "worker": worker,
            "fence": job.fence + 1,
            "artifacts_of": job.fence + 1,
            "attempts": job.attempts + 1,
            "deadline": deadline,
            "lease_until": min(now + lease, deadline),
            "progress": 0.0,
            "error": None,
        }
    )


def kept_alive(job: Job, now: datetime, lease: timedelta) -> Job:
    """The lease goes on, never beyond the time limit."""
    end = now + lease
    return job.model_copy(update={"lease_until": end if job.deadline is None else min(end, job.deadline)})


def finished(job: Job, state: JobState, now: datetime, **fields: Any) -> Job:
    ended = {"state": state, "rank": None, "lane": None, "active_key": None, "finished_at": now}
    return job.model_copy(update=ended | _unowned() | fields)


def failed_once(job: Job, error: str, now: datetime, *, retry: bool, jitter: float) -> Job:
    """Queued again after a pause that doubles each time, or failed for good. `jitter` is between 0 and 1."""
    if job.cancelling:
        return finished(job, JobState.CANCELLED, now, error=error)
    if not retry or job.attempts >= job.max_attempts:
        return finished(job, JobState.FAILED, now, error=error)
    pause = min(job.back_off_s * 2.0 ** (job.attempts - 1), LONGEST_PAUSE_S) * (0.5 + jitter / 2)
    return queued(job, now + timedelta(seconds=pause)).model_copy(update={"error": error})


def cancelled(job: Job, now: datetime) -> Job:
    """Cancelled at once when nobody works on it; else its worker is told at its next heartbeat. Raises WrongState."""
    if job.state is JobState.QUEUED:
        return finished(job, JobState.CANCELLED, now)
    if job.state is JobState.RUNNING:
        return job.model_copy(update={"cancelling": True})
    raise WrongState(f"the job is {job.state} already", field="state")


def retried(job: Job, now: datetime) -> Job:
    """Queued afresh. Raises WrongState unless it failed or was cancelled."""
    if job.state not in {JobState.FAILED, JobState.CANCELLED}:
        raise WrongState(f"the job is {job.state}", field="state", hint="only a failed or cancelled job can be tried again")
    return queued(job, now).model_copy(
        update={"attempts": 0, "error": None, "result": None, "progress": 0.0, "artifacts_of": None}
    )


def next_due(schedule: Schedule, after: datetime) -> datetime:
    """The first time after `after` at which the schedule comes due; missed times are not made up for."""
    if schedule.cron is not None:
        return cron.parse(schedule.cron).following(after)
    assert schedule.every_s is not None
    return after + timedelta(seconds=schedule.every_s)


def _unowned() -> dict[str, Any]:
    return {"worker": None, "lease_until": None, "deadline": None, "cancelling": False, "occupies": None}
