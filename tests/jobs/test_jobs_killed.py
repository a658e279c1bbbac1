"""Real workers, one of them killed in the middle of a job that holds the only place of its resource."""

from __future__ import annotations

import queue as queues
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from jobs_yard import KIND

from modelyard.bootstrap import Platform, Settings, build
from modelyard.core.bus import Request
from modelyard.core.messages import OUTBOX, SYSTEM, Actor
from modelyard.core.records import equals, every
from modelyard.jobs import JOBS, Job, JobState, LogChunk, Order, Queue, artifacts, logs
from modelyard.jobs.commands import SetLimit

PROGRAM = Path(__file__).parent / "jobs_yard.py"
LEASE = 4.0
PATIENCE = 90.0


@dataclass
class Workers:
    """Workers by name, and what they say."""

    platform: Platform
    said: queues.Queue[tuple[str, str]] = field(default_factory=queues.Queue)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @contextmanager
    def started(self, *names: str) -> Iterator[None]:
        """Further workers, once they are ready; killed in the end."""
        with ExitStack() as stack:
            for name in names:
                self.processes[name] = process = self._start(name)
                stack.callback(process.wait)
                stack.callback(process.kill)
            assert sorted(self.said.get(timeout=PATIENCE) for _ in names) == sorted((name, "ready") for name in names)
            yield

    def _start(self, name: str) -> subprocess.Popen[str]:
        settings = self.platform.settings
        command = [sys.executable, str(PROGRAM), settings.database_url, str(settings.home), name, str(LEASE)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(name, process.stdout), daemon=True).start()
        return process

    def _listen(self, name: str, lines: Iterator[str]) -> None:
        for line in lines:
            self.said.put((name, line.strip()))

    def begun(self) -> tuple[str, str, int]:
        """The next job that is begun: by whom, which, and with which fence."""
        name, line = self.said.get(timeout=PATIENCE)
        word, job, fence = line.split()
        assert word == "begun"
        return name, job, int(fence)

    def let_end(self, name: str) -> None:
        stdin = self.processes[name].stdin
        assert stdin is not None
        stdin.write("\n")
        stdin.flush()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    database = "" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    made = build(Settings(home=tmp_path / "home", database=database))
    yield made
    made.close()


def kept(platform: Platform) -> dict[str, Job]:
    with platform.storage.reading() as tx:
        return {job.id: job for job in every(tx, JOBS)}


def log_of(platform: Platform, job: str) -> list[LogChunk]:
    with platform.storage.reading() as tx:
        return list(logs.read(tx, job).items)


def test_a_killed_workers_job_and_its_place_go_to_another(platform: Platform) -> None:
    root = Actor(id="root", roles=frozenset({"operator"}))
    platform.bus.handle(Request(command=SetLimit(name="gpu", limit=1), actor=root, reason="test"))
    queue = Queue(platform.storage, platform.clock, platform.ids)
    workers = Workers(platform)
    with workers.started("one", "two", "three"):
        first = queue.enqueue(Order(KIND, resource="gpu", priority=1)).id
        victim, *begun = workers.begun()
        assert begun == [first, 1]
        second = queue.enqueue(Order(KIND, resource="gpu")).id
        free = queue.enqueue(Order(KIND)).id
        name, job, _ = workers.begun()
        assert job == free  # the second waits for its place, the free one does not
        workers.let_end(name)

        workers.processes[victim].kill()
        heir, *begun = workers.begun()
        assert begun == [first, 2]
        assert [j.id for j in kept(platform).values() if j.state is JobState.RUNNING] == [first]
        workers.let_end(heir)

        last, *begun = workers.begun()
        assert begun == [second, 1]
        workers.let_end(last)
        _until_all_are_done(platform)
    _look_at_what_was_left(platform, first, second, victim, heir)


def _until_all_are_done(platform: Platform) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if all(job.state is JobState.DONE for job in kept(platform).values()):
            return
        pause.wait(0.05)
    raise AssertionError(f"not done: {kept(platform)}")


def _look_at_what_was_left(platform: Platform, first: str, second: str, victim: str, heir: str) -> None:
    job = kept(platform)[first]
    with platform.storage.reading() as tx:
        (artifact,) = artifacts.of_job(tx, job)
        told = every(tx, OUTBOX, equals("type", "jobs.job_done"), equals("aggregate_id", first))
    assert job.result == {"by": heir, "artifacts": [artifacts.named(artifact)]}
    assert (artifact.name, artifact.attempt, len(told)) == (f"{heir}.txt", 2, 1)
    written = log_of(platform, first)
    assert [(c.attempt, c.text) for c in written] == [
        (1, f"begun by {victim}\n"),
        (2, f"begun by {heir}\n"),
        (2, f"ended by {heir}\n"),
    ]
    killed, taken_over, ended = (c.created_at for c in written)
    assert taken_over - killed >= timedelta(seconds=LEASE - 1), "the lease began before its first line was written"
    assert log_of(platform, second)[0].created_at >= ended
    assert all(a.created_at <= b.created_at for a, b in pairwise(written))
    assert job.enqueued_by == SYSTEM.id
