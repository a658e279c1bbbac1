"""Encrypted fields of decisions in clear again. Pure, but for the key that is asked for when something is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from modelyard.decisions.protection import ENCRYPTED, Cipher, unprotect

DOCUMENTS = ("inputs", "output", "parts")


def disclosed(rows: Sequence[dict[str, Any]], cipher: Callable[[], Cipher]) -> list[dict[str, Any]]:
    """Rows of the log whose encrypted values are readable, wherever they are in the JSON of a row. `cipher` is asked for only
    when there is one. Raises what it raises, and Untrusted when no key fits."""
    marked = f'"{ENCRYPTED}'
    if not any(marked in (row.get(name) or "") for row in rows for name in DOCUMENTS):
        return list(rows)
    key = cipher()
    return [row | {name: _clear(row[name], key) for name in DOCUMENTS if marked in (row.get(name) or "")} for row in rows]


def _clear(document: str, key: Cipher) -> str:
    return msgspec.json.encode(_opened(msgspec.json.decode(document), key)).decode()


def _opened(value: Any, key: Cipher) -> Any:
    if isinstance(value, str) and value.startswith(ENCRYPTED):
        return unprotect(value, key)
    if isinstance(value, dict):
        return {name: _opened(part, key) for name, part in value.items()}
    return [_opened(part, key) for part in value] if isinstance(value, list) else value
