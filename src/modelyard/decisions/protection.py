"""How values of protected fields enter the log: not at all, as a keyed hash, or encrypted; and back again with the key. Pure.

| protection | in the log's JSON |
|---|---|
| mask | `null` |
| hash | `"hash:<32 hex digits>"`: the same value of the same field gives the same text as long as the pseudonyms' key stays |
| encrypt | `"enc:<base64>"` of key id (4 bytes), nonce (12) and AES-256-GCM of the value's JSON; never the same twice |

A value that is missing stays `null`. Typed readers of the log see text (or nothing) where a field is protected.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.decisions.pseudonyms import Pseudonyms

HASHED, ENCRYPTED = "hash:", "enc:"
_KEY_BYTES, _ID_BYTES, _NONCE_BYTES = 32, 4, 12

Change = Callable[[Any], Any]


class Cipher:
    """Encrypts with the first of its keys, decrypts with any: to change keys, put the new one first and keep the old."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Keys of 32 bytes. Raises InvalidInput."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise InvalidInput("a data key has 32 bytes", field="key", hint="64 hex digits a line in the key file")
        self._by_id = {hashlib.sha256(key).digest()[:_ID_BYTES]: AESGCM(key) for key in keys}
        self._current = next(iter(self._by_id))

    @classmethod
    def from_text(cls, text: str) -> Cipher:
        """From a key file: 64 hex digits a line, the current key first. Raises InvalidInput."""
        try:
            return cls([bytes.fromhex(line) for line in text.split()])
        except ValueError as error:
            raise InvalidInput("the data key file is not hex digits", field="key", hint="64 hex digits a line") from error

    def encrypt(self, plain: bytes) -> bytes:
        """Key id, nonce and cipher text."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._current + nonce + self._by_id[self._current].encrypt(nonce, plain, None)

    def decrypt(self, sealed: bytes) -> bytes:
        """What was encrypted. Raises Untrusted when no key fits or the text was altered."""
        from cryptography.exceptions import InvalidTag

        key = self._by_id.get(sealed[:_ID_BYTES])
        if key is None:
            raise Untrusted("the value was encrypted with a key that is not here", field="key")
        start = _ID_BYTES + _NONCE_BYTES
        try:
            return key.decrypt(sealed[_ID_BYTES:start], sealed[start:], None)
        except (InvalidTag, ValueError) as error:
            raise Untrusted("the encrypted value was altered") from error


class Protector:
    """What is done to which fields."""

    def __init__(self, changes: Mapping[str, Change]) -> None:
        self._changes = changes

    @classmethod
    def of(cls, how: Mapping[str, str], pseudonyms: Pseudonyms, cipher: Cipher | None) -> Protector | None:
        """`how` says for each field keep, mask, hash or encrypt; None when all are kept. Raises InvalidInput when something
        should be encrypted and there is no key."""
        changes: dict[str, Change] = {}
        for name, protection in how.items():
            if protection == "mask":
                changes[name] = _masked
            elif protection == "hash":
                changes[name] = _hashing(name, pseudonyms)
            elif protection == "encrypt":
                if cipher is None:
                    raise InvalidInput(f"field {name!r} is to be encrypted and there is no data key", field="protect")
                changes[name] = _encrypting(cipher)
        return cls(changes) if changes else None

    def columns(self, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The columns as they may be logged."""
        found = []
        for name, column in zip(names, columns, strict=True):
            change = self._changes.get(name)
            found.append(column if change is None else [None if value is None else change(value) for value in column])
        return found


def unprotect(text: str, cipher: Cipher) -> Any:
    """The value behind an `enc:` text. Raises InvalidInput when it is none, Untrusted when the key does not fit."""
    if not text.startswith(ENCRYPTED):
        raise InvalidInput("not an encrypted value", field="value")
    try:
        sealed = b64decode(text.removeprefix(ENCRYPTED), validate=True)
    except NotBase64 as error:
        raise InvalidInput("not an encrypted value", field="value") from error
    return msgspec.json.decode(cipher.decrypt(sealed))


def _masked(value: Any) -> None:
    return None


def _hashing(name: str, pseudonyms: Pseudonyms) -> Change:
    def change(value: Any) -> str:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return HASHED + pseudonyms.of(name, text)

    return change


def _encrypting(cipher: Cipher) -> Change:
    def change(value: Any) -> str:
        return ENCRYPTED + b64encode(cipher.encrypt(msgspec.json.encode(value))).decode()

    return change
