"""Views that are more than one record: who am I, a version in full, its inventory, differences, history, the audit's proof."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from modelyard import __version__
from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.bootstrap import EXPLAINED_TABLES, Platform
from modelyard.catalog.diff import VersionDiff, diff
from modelyard.catalog.history import HistoryEntry, history
from modelyard.catalog.inventory import InventoryRecord, inventory
from modelyard.catalog.lookup import find_model, find_version
from modelyard.catalog.model import Version
from modelyard.core.errors import Busy
from modelyard.core.records import equals, every, first
from modelyard.delivery import EndpointArm, in_production_on
from modelyard.delivery.model import ENDPOINTS
from modelyard.governance.audit import Finding, Report, prove, verify, verify_records
from modelyard.governance.identity.model import IDENTITIES

Reference = Annotated[str, Path(min_length=1, max_length=300)]
routes = APIRouter(responses=FAULTS)
_VERIFYING = threading.Lock()


class Me(BaseModel):
    """Who the token stands for."""

    id: str
    name: str
    kind: str
    roles: list[str]
    scopes: list[str]
    organisation: str
    version: str


class ServedArm(BaseModel):
    """An arm that was meant to answer at a moment."""

    endpoint: str
    arm: EndpointArm


class AuditCheck(BaseModel):
    """The log against its exported checkpoints, and the live records against the log."""

    ok: bool
    summary: str
    log: Report
    records: list[Finding]


@routes.get("/me", tags=["identity"], operation_id="who_am_i", summary="Who am I")
def me(here: PlatformHere, asker: Asker) -> Me:
    with here.storage.reading() as tx:
        identity = first(tx, IDENTITIES, equals("id", asker.id))
    return Me(
        id=asker.id,
        name=identity.name if identity is not None else asker.id,
        kind=asker.kind,
        roles=sorted(asker.roles),
        scopes=sorted(asker.scopes),
        organisation=here.settings.organisation,
        version=__version__,
    )


@routes.get("/versions/diff", tags=["catalog"], operation_id="diff_versions", summary="Compare two versions")
def diff_versions(
    here: PlatformHere,
    asker: Asker,
    left: Annotated[str, Query(min_length=1, max_length=300)],
    right: Annotated[str, Query(min_length=1, max_length=300)],
) -> VersionDiff:
    """Signature, metrics, environment lock and lineage, side by side."""
    require_read(here, asker, "versions")
    with here.storage.reading() as tx:
        before, after = (find_version(tx, here.settings.organisation, r) for r in (left, right))
    return diff(before, after, _lock(here, before), _lock(here, after))


def _lock(here: Platform, version: Version) -> str | None:
    digest = version.environment_lock
    if digest is None or not here.blobs.exists(digest):
        return None
    return b"".join(here.blobs.open(digest)).decode("utf-8", "replace")


@routes.get("/versions/{version}/detail", tags=["catalog"], operation_id="show_version", summary="A version in full")
def show_version(here: PlatformHere, asker: Asker, version: Reference) -> Version:
    """By id, `model@number`, `model@latest` or digest."""
    require_read(here, asker, "versions")
    with here.storage.reading() as tx:
        return find_version(tx, here.settings.organisation, version)


@routes.get(
    "/versions/{version}/inventory",
    tags=["catalog"],
    operation_id="show_inventory",
    summary="A version's inventory record, each field with its provenance",
)
def show_inventory(here: PlatformHere, asker: Asker, version: Reference) -> InventoryRecord:
    require_read(here, asker, "versions")
    with here.storage.reading() as tx:
        found = find_version(tx, here.settings.organisation, version)
        return inventory(tx, found.id, here.contributors)


@routes.get(
    "/models/{model}/history",
    tags=["catalog"],
    operation_id="model_history",
    summary="What happened to a model",
)
def model_history(here: PlatformHere, asker: Asker, model: Reference) -> list[HistoryEntry]:
    require_read(here, asker, "models")
    with here.storage.reading() as tx:
        return list(history(tx, find_model(tx, here.settings.organisation, model)))


@routes.get(
    "/models/{model}/served",
    tags=["delivery"],
    operation_id="served_on",
    summary="What of a model was meant to answer at a moment",
)
def served_on(
    here: PlatformHere, asker: Asker, model: Reference, at: Annotated[datetime, Query(description="With its zone")]
) -> list[ServedArm]:
    require_read(here, asker, "endpoints")
    moment = at if at.tzinfo is not None else at.replace(tzinfo=here.clock.now().tzinfo)
    organisation = here.settings.organisation
    found: list[ServedArm] = []
    with here.storage.reading() as tx:
        wanted = find_model(tx, organisation, model)
        for endpoint in every(tx, ENDPOINTS, equals("organisation", organisation)):
            arms = in_production_on(tx, organisation, endpoint.name, moment)
            ours = (arm for arm in arms if find_version(tx, organisation, arm.version).model_id == wanted.id)
            found.extend(ServedArm(endpoint=endpoint.name, arm=arm) for arm in ours)
    return found


@routes.get("/audit/verify", tags=["audit"], operation_id="verify_audit", summary="Verify the audit log")
def verify_audit(here: PlatformHere, asker: Asker) -> AuditCheck:
    """Any altered, removed, reordered or truncated record is named."""
    require_read(here, asker, "audit")
    if not _VERIFYING.acquire(blocking=False):
        raise Busy("the log is being verified for somebody else", hint="it reads everything; try again in a moment")
    try:
        return _verified(here)
    finally:
        _VERIFYING.release()


def _verified(here: Platform) -> AuditCheck:
    log = verify(here.storage, here.checkpoints, here.keys.roots(), here.origin)
    records = verify_records(here.storage, EXPLAINED_TABLES)
    agree = "live records agree with the log" if not records else f"{len(records)} live records do NOT agree with the log"
    return AuditCheck(ok=log.ok and not records, summary=f"{log.summary()}; {agree}", log=log, records=list(records))


@routes.get(
    "/audit/{record}/proof",
    tags=["audit"],
    operation_id="prove_audit",
    summary="A bundle that proves one record offline",
    response_model=dict[str, Any],
)
def prove_audit(here: PlatformHere, asker: Asker, record: Reference) -> Response:
    require_read(here, asker, "audit")
    bundle = prove(here.storage, here.checkpoints, record)
    return Response(bundle.to_json(), media_type="application/json")
