"""Orders that runtimes acted on while the control plane was away: taken in once, in the name of who signed them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard.core.bus import Bus, Request, Work
from modelyard.core.digests import digest as digest_of_bytes
from modelyard.core.digests import digest_of
from modelyard.core.errors import IdempotencyMismatch, InvalidInput, ModelyardError, NotFound, Refused, Untrusted
from modelyard.core.messages import AUDIT, Actor, ActorKind, AuditOutcome, Subject
from modelyard.core.records import Query, Storage, Transaction, equals, first
from modelyard.delivery.changing import change, endpoint_named, latest_routes, publish, require_sound
from modelyard.delivery.commands import OrderBrought, ReconcileOrder, RefuseOrder
from modelyard.delivery.events import OrderConflict, OrderRefused, OrderTaken
from modelyard.delivery.genuine import require_genuine
from modelyard.delivery.model import DEPLOYMENTS, LIVE, ORDERS, Endpoint, EndpointArm, OrderOutcome, TakenOrder
from modelyard.delivery.ports import Roots
from modelyard.governance.identity.model import IDENTITIES
from modelyard.governance.identity.service import roles_of
from modelyard.governance.releases.model import KEYS, KeyStatus
from modelyard.governance.releases.ports import Signing
from modelyard.trust import TrustRoots
from modelyard.trust.dsse import Envelope
from modelyard.trust.errors import Malformed, RevokedKey, UnknownKey, WrongEndpoint
from modelyard.trust.orders import GREATEST_ORDER, VerifiedOrder, read_order
from modelyard.trust.statements import ArmRole, Order, OrderAction, OrderArm, Statement
from modelyard.trust.strict import read_model, read_predicate

_LOOK_BACK = 200
"""Refusals of orders on an endpoint among which the same one is looked for."""


class OrdersTaken(BaseModel):
    """What became of orders that a runtime brought: what each is known as here, by its digest."""

    model_config = ConfigDict(frozen=True)

    outcomes: dict[str, OrderOutcome]


def take_in(bus: Bus, storage: Storage, roots: TrustRoots, bringer: Actor, organisation: str, brought: OrderBrought,
            now: datetime) -> OrderOutcome:  # fmt: skip
    """Act on an order that a runtime brought, or keep why not. The order's signature says whose it is, as a token would: the
    bringer only carries it. A repeat gives what became of it the first time. An order of a key that may not give it for this
    endpoint is genuine and never good: it is kept as refused. Raises InvalidInput for what is no order at all, and
    Untrusted for what no key for orders signed: that settles nothing, since the genuine order may still come, and is audited once
    for the runtime and the order, and anew when the reason is another one."""
    digest, order = _unverified(brought.envelope)
    known = _known(storage, organisation, digest)
    if known is not None:
        return known.outcome
    found: VerifiedOrder | WrongEndpoint
    try:
        found = read_order(brought.envelope.encode(), roots, now)
    except WrongEndpoint as refusal:
        found = refusal
    except Untrusted as refusal:
        what = digest_of({"order": digest, "runtime": brought.runtime})
        if not _told_before(storage, organisation, bringer, order.endpoint, what, refusal):
            subject = Subject(type="endpoint", id=order.endpoint)
            bus.record_refusal(bringer, organisation, RefuseOrder.action, subject, refusal, what)
        refusal.recorded = True
        raise
    about: dict[str, Any] = {
        "endpoint": order.endpoint,
        "envelope": brought.envelope,
        "runtime": brought.runtime,
        "taken_at": brought.taken_at,
    }
    request = partial(Request, organisation=organisation, reason=order.reason, idempotency_key=digest)
    try:
        try:
            if isinstance(found, WrongEndpoint):
                raise found
            with storage.reading() as tx:
                operator = operator_of(tx, found)
            taken = bus.handle(request(command=ReconcileOrder(**about), actor=operator))
        except (Refused, NotFound, InvalidInput) as refusal:
            taken = bus.handle(request(command=RefuseOrder(**about, why=str(refusal)[:2000]), actor=bringer))
    except IdempotencyMismatch:  # another runtime brought it at the same moment
        kept = _known(storage, organisation, digest)
        assert kept is not None, "the key of an order is kept with the order"
        return kept.outcome
    assert isinstance(taken, TakenOrder)
    return taken.outcome


def _known(storage: Storage, organisation: str, digest: str) -> TakenOrder | None:
    with storage.reading() as tx:
        return first(tx, ORDERS, equals("organisation", organisation), equals("payload", digest))


def _told_before(storage: Storage, organisation: str, bringer: Actor, endpoint: str, what: str, refusal: Untrusted) -> bool:
    """Whether the audit log's newest word about this order from that runtime is this very refusal."""
    wanted = {"organisation": organisation, "subject_type": "endpoint", "subject_id": endpoint, "actor": bringer.id}
    wanted |= {"action": RefuseOrder.action, "outcome": AuditOutcome.REFUSED}
    query = Query(where=tuple(equals(*pair) for pair in wanted.items()), descending=True, limit=_LOOK_BACK)
    with storage.reading() as tx:
        last = next((record for record in tx.find(AUDIT, query).items if record.command_digest == what), None)
    return last is not None and (last.error_code, last.error_detail) == (refusal.code, str(refusal))


