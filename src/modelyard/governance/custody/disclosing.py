"""Encrypted fields of decisions in clear again. Pure, but for the key that is asked for when something is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.decisions.protection import ENCRYPTED, Cipher, unprotect

DOCUMENTS = ("inputs", "output", "parts")
_MARKED = f'"{ENCRYPTED}'


def disclosed(rows: Sequence[dict[str, Any]], cipher: Callable[[], Cipher]) -> list[dict[str, Any]]:
    """Rows of the log whose encrypted values are readable, wherever they are in the JSON of a row. `cipher` is asked for only
    when there is one. What a caller sent that only looks encrypted stays as it is. Raises what `cipher` raises, and Untrusted
    when its keys open nothing at all."""
    if not any(_MARKED in (row.get(name) or "") for row in rows for name in DOCUMENTS):
        return list(rows)
    opener = _Opener(cipher())
    found = [row | {n: opener.document(row[n]) for n in DOCUMENTS if _MARKED in (row.get(n) or "")} for row in rows]
    if opener.refusal is not None and opener.opened == 0:
        raise opener.refusal
    return found


@dataclass
class _Opener:
    cipher: Cipher
    opened: int = 0
    refusal: Untrusted | None = None

    def document(self, text: str) -> str:
        return msgspec.json.encode(self._clear(msgspec.json.decode(text))).decode()

    def _clear(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._value(value) if value.startswith(ENCRYPTED) else value
        if isinstance(value, dict):
            return {name: self._clear(part) for name, part in value.items()}
        return [self._clear(part) for part in value] if isinstance(value, list) else value

    def _value(self, text: str) -> Any:
        try:
            value = unprotect(text, self.cipher)
        except InvalidInput:
            return text
        except Untrusted as refusal:
            self.refusal = refusal
            return text
        self.opened += 1
        return value
