"""Whether the event loops of worker processes go round. Each counts in memory that the main process shares; one whose number does
not change for long stands still: a library in it that never returns, or holds the interpreter, would keep its callers for ever.

The main process counts its own looks, not seconds of the clock: where the whole machine stood still, nobody is to blame.
"""

from __future__ import annotations

import asyncio
import faulthandler
import mmap
import signal
from math import ceil

DUMP = signal.SIGUSR2
"""Makes a worker write the stacks of its threads to stderr, whatever it is at."""
_WIDTH = 8
_LOOKS = 10
_LONGEST_PAUSE = 5.0


class Beats:
    """A number for each worker. `pause` is how many seconds lie between two looks."""

    def __init__(self, workers: int, stuck_seconds: float) -> None:
        """A loop that stands still for so many seconds is stuck; 0: none ever is."""
        self._shared = memoryview(mmap.mmap(-1, _WIDTH * max(1, workers))).cast("Q")
        self.pause = min(_LONGEST_PAUSE, stuck_seconds / _LOOKS) if stuck_seconds else float("inf")
        self._most = ceil(stuck_seconds / self.pause) if stuck_seconds else 0
        self._seen = [0] * workers
        self._silent = [0] * workers

    def begin(self, place: int) -> None:
        """Beat from now on, in the worker's event loop, and be ready to tell what keeps it from that."""
        faulthandler.register(DUMP, all_threads=True, chain=False)
        loop = asyncio.get_running_loop()

        def beat() -> None:
            self._shared[place] += 1
            loop.call_later(self.pause / 2, beat)

        if self._most:
            beat()

    def forget(self, place: int) -> None:
        """Another worker takes the place."""
        self._shared[place] = self._seen[place] = self._silent[place] = 0

    def stuck(self, place: int) -> int:
        """For how many looks more than it may the worker has stood still; called once a pause. One that has not begun is not
        watched: how long a start takes is not known."""
        beat = self._shared[place]
        self._silent[place] = self._silent[place] + 1 if beat == self._seen[place] else 0
        self._seen[place] = beat
        return max(0, self._silent[place] - self._most) if beat and self._most else 0
