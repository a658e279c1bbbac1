"""A connection: bytes in, exchanges in order, answers out. What the bytes mean is llhttp's business (`httptools`).

accepted ─► head ─► body ─► answering ─► idle ─► head …          each of them for so long and no longer, see `overdue`
              └──────┴─ wrong, too much, too late ─► told, then closed
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from enum import IntEnum
from time import perf_counter
from typing import Any, Protocol

import structlog
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from modelyard.runtime.http.exchange import Application, CallerGone, Exchange, head
from modelyard.runtime.http.heads import Head

_LOG = structlog.get_logger("modelyard.runtime")
_LAST = (("content-type", "application/json"), ("connection", "close"))
_LARGEST_DISCARDED = 8 << 20


class Phase(IntEnum):
    """What a connection is waiting for."""

    FRESH = 0
    """Its first byte."""
    IDLE = 1
    """The next request."""
    HEAD = 2
    BODY = 3
    """A body that is taken whole."""
    BUSY = 4
    """The application."""
    LINGERING = 5
    """The caller to close: it was told something while it still sent."""


class _Over(Exception):
    """Nothing more is read from this connection. It stops the parser."""


class Owner(Protocol):
    """What connections have in common."""

    app: Application
    loop: asyncio.AbstractEventLoop
    date: bytes
    ending: bool
    largest_head: int

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """One caller's connection. `phase` and `since` (`perf_counter` seconds) tell what it is waiting for; `stalled`, since when
    it also waits for the caller to take what was written (infinite: it does not)."""

    __slots__ = (
        "_asked", "_broken", "_current", "_discarded", "_eof", "_expects", "_head", "_held", "_parser", "_paused", "_queue",
        "_reading", "_room", "_server", "_tasks", "_transport", "_unsent", "phase", "since", "stalled",
    )  # fmt: skip

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Exchange] = deque()  # in order; the first is with the application, the last may still be coming
        self._current: Exchange | None = None
        self._asked = Head(server.largest_head)
        self._head = self._discarded = self._unsent = 0
        self._reading, self._expects, self._broken, self._eof = True, False, False, False
        self._room: asyncio.Future[None] | None = None
        self._paused = self._held = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.phase, self.since, self.stalled = Phase.FRESH, perf_counter(), float("inf")

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.opened(self)
        if self._server.ending:  # it was accepted while the listener closed
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._resume_writers()
        waiting = self.phase is Phase.BODY
        for exchange in self._queue:
            exchange.lost()
        if waiting:
            self._guarded(self._server.app.give_up, self._queue[0], False)
        self._queue.clear()
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.LINGERING or self._broken:
            self._discard(len(data))
            return
        self._head += len(data)  # of a head, or of what is no body behind one: trailers, extensions of chunks
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # to another protocol, which is declined by answering in this one, once
            self._last_one()
        except HttpParserError as error:
            self._refuse(400, f"this is no HTTP request: {error}")
        else:
            if self._head > self._server.largest_head:
                self._refuse(431, f"the head of the request is larger than {self._server.largest_head} bytes")

    def eof_received(self) -> bool:
        """Who will say no more may still want to hear the answer to what was said; who left in the middle does not."""
        self._eof = True
        busy = self._queue and all(exchange.complete and not exchange.streams for exchange in self._queue)
        if not busy or self.phase is Phase.LINGERING:
            return False
        self._last_one()
        return True

    def pause_writing(self) -> None:
        self._paused = True
        self._watch()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self.stalled = float("inf")
        self._resume_writers()
        if self._held:
            self._held = False
            self._go_on()

    # --- what the parser finds

    def on_message_begin(self) -> None:
        if self._broken or self.phase is Phase.LINGERING:
            raise _Over
        exchange = Exchange(self, perf_counter())
        exchange.date = self._server.date
        self._asked, self._expects = Head(self._server.largest_head), False
        if self.phase in (Phase.IDLE, Phase.FRESH):
            self.phase, self.since = Phase.HEAD, exchange.started
        self._queue.append(exchange)

    def on_url(self, url: bytes) -> None:
        self._asked.address(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._current is None:  # after the body come trailers, which nobody here asks for
            self._asked.header(name, value)

    def on_headers_complete(self) -> None:
        exchange, parser, asked = self._queue[-1], self._parser, self._asked
        self._current = exchange
        wrong = asked.wrong(parser)
        if wrong is not None:
            self._refuse(*wrong)
            return
        exchange.method, exchange.path, exchange.headers = parser.get_method().decode("latin-1"), asked.path, asked.headers
        exchange.minor = int(parser.get_http_version() == "1.1")
        exchange.keep = parser.should_keep_alive()
        self._expects = asked.expects and exchange.minor > 0
        if self.phase is Phase.HEAD:
            self._start(exchange)
        else:
            self.enough()  # one after another

    def on_body(self, body: bytes) -> None:
        self._head = 0
        if self._current is not None and not self._broken:
            self._current.came(body)

    def on_message_complete(self) -> None:
        exchange, self._current = self._current, None
        self._head = 0
        if exchange is None or self._broken:
            return
        exchange.ended()
        if self.phase is Phase.BODY and exchange is self._queue[0]:
            self.phase = Phase.BUSY
            self._guarded(self._server.app.take, exchange)

    # --- what exchanges ask for

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drained(self) -> None:
        while self._paused and self._transport is not None:
            if self._room is None:
                self._room = self._server.loop.create_future()
            await asyncio.shield(self._room)
        if self._transport is None:
            raise CallerGone("the caller left before the answer was whole")

    def more(self) -> None:
        if self._expects:
            self._expects = False
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._read_on()

    def enough(self) -> None:
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def keeps(self) -> bool:
        return not self._server.ending and (len(self._queue) > 1 or not (self._eof or self._broken))

    def answered(self, exchange: Exchange) -> None:
        if self._transport is None or not self._queue:
            return
        self._queue.popleft()
        if not exchange.keep or (self._broken and not self._queue):
            self._close(told_early=not exchange.complete)
        elif self._paused:  # who does not take its answers gets no more of them: they would fill the memory
            self.phase, self._held = Phase.BUSY, True
            self.enough()
        else:
            self._go_on()

    def run(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        task = self._server.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._did(exchange, done))

    # --- what the server asks for

    def finish(self) -> None:
        """Close as soon as what is under way is answered."""
        if self.phase in (Phase.IDLE, Phase.FRESH) or (self._held and not self._queue):
            self._end()

    def turn_away(self, status: int, why: str) -> None:
        """Tell who has just come that there is no place, and close."""
        self._say(status, why)
        self._end()

    def abort(self) -> None:
        """End now, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def overdue(self) -> None:
        """What it waits for did not come in time."""
        if self.phase is Phase.BODY:
            self.phase = Phase.BUSY
            self._guarded(self._server.app.give_up, self._queue[0], True)
        elif self.phase is Phase.HEAD:
            self._refuse(408, "the head of the request did not come in time")
        elif self.phase is not Phase.BUSY:
            self._end()

    def stuck(self) -> None:
        """What was written has waited for long: the caller is cut off, unless it took some of it meanwhile."""
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size() < self._unsent:
            self._watch()
        else:
            self._transport.abort()

    def _watch(self) -> None:
        """See to it that what was written goes, see `stuck`."""
        if self._transport is not None:
            self.stalled, self._unsent = perf_counter(), self._transport.get_write_buffer_size()

    def _end(self) -> None:
        """Close when what was written has gone, and see to it that it goes."""
        if self._transport is not None and not self._transport.is_closing():
            self.phase, self.since = Phase.LINGERING, perf_counter()
            self._transport.close()
            self._watch()

    def _go_on(self) -> None:
        """With the next request, that is here or is to come."""
        if self._queue:  # not at once: callers may send thousands of requests ahead
            self._server.loop.call_soon(self._begin_next)
        elif self._broken or self._server.ending:
            self._end()
            return
        else:
            self.phase, self.since = Phase.IDLE, perf_counter()
        self._read_on()

    def _begin_next(self) -> None:
        if not self._queue or self._transport is None:
            return
        exchange = self._queue[0]
        if exchange.gone:  # what came of it is no request
            self._close(told_early=True)
        elif exchange.method:
            self._start(exchange)
        else:
            self.phase, self.since = Phase.HEAD, exchange.started

    def _start(self, exchange: Exchange) -> None:
        """Give a request to the application."""
        app = self._server.app
        self.phase = Phase.BUSY
        try:
            whole = app.takes_whole(exchange)
        except Exception:  # noqa: BLE001  as in `_guarded`
            self._failed()
            return
        if not whole:
            self.run(exchange, app(exchange))
        elif exchange.complete:
            self._guarded(app.take, exchange)
        else:
            self.phase, self.since = Phase.BODY, exchange.started
            exchange.collect()
            self.more()

    def _guarded(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception:  # noqa: BLE001  an exception out of a callback would be the event loop's, and hang the caller
            self._failed()

    def _failed(self) -> None:
        _LOG.exception("answering failed")
        if self._transport is not None:
            self._transport.abort()

    def _did(self, exchange: Exchange, done: asyncio.Task[None]) -> None:
        self._tasks.discard(done)
        error = None if done.cancelled() else done.exception()
        if error is not None and not isinstance(error, CallerGone):
            _LOG.error("answering failed", exc_info=error)
        if (error is not None or done.cancelled() or not exchange.answered) and self._transport is not None:
            self._transport.abort()

    def _read_on(self) -> None:
        if not self._reading and self._transport is not None and len(self._queue) < 2:
            self._reading = True
            self._transport.resume_reading()

    def _last_one(self) -> None:
        """No request is read after those that are here."""
        self._broken = True
        if not self._queue:
            self._close(told_early=False)

    def _refuse(self, status: int, why: str) -> None:
        """Say what is wrong with what came, and close; but first answer what came before it."""
        if self._broken or self.phase is Phase.LINGERING:  # that was told before
            return
        self._broken = True
        if len(self._queue) > 1 and not self._queue[-1].complete:
            self._queue.pop()
        first = self._queue[0] if self._queue else None
        if first is not None and self.phase is Phase.BUSY:  # its answer is the last thing that is said
            if not first.complete:
                first.broke(status, why)
            return
        self._queue.clear()
        if first is not None and self.phase is Phase.BODY:
            self._guarded(self._server.app.give_up, first, False)
        self._say(status, why)
        self._close(told_early=True)

    def _say(self, status: int, why: str) -> None:
        """The last thing that the caller is told."""
        body = b'{"error":"%b"}' % why.encode("ascii", "replace").replace(b"\\", b"/").replace(b'"', b"'")
        self.write(b"%bcontent-length: %d\r\n\r\n%b" % (head(status, _LAST) + self._server.date, len(body), body))

    def _close(self, told_early: bool) -> None:
        """Close; when the caller still sends, only after it has had time to hear: a close with unread bytes would cut it off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if told_early and not self._eof:
            self.phase, self.since = Phase.LINGERING, perf_counter()
            transport.write_eof()
            if not self._reading:
                self._reading = True
                transport.resume_reading()
        else:
            self._end()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > _LARGEST_DISCARDED and self._transport is not None and self.phase is Phase.LINGERING:
            self._transport.abort()

    def _resume_writers(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
