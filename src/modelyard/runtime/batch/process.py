"""`python -m modelyard.runtime.batch.process`: a worker that reads a setup and then parts, one JSON line each, and answers each
with a line. It ends with its input, so that it never outlives the process that started it by more than what it was given."""

from __future__ import annotations

import os
import sys

from modelyard.core.faults import Faults
from modelyard.core.logs import configure_logs
from modelyard.runtime.batch.answering import work


def main(faults: Faults | None = None) -> int:
    """Returns 0 at the end of the input, 1 after an error, which the last line tells."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a model prints must not look like an answer
    configure_logs()
    return work(sys.stdin.buffer, answers, faults)


if __name__ == "__main__":
    sys.exit(main())
