"""What a worker's process does: a setup and then parts come in, one JSON line each, and each is answered with a line."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import IO

import msgspec

from modelyard.core.faults import Faults, NoFaults
from modelyard.runtime.batch.carried import CarriedError
from modelyard.runtime.batch.model import Part, PartReport
from modelyard.runtime.batch.working import Setup, Worker


def work(asked: IO[bytes], answers: IO[bytes], faults: Faults | None = None) -> int:
    """Work until the input ends; `answers` has no buffer. Returns 0, or 1 after an error, which the last line tells."""
    worker, told = None, _Answers(answers)
    try:
        worker = Worker(Setup.decode(asked.readline()), faults=faults or NoFaults())
        for line in iter(asked.readline, b""):
            with worker.begin(msgspec.json.decode(line, type=Part)) as begun:
                worker.end(begun).add_done_callback(told.done)
        worker.finish()
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001  told to whoever gave the part, who raises it
        told.failed(error)
        return 1
    finally:
        if worker is not None:
            worker.close()
    return 0


class _Answers:
    """Lines out, from whichever thread has one. An error is told once: nobody reads on after it."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers, self._mutex, self._over = answers, threading.Lock(), False

    def done(self, future: Future[PartReport]) -> None:
        error = future.exception()
        if isinstance(error, Exception):
            self.failed(error)
        elif error is None:
            self._line(msgspec.json.encode(future.result()))

    def failed(self, error: Exception) -> None:
        self._line(msgspec.json.encode(CarriedError.of(error)), last=True)

    def _line(self, line: bytes, last: bool = False) -> None:
        with self._mutex:
            if self._over:
                return
            self._over = last
            try:
                self._answers.write(line + b"\n")
            except BrokenPipeError:
                self._over = True  # who asked is gone: its input is at its end too
