"""Random histories of the queue against a small model: limits hold, no job is lost, the best claimable job comes next."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock
from modelyard.core.ids import CountedIds
from modelyard.core.leases import Fenced
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, Actor, Subject
from modelyard.core.records import Storage, Table, Transaction, every
from modelyard.jobs import JOBS, TABLES, Job, JobState, Order, Queue, choosing
from modelyard.jobs.commands import SetLimit
from modelyard.jobs.service import handlings
from modelyard.storage.memory import MemoryStorage
from modelyard.storage.sql import SqlStorage

ALL: tuple[Table[Any], ...] = (AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, *TABLES)
LEASE, ATTEMPTS, BACK_OFF = 30.0, 3, 2.0
RESOURCES, KINDS = (None, "gpu", "endpoint:hold"), ("train", "test")


@dataclass
class Known:
    """What the model knows of a job."""

    kind: str
    resource: str | None
    priority: int
    not_before: datetime
    state: JobState = JobState.QUEUED
    attempts: int = 0
    lease_until: datetime | None = None
    claim: Job | None = None


class Anybody:
    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        return Permit("none")

    def policy_set(self, tx: Transaction) -> str:
        return "none"


class History(RuleBasedStateMachine):
    adapter: ClassVar[str] = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.storage = self.made()
        self.clock, ids = ManualClock(), CountedIds()
        self.queue = Queue(self.storage, self.clock, ids, lease=timedelta(seconds=LEASE), jitter=lambda: 1.0)
        self.bus = Bus(self.storage, Anybody(), self.clock, ids)
        self.bus.register(*handlings())
        self.jobs: dict[str, Known] = {}
        self.limits: dict[str, int] = {}
        self.zombies: list[Job] = []

    def made(self) -> Storage:
        if self.adapter == "memory":
            return MemoryStorage(ALL)
        storage = SqlStorage(f"sqlite:///{Path(self.folder.name) / 'queue.db'}", ALL, durable=False)
        storage.create()
        return storage

    def teardown(self) -> None:
        if isinstance(self.storage, SqlStorage):
            self.storage.close()
        self.folder.cleanup()

    @rule(kind=st.sampled_from(KINDS), resource=st.sampled_from(RESOURCES), priority=st.integers(-2, 2), delay=st.integers(0, 2))
    def enqueue(self, kind: str, resource: str | None, priority: int, delay: int) -> None:
        wait = timedelta(seconds=20 * delay)
        order = Order(kind, priority=priority, delay=wait, max_attempts=ATTEMPTS, back_off_s=BACK_OFF, resource=resource)
        self.jobs[self.queue.enqueue(order).id] = Known(kind, resource, priority, self.clock.now() + wait)

    @rule(name=st.sampled_from(RESOURCES[1:]), limit=st.integers(0, 2))
    def set_limit(self, name: str, limit: int) -> None:
        self.bus.handle(Request(command=SetLimit(name=name, limit=limit), actor=Actor(id="ann")))
        self.limits[name] = limit

    @rule(kinds=st.sampled_from([None, *((kind,) for kind in KINDS)]))
    def claim(self, kinds: tuple[str, ...] | None) -> None:
        self.expire()
        now = self.clock.now()
        open_now = {
            i: k
            for i, k in self.jobs.items()
            if k.state is JobState.QUEUED and k.not_before <= now and (kinds is None or k.kind in kinds) and self.has_place(k)
        }
        job = self.queue.claim("w", kinds)
        if job is None:
            assert not open_now
            return
        best = min(open_now.items(), key=lambda pair: (-pair[1].priority, pair[1].not_before, pair[0]))
        assert job.id == best[0]
        known = best[1]
        known.state, known.claim, known.attempts = JobState.RUNNING, job, known.attempts + 1
        known.lease_until = now + timedelta(seconds=LEASE)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), how=st.sampled_from(["heartbeat", "complete", "fail", "fail for good"]))
    def go_on(self, data: st.DataObject, how: str) -> None:
        known = data.draw(st.sampled_from(self.running()))
        assert known.claim is not None
        if how == "heartbeat":
            self.queue.heartbeat(known.claim)
            known.lease_until = self.clock.now() + timedelta(seconds=LEASE)
        elif how == "complete":
            self.queue.complete(known.claim, {})
            known.state = JobState.DONE
        else:
            self.queue.fail(known.claim, "boom", retry=how == "fail")
            self.failed(known, BACK_OFF * 2 ** (known.attempts - 1), retry=how == "fail")

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def a_zombie_writes(self, data: st.DataObject) -> None:
        with pytest.raises(Fenced):
            self.queue.complete(data.draw(st.sampled_from(self.zombies)), {})

    @rule(seconds=st.sampled_from([1, 10, 31]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def no_job_is_lost(self) -> None:
        with self.storage.reading() as tx:
            kept = {job.id: (job.state, job.attempts) for job in every(tx, JOBS)}
        assert kept == {i: (known.state, known.attempts) for i, known in self.jobs.items()}

    def expire(self) -> None:
        for known in self.running():
            if known.lease_until is not None and known.lease_until <= self.clock.now():
                assert known.claim is not None
                self.zombies.append(known.claim)
                self.failed(known, 0, retry=True)

    def failed(self, known: Known, pause: float, *, retry: bool) -> None:
        again = retry and known.attempts < ATTEMPTS
        known.state = JobState.QUEUED if again else JobState.FAILED
        known.not_before = self.clock.now() + timedelta(seconds=pause)

    def running(self) -> list[Known]:
        return [known for known in self.jobs.values() if known.state is JobState.RUNNING]

    def has_place(self, known: Known) -> bool:
        if known.resource is None or known.resource not in self.limits:
            return True
        return sum(other.resource == known.resource for other in self.running()) < self.limits[known.resource]


class SqliteHistory(History):
    adapter = "sqlite"


@pytest.mark.parametrize(("history", "examples"), [(History, 60), (SqliteHistory, 12)])
def test_random_histories_agree_with_the_model(history: type[History], examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "LOOKED_AT", 1)  # so that lanes are looked at with a handful of jobs
    how = settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(history, settings=how)
