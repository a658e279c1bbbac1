"""Keys, trust roots, rotation, and the drill for a lost key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound, Untrusted, family
from modelyard.trust import (
    Ed25519Signer,
    PublicKey,
    Purpose,
    TrustRoot,
    TrustRoots,
    check_routes,
    countersign,
    sign_release,
    sign_routes,
    verify_release,
    verify_releases,
    verify_routes,
)
from modelyard.trust.errors import BadSignature, EarlyKey, ExpiredKey, Malformed, RevokedKey, UnknownKey
from modelyard.trust.statements import Arm, ArmRole, EndpointRoutes, Release, RouteSnapshot

Make = Callable[..., Any]
DAY = timedelta(days=1)


def test_the_key_id_is_sha256_of_the_der_public_key(signer: Ed25519Signer) -> None:
    der = load_pem_public_key(signer.public_key.pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert signer.key_id == signer.public_key.key_id == hashlib.sha256(der).hexdigest()


def test_keys_go_through_pem_and_back(signer: Ed25519Signer) -> None:
    again = Ed25519Signer.from_private_bytes(signer.private_pem())
    assert again.key_id == signer.key_id
    assert again.sign(b"x") == signer.sign(b"x")
    assert PublicKey.from_pem(signer.public_key.pem) == signer.public_key


def test_an_encrypted_key_opens_with_its_passphrase_only(signer: Ed25519Signer) -> None:
    key = load_pem_private_key(signer.private_pem(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open"))
    assert Ed25519Signer.from_private_bytes(locked, b"open").key_id == signer.key_id
    for passphrase in (None, b"wrong"):
        with pytest.raises(InvalidInput):
            Ed25519Signer.from_private_bytes(locked, passphrase)


def test_a_signer_never_shows_its_private_key(signer: Ed25519Signer) -> None:
    secret = bytes(range(32))
    assert repr(signer) == f"Ed25519Signer({signer.key_id[:16]})"
    assert secret.hex() not in repr(vars(signer))


def test_other_keys_and_noise_are_refused() -> None:
    elliptic = generate_private_key(SECP256R1())
    private = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for data in (private, b"", b"x" * 31, b"-----BEGIN PRIVATE KEY-----\n"):
        with pytest.raises(InvalidInput):
            Ed25519Signer.from_private_bytes(data)
    for text in (public, "", "-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(Malformed):
            PublicKey.from_pem(text)
    with pytest.raises(Malformed):
        PublicKey(b"short")


def test_every_reason_is_an_untrusted_with_a_code_of_its_own() -> None:
    reasons = Untrusted.__subclasses__()
    assert {reason.code for reason in reasons} >= {"unknown_key", "expired_key", "wrong_purpose", "bad_signature"}
    assert len({reason.code for reason in (Untrusted, *reasons)}) == len(reasons) + 1
    assert all(family()[reason.code] is reason and reason.status == 403 for reason in reasons)


def test_generated_keys_differ() -> None:
    assert Ed25519Signer.generate().key_id != Ed25519Signer.generate().key_id


def test_a_signature_of_another_length_is_bad(signer: Ed25519Signer) -> None:
    for signature in (b"", signer.sign(b"x")[:-1], signer.sign(b"x") + b"\0"):
        with pytest.raises(BadSignature):
            signer.public_key.verify(signature, b"x")


def test_trust_roots_go_through_json_and_back(roots: TrustRoots, other: Ed25519Signer, root_of: Make, now: datetime) -> None:
    more = roots.adding(root_of(other, Purpose.AUDIT)).revoking(other.key_id, now)
    assert TrustRoots.from_json(more.to_json()) == more
    assert json.loads(more.to_json())["version"] == 1


@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from(list(Purpose)), unique=True, min_size=1),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.booleans(),
)
def test_a_roots_file_without_endpoints_has_the_bytes_that_it_had(
    seed: bytes, purposes: list[Purpose], begin: datetime, revoked: bool
) -> None:
    """Written here field by field, as before keys had endpoints."""
    key = Ed25519Signer.from_private_bytes(seed).public_key
    roots = TrustRoots(roots=(TrustRoot.of(key, purposes, begin, begin + DAY),))
    roots = roots.revoking(key.key_id, begin) if revoked else roots
    first, last = (moment.isoformat().replace("+00:00", "Z") for moment in (begin, begin + DAY))
    root = {"key_id": key.key_id, "public_key": key.pem, "purposes": [purpose.value for purpose in purposes],
            "not_before": first, "not_after": last, "revoked_at": first if revoked else None}  # fmt: skip
    old = json.dumps({"version": 1, "roots": [root]}, indent=2).encode() + b"\n"
    assert roots.to_json() == old
    assert TrustRoots.from_json(old) == roots


def test_a_root_of_no_endpoints_is_written_as_ever(roots: TrustRoots, other: Ed25519Signer, now: datetime) -> None:
    assert b"endpoints" not in roots.to_json()
    assert roots == TrustRoots.from_json(roots.to_json())
    narrow = TrustRoot.of(other.public_key, (Purpose.ORDER,), now, now + timedelta(days=1), ("hold",))
    with_it = roots.adding(narrow)
    assert TrustRoots.from_json(with_it.to_json()) == with_it
    assert [root.covers("pay") for root in with_it.roots] == [True] * len(roots.roots) + [False]
    for wrong in ({"purposes": ["order", "release"]}, {"endpoints": [""]}):
        with pytest.raises(ValidationError):
            TrustRoot.model_validate(narrow.model_dump(mode="json") | wrong)


def test_a_trust_roots_file_that_was_tampered_with_is_malformed(roots: TrustRoots, other: Ed25519Signer) -> None:
    good = json.loads(roots.to_json())
    [root] = good["roots"]
    for bad in (
        good | {"version": 2},
        good | {"more": 1},
        good | {"roots": [root, root]},
        good | {"roots": [root | {"public_key": other.public_key.pem}]},
        good | {"roots": [root | {"key_id": other.key_id}]},
        good | {"roots": [root | {"public_key": "none"}]},
        good | {"roots": [root | {"purposes": []}]},
        good | {"roots": [root | {"purposes": ["everything"]}]},
        good | {"roots": [root | {"not_after": root["not_before"]}]},
        good | {"roots": [root | {"not_after": "2030-01-01T00:00:00"}]},
        good | {"roots": [{name: value for name, value in root.items() if name != "not_after"}]},
    ):
        with pytest.raises(Malformed):
            TrustRoots.from_json(json.dumps(bad).encode())


def test_lookups(roots: TrustRoots, signer: Ed25519Signer, other: Ed25519Signer, root_of: Make, now: datetime) -> None:
    both = roots.adding(root_of(other, Purpose.AUDIT))
    assert both.get(other.key_id).purposes == (Purpose.AUDIT,)
    assert both.find(signer.key_id[:8]).key_id == signer.key_id
    assert [root.key_id for root in both.usable(Purpose.AUDIT, now)] == [signer.key_id, other.key_id]
    assert [root.key_id for root in both.usable(Purpose.ROUTES, now)] == [signer.key_id]
    assert both.usable(Purpose.AUDIT, now + 1000 * DAY) == ()
    for beginning in ("", "zz"):
        with pytest.raises(NotFound):
            both.find(beginning)
    with pytest.raises(AlreadyExists):
        both.adding(root_of(other))
    for unknown in ("", other.key_id[:16]):
        with pytest.raises(UnknownKey):
            both.get(unknown)
    with pytest.raises(UnknownKey):
        roots.revoking(other.key_id, now)


def test_rotation_both_keys_verify_while_they_overlap(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, root_of: Make, release_with: Make, now: datetime
) -> None:
    rotated = roots.rotating(signer.key_id, root_of(other, begin=0, end=365), now + 7 * DAY)
    old = sign_release(release_with(), signer).envelope
    new = sign_release(release_with(), other).envelope
    for at in (now, now + 6 * DAY):
        assert verify_release(old, rotated, at).key_ids == (signer.key_id,)
        assert verify_release(new, rotated, at).key_ids == (other.key_id,)
    with pytest.raises(EarlyKey):
        verify_release(new, rotated, now - timedelta(seconds=1))
    with pytest.raises(ExpiredKey):
        verify_release(old, rotated, now + 7 * DAY)
    assert verify_release(new, rotated, now + 7 * DAY).until == release_with().until
    assert verify_release(countersign(old, other).envelope, rotated, now + 8 * DAY).key_ids == (other.key_id,)


def test_rotation_never_prolongs_a_key(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, root_of: Make, now: datetime
) -> None:
    before = roots.get(signer.key_id).not_after
    assert roots.rotating(signer.key_id, root_of(other), now + 900 * DAY).get(signer.key_id).not_after == before
    with pytest.raises(InvalidInput):
        roots.rotating(signer.key_id, root_of(other), now - 900 * DAY)


def test_a_release_serves_no_longer_than_its_key_is_trusted(
    signer: Ed25519Signer, root_of: Make, release_with: Make, now: datetime
) -> None:
    roots = TrustRoots(roots=(root_of(signer, end=3),))
    assert verify_release(sign_release(release_with(), signer).envelope, roots, now).until == now + 3 * DAY


def test_a_revoked_key_verifies_nothing_whatever_the_time(
    signer: Ed25519Signer, roots: TrustRoots, release_with: Make, now: datetime
) -> None:
    envelope = sign_release(release_with(), signer).envelope
    revoked = roots.revoking(signer.key_id, now)
    for at in (now - DAY / 2, now, now + DAY):
        with pytest.raises(RevokedKey):
            verify_release(envelope, revoked, at)
    assert revoked.usable(Purpose.RELEASE, now) == ()
    assert revoked.revoking(signer.key_id, now + DAY).get(signer.key_id).revoked_at == now


def test_drill_for_a_lost_key(
    signer: Ed25519Signer,
    other: Ed25519Signer,
    roots: TrustRoots,
    root_of: Callable[..., TrustRoot],
    release_with: Callable[..., Release],
    endpoint_with: Callable[..., EndpointRoutes],
    snapshot_of: Callable[..., RouteSnapshot],
    now: datetime,
) -> None:
    """docs/how-to/rotate-keys.md, step by step: the thief's documents die, ours live on under the same digests."""
    release = release_with()
    ours = sign_release(release, signer)
    stolen = sign_release(release_with(id="rel_evil", until=now + 99 * DAY), signer)
    arm = Arm(name="a", role=ArmRole.CHAMPION, release=ours.digest, manifest=release.manifest, share=1)
    evil = Arm(name="a", role=ArmRole.CHAMPION, release=stolen.digest, manifest=release.manifest, share=1)
    forged = sign_routes(snapshot_of(endpoint_with(evil), epoch=99), signer)

    after = roots.adding(root_of(other, begin=0, end=365)).revoking(signer.key_id, now)
    with pytest.raises(RevokedKey):
        verify_routes(forged.envelope, after, now)

    renewed = countersign(ours.envelope, other)
    routes = verify_routes(sign_routes(snapshot_of(endpoint_with(arm), epoch=6), other).envelope, after, now)
    check = check_routes(routes, verify_releases([renewed.envelope, stolen.envelope], after, now), 5, now)
    assert renewed.digest == ours.digest
    assert [allowed.arm for allowed in check.endpoints["credit-score"].arms] == [arm]
    assert check.refusals == ()

    lured = verify_routes(sign_routes(snapshot_of(endpoint_with(evil), epoch=7), other).envelope, after, now)
    check = check_routes(lured, verify_releases([renewed.envelope, stolen.envelope], after, now), 6, now)
    assert check.endpoints["credit-score"].arms == ()
    assert [refusal.code for refusal in check.refusals] == ["revoked_key"]
