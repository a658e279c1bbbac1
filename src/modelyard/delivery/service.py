"""Handlers of delivery. Every one ends the same way: the endpoint is saved, a deployment is written down, routes are signed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from modelyard.catalog.model import USE_CASES, VERSIONS
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, InvalidInput, ModelyardError, NotFound, StaleRevision, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, Where, equals, every, first
from modelyard.delivery.chain import set_fallbacks
from modelyard.delivery.changing import (
    arm_named,
    change,
    endpoint_named,
    latest_routes,
    publish,
    refusal_of,
    require_reason,
    require_release,
)
from modelyard.delivery.commands import (
    CreateEndpoint,
    Deploy,
    Promote,
    PublishRoutes,
    ReconcileOrder,
    RecordFallbacks,
    RefuseOrder,
    Rollback,
    SetFallbacks,
    SetShares,
    StopArm,
    UpdateEndpoint,
)
from modelyard.delivery.events import EndpointCreated, EndpointUpdated
from modelyard.delivery.genuine import require_genuine
from modelyard.delivery.model import (
    DEPLOYMENTS,
    ENDPOINTS,
    LIVE,
    SHARE_STEP,
    STALE_BY_TIER,
    UNLOGGED_BY_TIER,
    Endpoint,
    EndpointArm,
    PublishedRoutes,
    TakenOrder,
)
from modelyard.delivery.orders import reconcile_order, refuse_order
from modelyard.delivery.orders import subject_of as subject_of_order
from modelyard.delivery.policy import require_arms, require_policy, weakens
from modelyard.delivery.ports import Keys
from modelyard.delivery.uses import UsesTaken, record_fallbacks
from modelyard.governance.releases.model import RELEASES
from modelyard.governance.releases.ports import Signing
from modelyard.kinds.signature import Signature
from modelyard.trust.statements import ArmRole, EndpointPolicy

__all__ = ["endpoint_named", "handlings", "in_production_on", "in_use", "latest_routes"]

STRICTEST = "high"


def create_endpoint(work: Work, command: CreateEndpoint, signing: Signing) -> Endpoint:
    """Make the name; it answers nothing until something is deployed."""
    use_case = first(work.tx, USE_CASES, equals("organisation", work.organisation), equals("name", command.use_case))
    if use_case is None:
        raise NotFound(f"use case {command.use_case!r} does not exist", field="use_case", hint="register it first")
    tier = use_case.tier or STRICTEST
    stale, age = STALE_BY_TIER[tier]
    policy = command.policy_over(EndpointPolicy(unlogged=UNLOGGED_BY_TIER[tier]))
    require_policy(policy, None)
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
        policy=policy,
    )
    kept = work.add(ENDPOINTS, endpoint)
    work.emit(EndpointCreated(endpoint=kept.name, use_case=kept.use_case), f"endpoint:{kept.name}")
    publish(work, signing, f"endpoint {kept.name} created")
    return kept


def update_endpoint(work: Work, command: UpdateEndpoint, signing: Signing) -> Endpoint:
    """Change how the endpoint answers, and what it does when no model may."""
    require_reason(work)
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    if endpoint.revision != command.revision:
        raise StaleRevision(
            f"endpoint {endpoint.name} has revision {endpoint.revision}", field="revision", hint="show it again, then change it"
        )
    changed = _updated(endpoint, command)
    require_policy(changed.policy, _signature(work.tx, changed))
    if changed.policy.rules != endpoint.policy.rules:
        _require_rules(work, changed)
    kept = work.save(ENDPOINTS, changed)
    work.emit(EndpointUpdated(endpoint=kept.name), f"endpoint:{kept.name}")
    publish(work, signing, f"endpoint {kept.name} updated")
    return kept


def _updated(endpoint: Endpoint, command: UpdateEndpoint) -> Endpoint:
    both = sorted(name for name in command.clear if getattr(command, name) is not None)
    if both:
        raise InvalidInput(f"{', '.join(both)} cannot be set and cleared at once", field="clear")
    fresh = EndpointPolicy()
    cleared: dict[str, Any] = {name: getattr(fresh, name) for name in command.clear if name != "constant"}
    update = command.model_dump(include={"constant", "stale", "greatest_age"}, exclude_none=True)
    update |= {"constant": None} if "constant" in command.clear else {}
    policy = command.policy_over(endpoint.policy.model_copy(update=cleared))
    return endpoint.model_copy(update=update | {"policy": policy})


def _require_rules(work: Work, endpoint: Endpoint) -> None:
    """Rules name live arms, and may send them everything: a release up to a share is no release for that."""
    require_arms(endpoint)
    for name in dict.fromkeys(rule.arm for rule in endpoint.policy.rules):
        require_release(work, endpoint, arm_named(endpoint, name))


def _signature(tx: Transaction, endpoint: Endpoint) -> Signature | None:
    """The champion's."""
    champion = endpoint.champion()
    return tx.get(VERSIONS, champion.version).manifest.signature if champion is not None else None


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
    require_release(work, endpoint, arm)
    if command.role is ArmRole.CHAMPION:
        _require_readable(work.tx, endpoint, arm)
    return change(work, signing, endpoint, "deploy", _with_arm(endpoint, arm))


