"""`python -m modelyard.runtime.batch.process`: a worker that reads a setup and then parts, one JSON line each, and answers each
with a line. It ends with its input, so that it never outlives the process that started it by more than what it was given."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import Future
from typing import IO

import msgspec

from modelyard.core.faults import Faults, NoFaults
from modelyard.core.logs import configure_logs
from modelyard.runtime.batch.carried import CarriedError
from modelyard.runtime.batch.model import Part, PartReport
from modelyard.runtime.batch.working import Setup, Worker


def main(faults: Faults | None = None) -> int:
    """Returns 0 at the end of the input, 1 after an error, which the last line tells."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a model prints must not look like an answer
    configure_logs()
    return work(sys.stdin.buffer, answers, faults)


def work(asked: IO[bytes], answers: IO[bytes], faults: Faults | None = None) -> int:
    """The same, with its input and where it answers; `answers` has no buffer."""
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


if __name__ == "__main__":
    sys.exit(main())
