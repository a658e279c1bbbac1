"""Limits of resources on every adapter: never exceeded, never in the way of other jobs, whatever happens to the workers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock, SystemClock
from modelyard.core.errors import Busy, NotFound
from modelyard.core.ids import CountedIds, RandomIds
from modelyard.core.messages import Actor, Command, Subject
from modelyard.core.records import Page, Query, Storage, Transaction, equals, every
from modelyard.jobs import JOBS, Job, JobState, Order, Queue, ResourceLimit, choosing, place
from modelyard.jobs import TABLES as JOB_TABLES
from modelyard.jobs.commands import CancelJob, DefineSchedule, RetryJob, SetLimit
from modelyard.jobs.service import handlings

TABLES = JOB_TABLES
ANN = Actor(id="ann")


class Anybody:
    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        return Permit("none")

    def policy_set(self, tx: Transaction) -> str:
        return "none"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
def queue(storage: Storage, clock: ManualClock, ids: CountedIds) -> Queue:
    return Queue(storage, clock, ids, lease=timedelta(seconds=30), jitter=lambda: 1.0)


@pytest.fixture
def bus(storage: Storage, clock: ManualClock, ids: CountedIds) -> Bus:
    made = Bus(storage, Anybody(), clock, ids)
    made.register(*handlings())
    return made


def ask(bus: Bus, command: Command, organisation: str = "default") -> Any:
    return bus.handle(Request(command=command, actor=ANN, organisation=organisation))


def claimed(queue: Queue, worker: str = "w", kinds: list[str] | None = None) -> Job:
    job = queue.claim(worker, kinds)
    assert job is not None
    return job


def test_no_more_than_the_limit_run_at_a_time(queue: Queue, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=2))
    for _ in range(4):
        queue.enqueue(Order("train", resource="gpu"))
    first, second = claimed(queue), claimed(queue)
    assert queue.claim("w") is None
    queue.complete(first)
    third = claimed(queue)
    assert queue.claim("w") is None
    queue.fail(second, "boom", retry=False)
    queue.complete(third)
    claimed(queue)
    assert queue.claim("w") is None  # the fourth was the last


def test_a_resource_without_a_limit_and_jobs_without_a_resource_are_not_held_up(queue: Queue, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=0))
    queue.enqueue(Order("train", resource="gpu", priority=9))
    for resource in ("tpu", "tpu", None):
        queue.enqueue(Order("train", resource=resource))
    assert [claimed(queue).resource for _ in range(3)] == ["tpu", "tpu", None]
    assert queue.claim("w") is None


def test_a_long_line_before_a_full_resource_holds_nobody_back(queue: Queue, bus: Bus, clock: ManualClock) -> None:
    ask(bus, SetLimit(name="gpu", limit=1))
    for number in range(3 * choosing.LOOKED_AT):
        queue.enqueue(Order("train" if number % 2 else "test", resource="gpu", priority=5))
    running = claimed(queue)
    clock.advance(timedelta(seconds=1))
    queue.enqueue(Order("tune", resource="cpu"))
    queue.enqueue(Order("report", priority=1))
    queue.enqueue(Order("later", delay=timedelta(minutes=1), priority=8))
    assert [claimed(queue).kind, claimed(queue).kind] == ["report", "tune"]
    assert queue.claim("w") is None
    queue.complete(running)
    assert claimed(queue).resource == "gpu"
    clock.advance(timedelta(minutes=1))
    assert claimed(queue, kinds=["later"]).kind == "later"


class Counting:
    """A transaction that counts what is looked at."""

    def __init__(self, tx: Transaction) -> None:
        self._tx, self.looks, self.records = tx, 0, 0

    def find(self, table: Any, query: Query) -> Page[Any]:
        found = self._tx.find(table, query)
        self.looks, self.records = self.looks + 1, self.records + len(found.items)
        return found


def test_what_a_claim_looks_at_does_not_grow_with_the_line(queue: Queue, bus: Bus, storage: Storage, clock: ManualClock) -> None:
    ask(bus, SetLimit(name="gpu", limit=1))
    queue.enqueue(Order("train", resource="gpu", priority=9))
    claimed(queue)
    queue.enqueue(Order("report", priority=-9))
    looked = []
    for line in (50, 500):
        with storage.transaction() as tx:
            for number in range(line):
                order = Order(f"train{number % 2}", resource="gpu")
                place(tx, order, id=f"l{line}_{number}", organisation="default", by="ann", now=clock.now())
        with storage.reading() as tx:
            counting: Any = Counting(tx)
            assert [job.kind for job in choosing.Choice(counting, clock.now(), None).candidates()] == ["report"]
        looked.append((counting.looks, counting.records))
    assert looked[0] == looked[1]
    assert looked[0][0] < 12


def test_zero_pauses_and_a_change_holds_from_the_next_claim_on(queue: Queue, bus: Bus) -> None:
    limit = ask(bus, SetLimit(name="gpu", limit=3))
    for _ in range(4):
        queue.enqueue(Order("train", resource="gpu"))
    running = [claimed(queue) for _ in range(3)]
    lower = ask(bus, SetLimit(name="gpu", limit=1))
    assert (lower.id, lower.revision, lower.limit) == (limit.id, 1, 1)
    queue.complete(running.pop())
    queue.complete(running.pop())
    assert queue.claim("w") is None  # one still runs
    ask(bus, SetLimit(name="gpu", limit=0))
    queue.complete(running.pop())
    assert queue.claim("w") is None
    ask(bus, SetLimit(name="gpu", limit=1))
    claimed(queue)


def test_a_lease_that_ran_out_frees_its_place(queue: Queue, bus: Bus, clock: ManualClock) -> None:
    ask(bus, SetLimit(name="gpu", limit=1))
    queue.enqueue(Order("train", resource="gpu"))
    queue.enqueue(Order("train", resource="gpu", priority=-1))
    silent = claimed(queue, "silent")
    clock.advance(timedelta(seconds=29))
    assert queue.claim("next") is None
    clock.advance(timedelta(seconds=1))
    assert (claimed(queue, "next").id, queue.claim("next")) == (silent.id, None)


def test_cancelled_and_retried_jobs_keep_to_the_limit(queue: Queue, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=1))
    first, second = (queue.enqueue(Order("train", resource="gpu")) for _ in range(2))
    running = claimed(queue)
    ask(bus, CancelJob(job=second.id))
    ask(bus, RetryJob(job=second.id))
    assert queue.claim("w") is None
    ask(bus, CancelJob(job=first.id))
    assert queue.claim("w") is None  # asked to stop, and still running
    queue.cancelled(running)
    assert claimed(queue).id == second.id


def test_limits_are_an_organisations_own(queue: Queue, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=0))
    ask(bus, SetLimit(name="gpu", limit=1), organisation="other")
    queue.enqueue(Order("train", resource="gpu"))
    for _ in range(2):
        queue.enqueue(Order("train", resource="gpu"), organisation="other")
    assert claimed(queue).organisation == "other"
    assert queue.claim("w") is None


def test_a_schedules_jobs_take_up_its_resource(queue: Queue, bus: Bus, clock: ManualClock) -> None:
    ask(bus, SetLimit(name="gpu", limit=0))
    ask(bus, DefineSchedule(name="nightly", kind="train", every_s=60, resource="gpu"))
    clock.advance(timedelta(seconds=60))
    assert [job.resource for job in queue.run_schedules()] == ["gpu"]
    assert queue.claim("w") is None


def test_kinds_and_organisations_with_odd_names_do_not_get_into_each_others_lanes(queue: Queue, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=0))
    for _ in range(2 * choosing.LOOKED_AT):
        queue.enqueue(Order("a", resource="gpu", priority=9))
    for kind in ("a|b", "a%7Cb", "a"):
        queue.enqueue(Order(kind))
    assert claimed(queue, kinds=["a"]).kind == "a"
    assert queue.claim("w", ["a"]) is None
    assert sorted((claimed(queue).kind, claimed(queue).kind)) == ["a%7Cb", "a|b"]


@pytest.mark.parametrize("adapter", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_many_workers_at_once_never_exceed_it_and_do_everything(storage: Storage, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=2))
    clock = SystemClock()
    queue = Queue(storage, clock, RandomIds(clock), lease=timedelta(seconds=60))
    for number in range(24):
        queue.enqueue(Order("train", resource="gpu" if number % 3 else None))
    running: list[int] = []
    finished: list[str] = []

    def work(name: str) -> None:
        while len(finished) < 24:
            try:
                job = queue.claim(name)
            except Busy:
                continue
            if job is not None:
                with storage.reading() as tx:
                    running.append(len(every(tx, JOBS, equals("occupies", "gpu"))))
                finish(job)
                finished.append(job.id)

    def finish(job: Job) -> None:
        while True:
            try:
                queue.complete(job)
            except Busy:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [f"w{n}" for n in range(4)]))
    with storage.reading() as tx:
        assert [job.state for job in every(tx, JOBS)] == [JobState.DONE] * 24
        assert {job.attempts for job in every(tx, JOBS)} == {1}
    assert 1 <= max(running) <= 2


@pytest.mark.parametrize("adapter", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_of_workers_that_ask_together_one_gets_the_only_place(storage: Storage, bus: Bus) -> None:
    ask(bus, SetLimit(name="gpu", limit=1))
    clock = SystemClock()
    queue = Queue(storage, clock, RandomIds(clock))
    for _ in range(8):
        queue.enqueue(Order("train", resource="gpu"))
    ready = threading.Barrier(4)

    def claim(name: str) -> Job | None:
        ready.wait()
        try:
            return queue.claim(name)
        except Busy:
            return None

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            got = [job for job in pool.map(claim, ["a", "b", "c", "d"]) if job is not None]
            assert len(got) == 1
            queue.complete(got[0])


@pytest.mark.parametrize(
    "fields",
    [{"limit": -1}, {"limit": 10_001}, {"name": ""}, {"name": "a b"}, {"name": "x" * 101}, {"name": "-x"}, {"limit": 1.5}],
)
def test_limits_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SetLimit(**{"name": "gpu", "limit": 1, **fields})


def test_a_job_of_another_organisation_is_not_there(queue: Queue, bus: Bus) -> None:
    job = queue.enqueue(Order("train"), organisation="other")
    for command in (CancelJob(job=job.id), RetryJob(job=job.id)):
        with pytest.raises(NotFound):
            ask(bus, command)


def test_a_resource_with_no_name_is_refused(queue: Queue) -> None:
    with pytest.raises(ValidationError):
        queue.enqueue(Order("train", resource="no name"))
    with pytest.raises(ValidationError):
        ResourceLimit(id="l", created_at=ManualClock().now(), name="", limit=1)
