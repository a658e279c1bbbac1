"""Blobs named by their SHA-256: in a local folder, or in an object store (S3, GCS, Azure, memory) through obstore.

Both lay them out as `sha256/<first two digits>/<64 digits>`. In a folder a blob is written beside, flushed to the disk and
renamed; in an object store it is first gathered in a temporary file, so that its name is known, and uploaded in parts: an upload
that dies leaves nothing that can be seen.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelyard.core.blobs import BlobInfo, Blobs, Stream
from modelyard.core.digests import DIGEST
from modelyard.core.errors import InvalidInput, ModelyardError, NotFound, StorageFull, TooLarge, Unavailable, Untrusted

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE = 1 << 20
PART = 8 << 20
PARTS_AT_ONCE = 4
STALE = timedelta(days=1)


def blobs_at(url: str, options: Mapping[str, Any] | None = None) -> Blobs:
    """The blobs at a folder (a path or `file:///…`) or at `s3://bucket/prefix`, `gs://…`, `az://…`, `memory://`. `options` are
    obstore's for that store; credentials come from its usual environment variables."""
    scheme = urlsplit(url).scheme
    if scheme in {"", "file"}:
        return LocalBlobs(Path(urlsplit(url).path if scheme else url))
    from obstore.exceptions import BaseError
    from obstore.store import MemoryStore, from_url

    if scheme == "memory":
        return ObjectBlobs(MemoryStore())
    try:
        return ObjectBlobs(from_url(url, **dict(options or {})))
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"no blobs can be kept at {url}: {error}") from error


class LocalBlobs:
    """Blobs in a folder, which is made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"

    def put(self, stream: Stream, *, expected: str | None = None, limit: int | None = None) -> BlobInfo:
        with _clear_errors(self._folder):
            self._incoming.mkdir(parents=True, exist_ok=True)
            part = self._incoming / f"{uuid.uuid4().hex}.part"
            try:
                with part.open("xb") as file:
                    info = _write(stream, file, expected, limit)
                    file.flush()
                    os.fsync(file.fileno())
                part.chmod(0o444)
                self._place(part, self._where(info.digest))
            finally:
                part.unlink(missing_ok=True)
        return info

    def open(self, digest: str) -> Iterator[bytes]:
        path = self._present(digest)
        with _clear_errors(self._folder):
            file = path.open("rb")
        return _checked(_pieces_and_close(file), digest)

    def path(self, digest: str) -> Path | None:
        return self._present(digest)

    def exists(self, digest: str) -> bool:
        return self._where(digest).is_file()

    def size(self, digest: str) -> int:
        return self._present(digest).stat().st_size

    def verify(self, digest: str) -> None:
        for _ in self.open(digest):
            pass

    def digests(self) -> Iterator[str]:
        for path in (self._folder / "sha256").glob("*/*"):
            if DIGEST.match(f"sha256:{path.name}"):
                yield f"sha256:{path.name}"

    def remove(self, digest: str) -> None:
        path = self._present(digest)
        with _clear_errors(self._folder):
            path.unlink()

    def sweep(self, older_than: timedelta = STALE) -> int:
        """Remove what uploads that died left behind; says how many. An upload that goes on is younger."""
        limit = time.time() - older_than.total_seconds()
        stale = [path for path in self._incoming.glob("*.part") if _modified(path) < limit]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _where(self, digest: str) -> Path:
        return self._folder / _key(digest)

    def _present(self, digest: str) -> Path:
        path = self._where(digest)
        if not path.is_file():
            raise NotFound(f"no blob {digest}")
        return path

    def _place(self, part: Path, path: Path) -> None:
        # Replacing a blob of the same name heals one that was damaged; a sound one is replaced by its equal.
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        for folder in (path.parent, path.parent.parent, self._folder):
            _flush_folder(folder)


class ObjectBlobs:
    """Blobs in an object store. `spool` is the folder for temporary files (the system's by default)."""

    def __init__(self, store: ObjectStore, spool: Path | None = None) -> None:
        self._store, self._spool = store, spool

    def put(self, stream: Stream, *, expected: str | None = None, limit: int | None = None) -> BlobInfo:
        with _clear_errors(self._spool or Path(tempfile.gettempdir())), tempfile.TemporaryFile(dir=self._spool) as file:
            info = _write(stream, file, expected, limit)
            file.flush()
            file.seek(0)
            with _clear_store_errors():
                self._upload(file, info)
        return info

    def open(self, digest: str) -> Iterator[bytes]:
        import obstore

        key = _key(digest)
        with _clear_store_errors(digest):
            pieces = obstore.get(self._store, key).stream(min_chunk_size=PIECE)
        return _checked(_translated(map(bytes, pieces), digest), digest)

    def path(self, digest: str) -> Path | None:
        self.size(digest)
        return None

    def exists(self, digest: str) -> bool:
        try:
            self.size(digest)
        except NotFound:
            return False
        return True

    def size(self, digest: str) -> int:
        import obstore

        key = _key(digest)
        with _clear_store_errors(digest):
            return int(obstore.head(self._store, key)["size"])

    def verify(self, digest: str) -> None:
        for _ in self.open(digest):
            pass

    def digests(self) -> Iterator[str]:
        import obstore

        with _clear_store_errors():
            for found in obstore.list(self._store, prefix="sha256"):
                for each in found:
                    digest = "sha256:" + each["path"].rsplit("/", 1)[-1]
                    if DIGEST.match(digest):
                        yield digest

    def remove(self, digest: str) -> None:
        import obstore

        self.size(digest)
        with _clear_store_errors(digest):
            obstore.delete(self._store, _key(digest))

    def _upload(self, file: IO[bytes], info: BlobInfo) -> None:
        import obstore

        # Only the whole object becomes visible, and only under the name of its content: writing it twice is harmless.
        in_parts = info.size > PART
        obstore.put(
            self._store,
            _key(info.digest),
            file if in_parts else file.read(),
            use_multipart=in_parts,
            chunk_size=PART,
            max_concurrency=PARTS_AT_ONCE,
        )
        if self.size(info.digest) != info.size:
            raise Unavailable(f"the store kept another number of bytes of {info.digest}", hint="try again")


def _key(digest: str) -> str:
    if not DIGEST.match(digest):
        raise InvalidInput("not a digest: sha256:<64 hex digits>", field="digest")
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name}"


