"""From a call's own thread into the event loop, and back with the answer.

gRPC's own asyncio server takes one call at a time out of its core, in several turns of the loop each: calls that came together
are answered one after another, each with a commit of its own. Its server with threads takes them as they come; all that a thread
does is read the message, wait for the loop, and write the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Lock
from typing import Any

Method = Callable[[Any, Any], Coroutine[Any, Any, Any]]
"""Answers a message; the second is gRPC's context of the call."""


class Crossing:
    """Brings calls into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def answer(self, method: Method, request: Any, context: Any) -> Any:
        """The method's answer; blocks until it is there, so never from the loop's own thread. Raises what the method raises, and
        `asyncio.CancelledError` when the caller leaves before or the server ends the call; the method is cancelled then."""
        call = _Call(self._loop, method, request, context)
        if not context.add_callback(call.left):
            raise asyncio.CancelledError
        self._loop.call_soon_threadsafe(call.begin)
        return call.result()


class _Call:
    """One call on its way."""

    __slots__ = ("_arguments", "_gone", "_loop", "_method", "_task", "_through")

    def __init__(self, loop: asyncio.AbstractEventLoop, method: Method, *arguments: Any) -> None:
        self._loop, self._method, self._arguments = loop, method, arguments
        self._task: asyncio.Task[Any] | None = None
        self._gone = False
        self._through = Lock()  # a lock is the cheapest way to wait for another thread; no more than one waits
        self._through.acquire()

    def begin(self) -> None:
        """Called in the loop."""
        if self._gone:
            self._through.release()
            return
        self._task = self._loop.create_task(self._method(*self._arguments))
        self._task.add_done_callback(self._come_through)

    def result(self) -> Any:
        """Waits in the call's thread."""
        self._through.acquire()
        if self._task is None:
            raise asyncio.CancelledError
        return self._task.result()

    def left(self) -> None:
        """The call has come to its end, in whatever way. Called in a thread of gRPC's."""
        if self._task is None or not self._task.done():
            self._loop.call_soon_threadsafe(self._give_up)

    def _come_through(self, task: asyncio.Task[Any]) -> None:
        self._through.release()

    def _give_up(self) -> None:
        self._gone = True
        if self._task is not None:
            self._task.cancel()
