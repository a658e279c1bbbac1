"""Brings up the platform's programs quickly: `python -m tests.faults.nursery` imports everything once, and does what it reads, a
line each: `{"bring up": {program, log, environment, lease}}` forks a program and is answered with its process id; `{"bury": id}`
kills it and all that it started, as a host that dies would, and is answered with whether it still ran. When nobody writes any
more it buries all of them: nothing outlives a campaign, however that ends.

A forked program runs the same `main` as `python -m modelyard.api` or `python -m modelyard.worker` from its first line: only the
import of the modules is behind it. So programs can be killed every second and still get something done in between. With a `lease`
(seconds) what a killed worker held is free sooner than after the half minute of real life."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from datetime import timedelta
from typing import Any, NoReturn

import modelyard.api.__main__
import modelyard.api.app
import modelyard.evaluation.checks
import modelyard.worker.__main__
from modelyard.core import outbox
from modelyard.jobs import queue

MAINS = {"modelyard.api": modelyard.api.__main__.main, "modelyard.worker": modelyard.worker.__main__.main}


def main() -> None:
    living: set[int] = set()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "bury" in asked:
            living.discard(asked["bury"])
            print(json.dumps(_bury(asked["bury"])), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _become(asked["bring up"])
        living.add(child)
        print(child, flush=True)
    for child in living:
        _bury(child)


def _bury(child: int) -> bool:
    ran = os.waitpid(child, os.WNOHANG) == (0, 0)
    with contextlib.suppress(ProcessLookupError):  # when it had not come so far as to have a session of its own
        os.killpg(child, signal.SIGKILL)
    if ran:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return ran


def _become(asked: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.update(asked["environment"])
        _hold_no_longer_than(asked["lease"])
        code = MAINS[asked["program"]]()
    finally:
        os._exit(code)


def _hold_no_longer_than(lease: float | None) -> None:
    if lease is not None:
        outbox.LEASE = timedelta(seconds=lease)
        defaults = queue.Queue.__init__.__kwdefaults__
        assert defaults is not None
        defaults["lease"] = timedelta(seconds=lease)


if __name__ == "__main__":
    main()
