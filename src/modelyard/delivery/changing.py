"""How every change of an endpoint's arms ends: sound, permitted by releases, written down, and signed into routes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from modelyard.catalog.model import VERSION_STATES, Status
from modelyard.core.bus import Work
from modelyard.core.errors import InvalidInput, NotApproved, NotFound
from modelyard.core.records import Query, Transaction, Where, equals, every, first
from modelyard.delivery.events import ArmsChanged, RoutesPublished
from modelyard.delivery.genuine import is_genuine, note_edited
from modelyard.delivery.model import (
    DEPLOYMENTS,
    ENDPOINTS,
    LIVE,
    ORDERS,
    ROUTES,
    SHARE_STEP,
    Deployment,
    Endpoint,
    EndpointArm,
    PublishedRoutes,
)
from modelyard.governance.releases.model import RELEASES, REVOCATIONS
from modelyard.governance.releases.ports import Signing
from modelyard.trust import Purpose, sign_routes
from modelyard.trust.statements import ArmRole, RouteSnapshot

ORDERS_TOLD_FOR = timedelta(minutes=10)
"""How long after its end an order that was taken in is still told of: clocks of runtimes may be late."""


def change(work: Work, signing: Signing, endpoint: Endpoint, action: str, arms: tuple[EndpointArm, ...]) -> Endpoint:
    """Have these arms from now on. Raises InvalidInput without a reason or when the shares do not add up, NotApproved for an arm
    that is new or grows and whose release does not permit it."""
    require_reason(work)
    require_sound(arms)
    _require_releases(work, endpoint, arms)
    epoch = next_epoch(work.tx, work.organisation)
    champion_changes = _champion_version(arms) != _champion_version(endpoint.arms)
    update = {
        "arms": arms,
        "epoch": epoch,
        "previous": endpoint.arms if champion_changes and action != "rollback" else endpoint.previous,
    }
    kept = work.save(ENDPOINTS, endpoint.model_copy(update=update))
    work.add(
        DEPLOYMENTS,
        Deployment(
            **work.new("dep"),
            endpoint=kept.name,
            action=action,
            epoch=epoch,
            before=endpoint.arms,
            after=arms,
            actor=work.actor.id,
            reason=work.request.reason,
        ),
    )
    versions = tuple(a.version for a in arms)
    work.emit(ArmsChanged(endpoint=kept.name, action=action, epoch=epoch, versions=versions), f"endpoint:{kept.name}")
    publish(work, signing, f"{action} on {kept.name}")
    return kept


def require_reason(work: Work) -> None:
    """Raises InvalidInput when nobody said why."""
    if not work.request.reason:
        raise InvalidInput("what answers is never changed without a reason", field="reason", hint='say why: --reason "…"')


def _champion_version(arms: Sequence[EndpointArm]) -> str | None:
    return next((a.version for a in arms if a.role is ArmRole.CHAMPION), None)


def require_sound(arms: Sequence[EndpointArm]) -> None:
    """Raises InvalidInput when the shares of the live arms do not add up."""
    live = [a for a in arms if a.role in LIVE]
    total = math.fsum(a.share for a in live)
    if live and abs(total - 1) > SHARE_STEP:
        raise InvalidInput(f"the shares add up to {total:.4g}, not to 1", field="shares")


def _require_releases(work: Work, endpoint: Endpoint, arms: Sequence[EndpointArm]) -> None:
    """Asked of what is new or grows. An arm that stays as it was is not: the end of its release, which the runtime sees to, must
    not keep anybody from stopping another."""
    before = {a.name: a for a in endpoint.arms}
    for arm in arms:
        was = before.get(arm.name)
        stays = was is not None and (was.release, was.role) == (arm.release, arm.role) and arm.share <= was.share
        if not stays:
            require_release(work, endpoint, arm)


def require_release(work: Work, endpoint: Endpoint, arm: EndpointArm) -> None:
    """Raises NotApproved when the arm may not serve so."""
    refusal = refusal_of(work, endpoint, arm)
    if refusal is not None:
        raise refusal


def refusal_of(work: Work, endpoint: Endpoint, arm: EndpointArm) -> NotApproved | None:
    """Why an arm may not serve: by the clauses that the runtime asks too, so that nobody is told `done` for what will be refused,
    and because its version was retired."""
    release = work.get(RELEASES, arm.release)
    state = work.get(VERSION_STATES, release.version)
    revoked = first(work.tx, REVOCATIONS, equals("id", release.id)) is not None
    clauses = {
        "release": (not revoked, "was revoked"),
        "version": (state.status is not Status.RETIRED, f"is for version {state.model}@{state.number}, which is retired"),
        "use_case": (endpoint.use_case == release.use_case, f"is for use case {release.use_case}"),
        "endpoint": (endpoint.name in release.endpoints, f"is for endpoints {', '.join(release.endpoints)}"),
        "stage": (endpoint.stage == release.stage, f"is for stage {release.stage}"),
        "role": (arm.role in release.roles, f"permits the roles {', '.join(release.roles)}, not {arm.role.value}"),
        "share": (
            endpoint.greatest_share_of(arm) <= release.greatest_share + SHARE_STEP,
            f"permits a share of {release.greatest_share:.0%}, not {_share_told(endpoint, arm)}",
        ),
        "until": (release.until > work.now, f"ended at {release.until:%Y-%m-%d %H:%M} UTC"),
    }
    for field, (holds, what) in clauses.items():
        if not holds:
            return NotApproved(f"release {release.id} {what}", field=field, hint="request approval for what you need")
    return None


def _share_told(endpoint: Endpoint, arm: EndpointArm) -> str:
    ruled = endpoint.greatest_share_of(arm) > arm.share
    return f"all that a rule may send to {arm.name}" if ruled else f"{arm.share:.0%}"


def arm_named(endpoint: Endpoint, name: str) -> EndpointArm:
    """The arm of that name or version. Raises NotFound."""
    for arm in endpoint.arms:
        if name in (arm.name, arm.version):
            return arm
    known = ", ".join(a.name for a in endpoint.arms) or "none"
    raise NotFound(f"endpoint {endpoint.name} has no arm {name!r}", field="arm", hint=f"its arms: {known}")


def endpoint_named(tx: Transaction, organisation: str, name: str) -> Endpoint:
    """The endpoint of that name (or id). Raises NotFound."""
    found = first(tx, ENDPOINTS, equals("organisation", organisation), equals("name", name))
    if found is None:
        raise NotFound(f"there is no endpoint {name!r}", field="endpoint", hint="`modelyard endpoint list` shows them")
    return found


def latest_routes(tx: Transaction, organisation: str) -> PublishedRoutes | None:
    """The snapshot with the highest epoch."""
    query = Query(where=(equals("organisation", organisation),), sort="epoch", descending=True, limit=1)
    items = tx.find(ROUTES, query).items
    return items[0] if items else None


def next_epoch(tx: Transaction, organisation: str) -> int:
    """The epoch of the next snapshot."""
    last = latest_routes(tx, organisation)
    return last.epoch + 1 if last else 1


def publish(work: Work, signing: Signing, cause: str) -> PublishedRoutes:
    """Sign the desired state of all endpoints with the next epoch; endpoints whose rows were edited are left out."""
    revocations = every(work.tx, REVOCATIONS, equals("organisation", work.organisation))
    endpoints = _genuine_endpoints(work)
    ended = {r.id for r in revocations}
    # Also by the arms themselves: a release whose row was edited was revoked by what the row says.
    payloads = {r.payload for r in revocations} | {a.payload for e in endpoints for a in e.arms if a.release in ended}
    snapshot = RouteSnapshot(
        organisation=work.organisation,
        epoch=next_epoch(work.tx, work.organisation),
        issued_at=work.now,
        endpoints=tuple(e.routes() for e in sorted(endpoints, key=lambda e: e.name)),
        revoked=tuple(sorted(payloads)),
        settled=_settled(work),
    )
    signer = signing.signer(Purpose.ROUTES)
    signed = sign_routes(snapshot, signer)
    kept = work.add(
        ROUTES,
        PublishedRoutes(
            **work.new("rts"),
            epoch=snapshot.epoch,
            # What a dry run signed would be valid and in no log: it does not leave.
            envelope="" if work.request.dry_run else signed.envelope.decode(),
            payload=signed.digest,
            key_id=signer.key_id,
            cause=cause,
        ),
    )
    work.emit(RoutesPublished(epoch=kept.epoch, cause=cause), f"routes:{work.organisation}")
    return kept


def _settled(work: Work) -> tuple[str, ...]:
    """The orders that were taken in and might still be in force somewhere."""
    recent = Where("until", "gt", work.now - ORDERS_TOLD_FOR)
    return tuple(sorted(o.payload for o in every(work.tx, ORDERS, equals("organisation", work.organisation), recent)))


def _genuine_endpoints(work: Work) -> list[Endpoint]:
    changed_now = {c.id for c in work.changes if c.table == ENDPOINTS.name}
    found = []
    for endpoint in every(work.tx, ENDPOINTS, equals("organisation", work.organisation)):
        if endpoint.id in changed_now or is_genuine(work.tx, endpoint):
            found.append(endpoint)
        else:
            note_edited(work, endpoint)
    return found
