"""Retention and erasure, beside their commands: what would go, what is left, and the list of the erased."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.api.subjects import ErasuresBody
from modelyard.governance.custody.commands import ErasureTold
from modelyard.governance.custody.custodian import FORMAT, Due, fingerprint
from modelyard.governance.custody.model import ERASURES, NAMED_SUBJECTS, RETENTIONS

routes = APIRouter(tags=["custody"])


class DueList(BaseModel):
    """What applying retention now would do, by use case."""

    items: list[Due]


class Verified(BaseModel):
    """How many traces of an erased person any file still has, counted just now; `complete` when there are none."""

    erasure: str
    left: int
    complete: bool
    at: datetime


@routes.get("/retention/due", responses=FAULTS, operation_id="show_retention_due", summary="Count what retention would remove")
def show_due(
    here: PlatformHere,
    asker: Asker,
    use_case: Annotated[str | None, Query(min_length=1, max_length=200, description="Of all use cases without it")] = None,
) -> DueList:
    """Nothing is removed. Rows that a hold keeps are counted apart."""
    require_read(here, asker, RETENTIONS.name)
    return DueList(items=here.custodian.due(use_case))


@routes.get(
    "/erasures/export", responses=FAULTS, operation_id="export_erasures", summary="List who was erased, for a restored backup"
)
def export_erasures(here: PlatformHere, asker: Asker) -> ErasuresBody:
    """Pseudonyms, with the moment up to which their decisions are gone. Import the list where an older backup was restored."""
    require_read(here, asker, NAMED_SUBJECTS.name)
    told = tuple(ErasureTold(subject=subject, until=until) for subject, until in sorted(here.custodian.erased().items()))
    return ErasuresBody(format=FORMAT, key=fingerprint(here.pseudonyms), erasures=told)


@routes.get(
    "/erasures/{id}/verification", responses=FAULTS, operation_id="verify_erasure", summary="Count what is left of somebody"
)
def verify_erasure(
    here: PlatformHere,
    asker: Asker,
    id: Annotated[str, Path(min_length=1, max_length=300)],  # noqa: A002
) -> Verified:
    """Reads every file of the log and the outcomes, whether a reader would show it or not."""
    require_read(here, asker, ERASURES.name)
    proof = here.custodian.verify(id)
    return Verified(erasure=id, left=proof.left, complete=proof.left == 0, at=proof.at)
