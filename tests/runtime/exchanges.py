"""Requests to the runtime's application without a socket: real exchanges over a line that keeps what is written to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from time import perf_counter
from typing import Any

from modelyard.runtime.http import Application, Exchange


class Caller:
    """One request whose body has come, and what was told to it."""

    def __init__(self, body: bytes, path: str, method: str = "POST", headers: Mapping[str, str] | None = None) -> None:
        exchange = self.exchange = Exchange(self, perf_counter())
        exchange.method, exchange.path, exchange.headers = method, path, dict(headers or {})
        exchange.came(body)
        exchange.ended()
        self._told = b""
        self._done: asyncio.Future[None]
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, app: Application) -> None:
        """Ask, and wait for the answer and for all that is done after it."""
        self._done = asyncio.get_running_loop().create_future()
        if app.takes_whole(self.exchange):
            app.take(self.exchange)
        else:
            self.run(self.exchange, app(self.exchange))
        await self._done
        await asyncio.gather(*self._tasks)

    @property
    def status(self) -> int:
        return int(self._told.split(b" ", 2)[1])

    @property
    def headers(self) -> list[tuple[str, str]]:
        """But for the length, which follows from the answer."""
        lines = self._told.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return [pair for pair in pairs if pair[0] != "content-length"]

    @property
    def answer(self) -> bytes:
        return self._told.partition(b"\r\n\r\n")[2]

    def write(self, data: bytes) -> None:
        self._told += data

    async def drained(self) -> None:
        return None

    def more(self) -> None:
        return None

    def enough(self) -> None:
        return None

    def keeps(self) -> bool:
        return True

    def answered(self, exchange: Exchange) -> None:
        self._done.set_result(None)

    def run(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = task.exception()
        if not self._done.done():
            self._done.set_exception(error or AssertionError("not answered"))
