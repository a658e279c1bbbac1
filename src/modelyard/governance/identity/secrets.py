"""Tokens as their owners hold them: `myd_<key>_<secret>`.

Whoever will hold a token makes it, and tells the platform only its digest: no database, log, idempotency store or
administrator ever sees the secret.

    minted = mint()
    IssueToken(identity="idn_…", name="laptop", key=minted.key, secret_digest=minted.digest, expires_at=…)
    # from now on: Authorization: Bearer {minted.text}
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field

from modelyard.core.digests import digest

KEY = r"^[0-9a-f]{16}$"
_TOKEN = re.compile(r"myd_([0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Minted:
    """A new token. `text` is the secret and is shown once; `key` and `digest` are for the command."""

    text: str = field(repr=False)
    key: str
    digest: str


def mint() -> Minted:
    """A token of 256 random bits."""
    key = secrets.token_hex(8)
    text = f"myd_{key}_{secrets.token_hex(32)}"
    return Minted(text, key, digest(text.encode()))


def key_of(presented: str) -> str | None:
    """The public part of a presented token; None when it has not the form of one."""
    found = _TOKEN.fullmatch(presented)
    return found.group(1) if found else None


def same(presented: str, kept_digest: str) -> bool:
    """Whether the presented token has that digest, compared in constant time."""
    return hmac.compare_digest(digest(presented.encode()), kept_digest)
