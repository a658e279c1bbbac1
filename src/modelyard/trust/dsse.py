"""DSSE envelopes, version 1 (https://github.com/secure-systems-lab/dsse), around in-toto statements, signed with Ed25519.

The payload is verified and digested as the bytes that came, never encoded again. Reading is stricter than the
specification asks: a field that DSSE does not define is an error, so that nothing unsigned travels in an envelope.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import canonical, digest
from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.trust.errors import BadSignature, Malformed, UnknownKey
from modelyard.trust.keys import Purpose, Signer, TrustRoot, TrustRoots
from modelyard.trust.statements import Statement
from modelyard.trust.strict import read_model, write_base64

PAYLOAD_TYPE = "application/vnd.in-toto+json"
GREATEST_ENVELOPE = 8 << 20
MOST_SIGNATURES = 16


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class EnvelopeSignature(BaseModel):
    """One signature, as it stands in the JSON. `keyid` is a hint of which key to try, nothing more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keyid: str = ""
    sig: str


class Envelope(BaseModel):
    """The JSON form of a DSSE envelope, fields still in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload: str
    payload_type: str = Field(alias="payloadType")
    signatures: tuple[EnvelopeSignature, ...] = Field(min_length=1, max_length=MOST_SIGNATURES)

    @classmethod
    def from_json(cls, data: bytes) -> Envelope:
        """Raises Malformed."""
        return read_model(cls, data, "envelope", GREATEST_ENVELOPE)

    def to_json(self) -> bytes:
        return json.dumps(self.model_dump(by_alias=True), separators=(",", ":")).encode()

    def payload_bytes(self) -> bytes:
        return _either_base64(self.payload, "payload")


@dataclass(frozen=True)
class Signed:
    """A signed statement: the envelope's bytes and the digest of the payload, by which others refer to it."""

    envelope: bytes
    digest: str


@dataclass(frozen=True)
class VerifiedStatement:
    """A statement that trusted keys signed. `digest` is that of the payload bytes; `key_ids` made good signatures;
    `trusted_until` is when the last of these keys expires."""

    statement: Statement
    digest: str
    key_ids: tuple[str, ...]
    trusted_until: datetime


def sign(statement: Statement, *signers: Signer) -> Signed:
    """The statement in canonical JSON, in an envelope signed by each signer. Raises InvalidInput without a signer."""
    if not signers:
        raise InvalidInput("an envelope needs a signer")
    payload = canonical(statement.model_dump(by_alias=True, mode="json"))
    signatures = tuple(_signature(payload, signer) for signer in signers)
    envelope = Envelope(payload=write_base64(payload), payloadType=PAYLOAD_TYPE, signatures=signatures)
    return Signed(envelope.to_json(), digest(payload))


def countersign(envelope: bytes, signer: Signer) -> Signed:
    """The same payload, so the same digest, with one signature more (a signer's older signature is replaced).

    It verifies nothing: the caller must know the payload to be genuine from another source, such as its own record of
    the digest, above all when the envelope's first key was lost. Raises Malformed."""
    old = Envelope.from_json(envelope)
    payload = old.payload_bytes()
    _require_type(old)
    kept = tuple(signature for signature in old.signatures if signature.keyid != signer.key_id)
    if len(kept) >= MOST_SIGNATURES:
        raise Malformed(f"an envelope holds at most {MOST_SIGNATURES} signatures")
    grown = old.model_copy(update={"signatures": (*kept, _signature(payload, signer))})
    return Signed(grown.to_json(), digest(payload))


def statement_digest(envelope: bytes) -> str:
    """The digest of the payload of an envelope that nobody has verified yet: to look it up, not to trust it."""
    return digest(Envelope.from_json(envelope).payload_bytes())


def verify(envelope: bytes, roots: TrustRoots, purpose: Purpose, at: datetime) -> VerifiedStatement:
    """The statement, when at least one trust root that may sign this purpose at this time has signed it.

    Raises an Untrusted of `trust.errors`; when several signatures fail, the first one's, with all reasons in its
    detail."""
    parsed = Envelope.from_json(envelope)
    payload = parsed.payload_bytes()
    _require_type(parsed)
    signers = _trusted_signers(parsed, pae(parsed.payload_type, payload), roots, purpose, at)
    statement = read_model(Statement, payload, "statement", GREATEST_ENVELOPE)
    until = max(root.not_after for root in signers)
    return VerifiedStatement(statement, digest(payload), tuple(root.key_id for root in signers), until)


def _signature(payload: bytes, signer: Signer) -> EnvelopeSignature:
    return EnvelopeSignature(keyid=signer.key_id, sig=write_base64(signer.sign(pae(PAYLOAD_TYPE, payload))))


def _require_type(envelope: Envelope) -> None:
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Malformed(f"payload type is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}", field="payloadType")


def _trusted_signers(
    envelope: Envelope, message: bytes, roots: TrustRoots, purpose: Purpose, at: datetime
) -> tuple[TrustRoot, ...]:
    found: dict[str, TrustRoot] = {}
    failures: list[Untrusted] = []
    for number, signature in enumerate(envelope.signatures):
        sig = _either_base64(signature.sig, f"signatures.{number}.sig")
        try:
            root = _signing_root(signature.keyid, sig, message, roots)
            root.check(purpose, at)
        except Untrusted as failure:
            failures.append(failure)
        else:
            found[root.key_id] = root
    if not found:
        raise type(failures[0])("; ".join(failure.detail for failure in failures), field="signatures")
    return tuple(found.values())


def _signing_root(key_id: str, sig: bytes, message: bytes, roots: TrustRoots) -> TrustRoot:
    """The root that made the signature, whether or not it may be used now: a forgery and a lapsed key differ."""
    for root in [roots.get(key_id)] if key_id else roots.roots:
        try:
            root.key.verify(sig, message)
        except BadSignature:
            if key_id:
                raise
        else:
            return root
    raise UnknownKey("a signature names no key, and no trust root here made it")


def _either_base64(text: str, what: str) -> bytes:
    """Padded base64, standard or URL-safe: DSSE allows both."""
    alphabet = b"-_" if "-" in text or "_" in text else b"+/"
    try:
        return base64.b64decode(text, altchars=alphabet, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what} is not base64: {error}", field=what) from error
