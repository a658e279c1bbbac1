"""Where shipped segments are kept: a folder that machines share, or an object store (S3, GCS, Azure) through obstore.

Both create objects whole or not at all, and only under a name that nobody has: that is the one promise that shipping needs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec

from modelyard.core.errors import InvalidInput, NotFound, StorageFull, Unavailable
from modelyard.decisions.errors import storage_error
from modelyard.decisions.files import sync_folder

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PATIENCE = {"max_retries": 3, "retry_timeout": timedelta(seconds=8)}
_TIMES = {"timeout": "30s", "connect_timeout": "4s"}
_STALE = timedelta(days=1)


class Stored(msgspec.Struct, frozen=True, order=True):
    """An object: its name below the store's address, its size in bytes, and when it was made (seconds since 1970)."""

    name: str
    size: int
    modified: float = 0.0


class SegmentStore(Protocol):
    """Objects under names like `a/b/c`. Every method raises Unavailable (or StorageFull) when the store does not answer."""

    def create(self, name: str, data: bytes) -> bool:
        """Keep the bytes under a name that nobody has; durable on return. False when there is such an object already."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes of an object. Raises NotFound."""
        ...

    def list(self, prefix: str, after: str = "") -> list[Stored]:
        """Every object below these whole parts (`segments/w`) whose whole name sorts behind `after`, by name."""
        ...

    def remove(self, name: str) -> None:
        """Forget an object; nothing happens when there is none."""
        ...


def segments_at(url: str, options: Mapping[str, Any] | None = None) -> SegmentStore:
    """The store at a folder (a path or `file:///…`) or at `s3://bucket/prefix`, `gs://…`, `az://…`. `options` are obstore's for
    that store; credentials come from its usual environment variables. Raises InvalidInput for an address of no store."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return FolderSegments(Path(parts.path if parts.scheme else url))
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    given: dict[str, Any] = {"retry_config": _PATIENCE} | dict(options or {})
    given["client_options"] = _from_environment() | _TIMES | dict(given.get("client_options", {}))
    try:
        return ObjectSegments(from_url(url, **given))
    except (BaseError, ValueError, TypeError) as error:
        raise InvalidInput(f"no segments can be kept at {url}: {error}", field="segments", hint="s3://bucket/prefix") from error


def _from_environment() -> dict[str, Any]:
    """Options of our own would hide what the environment says of plain HTTP."""
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes"}
    return {"allow_http": True} if allowed else {}


class FolderSegments:
    """Objects as files of a folder. A link that must not exist yet is what makes a name one's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / ".incoming"

    def create(self, name: str, data: bytes) -> bool:
        path = self._folder / _checked(name)
        part = self._incoming / f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}.part"
        with self._told():
            self._incoming.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(part, data)
                os.link(part, path)
            except FileExistsError:
                return False
            finally:
                part.unlink(missing_ok=True)
            for folder in (path.parent, path.parent.parent, self._folder):
                sync_folder(folder)
        return True

    def get(self, name: str) -> bytes:
        with self._told():
            try:
                return (self._folder / _checked(name)).read_bytes()
            except FileNotFoundError as error:
                raise NotFound(f"the store has no {name}") from error

    def list(self, prefix: str, after: str = "") -> list[Stored]:
        with self._told():
            return sorted(each for each in self._found(self._folder / _checked(prefix)) if each.name > after)

    def remove(self, name: str) -> None:
        with self._told():
            (self._folder / _checked(name)).unlink(missing_ok=True)

    def sweep(self, older_than: timedelta = _STALE) -> None:
        """Remove what writers that died left half written."""
        limit = time.time() - older_than.total_seconds()
        with self._told():
            for path in self._incoming.glob("*.part"):
                if path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)

    def _found(self, folder: Path) -> Iterator[Stored]:
        for path in folder.rglob("*"):
            try:
                if path.is_file():
                    found = path.stat()
                    yield Stored(path.relative_to(self._folder).as_posix(), found.st_size, found.st_mtime)
            except FileNotFoundError:
                continue

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self._folder / "segments") from error


class ObjectSegments:
    """Objects of an object store that knows conditional puts (`If-None-Match: *`): S3, GCS, Azure, SeaweedFS, MinIO."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def create(self, name: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _told(name):
            try:
                obstore.put(self._store, _checked(name), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def get(self, name: str) -> bytes:
        import obstore

        with _told(name):
            return bytes(obstore.get(self._store, _checked(name)).bytes())

    def list(self, prefix: str, after: str = "") -> list[Stored]:
        import obstore

        with _told(prefix):
            pages = obstore.list(self._store, prefix=_checked(prefix), offset=after or None)
            return sorted(Stored(e["path"], e["size"], e["last_modified"].timestamp()) for page in pages for e in page)

    def remove(self, name: str) -> None:
        import obstore
        from obstore.exceptions import NotFoundError

        with _told(name):
            try:
                obstore.delete(self._store, _checked(name))
            except (NotFoundError, FileNotFoundError):
                return


def _checked(name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise InvalidInput(f"{name!r} is no name of an object", field="name")
    return name


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Errors of the store leave the block as errors of the house."""
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound(f"the store has no {name}", hint="or no such bucket") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Unavailable("the object store refused our credentials", hint="check the bucket's policy and the key") from error
    except BaseError as error:
        full = "507" in str(error) or "QuotaExceeded" in str(error)
        raise (StorageFull if full else Unavailable)(f"the object store failed: {str(error)[:300]}") from error
