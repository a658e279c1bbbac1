"""Orders that runtimes acted on: followed once, in the name of who signed them, or kept as a conflict; and fallbacks told of."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from modelyard.core.errors import Forbidden, InvalidInput, Untrusted
from modelyard.core.messages import AUDIT, OUTBOX, Actor, AuditOutcome, Command
from modelyard.core.records import equals, every
from modelyard.delivery import take_in
from modelyard.delivery.commands import (
    FallbackReport,
    OrderBrought,
    Promote,
    PublishRoutes,
    ReconcileOrder,
    RecordFallbacks,
    Rollback,
)
from modelyard.delivery.model import FALLBACK_USES, ORDERS, Endpoint, OrderOutcome
from modelyard.delivery.service import endpoint_named, latest_routes
from modelyard.governance.identity.commands import CreateIdentity, DeactivateIdentity, GrantRole, RevokeRole
from modelyard.governance.identity.model import Role
from modelyard.governance.releases.commands import RegisterKey, RevokeKey, RevokeRelease
from modelyard.trust import Ed25519Signer, Purpose, sign_order, verify_routes
from modelyard.trust.statements import Order, OrderArm, RouteSnapshot
from tests.life.conftest import BEA, OMAR, House, actor

ADMIN = actor("ann", "administrator")
RUNTIME = actor("runtime", "operator")
HOUR = timedelta(hours=1)


class Yard:
    """A house whose endpoint went from v1 to v2, and an operator with a key for orders."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.serving()
        house.later(days=1)
        house.deploy(house.release(house.version(weights=(2.0, 0.0, 0.0))))
        self.signer = Ed25519Signer.generate()
        self.olga = house.do(ADMIN, CreateIdentity(name="olga", display_name="Olga")).id
        self.grant = house.do(ADMIN, GrantRole(identity=self.olga, role=Role.OPERATOR))
        self.register(self.signer)

    @property
    def operator(self) -> Actor:
        return Actor(id=self.olga, roles=frozenset({"operator"}))

    def register(self, signer: Ed25519Signer, endpoints: tuple[str, ...] = ()) -> None:
        key = RegisterKey(key_id=signer.key_id, purposes=("order",), public_pem=signer.public_key.pem, holder=self.olga)
        self.house.do(self.operator, key)
        now = self.house.clock.now()
        self.house.platform.keys.trust(signer.public_key, Purpose.ORDER, now, now + timedelta(days=30), endpoints)

    def endpoint(self) -> Endpoint:
        with self.house.platform.storage.reading() as tx:
            return endpoint_named(tx, "default", "credit")

    def snapshot(self) -> RouteSnapshot:
        with self.house.platform.storage.reading() as tx:
            published = latest_routes(tx, "default")
        assert published is not None
        return verify_routes(published.envelope.encode(), self.house.platform.keys.roots(), self.house.clock.now()).snapshot

    def order(self, signer: Ed25519Signer | None = None, **changes: Any) -> bytes:
        now = self.house.clock.now()
        terms = {
            "id": f"ord_{changes.pop('id', 'first')}",
            "organisation": "default",
            "endpoint": "credit",
            "action": "rollback",
            "to": "previous",
            "base_epoch": self.snapshot().epoch,
            "issued_by": self.olga,
            "issued_at": now,
            "until": now + HOUR,
            "reason": "it answers nonsense",
        }
        return sign_order(Order.model_validate(terms | changes), signer or self.signer).envelope

    def bring(self, envelope: bytes, at: datetime | None = None, runtime: str = "runtime-1") -> OrderOutcome:
        platform, now = self.house.platform, self.house.clock.now()
        brought = OrderBrought(digest="", runtime=runtime, envelope=envelope.decode(), taken_at=at or now, epoch=1)
        return take_in(platform.bus, platform.storage, platform.keys.roots(), RUNTIME, "default", brought, now)

    def names(self) -> list[str]:
        return [arm.name for arm in self.endpoint().arms]

    def named(self, name: str) -> OrderArm:
        endpoint = self.endpoint()
        arm = next(a for a in (*endpoint.arms, *endpoint.previous) if a.name == name)
        return OrderArm(name=arm.name, release=arm.payload, manifest=arm.manifest)

    def kept(self) -> Any:
        with self.house.platform.storage.reading() as tx:
            [order] = every(tx, ORDERS)
        return order


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


