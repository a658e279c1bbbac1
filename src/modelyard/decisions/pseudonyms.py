"""Pseudonyms: what identifies a person enters the log only through a keyed hash (HMAC-SHA-256)."""

from __future__ import annotations

import hmac

from modelyard.core.errors import InvalidInput

_SHORTEST_KEY = 16


class Pseudonyms:
    """The same value in the same domain has the same pseudonym as long as the key stays; without the key it tells nothing.

    Domains keep a customer's sticky key and the same text as a subject apart.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _SHORTEST_KEY:
            raise InvalidInput(
                f"the pseudonym key has {len(key)} bytes", field="key", hint=f"at least {_SHORTEST_KEY} random bytes"
            )
        self._key = key

    def of(self, domain: str, value: str) -> str:
        """32 hex digits."""
        return hmac.digest(self._key, f"{domain}\0{value}".encode("utf-8", "surrogatepass"), "sha256").hex()[:32]
