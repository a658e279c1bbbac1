"""Outcomes: what came of decisions."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.api.access import Asker, PlatformHere, require_scope
from modelyard.api.commands import FAULTS
from modelyard.core.errors import Forbidden
from modelyard.decisions import Outcome

POST = "decisions.post_outcomes"
GREATEST_POST = 20_000
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
