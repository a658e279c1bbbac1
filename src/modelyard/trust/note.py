"""Signed notes (https://c2sp.org/signed-note): text that ends in a newline, a blank line, signature lines. Ed25519 only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from modelyard.core.errors import InvalidInput
from modelyard.trust.errors import BadSignature, Malformed
from modelyard.trust.keys import PublicKey, Signer
from modelyard.trust.strict import read_base64, write_base64

GREATEST_NOTE = 1 << 17
MOST_SIGNATURES = 32
_ED25519 = b"\x01"
_DASH = "— "


@dataclass(frozen=True)
class NoteSignature:
    """A signature line: the signer's name, the key's short hash, and what the key made of the text."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A note as it was read; nothing about it is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def signed_by(self, name: str, key: PublicKey) -> bool:
        """Whether that key signed the text under that name. Raises BadSignature when a line claims so and lies."""
        claims = [line for line in self.signatures if (line.name, line.key_hash) == (name, key_hash(name, key))]
        for claim in claims:
            try:
                key.verify(claim.signature, self.text.encode())
            except BadSignature as error:
                raise BadSignature(f"{name} did not sign this note with key {key.key_id[:16]}") from error
        return bool(claims)


def key_hash(name: str, key: PublicKey) -> bytes:
    """The four bytes by which a note names an Ed25519 key: SHA-256(name, newline, 0x01, key), cut."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]


def verifier_key(name: str, key: PublicKey) -> str:
    """The key as other tools for signed notes take it: `<name>+<hash>+<base64 of 0x01 and the key>`."""
    return f"{name}+{key_hash(name, key).hex()}+{write_base64(_ED25519 + key.raw)}"


def sign_note(text: str, name: str, *signers: Signer) -> bytes:
    """The text signed under that name by each signer. Raises InvalidInput for a text or name that notes cannot hold."""
    if not signers or not is_name(name) or not _is_text(text):
        raise InvalidInput("a note needs text that ends in a newline, a name without space or plus, and a signer")
    lines = [
        f"{_DASH}{name} {write_base64(key_hash(name, signer.public_key) + signer.sign(text.encode()))}\n" for signer in signers
    ]
    return f"{text}\n{''.join(lines)}".encode()


def read_note(data: bytes) -> Note:
    """A note and its signature lines. Raises Malformed."""
    if len(data) > GREATEST_NOTE:
        raise Malformed(f"note: {len(data)} bytes, at most {GREATEST_NOTE} are read")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("note: not UTF-8") from error
    head, blank, tail = whole.rpartition("\n\n")
    text = head + "\n"
    if not blank or not _is_text(text) or not tail.endswith("\n"):
        raise Malformed("note: not a text, a blank line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Malformed(f"note: {len(lines)} signatures, at most {MOST_SIGNATURES} are read")
    return Note(text, tuple(_read_signature(line) for line in lines))


def is_name(name: str) -> bool:
    """Whether it can name a signer: not empty, no space or control character of any sort, no plus."""
    return bool(name) and "+" not in name and not any(sign.isspace() or sign < " " for sign in name)


def _read_signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_name(name):
        raise Malformed("note: a line that is no signature follows the blank line")
    data = read_base64(encoded, "note: signature")
    if len(data) <= 4:
        raise Malformed("note: a signature is too short")
    return NoteSignature(name, data[:4], data[4:])


def _is_text(text: str) -> bool:
    return text.endswith("\n") and len(text) > 1 and not any(sign < " " and sign != "\n" for sign in text)
