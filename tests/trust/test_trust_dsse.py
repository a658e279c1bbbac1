"""Envelopes: the specification's encoding, strict reading, and each reason not to trust one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.trust import (
    Ed25519Signer,
    Purpose,
    TrustRoot,
    TrustRoots,
    countersign,
    sign,
    statement_digest,
    verify,
)
from modelyard.trust.dsse import GREATEST_ENVELOPE, MOST_SIGNATURES, PAYLOAD_TYPE, pae
from modelyard.trust.errors import BadSignature, EarlyKey, ExpiredKey, Malformed, UnknownKey, WrongPurpose
from modelyard.trust.statements import Statement, Subject

STATEMENT = Statement(
    subject=(Subject(name="thing", digest={"sha256": "00" * 32}),),
    predicate_type="https://example.com/thing/v1",
    predicate={"grüße": [1, 0.5, None, True]},
)


def edited(envelope: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(envelope) | changes).encode()


def test_pae_is_the_specifications_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")


def test_pae_counts_bytes_not_characters() -> None:
    assert pae("ü", "é".encode()) == b"DSSEv1 2 \xc3\xbc 2 \xc3\xa9"


@given(st.text(max_size=9), st.binary(max_size=9), st.text(max_size=9), st.binary(max_size=9))
def test_pae_is_unambiguous(kind: str, payload: bytes, other_kind: str, other_payload: bytes) -> None:
    same = (kind, payload) == (other_kind, other_payload)
    assert (pae(kind, payload) == pae(other_kind, other_payload)) is same


def test_rfc_8032_vector_signs_as_published() -> None:
    signer = Ed25519Signer.from_private_bytes(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert signer.public_key.raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert signer.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_an_envelope_verifies_with_nothing_but_json_and_ed25519(signer: Ed25519Signer) -> None:
    """As another tool would do it."""
    envelope = json.loads(sign(STATEMENT, signer).envelope)
    payload = base64.b64decode(envelope["payload"], validate=True)
    assert envelope["payloadType"] == PAYLOAD_TYPE == "application/vnd.in-toto+json"
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    assert set(json.loads(payload)) == {"_type", "subject", "predicateType", "predicate"}
    [signature] = envelope["signatures"]
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    Ed25519PublicKey.from_public_bytes(signer.public_key.raw).verify(base64.b64decode(signature["sig"]), message)
    assert signature["keyid"] == signer.key_id


def test_round_trip(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    signed = sign(STATEMENT, signer)
    verified = verify(signed.envelope, roots, Purpose.RELEASE, now)
    assert verified.statement == STATEMENT
    assert verified.digest == signed.digest == statement_digest(signed.envelope)
    assert verified.key_ids == (signer.key_id,)
    assert verified.trusted_until == roots.get(signer.key_id).not_after


def test_foreign_formatting_of_the_payload_is_kept_as_received(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    payload = json.dumps(STATEMENT.model_dump(by_alias=True, mode="json"), indent=3).encode()
    envelope = {
        "signatures": [{"sig": base64.urlsafe_b64encode(signer.sign(pae(PAYLOAD_TYPE, payload))).decode()}],
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.urlsafe_b64encode(payload).decode(),
    }
    verified = verify(json.dumps(envelope).encode(), roots, Purpose.ROUTES, now)
    assert verified.digest == digest(payload)
    assert verified.statement == STATEMENT
    assert verified.key_ids == (signer.key_id,)


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_changed_payload_byte_is_a_bad_signature(signer: Ed25519Signer, roots: TrustRoots, now: datetime, at: int) -> None:
    envelope = sign(STATEMENT, signer).envelope
    payload = bytearray(base64.b64decode(json.loads(envelope)["payload"]))
    payload[at] ^= 1
    with pytest.raises(BadSignature):
        verify(edited(envelope, payload=base64.b64encode(payload).decode()), roots, Purpose.RELEASE, now)


def test_a_signature_by_another_key_under_this_key_id_is_bad(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    forged = json.loads(sign(STATEMENT, other).envelope)
    forged["signatures"][0]["keyid"] = signer.key_id
    with pytest.raises(BadSignature):
        verify(json.dumps(forged).encode(), roots, Purpose.RELEASE, now)


def test_a_stranger_is_an_unknown_key(other: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    envelope = sign(STATEMENT, other).envelope
    with pytest.raises(UnknownKey):
        verify(envelope, roots, Purpose.RELEASE, now)
    nameless = json.loads(envelope)
    del nameless["signatures"][0]["keyid"]
    with pytest.raises(UnknownKey):
        verify(json.dumps(nameless).encode(), roots, Purpose.RELEASE, now)


def test_a_key_for_something_else_is_the_wrong_purpose(
    signer: Ed25519Signer, root_of: Callable[..., TrustRoot], now: datetime
) -> None:
    roots = TrustRoots(roots=(root_of(signer, Purpose.AUDIT, Purpose.ROUTES),))
    with pytest.raises(WrongPurpose, match="audit, routes, not release"):
        verify(sign(STATEMENT, signer).envelope, roots, Purpose.RELEASE, now)


def test_a_key_counts_from_its_first_moment_to_before_its_last(signer: Ed25519Signer, roots: TrustRoots) -> None:
    envelope, root = sign(STATEMENT, signer).envelope, roots.get(signer.key_id)
    moment = timedelta(microseconds=1)
    assert verify(envelope, roots, Purpose.RELEASE, root.not_before).statement == STATEMENT
    assert verify(envelope, roots, Purpose.RELEASE, root.not_after - moment).statement == STATEMENT
    with pytest.raises(EarlyKey):
        verify(envelope, roots, Purpose.RELEASE, root.not_before - moment)
    with pytest.raises(ExpiredKey):
        verify(envelope, roots, Purpose.RELEASE, root.not_after)


def test_one_good_signature_among_strangers_is_enough_and_only_it_is_named(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    signed = sign(STATEMENT, other, signer)
    assert verify(signed.envelope, roots, Purpose.RELEASE, now).key_ids == (signer.key_id,)


def test_all_reasons_are_told_when_no_signature_counts(
    signer: Ed25519Signer, other: Ed25519Signer, root_of: Callable[..., TrustRoot], now: datetime
) -> None:
    roots = TrustRoots(roots=(root_of(signer, end=-1),))
    with pytest.raises(ExpiredKey, match=r"expired at .*; key .* is no trust root here"):
        verify(sign(STATEMENT, signer, other).envelope, roots, Purpose.RELEASE, now)


def test_countersigning_keeps_payload_and_digest(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, root_of: Callable[..., TrustRoot], now: datetime
) -> None:
    first = sign(STATEMENT, signer)
    second = countersign(first.envelope, other)
    both = roots.adding(root_of(other))
    assert second.digest == first.digest
    assert verify(second.envelope, both, Purpose.RELEASE, now).key_ids == (signer.key_id, other.key_id)
    assert verify(second.envelope, roots, Purpose.RELEASE, now).key_ids == (signer.key_id,)
    assert countersign(second.envelope, signer).digest == first.digest
    assert len(json.loads(countersign(second.envelope, other).envelope)["signatures"]) == 2


def test_trust_lasts_as_long_as_the_last_good_key(
    signer: Ed25519Signer, other: Ed25519Signer, root_of: Callable[..., TrustRoot], now: datetime
) -> None:
    roots = TrustRoots(roots=(root_of(signer, end=3), root_of(other, end=9)))
    envelope = sign(STATEMENT, signer, other).envelope
    assert verify(envelope, roots, Purpose.RELEASE, now).trusted_until == now + timedelta(days=9)
    revoked = roots.revoking(other.key_id, now)
    assert verify(envelope, revoked, Purpose.RELEASE, now).trusted_until == now + timedelta(days=3)


def test_an_envelope_needs_a_signer() -> None:
    with pytest.raises(InvalidInput):
        sign(STATEMENT)


def malformed(envelope: bytes) -> dict[str, bytes]:
    good = json.loads(envelope)
    signature = good["signatures"][0]
    payload = good["payload"]
    return {
        "nothing": b"",
        "not JSON": b"{",
        "not UTF-8": b"\xff\xfe{}",
        "UTF-16": envelope.decode().encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + envelope,
        "an array": b"[]",
        "a number": b"1",
        "deep": b'{"a":' * 100_000,
        "NaN": b'{"payload":NaN}',
        "unknown field": edited(envelope, extra=1),
        "unknown field of a signature": edited(envelope, signatures=[signature | {"cert": "x"}]),
        "field twice": envelope[:-1] + b',"payload":"' + payload.encode() + b'"}',
        "no payload": json.dumps({k: v for k, v in good.items() if k != "payload"}).encode(),
        "no signatures": edited(envelope, signatures=[]),
        "too many signatures": edited(envelope, signatures=[signature] * (MOST_SIGNATURES + 1)),
        "signatures no list": edited(envelope, signatures=signature),
        "number as payload": edited(envelope, payload=1),
        "another payload type": edited(envelope, payloadType="application/json"),
        "payload not base64": edited(envelope, payload="!" + payload[1:]),
        "payload with a newline": edited(envelope, payload=payload[:4] + "\n" + payload[4:]),
        "payload without padding": edited(envelope, payload=payload.rstrip("=") + "A" * (4 - len(payload.rstrip("=")) % 4 + 1)),
        "payload not ASCII": edited(envelope, payload="ä" + payload[1:]),
        "signature not base64": edited(envelope, signatures=[signature | {"sig": "*"}]),
        "too large": envelope + b" " * GREATEST_ENVELOPE,
    }


@pytest.mark.parametrize("case", malformed(sign(STATEMENT, Ed25519Signer.from_private_bytes(b"\0" * 32)).envelope))
def test_what_is_not_an_envelope_is_malformed(case: str, signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    bad = malformed(sign(STATEMENT, signer).envelope)[case]
    with pytest.raises(Malformed):
        verify(bad, roots, Purpose.RELEASE, now)


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"{}",
        b'{"_type":"https://in-toto.io/Statement/v0.1","subject":[],"predicateType":"x","predicate":{}}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{},"more":1}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{"a":1,"a":2}}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{"a":1e999,"b":NaN}}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{"a":"\\ud800"}}',
    ],
)
def test_a_signed_payload_that_is_no_statement_is_malformed(
    payload: bytes, signer: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signer.sign(pae(PAYLOAD_TYPE, payload))).decode()}],
    }
    with pytest.raises(Malformed):
        verify(json.dumps(envelope).encode(), roots, Purpose.RELEASE, now)


@given(st.binary(max_size=200))
def test_noise_is_untrusted_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(Untrusted):
        verify(noise, TrustRoots(), Purpose.RELEASE, datetime.fromisoformat("2026-01-01T00:00:00Z"))


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_an_envelope_with_one_byte_changed_says_the_same_or_is_untrusted(position: int, value: int) -> None:
    signer = Ed25519Signer.from_private_bytes(b"\7" * 32)
    at = datetime.fromisoformat("2026-01-01T00:00:00Z")
    root = TrustRoot.of(signer.public_key, (Purpose.RELEASE,), at, at + timedelta(days=1))
    signed = sign(STATEMENT, signer)
    bent = bytearray(signed.envelope)
    bent[position % len(bent)] = value
    try:
        verified = verify(bytes(bent), TrustRoots(roots=(root,)), Purpose.RELEASE, at)
    except Untrusted:
        assert bytes(bent) != signed.envelope
    else:
        assert verified.digest == signed.digest
        assert verified.statement == STATEMENT