def test_an_order_is_followed_once_in_the_operator_s_name(yard: Yard) -> None:
    envelope, before = yard.order(), yard.snapshot()
    assert [yard.bring(envelope) for _ in range(3)] == [OrderOutcome.FOLLOWED] * 3
    assert yard.names() == ["v1"]
    after = yard.snapshot()
    assert after.epoch == before.epoch + 1
    assert after.settled == (yard.kept().payload,)
    with yard.house.platform.storage.reading() as tx:
        done = every(tx, AUDIT, equals("action", "delivery.reconcile_order"))
        told = [e for e in every(tx, OUTBOX) if e.type == "delivery.order_taken"]
        conflicts = [e for e in every(tx, OUTBOX) if e.type == "delivery.order_conflict"]
    assert [(r.actor, r.reason, r.subject_id) for r in done] == [(yard.olga, "it answers nonsense", "credit")]
    assert [e.payload["outcome"] for e in told] == ["followed"]
    assert not conflicts
    assert (yard.kept().issued_by, yard.kept().key_id, yard.kept().runtime) == (yard.olga, yard.signer.key_id, "runtime-1")


def test_an_order_may_name_where_to(yard: Yard) -> None:
    assert yard.bring(yard.order(to=(yard.named("v1"),))) is OrderOutcome.FOLLOWED
    assert yard.names() == ["v1"]


def test_an_order_may_stop_what_answers(yard: Yard) -> None:
    assert yard.bring(yard.order(action="stop", to=(yard.named("v2"),))) is OrderOutcome.FOLLOWED
    assert yard.names() == []
    assert yard.snapshot().endpoints[0].arms == ()


def test_what_stands_there_already_is_no_change(yard: Yard) -> None:
    first, second = yard.order(id="first"), yard.order(id="second", to=(yard.named("v1"),))
    assert yard.bring(first) is OrderOutcome.FOLLOWED
    epoch = yard.endpoint().epoch
    assert yard.bring(second) is OrderOutcome.FOLLOWED
    assert yard.endpoint().epoch == epoch
    assert len(yard.snapshot().settled) == 2


def test_what_moved_on_meanwhile_is_left_to_a_person(yard: Yard) -> None:
    envelope = yard.order()
    yard.house.later(minutes=1)
    yard.house.deploy(yard.house.release(yard.house.version(weights=(3.0, 0.0, 0.0))))
    assert yard.bring(envelope) is OrderOutcome.CONFLICT
    assert yard.names() == ["v3"]
    assert "the endpoint changed at epoch" in yard.kept().detail
    assert yard.snapshot().settled == (yard.kept().payload,)
    assert yard.bring(envelope) is OrderOutcome.CONFLICT
    with yard.house.platform.storage.reading() as tx:
        [told] = [e for e in every(tx, OUTBOX) if e.type == "delivery.order_conflict"]
    assert (told.aggregate_type, told.aggregate_id) == ("endpoint", "credit")
    assert told.payload == {
        "endpoint": "credit",
        "order": yard.kept().id,
        "digest": yard.kept().payload,
        "asked": "rollback",
        "by": yard.olga,
        "reason": "it answers nonsense",
        "detail": yard.kept().detail,
        "runtime": "runtime-1",
        "arms": ["v3 (champion, 1)"],
        "epoch": yard.endpoint().epoch,
    }


