"""Programs that contend for one database, each in a process of its own: `python contenders.py <program> <url> …`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from modelyard.core.clock import SystemClock
from modelyard.core.ids import RandomIds
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX
from modelyard.core.records import Record, Table, Transaction
from modelyard.core.transactions import in_transaction
from modelyard.jobs import TABLES as JOB_TABLES
from modelyard.jobs import Queue
from modelyard.storage.sql import SqlStorage


class Counter(Record):
    count: int = 0


COUNTERS: Table[Counter] = Table("counters", Counter)
TABLES = (COUNTERS, AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, *JOB_TABLES)
START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=2)


def increment(tx: Transaction) -> None:
    counter = tx.get(COUNTERS, "c")
    tx.save(COUNTERS, counter.model_copy(update={"count": counter.count + 1}))


def patiently(storage: SqlStorage, what: Callable[[Transaction], None]) -> None:
    from modelyard.core.errors import Busy

    while True:
        try:
            return in_transaction(storage, what)
        except Busy:
            continue


def count(url: str, threads: int, times: int) -> None:
    storage = SqlStorage(url, TABLES, patience=30, durable=False)

    def body() -> None:
        for _ in range(times):
            patiently(storage, increment)

    running = [threading.Thread(target=body) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def queue_on(url: str) -> Queue:
    return Queue(SqlStorage(url, TABLES, patience=30, durable=False), SystemClock(), RandomIds(), lease=LEASE)


def work(url: str, name: str) -> None:
    """Do jobs until none is left, and say which."""
    queue = queue_on(url)
    while (job := queue.claim(name)) is not None:
        queue.complete(job, {"by": name})
        print(job.id, flush=True)


def hang(url: str, name: str) -> None:
    """Take a job and never finish it."""
    job = queue_on(url).claim(name)
    print(job.id if job else "", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    program, url, *rest = sys.argv[1:]
    if program == "count":
        count(url, int(rest[0]), int(rest[1]))
    else:
        {"work": work, "hang": hang}[program](url, rest[0])
