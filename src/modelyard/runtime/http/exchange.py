"""One request and its answer, as the application sees them. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

Headers = list[tuple[str, str]]
"""An answer's."""
_ROOM = 1 << 20
"""So much of a body is read before somebody asks for it."""


class CallerGone(Exception):
    """The caller left before all that was to come from it, or go to it, did."""


class BodyBroken(CallerGone):
    """What came after the head is no body. `status` is what the caller is to be told."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Application(Protocol):
    """What answers. An exception out of any of it ends the connection, and is logged."""

    def takes_whole(self, exchange: Exchange) -> bool:
        """Whether `take` shall have the request when its body is there. Asked when the head is."""
        ...

    def take(self, exchange: Exchange) -> None:
        """Answer, sooner or later, a request with all of its body."""
        ...

    def give_up(self, exchange: Exchange, late: bool) -> None:
        """The body that `take` should have had does not come: it is `late` and the caller is to be told, or the caller left."""
        ...

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Answer a request whose body is yet to be read."""
        ...


class Line(Protocol):
    """The connection, as an exchange needs it."""

    def write(self, data: bytes) -> None: ...

    async def drained(self) -> None:
        """What was written has gone, but for some. Raises CallerGone."""
        ...

    def more(self) -> None:
        """Read on, if reading was stopped, and let the caller send its body if it waits for that."""
        ...

    def enough(self) -> None:
        """Read no more for now."""
        ...

    def answered(self, exchange: Exchange) -> None:
        """All of the answer was written."""
        ...

    def keeps(self) -> bool:
        """Whether the connection stays after this answer."""
        ...

    def run(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside; when it fails, the connection ends."""
        ...


class Exchange:
    """A request; `headers` have names in lower case. `started` is when it began to come (`perf_counter` seconds), `state`
    whatever the application keeps with it. Answered once: by `answer`, `reply` or `stream`."""

    __slots__ = (
        "_line", "_pieces", "_reader", "_size", "_whole", "_wrong", "answered", "complete", "date", "gone", "headers", "keep",
        "left", "method", "minor", "path", "started", "state", "streams",
    )  # fmt: skip

    def __init__(self, line: Line, started: float) -> None:
        self._line, self.started = line, started
        self.method, self.path = "", ""
        self.headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._whole = False
        self._reader: asyncio.Future[None] | None = None
        self._wrong: BodyBroken | None = None
        self.complete = self.answered = self.gone = self.streams = False
        self.keep, self.minor = True, 1
        self.date = b""
        self.left: asyncio.Future[None] | None = None
        self.state: Any = None

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def whole(self) -> bytes:
        """All of the body. Raises CallerGone, of these BodyBroken where the caller may still be told."""
        self.collect()
        while not self.complete:
            await self._next()
        body, self._pieces = self.body, []
        return body

    def collect(self) -> None:
        """Keep what comes of the body until all of it is there, however much that is."""
        self._whole = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body piece by piece. Raises as `whole`."""
        while True:
            pieces, self._pieces, self._size = self._pieces, [], 0
            for piece in pieces:
                yield piece
            if not self._pieces:
                if self.complete:
                    return
                await self._next()

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer. Does nothing when the caller has gone."""
        self.reply(head(status, tuple(headers)), body)

    def reply(self, head: bytes, body: bytes) -> None:
        """As `answer`, with the status line and the headers ready made by `head`."""
        self._begin()
        length = b"content-length: %d\r\n\r\n" % len(body)
        if self.method == "HEAD":
            body = b""
        if self._keeps(head):
            self._line.write(b"%b%b%b%b" % (head, self.date, length, body))
        else:
            self._line.write(b"%b%b%b%b%b" % (head, self.date, b"" if _closes(head) else _CLOSE, length, body))
        self._line.answered(self)

    def stream(self, status: int, headers: Headers) -> Stream:
        """Answer piece by piece."""
        self._begin()
        self.streams = True
        first = head(status, tuple(headers))
        chunked = self.minor > 0
        close = b"" if self._keeps(first) or _closes(first) else _CLOSE
        self._line.write(first + self.date + close + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        return Stream(self, self._line, chunked and self.method != "HEAD")

    async def caller_left(self) -> None:
        """Wait until the caller has gone."""
        if not self.gone:
            if self.left is None:
                self.left = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.left)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on beside with what takes longer."""
        self._line.run(self, work)

    def came(self, piece: bytes) -> None:
        """A piece of the body is here."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._reader is not None:
            self._wake()
        elif self._size > _ROOM and not self._whole:
            self._line.enough()

    def ended(self) -> None:
        """All of the body is here."""
        self.complete = True
        self._wake()

    def lost(self) -> None:
        """The caller has gone."""
        self.gone = True
        self._wake()
        if self.left is not None and not self.left.done():
            self.left.set_result(None)

    def broke(self, status: int, why: str) -> None:
        """No more of the body will come, since what came is none."""
        self._wrong = BodyBroken(status, why)
        self.lost()

    def _begin(self) -> None:
        if self.answered:
            raise RuntimeError("answered twice")
        self.answered = True

    def _keeps(self, head: bytes) -> bool:
        """Whether the connection stays: unless the answer says otherwise, or a part of the request is still to come."""
        self.keep = self.keep and self.minor > 0 and self.complete and self._line.keeps() and not _closes(head)
        return self.keep

    async def _next(self) -> None:
        self._require_caller()
        self._line.more()
        if self._pieces and not self._whole:
            return
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
        self._require_caller()

    def _require_caller(self) -> None:
        if self._wrong is not None and not self.complete:
            raise self._wrong
        if self.gone and not self.complete:
            raise CallerGone("the caller left before the body was whole")

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class Stream:
    """An answer that is sent piece by piece; it ends with `end`."""

    def __init__(self, exchange: Exchange, line: Line, chunked: bool) -> None:
        self._exchange, self._line, self._chunked = exchange, line, chunked

    async def send(self, piece: bytes) -> None:
        """Send a piece; waits while the caller reads slowly. Raises CallerGone."""
        if self._exchange.gone:
            raise CallerGone("the caller left before the answer was whole")
        if piece and self._exchange.method != "HEAD":
            self._line.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
        await self._line.drained()

    def end(self) -> None:
        """All was sent. Does nothing when the caller has gone."""
        if not self._exchange.gone and self._chunked:
            self._line.write(b"0\r\n\r\n")
        self._line.answered(self._exchange)


_CLOSE = b"connection: close\r\n"


@lru_cache(maxsize=256)
def head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A status line and headers, as they are sent. Raises ValueError for what is none."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"]
    for name, value in headers:
        if any((ord(character) < 32 and character != "\t") or character == "\x7f" for character in name + value):
            raise ValueError(f"a header with control characters: {name!r:.80}")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


@lru_cache(maxsize=256)
def _closes(head: bytes) -> bool:
    return b"\r\nconnection: close\r\n" in head.lower()
