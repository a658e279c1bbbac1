"""Running jobs: one at a time in each worker, with a heartbeat beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from modelyard.bootstrap import Platform
from modelyard.catalog.model import VERSIONS
from modelyard.core.bus import Request
from modelyard.core.errors import Busy, Conflict, InvalidInput, ModelyardError, Refused, TimedOut
from modelyard.core.leases import Fenced
from modelyard.core.messages import SYSTEM
from modelyard.evaluation import JOB_KIND
from modelyard.evaluation.checks import TestData, run_checks
from modelyard.evaluation.measuring import Bound
from modelyard.governance.assurance.model import Evidence
from modelyard.jobs import Job, Queue
from modelyard.worker.monitors import PROFILE, keep_profile

HEARTBEAT = 5.0
FINAL = (InvalidInput, Refused, Conflict)
"""Errors that trying again does not mend."""

_log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The body ended early: its job was cancelled, timed out or given to another worker."""


class Watch:
    """What the heartbeat has learnt of the job. A body asks `go_on` before it changes anything."""

    def __init__(self) -> None:
        self.cancelling = False
        self.lost = False

    def go_on(self) -> None:
        """Raises Stopped when the work is no longer wanted."""
        if self.cancelling or self.lost:
            raise Stopped


def check_version(platform: Platform, job: Job, watch: Watch) -> dict[str, Any]:
    """Check a version and record what was found; should the job run twice, it is recorded once."""
    payload = job.payload
    with platform.storage.reading() as tx:
        version = tx.get(VERSIONS, str(payload["version"]))
    data = None
    if payload["test"] is not None:
        bounds = tuple(Bound.model_validate(b) for b in payload.get("bounds", ()))
        data = TestData(str(payload["test"]), str(payload["label"]), bounds)
    found = run_checks(platform.blobs, platform.policy, platform.limits, version, data)
    report = found.evidence[-1]
    profile = keep_profile(platform, version, found, report.metrics)
    final = report.model_copy(update={"facts": report.facts | ({PROFILE: profile} if profile else {})})
    recorded = []
    watch.go_on()
    for number, command in enumerate((*found.evidence[:-1], final)):
        request = Request(
            command=command,
            actor=SYSTEM,
            organisation=job.organisation,
            idempotency_key=f"{job.id}-{number}",
            reason=f"checks asked for by {job.enqueued_by}",
        )
        evidence = platform.bus.handle(request)
        assert isinstance(evidence, Evidence)
        recorded.append({"id": evidence.id, "type": evidence.type.value, "summary": evidence.summary})
    return {"evidence": recorded}


BODIES: Mapping[str, Callable[[Platform, Job, Watch], dict[str, Any]]] = {JOB_KIND: check_version}


def run_next(platform: Platform, queue: Queue, worker: str) -> bool:
    """Run one due job to its end; says whether there was one."""
    job = queue.claim(worker, BODIES)
    if job is None:
        return False
    watch = Watch()
    try:
        with _kept_alive(queue, job, watch):
            result = BODIES[job.kind](platform, job, watch)
        queue.complete(job, result)
    except Stopped:
        _stopped(queue, job, watch)
    except Fenced as error:
        _log.warning("the job has gone to another worker", job=job.id, reason=str(error))
    except FINAL as error:
        queue.fail(job, str(error), retry=False)
    except ModelyardError as error:
        queue.fail(job, str(error))
    except Exception as error:  # noqa: BLE001 -- kept with the job and logged with its trace; the worker goes on
        _log.error("a job's body failed", job=job.id, kind=job.kind, exc_info=error)
        queue.fail(job, f"{type(error).__name__}: {error}")
    return True


def _stopped(queue: Queue, job: Job, watch: Watch) -> None:
    if watch.cancelling and not watch.lost:
        queue.cancelled(job)
    _log.info("a job's body was stopped", job=job.id, cancelled=watch.cancelling, lost=watch.lost)


@contextmanager
def _kept_alive(queue: Queue, job: Job, watch: Watch) -> Iterator[None]:
    """Send heartbeats while the body works, and tell the watch what they say."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT):
            try:
                watch.cancelling = queue.heartbeat(job).cancelling
            except (Conflict, TimedOut) as error:
                watch.lost = True
                _log.warning("the job is no longer ours", job=job.id, reason=str(error))
                return
            except Busy:
                continue  # the lease outlasts several heartbeats

    thread = threading.Thread(target=beat, name=f"heartbeat-{job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
