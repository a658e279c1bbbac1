"""From registration to rollback by commands, on every adapter; and everything on the way that must be refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.catalog.commands import RetireVersion, UpdateUseCase
from modelyard.catalog.lookup import state_of
from modelyard.catalog.model import USE_CASES, VERSIONS
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, NotApproved, Untrusted, WrongState
from modelyard.core.messages import AUDIT, AuditOutcome
from modelyard.core.records import Query, equals, every, first
from modelyard.delivery.commands import CreateEndpoint, Deploy, Promote, Rollback, SetShares, StopArm, UpdateEndpoint
from modelyard.delivery.service import in_production_on, latest_routes
from modelyard.governance.assurance.commands import DecideApproval, RecordEvidence, RequestApproval
from modelyard.governance.assurance.model import EvidenceType
from modelyard.governance.releases.commands import IssueRelease, RevokeKey, RevokeRelease
from modelyard.governance.releases.model import REVOCATIONS
from modelyard.governance.releases.service import live_releases
from modelyard.trust import Purpose, check_routes, verify_releases, verify_routes
from tests.life.conftest import BEA, DANA, DAVE, OMAR, RITA, VERA, House


def refusals(house: House) -> list[Any]:
    with house.platform.storage.reading() as tx:
        return every(tx, AUDIT, equals("outcome", AuditOutcome.REFUSED))


def allowed(house: House) -> dict[str, list[tuple[str, float]]]:
    """What a runtime would let serve: arms and shares by endpoint, checked as the runtime checks."""
    platform, now = house.platform, house.clock.now()
    with platform.storage.reading() as tx:
        published = latest_routes(tx, "default")
        envelopes = [r.envelope.encode() for r in live_releases(tx, "default")]
    assert published is not None
    roots = platform.keys.roots()
    routes = verify_routes(published.envelope.encode(), roots, now)
    check = check_routes(routes, verify_releases(envelopes, roots, now), 0, now)
    return {name: [(a.arm.name, a.arm.share) for a in e.arms] for name, e in check.endpoints.items()}


def test_a_version_goes_from_registration_to_rollback(house: House) -> None:
    house.serving()
    assert allowed(house) == {"credit": [("v1", 1.0)]}
    first_day = house.clock.now()

    house.later(days=30)
    second = house.release(house.version(weights=(2.0, 0.0, 0.0)))
    house.deploy(second, role="challenger", share=0.2)
    assert allowed(house)["credit"] == [("v1", 0.8), ("v2", 0.2)]

    house.do(OMAR, SetShares(endpoint="credit", shares={"v1": 0.5, "v2": 0.5}))
    assert allowed(house)["credit"] == [("v1", 0.5), ("v2", 0.5)]

    house.do(BEA, Promote(endpoint="credit", arm="v2"))
    assert allowed(house)["credit"] == [("v2", 1.0)]

    house.later(hours=1)
    house.do(OMAR, Rollback(endpoint="credit"))
    assert allowed(house)["credit"] == [("v1", 1.0)]
    with house.platform.storage.reading() as tx:
        assert [a.name for a in in_production_on(tx, "default", "credit", first_day)] == ["v1"]


def test_rollback_while_a_canary_runs_takes_the_canary_away(house: House) -> None:
    house.serving()
    house.deploy(house.release(house.version(weights=(9.0, 0.0, 0.0))), role="challenger", share=0.3)
    house.do(OMAR, Rollback(endpoint="credit"))
    assert allowed(house)["credit"] == [("v1", 1.0)]


def test_rollback_to_a_named_version(house: House) -> None:
    house.serving()
    for weights in ((2.0, 0.0, 0.0), (3.0, 0.0, 0.0)):
        house.deploy(house.release(house.version(weights=weights)))
    assert allowed(house)["credit"] == [("v3", 1.0)]
    house.do(OMAR, Rollback(endpoint="credit", version="v1"))
    assert allowed(house)["credit"] == [("v1", 1.0)]


def test_nothing_changes_without_a_reason(house: House) -> None:
    endpoint = house.serving()
    with pytest.raises(InvalidInput, match="reason"):
        house.do(OMAR, StopArm(endpoint=endpoint.name, arm="v1"), reason="")
    assert allowed(house)["credit"] == [("v1", 1.0)]


def test_a_version_that_the_gate_has_not_passed_is_not_approved(house: House) -> None:
    house.use_case()
    version = house.version()
    with pytest.raises(NotApproved, match="has not been judged"):
        house.request(version)
    house.evidence(version, checks_failed=1.0)
    result = house.gate(version)
    assert result.metrics["passes"] == 0
    with pytest.raises(NotApproved, match="checks_failed is 1"):
        house.request(version)
    assert len(refusals(house)) == 2


def test_the_gate_looks_at_the_newest_evidence(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version, roc_auc=0.5)
    assert house.gate(version).metrics["rows_failed"] == 1
    house.later(seconds=1)
    house.evidence(version, roc_auc=0.9)
    assert house.gate(version).metrics["passes"] == 1
    with house.platform.storage.reading() as tx:
        assert state_of(tx, tx.get(VERSIONS, version.id)).status == "validated"


@pytest.mark.parametrize("who", [DANA, OMAR], ids=["developer", "requester"])
def test_nobody_approves_what_they_built_or_asked_for(house: House, who: Any) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    approval = house.request(version)
    everything = who.model_copy(update={"roles": frozenset({"business_owner", "risk_officer", "validator", "administrator"})})
    with pytest.raises(Forbidden):
        house.approve(approval, everything)
    assert refusals(house)[-1].action == "governance.decide_approval"


def test_the_developer_does_not_ask_for_approval(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    with pytest.raises(Forbidden, match="separation"):
        house.do(DANA, RequestApproval(version=version.id, scope=house.scope()))


@pytest.mark.parametrize("kind", ["scan", "translation", "test_report", "comparison", "validation"])
def test_nobody_measures_what_they_built(house: House, kind: str) -> None:
    house.use_case()
    version = house.version()
    command = RecordEvidence(version=version.id, type=EvidenceType(kind), metrics={"dangers": 0.0, "checks_failed": 0.0})
    with_roles = DANA.model_copy(update={"roles": frozenset({"developer", "validator", "risk_officer"})})
    for who in (DANA, DAVE, with_roles):
        with pytest.raises(Forbidden, match=r"separation\.evidence"):
            house.do(who, command)
    assert house.do(VERA, command).type == kind
    assert house.do(DANA, RecordEvidence(version=version.id, type=EvidenceType.DOCUMENT, summary="model card")).id


def test_who_set_the_bar_does_not_take_it(house: House) -> None:
    house.use_case(tier="high")
    version = house.version()
    house.evidence(version)
    house.do(VERA, RecordEvidence(version=version.id, type=EvidenceType.VALIDATION, summary="challenged"))
    assert house.successor(who=DAVE).defined_by == DAVE.id
    house.gate(version)
    dave = DAVE.model_copy(update={"roles": frozenset({"developer", "business_owner"})})
    with pytest.raises(Forbidden, match=r"separation\.gate"):
        house.approve(house.request(version), dave)


def test_a_constant_answer_is_set_by_who_answers_for_the_decision(house: House) -> None:
    house.use_case()
    constant = {"probability": 0.0}
    with pytest.raises(Forbidden, match=r"separation\.constant"):
        house.do(OMAR, CreateEndpoint(name="credit", use_case="credit", constant=constant))
    made = house.do(OMAR, CreateEndpoint(name="credit", use_case="credit"))
    change = UpdateEndpoint(endpoint="credit", revision=made.revision, constant=constant)
    with pytest.raises(Forbidden, match=r"separation\.constant"):
        house.do(OMAR, change)
    with pytest.raises(InvalidInput, match="reason"):
        house.do(BEA, change, reason="")
    assert house.do(BEA, change).constant == constant


def test_the_quorum_of_a_high_tier_is_two_people(house: House) -> None:
    house.use_case(tier="high")
    version = house.version()
    house.evidence(version)
    house.do(VERA, RecordEvidence(version=version.id, type=EvidenceType.VALIDATION, summary="challenged"))
    house.gate(version)
    approval = house.request(version)
    assert house.approve(approval, BEA).status == "pending"
    with pytest.raises(AlreadyExists, match="decided"):
        house.approve(approval, BEA)
    with pytest.raises(NotApproved, match="pending"):
        house.do(OMAR, IssueRelease(approval=approval.id))
    assert house.approve(approval, VERA).status == "approved"
    assert house.do(OMAR, IssueRelease(approval=approval.id)).tier == "high"


def test_what_was_shown_is_what_is_approved(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    approval = house.request(version)
    with pytest.raises(Untrusted, match="shown"):
        house.do(BEA, DecideApproval(approval=approval.id, verdict="approved", comments="x", shown="sha256:" + "0" * 64))


def test_a_rejected_approval_stays_rejected(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    approval = house.request(version)
    assert house.approve(approval, verdict="rejected").status == "rejected"
    with pytest.raises(NotApproved):
        house.do(OMAR, IssueRelease(approval=approval.id))
    with pytest.raises(WrongState):
        house.approve(approval, RITA)


def test_an_expired_approval_neither_is_decided_nor_issues(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    waiting, decided = house.request(version, house.scope(greatest_share=0.5)), house.request(version)
    house.approve(decided)
    house.later(days=15)
    with pytest.raises(NotApproved, match="expired"):
        house.approve(waiting)
    with pytest.raises(NotApproved, match="expired"):
        house.do(OMAR, IssueRelease(approval=decided.id))


def test_an_approval_dies_when_what_it_was_bound_to_changes(house: House) -> None:
    house.use_case()
    version = house.version()
    house.evidence(version)
    house.gate(version)
    approval = house.approve(house.request(version))

    house.later(seconds=1)
    house.evidence(version, roc_auc=0.99)
    with pytest.raises(NotApproved, match="newer evidence"):
        house.do(OMAR, IssueRelease(approval=approval.id))
    house.gate(version)
    approval = house.approve(house.request(version))
    house.successor()
    with pytest.raises(NotApproved, match="successor"):
        house.do(OMAR, IssueRelease(approval=approval.id))

    house.gate(version)
    approval = house.approve(house.request(version))
    with house.platform.storage.reading() as tx:
        use_case = first(tx, USE_CASES, equals("name", "credit"))
    assert use_case is not None
    house.do(RITA, UpdateUseCase(use_case="credit", revision=use_case.revision, tier="high"))
    with pytest.raises(NotApproved, match="tier"):
        house.do(OMAR, IssueRelease(approval=approval.id))


@pytest.mark.parametrize(
    ("scope", "deployment", "clause"),
    [
        ({"endpoints": ("other",)}, {}, "endpoint"),
        ({"stage": "production", "roles": ("challenger",)}, {}, "role"),
        ({"greatest_share": 0.1}, {}, "share"),
    ],
)
def test_a_release_is_not_stretched(house: House, scope: dict[str, Any], deployment: dict[str, Any], clause: str) -> None:
    house.use_case()
    house.do(OMAR, CreateEndpoint(name="credit", use_case="credit"))
    release = house.release(house.version(), house.scope(**scope))
    with pytest.raises(NotApproved) as caught:
        house.deploy(release, **deployment)
    assert caught.value.field == clause
    assert allowed(house)["credit"] == []


def test_another_use_cases_endpoint_is_refused(house: House) -> None:
    house.use_case()
    house.use_case("fraud")
    house.do(OMAR, CreateEndpoint(name="fraud", use_case="fraud"))
    version = house.version()
    with pytest.raises(InvalidInput, match="serves use case"):
        house.release(version, house.scope("fraud"))
    release = house.do(OMAR, IssueRelease(approval=house.approve(house.request(version, house.scope(endpoints=("fraud",)))).id))
    with pytest.raises(NotApproved, match="use case"):
        house.deploy(release, "fraud")


def test_a_revoked_or_ended_release_does_not_serve(house: House) -> None:
    endpoint = house.serving()
    release = endpoint.arms[0].release
    house.do(RITA, RevokeRelease(release=release, cause="found a leak"))
    from modelyard.core.messages import SYSTEM
    from modelyard.delivery.commands import PublishRoutes

    house.do(SYSTEM, PublishRoutes())
    assert allowed(house)["credit"] == []
    with pytest.raises(WrongState, match="was revoked"):
        house.do(RITA, RevokeRelease(release=release, cause="again"))
    with pytest.raises(NotApproved, match="revoked"):
        house.do(OMAR, Deploy(endpoint="credit", release=release))


def test_a_release_that_has_ended_is_not_deployed(house: House) -> None:
    house.use_case()
    house.do(OMAR, CreateEndpoint(name="credit", use_case="credit"))
    release = house.release(house.version())
    house.later(days=366)
    with pytest.raises(NotApproved, match="ended"):
        house.deploy(release)


def test_a_lost_key_ends_what_it_signed(house: House) -> None:
    endpoint = house.serving()
    platform = house.platform
    lost = platform.keys.signer(Purpose.RELEASE).key_id
    house.do(RITA, RevokeKey(key_id=lost, cause="laptop stolen"))
    platform.keys.revoke(lost, house.clock.now())
    with platform.storage.reading() as tx:
        assert [r.id for r in every(tx, REVOCATIONS)] == [endpoint.arms[0].release]
    platform.keys.rotate(Purpose.RELEASE, house.clock.now())
    house.later(seconds=1)
    house.deploy(house.release(house.version(weights=(5.0, 0.0, 0.0))))
    assert allowed(house)["credit"] == [("v2", 1.0)]


def test_a_version_that_serves_is_not_retired(house: House) -> None:
    endpoint = house.serving()
    version = endpoint.arms[0].version
    with pytest.raises(WrongState, match="credit"):
        house.do(DANA, RetireVersion(version=version, reason="old"))
    house.do(OMAR, StopArm(endpoint="credit", arm="v1"))
    assert house.do(DANA, RetireVersion(version=version, reason="old")).status == "retired"


def test_every_refusal_is_in_the_audit_log(house: House) -> None:
    house.serving()
    before = len(refusals(house))
    for who, command in (
        (DANA, Deploy(endpoint="credit", release="rel_x")),
        (BEA, SetShares(endpoint="credit", shares={"v1": 1.0})),
        (OMAR, Promote(endpoint="credit", arm="v1")),
    ):
        with pytest.raises(Forbidden):
            house.do(who, command)
    found = refusals(house)[before:]
    assert [r.action for r in found] == ["delivery.deploy", "delivery.set_shares", "delivery.promote"]
    assert all(r.error_code == "forbidden" and r.policy_set.startswith("sha256:") for r in found)


def test_epochs_grow_by_one(house: House) -> None:
    house.serving()
    with house.platform.storage.reading() as tx:
        from modelyard.delivery.model import ROUTES

        epochs = [r.epoch for r in tx.find(ROUTES, Query(sort="epoch")).items]
    assert epochs == list(range(1, len(epochs) + 1))
