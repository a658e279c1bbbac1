"""Orders: what an operator may do to an endpoint while the control plane is away. Pure: bytes in, desired state out.

An order only makes safer. It brings back a champion that a snapshot had which this runtime accepted, or stops arms; the releases
are asked as ever, of what comes out. It holds for the arms that it was made against, until its own end, and until a snapshot says
that it was taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from modelyard.core.digests import digest_of
from modelyard.core.errors import NotApproved, NotFound, WrongState
from modelyard.trust import dsse
from modelyard.trust.dsse import Signed
from modelyard.trust.errors import OlderEpoch, WrongEndpoint, WrongStatement
from modelyard.trust.keys import Purpose, Signer, TrustRoots
from modelyard.trust.routes import CLOCK_SKEW, LIVE, VerifiedRoutes
from modelyard.trust.statements import (
    ORDER_TYPE,
    Arm,
    ArmRole,
    EndpointRoutes,
    Order,
    OrderAction,
    OrderArm,
    RouteSnapshot,
    Statement,
    Subject,
)
from modelyard.trust.strict import read_predicate

GREATEST_ORDER = 64 << 10
"""Bytes of an order's envelope."""


@dataclass(frozen=True)
class VerifiedOrder:
    """An order that a trusted key signed. `digest` is that of the payload, by which snapshots say that it was taken in. `key_ids`
    are the signers' that may give orders for its endpoint."""

    order: Order
    digest: str
    key_ids: tuple[str, ...]


@dataclass(frozen=True)
class Overlaid:
    """The routes with orders applied: `active` are the digests of those that hold, `ended` says of the others why not."""

    routes: VerifiedRoutes
    active: tuple[str, ...]
    ended: dict[str, str]


def sign_order(order: Order, *signers: Signer) -> Signed:
    """An order statement in a DSSE envelope. Its subject is the order, by the digest of its canonical JSON."""
    predicate = order.model_dump(mode="json")
    statement = Statement(subject=(_subject(order, predicate),), predicate_type=ORDER_TYPE, predicate=predicate)
    return dsse.sign(statement, *signers)


def verify_order(envelope: bytes, roots: TrustRoots, at: datetime) -> VerifiedOrder:
    """The order in an envelope, when signature, type, subject and times hold.

    Raises an Untrusted of `trust.errors`, or NotApproved (field `until`) when it has run out."""
    found = read_order(envelope, roots, at)
    if at >= found.order.until:
        raise NotApproved(f"the order ran out at {found.order.until.isoformat()}", field="until", hint="sign a new one")
    return found


def read_order(envelope: bytes, roots: TrustRoots, at: datetime) -> VerifiedOrder:
    """As `verify_order`, of an order that may have run out by now. The key must still be trusted, for its endpoint too."""
    verified = dsse.verify(envelope, roots, Purpose.ORDER, at)
    statement = verified.statement
    if statement.predicate_type != ORDER_TYPE:
        raise WrongStatement(f"a statement of type {statement.predicate_type}, not an order", field="predicateType")
    order = read_predicate(Order, statement.predicate, "order", GREATEST_ORDER)
    if statement.subject != (_subject(order, statement.predicate),):
        raise WrongStatement("the statement's subject is not this order", field="subject")
    if order.issued_at > at + CLOCK_SKEW:
        raise WrongStatement(f"the order was issued in the future: {order.issued_at.isoformat()}", field="issued_at")
    return VerifiedOrder(order, verified.digest, _covering(order.endpoint, verified.key_ids, roots))


def _covering(endpoint: str, key_ids: Sequence[str], roots: TrustRoots) -> tuple[str, ...]:
    """Those of the keys that may order something of the endpoint. Raises WrongEndpoint when none may."""
    signers = [roots.get(key_id) for key_id in key_ids]
    found = tuple(root.key_id for root in signers if root.covers(endpoint))
    if not found:
        may = "; ".join(f"key {root.short} may give orders for {', '.join(root.endpoints)}" for root in signers)
        raise WrongEndpoint(
            f"{may}, not for {endpoint}", field="endpoint", hint="let somebody sign whose key is trusted for this endpoint"
        )
    return found


def overlaid(routes: VerifiedRoutes, orders: Sequence[VerifiedOrder], history: Sequence[RouteSnapshot], at: datetime) -> Overlaid:
    """The routes as the orders want them, each order applied to what the earlier ones left.

    `history` are the snapshots that were accepted here, in any order. Whether the releases permit what comes out is for
    `check_routes` to say."""
    effective = {endpoint.name: endpoint for endpoint in routes.snapshot.endpoints}
    signed, active, ended = dict(effective), [], {}
    for found in sorted(orders, key=lambda o: (o.order.issued_at, o.digest)):
        try:
            require_in_force(found, routes.snapshot, history, at)
            name = found.order.endpoint
            effective[name] = ordered(found.order, effective[name], history)
        except (NotApproved, NotFound, WrongState, OlderEpoch, WrongStatement) as error:
            ended[found.digest] = error.detail
        else:
            active.append(found.digest)
    if not active:
        return Overlaid(routes, (), ended)
    snapshot = routes.snapshot.model_copy(update={"endpoints": tuple(effective[name] for name in signed)})
    return Overlaid(replace(routes, snapshot=snapshot), tuple(active), ended)


