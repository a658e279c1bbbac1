"""How an endpoint answers is a policy that is checked, signed and bounded by releases; weakening it takes a risk officer."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.core.digests import digest_of
from modelyard.core.errors import Forbidden, InvalidInput, NotApproved, WrongState
from modelyard.core.messages import AUDIT
from modelyard.core.records import equals, every
from modelyard.delivery.commands import CreateEndpoint, Promote, Rollback, SetFallbacks, UpdateEndpoint
from modelyard.delivery.genuine import is_genuine
from modelyard.delivery.model import ENDPOINTS, Endpoint
from modelyard.delivery.policy import require_policy, weakens
from modelyard.delivery.service import endpoint_named, latest_routes
from modelyard.governance.assurance.model import Scope, bound_digest
from modelyard.governance.releases.commands import IssueRelease
from modelyard.governance.releases.model import RELEASES
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.trust import check_routes, verify_release, verify_releases, verify_routes
from modelyard.trust.statements import ColdStart, EndpointPolicy, EndpointRoutes, OnInvalid, OnUnlogged, Protection, RoutingRule
from tests.life.conftest import BEA, OMAR, RITA, START, House

SIGNATURE = Signature(
    inputs=(
        FieldSpec(name="amount", type=DataType.FP64),
        FieldSpec(name="date of birth", type=DataType.BYTES, role=Role.PROTECTED),
        FieldSpec(name="member", type=DataType.BOOL),
    ),
    outputs=(FieldSpec(name="score", type=DataType.FP32, role=Role.SCORE),),
)


def rules(*conditions: str, arm: str = "v1") -> tuple[RoutingRule, ...]:
    return tuple(RoutingRule(when=when, arm=arm) for when in conditions)


def endpoint(house: House) -> Endpoint:
    with house.platform.storage.reading() as tx:
        return endpoint_named(tx, "default", "credit")


def update(house: House, who: Any = OMAR, **fields: Any) -> Endpoint:
    found = house.do(who, UpdateEndpoint(endpoint="credit", revision=endpoint(house).revision, **fields))
    assert isinstance(found, Endpoint)
    return found


def signed(house: House) -> EndpointRoutes:
    """What runtimes are told of the endpoint."""
    with house.platform.storage.reading() as tx:
        published = latest_routes(tx, "default")
    assert published is not None
    routes = verify_routes(published.envelope.encode(), house.platform.keys.roots(), house.clock.now())
    return next(e for e in routes.snapshot.endpoints if e.name == "credit")


# ---- what can be said at all ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when",
    [
        "amount > 1000",
        'date of birth = "1970-01-01" or member',
        "member = true and amount between 1 and 2",
        "not(member)",
        "true",
    ],
)
def test_conditions_over_the_inputs_are_rules(when: str) -> None:
    require_policy(EndpointPolicy(rules=rules(when)), SIGNATURE)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("amount >", "cannot be read"),
        ("salary > 1000", "unknown name 'salary'"),
        ('amount > "much"', "compares a number with text"),
        ("member = 1", "compares true or false with a number"),
        ("not(date of birth < 3)", "compares text with a number"),
        ("amount + 1", "not a condition"),
        ('"yes"', "not a condition"),
        ("now() > amount or frobnicate(amount)", "frobnicate"),
    ],
)
def test_what_is_no_condition_over_the_inputs_is_refused(when: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        require_policy(EndpointPolicy(rules=(*rules("true"), *rules(when))), SIGNATURE)
    assert caught.value.field == "rules[1].when"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (EndpointPolicy(queue=3), "queue"),
        (EndpointPolicy(timeout=0.1, latency_target=0.1), "latency_target"),
        (EndpointPolicy(sticky_by="score"), "sticky_by"),
        (EndpointPolicy(protect={"salary": Protection.MASK}), "protect.salary"),
        (EndpointPolicy(protect={"role:secret": Protection.MASK}), "protect.role:secret"),
    ],
)
def test_names_and_limits_that_do_not_fit_are_refused(policy: EndpointPolicy, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        require_policy(policy, SIGNATURE)
    assert caught.value.field == field


def test_before_there_is_a_champion_rules_are_only_read() -> None:
    require_policy(EndpointPolicy(rules=rules("salary > 1000"), sticky_by="whoever", protect={"salary": Protection.MASK}), None)
    with pytest.raises(InvalidInput, match="cannot be read"):
        require_policy(EndpointPolicy(rules=rules("salary >")), None)


@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ({}, {"amount": "keep"}, False),
        ({"amount": "mask"}, {"amount": "hash"}, True),
        ({"amount": "hash"}, {"amount": "mask"}, False),
        ({"amount": "encrypt"}, {}, True),
        ({"role:protected": "hash"}, {"role:protected": "hash", "date of birth": "keep"}, True),
        ({"role:protected": "hash"}, {"role:protected": "hash", "amount": "encrypt"}, False),
        ({"role:protected": "hash"}, {"role:protected": "keep", "date of birth": "hash"}, True),
        ({"date of birth": "hash"}, {"date of birth": "hash", "role:protected": "mask"}, False),
    ],
)
def test_whether_the_log_would_show_more(before: dict[str, str], after: dict[str, str], weaker: bool) -> None:
    policies = [EndpointPolicy.model_validate({"protect": protect}) for protect in (before, after)]
    assert weakens(*policies, SIGNATURE, "low") is weaker


def test_a_field_s_own_protection_goes_before_its_role_s() -> None:
    policy = EndpointPolicy(protect={"role:protected": Protection.HASH, "gender": Protection.MASK})
    assert policy.protection("gender", "protected") is Protection.MASK
    assert policy.protection("age", "protected") is Protection.HASH
    assert policy.protection("amount", "predictor") is Protection.KEEP


# ---- what is done with it ------------------------------------------------------------------------------------------


def test_a_policy_is_set_field_by_field_and_signed(house: House) -> None:
    house.serving()
    before = endpoint(house)
    assert before.policy == EndpointPolicy()
    update(house, timeout=0.5, cold_start=ColdStart.FALLBACK, rules=rules("amount > 1000"), protect={"age": "hash"})
    update(house, concurrency=8, queue=16, invalid=OnInvalid.FALLBACK, sticky_by="tenure")
    wanted = EndpointPolicy(
        timeout=0.5,
        cold_start=ColdStart.FALLBACK,
        rules=rules("amount > 1000"),
        protect={"age": Protection.HASH},
        concurrency=8,
        queue=16,
        invalid=OnInvalid.FALLBACK,
        sticky_by="tenure",
    )
    assert endpoint(house).policy == wanted
    assert signed(house).policy == wanted
    update(house, clear=("queue", "concurrency", "rules", "timeout"))
    assert signed(house).policy == wanted.model_copy(update={"queue": None, "concurrency": None, "rules": (), "timeout": None})
    with pytest.raises(InvalidInput, match="set and cleared"):
        update(house, timeout=1.0, clear=("timeout",))


def test_a_policy_that_does_not_fit_changes_nothing(house: House) -> None:
    house.serving()
    for fields, field in (
        ({"rules": rules("salary > 1")}, "rules[0].when"),
        ({"rules": rules("amount > 1", arm="v7")}, "rules[0].arm"),
        ({"sticky_by": "salary"}, "sticky_by"),
        ({"queue": 3}, "queue"),
    ):
        with pytest.raises(InvalidInput) as caught:
            update(house, **fields)
        assert caught.value.field == field
    assert signed(house).policy == EndpointPolicy()


@pytest.mark.parametrize(
    ("tier", "unlogged"), [("low", OnUnlogged.ANSWER), ("medium", OnUnlogged.REFUSE), ("high", OnUnlogged.REFUSE)]
)
def test_tiers_that_demand_the_log_do_not_answer_without_it(house: House, tier: str, unlogged: OnUnlogged) -> None:
    house.use_case(tier=tier)
    made = house.do(OMAR, CreateEndpoint(name="credit", use_case="credit"))
    assert made.policy.unlogged is unlogged
    assert signed(house).policy.unlogged is unlogged
    if tier == "high":
        with pytest.raises(Forbidden, match=r"separation\.protection"):
            update(house, unlogged=OnUnlogged.ANSWER)
        with pytest.raises(Forbidden, match=r"separation\.protection"):
            house.do(OMAR, CreateEndpoint(name="other", use_case="credit", unlogged=OnUnlogged.ANSWER))
        assert update(house, RITA, unlogged=OnUnlogged.ANSWER).policy.unlogged is OnUnlogged.ANSWER


def test_protection_is_weakened_by_a_risk_officer_alone(house: House) -> None:
    house.serving()
    update(house, protect={"age": "mask", "amount": "hash"})
    for weaker in ({"age": "mask"}, {"age": "hash", "amount": "hash"}, {}):
        for who in (OMAR, BEA):
            with pytest.raises(Forbidden, match=r"separation\.protection"):
                update(house, who, protect=weaker)
    with pytest.raises(Forbidden, match=r"separation\.protection"):
        update(house, clear=("protect",))
    update(house, protect={"age": "mask", "amount": "mask"})
    assert update(house, RITA, clear=("protect",)).policy.protect == {}


def test_clearing_the_constant_is_setting_it(house: House) -> None:
    house.serving()
    update(house, BEA, constant={"probability": 0.5})
    with pytest.raises(Forbidden, match=r"separation\.constant"):
        update(house, OMAR, clear=("constant",))
    assert update(house, BEA, clear=("constant",)).constant is None


# ---- rules and releases --------------------------------------------------------------------------------------------


def canary(house: House) -> None:
    """v1 with nearly everything, and v2 on a release for five in a hundred."""
    house.serving()
    house.later(days=1)
    house.deploy(
        house.release(house.version(weights=(2.0, 0.0, 0.0)), house.scope(greatest_share=0.05)), role="challenger", share=0.05
    )


def test_a_rule_needs_a_release_for_the_whole(house: House) -> None:
    """`Up to this share` is what was approved: a rule may send everything, so it cannot name such an arm."""
    canary(house)
    with pytest.raises(NotApproved, match="all that a rule may send to v2") as caught:
        update(house, rules=rules("amount > 1000", arm="v2"))
    assert caught.value.field == "share"
    assert update(house, rules=rules("amount > 1000", arm="v1")).policy.rules


def test_no_arm_slips_under_a_rule_that_waits_for_it(house: House) -> None:
    house.use_case()
    house.do(OMAR, CreateEndpoint(name="credit", use_case="credit", rules=rules("amount > 1000", arm="v2")))
    house.deploy(house.release(house.version()))
    assert signed(house).policy.rules == ()  # it rests: there is no v2 yet
    house.later(days=1)
    narrow = house.release(house.version(weights=(2.0, 0.0, 0.0)), house.scope(greatest_share=0.05))
    with pytest.raises(NotApproved, match="all that a rule may send"):
        house.deploy(narrow, role="challenger", share=0.05)


def test_rules_rest_while_their_arm_is_away_and_never_keep_a_rollback(house: House) -> None:
    house.serving()
    house.later(days=1)
    house.deploy(house.release(house.version(weights=(2.0, 0.0, 0.0))), role="challenger", share=0.5)
    update(house, rules=rules("amount > 1000", arm="v2"))
    assert len(signed(house).policy.rules) == 1
    house.do(BEA, Promote(endpoint="credit", arm="v2"))
    back = house.do(OMAR, Rollback(endpoint="credit"))
    assert [arm.name for arm in back.arms] == ["v1"]
    assert (len(back.policy.rules), signed(house).policy.rules) == (1, ())


def test_a_champion_that_lacks_what_the_policy_speaks_of_is_not_deployed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.serving()
    update(house, rules=rules("tenure > 3"), sticky_by="tenure")
    house.later(days=1)
    monkeypatch.setattr("tests.life.conftest.FIELDS", ("amount", "age", "income"))
    second = house.release(house.version(weights=(2.0, 0.0, 0.0)))
    with pytest.raises(WrongState, match="does not fit v2") as caught:
        house.deploy(second)
    assert caught.value.hint


# ---- fallbacks -----------------------------------------------------------------------------------------------------


def test_the_chain_is_set_in_its_order(house: House) -> None:
    house.serving()
    for weights in ((2.0, 0.0, 0.0), (3.0, 0.0, 0.0)):
        house.later(days=1)
        house.deploy(house.release(house.version(weights=weights)))
    assert [a.name for a in house.do(OMAR, SetFallbacks(endpoint="credit", chain=("previous",))).fallbacks()] == ["v2"]
    found = house.do(OMAR, SetFallbacks(endpoint="credit", chain=("credit-model@1", "v2")))
    assert [a.name for a in found.fallbacks()] == ["v1", "v2"]
    found = house.do(OMAR, SetFallbacks(endpoint="credit", chain=("v2", "v1")))
    assert [a.name for a in found.fallbacks()] == ["v2", "v1"]
    routes = signed(house)
    assert [a.name for a in routes.arms] == ["v3", "v2", "v1"]
    with house.platform.storage.reading() as tx:
        releases = verify_releases(
            [r.envelope.encode() for r in every(tx, RELEASES)], house.platform.keys.roots(), house.clock.now()
        )
        published = latest_routes(tx, "default")
    assert published is not None
    check = check_routes(
        verify_routes(published.envelope.encode(), house.platform.keys.roots(), house.clock.now()), releases, 0, house.clock.now()
    )
    assert [a.arm.name for a in check.endpoints["credit"].fallbacks] == ["v2", "v1"]
    assert house.do(OMAR, SetFallbacks(endpoint="credit", chain=())).fallbacks() == ()


def test_chains_that_cannot_be_are_refused(house: House) -> None:
    house.serving()
    for chain, error in (
        (("previous",), WrongState),
        (("credit-model@1",), WrongState),  # it is the champion
        (("credit-model@1", "credit-model@1"), InvalidInput),
    ):
        with pytest.raises(error):
            house.do(OMAR, SetFallbacks(endpoint="credit", chain=chain))
    house.later(days=1)
    second = house.version(weights=(2.0, 0.0, 0.0))
    with pytest.raises(NotApproved, match="no release that holds"):
        house.do(OMAR, SetFallbacks(endpoint="credit", chain=(second.id,)))
    house.release(second, house.scope(roles=("champion",)))
    with pytest.raises(NotApproved, match="permits the roles champion") as caught:
        house.do(OMAR, SetFallbacks(endpoint="credit", chain=(second.id,)))
    assert caught.value.field == "role"
    assert endpoint(house).fallbacks() == ()


# ---- records from before, and the network --------------------------------------------------------------------------


def test_endpoints_from_before_there_were_policies_are_as_they_were(house: House) -> None:
    """Their digests are in the audit log and in nobody's power to change: without a policy there is none in the digest."""
    house.serving()
    with house.platform.storage.reading() as tx:
        found = endpoint_named(tx, "default", "credit")
        assert is_genuine(tx, found)
    told = found.model_dump(mode="json")
    del told["policy"]
    assert Endpoint.model_validate(told).digest() == found.digest()
    changed = found.model_copy(update={"policy": EndpointPolicy(timeout=1)})
    assert changed.digest() != found.digest()


