"""Decisions and outcomes: what was answered, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.api.access import Asker, PlatformHere, require_read, require_scope
from modelyard.api.commands import FAULTS
from modelyard.core.errors import Forbidden, NotFound
from modelyard.decisions import Outcome, Time, Window

POST = "decisions.post_outcomes"
GREATEST_POST = 20_000
GREATEST_READ = 10_000
routes = APIRouter(tags=["decisions"])


class OutcomeBody(BaseModel):
    """What came of one decision. `values` by name; `maturity` in seconds is how long outcomes of this kind take to settle."""

    model_config = ConfigDict(extra="forbid")

    decision: str = Field(min_length=1, max_length=100)
    values: dict[str, str | int | float | bool | None] = Field(min_length=1, max_length=50)
    event_time: AwareDatetime | None = None
    time_known: AwareDatetime | None = None
    maturity: float | None = Field(default=None, ge=0)


class OutcomesBody(BaseModel):
    """A post of outcomes from one source."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=1, max_length=200)
    outcomes: list[OutcomeBody] = Field(min_length=1, max_length=GREATEST_POST)


class PostReceipt(BaseModel):
    """New outcomes, repeats of what was known, corrections, and ids of decisions that are not in the log (kept all the same)."""

    accepted: int
    repeated: int
    corrected: int
    unknown: list[str]


class DecisionRows(BaseModel):
    """Decisions in the order of the log (writer by writer, each in its order), with outcomes where there are any. `more` says
    that the window holds more."""

    items: list[dict[str, Any]]
    more: bool


@routes.post("/outcomes", responses=FAULTS, operation_id="post_outcomes", summary="Post what came of decisions")
def post_outcomes(here: PlatformHere, asker: Asker, body: OutcomesBody) -> PostReceipt:
    """All of the post is kept, or none of it. Repeats change nothing; other values for a known decision are a correction."""
    require_scope(asker, POST)
    if not asker.roles & {"operator", "developer", "validator", "business_owner", "system"}:
        raise Forbidden("outcomes are posted by operators, developers, validators or business owners")
    receipt = here.outcomes.post(
        [
            Outcome(
                decision_id=o.decision,
                values=o.values,
                source=body.source,
                event_time=o.event_time,
                time_known=o.time_known,
                maturity=o.maturity,
                organisation=here.settings.organisation,
            )
            for o in body.outcomes
        ]
    )
    return PostReceipt(
        accepted=receipt.accepted,
        repeated=receipt.repeated,
        corrected=receipt.corrected,
        unknown=list(receipt.unknown),
    )


@routes.get("/decisions", responses=FAULTS, operation_id="list_decisions", summary="Read the decision log")
def list_decisions(
    here: PlatformHere,
    asker: Asker,
    endpoint: Annotated[str | None, Query(max_length=200)] = None,
    version: Annotated[str | None, Query(max_length=100, description="Manifest digest")] = None,
    arm: Annotated[str | None, Query(max_length=200)] = None,
    since: Annotated[datetime | None, Query()] = None,
    until: Annotated[datetime | None, Query()] = None,
    by: Annotated[Time, Query(description="Which time the window is about")] = Time.DECISION,
    limit: Annotated[int, Query(ge=1, le=GREATEST_READ)] = 100,
) -> DecisionRows:
    """The first `limit` decisions of a window."""
    require_read(here, asker, "decisions")
    window = Window(
        organisation=here.settings.organisation,
        endpoint=endpoint,
        versions=(version,) if version else (),
        arms=(arm,) if arm else (),
        since=since,
        until=until,
        by=by,
    )
    rows = here.decisions_in(window, limit + 1)
    return DecisionRows(items=rows[:limit], more=len(rows) > limit)


@routes.get("/decisions/{id}", responses=FAULTS, operation_id="get_decision", summary="Show one decision")
def get_decision(
    here: PlatformHere,
    asker: Asker,
    id: Annotated[str, Path(min_length=1, max_length=100)],  # noqa: A002
) -> dict[str, Any]:
    """One decision with its outcome."""
    require_read(here, asker, "decisions")
    row = here.decision(id)
    if row is None:
        raise NotFound(f"there is no decision {id!r}", field="id")
    return row
