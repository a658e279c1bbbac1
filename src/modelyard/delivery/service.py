"""Handlers of delivery. Every one ends the same way: the endpoint is saved, a deployment is written down, routes are signed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from modelyard.catalog.model import USE_CASES, VERSION_STATES, VERSIONS, Status
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, InvalidInput, NotApproved, NotFound, StaleRevision, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, Where, equals, every, first
from modelyard.delivery.commands import (
    CreateEndpoint,
    Deploy,
    Promote,
    PublishRoutes,
    Rollback,
    SetShares,
    StopArm,
    UpdateEndpoint,
)
from modelyard.delivery.events import ArmsChanged, EndpointCreated, EndpointUpdated, RoutesPublished
from modelyard.delivery.genuine import is_genuine, note_edited, require_genuine
from modelyard.delivery.model import (
    DEPLOYMENTS,
    ENDPOINTS,
    LIVE,
    ROUTES,
    SHARE_STEP,
    STALE_BY_TIER,
    Deployment,
    Endpoint,
    EndpointArm,
    PublishedRoutes,
)
from modelyard.governance.releases.model import RELEASES, REVOCATIONS
from modelyard.governance.releases.ports import Signing
from modelyard.trust import Purpose, sign_routes
from modelyard.trust.statements import ArmRole, RouteSnapshot

STRICTEST = "high"


def create_endpoint(work: Work, command: CreateEndpoint, signing: Signing) -> Endpoint:
    """Make the name; it answers nothing until something is deployed."""
    use_case = first(work.tx, USE_CASES, equals("organisation", work.organisation), equals("name", command.use_case))
    if use_case is None:
        raise NotFound(f"use case {command.use_case!r} does not exist", field="use_case", hint="register it first")
    tier = use_case.tier or STRICTEST
    stale, age = STALE_BY_TIER[tier]
    endpoint = Endpoint(
        **work.new("end"),
        name=command.name,
        use_case=command.use_case,
        stage=command.stage,
        tier=tier,
        constant=command.constant,
        stale=command.stale or stale,
        greatest_age=command.greatest_age or age,
        sticky_salt=digest_of([work.organisation, command.name])[7:23],
    )
    kept = work.add(ENDPOINTS, endpoint)
    work.emit(EndpointCreated(endpoint=kept.name, use_case=kept.use_case), f"endpoint:{kept.name}")
    publish(work, signing, f"endpoint {kept.name} created")
    return kept


def update_endpoint(work: Work, command: UpdateEndpoint, signing: Signing) -> Endpoint:
    """Change what the endpoint does when no model may answer."""
    _require_reason(work)
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    if endpoint.revision != command.revision:
        raise StaleRevision(
            f"endpoint {endpoint.name} has revision {endpoint.revision}", field="revision", hint="show it again, then change it"
        )
    update = command.model_dump(include={"constant", "stale", "greatest_age"}, exclude_none=True)
    kept = work.save(ENDPOINTS, endpoint.model_copy(update=update))
    work.emit(EndpointUpdated(endpoint=kept.name), f"endpoint:{kept.name}")
    publish(work, signing, f"endpoint {kept.name} updated")
    return kept


def deploy(work: Work, command: Deploy, signing: Signing) -> Endpoint:
    """Add or replace an arm by what a release allows."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    release = work.get(RELEASES, command.release)
    name = command.arm or f"v{work.get(VERSIONS, release.version).number}"
    champion = endpoint.champion()
    if champion is not None and champion.name == name and command.role is not ArmRole.CHAMPION:
        raise WrongState(f"{name} is the champion", field="arm", hint="give the new arm a name of its own")
    arm = EndpointArm(
        name=name,
        role=command.role,
        version=release.version,
        release=release.id,
        payload=release.payload,
        manifest=release.manifest,
        share=_share_asked(command, endpoint),
        since=work.now,
    )
    _require_release(work, endpoint, arm)
    return _change(work, signing, endpoint, "deploy", _with_arm(endpoint, arm))


def _share_asked(command: Deploy, endpoint: Endpoint) -> float:
    if command.role is ArmRole.FALLBACK:
        return 0.0
    if command.role is ArmRole.CHAMPION:
        others = math.fsum(a.share for a in endpoint.arms if a.role is ArmRole.CHALLENGER)
        return 1.0 - others if command.share is None else command.share
    if command.share is None:
        raise InvalidInput(f"a {command.role.value} needs a share", field="share", hint="for example 0.05")
    return command.share


