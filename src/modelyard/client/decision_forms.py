"""The forms in which decisions and their counts travel: the server answers in them, the client reads them, both by this one
declaration."""

from __future__ import annotations

from pydantic import BaseModel

MEDIA_TYPES = {
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
}


class DecisionGroup(BaseModel):
    """Decisions of one day (UTC) that one arm answered; `outcomes` of them have one."""

    day: str | None
    arm: str | None
    version: str | None
    role: str | None
    decisions: int
    outcomes: int


class LateTold(BaseModel):
    """Of the outcomes recorded in the window that say how long they take to settle: those that became known only after that, and
    those about decisions that are not in the log."""

    outcomes: int
    late: int
    unknown: int
    by_endpoint: dict[str, int]


class Summary(BaseModel):
    """Counts of a window. `coverage` is the share of decisions with an outcome, absent where there are no decisions."""

    decisions: int
    outcomes: int
    coverage: float | None
    groups: tuple[DecisionGroup, ...]
    late: LateTold
