"""Releases and routes: each clause of a release, each way to stretch or forge one, and what a runtime may act on."""

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

from modelyard.core.digests import digest, digest_of
from modelyard.core.errors import NotApproved, Untrusted
from modelyard.trust import (
    Ed25519Signer,
    Purpose,
    Releases,
    RoutesCheck,
    TrustRoots,
    VerifiedRelease,
    VerifiedRoutes,
    check_routes,
    permits,
    sign,
    sign_release,
    sign_routes,
    verify_release,
    verify_releases,
    verify_routes,
)
from modelyard.trust.errors import BadSignature, Malformed, OlderEpoch, UnknownKey, WrongPurpose, WrongStatement
from modelyard.trust.statements import (
    RELEASE_TYPE,
    ROUTES_TYPE,
    Arm,
    ArmRole,
    Constant,
    EndpointPolicy,
    EndpointRoutes,
    Release,
    RouteSnapshot,
    RoutingRule,
    Statement,
    Subject,
)

Make = Callable[..., Any]
DAY = timedelta(days=1)
CHAMPION, CHALLENGER, SHADOW, FALLBACK = ArmRole.CHAMPION, ArmRole.CHALLENGER, ArmRole.SHADOW, ArmRole.FALLBACK


class Yard:
    """A control plane that signs whatever a test wants, and a runtime that checks it."""

    def __init__(self, signer: Ed25519Signer, roots: TrustRoots, endpoint_with: Make, snapshot_of: Make, now: datetime):
        self.signer, self.roots, self.now = signer, roots, now
        self._endpoint_with, self._snapshot_of = endpoint_with, snapshot_of
        self.envelopes: list[bytes] = []

    def arm(self, on: Release, role: ArmRole = CHAMPION, share: float = 1.0, **changes: Any) -> Arm:
        """An arm on that release, which is signed and delivered."""
        signed = sign_release(on, self.signer)
        self.envelopes.append(signed.envelope)
        terms = {"name": role.value, "role": role, "share": share, "release": signed.digest, "manifest": on.manifest}
        return Arm(**(terms | changes))

    def routes(self, *endpoints: EndpointRoutes, **changes: Any) -> VerifiedRoutes:
        signed = sign_routes(self._snapshot_of(*endpoints, **changes), self.signer)
        return verify_routes(signed.envelope, self.roots, self.now)

    def releases(self, at: datetime | None = None) -> Releases:
        return verify_releases(self.envelopes, self.roots, at or self.now)

    def check(self, *arms: Arm, revoked: tuple[str, ...] = (), at: datetime | None = None, **endpoint: Any) -> RoutesCheck:
        routes = self.routes(self._endpoint_with(*arms, **endpoint), revoked=revoked)
        return check_routes(routes, self.releases(at), 0, at or self.now)


@pytest.fixture
def yard(signer: Ed25519Signer, roots: TrustRoots, endpoint_with: Make, snapshot_of: Make, now: datetime) -> Yard:
    return Yard(signer, roots, endpoint_with, snapshot_of, now)


@pytest.fixture
def verified(signer: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime) -> VerifiedRelease:
    return verify_release(sign_release(release_with(greatest_share=0.5), signer).envelope, roots, now)


def names(check: RoutesCheck, endpoint: str = "credit-score") -> list[str]:
    return [allowed.arm.name for allowed in check.endpoints[endpoint].arms]


def reasons(check: RoutesCheck) -> list[tuple[str | None, str, str | None]]:
    return [(refusal.arm, refusal.code, refusal.clause) for refusal in check.refusals]


# --- releases -------------------------------------------------------------------------------------------------------


def test_a_release_goes_through_its_envelope_and_back(
    signer: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime
) -> None:
    signed = sign_release(release_with(), signer)
    found = verify_release(signed.envelope, roots, now)
    assert (found.release, found.digest, found.key_ids) == (release_with(), signed.digest, (signer.key_id,))
    assert found.until == release_with().until


