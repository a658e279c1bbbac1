"""The durable queue, over the storage port alone: what holds for one database holds for all.

A job is enqueued in the transaction that causes it. A worker claims it for the time of a lease, keeps the lease alive by
heartbeats, and writes its result under the fence of its claim. When a worker dies its lease runs out and another worker takes the
job over; if the first one comes back, its writes raise Fenced.

    enqueue(work, Order(kind="evaluation.run", payload={...}))
    job = queue.claim("worker-1")
    job = queue.heartbeat(job)       # job.cancelling says that somebody wants it stopped
    queue.complete(job, {"rows": 12})
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from modelyard.core.blobs import BlobInfo
from modelyard.core.bus import Work
from modelyard.core.clock import Clock
from modelyard.core.errors import Busy, TimedOut
from modelyard.core.ids import Ids
from modelyard.core.leases import Fenced
from modelyard.core.messages import SYSTEM, Event
from modelyard.core.outbox import emit
from modelyard.core.records import (
    DEFAULT_ORGANISATION,
    Page,
    Query,
    R,
    Storage,
    Table,
    Transaction,
    Where,
    equals,
)
from modelyard.core.transactions import in_transaction
from modelyard.jobs import artifacts, logs, model
from modelyard.jobs.choosing import Choice
from modelyard.jobs.events import JobCancelled, JobDone, JobFailed
from modelyard.jobs.model import JOBS, SCHEDULES, Artifact, Job, JobState, Schedule

T = TypeVar("T")
LEASE = timedelta(seconds=30)
ORPHANS_AT_ONCE = 10


class Keeps(Protocol):
    """What enqueueing needs of a transaction or of a handler's work."""

    def add(self, table: Table[R], record: R) -> R: ...

    def find(self, table: Table[R], query: Query) -> Page[R]: ...


@dataclass(frozen=True)
class Order:
    """A job that is wanted. While a job of the same `key` waits or runs, ordering it again gives that job. Of the jobs of one
    `resource` never more run at a time than its limit says, where it has one."""

    kind: str
    payload: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    delay: timedelta = timedelta(0)
    max_attempts: int = 5
    back_off_s: float = 2.0
    timeout_s: float = 3600.0
    key: str | None = None
    resource: str | None = None


def enqueue(work: Work, order: Order) -> Job:
    """Enqueue inside a handler: the job is there if and only if the command was done."""
    return place(work, order, by=work.actor.id, now=work.now, **_named(work.ids, work.organisation))


def place(into: Keeps, order: Order, *, id: str, organisation: str, by: str, now: datetime) -> Job:  # noqa: A002 -- the record's field
    """Enqueue inside any transaction."""
    if order.key is not None:
        same = (equals("organisation", organisation), equals("active_key", order.key))
        running = into.find(JOBS, Query(where=same, sort="id", limit=1)).items
        if running:
            return running[0]
    job = Job(
        id=id,
        organisation=organisation,
        created_at=now,
        kind=order.kind,
        payload=order.payload,
        resource=order.resource,
        priority=order.priority,
        max_attempts=order.max_attempts,
        back_off_s=order.back_off_s,
        timeout_s=order.timeout_s,
        not_before=now,
        enqueued_by=by,
        key=order.key,
    )
    return into.add(JOBS, model.queued(job, now + order.delay))


