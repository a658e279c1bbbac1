"""`python -m tests.batch.batch_dying`: a worker of a batch that kills itself at the point that BATCH_DIES names, as often as
there are files in the folder BATCH_LIVES to take away."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from modelyard.runtime.batch import process


class Dying:
    def __init__(self, point: str, lives: Path) -> None:
        self._point, self._lives = point, lives

    def reach(self, point: str) -> None:
        if point != self._point:
            return
        for life in sorted(self._lives.iterdir()):
            try:
                life.unlink()
            except FileNotFoundError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)


def dying() -> Dying:
    return Dying(os.environ["BATCH_DIES"], Path(os.environ["BATCH_LIVES"]))


if __name__ == "__main__":
    sys.exit(process.main(dying()))
