"""What a job's attempts left: their log, which can be waited for, and the files they kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.bootstrap import Platform
from modelyard.core.errors import NotFound
from modelyard.core.records import Transaction, equals, first
from modelyard.jobs import JOB_ARTIFACTS, JOB_LOGS, JOBS, Artifact, Job, JobState, artifacts, logs

GREATEST_WAIT = 5.0
GREATEST_NUMBER = 10**9 - 1
OVER = {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
Id = Annotated[str, Path(min_length=1, max_length=300)]
Name = Annotated[str, Path(min_length=1, max_length=300)]
routes = APIRouter(tags=["jobs"])


class LogLines(BaseModel):
    """A piece of a log: what an attempt wrote at about the same time. It ends with the end of a line, unless it is full."""

    number: int
    attempt: int
    at: datetime
    text: str


class JobLog(BaseModel):
    """Pieces of a log, in order. `next` is what to give as `after` to get those that follow; `ended` says that none will."""

    job: str
    chunks: list[LogLines]
    next: int
    ended: bool


class JobArtifact(BaseModel):
    """A file that the job kept."""

    name: str
    digest: str
    size: int
    media_type: str
    attempt: int
    created_at: datetime


class JobArtifacts(BaseModel):
    """The files of a job's last attempt, by name; none of an attempt that lost its lease."""

    job: str
    items: list[JobArtifact]


@routes.get("/jobs/{id}/log", responses=FAULTS, operation_id="read_job_log", summary="Read a job's log, waiting for more")
def read_job_log(
    here: PlatformHere,
    asker: Asker,
    id: Id,  # noqa: A002
    after: Annotated[int, Query(ge=0, le=GREATEST_NUMBER, description="`next` of the answer before")] = 0,
    wait: Annotated[float, Query(ge=0, le=GREATEST_WAIT, description="Seconds to wait for something new")] = 0,
) -> JobLog:
    """All attempts' lines, one after the other; each piece says whose it is."""
    require_read(here, asker, JOB_LOGS.name)

    def something_new() -> JobLog | None:
        found = _log_of(here, id, after)
        return found if found.chunks or found.ended else None

    return here.signals.wait_for(something_new, wait) or _log_of(here, id, after)


@routes.get("/jobs/{id}/artifacts", responses=FAULTS, operation_id="list_job_artifacts", summary="List the files a job kept")
def list_job_artifacts(here: PlatformHere, asker: Asker, id: Id) -> JobArtifacts:  # noqa: A002
    require_read(here, asker, JOB_ARTIFACTS.name)
    with here.storage.reading() as tx:
        found = artifacts.of_job(tx, _job(here, tx, id))
    return JobArtifacts(job=id, items=[_told(artifact) for artifact in found])


@routes.get(
    "/jobs/{id}/artifacts/{name}",
    responses={**FAULTS, 200: {"content": {"application/octet-stream": {}}}},
    response_class=Response,
    operation_id="download_job_artifact",
    summary="Download a file that a job kept",
)
def download_job_artifact(here: PlatformHere, asker: Asker, id: Id, name: Name) -> Response:  # noqa: A002
    """The bytes, streamed once they are known to be right. Always as a file to be saved: a run may have kept anything."""
    require_read(here, asker, JOB_ARTIFACTS.name)
    with here.storage.reading() as tx:
        found = artifacts.one(tx, _job(here, tx, id), name)
    here.blobs.verify(found.blob)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Length": str(found.size),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(here.blobs.open(found.blob), media_type=found.media_type, headers=headers)


def _job(here: Platform, tx: Transaction, job: str) -> Job:
    found = first(tx, JOBS, equals("organisation", here.settings.organisation), equals("id", job))
    if found is None:
        raise NotFound(f"there is no job {job!r}", field="id")
    return found


def _log_of(here: Platform, job: str, after: int) -> JobLog:
    """One view of the job and its log, so that nothing was written between the last piece and the end."""
    with here.storage.reading() as tx:
        found = _job(here, tx, job)
        page = logs.read(tx, found.id, after)
    chunks = [LogLines(number=c.number, attempt=c.attempt, at=c.created_at, text=c.text) for c in page.items]
    return JobLog(
        job=found.id,
        chunks=chunks,
        next=chunks[-1].number if chunks else after,
        ended=found.state in OVER and page.next is None,
    )


def _told(artifact: Artifact) -> JobArtifact:
    return JobArtifact(**artifacts.named(artifact), attempt=artifact.attempt, created_at=artifact.created_at)
