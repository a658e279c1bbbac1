"""Content encodings: bodies that come compressed, never unpacked beyond the largest body; answers that go compressed when asked.

gzip and deflate (as of zlib) both ways; zstd and brotli in only.
"""

from __future__ import annotations

import asyncio
import zlib

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.runtime.asked import Headers, ReplyHeaders
from modelyard.runtime.errors import UnsupportedMedia
from modelyard.runtime.forms.limits import LONG

WORTH = 16 << 10
"""Answers of fewer bytes are not compressed: it would cost more time than it saves."""

_IN_THREAD = 4 << 10
"""More bytes are unpacked in a thread: a few can become a thousand times as many, and by zstd and br far more."""
_STEP = 64 << 10
_MOST_MEMBERS = 4096
"""A compressed body may be of several parts: files that grew by appending, blocks of bgzip."""
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_FRAMED = {"zstd": "zstd", "br": "brotli"}
_MOST_ENCODINGS = 2


async def plain(body: bytes, headers: Headers, largest: int) -> bytes:
    """The body without its content encodings. Raises InvalidInput when it is not what it says, TooLarge when it would have more
    than `largest` bytes (found out before they are in memory), UnsupportedMedia for encodings not read here."""
    given = headers.get("content-encoding")
    if given is None:
        return body
    names = [name for part in given.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if len(names) > _MOST_ENCODINGS:
        raise UnsupportedMedia(f"{len(names)} content encodings on top of each other", field="content-encoding")
    for name in reversed(names):
        work = _unpacked if len(body) <= _IN_THREAD and name in _WINDOW else _beside
        found = work(name, body, largest)
        body = found if isinstance(found, bytes) else await found
    return body


async def _beside(name: str, body: bytes, largest: int) -> bytes:
    return await asyncio.to_thread(_unpacked, name, body, largest)


def _unpacked(name: str, body: bytes, largest: int) -> bytes:
    if name in _WINDOW:
        return _inflated(name, body, largest)
    if name in _FRAMED:
        return _unframed(name, body, largest)
    hint = f"one of gzip, deflate, {', '.join(_FRAMED)}"
    raise UnsupportedMedia(f"content encoding {name[:40]!r} is not read here", field="content-encoding", hint=hint)


def _inflated(name: str, body: bytes, largest: int) -> bytes:
    """Also of several gzip members one after another, unless they are so many that they are there to cost time."""
    pieces: list[bytes] = []
    total = place = members = 0
    while place < len(body) or not members:
        members += 1
        if members > _MOST_MEMBERS:
            detail = f"the body is of more than {_MOST_MEMBERS} {name} members"
            raise TooLarge(detail, field="content-encoding", hint="compress it as one")
        place, total = _member(name, body, place, total, largest, pieces)
    return b"".join(pieces)


def _member(name: str, body: bytes, place: int, total: int, largest: int, pieces: list[bytes]) -> tuple[int, int]:
    """Unpack the member that begins at `place`; where it ends, and how many bytes there are now. By steps: whatever is left of a
    step behind a member's end is copied."""
    engine, view = zlib.decompressobj(_WINDOW[name]), memoryview(body)
    while not engine.eof:
        if place >= len(body):
            raise InvalidInput(f"the body ends within its {name} data", field="content-encoding")
        step = view[place : place + _STEP]
        try:
            piece = engine.decompress(step, largest + 1 - total)
        except zlib.error as error:
            raise InvalidInput(f"the body is not {name}: {error}", field="content-encoding") from error
        total += len(piece)
        if total > largest:
            raise too_large(largest)
        pieces.append(piece)
        place += len(step) - len(engine.unused_data)
    return place, total


def _unframed(name: str, body: bytes, largest: int) -> bytes:
    import pyarrow as pa

    try:
        found = bytes(pa.CompressedInputStream(pa.BufferReader(body), _FRAMED[name]).read(largest + 1))
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(f"the body is not {name}: {error}", field="content-encoding") from error
    if len(found) > largest:
        raise too_large(largest)
    return found


def too_large(largest: int) -> TooLarge:
    """The refusal of a body of too many bytes."""
    return TooLarge(f"the body is larger than {largest} bytes", hint="send fewer rows at once")


async def packed(reply: ReplyHeaders, answer: bytes, headers: Headers) -> tuple[ReplyHeaders, bytes]:
    """The answer as the caller accepts it: compressed when it says so, and then its headers say so too."""
    accepted = headers.get("accept-encoding")
    chosen = _chosen(accepted) if accepted else None
    if chosen is None:
        return reply, answer
    if len(answer) > LONG:
        answer = await asyncio.to_thread(_deflated, chosen, answer)
    else:
        answer = _deflated(chosen, answer)
    return [*reply, ("content-encoding", chosen), ("vary", "accept-encoding")], answer


def _deflated(name: str, answer: bytes) -> bytes:
    engine = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[name])
    return engine.compress(answer) + engine.flush()


def _chosen(accepted: str) -> str | None:
    """gzip, else deflate, else nothing."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, weight = part.strip().partition(";")
        weights[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    for name in ("gzip", "deflate"):
        if weights.get(name, weights.get("*", False)):
            return name
    return None