def test_the_network_is_granted_by_those_who_were_shown_it(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    approval = house.approve(house.request(version, house.scope(network=True)))
    release = house.do(OMAR, IssueRelease(approval=approval.id))
    terms = verify_release(release.envelope.encode(), house.platform.keys.roots(), house.clock.now()).release
    assert terms.network is True
    without = house.do(OMAR, IssueRelease(approval=approval.id, network=False))
    assert not verify_release(without.envelope.encode(), house.platform.keys.roots(), house.clock.now()).release.network
    house.later(seconds=1)
    plain = house.approve(house.request(version))
    with pytest.raises(NotApproved, match="not approved") as caught:
        house.do(OMAR, IssueRelease(approval=plain.id, network=True))
    assert caught.value.field == "network"
    assert plain.bound != approval.bound


def test_scopes_from_before_the_network_have_the_digests_that_they_had() -> None:
    scope = Scope(use_case="credit", endpoints=("credit",), roles=("champion",))
    assert "network" not in scope.model_dump(mode="json")
    assert Scope.model_validate(scope.model_dump(mode="json")) == scope
    assert scope.model_copy(update={"network": True}).model_dump(mode="json")["network"] is True
    terms: Any = {"manifest": "m", "evidence": (), "gate_digest": "g", "tier": "low", "release_until": START}
    assert bound_digest(scope=scope, **terms) == digest_of(
        {
            "manifest": "m",
            "evidence": [],
            "gate": "g",
            "tier": "low",
            "scope": {
                "use_case": "credit",
                "endpoints": ["credit"],
                "stage": "production",
                "roles": ["champion"],
                "greatest_share": 1.0,
            },
            "release_until": START.isoformat(),
        }
    )


def test_every_change_of_a_policy_is_in_the_audit_log(house: House) -> None:
    house.serving()
    update(house, timeout=0.5)
    with house.platform.storage.reading() as tx:
        records = every(tx, AUDIT, equals("action", "delivery.update_endpoint"))
        kept = endpoint_named(tx, "default", "credit")
    assert next((c.table, c.after) for c in records[-1].changes) == (ENDPOINTS.name, kept.digest())
    with pytest.raises(InvalidInput, match="reason"):
        house.do(OMAR, UpdateEndpoint(endpoint="credit", revision=kept.revision, timeout=1.0), reason="")
