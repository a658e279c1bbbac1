"""A loop calls its step again and again until it is told to stop. A step that fails is logged and tried again later, ever
more slowly; it never takes other loops or the process with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from modelyard.core.errors import Busy

LONGEST_PAUSE = 60.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Loop:
    """`step` does what there is to do and says whether there may be more at once; `every` is the pause in seconds if not."""

    name: str
    every: float
    step: Callable[[], bool]


class Running:
    """Loops in threads of their own."""

    def __init__(self, loops: Iterable[Loop]) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(loop,), name=loop.name) for loop in loops]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask all loops to end after their present step, and wait for them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait(self) -> None:
        """Until somebody stops it."""
        self._stop.wait()

    def ask_to_stop(self) -> None:
        """For signal handlers: `wait` returns, nothing else happens yet."""
        self._stop.set()

    def _run(self, loop: Loop) -> None:
        failures = 0
        while not self._stop.is_set():
            more, failures = self._step(loop, failures)
            if not more:
                self._stop.wait(min(loop.every * 2.0**failures, max(loop.every, LONGEST_PAUSE)))

    def _step(self, loop: Loop, failures: int) -> tuple[bool, int]:
        try:
            return loop.step(), 0
        except Busy:
            return False, 0
        except Exception as error:  # noqa: BLE001 -- logged with its trace; the loop goes on and the next step shows it again
            _log.error("a loop's step failed", loop=loop.name, failures=failures + 1, exc_info=error)
            return False, failures + 1