def test_a_release_counts_from_not_before_to_before_until(signer: Ed25519Signer, roots: TrustRoots, release_with: Make) -> None:
    release, moment = release_with(), timedelta(microseconds=1)
    envelope = sign_release(release, signer).envelope
    assert verify_release(envelope, roots, release.not_before).release == release
    assert verify_release(envelope, roots, release.until - moment).release == release
    for at, clause in ((release.not_before - moment, "not_before"), (release.until, "until")):
        with pytest.raises(NotApproved) as refused:
            verify_release(envelope, roots, at)
        assert refused.value.field == clause


def test_a_release_that_ends_before_it_begins_cannot_be_made(release_with: Make, now: datetime) -> None:
    with pytest.raises(ValidationError):
        release_with(until=now - 2 * DAY)
    with pytest.raises(ValidationError):
        release_with(until=(now + DAY).replace(tzinfo=None))


def test_a_genuine_statement_of_another_sort_is_no_release(
    signer: Ed25519Signer, roots: TrustRoots, release_with: Make, snapshot_of: Make, now: datetime
) -> None:
    with pytest.raises(WrongStatement):
        verify_release(sign_routes(snapshot_of(), signer).envelope, roots, now)
    with pytest.raises(WrongStatement):
        verify_routes(sign_release(release_with(), signer).envelope, roots, now)


@pytest.mark.parametrize(
    "subjects",
    [
        (),
        (Subject(name="x", digest={"sha256": "00" * 32}),),
        (Subject(name="x", digest={"sha512": digest(b"manifest")[7:]}),),
        (Subject(name="x", digest={"sha256": digest(b"manifest")[7:]}),) * 2,
    ],
)
def test_a_release_about_another_subject_is_refused(
    subjects: tuple[Subject, ...], signer: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime
) -> None:
    statement = Statement(subject=subjects, predicate_type=RELEASE_TYPE, predicate=release_with().model_dump(mode="json"))
    with pytest.raises(WrongStatement):
        verify_release(sign(statement, signer).envelope, roots, now)


@pytest.mark.parametrize(
    "change",
    [
        {"greatest_share": 1.5},
        {"greatest_share": "0.5"},
        {"roles": ["king"]},
        {"roles": []},
        {"endpoints": []},
        {"manifest": "sha256:no"},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2030-01-01T00:00:00"},
        {"more": 1},
        {"id": None},
    ],
)
def test_a_signed_release_with_impossible_terms_is_malformed(
    change: dict[str, Any], signer: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime
) -> None:
    subject = Subject(name="x", digest={"sha256": release_with().manifest[7:]})
    predicate = release_with().model_dump(mode="json") | change
    statement = Statement(subject=(subject,), predicate_type=RELEASE_TYPE, predicate=predicate)
    with pytest.raises(Malformed):
        verify_release(sign(statement, signer).envelope, roots, now)


PERMITTED = {
    "endpoint": "credit-score",
    "use_case": "credit",
    "stage": "production",
    "role": CHAMPION,
    "share": 0.5,
}


def test_a_release_permits_what_it_says(verified: VerifiedRelease, now: datetime) -> None:
    for change in ({}, {"endpoint": "credit-batch"}, {"role": SHADOW}, {"share": 0.0}):
        assert permits(verified, **(PERMITTED | change), at=now) is None


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"endpoint": "fraud-score"}, "endpoint"),
        ({"endpoint": "credit-score "}, "endpoint"),
        ({"use_case": "fraud"}, "use_case"),
        ({"stage": "validation"}, "stage"),
        ({"role": CHALLENGER}, "role"),
        ({"share": 0.51}, "share"),
        ({"share": float("nan")}, "share"),
        ({"days": -2}, "not_before"),
        ({"days": 30}, "until"),
    ],
)
def test_each_clause_is_enforced_and_named(change: dict[str, Any], clause: str, verified: VerifiedRelease, now: datetime) -> None:
    at = now + change.pop("days", 0) * DAY
    with pytest.raises(NotApproved) as refused:
        permits(verified, **(PERMITTED | change), at=at)
    assert refused.value.field == clause


