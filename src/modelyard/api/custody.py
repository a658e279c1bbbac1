"""Retention and erasure, beside their commands: what would go, what is left, and the list of the erased."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.api.subjects import ErasuresBody
from modelyard.core.records import Query as Search
from modelyard.core.records import Where, equals
from modelyard.delivery.batches.model import BATCHES
from modelyard.governance.custody.commands import ErasureTold
from modelyard.governance.custody.custodian import FORMAT, Due, fingerprint
from modelyard.governance.custody.erasures import find_erasure
from modelyard.governance.custody.model import ERASURES, EXPORTS, NAMED_SUBJECTS, RETENTIONS, CopyTold

MOST_BATCHES = 1000
Reference = Annotated[str, Path(min_length=1, max_length=300)]
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


class Copy(BaseModel):
    """A file with decisions that was made before a person was erased, and may hold theirs. `narrowed` exports are those of one
    person or key. Who received an export erases in it; `files` are those of a batch that had rows of the person, and what the
    erasure did with them."""

    kind: Literal["export", "batch"]
    id: str
    by: str
    made_at: datetime
    endpoint: str | None
    form: str | None = None
    place: str | None = None
    narrowed: bool = False
    files: tuple[CopyTold, ...] = ()


class Copies(BaseModel):
    """Newest first. What was copied without being asked for here is not known here."""

    items: list[Copy]


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


@routes.get("/erasures/{id}/copies", responses=FAULTS, operation_id="list_copies", summary="List files that may hold somebody")
def list_copies(here: PlatformHere, asker: Asker, id: Reference) -> Copies:  # noqa: A002
    """Exports of decisions and outputs of batches that were made before the person was hidden."""
    require_read(here, asker, ERASURES.name)
    with here.storage.reading() as tx:
        erasure = find_erasure(tx, here.settings.organisation, id)
        before = erasure.hidden_at or here.clock.now()
        mine = (equals("organisation", here.settings.organisation), Where("created_at", "le", before))
        exports = [tx.get(EXPORTS, export) for export in erasure.exports]
        batches = tx.find(BATCHES, Search(where=mine, sort="created_at", descending=True, limit=MOST_BATCHES)).items
    touched = {b.id: tuple(told for told in erasure.copies if told.batch == b.id) for b in batches}
    touched = {batch: files for batch, files in touched.items() if files}
    copies = [
        Copy(kind="export", id=e.id, by=e.by, made_at=e.created_at, endpoint=e.endpoint, form=e.form, narrowed=e.narrowed)
        for e in exports
    ]
    copies += [
        Copy(
            kind="batch",
            id=b.id,
            by=b.requested_by,
            made_at=b.created_at,
            endpoint=b.endpoint,
            place=b.output or str(b.order["out"]),
            files=touched.get(b.id, ()),
        )
        for b in batches
        if b.output is not None or b.id in touched
    ]
    return Copies(items=sorted(copies, key=lambda copy: copy.made_at, reverse=True))


@routes.get(
    "/erasures/{id}/verification", responses=FAULTS, operation_id="verify_erasure", summary="Count what is left of somebody"
)
def verify_erasure(here: PlatformHere, asker: Asker, id: Reference) -> Verified:  # noqa: A002
    """Reads every file of the log and the outcomes, whether a reader would show it or not."""
    require_read(here, asker, NAMED_SUBJECTS.name)
    proof = here.custodian.verify(id)
    return Verified(erasure=id, left=proof.left, complete=proof.left == 0, at=proof.at)
