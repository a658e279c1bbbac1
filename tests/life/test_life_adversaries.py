"""Ways around the path from evidence to service, each of which must be closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from modelyard.catalog.commands import RetireVersion
from modelyard.core.errors import NotApproved, Untrusted, WrongState
from modelyard.core.messages import AUDIT, SYSTEM
from modelyard.core.records import equals, every
from modelyard.delivery.commands import Promote, PublishRoutes, Rollback, SetShares, StopArm
from modelyard.delivery.model import ENDPOINTS
from modelyard.delivery.service import latest_routes
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import EvidenceType
from modelyard.governance.releases.commands import IssueRelease, RecordRefusals, RevokeRelease, RuntimeRefusal
from modelyard.governance.releases.model import RELEASES, REVOCATIONS, Revocation
from modelyard.trust import verify_routes
from modelyard.trust.statements import Stale
from tests.life.conftest import BEA, DANA, OMAR, RITA, VERA, House


def ready(house: House, **metrics: float) -> Any:
    """A version that passed its gate."""
    house.use_case()
    version = house.version()
    house.evidence(version, **metrics)
    house.gate(version)
    return version


def test_a_dry_run_gives_nothing_signed_away(house: House) -> None:
    approval = house.approve(house.request(ready(house)))
    assert house.do(OMAR, IssueRelease(approval=approval.id), dry_run=True).envelope == ""
    assert house.do(SYSTEM, PublishRoutes(), dry_run=True).envelope == ""
    assert house.do(OMAR, IssueRelease(approval=approval.id)).envelope
    assert house.do(SYSTEM, PublishRoutes()).envelope


def published(house: House) -> dict[str, Any]:
    """The endpoints of the newest signed snapshot."""
    with house.platform.storage.reading() as tx:
        newest = latest_routes(tx, "default")
    assert newest is not None
    routes = verify_routes(newest.envelope.encode(), house.platform.keys.roots(), house.clock.now())
    return {e.name: e for e in routes.snapshot.endpoints}


def arms(house: House) -> list[tuple[str, str, float]]:
    """What the newest signed snapshot says of the endpoint."""
    return [(a.name, a.role.value, a.share) for a in published(house)["credit"].arms]


def test_a_rollback_leaves_nothing_to_what_is_rolled_back(house: House) -> None:
    house.serving()
    second = house.release(house.version(weights=(2.0, 0.0, 0.0)))
    house.deploy(second, role="challenger", share=0.5)
    house.do(BEA, Promote(endpoint="credit", arm="v2"))
    house.do(RITA, RevokeRelease(release=second.id, cause="it is wrong"))
    house.do(OMAR, Rollback(endpoint="credit"))
    assert arms(house) == [("v1", "champion", 1.0)]


def test_ended_releases_keep_nobody_from_stopping_an_arm(house: House) -> None:
    house.serving()
    second, third = (house.release(house.version(weights=(w, 0.0, 0.0))) for w in (2.0, 3.0))
    house.deploy(second, role="shadow", share=0.1)
    house.deploy(third, role="fallback")
    for release in (second, third):
        house.do(RITA, RevokeRelease(release=release.id, cause="it is wrong"))
    with pytest.raises(NotApproved, match="revoked"):
        house.deploy(second, role="shadow", share=0.2)
    house.do(OMAR, StopArm(endpoint="credit", arm="v1"))
    house.do(OMAR, StopArm(endpoint="credit", arm="v3"))
    assert arms(house) == [("v2", "shadow", 0.1)]


def test_a_new_arm_does_not_take_the_champions_place_by_its_name(house: House) -> None:
    release = house.serving().arms[0].release
    with house.platform.storage.reading() as tx:
        kept = tx.get(RELEASES, release)
    with pytest.raises(WrongState, match="v1 is the champion"):
        house.deploy(kept, role="fallback")
    assert arms(house) == [("v1", "champion", 1.0)]


def test_a_retired_version_does_not_come_back(house: House) -> None:
    endpoint = house.serving()
    first = endpoint.arms[0]
    with house.platform.storage.reading() as tx:
        release = tx.get(RELEASES, first.release)
    house.deploy(house.release(house.version(weights=(2.0, 0.0, 0.0))))
    house.do(DANA, RetireVersion(version=first.version, reason="old"))
    for attempt in (lambda: house.do(OMAR, Rollback(endpoint="credit")), lambda: house.deploy(release)):
        with pytest.raises(NotApproved, match="retired"):
            attempt()
    assert arms(house) == [("v2", "champion", 1.0)]


def test_a_revocation_holds_for_the_arm_whatever_the_release_row_says(house: House) -> None:
    arm = house.serving().arms[0]
    edited = Revocation(
        id=arm.release, created_at=house.clock.now(), payload="sha256:" + "0" * 64, cause="the row was edited", revoked_by="x"
    )
    with house.platform.storage.transaction() as tx:
        tx.add(REVOCATIONS, edited)
    house.do(SYSTEM, PublishRoutes())
    with house.platform.storage.reading() as tx:
        newest = latest_routes(tx, "default")
    assert newest is not None
    routes = verify_routes(newest.envelope.encode(), house.platform.keys.roots(), house.clock.now())
    assert set(routes.snapshot.revoked) == {arm.payload, edited.payload}


def test_evidence_that_ended_carries_no_approval_and_no_release(house: House) -> None:
    house.use_case(tier="high")
    version = house.version()
    house.evidence(version)
    ends = house.clock.now() + timedelta(days=2)
    house.do(VERA, RecordEvidence(version=version.id, type=EvidenceType.VALIDATION, valid_until=ends))
    house.gate(version)
    decided, waiting = (house.request(version, house.scope(greatest_share=share)) for share in (1.0, 0.5))
    house.approve(house.approve(decided, BEA), VERA)
    house.later(days=3)
    with pytest.raises(NotApproved, match="was valid until"):
        house.do(OMAR, IssueRelease(approval=decided.id))
    with pytest.raises(NotApproved, match="was valid until"):
        house.approve(waiting, BEA)
    with pytest.raises(NotApproved, match="ended since"):
        house.request(version)
    assert house.gate(version).metrics["rows_failed"] == 1


def test_times_without_a_zone_are_refused_before_they_are_kept() -> None:
    zoneless = datetime(2026, 6, 1)  # noqa: DTZ001 -- what is refused
    with pytest.raises(ValidationError, match="timezone"):
        RecordEvidence(version="x@1", type=EvidenceType.VALIDATION, valid_until=zoneless)
    with pytest.raises(ValidationError, match="timezone"):
        IssueRelease(approval="apr_1", until=zoneless)


def test_a_gates_successor_holds_when_the_clock_steps_back(house: House) -> None:
    version = ready(house)
    house.clock.advance(timedelta(hours=-1))
    numbers = [house.successor().number for _ in range(2)]
    assert numbers == [2, 3]
    with pytest.raises(NotApproved, match="gate or the tier has changed"):
        house.request(version)
    assert house.gate(version).facts["number"] == 3


def test_a_refusal_is_recorded_under_who_brought_it(house: House) -> None:
    told = RuntimeRefusal(id="ref_1", at=house.clock.now(), runtime=BEA.id, code="untrusted", detail="not signed")
    house.do(OMAR, RecordRefusals(refusals=(told,)))
    with house.platform.storage.reading() as tx:
        (record,) = every(tx, AUDIT, equals("action", "runtime.serve"))
    assert (record.actor, record.refused_elsewhere) == (OMAR.id, BEA.id)


def test_an_edited_endpoint_is_not_signed_not_changed_and_told_once(house: House) -> None:
    endpoint = house.serving()
    refused = (equals("outcome", "refused"), equals("subject_id", "credit"))
    edited = {"constant": {"probability": 0.99}, "stale": Stale.SERVE, "greatest_age": 1e8}
    with house.platform.storage.transaction() as tx:
        tx.save(ENDPOINTS, tx.get(ENDPOINTS, endpoint.id).model_copy(update=edited))
    for _ in range(2):
        house.do(SYSTEM, PublishRoutes())
        assert published(house) == {}
    with house.platform.storage.reading() as tx:
        (record,) = every(tx, AUDIT, *refused)
    assert "not as the audit log left it" in str(record.error_detail)
    with pytest.raises(Untrusted, match="audit log"):
        house.do(OMAR, StopArm(endpoint="credit", arm="v1"))


def test_an_endpoint_stays_genuine_through_many_changes_and_a_clock_that_steps_back(house: House) -> None:
    house.serving()
    house.deploy(house.release(house.version(weights=(2.0, 0.0, 0.0))), role="challenger", share=0.1)
    house.later(days=1)
    for number in range(8):
        house.clock.advance(timedelta(hours=-1))
        house.do(OMAR, SetShares(endpoint="credit", shares={"v1": 0.9 - number / 20, "v2": 0.1 + number / 20}))
    house.do(SYSTEM, PublishRoutes())
    assert [name for name, _, _ in arms(house)] == ["v1", "v2"]