def _with_arm(endpoint: Endpoint, arm: EndpointArm) -> tuple[EndpointArm, ...]:
    others = [a for a in endpoint.arms if a.name != arm.name]
    if arm.role is ArmRole.CHAMPION:
        return (arm, *(a for a in others if a.role is not ArmRole.CHAMPION))
    champion = next((a for a in others if a.role is ArmRole.CHAMPION), None)
    if arm.role is ArmRole.CHALLENGER:
        if champion is None:
            raise WrongState(f"endpoint {endpoint.name} has no champion to challenge", field="role", hint="deploy one first")
        replaced = next((a.share for a in endpoint.arms if a.name == arm.name and a.role is ArmRole.CHALLENGER), 0.0)
        left = champion.share + replaced - arm.share
        if left < -SHARE_STEP:
            raise InvalidInput(f"the champion has {champion.share + replaced:.0%} to give, not {arm.share:.0%}", field="share")
        others = [a.model_copy(update={"share": max(0.0, left)}) if a is champion else a for a in others]
    return (*others, arm)


def set_shares(work: Work, command: SetShares, signing: Signing) -> Endpoint:
    """Divide the traffic anew. Arms that are not named get nothing."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    live = {a.name for a in endpoint.arms if a.role in LIVE}
    unknown = sorted(set(command.shares) - live)
    if unknown:
        raise NotFound(
            f"endpoint {endpoint.name} has no live arm {', '.join(unknown)}", field="shares", hint=f"it has: {', '.join(live)}"
        )
    arms = tuple(a.model_copy(update={"share": command.shares.get(a.name, 0.0)}) if a.name in live else a for a in endpoint.arms)
    return _change(work, signing, endpoint, "set_shares", arms)


def promote(work: Work, command: Promote, signing: Signing) -> Endpoint:
    """The named arm becomes the only live one."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    arm = _arm(endpoint, command.arm)
    if arm.role is ArmRole.CHAMPION:
        raise WrongState(f"{arm.name} is the champion already", field="arm")
    champion = arm.model_copy(update={"role": ArmRole.CHAMPION, "share": 1.0, "since": work.now})
    others = tuple(a for a in endpoint.arms if a.role not in LIVE and a.name != arm.name)
    return _change(work, signing, endpoint, "promote", (champion, *others))


def rollback(work: Work, command: Rollback, signing: Signing) -> Endpoint:
    """Return to what answered before, or to a named version that served here and whose release still holds."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    if command.version is None:
        challenged = any(a.role is ArmRole.CHALLENGER for a in endpoint.arms)
        target: Sequence[EndpointArm] = _without_challengers(endpoint.arms if challenged else endpoint.previous)
    else:
        target = (_earlier_champion(work, endpoint, command.version), *_others(endpoint))
    if not target:
        raise WrongState(
            f"endpoint {endpoint.name} has nothing to return to", field="endpoint", hint="name a version, or stop the arm"
        )
    serving = tuple(a for a in target if a.role is ArmRole.CHAMPION or _refusal(work, endpoint, a) is None)
    return _change(work, signing, endpoint, "rollback", serving)


def _without_challengers(arms: Sequence[EndpointArm]) -> tuple[EndpointArm, ...]:
    """The champion with all traffic, and the arms that do not answer: among the challengers may be what is rolled back."""
    kept = [a for a in arms if a.role is not ArmRole.CHALLENGER]
    return tuple(a.model_copy(update={"share": 1.0}) if a.role is ArmRole.CHAMPION else a for a in kept)


def _others(endpoint: Endpoint) -> tuple[EndpointArm, ...]:
    return tuple(a for a in endpoint.arms if a.role not in LIVE)


def _earlier_champion(work: Work, endpoint: Endpoint, version: str) -> EndpointArm:
    query = Query(where=(equals("endpoint", endpoint.name),), sort="epoch", descending=True, limit=500)
    for deployment in work.find(DEPLOYMENTS, query).items:
        for arm in deployment.before:
            if arm.role is ArmRole.CHAMPION and version in (arm.version, arm.name):
                return arm.model_copy(update={"share": 1.0, "since": work.now})
    raise NotFound(f"version {version} was never champion of {endpoint.name}", field="version")


def stop_arm(work: Work, command: StopArm, signing: Signing) -> Endpoint:
    """Take an arm away. The champion can only be stopped when it is the last live arm."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    arm = _arm(endpoint, command.arm)
    rest = tuple(a for a in endpoint.arms if a.name != arm.name)
    if arm.role is ArmRole.CHAMPION and any(a.role is ArmRole.CHALLENGER for a in rest):
        raise WrongState(f"{arm.name} is the champion", field="arm", hint="promote or stop the challengers first")
    if arm.role is ArmRole.CHALLENGER:
        rest = tuple(a.model_copy(update={"share": a.share + arm.share}) if a.role is ArmRole.CHAMPION else a for a in rest)
    return _change(work, signing, endpoint, "stop_arm", rest)