class Queue:
    """The worker's side of the queue. Every method is a transaction of its own, tried again while others are in the way."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        *,
        lease: timedelta = LEASE,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._storage, self._clock, self._ids = storage, clock, ids
        self.lease, self._jitter = lease, jitter

    def enqueue(self, order: Order, *, by: str = SYSTEM.id, organisation: str = DEFAULT_ORGANISATION) -> Job:
        """Enqueue on behalf of a loop, outside any command."""
        names = _named(self._ids, organisation)
        return self._do(lambda tx: place(tx, order, by=by, now=self._clock.now(), **names))

    def claim(self, worker: str, kinds: Iterable[str] | None = None) -> Job | None:
        """The next due job whose resource is not full, now this worker's; None when there is none. Jobs of silent workers are
        queued again first, and their places are free."""
        wanted = None if kinds is None else tuple(kinds)
        self.take_back()
        return self._do(lambda tx: self._claim(tx, worker, wanted))

    def take_back(self) -> int:
        """Put jobs whose lease ran out back into the queue (or end them, after too many attempts); says how many."""
        now = self._clock.now()
        with self._storage.reading() as tx:
            if not tx.find(JOBS, Query(where=(Where("lease_until", "le", now),), sort="lease_until", limit=1)).items:
                return 0
        return self._do(self._take_back)

    def heartbeat(self, job: Job, progress: float | None = None, note: str | None = None) -> Job:
        """Keep the lease and say how far it is. The result's `cancelling` says that the work should stop (then `cancelled`).
        Raises Fenced when the job is another's by now, and TimedOut when its time limit has passed (it has then failed once)."""
        told = {"progress": progress, "note": note}
        changes = {name: value for name, value in told.items() if value is not None}
        return self._do(lambda tx: self._heartbeat(tx, job, changes)) or self._timed_out(job)

    def write_log(self, job: Job, text: str) -> None:
        """Add to the job's log; what goes beyond its limit is cut. Raises Fenced."""
        self._do(lambda tx: logs.append(tx, _mine(tx, job), text, self._clock.now()))

    def keep(self, job: Job, name: str, blob: BlobInfo, media_type: str) -> Artifact:
        """Keep a blob as an artifact of this attempt. Raises InvalidInput for a name that is no plain file name, AlreadyExists
        for one that this attempt has used, and Fenced."""
        artifacts.check(name, media_type)
        fields: dict[str, Any] = {"name": name, "blob": blob.digest, "size": blob.size, "media_type": media_type}
        record = self._ids.new("art")
        return self._do(lambda tx: artifacts.keep(tx, _mine(tx, job), record, self._clock.now(), fields))

    def complete(self, job: Job, result: dict[str, Any] | None = None) -> Job:
        """It is done. Raises Fenced."""
        return self._do(lambda tx: self.complete_in(tx, job, result))

    def complete_in(self, tx: Transaction, job: Job, result: dict[str, Any] | None = None) -> Job:
        """It is done, in the transaction that keeps what it made; the result names the artifacts of the run. Raises Fenced."""
        kept, now = _mine(tx, job), self._clock.now()
        files = [artifacts.named(artifact) for artifact in artifacts.of_job(tx, kept)]
        outcome = result if not files else {**(result or {}), "artifacts": files}
        done = model.finished(kept, JobState.DONE, now, result=outcome, error=None, progress=1.0)
        return self._finish(tx, done, JobDone(job=job.id, kind=job.kind))

    def fail(self, job: Job, error: str, *, retry: bool = True) -> Job:
        """It failed: queued again after a pause, or failed for good after its last attempt or without `retry`. Raises Fenced."""
        return self._do(lambda tx: self._fail(tx, _mine(tx, job), error, retry=retry))

    def cancelled(self, job: Job) -> Job:
        """The worker stopped because the job's cancellation was asked for. Raises Fenced."""
        return self._do(lambda tx: self._cancelled(tx, job))

    def run_schedules(self, limit: int = 50) -> list[Job]:
        """Enqueue the jobs of all schedules that are due. A schedule whose last job still waits or runs does not get a second."""
        return self._do(lambda tx: self._run_schedules(tx, limit))

    def _claim(self, tx: Transaction, worker: str, kinds: tuple[str, ...] | None) -> Job | None:
        now = self._clock.now()
        candidates = Choice(tx, now, kinds).candidates()
        if not candidates:
            return None
        # Looked for first and locked by their names: where a worker has one already, the next one is taken.
        named = (Where("id", "in", tuple(job.id for job in candidates)), Where("rank", "ne", None))
        free = tx.find(JOBS, Query(where=named, sort="rank", limit=1, claim=True)).items
        if not free:
            raise Busy("other workers are taking these jobs")
        return tx.save(JOBS, model.claimed(free[0], worker, now, self.lease))

    def _take_back(self, tx: Transaction) -> int:
        gone = Where("lease_until", "le", self._clock.now())
        orphans = tx.find(JOBS, Query(where=(gone,), sort="lease_until", limit=ORPHANS_AT_ONCE, claim=True)).items
        for job in orphans:
            self._fail(tx, job, f"worker {job.worker} was silent or exceeded the time limit", retry=True, lost=True)
        return len(orphans)

    def _heartbeat(self, tx: Transaction, job: Job, changes: dict[str, Any]) -> Job | None:
        kept, now = _mine(tx, job), self._clock.now()
        if kept.deadline is not None and now >= kept.deadline:
            late = kept.model_copy(update={"artifacts_of": None})
            self._fail(tx, late, f"not done within its time limit of {kept.timeout_s:g} s", retry=True)
            return None
        return tx.save(JOBS, model.kept_alive(kept, now, self.lease).model_copy(update=changes))

    def _timed_out(self, job: Job) -> Job:
        raise TimedOut(f"job {job.id} was not done within {job.timeout_s:g} s")

    def _fail(self, tx: Transaction, job: Job, error: str, *, retry: bool, lost: bool = False) -> Job:
        """A job whose worker lost it need not wait before it is tried again, and what that worker kept is not the job's."""
        now = self._clock.now()
        job = job.model_copy(update={"artifacts_of": None}) if lost else job
        after = model.failed_once(job, error, now, retry=retry, jitter=self._jitter())
        if after.state is JobState.QUEUED:
            return tx.save(JOBS, model.queued(after, now) if lost else after)
        if after.state is JobState.CANCELLED:
            return self._finish(tx, after, JobCancelled(job=job.id, kind=job.kind))
        return self._finish(tx, after, JobFailed(job=job.id, kind=job.kind, error=error))

    def _cancelled(self, tx: Transaction, job: Job) -> Job:
        after = model.finished(_mine(tx, job), JobState.CANCELLED, self._clock.now())
        return self._finish(tx, after, JobCancelled(job=job.id, kind=job.kind))

    def _finish(self, tx: Transaction, job: Job, event: Event) -> Job:
        who = {"actor": SYSTEM.id, "organisation": job.organisation}
        emit(tx, event, aggregate=f"job:{job.id}", event_id=self._ids.new("evt"), now=self._clock.now(), **who)
        return tx.save(JOBS, job)

    def _run_schedules(self, tx: Transaction, limit: int) -> list[Job]:
        now = self._clock.now()
        due = Query(where=(Where("next_due", "le", now),), sort="next_due", limit=limit, claim=True)
        return [self._run_schedule(tx, schedule, now) for schedule in tx.find(SCHEDULES, due).items]

    def _run_schedule(self, tx: Transaction, schedule: Schedule, now: datetime) -> Job:
        order = Order(
            schedule.kind,
            schedule.payload,
            resource=schedule.resource,
            priority=schedule.priority,
            max_attempts=schedule.max_attempts,
            timeout_s=schedule.timeout_s,
            key=f"schedule:{schedule.id}",
        )
        job = place(tx, order, by=schedule.enqueued_by, now=now, **_named(self._ids, schedule.organisation))
        tx.save(SCHEDULES, schedule.model_copy(update={"next_due": model.next_due(schedule, now), "last_job": job.id}))
        return job

    def _do(self, what: Callable[[Transaction], T]) -> T:
        return in_transaction(self._storage, what)


def _named(ids: Ids, organisation: str) -> dict[str, str]:
    return {"id": ids.new("job"), "organisation": organisation}


def _mine(tx: Transaction, job: Job) -> Job:
    kept = tx.get(JOBS, job.id)
    if kept.state is not JobState.RUNNING or kept.fence != job.fence:
        raise Fenced(f"job {job.id} is no longer this worker's", hint="stop; another worker has it, or it has ended")
    return kept
