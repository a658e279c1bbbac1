"""Orders: signed by an operator, bound to an epoch and to hours, and able to bring back only what was accepted before."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelyard.core.digests import digest
from modelyard.core.errors import NotApproved
from modelyard.trust import (
    Ed25519Signer,
    Overlaid,
    Purpose,
    TrustRoot,
    TrustRoots,
    VerifiedOrder,
    VerifiedRoutes,
    check_routes,
    overlaid,
    sign,
    sign_order,
    sign_release,
    sign_routes,
    verify_order,
    verify_releases,
    verify_routes,
)
from modelyard.trust.errors import BadSignature, Malformed, UnknownKey, WrongEndpoint, WrongPurpose, WrongStatement
from modelyard.trust.statements import (
    Arm,
    ArmRole,
    EndpointPolicy,
    EndpointRoutes,
    Order,
    OrderAction,
    OrderArm,
    RouteSnapshot,
    RoutingRule,
    Statement,
)

Make = Callable[..., Any]
HOUR = timedelta(hours=1)


def arm(number: int, role: str = "champion", share: float = 1.0) -> Arm:
    return Arm(
        name=f"v{number}",
        role=ArmRole(role),
        release=digest(f"release {number}".encode()),
        manifest=digest(f"manifest {number}".encode()),
        share=share,
    )


def named(found: Arm) -> OrderArm:
    return OrderArm(name=found.name, release=found.release, manifest=found.manifest)


class Yard:
    """Snapshots of one endpoint, one epoch after the other, and orders against the newest."""

    def __init__(self, signer: Ed25519Signer, roots: TrustRoots, endpoint_with: Make, snapshot_of: Make, now: datetime) -> None:
        self.signer, self.roots, self.now = signer, roots, now
        self._endpoint_with, self._snapshot_of = endpoint_with, snapshot_of
        self.history: list[RouteSnapshot] = []
        self.verified: VerifiedRoutes

    def served(self, *arms: Arm, settled: tuple[str, ...] = (), **endpoint: Any) -> None:
        """The next snapshot."""
        other = self._endpoint_with(arm(9), name="other")
        snapshot = self._snapshot_of(self._endpoint_with(*arms, **endpoint), other, epoch=len(self.history) + 1, settled=settled)
        self.history.append(snapshot)
        self.verified = verify_routes(sign_routes(snapshot, self.signer).envelope, self.roots, self.now)

    def order(self, *to: Arm, **changes: Any) -> VerifiedOrder:
        terms: dict[str, Any] = {
            "id": f"ord_{len(self.history)}_{changes.get('id', 'one')}",
            "organisation": "default",
            "endpoint": "credit-score",
            "action": "rollback",
            "to": tuple(named(a) for a in to) or "previous",
            "base_epoch": len(self.history),
            "issued_by": "idn_omar",
            "issued_at": self.now,
            "until": self.now + HOUR,
            "reason": "v2 answers nonsense",
        }
        order = Order.model_validate(terms | {k: v for k, v in changes.items() if k != "id"})
        return verify_order(sign_order(order, self.signer).envelope, self.roots, self.now)

    def overlaid(self, *orders: VerifiedOrder, at: datetime | None = None) -> Overlaid:
        return overlaid(self.verified, orders, self.history, at or self.now)

    def arms(self, *orders: VerifiedOrder) -> list[tuple[str, str, float]]:
        """What the orders make of the endpoint; the other one is never touched."""
        found = self.overlaid(*orders)
        mine, other = found.routes.snapshot.endpoints
        assert other == self.history[-1].endpoints[1]
        assert found.active == tuple(o.digest for o in orders), found.ended
        return [(a.name, a.role.value, a.share) for a in mine.arms]

    def refusal(self, *orders: VerifiedOrder, at: datetime | None = None) -> str:
        """Why the order holds no longer; the routes are as they were signed."""
        found = self.overlaid(*orders, at=at)
        assert found.active == ()
        assert found.routes == self.verified
        return "; ".join(found.ended.values())


@pytest.fixture
def yard(signer: Ed25519Signer, roots: TrustRoots, endpoint_with: Make, snapshot_of: Make, now: datetime) -> Yard:
    return Yard(signer, roots, endpoint_with, snapshot_of, now)


def test_an_order_is_the_published_json_and_comes_back(yard: Yard) -> None:
    yard.served(arm(1))
    order = yard.order().order
    envelope = sign_order(order, yard.signer).envelope
    statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    assert statement["predicateType"] == "https://modelyard.dev/statements/order/v1"
    assert set(statement["predicate"]) == set(Order.model_fields)
    assert verify_order(envelope, yard.roots, yard.now).order == order


def test_a_key_gives_orders_for_the_endpoints_that_it_is_trusted_for(yard: Yard) -> None:
    window = yard.now - HOUR, yard.now + HOUR
    mine, others, any_ = (Ed25519Signer.generate() for _ in range(3))
    scopes = ((mine, ("credit-score", "loans")), (others, ("loans",)), (any_, ()))
    roots = TrustRoots(roots=tuple(TrustRoot.of(k.public_key, (Purpose.ORDER,), *window, names) for k, names in scopes))
    yard.served(arm(1))
    order = yard.order().order

    def signers(*keys: Ed25519Signer) -> tuple[str, ...]:
        return verify_order(sign_order(order, *keys).envelope, roots, yard.now).key_ids

    assert signers(mine) == (mine.key_id,)
    assert signers(any_) == (any_.key_id,)
    assert signers(others, mine, any_) == (mine.key_id, any_.key_id), "who may not give it does not count"
    with pytest.raises(
        WrongEndpoint, match=f"key {others.key_id[:16]} may give orders for loans, not for credit-score"
    ) as refused:
        signers(others)
    assert (refused.value.field, refused.value.status) == ("endpoint", 403)


def test_a_rollback_leads_where_the_present_champion_came_from(yard: Yard) -> None:
    yard.served(arm(1))
    yard.served(arm(2), arm(3, "fallback", 0.0), arm(4, "shadow", 0.5))
    assert yard.arms(yard.order()) == [("v1", "champion", 1.0), ("v3", "fallback", 0.0), ("v4", "shadow", 0.5)]
    assert yard.arms(yard.order(arm(1))) == yard.arms(yard.order())


def test_challengers_leave_first(yard: Yard) -> None:
    yard.served(arm(1, share=0.8), arm(2, "challenger", 0.2))
    assert yard.arms(yard.order()) == [("v1", "champion", 1.0)]


def test_what_was_rolled_back_from_does_not_come_back(yard: Yard) -> None:
    for number in (1, 2, 1):
        yard.served(arm(number))
    assert "leads back" in yard.refusal(yard.order())
    yard.served(arm(3))
    assert yard.arms(yard.order()) == [("v1", "champion", 1.0)]


def test_only_a_champion_of_an_accepted_snapshot_comes_back(yard: Yard) -> None:
    yard.served(arm(1), arm(5, "shadow", 0.5))
    yard.served(arm(2))
    for stranger in (arm(5), arm(6), arm(1).model_copy(update={"release": digest(b"another release")})):
        assert "never champion" in yard.refusal(yard.order(stranger))


def test_a_stop_leaves_the_fallbacks_and_gives_a_challengers_share_back(yard: Yard) -> None:
    yard.served(arm(1, share=0.75), arm(2, "challenger", 0.25), arm(3, "fallback", 0.0))
    assert yard.arms(yard.order(arm(2), action="stop")) == [("v1", "champion", 1.0), ("v3", "fallback", 0.0)]
    assert yard.arms(yard.order(arm(1), arm(2), action="stop")) == [("v3", "fallback", 0.0)]
    assert "before its challengers" in yard.refusal(yard.order(arm(1), action="stop"))
    assert "no arm" in yard.refusal(yard.order(arm(7), action="stop"))


def test_orders_follow_each_other(yard: Yard) -> None:
    yard.served(arm(1))
    yard.served(arm(2), arm(3, "fallback", 0.0))
    back = yard.order(arm(1), id="back")
    stop = yard.order(arm(1), id="stop", action="stop", issued_at=yard.now + timedelta(minutes=1), until=yard.now + HOUR)
    assert yard.arms(back, stop) == [("v3", "fallback", 0.0)]


def test_an_order_holds_for_the_arms_it_was_made_against(yard: Yard) -> None:
    yard.served(arm(1))
    yard.served(arm(2))
    order = yard.order()
    yard.served(arm(2))  # signed again, unchanged
    assert yard.arms(order) == [("v1", "champion", 1.0)]
    yard.served(arm(3))
    assert "are others than at epoch 2" in yard.refusal(order)
    yard.served(arm(2), settled=(order.digest,))
    assert "taken in" in yard.refusal(order)


def test_an_order_ends_by_itself(yard: Yard) -> None:
    yard.served(arm(1))
    yard.served(arm(2))
    assert "ran out" in yard.refusal(yard.order(), at=yard.now + HOUR)
    for until in (yard.now, yard.now + timedelta(hours=25)):
        with pytest.raises(ValidationError, match="24 hours"):
            yard.order(until=until)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base_epoch": 3}, "epoch 2 is the newest here"),
        ({"organisation": "other"}, "organisation"),
        ({"endpoint": "nowhere"}, "no endpoint"),
    ],
)
def test_orders_about_something_else_do_nothing(yard: Yard, changes: dict[str, Any], told: str) -> None:
    yard.served(arm(1))
    yard.served(arm(2))
    assert told in yard.refusal(yard.order(**changes))


def test_rules_for_arms_that_left_rest(yard: Yard) -> None:
    yard.served(arm(1))
    rules = tuple(RoutingRule(when="amount > 1000", arm=name) for name in ("v2", "v3"))
    yard.served(arm(2, share=0.5), arm(3, "challenger", 0.5), policy=EndpointPolicy(rules=rules))
    found = yard.overlaid(yard.order()).routes.snapshot.endpoints[0]
    assert [rule.arm for rule in found.policy.rules] == ["v2"]


def test_forged_orders_are_not_read(yard: Yard, other: Ed25519Signer, root_of: Make, now: datetime) -> None:
    yard.served(arm(1))
    order = yard.order().order
    envelope = sign_order(order, yard.signer).envelope
    with pytest.raises(UnknownKey):
        verify_order(sign_order(order, other).envelope, yard.roots, now)
    with pytest.raises(WrongPurpose):
        verify_order(envelope, TrustRoots(roots=(root_of(yard.signer, Purpose.ROUTES, Purpose.RELEASE),)), now)
    body = json.loads(envelope)
    text = base64.b64decode(body["payload"]).replace(b"nonsense", b"anything")
    with pytest.raises(BadSignature):
        verify_order(json.dumps(body | {"payload": base64.b64encode(text).decode()}).encode(), yard.roots, now)
    with pytest.raises(NotApproved) as ended:
        verify_order(envelope, yard.roots, now + HOUR)
    assert ended.value.field == "until"
    with pytest.raises(WrongStatement):
        verify_order(envelope, yard.roots, now - HOUR)
    with pytest.raises(Malformed):
        verify_order(b"no envelope", yard.roots, now)


def test_no_other_statement_passes_for_an_order(yard: Yard, release_with: Make) -> None:
    yard.served(arm(1))
    for envelope in (sign_release(release_with(), yard.signer).envelope, sign_routes(yard.history[-1], yard.signer).envelope):
        with pytest.raises(WrongStatement):
            verify_order(envelope, yard.roots, yard.now)
    order = yard.order().order
    genuine = json.loads(base64.b64decode(json.loads(sign_order(order, yard.signer).envelope)["payload"]))
    genuine["predicate"]["endpoint"] = "other"  # its subject is another order
    with pytest.raises(WrongStatement):
        verify_order(sign(Statement.model_validate(genuine), yard.signer).envelope, yard.roots, yard.now)


def test_orders_say_what_they_want(yard: Yard) -> None:
    yard.served(arm(1))
    with pytest.raises(ValidationError, match="names the arms"):
        yard.order(action=OrderAction.STOP)
    with pytest.raises(ValidationError, match="names the one arm"):
        yard.order(arm(1), arm(2))


def test_no_order_outweighs_a_release(
    yard: Yard, release_with: Make, endpoint_with: Callable[..., EndpointRoutes], snapshot_of: Make
) -> None:
    """What an order brings back is asked for its release again, at that moment."""
    signed = {n: sign_release(release_with(id=f"rel_{n}", roles=("champion",), **terms), yard.signer)
              for n, terms in ((1, {"greatest_share": 0.5}), (2, {}))}  # fmt: skip
    arms = {n: arm(n).model_copy(update={"release": s.digest, "manifest": release_with().manifest}) for n, s in signed.items()}
    yard.served(arms[1])
    yard.served(arms[2])
    found = yard.overlaid(yard.order())
    check = check_routes(found.routes, verify_releases([s.envelope for s in signed.values()], yard.roots, yard.now), 0, yard.now)
    assert check.endpoints["credit-score"].arms == ()
    assert ("credit-score", "v1", "share") in [(r.endpoint, r.arm, r.clause) for r in check.refusals]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.booleans())
def test_an_order_brings_back_only_what_was_champion_here(
    signer: Ed25519Signer,
    roots: TrustRoots,
    endpoint_with: Make,
    snapshot_of: Make,
    now: datetime,
    champions: list[int],
    canary: bool,
) -> None:
    """Whatever came before: one champion with everything, that served here, and the present one only if it was challenged."""
    yard = Yard(signer, roots, endpoint_with, snapshot_of, now)
    for number in champions[:-1]:
        yard.served(arm(number))
    last = champions[-1]
    yard.served(*((arm(last, share=0.5), arm(8, "challenger", 0.5)) if canary else (arm(last),)))
    first = champions.index(last)
    if not canary and first == 0:
        assert "leads back" in yard.refusal(yard.order())
        return
    ((name, role, share),) = yard.arms(yard.order())
    assert (role, share) == ("champion", 1.0)
    assert name == f"v{last if canary else champions[first - 1]}"