def test_routes_that_were_only_signed_again_have_not_moved_on(yard: Yard) -> None:
    envelope = yard.order()
    yard.house.do(OMAR, PublishRoutes())
    assert yard.bring(envelope) is OrderOutcome.FOLLOWED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_epoch": 1000}, "not known here"),
        ({"to": (OrderArm(name="v9", release="sha256:" + "0" * 64, manifest="sha256:" + "0" * 64),)}, "leads there"),
    ],
)
def test_what_cannot_be_followed_is_left_to_a_person(yard: Yard, changes: dict[str, Any], told: str) -> None:
    assert yard.bring(yard.order(**changes)) is OrderOutcome.CONFLICT
    assert told in yard.kept().detail
    assert yard.names() == ["v2"]


def test_an_order_that_ran_out_before_it_was_known_is_left_to_a_person(yard: Yard) -> None:
    envelope = yard.order()
    yard.house.later(hours=2)
    assert yard.bring(envelope) is OrderOutcome.CONFLICT
    assert "ran out" in yard.kept().detail
    assert yard.names() == ["v2"]


def test_who_may_no_longer_roll_back_does_not_by_an_order(yard: Yard) -> None:
    envelope = yard.order()
    yard.house.do(ADMIN, RevokeRole(identity=yard.olga, role=Role.OPERATOR))
    assert yard.bring(envelope) is OrderOutcome.REFUSED
    assert yard.names() == ["v2"]
    assert yard.snapshot().settled == (yard.kept().payload,)  # so that runtimes let go of it
    with yard.house.platform.storage.reading() as tx:
        refused = every(tx, AUDIT, equals("outcome", AuditOutcome.REFUSED), equals("action", "delivery.reconcile_order"))
        [told] = [e for e in every(tx, OUTBOX) if e.type == "delivery.order_refused"]
    assert [r.actor for r in refused] == [yard.olga]
    kept = yard.kept()
    wanted = {"endpoint": "credit", "order": kept.id, "digest": kept.payload, "asked": "rollback", "by": yard.olga}
    assert told.payload == wanted | {"reason": kept.reason, "why": kept.detail, "runtime": kept.runtime}
    yard.bring(envelope)
    with yard.house.platform.storage.reading() as tx:
        assert len([e for e in every(tx, OUTBOX) if e.type == "delivery.order_refused"]) == 1, "once, however often it is brought"


def test_an_order_is_no_way_round_the_command_that_it_stands_for(yard: Yard) -> None:
    """A business owner may roll back and may not stop an arm: neither by command nor by order."""
    yard.house.do(ADMIN, RevokeRole(identity=yard.olga, role=Role.OPERATOR))
    yard.house.do(ADMIN, GrantRole(identity=yard.olga, role=Role.BUSINESS_OWNER))
    assert yard.bring(yard.order(action="stop", to=(yard.named("v2"),))) is OrderOutcome.REFUSED
    assert [arm.name for arm in yard.endpoint().arms] == ["v2"]
    assert yard.bring(yard.order(id="back")) is OrderOutcome.FOLLOWED