def operator_of(tx: Transaction, found: VerifiedOrder) -> Actor:
    """Whose key signed the order, with the roles held now. Raises Untrusted when the key is not registered for that person."""
    for key_id in found.key_ids:
        key = first(tx, KEYS, equals("id", key_id))
        if key is None or key.holder is None:
            continue
        if key.status is KeyStatus.REVOKED:
            raise RevokedKey(f"key {key_id[:16]} was revoked")
        if key.holder != found.order.issued_by:
            raise Untrusted(f"key {key_id[:16]} is not the key of {found.order.issued_by}", field="issued_by")
        holder = tx.get(IDENTITIES, key.holder)
        if not holder.active:
            raise Untrusted(f"{holder.name} was deactivated", field="issued_by")
        return Actor(id=holder.id, kind=ActorKind(holder.kind.value), roles=roles_of(tx, holder.id))
    raise UnknownKey("the key that signed the order is nobody's here", hint="register it: `modelyard keys create-order-key`")


def reconcile_order(work: Work, command: ReconcileOrder, signing: Signing, roots: Roots) -> TakenOrder:
    """Follow it, or keep the conflict. Exactly once: the record's id is made of the order."""
    found = read_order(command.envelope.encode(), roots.roots(), work.now)
    if operator_of(work.tx, found).id != work.actor.id or found.order.endpoint != command.endpoint:
        raise Untrusted("an order is done in the name of who signed it, for the endpoint that it names", field="envelope")
    known = first(work.tx, ORDERS, equals("organisation", work.organisation), equals("payload", found.digest))
    if known is not None:
        return known
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    arms, conflict = _following(work, endpoint, found.order)
    outcome = OrderOutcome.CONFLICT if conflict else OrderOutcome.FOLLOWED
    taken = _keep(work, command, found.order, found.digest, found.key_ids[0], outcome, conflict)
    if conflict:
        work.emit(_conflicting(taken, endpoint), f"endpoint:{endpoint.name}")
    if arms is not None:
        change(work, signing, endpoint, f"order_{found.order.action.value}", arms)
    else:
        publish(work, signing, f"order on {endpoint.name} taken in: {outcome.value}")
    return taken


def refuse_order(work: Work, command: RefuseOrder, signing: Signing) -> TakenOrder:
    """Keep it as refused; the next snapshot tells runtimes to let go of it."""
    digest, order = _unverified(command.envelope)
    known = first(work.tx, ORDERS, equals("organisation", work.organisation), equals("payload", digest))
    if known is not None:
        return known
    taken = _keep(work, command, order, digest, None, OrderOutcome.REFUSED, command.why)
    work.emit(_refused(taken), f"endpoint:{order.endpoint}")
    publish(work, signing, f"order on {order.endpoint} refused")
    return taken


def _keep(
    work: Work,
    command: ReconcileOrder | RefuseOrder,
    order: Order,
    digest: str,
    key_id: str | None,
    outcome: OrderOutcome,
    detail: str,
) -> TakenOrder:
    told = order.model_dump(include={"endpoint", "action", "base_epoch", "issued_by", "issued_at", "until", "reason"})
    taken = work.add(
        ORDERS,
        TakenOrder(
            **work.new("ord") | {"id": f"ord_{digest[7:39]}"},
            **told,
            payload=digest,
            envelope=command.envelope,
            key_id=key_id,
            runtime=command.runtime,
            taken_at=command.taken_at,
            outcome=outcome,
            detail=detail,
        ),
    )
    event = OrderTaken(
        endpoint=order.endpoint,
        order=taken.id,
        action=order.action.value,
        outcome=outcome.value,
        detail=detail,
        issued_by=order.issued_by,
    )
    work.emit(event, f"endpoint:{order.endpoint}")
    return taken


def _conflicting(taken: TakenOrder, endpoint: Endpoint) -> OrderConflict:
    arms = tuple(f"{arm.name} ({arm.role.value}, {arm.share:g})" for arm in endpoint.arms)
    return OrderConflict(**_of(taken), detail=taken.detail, arms=arms, epoch=endpoint.epoch)


def _refused(taken: TakenOrder) -> OrderRefused:
    return OrderRefused(**_of(taken), why=taken.detail)


