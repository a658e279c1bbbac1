"""The durable queue on every adapter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from modelyard.core.bus import Bus, Handling, Permit, Request, Work
from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput, NotFound, TimedOut, WrongState
from modelyard.core.ids import CountedIds
from modelyard.core.leases import Fenced
from modelyard.core.messages import OUTBOX, Actor, Command, Subject
from modelyard.core.records import Storage, Transaction, every
from modelyard.jobs import JOBS, SCHEDULES, Job, JobState, Order, Queue, enqueue
from modelyard.jobs import TABLES as JOB_TABLES
from modelyard.jobs.commands import CancelJob, DefineSchedule, PauseSchedule, ResumeSchedule, RetryJob
from modelyard.jobs.events import EVENTS
from modelyard.jobs.service import handlings

TABLES = JOB_TABLES
ANN = Actor(id="ann")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
def queue(storage: Storage, clock: ManualClock, ids: CountedIds) -> Queue:
    return Queue(storage, clock, ids, lease=timedelta(seconds=30), jitter=lambda: 1.0)


class Anybody:
    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        return Permit("none")

    def policy_set(self, tx: Transaction) -> str:
        return "none"


class Evaluate(Command):
    action = "tests.evaluate"

    fail: bool = False


def evaluate(work: Work, command: Evaluate) -> Job:
    job = enqueue(work, Order("evaluate", {"rows": 3}))
    if command.fail:
        raise WrongState("cannot")
    return job


@pytest.fixture
def bus(storage: Storage, clock: ManualClock, ids: CountedIds) -> Bus:
    made = Bus(storage, Anybody(), clock, ids)
    made.register(*handlings(), Handling(Evaluate, evaluate, lambda tx, r, c: Subject(type="x", id="x"), Job))
    return made


def ask(bus: Bus, command: Command) -> Any:
    return bus.handle(Request(command=command, actor=ANN))


def now_kept(storage: Storage, job: Job) -> Job:
    with storage.reading() as tx:
        return tx.get(JOBS, job.id)


def told(storage: Storage) -> list[str]:
    with storage.reading() as tx:
        return sorted(e.type for e in every(tx, OUTBOX))


def test_a_job_is_enqueued_with_the_command_that_causes_it_or_not_at_all(bus: Bus, queue: Queue) -> None:
    with pytest.raises(WrongState):
        ask(bus, Evaluate(fail=True))
    assert queue.claim("w") is None
    ask(bus, Evaluate())
    job = queue.claim("w")
    assert job is not None
    assert (job.kind, job.payload, job.enqueued_by, job.state, job.attempts) == (
        "evaluate",
        {"rows": 3},
        "ann",
        JobState.RUNNING,
        1,
    )


def test_higher_priority_first_then_the_older(queue: Queue, clock: ManualClock) -> None:
    for kind, priority in (("late", 0), ("low", -5), ("later", 0), ("high", 7)):
        queue.enqueue(Order(kind, priority=priority))
        clock.advance(timedelta(milliseconds=1))
    order = [queue.claim("w") for _ in range(5)]
    assert [job and job.kind for job in order] == ["high", "late", "later", "low", None]


def test_a_worker_takes_only_the_kinds_it_knows(queue: Queue) -> None:
    queue.enqueue(Order("a", priority=9))
    queue.enqueue(Order("b"))
    job = queue.claim("w", kinds=["b", "c"])
    assert job is not None
    assert job.kind == "b"
    assert queue.claim("w", kinds=["b", "c"]) is None


def test_a_delayed_job_waits(queue: Queue, clock: ManualClock) -> None:
    queue.enqueue(Order("a", delay=timedelta(minutes=1)))
    assert queue.claim("w") is None
    clock.advance(timedelta(minutes=1))
    assert queue.claim("w") is not None


def test_done_is_done(queue: Queue, storage: Storage) -> None:
    queue.enqueue(Order("a"))
    job = queue.claim("w")
    assert job is not None
    job = queue.heartbeat(job, progress=0.5, note="half way")
    assert (now_kept(storage, job).progress, now_kept(storage, job).note) == (0.5, "half way")
    queue.complete(job, {"answer": 42})
    kept = now_kept(storage, job)
    assert (kept.state, kept.result, kept.progress, kept.worker, kept.rank) == (JobState.DONE, {"answer": 42}, 1.0, None, None)
    assert queue.claim("w") is None
    assert told(storage) == ["jobs.job_done"]
    with pytest.raises(Fenced):
        queue.complete(job)


def test_failures_are_tried_again_later_and_later_and_end(queue: Queue, clock: ManualClock, storage: Storage) -> None:
    queue.enqueue(Order("a", max_attempts=3, back_off_s=2))
    for pause in (2, 4):
        job = queue.claim("w")
        assert job is not None
        queue.fail(job, "boom")
        clock.advance(timedelta(seconds=pause - 0.001))
        assert queue.claim("w") is None
        clock.advance(timedelta(seconds=0.001))
    assert told(storage) == []
    job = queue.claim("w")
    assert job is not None
    last = queue.fail(job, "boom for good")
    assert (last.state, last.error, last.attempts) == (JobState.FAILED, "boom for good", 3)
    assert told(storage) == ["jobs.job_failed"]


def test_what_cannot_succeed_is_not_tried_again(queue: Queue) -> None:
    queue.enqueue(Order("a"))
    job = queue.claim("w")
    assert job is not None
    assert queue.fail(job, "no such model", retry=False).state is JobState.FAILED


def test_a_silent_workers_job_is_taken_over_and_it_cannot_write(queue: Queue, clock: ManualClock, storage: Storage) -> None:
    queue.enqueue(Order("a"))
    first = queue.claim("first")
    assert first is not None
    clock.advance(timedelta(seconds=29))
    first = queue.heartbeat(first)
    clock.advance(timedelta(seconds=29))
    assert queue.claim("second") is None
    clock.advance(timedelta(seconds=1))
    second = queue.claim("second")
    assert second is not None
    assert (second.id, second.worker, second.attempts, second.fence) == (first.id, "second", 2, first.fence + 1)
    for write in (queue.heartbeat, queue.complete, queue.cancelled, lambda job: queue.fail(job, "x")):
        with pytest.raises(Fenced):
            write(first)
    queue.complete(second, {"by": "second"})
    assert now_kept(storage, second).result == {"by": "second"}


def test_a_job_that_kills_its_workers_fails_in_the_end(queue: Queue, clock: ManualClock, storage: Storage) -> None:
    job = queue.enqueue(Order("a", max_attempts=2))
    for _ in range(2):
        assert queue.claim("w") is not None
        clock.advance(timedelta(seconds=31))
    assert queue.claim("w") is None
    assert now_kept(storage, job).state is JobState.FAILED
    assert "silent" in (now_kept(storage, job).error or "")


def test_the_time_limit_ends_an_attempt_though_the_worker_lives(queue: Queue, clock: ManualClock, storage: Storage) -> None:
    queue.enqueue(Order("a", timeout_s=40, max_attempts=1))
    job = queue.claim("w")
    assert job is not None
    clock.advance(timedelta(seconds=25))
    job = queue.heartbeat(job)
    assert job.lease_until == job.deadline
    clock.advance(timedelta(seconds=15))
    with pytest.raises(TimedOut):
        queue.heartbeat(job)
    assert now_kept(storage, job).state is JobState.FAILED
    assert "time limit" in (now_kept(storage, job).error or "")


def test_cancelling(queue: Queue, bus: Bus, storage: Storage) -> None:
    waiting = queue.enqueue(Order("a"))
    assert ask(bus, CancelJob(job=waiting.id)).state is JobState.CANCELLED
    assert queue.claim("w") is None
    queue.enqueue(Order("b"))
    running = queue.claim("w")
    assert running is not None
    assert ask(bus, CancelJob(job=running.id)).state is JobState.RUNNING
    assert queue.heartbeat(running).cancelling
    queue.cancelled(running)
    assert now_kept(storage, running).state is JobState.CANCELLED
    with pytest.raises(WrongState):
        ask(bus, CancelJob(job=running.id))
    with pytest.raises(NotFound):
        ask(bus, CancelJob(job="nobody"))
    assert told(storage) == ["jobs.cancellation_requested", "jobs.job_cancelled", "jobs.job_cancelled"]


def test_a_job_being_cancelled_is_not_tried_again(queue: Queue, bus: Bus, clock: ManualClock, storage: Storage) -> None:
    job = queue.enqueue(Order("a"))
    assert queue.claim("w") is not None
    ask(bus, CancelJob(job=job.id))
    clock.advance(timedelta(seconds=31))
    assert queue.claim("w") is None
    assert now_kept(storage, job).state is JobState.CANCELLED


def test_a_failed_job_can_be_tried_afresh(queue: Queue, bus: Bus) -> None:
    queue.enqueue(Order("a"))
    job = queue.claim("w")
    assert job is not None
    with pytest.raises(WrongState):
        ask(bus, RetryJob(job=job.id))
    queue.fail(job, "x", retry=False)
    ask(bus, RetryJob(job=job.id))
    again = queue.claim("w")
    assert again is not None
    assert (again.id, again.attempts, again.error) == (job.id, 1, None)


def test_a_key_is_queued_once_at_a_time(queue: Queue) -> None:
    one = queue.enqueue(Order("a", key="k"))
    assert queue.enqueue(Order("a", key="k")).id == one.id
    assert queue.enqueue(Order("a", key="k"), organisation="other").id != one.id
    job = queue.claim("w")
    assert job is not None
    assert queue.enqueue(Order("a", key="k")).id == one.id
    queue.complete(job)
    assert queue.enqueue(Order("a", key="k")).id != one.id


def test_schedules_come_due_once_and_are_not_made_up_for(bus: Bus, queue: Queue, clock: ManualClock) -> None:
    schedule = ask(bus, DefineSchedule(name="sweep", kind="sweep", every_s=60))
    assert queue.run_schedules() == []
    clock.advance(timedelta(seconds=600))
    assert [job.kind for job in queue.run_schedules()] == ["sweep"]
    assert queue.run_schedules() == []
    clock.advance(timedelta(seconds=60))
    queue.run_schedules()
    job = queue.claim("w")
    assert job is not None
    assert queue.claim("w") is None  # the first was still waiting: no second
    ask(bus, PauseSchedule(schedule=schedule.id))
    queue.complete(job)
    clock.advance(timedelta(days=1))
    assert queue.run_schedules() == []
    ask(bus, ResumeSchedule(schedule=schedule.id))
    clock.advance(timedelta(seconds=60))
    assert len(queue.run_schedules()) == 1


def test_a_schedule_of_the_same_name_is_changed(bus: Bus, storage: Storage) -> None:
    first = ask(bus, DefineSchedule(name="nightly", kind="report", every_s=60))
    second = ask(bus, DefineSchedule(name="nightly", kind="report", cron="30 2 * * *"))
    assert (second.id, second.revision, second.every_s) == (first.id, 1, None)
    assert second.next_due.isoformat() == "2026-01-01T02:30:00+00:00"
    with storage.reading() as tx:
        assert len(every(tx, SCHEDULES)) == 1


@pytest.mark.parametrize(
    "rhythm",
    [
        {},
        {"cron": "* * * * *", "every_s": 5},
        {"cron": "* * * *"},
        {"cron": "61 * * * *"},
        {"cron": "0 0 30 2 *"},
        {"every_s": 0},
    ],
)
def test_rhythms_that_make_no_sense_are_refused(rhythm: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="DefineSchedule"):
        DefineSchedule(name="x", kind="x", **rhythm)


def test_events_are_named_once() -> None:
    assert len({event.type for event in EVENTS}) == len(EVENTS)
    assert all(event.type.startswith("jobs.") for event in EVENTS)


def test_an_order_out_of_range_is_refused(queue: Queue) -> None:
    with pytest.raises((InvalidInput, ValueError)):
        queue.enqueue(Order("a", priority=101))
