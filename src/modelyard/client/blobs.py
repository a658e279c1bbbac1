"""Files to and from the server's blob store, streamed: memory does not grow with their size."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.client.http import Connection
from modelyard.core.errors import InvalidInput, Untrusted

PART = 1 << 20
UPLOAD_TIME = 3600.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Uploaded:
    """A blob that the server has."""

    digest: str
    size: int


def upload(http: Connection, path: Path, progress: Progress | None = None) -> Uploaded:
    """Send a file. `progress` is told the bytes sent and the bytes in all. Raises InvalidInput when there is no such file (or
    it changes while it is sent) and Untrusted when the server found another digest."""
    size = _size(path)
    sent = hashlib.sha256()

    def parts() -> Iterator[bytes]:
        nonlocal sent
        sent = hashlib.sha256()
        done = 0
        with path.open("rb") as file:
            while part := file.read(PART):
                sent.update(part)
                done += len(part)
                if progress is not None:
                    progress(done, size)
                yield part

    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    try:
        told = http.request("POST", "/blobs", content=parts, headers=headers, timeout=UPLOAD_TIME).json()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="artifact") from error
    found = f"sha256:{sent.hexdigest()}"
    if told["digest"] != found:
        raise Untrusted(f"{path.name} arrived as {told['digest']}, it left as {found}", hint="upload it again")
    return Uploaded(found, int(told["size"]))


def download(http: Connection, digest: str, path: Path) -> Path:
    """Fetch a blob. The file appears under its name only when it is whole and has its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        found = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file, http.stream(f"/runtime/blobs/{digest}") as answer:
            for part in answer.iter_bytes(PART):
                found.update(part)
                file.write(part)
        if f"sha256:{found.hexdigest()}" != digest:
            raise Untrusted(f"what came for {digest} has the digest sha256:{found.hexdigest()}")
        return Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _size(path: Path) -> int:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise InvalidInput(f"{path} {what}", field="artifact", hint="name a file; pack a folder as a zip first")
    return path.stat().st_size
