"""Signed notes, checkpoints and offline bundles: others' vectors, round trips, and each way to tamper with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.digests import canonical
from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.trust import (
    EMPTY_ROOT,
    Checkpoint,
    Ed25519Signer,
    InclusionBundle,
    MerkleTree,
    PublicKey,
    Purpose,
    TrustRoot,
    TrustRoots,
    leaf_hash,
    parse_checkpoint,
    sign_checkpoint,
    verifier_key,
    verify_bundle,
    verify_checkpoint,
    verify_extension,
)
from modelyard.trust.errors import (
    BadProof,
    BadSignature,
    EarlyKey,
    ExpiredKey,
    Malformed,
    RevokedKey,
    UnknownKey,
    WrongPurpose,
    WrongStatement,
)
from modelyard.trust.note import GREATEST_NOTE, key_hash, read_note, sign_note

Make = Callable[..., Any]
ORIGIN = "modelyard.example/audit/default"
DAY = timedelta(days=1)
RECORDS = [canonical({"number": number, "action": "Release", "who": "müller"}) for number in range(20)]
TREE = MerkleTree([leaf_hash(record) for record in RECORDS].__getitem__)

# The example of golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def key_of(verifier: str) -> PublicKey:
    return PublicKey(base64.b64decode(verifier.split("+", 2)[2])[1:])


def checkpoint_at(size: int, now: datetime, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, TREE.root(size), now)


def bundle_of(index: int, size: int, signer: Ed25519Signer, now: datetime) -> InclusionBundle:
    note = sign_checkpoint(checkpoint_at(size, now), signer)
    return InclusionBundle(RECORDS[index], index, TREE.inclusion_proof(index, size), note)


# --- notes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verifier", [NEUMANN, "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"])
def test_keys_are_named_as_other_tools_name_them(verifier: str) -> None:
    name, short, _ = verifier.split("+", 2)
    assert verifier_key(name, key_of(verifier)) == verifier
    assert key_hash(name, key_of(verifier)).hex() == short


def test_a_note_of_another_tool_verifies() -> None:
    note = read_note(NOTE.encode())
    assert note.signed_by("PeterNeumann", key_of(NEUMANN))
    assert not note.signed_by("SomebodyElse", key_of(NEUMANN))


def test_a_note_of_another_tool_that_was_edited_is_bad() -> None:
    note = read_note(NOTE.replace("problem is", "answer is").encode())
    with pytest.raises(BadSignature):
        note.signed_by("PeterNeumann", key_of(NEUMANN))


def test_text_with_blank_lines_goes_through_a_note_and_back(signer: Ed25519Signer, other: Ed25519Signer) -> None:
    text = "a\n\nb: é\n\n"
    note = read_note(sign_note(text, "example.com/log", signer, other))
    assert note.text == text
    assert note.signed_by("example.com/log", signer.public_key)
    assert note.signed_by("example.com/log", other.public_key)


@pytest.mark.parametrize("text", ["", "\n", "no newline", "a\tb\n", "a\r\n", "a\0\n"])
def test_text_that_notes_cannot_hold_is_refused(text: str, signer: Ed25519Signer) -> None:
    with pytest.raises(InvalidInput):
        sign_note(text, "example.com/log", signer)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u2003b", "a\nb"])
def test_names_that_notes_cannot_hold_are_refused(name: str, signer: Ed25519Signer) -> None:
    with pytest.raises(InvalidInput):
        sign_note("text\n", name, signer)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        NOTE.encode()[:-1],
        NOTE.replace("—", "-").encode(),
        NOTE.replace("\n", "\r\n").encode(),
        NOTE.replace("x08go", "x08g!").encode(),
        NOTE.replace("PeterNeumann x", "PeterNeumannx").encode(),
        NOTE.replace("nAM=", "nAN=").encode(),
        b"\xff" + NOTE.encode(),
        (NOTE + "trailing\n").encode(),
        "text\n\n— name AAAAAA==\n".encode(),
        (NOTE + NOTE.splitlines(keepends=True)[-1] * 40).encode(),
        b" " * GREATEST_NOTE + NOTE.encode(),
    ],
)
def test_what_is_not_a_note_is_malformed(note: bytes) -> None:
    with pytest.raises(Malformed):
        read_note(note)


# --- checkpoints ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_the_published_text(signer: Ed25519Signer, now: datetime) -> None:
    note = sign_checkpoint(checkpoint_at(3, now.astimezone(timezone(timedelta(hours=2)))), signer).decode()
    root = base64.b64encode(TREE.root(3)).decode()
    assert note.startswith(f"{ORIGIN}\n3\n{root}\ntime 2026-03-01T12:00:00.000000Z\n\n— {ORIGIN} ")


def test_a_checkpoint_goes_through_its_note_and_back(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    for size in (0, 1, 20):
        checkpoint = checkpoint_at(size, now)
        note = sign_checkpoint(checkpoint, signer)
        assert parse_checkpoint(note) == checkpoint
        verified = verify_checkpoint(note, roots, ORIGIN)
        assert (verified.checkpoint, verified.key_ids) == (checkpoint, (signer.key_id,))


@given(size=st.integers(0, 10**18), root=st.binary(min_size=32, max_size=32), time=st.datetimes(timezones=st.just(UTC)))
def test_any_checkpoint_goes_through_text_and_back(size: int, root: bytes, time: datetime) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root if size else EMPTY_ROOT, time)
    signer = Ed25519Signer.from_private_bytes(b"\1" * 32)
    assert parse_checkpoint(sign_checkpoint(checkpoint, signer)) == checkpoint


@pytest.mark.parametrize(
    ("size", "root", "origin"),
    [(-1, b"r" * 32, ORIGIN), (1, b"r" * 31, ORIGIN), (0, b"r" * 32, ORIGIN), (1, b"r" * 32, ""), (1, b"r" * 32, "a b")],
)
def test_a_checkpoint_that_cannot_be_is_refused(size: int, root: bytes, origin: str, now: datetime) -> None:
    with pytest.raises(InvalidInput):
        Checkpoint(origin, size, root, now)


def test_a_checkpoint_needs_a_time_with_a_zone(now: datetime) -> None:
    with pytest.raises(InvalidInput):
        Checkpoint(ORIGIN, 1, b"r" * 32, now.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n+7\n"),
        ("\n7\n", "\n-7\n"),
        ("\n7\n", "\n7 \n"),
        ("\n7\n", "\n７\n"),
        ("\n7\n", "\n99999999999999999999\n"),
        ("\n7\n", "\n0\n"),
        ("time ", "date "),
        ("time ", ""),
        ("time 2026-03-01T12:00:00.000000Z\n", ""),
        ("12:00:00.000000Z", "12:00:00Z"),
        ("12:00:00.000000Z", "12:00:00.000000+00:00"),
        ("12:00:00.000000Z", "12:00:00.000000"),
        ("12:00:00.000000Z\n", "12:00:00.000000Z\nmore\n"),
        ("=\ntime", "\ntime"),
    ],
)
def test_text_that_is_no_checkpoint_is_malformed_even_when_signed(
    old: str, new: str, signer: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    text = checkpoint_at(7, now).text()
    assert old in text
    note = sign_note(text.replace(old, new), ORIGIN, signer)
    for read in (parse_checkpoint, lambda bad: verify_checkpoint(bad, roots)):
        with pytest.raises(Malformed):
            read(note)


def test_an_edited_checkpoint_is_a_bad_signature(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    note = sign_checkpoint(checkpoint_at(7, now), signer)
    for old, new in ((b"\n7\n", b"\n8\n"), (b"2026", b"2025")):
        with pytest.raises(BadSignature):
            verify_checkpoint(note.replace(old, new), roots)


def test_a_checkpoint_of_another_log_is_refused(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    note = sign_checkpoint(checkpoint_at(7, now, "example.com/other"), signer)
    with pytest.raises(WrongStatement):
        verify_checkpoint(note, roots, ORIGIN)
    borrowed = sign_note(checkpoint_at(7, now).text(), "example.com/other", signer)
    with pytest.raises(UnknownKey):
        verify_checkpoint(borrowed, roots, ORIGIN)


def test_strangers_do_not_count_and_do_not_harm(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    with pytest.raises(UnknownKey):
        verify_checkpoint(sign_checkpoint(checkpoint_at(7, now), other), roots)
    witnessed = sign_checkpoint(checkpoint_at(7, now), other, signer)
    assert verify_checkpoint(witnessed, roots).key_ids == (signer.key_id,)


def test_a_key_for_something_else_cannot_sign_checkpoints(signer: Ed25519Signer, root_of: Make, now: datetime) -> None:
    roots = TrustRoots(roots=(root_of(signer, Purpose.RELEASE, Purpose.ROUTES),))
    with pytest.raises(WrongPurpose):
        verify_checkpoint(sign_checkpoint(checkpoint_at(7, now), signer), roots)


def test_a_checkpoint_counts_when_its_key_was_valid_at_its_time(signer: Ed25519Signer, roots: TrustRoots) -> None:
    root = roots.get(signer.key_id)
    last = root.not_after - timedelta(microseconds=1)
    for time in (root.not_before, last):
        assert verify_checkpoint(sign_checkpoint(checkpoint_at(7, time), signer), roots).checkpoint.time == time
    with pytest.raises(ExpiredKey):
        verify_checkpoint(sign_checkpoint(checkpoint_at(7, root.not_after), signer), roots)
    with pytest.raises(EarlyKey):
        verify_checkpoint(sign_checkpoint(checkpoint_at(7, root.not_before - DAY), signer), roots)


def test_drill_for_a_lost_audit_key(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, root_of: Callable[..., TrustRoot], now: datetime
) -> None:
    """Old exported checkpoints are covered by a newer one of a new key; a rewritten log is not."""
    old = sign_checkpoint(checkpoint_at(7, now - DAY), signer)
    after = roots.adding(root_of(other, begin=0, end=365)).revoking(signer.key_id, now)
    with pytest.raises(RevokedKey):
        verify_checkpoint(old, after)
    new = verify_checkpoint(sign_checkpoint(checkpoint_at(20, now), other), after).checkpoint
    verify_extension(parse_checkpoint(old), new, TREE.consistency_proof(7, 20))
    forged = Checkpoint(ORIGIN, 7, leaf_hash(b"rewritten"), now - DAY)
    with pytest.raises(BadProof):
        verify_extension(forged, new, TREE.consistency_proof(7, 20))
    with pytest.raises(WrongStatement):
        verify_extension(checkpoint_at(7, now, "example.com/other"), new, TREE.consistency_proof(7, 20))
    with pytest.raises(BadProof):
        verify_extension(new, parse_checkpoint(old), ())


# --- bundles --------------------------------------------------------------------------------------------------------


def test_every_record_of_every_log_goes_offline_and_verifies(signer: Ed25519Signer, roots: TrustRoots, now: datetime) -> None:
    for size in range(1, 21):
        for index in range(size):
            bundle = InclusionBundle.from_json(bundle_of(index, size, signer, now).to_json())
            verified = verify_bundle(bundle, roots, ORIGIN)
            assert (verified.record["number"], verified.index, verified.checkpoint.size) == (index, index, size)


def test_a_bundle_is_plain_json(signer: Ed25519Signer, now: datetime) -> None:
    bundle = bundle_of(4, 9, signer, now)
    form = json.loads(bundle.to_json())
    assert set(form) == {"version", "record", "index", "proof", "checkpoint"}
    assert form["record"].encode() == RECORDS[4]
    assert form["checkpoint"].encode() == bundle.checkpoint


def test_a_bundle_is_also_a_tlog_proof(signer: Ed25519Signer, now: datetime) -> None:
    bundle = bundle_of(4, 9, signer, now)
    head, _, note = bundle.to_tlog_proof().partition(b"\n\n")
    magic, index, *steps = head.decode().split("\n")
    assert (magic, index) == ("c2sp.org/tlog-proof@v1", "index 4")
    assert tuple(base64.b64decode(step) for step in steps) == bundle.proof
    assert note == bundle.checkpoint


def test_no_tampering_with_a_bundle_survives(
    signer: Ed25519Signer, other: Ed25519Signer, roots: TrustRoots, now: datetime
) -> None:
    good = bundle_of(4, 9, signer, now)
    flipped = [bytes([step[0] ^ 1]) + step[1:] for step in good.proof]
    for bad, reason in (
        (InclusionBundle(RECORDS[5], 4, good.proof, good.checkpoint), BadProof),
        (InclusionBundle(RECORDS[4] + b" ", 4, good.proof, good.checkpoint), BadProof),
        (InclusionBundle(RECORDS[4], 5, good.proof, good.checkpoint), BadProof),
        (InclusionBundle(RECORDS[4], 9, good.proof, good.checkpoint), BadProof),
        (InclusionBundle(RECORDS[4], 4, good.proof[1:], good.checkpoint), BadProof),
        *(
            (InclusionBundle(RECORDS[4], 4, (*good.proof[:n], step, *good.proof[n + 1 :]), good.checkpoint), BadProof)
            for n, step in enumerate(flipped)
        ),
        (InclusionBundle(RECORDS[4], 4, good.proof, good.checkpoint.replace(b"\n9\n", b"\n8\n")), BadSignature),
        (InclusionBundle(RECORDS[4], 4, good.proof, bundle_of(4, 10, signer, now).checkpoint), BadProof),
        (InclusionBundle(RECORDS[4], 4, good.proof, bundle_of(4, 9, other, now).checkpoint), UnknownKey),
        (InclusionBundle(b"no JSON", 4, good.proof, good.checkpoint), Malformed),
        (InclusionBundle(b"[]", 4, good.proof, good.checkpoint), Malformed),
    ):
        with pytest.raises(reason):
            verify_bundle(bad, roots)
    with pytest.raises(WrongStatement):
        verify_bundle(good, roots, "example.com/other")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"index": -1},
        {"index": "4"},
        {"index": True},
        {"proof": ["!"]},
        {"proof": [1]},
        {"proof": ["AA=="] * 65},
        {"record": {"number": 4}},
        {"checkpoint": None},
        {"record": "\ud800"},
    ],
)
def test_what_is_not_a_bundle_is_malformed(change: dict[str, Any], signer: Ed25519Signer, now: datetime) -> None:
    form = json.loads(bundle_of(4, 9, signer, now).to_json()) | change
    with pytest.raises(Malformed):
        InclusionBundle.from_json(json.dumps(form).encode())


@given(noise=st.binary(max_size=200).filter(lambda noise: noise.strip() != b"{}"))  # which is a file of no roots
def test_noise_is_untrusted_and_nothing_else(noise: bytes) -> None:
    for read in (InclusionBundle.from_json, parse_checkpoint, TrustRoots.from_json):
        with pytest.raises(Untrusted):
            read(noise)
