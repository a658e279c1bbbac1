"""A worker in a process of its own, led by its standard input: `python jobs_yard.py DATABASE HOME NAME LEASE`.

It says `ready`, then `begun JOB FENCE` for each job that it takes, which lasts until a line comes in.
"""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelyard.bootstrap import Platform, Settings, build
from modelyard.jobs import Queue, Run
from modelyard.worker import jobs

KIND = "tests.hold"


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(database: str, home: str, name: str, lease: str) -> None:
    platform = build(Settings(home=Path(home), database=database))
    queue = Queue(platform.storage, platform.clock, platform.ids, lease=timedelta(seconds=float(lease)))

    def hold(platform: Platform, run: Run) -> dict[str, Any]:
        run.log(f"begun by {name}")
        run.flush()
        run.keep(f"{name}.txt", name.encode())
        say("begun", run.job.id, run.job.fence)
        sys.stdin.readline()
        run.log(f"ended by {name}")
        return {"by": name}

    jobs.BODIES = {KIND: hold}
    say("ready")
    pause = threading.Event()
    while True:
        if not jobs.run_next(platform, queue, name):
            pause.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
