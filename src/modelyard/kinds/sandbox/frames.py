"""What a child that does one thing says at its end: a frame of a length and msgpack, never pickle."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec

from modelyard.core.errors import InvalidArtifact, ModelyardError, TooLarge, family
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


def to_error(plain: dict[str, Any]) -> ModelyardError:
    """The error behind plain values; of an unknown code, InvalidArtifact."""
    kind = _ERRORS.get(str(plain.get("code")), InvalidArtifact)
    return kind(str(plain.get("detail")), field=plain.get("field"), hint=plain.get("hint"))
