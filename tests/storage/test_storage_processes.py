"""Several processes and threads on one database lose nothing and do nothing twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from contenders import COUNTERS, LEASE, START, TABLES, Counter, queue_on

from modelyard.core.errors import Busy, StorageFull, Unavailable
from modelyard.core.records import Transaction, equals, every
from modelyard.jobs import JOBS, JobState, Order
from modelyard.storage.sql import SqlStorage

PROGRAM = str(Path(__file__).parent / "contenders.py")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shared.db" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    storage = SqlStorage(url, TABLES, durable=False)
    storage.create()
    with storage.transaction() as tx:
        tx.add(COUNTERS, Counter(id="c", created_at=START))
    storage.close()
    return url


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, PROGRAM, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[str]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.split()


def test_no_change_is_lost(url: str) -> None:
    for process in [start("count", url, "4", "25") for _ in range(2)]:
        finish(process)
    storage = SqlStorage(url, TABLES)
    with storage.reading() as tx:
        assert (tx.get(COUNTERS, "c").count, tx.get(COUNTERS, "c").revision) == (200, 200)
    storage.close()


def test_each_job_is_done_by_one_worker(url: str) -> None:
    queue = queue_on(url)
    jobs = {queue.enqueue(Order("any")).id for _ in range(40)}
    one, two = [finish(process) for process in [start("work", url, "one"), start("work", url, "two")]]
    assert sorted(one + two) == sorted(jobs)


def test_the_job_of_a_killed_worker_is_taken_over_after_its_lease(url: str) -> None:
    queue = queue_on(url)
    job = queue.enqueue(Order("any"))
    victim = start("hang", url, "victim")
    assert victim.stdout is not None
    assert victim.stdout.readline().strip() == job.id
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert queue.claim("heir") is None  # its lease still runs
    waiting = threading.Event()
    waiting.wait(LEASE.total_seconds() + 0.1)  # the system's clock has to go past the lease's end
    taken = queue.claim("heir")
    assert taken is not None
    assert (taken.id, taken.worker, taken.attempts) == (job.id, "heir", 2)


def test_a_killed_writer_leaves_nothing_half_done(url: str) -> None:
    queue = queue_on(url)
    jobs = {queue.enqueue(Order("any")).id for _ in range(60)}
    worker = start("work", url, "victim")
    assert worker.stdout is not None
    for _ in range(5):
        worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    storage = SqlStorage(url, TABLES)
    with storage.reading() as tx:
        states = [job.state for job in every(tx, JOBS)]
        assert len(every(tx, JOBS, equals("state", JobState.DONE))) >= 5
    assert len(states) == len(jobs)
    assert states.count(JobState.RUNNING) <= 1
    storage.close()


def sqlite_storage(tmp_path: Path, patience: float = 5.0) -> SqlStorage:
    storage = SqlStorage(f"sqlite:///{tmp_path}/one.db", TABLES, patience=patience, durable=False)
    storage.create()
    return storage


def test_a_lock_that_is_not_had_in_time_is_busy(tmp_path: Path) -> None:
    storage = sqlite_storage(tmp_path, patience=0.2)
    with sqlite3.connect(tmp_path / "one.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy), storage.transaction():
            pass
        with storage.reading() as tx:  # readers are not in anybody's way
            assert every(tx, COUNTERS) == []
        other.execute("ROLLBACK")
    with storage.transaction(), pytest.raises(Busy), storage.transaction():
        pass


def fill(tx: Transaction) -> None:
    for number in range(2000):
        tx.add(COUNTERS, Counter(id=f"{number:0100d}", created_at=START))


def test_a_full_database_says_so_and_is_as_before(tmp_path: Path) -> None:
    storage = sqlite_storage(tmp_path)
    pages = sqlite3.connect(tmp_path / "one.db").execute("PRAGMA page_count").fetchone()[0]
    with storage.engine.connect() as connection:  # the pool hands the same connection out again
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")
        connection.rollback()
    with pytest.raises(StorageFull), storage.transaction() as tx:
        fill(tx)
    with storage.reading() as tx:
        assert every(tx, COUNTERS) == []


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "one.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(Unavailable, match="damaged"):
        sqlite_storage(tmp_path)


def test_a_database_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    storage = sqlite_storage(tmp_path)
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=1")
        connection.rollback()
    with pytest.raises(Unavailable, match="cannot be written"), storage.transaction() as tx:
        tx.add(COUNTERS, Counter(id="c", created_at=START))
