"""Keys: who signs (`Signer`), and which public keys are trusted for what and when (`TrustRoots`).

A *key id* is the SHA-256 of the DER-encoded SubjectPublicKeyInfo, 64 hex digits; `openssl pkey -pubin -outform DER |
sha256sum` gives the same. Its *short form*, for people only, is the first 16 digits; nothing is verified by short form.

A trust root verifies from `not_before` (inclusive) to `not_after` (exclusive). While two roots overlap, both verify:
that is a rotation. A revoked root verifies nothing at all, whatever the time a document claims for itself, because
whoever stole the key can write any time. Documents are kept alive by signing them again with another key
(`dsse.countersign`), old audit checkpoints by a newer one that extends them (`checkpoint.verify_extension`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound
from modelyard.trust.errors import BadSignature, EarlyKey, ExpiredKey, Malformed, RevokedKey, UnknownKey, WrongPurpose
from modelyard.trust.strict import read_model

SHORT = 16
GREATEST_ROOTS_FILE = 1 << 20


class Purpose(StrEnum):
    """What a trust root may sign."""

    RELEASE = "release"
    ROUTES = "routes"
    AUDIT = "audit"
    ORDER = "order"


OF_THE_PLATFORM = (Purpose.RELEASE, Purpose.ROUTES, Purpose.AUDIT)
"""What the platform signs itself. Orders are signed by operators, with keys of their own."""


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key (RFC 8032): 32 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise Malformed(f"an Ed25519 public key has 32 bytes, not {len(self.raw)}")

    @classmethod
    def from_pem(cls, text: str) -> Self:
        """From PEM (SubjectPublicKeyInfo). Raises Malformed."""
        try:
            key = load_pem_public_key(text.encode())
        except ValueError as error:
            raise Malformed("not a public key in PEM form") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Malformed("not an Ed25519 key")
        return cls(key.public_bytes_raw())

    @property
    def key_id(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, 64 hex digits."""
        der = self._key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    @property
    def pem(self) -> str:
        return self._key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Returns when this key signed the message; raises BadSignature otherwise."""
        try:
            self._key().verify(signature, message)
        except InvalidSignature as error:
            raise BadSignature(f"key {self.key_id[:SHORT]} did not sign these bytes") from error

    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


class Signer(Protocol):
    """Signs with one Ed25519 key: from a file, from a key management service, from a card."""

    @property
    def public_key(self) -> PublicKey: ...

    @property
    def key_id(self) -> str:
        """The key id of `public_key`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature."""
        ...


class Ed25519Signer:
    """A signer that holds its private key in memory. Its text form shows the key id only."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = PublicKey(key.public_key().public_bytes_raw())
        self._key_id = self._public.key_id

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_private_bytes(cls, data: bytes, passphrase: bytes | None = None) -> Self:
        """From PEM (PKCS #8, encrypted or not) or the 32 raw bytes. Raises InvalidInput; the message never holds the
        key."""
        if len(data) == 32:
            return cls(Ed25519PrivateKey.from_private_bytes(data))
        try:
            key = load_pem_private_key(data, passphrase)
        except (ValueError, TypeError) as error:
            raise InvalidInput("not a private key, or the wrong passphrase", hint="PEM or 32 raw bytes") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput("not an Ed25519 private key")
        return cls(key)

    @property
    def public_key(self) -> PublicKey:
        return self._public

    @property
    def key_id(self) -> str:
        return self._key_id

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def private_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8 in PEM: for the key file (mode 0600) and nothing else."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"Ed25519Signer({self._key_id[:SHORT]})"


