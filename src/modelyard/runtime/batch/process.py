"""`python -m modelyard.runtime.batch.process`: a worker that reads a setup and then parts, one JSON line each, and answers each
with a line. It ends with its input, so that it never outlives the process that started it by more than one part."""

from __future__ import annotations

import os
import sys

import msgspec

from modelyard.core.faults import Faults, NoFaults
from modelyard.core.logs import configure_logs
from modelyard.runtime.batch.carried import CarriedError
from modelyard.runtime.batch.model import Part
from modelyard.runtime.batch.working import Setup, Worker


def main(faults: Faults | None = None) -> int:
    """Returns 0 at the end of the input, 1 after an error, which the last line tells."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a model prints must not look like an answer
    configure_logs()
    worker = None
    try:
        worker = Worker(Setup.decode(sys.stdin.buffer.readline()), faults=faults or NoFaults())
        for line in iter(sys.stdin.buffer.readline, b""):
            report = worker.do(msgspec.json.decode(line, type=Part))
            answers.write(msgspec.json.encode(report) + b"\n")
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001  told to whoever gave the part, who raises it
        answers.write(msgspec.json.encode(CarriedError.of(error)) + b"\n")
        return 1
    finally:
        if worker is not None:
            worker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