def test_a_revoked_release_permits_nothing(verified: VerifiedRelease, now: datetime) -> None:
    with pytest.raises(NotApproved) as refused:
        permits(verified, **PERMITTED, at=now, revoked=(verified.digest,))
    assert refused.value.field == "revoked"
    assert permits(verified, **PERMITTED, at=now, revoked=(digest(b"another"),)) is None


def test_releases_that_do_not_verify_keep_their_reason_and_spoil_no_other(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime
) -> None:
    good, forged = sign_release(release_with(), signer), sign_release(release_with(id="forged"), other)
    ended = sign_release(release_with(id="ended", until=now), signer)
    copy = json.loads(good.envelope)
    copy["signatures"][0]["sig"] = json.loads(forged.envelope)["signatures"][0]["sig"]
    envelopes = [json.dumps(copy).encode(), b"noise", good.envelope, forged.envelope, ended.envelope]
    releases = verify_releases(envelopes, roots, now)
    assert releases.get(good.digest).release.id == "rel_1"
    with pytest.raises(UnknownKey):
        releases.get(forged.digest)
    with pytest.raises(NotApproved, match="ended at"):
        releases.get(ended.digest)
    with pytest.raises(Malformed):
        releases.get(digest(b"noise"))
    with pytest.raises(NotApproved, match="no release"):
        releases.get(digest(b"never seen"))


# --- snapshots ------------------------------------------------------------------------------------------------------


def test_a_snapshot_goes_through_its_envelope_and_back(yard: Yard, release_with: Make, endpoint_with: Make) -> None:
    endpoint = endpoint_with(yard.arm(release_with()), constant=Constant(outputs={"score": 0.5}))
    routes = yard.routes(endpoint, revoked=(digest(b"x"),))
    assert routes.snapshot.endpoints == (endpoint,)
    assert routes.snapshot.revoked == (digest(b"x"),)
    assert routes.key_ids == (yard.signer.key_id,)


def test_a_key_for_releases_cannot_sign_routes(signer: Ed25519Signer, root_of: Make, snapshot_of: Make, now: datetime) -> None:
    roots = TrustRoots(roots=(root_of(signer, Purpose.RELEASE, Purpose.AUDIT),))
    with pytest.raises(WrongPurpose):
        verify_routes(sign_routes(snapshot_of(), signer).envelope, roots, now)


def test_an_edited_snapshot_is_a_bad_signature(
    signer: Ed25519Signer, roots: TrustRoots, snapshot_of: Make, now: datetime
) -> None:
    signed = json.loads(sign_routes(snapshot_of(epoch=5), signer).envelope)
    edited = json.loads(sign_routes(snapshot_of(epoch=6), signer).envelope)
    with pytest.raises(BadSignature):
        verify_routes(json.dumps(signed | {"payload": edited["payload"]}).encode(), roots, now)


def test_a_swapped_trust_root_does_not_verify(
    signer: Ed25519Signer, other: Ed25519Signer, root_of: Make, snapshot_of: Make, now: datetime
) -> None:
    with pytest.raises(UnknownKey):
        verify_routes(sign_routes(snapshot_of(), signer).envelope, TrustRoots(roots=(root_of(other),)), now)


def test_a_snapshot_from_the_future_is_refused(
    signer: Ed25519Signer, roots: TrustRoots, snapshot_of: Make, now: datetime
) -> None:
    soon = sign_routes(snapshot_of(issued_at=now + timedelta(minutes=5)), signer).envelope
    late = sign_routes(snapshot_of(issued_at=now + timedelta(minutes=6)), signer).envelope
    assert verify_routes(soon, roots, now).snapshot.epoch == 5
    with pytest.raises(WrongStatement):
        verify_routes(late, roots, now)


def test_a_snapshot_about_another_subject_is_refused(
    signer: Ed25519Signer, roots: TrustRoots, snapshot_of: Make, now: datetime
) -> None:
    predicate = snapshot_of().model_dump(mode="json")
    for name, of in (("routes/default/4", predicate), ("routes/default/5", predicate | {"epoch": 4})):
        subject = Subject(name=name, digest={"sha256": digest_of(of)[7:]})
        statement = Statement(subject=(subject,), predicate_type=ROUTES_TYPE, predicate=predicate)
        with pytest.raises(WrongStatement):
            verify_routes(sign(statement, signer).envelope, roots, now)