class TrustRoot(BaseModel):
    """A public key (PEM) that is trusted for some purposes in a window of time, until it is revoked. Orders that it signs may be
    about its `endpoints`; about any, when it has none. A root without them is written as before there were any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    public_key: str
    purposes: tuple[Purpose, ...] = Field(min_length=1)
    not_before: AwareDatetime
    not_after: AwareDatetime
    revoked_at: AwareDatetime | None = None
    endpoints: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @classmethod
    def of(
        cls,
        key: PublicKey,
        purposes: Iterable[Purpose],
        not_before: datetime,
        not_after: datetime,
        endpoints: Iterable[str] = (),
    ) -> Self:
        """A new root for that key."""
        return cls(
            key_id=key.key_id,
            public_key=key.pem,
            purposes=tuple(purposes),
            not_before=not_before,
            not_after=not_after,
            endpoints=tuple(endpoints),
        )

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `endpoints` where there are none. Not by the field's `exclude_if`: pydantic 2.11 passes over it, and runtimes
        that do not know the field refuse the whole file."""
        written: dict[str, Any] = plain(self)
        return written if self.endpoints else {name: value for name, value in written.items() if name != "endpoints"}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.not_after <= self.not_before:
            raise ValueError("`not_after` is not after `not_before`")
        if self.endpoints and self.purposes != (Purpose.ORDER,):
            raise ValueError("`endpoints` are for a key that signs orders and nothing else")
        try:
            named = self.key.key_id
        except Malformed as error:
            raise ValueError(error.detail) from error
        if named != self.key_id:
            raise ValueError(f"key_id is {self.key_id[:SHORT]} but the public key's is {named[:SHORT]}")
        return self

    @property
    def key(self) -> PublicKey:
        return PublicKey.from_pem(self.public_key)

    @property
    def short(self) -> str:
        return self.key_id[:SHORT]

    def covers(self, endpoint: str) -> bool:
        """Whether it may sign orders about that endpoint."""
        return not self.endpoints or endpoint in self.endpoints

    def check(self, purpose: Purpose, at: datetime) -> None:
        """Returns when this root may verify documents of that purpose at that time. Raises RevokedKey, WrongPurpose,
        EarlyKey or ExpiredKey otherwise."""
        if self.revoked_at is not None:
            raise RevokedKey(f"key {self.short} was revoked at {self.revoked_at.isoformat()}")
        if purpose not in self.purposes:
            raise WrongPurpose(f"key {self.short} may sign {', '.join(self.purposes)}, not {purpose}")
        if at < self.not_before:
            raise EarlyKey(f"key {self.short} is valid from {self.not_before.isoformat()}, not yet at {at.isoformat()}")
        if at >= self.not_after:
            raise ExpiredKey(f"key {self.short} expired at {self.not_after.isoformat()}")


class TrustRoots(BaseModel):
    """All trust roots of a place. Immutable: every change is a new value. `version` is the version of the file format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    roots: tuple[TrustRoot, ...] = ()

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        if len({root.key_id for root in self.roots}) < len(self.roots):
            raise ValueError("a key is listed twice")
        return self

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """From the bytes of a trust roots file. Raises Malformed."""
        return read_model(cls, data, "trust roots", GREATEST_ROOTS_FILE)

    def to_json(self) -> bytes:
        """The file's bytes, made to be read by people too."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    def get(self, key_id: str) -> TrustRoot:
        """The root with that full key id. Raises UnknownKey."""
        for root in self.roots:
            if root.key_id == key_id:
                return root
        raise UnknownKey(f"key {key_id[:SHORT]!r} is no trust root here")

    def find(self, beginning: str) -> TrustRoot:
        """The one root whose key id begins so: for people who type short forms. Raises NotFound."""
        found = [root for root in self.roots if beginning and root.key_id.startswith(beginning)]
        if len(found) != 1:
            raise NotFound(f"{len(found)} trust roots begin with {beginning!r}", hint="give more digits of the key id")
        return found[0]

    def usable(self, purpose: Purpose, at: datetime) -> tuple[TrustRoot, ...]:
        """Roots that verify documents of that purpose at that time; two or more during a rotation."""
        return tuple(root for root in self.roots if _passes(root, purpose, at))

    def adding(self, root: TrustRoot) -> TrustRoots:
        """With one more root. Raises AlreadyExists when its key is listed."""
        if any(known.key_id == root.key_id for known in self.roots):
            raise AlreadyExists(f"key {root.short} is a trust root already")
        return TrustRoots(roots=(*self.roots, root))

    def rotating(self, old: str, new: TrustRoot, overlap_until: datetime) -> TrustRoots:
        """With `new`, and with the root of key id `old` ending at `overlap_until`, never later than it would have.
        Raises UnknownKey, AlreadyExists, or InvalidInput when the overlap ends before the old root begins."""
        before = self.get(old)
        if overlap_until <= before.not_before:
            raise InvalidInput("the overlap ends before the old key begins; revoke it instead", field="overlap_until")
        ending = before.model_copy(update={"not_after": min(before.not_after, overlap_until)})
        return self._replacing(ending).adding(new)

    def revoking(self, key_id: str, at: datetime) -> TrustRoots:
        """With that root revoked; a root that is revoked already keeps its time. Raises UnknownKey."""
        root = self.get(key_id)
        return self if root.revoked_at else self._replacing(root.model_copy(update={"revoked_at": at}))

    def _replacing(self, changed: TrustRoot) -> TrustRoots:
        return TrustRoots(roots=tuple(changed if root.key_id == changed.key_id else root for root in self.roots))


def _passes(root: TrustRoot, purpose: Purpose, at: datetime) -> bool:
    try:
        root.check(purpose, at)
    except (RevokedKey, WrongPurpose, EarlyKey, ExpiredKey):
        return False
    return True
