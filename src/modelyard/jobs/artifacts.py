"""Artifacts of jobs: files that an attempt kept. They are the job's when the attempt did not lose its lease."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Query, Transaction, equals, first
from modelyard.jobs.model import JOB_ARTIFACTS, Artifact, Job

MOST = 200
LONGEST_NAME = 200
_NAME = re.compile(r"\w(?:[\w .()+=@,-]*[\w)+=@-])?")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}/[A-Za-z0-9][\w.+-]{0,60}", re.ASCII)


def check(name: str, media_type: str) -> None:
    """Raises InvalidInput for a name that is no plain file name, and for a media type that is none."""
    if not name or len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise InvalidInput(f"an artifact's name has 1 to {LONGEST_NAME} bytes", field="name")
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no plain file name", field="name", hint="no folders; letters, digits, `_`, `-` and dots")
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidInput(f"{media_type[:100]!r} is no media type", field="media_type", hint="for example application/json")


def keep(tx: Transaction, job: Job, record_id: str, now: datetime, fields: dict[str, Any]) -> Artifact:
    """Keep an artifact of the job's present attempt. Raises AlreadyExists, and InvalidInput beyond so many."""
    if len(_of_attempt(tx, job.id, job.fence)) >= MOST:
        raise InvalidInput(f"an attempt keeps at most {MOST} artifacts", field="name", hint="put them into one archive")
    made = Artifact(id=record_id, organisation=job.organisation, created_at=now, job=job.id, attempt=job.fence, **fields)
    return tx.add(JOB_ARTIFACTS, made)


def of_job(tx: Transaction, job: Job) -> tuple[Artifact, ...]:
    """The job's artifacts, by name: those of its last attempt, unless that one lost its lease."""
    return () if job.artifacts_of is None else _of_attempt(tx, job.id, job.artifacts_of)


def one(tx: Transaction, job: Job, name: str) -> Artifact:
    """The job's artifact of that name. Raises NotFound."""
    mine = (equals("job", job.id), equals("attempt", job.artifacts_of), equals("name", name))
    found = None if job.artifacts_of is None or len(name) > LONGEST_NAME else first(tx, JOB_ARTIFACTS, *mine)
    if found is None:
        raise NotFound(f"the job has no artifact {name[:LONGEST_NAME]!r}", field="name")
    return found


def named(artifact: Artifact) -> dict[str, Any]:
    """How a job's result names an artifact."""
    return {"name": artifact.name, "digest": artifact.blob, "size": artifact.size, "media_type": artifact.media_type}


def _of_attempt(tx: Transaction, job: str, attempt: int) -> tuple[Artifact, ...]:
    where = (equals("job", job), equals("attempt", attempt))
    return tx.find(JOB_ARTIFACTS, Query(where=where, sort="name", limit=MOST)).items
