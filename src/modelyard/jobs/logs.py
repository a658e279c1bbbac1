"""Logs of jobs: chunks that are added while a body runs and never changed, so that what was flushed outlives the worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from modelyard.core.records import Page, Query, Transaction, Where
from modelyard.jobs.model import JOB_LOGS, Job, LogChunk

GREATEST_CHUNK = 64 << 10
GREATEST_LOG = 10 << 20
CHUNKS_AT_ONCE = 50
CUT = f"… the rest of this job's log is cut: a log has at most {GREATEST_LOG >> 20} MiB\n"


def append(tx: Transaction, job: Job, text: str, now: datetime) -> None:
    """Add text to the log of a job, for its present attempt. What goes beyond the limit is cut, which is said once."""
    last = last_chunk(tx, job.id)
    number, end = (0, 0) if last is None else (last.number, last.end)
    if last is not None and last.cut:
        return
    data = text.encode("utf-8", "replace")
    for piece in _pieces(data, GREATEST_LOG - end):
        number, end = number + 1, end + len(piece)
        tx.add(JOB_LOGS, _chunk(job, number, piece.decode(), end, now))
    if len(data) + (0 if last is None else last.end) > GREATEST_LOG:
        tx.add(JOB_LOGS, _chunk(job, number + 1, CUT, end, now).model_copy(update={"cut": True}))


def read(tx: Transaction, job: str, after: int = 0, limit: int = CHUNKS_AT_ONCE) -> Page[LogChunk]:
    """The chunks after a number, in order."""
    where = (Where("id", "gt", _id(job, after)), Where("id", "lt", f"{job}:~"))
    return tx.find(JOB_LOGS, Query(where=where, sort="id", limit=limit))


def last_chunk(tx: Transaction, job: str) -> LogChunk | None:
    items = tx.find(JOB_LOGS, Query(where=(Where("id", "prefix", f"{job}:"),), sort="id", descending=True, limit=1)).items
    return items[0] if items else None


def _chunk(job: Job, number: int, text: str, end: int, now: datetime) -> LogChunk:
    return LogChunk(
        id=_id(job.id, number),
        organisation=job.organisation,
        created_at=now,
        job=job.id,
        attempt=job.fence,
        number=number,
        text=text,
        end=end,
    )


def _id(job: str, number: int) -> str:
    return f"{job}:{number:09d}"


def _pieces(data: bytes, room: int) -> Iterator[bytes]:
    """What there is room for, in pieces that end between two characters."""
    start, stop = 0, _whole(data, room)
    while start < stop:
        end = _whole(data, min(start + GREATEST_CHUNK, stop))
        yield data[start:end]
        start = end


def _whole(data: bytes, end: int) -> int:
    """The last place up to `end` at which a character begins, or the end of the data."""
    if end >= len(data):
        return len(data)
    while end > 0 and data[end] & 0xC0 == 0x80:
        end -= 1
    return end
