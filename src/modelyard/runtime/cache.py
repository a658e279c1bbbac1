"""What the runtime keeps of its own: everything it accepted, so that it restarts alone, and the highest epoch it ever saw."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import msgspec
from pydantic import ValidationError

from modelyard.core.digests import DIGEST, digest, digest_of
from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.decisions import exclusive, write_atomically
from modelyard.decisions.errors import storage_error
from modelyard.kinds.manifest import VersionManifest
from modelyard.trust.dsse import Envelope
from modelyard.trust.statements import RouteSnapshot, Statement

HISTORY = 50
"""Different states of the arms of each endpoint that are kept after newer ones came: where an operator's order may lead. Routes
that were only signed again are no state of their own, and what happens to other endpoints neither."""
_ALL = ""


class Highest(msgspec.Struct, frozen=True):
    """The greatest epoch of a genuine snapshot, and that snapshot's digest."""

    epoch: int = 0
    digest: str | None = None


class Cache:
    """Files below a folder. Content-addressed files are verified whenever they are read; several processes may share it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._blobs = home / "blobs"
        self._releases = home / "releases"
        self._history = home / "history"
        self._states: dict[str, dict[str, str]] = {}
        for folder in (home, self._blobs, self._releases, self._history):
            folder.mkdir(parents=True, exist_ok=True)

    def routes(self) -> bytes | None:
        """The envelope of the last snapshot that was accepted."""
        path = self._home / "routes.dsse.json"
        return path.read_bytes() if path.exists() else None

    def accept(self, envelope: bytes, highest: Highest) -> None:
        """Remember a snapshot and that its epoch was seen; durable on return. An epoch never goes back."""
        with exclusive(self._home / "epoch.lock"):
            if highest.epoch < self.highest().epoch:
                return
            write_atomically(self._history / f"{highest.epoch:012d}.dsse.json", envelope)
            self._prune()
            write_atomically(self._home / "epoch.json", msgspec.json.encode(highest))
            write_atomically(self._home / "routes.dsse.json", envelope)

    def history(self) -> list[bytes]:
        """The envelopes of the last states that were accepted, oldest first, the one in force among them: of each, the first and
        the last that was signed. They are verified by whoever reads them."""
        found = []
        for path in sorted(self._history.glob("*.dsse.json")):
            with suppress(FileNotFoundError):  # another process of this home let go of the oldest
                found.append(path.read_bytes())
        return found

    def _prune(self) -> None:
        """Let go of what is more than `HISTORY` states old, for all endpoints together and for each that is still there: one that
        changes often does not push out where a quiet one came from."""
        paths = sorted(self._history.glob("*.dsse.json"))
        self._states = {path.name: self._states.get(path.name) or _states(path.read_bytes()) for path in paths}
        kept: set[Path] = set()
        for name in self._states[paths[-1].name]:
            kept.update(_ends([path for path in paths if name in self._states[path.name]], self._states, name))
        for path in paths:
            if path not in kept:
                path.unlink(missing_ok=True)

    def highest(self) -> Highest:
        """What `accept` remembered. Raises Untrusted when the file is broken: without it an old snapshot could come back."""
        path = self._home / "epoch.json"
        if not path.exists():
            return Highest()
        try:
            return msgspec.json.decode(path.read_bytes(), type=Highest)
        except msgspec.DecodeError as error:
            raise Untrusted("the record of the highest epoch is broken", hint=f"look at {path}") from error

    def release(self, wanted: str) -> bytes | None:
        """An envelope kept under its payload's digest. It is verified by whoever reads it."""
        path = self._releases / f"{_hex(wanted)}.dsse.json"
        return path.read_bytes() if path.exists() else None

    def keep_release(self, wanted: str, envelope: bytes) -> None:
        """Remember an envelope."""
        write_atomically(self._releases / f"{_hex(wanted)}.dsse.json", envelope)

    def blob(self, wanted: str) -> Path | None:
        """The file with that digest, hashed anew; None when it is absent, or was altered (then it is removed)."""
        path = self._blobs / _hex(wanted)
        if not path.exists():
            return None
        if _file_digest(path) == wanted:
            return path
        path.unlink()
        return None

    def keep_blob(self, wanted: str, pieces: Iterator[bytes], largest: int) -> Path:
        """Store what comes if it has that digest. Raises Untrusted otherwise, and when more than `largest` bytes come."""
        descriptor, name = tempfile.mkstemp(dir=self._blobs, prefix=".incoming-")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                for piece in _limited(pieces, wanted, largest):
                    handle.write(piece)
                handle.flush()
                os.fsync(handle.fileno())
            found = _file_digest(temporary)
            if found != wanted:
                raise Untrusted(f"the bytes that came for {wanted} have the digest {found}", field="digest")
            return temporary.replace(self._blobs / _hex(wanted))
        except OSError as error:
            raise storage_error(error, self._blobs / _hex(wanted)) from error
        finally:
            temporary.unlink(missing_ok=True)


def manifest_in(path: Path) -> VersionManifest:
    """The manifest that a verified file holds. Raises Untrusted when it is none."""
    try:
        return VersionManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Untrusted(f"manifest {path.name} cannot be read: {error.errors()[0]['msg']}", field="manifest") from error


def _ends(paths: list[Path], states: dict[str, dict[str, str]], name: str) -> list[Path]:
    """Of each of the last runs of equal states the first, which says since when, and the last, whose key is the newest."""
    runs = [list(run) for _, run in groupby(paths, key=lambda path: states[path.name][name])]
    return [path for run in runs[-HISTORY:] for path in (run[0], run[-1])]


def _states(envelope: bytes) -> dict[str, str]:
    """By endpoint, and for all together: equal for snapshots with the same arms. What cannot be read is a state of its own."""
    try:
        told = Statement.model_validate_json(Envelope.from_json(envelope).payload_bytes()).predicate
        snapshot = RouteSnapshot.model_validate(told)
    except (ValueError, Untrusted):
        return {_ALL: digest(envelope)}
    arms = {endpoint.name: [arm.model_dump(mode="json") for arm in endpoint.arms] for endpoint in snapshot.endpoints}
    organisation = snapshot.organisation
    return {name: digest_of([organisation, name, of]) for name, of in arms.items()} | {_ALL: digest_of([organisation, arms])}


def _limited(pieces: Iterator[bytes], wanted: str, largest: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > largest:
            raise Untrusted(f"more than {largest} bytes came for {wanted}", field="size")
        yield piece


def _file_digest(path: Path) -> str:
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def _hex(wanted: str) -> str:
    if not DIGEST.match(wanted):
        raise InvalidInput(f"{wanted!r:.80} is no digest")
    return wanted.removeprefix("sha256:")
