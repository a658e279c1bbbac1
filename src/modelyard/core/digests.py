"""Digests: SHA-256 in the form `sha256:<64 hex digits>`, and JSON that always has the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def digest(data: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value: Mapping[str, Any] | list[Any] | str | float | bool | None) -> bytes:
    """JSON with sorted keys, no white space, UTF-8 and no NaN: one value, one sequence of bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Mapping[str, Any] | list[Any]) -> str:
    """The digest of a JSON value in its canonical form."""
    return digest(canonical(value))