def _of(taken: TakenOrder) -> dict[str, Any]:
    """What is told of an order that somebody must look at."""
    asked = {"endpoint": taken.endpoint, "order": taken.id, "digest": taken.payload, "asked": taken.action.value}
    return {**asked, "by": taken.issued_by, "reason": taken.reason, "runtime": taken.runtime}


def _following(work: Work, endpoint: Endpoint, order: Order) -> tuple[tuple[EndpointArm, ...] | None, str]:
    """The arms that the order asks for, None when they are there already; or why it cannot be followed any more."""
    try:
        wanted = _wanted(work, endpoint, order)
        require_sound(wanted)
    except ModelyardError as error:
        return None, error.detail
    if _live(wanted) == _live(endpoint.arms):
        return None, ""
    newest = latest_routes(work.tx, work.organisation)
    if newest is None or order.base_epoch > newest.epoch:
        return None, f"it was made against epoch {order.base_epoch}, which is not known here"
    if endpoint.epoch > order.base_epoch:
        return (
            None,
            f"the endpoint changed at epoch {endpoint.epoch}, after epoch {order.base_epoch} that the order was made against",
        )
    if order.until <= work.now:
        return None, f"it ran out at {order.until:%Y-%m-%d %H:%M} UTC, before the control plane knew of it"
    return wanted, ""


def _wanted(work: Work, endpoint: Endpoint, order: Order) -> tuple[EndpointArm, ...]:
    if order.action is OrderAction.STOP:
        assert order.to != "previous"
        return _stopped(endpoint, order.to)
    others = tuple(a for a in endpoint.arms if a.role not in LIVE)
    champion = _previous(endpoint) if order.to == "previous" else _once(work, endpoint, order.to[0])
    if champion is None:
        raise NotFound("no earlier change of this endpoint leads there")
    champion = champion.model_copy(update={"role": ArmRole.CHAMPION, "share": 1.0})
    if champion != endpoint.champion():
        champion = champion.model_copy(update={"since": work.now})
    return (champion, *(a for a in others if a.name != champion.name))


def _previous(endpoint: Endpoint) -> EndpointArm | None:
    challenged = any(a.role is ArmRole.CHALLENGER for a in endpoint.arms)
    return next((a for a in (endpoint.arms if challenged else endpoint.previous) if a.role is ArmRole.CHAMPION), None)


def _once(work: Work, endpoint: Endpoint, wanted: OrderArm) -> EndpointArm | None:
    """The champion of that name, manifest and release, now or before any change."""
    query = Query(where=(equals("endpoint", endpoint.name),), sort="epoch", descending=True, limit=500)
    past = [a for d in work.find(DEPLOYMENTS, query).items for a in d.before]
    named = (wanted.name, wanted.manifest, wanted.release)
    return next(
        (a for a in (*endpoint.arms, *past) if a.role is ArmRole.CHAMPION and (a.name, a.manifest, a.payload) == named), None
    )


def _stopped(endpoint: Endpoint, named: tuple[OrderArm, ...]) -> tuple[EndpointArm, ...]:
    gone = {(a.name, a.release, a.manifest) for a in named}
    left = [a for a in endpoint.arms if (a.name, a.payload, a.manifest) not in gone]
    freed = sum(a.share for a in endpoint.arms if a.role is ArmRole.CHALLENGER and a not in left)
    return tuple(a.model_copy(update={"share": min(1.0, a.share + freed)}) if a.role is ArmRole.CHAMPION else a for a in left)


def _live(arms: tuple[EndpointArm, ...]) -> list[tuple[str, str, float]]:
    return [(a.name, a.payload, a.share) for a in arms if a.role in LIVE]


def subject_of(tx: Transaction, request: Request, command: ReconcileOrder) -> Subject:
    """The endpoint, and whether the order stops arms: who may not stop one by command may not by order either."""
    endpoint = endpoint_named(tx, request.organisation, command.endpoint)
    stops = _unverified(command.envelope)[1].action is OrderAction.STOP
    attributes = {"stage": endpoint.stage, "tier": endpoint.tier, "use_case": endpoint.use_case, "stops": stops}
    return Subject(type="endpoint", id=endpoint.name, attributes=attributes)


def _unverified(envelope: str) -> tuple[str, Order]:
    """What an envelope says of itself, for looking it up and for keeping that it is refused. Raises InvalidInput."""
    try:
        payload = Envelope.from_json(envelope.encode()).payload_bytes()
        statement = read_model(Statement, payload, "statement", GREATEST_ORDER)
        return digest_of_bytes(payload), read_predicate(Order, statement.predicate, "order", GREATEST_ORDER)
    except Malformed as error:
        raise InvalidInput(f"this is no order: {error.detail}", field="envelope") from error
