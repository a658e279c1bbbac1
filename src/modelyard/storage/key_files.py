"""Signing keys as files: one PEM file of mode 0600 for each key, and `active.json` that says which key signs what.

The trust roots, the public half, lie beside them in `trust-roots.json`; a copy of that file is what a runtime trusts. Nothing
in the database can add to it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from modelyard.core.errors import NotFound, Unavailable, Untrusted
from modelyard.trust import Ed25519Signer, PublicKey, Purpose, Signer, TrustRoot, TrustRoots
from modelyard.trust.keys import OF_THE_PLATFORM

LIFE = timedelta(days=5 * 366)
ROOTS = "trust-roots.json"


class KeyFiles:
    """The keys of one installation. Safe to read from several processes; rotation is an operator's act on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, Signer] = {}

    def ensure(self, at: datetime) -> bool:
        """Make a key for everything that the platform signs and has no key for; says whether any was made."""
        missing = [p for p in OF_THE_PLATFORM if p not in self._active()]
        for purpose in missing:
            self.rotate(purpose, at)
        return bool(missing)

    def signer(self, purpose: Purpose) -> Signer:
        key_id = self._active().get(purpose)
        if key_id is None:
            raise NotFound(f"there is no key that signs {purpose.value}", hint="`modelyard keys rotate` makes one")
        if key_id not in self._loaded:
            self._loaded[key_id] = self._read(key_id)
        return self._loaded[key_id]

    def _read(self, key_id: str) -> Signer:
        path = self._folder / f"{key_id}.pem"
        try:
            if path.stat().st_mode & 0o077:
                raise Untrusted(f"key file {path.name} can be read by others", hint=f"chmod 600 {path}")
            signer = Ed25519Signer.from_private_bytes(path.read_bytes())
        except FileNotFoundError as error:
            raise NotFound(
                f"the key file {path.name} is gone", hint="revoke the key and rotate: docs/how-to/rotate-keys.md"
            ) from error
        except OSError as error:
            raise Unavailable(f"the key file {path.name} cannot be read: {error.strerror}") from error
        if signer.key_id != key_id:
            raise Untrusted(f"key file {path.name} holds another key")
        return signer

    def roots(self) -> TrustRoots:
        """What is trusted here."""
        path = self._folder / ROOTS
        return TrustRoots.from_json(path.read_bytes()) if path.exists() else TrustRoots()

    def rotate(self, purpose: Purpose, at: datetime) -> Signer:
        """A new key signs the purpose from now on; the older one stays trusted until it is revoked or expires."""
        signer = Ed25519Signer.generate()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self._folder / f"{signer.key_id}.pem", signer.private_pem(), 0o600)
        root = TrustRoot.of(signer.public_key, purposes=(purpose,), not_before=at - timedelta(minutes=5), not_after=at + LIFE)
        _write(self._folder / ROOTS, self.roots().adding(root).to_json(), 0o644)
        active = {k.value: v for k, v in self._active().items()} | {purpose.value: signer.key_id}
        _write(self._folder / "active.json", json.dumps(active, indent=2).encode(), 0o600)
        return signer

    def revoke(self, key_id: str, at: datetime) -> TrustRoots:
        """Trust a key no more. What it signed must be signed again by another."""
        roots = self.roots().revoking(key_id, at)
        _write(self._folder / ROOTS, roots.to_json(), 0o644)
        return roots

    def trust(self, key: PublicKey, purpose: Purpose, at: datetime, until: datetime, endpoints: Sequence[str] = ()) -> TrustRoot:
        """Trust somebody else's key for one purpose: an operator's, for orders about these endpoints (about any, when there are
        none). Raises AlreadyExists."""
        root = TrustRoot.of(key, (purpose,), at - timedelta(minutes=5), until, endpoints)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self._folder / ROOTS, self.roots().adding(root).to_json(), 0o644)
        return root

    def active(self) -> dict[Purpose, str]:
        """Which key signs what."""
        return self._active()

    def _active(self) -> dict[Purpose, str]:
        path = self._folder / "active.json"
        if not path.exists():
            return {}
        return {Purpose(k): v for k, v in json.loads(path.read_text()).items()}


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step, durably."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
