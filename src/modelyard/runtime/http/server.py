"""A process's connections: opened, looked after, and at the end answered to the last."""

from __future__ import annotations

import asyncio
import resource
import socket
from email.utils import formatdate
from heapq import nsmallest
from time import perf_counter

import structlog

from modelyard.runtime.http.connection import Connection, Phase
from modelyard.runtime.http.exchange import Application

_IDLE_SECONDS = 75.0
"""Longer than balancers keep an idle connection: they should be the ones to close it."""
_LINGER_SECONDS = 2.0
_LOOK_EVERY = 0.5
_LOG = structlog.get_logger("modelyard.runtime")


def most_connections() -> int:
    """So many that descriptors are left for all else that a process opens: without one, nobody new could come in at all."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(8, soft - max(64, soft // 8))


class Server:
    """Answers HTTP/1.1 by an application. A head, and a body that is taken whole, may take `read_seconds` to come; a caller who
    takes nothing of its answer for as long is cut off. Beyond `most` connections those that were idle for longest are closed, and
    when none is, newcomers are told 503."""

    def __init__(
        self,
        app: Application,
        *,
        read_seconds: float = 30.0,
        idle_seconds: float = _IDLE_SECONDS,
        largest_head: int = 1 << 16,
        most: int | None = None,
    ) -> None:
        self.app, self.largest_head = app, largest_head
        self._most, self._crowded = most or most_connections(), False
        self.loop = asyncio.get_running_loop()
        self.date = b""
        self.ending = False
        self._connections: set[Connection] = set()
        self._socket: socket.socket | None = None
        self._listening: asyncio.Server | None = None
        self._empty: asyncio.Future[None] | None = None
        self._longest = {
            Phase.FRESH: read_seconds,
            Phase.IDLE: idle_seconds,
            Phase.HEAD: read_seconds,
            Phase.BODY: read_seconds,
            Phase.BUSY: float("inf"),
            Phase.LINGERING: _LINGER_SECONDS,
        }
        self._stalled = read_seconds
        self._look_every = min(_LOOK_EVERY, read_seconds / 4)
        self._timer: asyncio.Handle = self.loop.call_soon(self._look)

    async def listen(self, sock: socket.socket) -> None:
        """Take connections from a socket that is bound."""
        self._socket = sock
        self._listening = await self.loop.create_server(lambda: Connection(self), sock=sock, backlog=1024)

    async def finish(self, seconds: float) -> bool:
        """Take no more connections, answer what is under way, and close. What takes longer than so many seconds is cut off; then
        it returns False."""
        self.ending = True
        if self._listening is not None:
            self._listening.close()
        if self._socket is not None:
            self._socket.close()
        for connection in list(self._connections):
            connection.finish()
        done = await self._emptied(seconds)
        for connection in list(self._connections):
            connection.abort()
        await self._emptied(_LINGER_SECONDS)
        self._timer.cancel()
        return done

    def opened(self, connection: Connection) -> None:
        """See `Owner`."""
        self._connections.add(connection)
        if len(self._connections) > self._most:
            self._make_room(connection)
        elif self._crowded and len(self._connections) < self._most // 2:
            self._crowded = False

    def _make_room(self, newcomer: Connection) -> None:
        """Close some that are idle, several at once: looking for them takes long when there are many."""
        if not self._crowded:
            self._crowded = True
            _LOG.warning("as many connections as there may be: idle ones are closed", connections=self._most)
        idle = [c for c in self._connections if c.phase in (Phase.IDLE, Phase.FRESH) and c is not newcomer]
        for connection in nsmallest(1 + len(idle) // 16, idle, key=lambda c: c.since):
            connection.abort()
        if not idle:
            newcomer.turn_away(503, "there are as many connections as there may be: come again later")

    def closed(self, connection: Connection) -> None:
        """See `Owner`."""
        self._connections.discard(connection)
        if not self._connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    async def _emptied(self, seconds: float) -> bool:
        if self._connections:
            self._empty = self.loop.create_future()
            await asyncio.wait({self._empty}, timeout=seconds)
        return not self._connections

    def _look(self) -> None:
        """Tell those whose time is up. One timer for all: one for each would cost as much as an answer."""
        self.date = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
        self._timer = self.loop.call_later(self._look_every, self._look)
        moment = perf_counter()
        for connection in [c for c in self._connections if moment - c.since > self._longest[c.phase]]:
            connection.overdue()
        for connection in [c for c in self._connections if moment - c.stalled > self._stalled]:
            connection.stuck()
