"""What runtimes pull (signed routes, releases, artifacts) and what they bring (refusals)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from modelyard.api.access import Asker, PlatformHere, require_read, require_scope
from modelyard.api.commands import FAULTS
from modelyard.bootstrap import Platform
from modelyard.catalog.model import VERSIONS
from modelyard.core.bus import Request
from modelyard.core.digests import DIGEST
from modelyard.core.errors import InvalidInput, NotFound, Untrusted
from modelyard.core.messages import Actor, Command
from modelyard.core.records import equals, first
from modelyard.delivery import OrdersTaken, take_in
from modelyard.delivery.commands import FallbackReport, OrderBrought, RecordFallbacks, RefuseOrder
from modelyard.delivery.service import latest_routes
from modelyard.delivery.uses import UsesTaken
from modelyard.governance.releases.commands import RecordRefusals, RuntimeRefusal
from modelyard.governance.releases.model import RELEASES, RefusalsTaken

GREATEST_WAIT = 5.0
T = TypeVar("T")
ENVELOPE = "application/vnd.in-toto+json"
routes = APIRouter(tags=["runtime"], responses=FAULTS)


@routes.get(
    "/runtime/routes",
    responses={304: {"description": "Nothing newer"}, 200: {"content": {ENVELOPE: {}}}},
    response_class=Response,
    operation_id="pull_routes",
    summary="Pull the signed routes, waiting for newer ones",
)
def pull_routes(
    here: PlatformHere,
    asker: Asker,
    after: Annotated[int, Query(ge=0, le=2**53, description="The epoch that the runtime has")] = 0,
    wait: Annotated[float, Query(ge=0, le=GREATEST_WAIT, description="Seconds to wait for a newer one")] = 0,
) -> Response:
    """The newest snapshot's envelope, or 304 when there is none after `after`."""
    require_read(here, asker, "route_snapshots")

    def newest() -> str | None:
        with here.storage.reading() as tx:
            found = latest_routes(tx, here.settings.organisation)
        return found.envelope if found is not None and found.epoch > after else None

    envelope = here.signals.wait_for(newest, wait)
    if envelope is None:
        return Response(status_code=304)
    return Response(envelope, media_type=ENVELOPE)


@routes.get(
    "/runtime/releases/{digest}",
    responses={200: {"content": {ENVELOPE: {}}}},
    response_class=Response,
    operation_id="pull_release",
    summary="Pull a signed release by the digest of its payload",
)
def pull_release(here: PlatformHere, asker: Asker, digest: Annotated[str, Path(pattern=DIGEST.pattern)]) -> Response:
    """The release's envelope."""
    require_read(here, asker, "releases")
    with here.storage.reading() as tx:
        found = first(tx, RELEASES, equals("organisation", here.settings.organisation), equals("payload", digest))
    if found is None:
        raise NotFound(f"there is no release {digest}", field="digest")
    return Response(found.envelope, media_type=ENVELOPE)


@routes.get(
    "/runtime/blobs/{digest}",
    responses={200: {"content": {"application/octet-stream": {}}}},
    response_class=Response,
    operation_id="pull_blob",
    summary="Pull an artifact or a manifest by its digest",
)
def pull_blob(here: PlatformHere, asker: Asker, digest: Annotated[str, Path(pattern=DIGEST.pattern)]) -> Response:
    """The bytes, streamed once they are known to be right: damage is told as `untrusted`, not by a stream that breaks off.
    A version's manifest is kept with the version; everything else is a blob."""
    require_read(here, asker, "blobs")
    with here.storage.reading() as tx:
        mine = equals("organisation", here.settings.organisation)
        version = first(tx, VERSIONS, mine, equals("manifest_digest", digest))
    if version is not None:
        return Response(version.manifest.encode(), media_type="application/octet-stream")
    here.blobs.verify(digest)
    return StreamingResponse(here.blobs.open(digest), media_type="application/octet-stream")


@routes.post("/runtime/refusals", operation_id="bring_refusals", summary="Bring what a runtime refused to serve")
def bring_refusals(here: PlatformHere, asker: Asker, refusals: list[RuntimeRefusal]) -> RefusalsTaken:
    """Taken in once each, however often they are brought."""
    _require_few(refusals, 1000, "refusals", "refusals")
    return _taken_in(here, asker, RecordRefusals(refusals=tuple(refusals)), RefusalsTaken)


@routes.post("/runtime/fallbacks", operation_id="bring_fallbacks", summary="Bring how often fallbacks answered")
def bring_fallbacks(here: PlatformHere, asker: Asker, uses: list[FallbackReport]) -> UsesTaken:
    """Taken in once each, however often they are brought."""
    _require_few(uses, 1000, "reports", "uses")
    return _taken_in(here, asker, RecordFallbacks(uses=tuple(uses)), UsesTaken)


@routes.post("/runtime/orders", operation_id="bring_orders", summary="Bring orders that a runtime acts on")
def bring_orders(here: PlatformHere, asker: Asker, orders: list[OrderBrought]) -> OrdersTaken:
    """Each is done once, in the name of the operator who signed it; what became of it is in the answer and in the audit log. What
    no key for orders signed is left out of the answer, and refused when nothing else came with it."""
    _require_few(orders, 100, "orders", "orders")
    require_scope(asker, RefuseOrder.action)
    organisation, now = here.settings.organisation, here.clock.now()
    outcomes, refused = {}, None
    for order in orders:
        try:
            outcomes[order.digest] = take_in(here.bus, here.storage, here.keys.roots(), asker, organisation, order, now)
        except Untrusted as refusal:
            refused = refused or refusal
    if refused is not None and not outcomes:
        raise refused
    return OrdersTaken(outcomes=outcomes)


def _require_few(brought: Sequence[object], most: int, what: str, field: str) -> None:
    """Raises InvalidInput for more than one request may bring."""
    if len(brought) > most:
        raise InvalidInput(f"more than {most:,} {what} at once", field=field, hint="bring them in parts")


def _taken_in(here: Platform, asker: Actor, command: Command, kind: type[T]) -> T:
    taken = here.bus.handle(Request(command=command, actor=asker, organisation=here.settings.organisation))
    assert isinstance(taken, kind)
    return taken
