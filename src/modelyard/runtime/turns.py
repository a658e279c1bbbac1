"""What belongs together in one turn of the event loop: models are asked, then the log is written once for all of them, without
another turn in between. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Work = Callable[[asyncio.AbstractEventLoop], None]


class Turn:
    """Work that is due, and what is done after the last of it.

    Each turn of the loop costs a system call, and gives the threads that bring requests Python's lock for as long as they like.
    """

    __slots__ = ("_due", "_last")

    def __init__(self) -> None:
        self._due = 0
        self._last: Work | None = None

    def soon(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        """Work for the loop's next turn."""
        self._due += 1
        loop.call_soon(self._do, work, loop)

    def last(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        """Work (one at a time) for after what is due now; for the next turn when nothing is."""
        if self._due:
            self._last = work
        else:
            loop.call_soon(work, loop)

    def _do(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        try:
            work(loop)
        finally:
            self._due -= 1
            if not self._due and self._last is not None:
                last, self._last = self._last, None
                last(loop)