def test_orders_that_nobody_here_stands_for_are_refused(yard: Yard) -> None:
    stranger = Ed25519Signer.generate()
    with pytest.raises(Untrusted, match="no trust root"):
        yard.bring(yard.order(stranger))
    assert yard.names() == ["v2"]
    with pytest.raises(InvalidInput, match="no order"):
        yard.bring(b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": "e30="}]}')


def test_an_order_of_a_key_for_other_endpoints_is_refused_once_and_for_all(yard: Yard) -> None:
    """It is genuine: a runtime that has an older roots file acted on it, and is told to let go of it."""
    narrow = Ed25519Signer.generate()
    yard.register(narrow, ("pay",))
    envelope = yard.order(signer=narrow)
    assert [yard.bring(envelope) for _ in range(2)] == [OrderOutcome.REFUSED] * 2
    assert yard.names() == ["v2"]
    assert "may give orders for pay, not for credit" in yard.kept().detail
    assert yard.snapshot().settled == (yard.kept().payload,)
    with yard.house.platform.storage.reading() as tx:
        assert [e.payload["endpoint"] for e in every(tx, OUTBOX) if e.type == "delivery.order_refused"] == ["credit"]


def test_a_broken_copy_settles_nothing(yard: Yard) -> None:
    envelope = yard.order()
    broken = json.loads(envelope)
    broken["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    with pytest.raises(Untrusted):
        yard.bring(json.dumps(broken).encode())
    with pytest.raises(Untrusted):
        yard.bring(yard.order(Ed25519Signer.generate()))  # the same words, signed by nobody
    with yard.house.platform.storage.reading() as tx:
        refused = every(tx, AUDIT, equals("outcome", AuditOutcome.REFUSED), equals("action", "delivery.refuse_order"))
    assert [r.actor for r in refused] == [RUNTIME.id] * 2
    assert yard.bring(envelope) is OrderOutcome.FOLLOWED


def test_the_same_refusal_is_in_the_audit_log_once(yard: Yard) -> None:
    """A runtime brings what it was refused again and again. Another runtime, order or reason is worth a line of its own."""
    stranger, second = Ed25519Signer.generate(), Ed25519Signer.generate()
    envelope, other = yard.order(stranger), yard.order(second, id="other")

    def refused(envelope: bytes, runtime: str = "runtime-1") -> int:
        with pytest.raises(Untrusted) as error:
            yard.bring(envelope, runtime=runtime)
        assert error.value.recorded  # so that the API adds none of its own
        yard.house.later(seconds=2)
        with yard.house.platform.storage.reading() as tx:
            return len(every(tx, AUDIT, equals("outcome", AuditOutcome.REFUSED), equals("action", "delivery.refuse_order")))

    assert [refused(envelope) for _ in range(3)] == [1, 1, 1]
    assert refused(envelope, "runtime-2") == 2
    assert [refused(other), refused(other)] == [3, 3]
    altered = json.loads(envelope)
    altered["signatures"][0]["keyid"] = second.key_id
    assert [refused(json.dumps(altered).encode()) for _ in range(2)] == [4, 4]
    assert [refused(envelope), refused(envelope)] == [5, 5]  # what changed back is news too


@pytest.mark.parametrize("loss", ["revoked", "deactivated", "another's name", "release revoked"])
def test_what_was_lost_meanwhile_refuses_the_order(yard: Yard, loss: str) -> None:
    envelope = yard.order(**({"issued_by": OMAR.id} if loss == "another's name" else {}))
    house = yard.house
    if loss == "revoked":
        house.do(ADMIN, RevokeKey(key_id=yard.signer.key_id, cause="stolen"))
    elif loss == "deactivated":
        house.do(ADMIN, DeactivateIdentity(identity=yard.olga))
    elif loss == "release revoked":
        officer = actor("rita", "risk_officer")
        house.do(officer, RevokeRelease(release=yard.endpoint().previous[0].release, cause="withdrawn"))
    assert yard.bring(envelope) is OrderOutcome.REFUSED
    assert yard.names() == ["v2"]
    assert yard.kept().detail


def test_nobody_does_another_s_order(yard: Yard) -> None:
    """The command is in the name of who signed: also for who could roll back themselves."""
    command = ReconcileOrder(
        endpoint="credit", envelope=yard.order().decode(), runtime="runtime-1", taken_at=yard.house.clock.now()
    )
    with pytest.raises(Untrusted, match="in the name of who signed it"):
        yard.house.do(OMAR, command)


def test_keys_for_orders_are_registered_by_who_holds_them(yard: Yard) -> None:
    key = Ed25519Signer.generate()
    fields: dict[str, Any] = {"key_id": key.key_id, "public_pem": key.public_key.pem}
    for who in (ADMIN, OMAR):
        with pytest.raises(Forbidden, match=r"separation\.order-key"):
            yard.house.do(who, RegisterKey(**fields, purposes=("order",), holder=yard.olga))
    for purposes, holder in ((("order",), None), (("order", "release"), yard.olga), (("release",), yard.olga)):
        with pytest.raises(InvalidInput):
            yard.house.do(yard.operator if holder else ADMIN, RegisterKey(**fields, purposes=purposes, holder=holder))


@pytest.mark.parametrize("role", list(Role))
def test_only_who_may_roll_back_gets_a_key_for_orders(yard: Yard, role: Role) -> None:
    """A key is good for every endpoint: it is registered by exactly those roles that may roll back by command."""
    house = yard.house
    person = house.do(ADMIN, CreateIdentity(name="somebody", display_name="Somebody")).id
    who = Actor(id=person, roles=frozenset({role.value}))
    key = Ed25519Signer.generate()
    register = RegisterKey(key_id=key.key_id, public_pem=key.public_key.pem, purposes=("order",), holder=person)
    rolls_back = allowed(house, who, Rollback(endpoint="credit"))
    assert rolls_back == (role.value in ("operator", "business_owner", "risk_officer"))
    assert allowed(house, who, register) == rolls_back


def allowed(house: House, who: Actor, command: Command) -> bool:
    """Whether policies let the command through, whatever it does."""
    try:
        house.do(who, command)
    except Forbidden:
        return False
    return True


def test_the_platform_signs_no_orders(yard: Yard) -> None:
    assert set(yard.house.platform.keys.active()) == {Purpose.RELEASE, Purpose.ROUTES, Purpose.AUDIT}


def test_old_orders_are_no_longer_told_of(yard: Yard) -> None:
    yard.bring(yard.order())
    yard.house.later(hours=2)
    yard.house.do(OMAR, PublishRoutes())
    assert yard.snapshot().settled == ()


def test_a_rollback_by_order_is_one_like_any_other(yard: Yard) -> None:
    """The way back up is open, and the endpoint's row is explained by the audit log."""
    yard.bring(yard.order())
    yard.house.later(days=1)
    third = yard.house.release(yard.house.version(weights=(3.0, 0.0, 0.0)))
    yard.house.deploy(third, role="challenger", share=0.5)
    yard.house.do(BEA, Promote(endpoint="credit", arm="v3"))
    assert yard.names() == ["v3"]


# ---- fallbacks -----------------------------------------------------------------------------------------------------


def use(number: int, **changes: Any) -> FallbackReport:
    at = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
    terms = {
        "id": f"use_{number}",
        "runtime": "runtime-1",
        "endpoint": "credit",
        "arm": "v2",
        "answered_by": "v1",
        "reason": "timed_out",
        "count": number,
        "since": at,
        "until": at + timedelta(minutes=1),
        "epoch": 7,
    }
    return FallbackReport.model_validate(terms | changes)


def test_uses_of_fallbacks_are_taken_in_once_and_told(house: House) -> None:
    taken = house.do(RUNTIME, RecordFallbacks(uses=(use(1), use(2), use(2))))
    assert (taken.taken, taken.known) == (("use_1", "use_2"), 1)
    again = house.do(RUNTIME, RecordFallbacks(uses=(use(2), use(3, answered_by="constant"), use(2, runtime="runtime-2"))))
    assert (again.taken, again.known) == (("use_3", "use_2"), 1)
    with house.platform.storage.reading() as tx:
        kept = every(tx, FALLBACK_USES, equals("endpoint", "credit"))
        events = [e for e in every(tx, OUTBOX) if e.type == "delivery.fallback_used"]
    assert sorted((u.count, u.answered_by, u.runtime) for u in kept) == [
        (1, "v1", "runtime-1"),
        (2, "v1", "runtime-1"),
        (2, "v1", "runtime-2"),
        (3, "constant", "runtime-1"),
    ]
    assert sorted(e.payload["count"] for e in events) == [1, 2, 2, 3]
    assert {(e.aggregate_type, e.aggregate_id, e.payload["cause"]) for e in events} == {("endpoint", "credit", "timed_out")}


def test_only_runtimes_and_operators_tell_of_fallbacks(house: House) -> None:
    with pytest.raises(Forbidden):
        house.do(actor("dana", "developer"), RecordFallbacks(uses=(use(1),)))
