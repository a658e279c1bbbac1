"""Check jobs: their evidence, their failure, their cancellation."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from modelyard.core.records import equals, every
from modelyard.evaluation.commands import RunChecks
from modelyard.evaluation.measuring import Bound
from modelyard.governance.assurance.model import EVIDENCE, Evidence
from modelyard.jobs import JOBS, Job, JobState, Queue, Run, artifacts, logs
from modelyard.worker import jobs
from modelyard.worker.jobs import run_next
from tests.life.conftest import DANA, House

pytestmark = pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)


def queue_of(house: House) -> Queue:
    return Queue(house.platform.storage, house.clock, house.platform.ids)


def kept(house: House, job: Job) -> Job:
    with house.platform.storage.reading() as tx:
        return tx.get(JOBS, job.id)


def evidence(house: House) -> list[Evidence]:
    with house.platform.storage.reading() as tx:
        return every(tx, EVIDENCE, equals("produced_by", "system"))


def labelled(house: House) -> str:
    sample = pq.read_table(house.folder / "sample.parquet")
    late = pc.cast(pc.greater(sample["amount"], pa.scalar(0.0, pa.float32())), pa.float64())
    path = house.folder / "test.parquet"
    pq.write_table(sample.append_column("late", late), path)
    return house.upload(path)


def test_checks_become_evidence_with_measures_and_bounds(house: House) -> None:
    house.use_case()
    version = house.version()
    bounds = (Bound(measure="roc_auc", minimum=0.8), Bound(measure="accuracy", minimum=0.999999))
    job = house.do(DANA, RunChecks(version=version.name, test=labelled(house), label="late", bounds=bounds))
    assert run_next(house.platform, queue_of(house), "worker-1")
    assert kept(house, job).state is JobState.DONE, kept(house, job).error
    scan, report = evidence(house)
    assert scan.metrics["dangers"] == 0
    assert report.metrics["roc_auc"] > 0.8
    assert report.metrics["checks_failed"] == 1
    assert [c["name"] for c in report.facts["checks"] if not c["passed"]] == ["accuracy"]
    assert house.platform.blobs.exists(report.facts["reference_profile"])
    assert not run_next(house.platform, queue_of(house), "worker-1")


def log_of(house: House, job: Job) -> str:
    with house.platform.storage.reading() as tx:
        return "".join(chunk.text for chunk in logs.read(tx, job.id).items)


def test_checks_say_what_they_do_and_keep_their_report(house: House) -> None:
    house.use_case()
    version = house.version()
    bounds = (Bound(measure="accuracy", minimum=0.999999),)
    job = house.do(DANA, RunChecks(version=version.name, test=labelled(house), label="late", bounds=bounds))
    assert run_next(house.platform, queue_of(house), "worker-1")
    done = kept(house, job)
    assert done.result is not None
    (named,) = done.result["artifacts"]
    assert (named["name"], named["media_type"]) == ("report.json", "application/json")
    report = json.loads(house.platform.blob(named["digest"]))
    assert [e["id"] for e in report["evidence"]] == [e["id"] for e in done.result["evidence"]]
    assert report["evidence"][-1]["metrics"]["checks_failed"] == 1
    with house.platform.storage.reading() as tx:
        assert [a.blob for a in artifacts.of_job(tx, done)] == [named["digest"]]
    said = log_of(house, job)
    assert said.startswith(f"checking {version.model}@{version.number}")
    assert "FAILED  accuracy" in said
    assert f"recorded test_report {evidence(house)[-1].id}" in said


def test_a_job_that_cannot_succeed_fails_at_once_and_says_why(house: House) -> None:
    house.use_case()
    version = house.version()
    job = house.do(DANA, RunChecks(version=version.name, test=labelled(house), label="never"))
    assert run_next(house.platform, queue_of(house), "worker-1")
    found = kept(house, job)
    assert (found.state, found.attempts) == (JobState.FAILED, 1)
    assert "no column 'never'" in str(found.error)
    assert "failed: the test data has no column 'never'" in log_of(house, job)
    assert evidence(house) == []


def test_a_cancelled_job_records_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.use_case()
    version = house.version()
    job = house.do(DANA, RunChecks(version=version.name))

    def cancelled(platform: object, run: Run) -> dict[str, object]:
        run.cancelling = True  # what the heartbeat says once somebody has asked for it
        run.go_on()
        raise AssertionError("the body went on")

    monkeypatch.setattr(jobs, "BODIES", {given.kind: cancelled for given in [kept(house, job)]})
    assert run_next(house.platform, queue_of(house), "worker-1")
    assert kept(house, job).state is JobState.CANCELLED
    assert evidence(house) == []
