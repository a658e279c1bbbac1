"""Running jobs: one at a time in each worker, with a heartbeat beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from modelyard.bootstrap import Platform
from modelyard.catalog.model import VERSIONS
from modelyard.core.bus import Request
from modelyard.core.errors import Conflict, InvalidInput, ModelyardError, Refused, TimedOut
from modelyard.core.leases import Fenced
from modelyard.core.messages import SYSTEM
from modelyard.delivery.batches import JOB_KIND as BATCH_KIND
from modelyard.evaluation import JOB_KIND
from modelyard.evaluation.checks import TestData, run_checks
from modelyard.evaluation.measuring import Bound
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import Evidence
from modelyard.jobs import Queue, Run, Stopped
from modelyard.worker.batches import score
from modelyard.worker.monitors import PROFILE, keep_profile

BEAT = 1.0
REPORT = "report.json"
FINAL = (InvalidInput, Refused, Conflict)
"""Errors that trying again does not mend."""

_log = structlog.get_logger(__name__)


def check_version(platform: Platform, run: Run) -> dict[str, Any]:
    """Check a version and record what was found; should the job run twice, it is recorded once."""
    payload = run.job.payload
    with platform.storage.reading() as tx:
        version = tx.get(VERSIONS, str(payload["version"]))
    data = None
    if payload["test"] is not None:
        bounds = tuple(Bound.model_validate(b) for b in payload.get("bounds", ()))
        data = TestData(str(payload["test"]), str(payload["label"]), bounds)
    against = "its sample" if data is None else f"test data {data.digest}, label {data.label}, {len(data.bounds)} bounds"
    run.log(f"checking {version.model}@{version.number} ({version.manifest.serving.format}) against {against}")
    found = run_checks(platform.blobs, platform.policy, platform.limits, version, data)
    for check in found.evidence[-1].facts["checks"]:
        run.log(f"{'passed' if check['passed'] else 'FAILED'}  {check['name']}: {check['detail']}")
    run.go_on()
    run.progress(0.8, "making the reference profile")
    report = found.evidence[-1]
    profile = keep_profile(platform, version, found, report.metrics)
    final = report.model_copy(update={"facts": report.facts | ({PROFILE: profile} if profile else {})})
    run.go_on()
    recorded = [_record(platform, run, number, command) for number, command in enumerate((*found.evidence[:-1], final))]
    told = [evidence.model_dump(mode="json", include=_TOLD) for evidence in recorded]
    run.keep(REPORT, json.dumps({"version": version.id, "evidence": told}, indent=1, ensure_ascii=False).encode())
    return {"evidence": [{"id": e.id, "type": e.type.value, "summary": e.summary} for e in recorded]}


_TOLD = {"id", "type", "summary", "metrics", "facts"}


def _record(platform: Platform, run: Run, number: int, command: RecordEvidence) -> Evidence:
    request = Request(
        command=command,
        actor=SYSTEM,
        organisation=run.job.organisation,
        idempotency_key=f"{run.job.id}-{number}",
        reason=f"checks asked for by {run.job.enqueued_by}",
    )
    evidence = platform.bus.handle(request)
    assert isinstance(evidence, Evidence)
    run.log(f"recorded {evidence.type.value} {evidence.id}: {evidence.summary}")
    return evidence


Body = Callable[[Platform, Run], dict[str, Any] | None]
BODIES: Mapping[str, Body] = {JOB_KIND: check_version, BATCH_KIND: score}


def run_next(platform: Platform, queue: Queue, worker: str) -> bool:
    """Run one due job to its end; says whether there was one."""
    job = queue.claim(worker, BODIES)
    if job is None:
        return False
    run = Run(queue, job, platform.blobs)
    try:
        with _kept_alive(run):
            result = BODIES[job.kind](platform, run)
        run.flush()
        queue.complete(job, result)
    except Stopped:
        _stopped(queue, run)
    except Fenced as error:
        _log.warning("the job has gone to another worker", job=job.id, reason=str(error))
    except FINAL as error:
        _failed(queue, run, str(error), retry=False)
    except ModelyardError as error:
        _failed(queue, run, str(error), retry=True)
    except Exception as error:  # noqa: BLE001 -- kept with the job and logged with its trace; the worker goes on
        _log.error("a job's body failed", job=job.id, kind=job.kind, exc_info=error)
        _failed(queue, run, f"{type(error).__name__}: {error}", retry=True)
    return True


def _failed(queue: Queue, run: Run, why: str, *, retry: bool) -> None:
    try:
        run.log(f"failed: {why}")
        run.flush()
        queue.fail(run.job, why, retry=retry)
    except Fenced as error:
        _log.warning("the job that failed has gone to another worker", job=run.job.id, failure=why, reason=str(error))


def _stopped(queue: Queue, run: Run) -> None:
    _log.info("a job's body was stopped", job=run.job.id, cancelled=run.cancelling, lost=run.lost)
    if run.lost:
        return
    try:
        run.log("stopped: its cancellation was asked for")
        run.flush()
        queue.cancelled(run.job)
    except Fenced as error:
        _log.warning("the job that was stopped has gone to another worker", job=run.job.id, reason=str(error))


@contextmanager
def _kept_alive(run: Run) -> Iterator[None]:
    """Write what the body logs and send heartbeats while it works."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(min(BEAT, run.every)):
            try:
                run.beat()
            except (Conflict, TimedOut) as error:
                run.lost = True
                _log.warning("the job is no longer ours", job=run.job.id, reason=str(error))
                return
            except ModelyardError as error:  # the lease outlasts several heartbeats
                _log.warning("a heartbeat failed", job=run.job.id, reason=str(error))

    thread = threading.Thread(target=beat, name=f"heartbeat-{run.job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
