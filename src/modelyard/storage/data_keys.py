"""The file of the keys that protected fields of decisions are encrypted with: 64 hex digits a line, the present key first.

Old keys stay, as what they encrypted stays. A runtime makes the file at its first start and encrypts with it; those elsewhere
have a copy. Only the control plane decrypts.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from modelyard.core.errors import InvalidInput, WrongState
from modelyard.decisions import exclusive, write_atomically
from modelyard.decisions.protection import Cipher

NAME = "data.key"
_BYTES = 32


class DataKeys:
    """Keys at a path, readable by their owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ids(self) -> list[str]:
        """What names the keys in encrypted values, the present one first; empty when there is no file."""
        return [hashlib.sha256(key).digest()[:4].hex() for key in self._keys()]

    def rotate(self) -> str:
        """Put a new key first, and make the file when there is none; gives its id. Raises InvalidInput for a file that is no key
        file."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(self._path.with_suffix(".lock")):
            keys = [secrets.token_bytes(_BYTES), *self._keys()]
            write_atomically(self._path, "".join(f"{key.hex()}\n" for key in keys).encode(), mode=0o600)
        return self.ids()[0]

    def cipher(self) -> Cipher:
        """What decrypts. Raises WrongState when there is no key, or others may read it."""
        if not self._path.exists():
            raise WrongState(f"there is no data key at {self._path}", hint="modelyard keys data rotate makes one")
        if os.name == "posix" and self._path.stat().st_mode & 0o077:
            raise WrongState(f"others may read {self._path}", hint=f"chmod 600 {self._path}")
        return Cipher.from_text(self._path.read_text(encoding="ascii"))

    def _keys(self) -> list[bytes]:
        if not self._path.exists():
            return []
        try:
            keys = [bytes.fromhex(line) for line in self._path.read_text(encoding="ascii").split()]
        except ValueError as error:
            raise InvalidInput(f"{self._path} is no file of data keys", hint="64 hex digits a line") from error
        Cipher(keys)
        return keys
