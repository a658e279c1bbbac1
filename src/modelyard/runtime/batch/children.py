"""Processes that work on parts: copies of this one where that is safe, else started anew.

A copy (fork) has everything loaded that a worker needs and works within milliseconds; a process that is started anew first
reads code for a second of processor time. Copying is safe when nothing else is under way in this process: Arrow begins its
threads anew in a copy, sessions of onnxruntime are made there, and no other thread of Python has locks that could stay held.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NoReturn, Protocol

from modelyard.runtime.batch.answering import work
from modelyard.runtime.batch.model import WORK
from modelyard.runtime.batch.working import Setup


class Process(Protocol):
    """A process that reads parts from its input and writes reports."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


def may_copy(setup: Setup, beside: int) -> bool:
    """Whether this process may be copied to do this work. `beside` are threads that hold no locks, besides the one that asks. The
    readers of Delta tables and of buckets have threads of their own that a copy would miss."""
    here = all(file.format != "delta" and "://" not in file.path for file in setup.plan.files)
    return sys.platform == "linux" and here and threading.active_count() <= 1 + beside


def started(module: str) -> Process:
    """A process that runs the module, with the environment of this one."""
    child = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    return _Started(child, child.stdin, child.stdout)


def copied(setup: Setup, others: Sequence[Process]) -> Process:
    """A copy of this process that works. `others` are those that were made before: the copy lets their pipes go, so that each
    sees the end of its input when this process ends."""
    asked, give = os.pipe()
    take, answers = os.pipe()
    foreign = [give, take, *(pipe.fileno() for other in others for pipe in (other.stdin, other.stdout) if not pipe.closed)]
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of native threads: see above
        pid = os.fork()
    if pid == 0:
        _work(asked, answers, foreign, Path(setup.plan.order.out) / WORK)
    os.close(asked)
    os.close(answers)
    return _Copied(pid, os.fdopen(give, "wb"), os.fdopen(take, "rb"))


class _Started:
    def __init__(self, child: subprocess.Popen[bytes], stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.stdin, self.stdout = stdin, stdout
        self.poll: Callable[[], int | None] = child.poll
        self.kill: Callable[[], None] = child.kill
        self._child = child

    def wait(self) -> int:
        return self._child.wait()


class _Copied:
    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.stdin, self.stdout = stdin, stdout
        self._pid, self._code = pid, None

    _code: int | None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)


def _work(asked: int, answers: int, foreign: Sequence[int], folder: Path) -> NoReturn:
    """What a copy does. Nothing of what this process was about is ended twice: it leaves without going back."""
    code = 1
    gc.freeze()  # to look for garbage among what was copied would make a copy of its pages
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in [*foreign, *_below(folder)]:
            os.close(descriptor)
        os.dup2(2, 1)  # what a model prints must not look like an answer of this process
        code = work(os.fdopen(asked, "rb"), os.fdopen(answers, "wb", buffering=0))
    finally:
        os._exit(code)


def _below(folder: Path) -> list[int]:
    """Files of the batch that are open, such as its lock: a copy must not hold them on when the first process is killed."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  names, not paths
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115  as above
        except FileNotFoundError:
            continue  # that of the listing itself
        if target.startswith(f"{folder.resolve()}{os.sep}"):
            found.append(int(name))
    return found