def test_an_endpoint_listed_twice_is_refused(yard: Yard, endpoint_with: Make) -> None:
    with pytest.raises(WrongStatement):
        yard.routes(endpoint_with(), endpoint_with())


def test_older_epochs_are_untrusted_as_a_whole(yard: Yard, release_with: Make, endpoint_with: Make) -> None:
    routes = yard.routes(endpoint_with(yard.arm(release_with())), epoch=5)
    for seen in (0, 4, 5):
        assert check_routes(routes, yard.releases(), seen, yard.now).epoch == 5
    with pytest.raises(OlderEpoch) as refused:
        check_routes(routes, yard.releases(), 6, yard.now)
    assert isinstance(refused.value, Untrusted)


def test_two_snapshots_of_one_epoch_are_told_apart(yard: Yard, endpoint_with: Make) -> None:
    first, second = yard.routes(endpoint_with(), epoch=5), yard.routes(epoch=5)
    assert check_routes(first, Releases(), 5, yard.now, seen_digest=first.digest).digest == first.digest
    with pytest.raises(OlderEpoch, match="another snapshot"):
        check_routes(second, Releases(), 5, yard.now, seen_digest=first.digest)


# --- what may serve -------------------------------------------------------------------------------------------------


def test_all_that_is_released_may_serve(yard: Yard, release_with: Make) -> None:
    champion, shadow = release_with(), release_with(id="rel_2")
    challenger = release_with(id="rel_3", roles=(CHALLENGER,), greatest_share=0.2, until=yard.now + 2 * DAY)
    check = yard.check(
        yard.arm(champion, CHAMPION, 0.8),
        yard.arm(challenger, CHALLENGER, 0.2),
        yard.arm(shadow, SHADOW, 1.0),
        yard.arm(champion, FALLBACK, 0.0),
    )
    assert names(check) == ["champion", "challenger", "shadow", "fallback"]
    assert check.refusals == ()
    assert check.endpoints["credit-score"].arms[1].until == yard.now + 2 * DAY
    assert [allowed.arm.name for allowed in check.endpoints["credit-score"].fallbacks] == ["fallback"]


def test_an_arm_without_release_is_refused_and_the_others_keep_their_shares(yard: Yard, release_with: Make) -> None:
    stranger = yard.arm(release_with(), CHALLENGER, 0.3, release=digest(b"nothing"))
    check = yard.check(yard.arm(release_with(), CHAMPION, 0.7), stranger)
    assert names(check) == ["champion"]
    assert check.endpoints["credit-score"].arms[0].arm.share == 0.7
    assert reasons(check) == [("challenger", "not_approved", "release")]


def test_an_unsigned_fallback_is_refused(yard: Yard, release_with: Make) -> None:
    check = yard.check(yard.arm(release_with()), yard.arm(release_with(), FALLBACK, 0, release=digest(b"unsigned")))
    assert names(check) == ["champion"]
    assert check.endpoints["credit-score"].fallbacks == ()
    assert reasons(check) == [("fallback", "not_approved", "release")]


def test_a_forged_release_is_refused_with_its_reason(yard: Yard, other: Ed25519Signer, release_with: Make) -> None:
    forged = sign_release(release_with(id="forged"), other)
    yard.envelopes.append(forged.envelope)
    check = yard.check(yard.arm(release_with(), release=forged.digest))
    assert names(check) == []
    assert reasons(check) == [("champion", "unknown_key", "signatures")]


