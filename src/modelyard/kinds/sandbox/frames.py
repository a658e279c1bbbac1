"""What parent and child say to each other: frames of a length and msgpack, never pickle; batches as raw arrays."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidArtifact, ModelyardError, TooLarge, family
from modelyard.kinds.contract import Batch
from modelyard.kinds.registry import BrokenKind, UnknownFormat

_ERRORS = family() | {error.code: error for error in (BrokenKind, UnknownFormat)}
_LENGTH = struct.Struct("<Q")
MAX_FRAME = 1 << 30


def pack(message: Any) -> bytes:
    """A message as one frame. Raises TooLarge beyond 1 GiB."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME:
        raise TooLarge(f"a message of {len(body)} bytes, at most {MAX_FRAME}")
    return _LENGTH.pack(len(body)) + body


def unpack(read: Callable[[int], bytes]) -> Any:
    """The next message; `read` gives up to that many bytes, none at the end. Raises EOFError when it ends early."""
    (length,) = _LENGTH.unpack(_exactly(read, _LENGTH.size))
    if length > MAX_FRAME:
        raise EOFError("a frame of impossible length")
    return decoded(_exactly(read, length))


def decoded(body: bytes) -> Any:
    """The message in a frame's body. Raises EOFError when it is none."""
    try:
        return msgspec.msgpack.decode(body)
    except msgspec.DecodeError as error:
        raise EOFError(f"a frame that is no message: {error}") from error


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = read(min(count, 1 << 20))
        if not part:
            raise EOFError("the other side has gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def from_batch(batch: Batch) -> dict[str, Any]:
    """A batch as plain values: type, shape, and bytes or a list of texts."""
    return {name: _plain(np.asarray(column)) for name, column in batch.items()}


def _plain(column: np.ndarray[Any, Any]) -> list[Any]:
    if column.dtype.kind in "OUS":
        values = column.astype(object).ravel().tolist()
        return ["text", list(column.shape), [v.decode() if isinstance(v, bytes) else v for v in values]]
    return [column.dtype.str, list(column.shape), np.ascontiguousarray(column).tobytes()]


def to_batch(plain: dict[str, Any]) -> Batch:
    """The batch behind plain values. Raises ValueError when they do not fit together."""
    return {name: _array(*parts) for name, parts in plain.items()}


def _array(kind: str, shape: list[int], data: Any) -> np.ndarray[Any, Any]:
    if kind == "text":
        found = np.empty(len(data), dtype=object)
        found[:] = data
        return found.reshape(shape)
    dtype = np.dtype(kind)
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {kind}")
    return np.frombuffer(data, dtype).reshape(shape)


def from_error(error: ModelyardError) -> dict[str, Any]:
    """An error as plain values."""
    return {"code": error.code, "detail": error.detail, "field": error.field, "hint": error.hint}


def to_error(plain: dict[str, Any]) -> ModelyardError:
    """The error behind plain values; of an unknown code, InvalidArtifact."""
    kind = _ERRORS.get(str(plain.get("code")), InvalidArtifact)
    return kind(str(plain.get("detail")), field=plain.get("field"), hint=plain.get("hint"))
