"""The code of docs/how-to/run-jobs.md, and jobs that an earlier version queued."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.bootstrap import TABLES as ALL
from modelyard.core.clock import ManualClock
from modelyard.core.ids import CountedIds
from modelyard.core.records import Storage
from modelyard.jobs import RESOURCE_LIMITS, TABLES, Job, Order, Queue, ResourceLimit, Run, artifacts, choosing, logs, model
from modelyard.storage.blobs import blobs_at
from modelyard.storage.memory import MemoryStorage
from modelyard.storage.migrations import upgrade
from modelyard.storage.sql import SqlStorage
from tests.conftest import BUS_TABLES

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "run-jobs.md"
NEW = {"resource", "lane", "occupies", "artifacts_of"}


def taught() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


def test_the_body_and_the_order_of_the_guide_work(tmp_path: Path) -> None:
    names = taught()
    storage, clock, ids = MemoryStorage((*BUS_TABLES, *TABLES)), ManualClock(), CountedIds()
    queue, blobs = Queue(storage, clock, ids), blobs_at(str(tmp_path / "blobs"))
    digests = [blobs.put(iter((text,))).digest for text in (b"1\n2\n", b"3\n")]
    with storage.transaction() as tx:
        work = SimpleNamespace(
            actor=SimpleNamespace(id="ann"), now=clock.now(), ids=ids, organisation="default", add=tx.add, find=tx.find
        )
        assert names["request_count"](work, digests).resource == "batch"
    job = queue.claim("w")
    assert job is not None
    run = Run(queue, job, blobs)
    body: Callable[[Any, Run], dict[str, int]] = names["count_rows"]
    result = body(SimpleNamespace(blob=lambda digest: b"".join(blobs.open(digest))), run)
    run.beat()
    done = queue.complete(job, result)
    assert done.result is not None
    assert (done.result["rows"], done.result["artifacts"][0]["name"]) == (3, "total.txt")
    with storage.reading() as tx:
        assert artifacts.one(tx, done, "total.txt").size == 1
        (chunk,) = logs.read(tx, job.id).items
    assert chunk.text == f"{digests[0]}: 2 rows\n{digests[1]}: 1 rows\n"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/old.db" if request.param == "sqlite" else str(request.getfixturevalue("pg_url"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def upgraded(url: str, clock: ManualClock) -> Iterator[Storage]:
    """A database in which the version before limits had queued three jobs."""
    upgrade(url, "0002")
    before = SqlStorage(url, ALL, durable=False)
    with before.engine.begin() as connection:
        for number, (kind, priority) in enumerate((("a", 0), ("b|c", 5), ("b", -5))):
            waiting = Job(
                id=f"old{number}", created_at=clock.now(), kind=kind, not_before=clock.now(), enqueued_by="ann", priority=priority
            )
            job = model.queued(waiting, clock.now())
            columns = ("id", "organisation", "revision", "kind", "state", "rank", "enqueued_by")
            row = {name: getattr(job, name) for name in columns} | {"body": job.model_dump_json(exclude=NEW)}
            row |= dict.fromkeys(("created_at", "not_before"), (clock.now() - model._EPOCH) // timedelta(microseconds=1))
            names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO jobs ({names}) VALUES ({values})"), row)
    before.close()
    upgrade(url)
    after = SqlStorage(url, ALL, durable=False)
    yield after
    after.close()


def test_jobs_that_an_earlier_version_queued_are_found_behind_a_full_resource(upgraded: Storage, clock: ManualClock) -> None:
    queue = Queue(upgraded, clock, CountedIds())
    with upgraded.transaction() as tx:
        tx.add(RESOURCE_LIMITS, ResourceLimit(id="lim", created_at=clock.now(), name="gpu", limit=0))
    for _ in range(choosing.LOOKED_AT + 1):
        queue.enqueue(Order("train", resource="gpu", priority=100))
    found = []
    while (job := queue.claim("w")) is not None:
        found.append((job.kind, job.lane))
    assert found == [("b|c", None), ("a", None), ("b", None)]