@pytest.mark.parametrize(
    ("terms", "arm", "clause"),
    [
        ({"endpoints": ("credit-batch",)}, {}, "endpoint"),
        ({"use_case": "fraud"}, {}, "use_case"),
        ({"stage": "validation"}, {}, "stage"),
        ({"roles": (SHADOW,)}, {}, "role"),
        ({"greatest_share": 0.9}, {}, "share"),
        ({"organisation": "another"}, {}, "organisation"),
        ({}, {"manifest": digest(b"swapped")}, "manifest"),
    ],
)
def test_an_arm_beyond_its_release_is_refused(
    terms: dict[str, Any], arm: dict[str, Any], clause: str, yard: Yard, release_with: Make
) -> None:
    check = yard.check(yard.arm(release_with(**terms), **arm))
    assert names(check) == []
    assert reasons(check) == [("champion", "not_approved", clause)]


def test_an_expired_or_early_release_is_refused(yard: Yard, release_with: Make) -> None:
    arm = yard.arm(release_with())
    assert reasons(yard.check(arm, at=yard.now + 30 * DAY)) == [("champion", "not_approved", "until")]
    assert reasons(yard.check(arm, at=yard.now - 2 * DAY)) == [("champion", "not_approved", "not_before")]


def test_a_release_that_ends_after_it_was_verified_is_refused_all_the_same(
    yard: Yard, release_with: Make, endpoint_with: Make
) -> None:
    routes, releases = yard.routes(endpoint_with(yard.arm(release_with()))), yard.releases()
    assert names(check_routes(routes, releases, 0, yard.now)) == ["champion"]
    assert reasons(check_routes(routes, releases, 0, yard.now + 30 * DAY)) == [("champion", "not_approved", "until")]


def test_a_revoked_release_is_refused(yard: Yard, release_with: Make) -> None:
    arm = yard.arm(release_with())
    check = yard.check(arm, revoked=(arm.release,))
    assert names(check) == []
    assert reasons(check) == [("champion", "not_approved", "revoked")]


def test_a_release_cannot_be_stretched_by_listing_it_twice(yard: Yard, release_with: Make) -> None:
    half = release_with(greatest_share=0.5, roles=(CHAMPION, CHALLENGER))
    check = yard.check(yard.arm(half, CHAMPION, 0.5), yard.arm(half, CHALLENGER, 0.5))
    assert names(check) == []
    assert {refusal.clause for refusal in check.refusals} == {"share"}


@pytest.mark.parametrize("shares", [(0.5, 0.4), (0.6, 0.5), (0.0, 0.0), (1.0, 1.0)])
def test_shares_that_do_not_add_up_refuse_the_endpoint(shares: tuple[float, float], yard: Yard, release_with: Make) -> None:
    release = release_with(roles=(CHAMPION, CHALLENGER))
    check = yard.check(yard.arm(release, CHAMPION, shares[0]), yard.arm(release, CHALLENGER, shares[1]))
    assert check.endpoints == {}
    assert reasons(check) == [(None, "not_approved", "shares")]


@given(weights=st.lists(st.integers(1, 1000), min_size=1, max_size=9))
def test_shares_made_by_division_add_up(weights: list[int], endpoint_with: Make, snapshot_of: Make, now: datetime) -> None:
    arms = [
        Arm(name=f"{n}", role=CHALLENGER, release=digest(b"r"), manifest=digest(b"m"), share=weight / sum(weights))
        for n, weight in enumerate(weights)
    ]
    routes = VerifiedRoutes(snapshot_of(endpoint_with(*arms)), digest(b"s"), (), now)
    assert all(refusal.clause != "shares" for refusal in check_routes(routes, Releases(), 0, now).refusals)


def test_two_arms_of_one_name_or_two_champions_refuse_the_endpoint(yard: Yard, release_with: Make) -> None:
    release = release_with(roles=(CHAMPION, CHALLENGER))
    champions = [yard.arm(release, CHAMPION, 0.5, name=name) for name in ("a", "b")]
    namesake = yard.arm(release, CHALLENGER, 0.5, name="a")
    for arms in (champions, (champions[0], namesake)):
        check = yard.check(*arms)
        assert check.endpoints == {}
        assert reasons(check) == [(None, "not_approved", "arms")]