def _write(stream: Stream, file: IO[bytes], expected: str | None, limit: int | None) -> BlobInfo:
    if expected is not None:
        _key(expected)
    hashed, size = hashlib.sha256(), 0
    for piece in _pieces(stream):
        size += len(piece)
        if limit is not None and size > limit:
            raise TooLarge(f"more than the {limit} bytes allowed")
        hashed.update(piece)
        file.write(piece)
    digest = f"sha256:{hashed.hexdigest()}"
    if expected not in {None, digest}:
        raise Untrusted(f"the bytes have the digest {digest}, not {expected}", field="digest", hint="send the file again")
    return BlobInfo(digest=digest, size=size)


def _pieces(stream: Stream) -> Iterator[bytes]:
    if isinstance(stream, Iterable) and not hasattr(stream, "read"):
        yield from stream
        return
    read: Callable[[int], bytes] = stream.read
    while piece := read(PIECE):
        yield piece


def _pieces_and_close(file: IO[bytes]) -> Iterator[bytes]:
    with file, _clear_errors(Path(str(file.name))):
        yield from _pieces(file)


def _checked(pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    """The last piece is held back until the digest is known to be right: who has it all has the right bytes."""
    hashed, held = hashlib.sha256(), b""
    for piece in pieces:
        if held:
            yield held
        hashed.update(piece)
        held = piece
    if f"sha256:{hashed.hexdigest()}" != digest:
        raise Untrusted(f"the kept bytes are not those of {digest}", field="digest", hint="restore the blob from a backup")
    if held:
        yield held


def _translated(pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    with _clear_store_errors(digest):
        yield from pieces


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")  # its upload has just ended


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems cannot flush a folder; they keep names safe by other means.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    """Errors of the file system leave the block as errors of the house."""
    try:
        yield
    except OSError as error:
        raise _meaning(error, folder) from error


def _meaning(error: OSError, folder: Path) -> ModelyardError:
    if error.errno in _FULL:
        return StorageFull(f"no room left for blobs in {folder}", hint="free some space; nothing was kept")
    if error.errno in _REFUSED:
        return Unavailable(f"blobs cannot be written to {folder}: {error.strerror}", hint="check that it is a writable folder")
    return Unavailable(f"blobs in {folder} cannot be used: {error}")


@contextmanager
def _clear_store_errors(digest: str | None = None) -> Iterator[None]:
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound(f"no blob {digest}" if digest else "no such bucket") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Unavailable("the object store refused our credentials", hint="check the bucket's policy and the key") from error
    except BaseError as error:
        full = "507" in str(error) or "QuotaExceeded" in str(error)
        raise (StorageFull if full else Unavailable)(f"the object store failed: {str(error)[:500]}") from error