def require_in_force(found: VerifiedOrder, snapshot: RouteSnapshot, history: Sequence[RouteSnapshot], at: datetime) -> None:
    """Returns when the order is about what the snapshot says, and nothing has come between.

    Raises NotApproved (run out), WrongStatement (of another organisation, or of an epoch not seen here), NotFound (no such
    endpoint), or OlderEpoch (taken in already, or the endpoint's arms are others than when the order was made)."""
    order = found.order
    if at >= order.until:
        raise NotApproved(f"the order ran out at {order.until.isoformat()}", field="until", hint="sign a new one")
    if order.organisation != snapshot.organisation:
        raise WrongStatement(f"the order is of organisation {order.organisation!r}", field="organisation")
    if found.digest in snapshot.settled:
        raise OlderEpoch("the order was taken in by the control plane", field="id")
    if order.base_epoch > snapshot.epoch:
        raise WrongStatement(
            f"the order was made against epoch {order.base_epoch}; epoch {snapshot.epoch} is the newest here", field="base_epoch"
        )
    present = _endpoint(snapshot, order.endpoint)
    if present is None:
        raise NotFound(f"there is no endpoint {order.endpoint!r} here", field="endpoint")
    then = _as_of(order, snapshot, history)
    if then is None or then.arms != present.arms:
        raise OlderEpoch(
            f"the arms of {order.endpoint} are others than at epoch {order.base_epoch}", field="base_epoch", hint="look again"
        )


def ordered(order: Order, endpoint: EndpointRoutes, history: Sequence[RouteSnapshot]) -> EndpointRoutes:
    """The endpoint as the order wants it. Raises NotFound or WrongState."""
    if order.action is OrderAction.STOP:
        assert order.to != "previous"
        return _with_arms(endpoint, _stopped(endpoint, order.to))
    wanted = previous_champion(endpoint, history) if order.to == "previous" else _champion_once(endpoint, order.to[0], history)
    if wanted is None:
        raise NotFound(
            f"no snapshot that was accepted here leads back from the champion of {order.endpoint}"
            if order.to == "previous"
            else f"{order.to[0].name} was never champion of {order.endpoint} in a snapshot that was accepted here",
            field="to",
        )
    champion = wanted.model_copy(update={"role": ArmRole.CHAMPION, "share": 1.0})
    others = tuple(arm for arm in endpoint.arms if arm.role not in LIVE and arm.name != champion.name)
    return _with_arms(endpoint, (champion, *others))


def previous_champion(endpoint: EndpointRoutes, history: Sequence[RouteSnapshot]) -> Arm | None:
    """Where a rollback leads: from challengers to the champion; else to the champion in force before the present one was first
    seen, so that what was rolled back from does not come back."""
    champion = _champion(endpoint)
    if champion is None or any(arm.role is ArmRole.CHALLENGER for arm in endpoint.arms):
        return champion
    before: Arm | None = None
    for snapshot in sorted(history, key=lambda s: s.epoch):
        found = _endpoint(snapshot, endpoint.name)
        seen = _champion(found) if found is not None else None
        if seen is not None and seen.release == champion.release:
            return before
        before = seen or before
    return before


def _as_of(order: Order, snapshot: RouteSnapshot, history: Sequence[RouteSnapshot]) -> EndpointRoutes | None:
    """The endpoint in the newest snapshot seen here up to the order's epoch."""
    seen = [s for s in (*history, snapshot) if s.epoch <= order.base_epoch and s.organisation == order.organisation]
    return _endpoint(max(seen, key=lambda s: s.epoch), order.endpoint) if seen else None


def _champion_once(endpoint: EndpointRoutes, wanted: OrderArm, history: Sequence[RouteSnapshot]) -> Arm | None:
    for snapshot in sorted(history, key=lambda s: -s.epoch):
        found = _endpoint(snapshot, endpoint.name)
        arm = _champion(found) if found is not None else None
        if arm is not None and (arm.name, arm.release, arm.manifest) == (wanted.name, wanted.release, wanted.manifest):
            return arm
    return None


def _stopped(endpoint: EndpointRoutes, named: tuple[OrderArm, ...]) -> tuple[Arm, ...]:
    known = {(arm.name, arm.release, arm.manifest): arm for arm in endpoint.arms}
    stopped = []
    for wanted in named:
        arm = known.get((wanted.name, wanted.release, wanted.manifest))
        if arm is None:
            raise NotFound(f"{wanted.name} is no arm of {endpoint.name}", field="to")
        stopped.append(arm)
    left = [arm for arm in endpoint.arms if arm not in stopped]
    gone = sum(arm.share for arm in stopped if arm.role is ArmRole.CHALLENGER)
    if any(arm.role is ArmRole.CHAMPION for arm in stopped) and any(arm.role in LIVE for arm in left):
        raise WrongState(f"the champion of {endpoint.name} cannot stop before its challengers", field="to", hint="stop them too")
    return tuple(
        arm.model_copy(update={"share": min(1.0, arm.share + gone)}) if arm.role is ArmRole.CHAMPION else arm for arm in left
    )


def _with_arms(endpoint: EndpointRoutes, arms: tuple[Arm, ...]) -> EndpointRoutes:
    """With other arms; rules that name none of the live ones are left out, so that shares decide for their requests."""
    live = {arm.name for arm in arms if arm.role in LIVE}
    rules = tuple(rule for rule in endpoint.policy.rules if rule.arm in live)
    return endpoint.model_copy(update={"arms": arms, "policy": endpoint.policy.model_copy(update={"rules": rules})})


def _champion(endpoint: EndpointRoutes) -> Arm | None:
    return next((arm for arm in endpoint.arms if arm.role is ArmRole.CHAMPION), None)


def _endpoint(snapshot: RouteSnapshot, name: str) -> EndpointRoutes | None:
    return next((endpoint for endpoint in snapshot.endpoints if endpoint.name == name), None)


def _subject(order: Order, predicate: dict[str, Any]) -> Subject:
    value = digest_of(predicate).removeprefix("sha256:")
    return Subject(name=f"orders/{order.organisation}/{order.id}", digest={"sha256": value})