def test_what_is_mirrored_to_a_shadow_does_not_count_as_traffic(yard: Yard, release_with: Make) -> None:
    half = release_with(greatest_share=0.5)
    check = yard.check(
        yard.arm(half, CHAMPION, 0.5),
        yard.arm(half, SHADOW, 0.5),
        yard.arm(release_with(id="rel_2", roles=(CHALLENGER,)), CHALLENGER, 0.5),
    )
    assert names(check) == ["champion", "shadow", "challenger"]


def test_an_endpoint_may_live_on_its_fallbacks_alone(yard: Yard, release_with: Make) -> None:
    check = yard.check(yard.arm(release_with(), FALLBACK, 0.0), constant=Constant(outputs={"score": 0}))
    assert names(check) == ["fallback"]
    assert check.endpoints["credit-score"].routes.constant == Constant(outputs={"score": 0})
    assert yard.check().refusals == ()


def test_one_bad_endpoint_does_not_take_down_another(yard: Yard, release_with: Make, endpoint_with: Make) -> None:
    good = endpoint_with(yard.arm(release_with()), name="credit-batch")
    bad = endpoint_with(yard.arm(release_with(), share=0.4))
    check = check_routes(yard.routes(bad, good), yard.releases(), 0, yard.now)
    assert list(check.endpoints) == ["credit-batch"]
    assert [(refusal.endpoint, refusal.clause) for refusal in check.refusals] == [("credit-score", "shares")]


def test_an_arm_stops_when_the_trust_in_the_routes_ends(
    signer: Ed25519Signer,
    other: Ed25519Signer,
    root_of: Make,
    endpoint_with: Make,
    snapshot_of: Make,
    release_with: Make,
    now: datetime,
) -> None:
    roots = TrustRoots(roots=(root_of(signer, Purpose.RELEASE), root_of(other, Purpose.ROUTES, end=1)))
    release = release_with()
    signed = sign_release(release, signer)
    arm = Arm(name="a", role=CHAMPION, release=signed.digest, manifest=release.manifest, share=1)
    routes = verify_routes(sign_routes(snapshot_of(endpoint_with(arm)), other).envelope, roots, now)
    check = check_routes(routes, verify_releases([signed.envelope], roots, now), 0, now)
    assert check.endpoints["credit-score"].arms[0].until == now + DAY


def test_an_arm_that_a_rule_names_must_be_permitted_the_whole(yard: Yard, release_with: Make) -> None:
    """A rule may send it every request, so a release up to a share is no release for that."""
    champion = yard.arm(release_with(), share=0.95)
    canary = yard.arm(release_with(id="rel_2", roles=(CHALLENGER,), greatest_share=0.05), CHALLENGER, 0.05)
    policy = EndpointPolicy(rules=(RoutingRule(when="amount > 1000", arm="challenger"),))
    check = yard.check(champion, canary, policy=policy)
    assert names(check) == ["champion"]
    assert reasons(check) == [("challenger", "not_approved", "share")]
    assert names(yard.check(champion, canary)) == ["champion", "challenger"]
    back = EndpointPolicy(rules=(RoutingRule(when="amount > 1000", arm="champion"), RoutingRule(when="true", arm="gone")))
    assert names(yard.check(champion, canary, policy=back)) == ["champion", "challenger"]


def test_statements_are_the_published_json(signer: Ed25519Signer, release_with: Make, snapshot_of: Make) -> None:
    """The names that others' tools read; a change here is a change of the predicate types."""
    release = json.loads(base64.b64decode(json.loads(sign_release(release_with(), signer).envelope)["payload"]))
    assert release["predicateType"] == "https://modelyard.dev/statements/release/v1"
    assert release["subject"] == [{"name": "credit-risk@7", "digest": {"sha256": digest(b"manifest")[7:]}}]
    assert release["predicate"]["until"] == "2026-03-31T12:00:00Z"
    assert set(release["predicate"]) == set(Release.model_fields) - {"network"}  # a grant that is not given is not written
    routes = json.loads(base64.b64decode(json.loads(sign_routes(snapshot_of(), signer).envelope)["payload"]))
    assert routes["subject"][0]["name"] == "routes/default/5"
    assert set(routes["predicate"]) == set(RouteSnapshot.model_fields) - {"settled"}  # nor what is empty
