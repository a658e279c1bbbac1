"""Reading untrusted files within bounds: sizes are checked before bytes are read, and decompression stops at a limit."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidArtifact, TooLarge
from modelyard.kinds.contract import Policy

_CHUNK = 1 << 20

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"]\x00\x00", "lzma"),
    (b"\x04\x22M\x18", "lz4"),
    (b"\x78\x01", "zlib"),
    (b"\x78\x5e", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
)


def head(path: Path, count: int = 512) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(count)


def size_of(path: Path, policy: Policy) -> int:
    """The file's size. Raises TooLarge beyond the policy's limit and InvalidArtifact when it is empty or no plain file."""
    if not path.is_file():
        raise InvalidArtifact(f"{path.name!r} is not a plain file", field="artifact")
    size = path.stat().st_size
    if size == 0:
        raise InvalidArtifact(f"{path.name!r} is empty", field="artifact")
    if size > policy.max_artifact_bytes:
        raise too_large(path.name, policy.max_artifact_bytes)
    return size


def read(path: Path, policy: Policy) -> bytes:
    """All bytes of a file within the policy's limit."""
    size_of(path, policy)
    return path.read_bytes()


def too_large(name: str, limit: int) -> TooLarge:
    return TooLarge(f"{name!r} is larger than {_human(limit)}", field="artifact", hint="raise the limit in the policy")


def _human(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MB" if count >= 1 << 20 else f"{count:,} bytes"


def compression(start: bytes) -> str | None:
    """The compression that the first bytes of a file name, or None."""
    return next((name for magic, name in _MAGIC if start.startswith(magic)), None)


def decompressed(data: bytes, name: str, limit: int) -> bytes:
    """The bytes behind one compression, whole and nothing after them. Raises InvalidArtifact or TooLarge."""
    try:
        if name == "zlib":
            return _zlib(data, limit)
        with _open(data, name) as stream:
            return bounded(stream.read, limit, "the decompressed artifact")
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError, RuntimeError) as error:
        raise InvalidArtifact(f"the {name} compression is corrupt: {error}", field="artifact") from error


def bounded(read: Callable[[int], bytes], limit: int, name: str) -> bytes:
    """All that `read` gives, up to `limit` bytes; TooLarge beyond it."""
    parts: list[bytes] = []
    left = limit
    while chunk := read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise too_large(name, limit)
        parts.append(chunk)
    return b"".join(parts)


def _zlib(data: bytes, limit: int) -> bytes:
    engine = zlib.decompressobj()
    out = engine.decompress(data, limit + 1)
    if len(out) > limit:
        raise too_large("the decompressed artifact", limit)
    if not engine.eof or engine.unused_data:
        raise ValueError("truncated, or followed by other data")
    return out


def _open(data: bytes, name: str) -> Any:
    if name == "gzip":
        return gzip.GzipFile(fileobj=BytesIO(data))
    if name == "bz2":
        return bz2.BZ2File(BytesIO(data))
    if name in {"xz", "lzma"}:
        return lzma.LZMAFile(BytesIO(data), format=lzma.FORMAT_AUTO)
    return _lz4(data)


def _lz4(data: bytes) -> Any:
    try:
        frame: Any = importlib.import_module("lz4.frame")
    except ImportError as error:
        raise InvalidArtifact(
            "the artifact is compressed with lz4, which is not installed here", field="artifact", hint="save it with zlib"
        ) from error
    return frame.open(BytesIO(data))


def first_decompressed(path: Path, name: str, count: int = 512) -> bytes:
    """The first bytes behind a compression, or nothing when it is corrupt (whoever reads it whole will say so)."""
    opened: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    try:
        with opened[name](path) as stream:
            start: bytes = stream.read(count)
            return start
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError):
        return b""