def _require_readable(tx: Transaction, endpoint: Endpoint, champion: EndpointArm) -> None:
    """Raises WrongState when the policy speaks of fields that the new champion does not have. A rollback is not asked."""
    try:
        require_policy(endpoint.policy, tx.get(VERSIONS, champion.version).manifest.signature)
    except InvalidInput as error:
        raise WrongState(
            f"the policy of {endpoint.name} does not fit {champion.name}: {error.detail}",
            field=error.field,
            hint=f"change it first: modelyard endpoint policy {endpoint.name} …",
        ) from error


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
    return change(work, signing, endpoint, "set_shares", arms)


def promote(work: Work, command: Promote, signing: Signing) -> Endpoint:
    """The named arm becomes the only live one."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    arm = arm_named(endpoint, command.arm)
    if arm.role is ArmRole.CHAMPION:
        raise WrongState(f"{arm.name} is the champion already", field="arm")
    _require_readable(work.tx, endpoint, arm)
    champion = arm.model_copy(update={"role": ArmRole.CHAMPION, "share": 1.0, "since": work.now})
    others = tuple(a for a in endpoint.arms if a.role not in LIVE and a.name != arm.name)
    return change(work, signing, endpoint, "promote", (champion, *others))


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
    serving = tuple(a for a in target if a.role is ArmRole.CHAMPION or refusal_of(work, endpoint, a) is None)
    return change(work, signing, endpoint, "rollback", serving)


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
    arm = arm_named(endpoint, command.arm)
    rest = tuple(a for a in endpoint.arms if a.name != arm.name)
    if arm.role is ArmRole.CHAMPION and any(a.role is ArmRole.CHALLENGER for a in rest):
        raise WrongState(f"{arm.name} is the champion", field="arm", hint="promote or stop the challengers first")
    if arm.role is ArmRole.CHALLENGER:
        rest = tuple(a.model_copy(update={"share": a.share + arm.share}) if a.role is ArmRole.CHAMPION else a for a in rest)
    return change(work, signing, endpoint, "stop_arm", rest)


def publish_routes(work: Work, command: PublishRoutes, signing: Signing) -> PublishedRoutes:
    """Sign the desired state once more."""
    return publish(work, signing, command.cause)


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
    sets = getattr(command, "constant", None) is not None or "constant" in getattr(command, "clear", ())
    return {"sets_constant": sets}


def _subject_of_update(tx: Transaction, request: Request, command: UpdateEndpoint) -> Subject:
    subject = _subject(tx, request, command)
    endpoint = endpoint_named(tx, request.organisation, command.endpoint)
    try:
        after = _updated(endpoint, command).policy
    except ModelyardError:
        after = endpoint.policy  # the handler says what is wrong
    weaker = weakens(endpoint.policy, after, _signature(tx, endpoint), endpoint.tier)
    return subject.model_copy(update={"attributes": subject.attributes | {"weakens": weaker}})


def _subject_of_new(tx: Transaction, request: Request, command: CreateEndpoint) -> Subject:
    if first(tx, ENDPOINTS, equals("organisation", request.organisation), equals("name", command.name)) is not None:
        raise AlreadyExists(f"endpoint {command.name!r} exists", field="name", hint="choose another name, or update it")
    use_case = first(tx, USE_CASES, equals("organisation", request.organisation), equals("name", command.use_case))
    tier = (use_case.tier if use_case else None) or STRICTEST
    before = EndpointPolicy(unlogged=UNLOGGED_BY_TIER[tier])
    weaker = weakens(before, command.policy_over(before), None, tier)
    attributes = {"stage": command.stage, "use_case": command.use_case, "weakens": weaker}
    return Subject(type="endpoint", id=command.name, attributes=attributes | _constant(command))


def _subject_of_routes(tx: Transaction, request: Request, command: PublishRoutes) -> Subject:
    return Subject(type="routes", id=request.organisation)


def _subject_of_runtime(tx: Transaction, request: Request, command: RecordFallbacks) -> Subject:
    return Subject(type="runtime", id=request.actor.id)


def _subject_of_refused(tx: Transaction, request: Request, command: RefuseOrder) -> Subject:
    return Subject(type="endpoint", id=command.endpoint)


def handlings(keys: Keys) -> list[Handling[Any]]:
    """Every command of delivery, with who signs and who is trusted."""

    def signed(handler: Any) -> Any:
        return partial(handler, signing=keys)

    return [
        Handling(CreateEndpoint, signed(create_endpoint), _subject_of_new, Endpoint),
        Handling(UpdateEndpoint, signed(update_endpoint), _subject_of_update, Endpoint),
        Handling(SetFallbacks, signed(set_fallbacks), _subject, Endpoint),
        Handling(Deploy, signed(deploy), _subject, Endpoint),
        Handling(SetShares, signed(set_shares), _subject, Endpoint),
        Handling(Promote, signed(promote), _subject, Endpoint),
        Handling(Rollback, signed(rollback), _subject, Endpoint),
        Handling(StopArm, signed(stop_arm), _subject, Endpoint),
        Handling(PublishRoutes, signed(publish_routes), _subject_of_routes, PublishedRoutes),
        Handling(RecordFallbacks, record_fallbacks, _subject_of_runtime, UsesTaken),
        Handling(ReconcileOrder, partial(reconcile_order, signing=keys, roots=keys), subject_of_order, TakenOrder),
        Handling(RefuseOrder, signed(refuse_order), _subject_of_refused, TakenOrder),
    ]
