"""The port that keeps blobs: bytes named by their SHA-256, so that a name can only ever mean one content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict


class BlobInfo(BaseModel):
    """A kept blob: its digest (`sha256:<64 hex digits>`) and its size in bytes."""

    model_config = ConfigDict(frozen=True)

    digest: str
    size: int


class Readable(Protocol):
    """A binary file, or anything that is read like one."""

    def read(self, size: int = -1, /) -> bytes: ...


Stream = Readable | Iterable[bytes]


class Blobs(Protocol):
    """Where blobs are kept. Nothing is visible before it is whole, and keeping the same content twice keeps it once."""

    def put(self, stream: Stream, *, expected: str | None = None, limit: int | None = None) -> BlobInfo:
        """Keep the bytes of the stream in bounded memory. Raises Untrusted when their digest is not the expected one, TooLarge
        beyond `limit` bytes, StorageFull, and Unavailable when the place cannot be written; nothing is kept then."""
        ...

    def open(self, digest: str) -> Iterator[bytes]:
        """The bytes in pieces, checked on the way: raises NotFound at once, and Untrusted at the end (before the last piece)
        when they are not what the digest says."""
        ...

    def path(self, digest: str) -> Path | None:
        """Where the blob lies in the local file system; None when it lies elsewhere. Not verified. Raises NotFound."""
        ...

    def exists(self, digest: str) -> bool: ...

    def size(self, digest: str) -> int:
        """Size in bytes. Raises NotFound."""
        ...

    def verify(self, digest: str) -> None:
        """Read it all. Raises NotFound, and Untrusted when the content is not what the digest says."""
        ...

    def digests(self) -> Iterator[str]:
        """Every kept digest, in no particular order."""
        ...

    def remove(self, digest: str) -> None:
        """Forget a blob (erasure, clearing up). Raises NotFound."""
        ...