def publish_routes(work: Work, command: PublishRoutes, signing: Signing) -> PublishedRoutes:
    """Sign the desired state once more."""
    return publish(work, signing, command.cause)


def _change(work: Work, signing: Signing, endpoint: Endpoint, action: str, arms: tuple[EndpointArm, ...]) -> Endpoint:
    _require_reason(work)
    _require_sound(arms)
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


def _require_reason(work: Work) -> None:
    if not work.request.reason:
        raise InvalidInput("what answers is never changed without a reason", field="reason", hint='say why: --reason "…"')


def _champion_version(arms: Sequence[EndpointArm]) -> str | None:
    return next((a.version for a in arms if a.role is ArmRole.CHAMPION), None)


def _require_sound(arms: Sequence[EndpointArm]) -> None:
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
            _require_release(work, endpoint, arm)


def _require_release(work: Work, endpoint: Endpoint, arm: EndpointArm) -> None:
    refusal = _refusal(work, endpoint, arm)
    if refusal is not None:
        raise refusal


def _refusal(work: Work, endpoint: Endpoint, arm: EndpointArm) -> NotApproved | None:
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
            arm.share <= release.greatest_share + SHARE_STEP,
            f"permits a share of {release.greatest_share:.0%}, not {arm.share:.0%}",
        ),
        "until": (release.until > work.now, f"ended at {release.until:%Y-%m-%d %H:%M} UTC"),
    }
    for field, (holds, what) in clauses.items():
        if not holds:
            return NotApproved(f"release {release.id} {what}", field=field, hint="request approval for what you need")
    return None


def _arm(endpoint: Endpoint, name: str) -> EndpointArm:
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


def _genuine_endpoints(work: Work) -> list[Endpoint]:
    changed_now = {c.id for c in work.changes if c.table == ENDPOINTS.name}
    found = []
    for endpoint in every(work.tx, ENDPOINTS, equals("organisation", work.organisation)):
        if endpoint.id in changed_now or is_genuine(work.tx, endpoint):
            found.append(endpoint)
        else:
            note_edited(work, endpoint)
    return found


def in_production_on(tx: Transaction, organisation: str, endpoint: str, at: datetime) -> tuple[EndpointArm, ...]:
    """The arms that were meant to answer at a moment in the past."""
    where = (equals("organisation", organisation), equals("endpoint", endpoint), Where("created_at", "le", at))
    items = tx.find(DEPLOYMENTS, Query(where=where, sort="created_at", descending=True, limit=1)).items
    return items[0].after if items else ()


def in_use(tx: Transaction, version_id: str) -> list[str]:
    """The names of the endpoints where a version is an arm of any role."""
    return sorted(e.name for e in every(tx, ENDPOINTS) if any(a.version == version_id for a in e.arms))


def _subject(tx: Transaction, request: Request, command: Any) -> Subject:
    endpoint = endpoint_named(tx, request.organisation, command.endpoint)
    attributes = {"stage": endpoint.stage, "tier": endpoint.tier, "use_case": endpoint.use_case}
    return Subject(type="endpoint", id=endpoint.name, attributes=attributes | _constant(command))


def _constant(command: Any) -> dict[str, Any]:
    return {"sets_constant": getattr(command, "constant", None) is not None}


def _subject_of_new(tx: Transaction, request: Request, command: CreateEndpoint) -> Subject:
    if first(tx, ENDPOINTS, equals("organisation", request.organisation), equals("name", command.name)) is not None:
        raise AlreadyExists(f"endpoint {command.name!r} exists", field="name", hint="choose another name, or update it")
    attributes = {"stage": command.stage, "use_case": command.use_case}
    return Subject(type="endpoint", id=command.name, attributes=attributes | _constant(command))


def _subject_of_routes(tx: Transaction, request: Request, command: PublishRoutes) -> Subject:
    return Subject(type="routes", id=request.organisation)


def handlings(signing: Signing) -> list[Handling[Any]]:
    def signed(handler: Any) -> Any:
        return partial(handler, signing=signing)

    return [
        Handling(CreateEndpoint, signed(create_endpoint), _subject_of_new, Endpoint),
        Handling(UpdateEndpoint, signed(update_endpoint), _subject, Endpoint),
        Handling(Deploy, signed(deploy), _subject, Endpoint),
        Handling(SetShares, signed(set_shares), _subject, Endpoint),
        Handling(Promote, signed(promote), _subject, Endpoint),
        Handling(Rollback, signed(rollback), _subject, Endpoint),
        Handling(StopArm, signed(stop_arm), _subject, Endpoint),
        Handling(PublishRoutes, signed(publish_routes), _subject_of_routes, PublishedRoutes),
    ]
