"""How a runtime ends. First it says that it is not ready and answers on, so that balancers send requests elsewhere; then it takes
nothing new and finishes what it has.

Orders come to the main process as signals; worker processes read the phase from memory that they share with it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from ctypes import c_ubyte
from enum import IntEnum
from multiprocessing import RawValue
from types import FrameType
from typing import Any


class Phase(IntEnum):
    """How far the end has come; it never goes back."""

    SERVING = 0
    LEAVING = 1
    STOPPING = 2


class Leaving:
    """The phase of a runtime, the same in all its processes. Handed to a worker when it is made, by fork or by spawn."""

    def __init__(self) -> None:
        self._byte = RawValue(c_ubyte, Phase.SERVING)

    @property
    def phase(self) -> Phase:
        """How far it is now."""
        return Phase(self._byte.value)

    @property
    def begun(self) -> bool:
        """Whether callers are told that it is not ready. Cheap."""
        return bool(self._byte.value)

    def reach(self, phase: Phase) -> None:
        """Be in that phase; a later one stays."""
        self._byte.value = max(self._byte.value, phase)


class Conductor:
    """Leads a runtime to its end, in the main process.

    The first SIGTERM begins to leave; after `seconds` it stops, as it does at once after a second SIGTERM, or a SIGINT.
    """

    def __init__(self, leaving: Leaving, seconds: float) -> None:
        self._leaving, self._seconds, self._process = leaving, seconds, os.getpid()
        self._stop: Callable[[int, FrameType | None], Any] | None = None

    def take_over(self) -> None:
        """Put itself before the handler of SIGTERM and SIGINT that is set, which must be the server's: it stops the server."""
        handler = signal.getsignal(signal.SIGTERM)
        if not callable(handler):
            raise RuntimeError("the server has no handler for SIGTERM yet")
        self._stop = handler
        signal.signal(signal.SIGTERM, self._terminated)
        signal.signal(signal.SIGINT, self._interrupted)

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a worker that is being made: the server's own handlers come later
            os._exit(0)
        if self._leaving.begun or self._seconds <= 0:
            self._interrupted(number, frame)
            return
        self._leaving.reach(Phase.LEAVING)
        timer = threading.Timer(self._seconds, self._interrupted, (signal.SIGTERM, None))
        timer.daemon = True
        timer.start()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process or self._stop is None:  # from a terminal it comes to all; workers are told by us
            return
        self._leaving.reach(Phase.STOPPING)
        self._stop(number, frame)
