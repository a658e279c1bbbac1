"""Where parts are worked on: one interface, the same worker behind it everywhere.

An engine is given parts and gives a report for each, in the order in which they are done. When a process dies, its part is given
to another; a part that has cost so many processes ends the batch.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

import msgspec
import structlog

from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults
from modelyard.runtime.batch.carried import MOST_ATTEMPTS, CarriedError, PartLost
from modelyard.runtime.batch.model import Part, PartReport
from modelyard.runtime.batch.working import Setup, Worker

_log = structlog.get_logger("modelyard.runtime.batch")


class Engine(Protocol):
    def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        """Do all parts. Raises what a worker raised, and Unavailable for a part that ends its process again and again. Closing
        the iterator ends the work; what is under way is finished or begun anew by the next run."""
        ...


class Inline:
    """In this process, one part after another."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults

    def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        worker = Worker(setup, faults=self._faults)
        try:
            for part in parts:
                yield worker.do(part)
        finally:
            worker.close()


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    part: Part | None = None
    answer: bytearray = field(default_factory=bytearray)

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def give(self, part: Part) -> None:
        self.part = part
        self.stdin.write(msgspec.json.encode(part) + b"\n")
        self.stdin.flush()


class Processes:
    """So many processes on this machine, each running `module`. They end by themselves when this one does."""

    def __init__(self, count: int, module: str = "modelyard.runtime.batch.process") -> None:
        self._count, self._module = max(1, count), module

    def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        waiting, attempts = deque(parts), dict.fromkeys((p.number for p in parts), 0)
        selector = selectors.DefaultSelector()
        children: list[_Child] = []
        try:
            left = len(parts)
            while left:
                while waiting and len(children) < self._count:
                    children.append(self._start(setup, selector))
                    _next(children[-1], waiting)
                for key, _ in selector.select():
                    child: _Child = key.data
                    report = _heard(child)
                    if isinstance(report, PartReport):
                        left -= 1
                        child.part = None
                        _next(child, waiting)
                        yield report
                    elif report is False:
                        selector.unregister(child.stdout)
                        children.remove(child)
                        self._lost(child, waiting, attempts)
            for child in children:
                child.process.wait()  # its input is at its end: it seals its log and goes
        finally:
            for child in children:
                _end(child)
            selector.close()

    def _start(self, setup: Setup, selector: selectors.BaseSelector) -> _Child:
        command = [sys.executable, "-m", self._module]
        child = _Child(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        child.stdin.write(setup.encode() + b"\n")
        selector.register(child.stdout, selectors.EVENT_READ, child)
        return child

    @staticmethod
    def _lost(child: _Child, waiting: deque[Part], attempts: dict[int, int]) -> None:
        """A process has ended: its part goes back to the others, unless it has cost enough of them."""
        code = child.process.wait()
        child.stdout.close()
        _close_input(child)
        part = child.part
        if part is None:
            return
        attempts[part.number] += 1
        _log.warning("a worker of the batch has ended", part=part.number, code=code, attempt=attempts[part.number])
        if attempts[part.number] >= MOST_ATTEMPTS:
            raise PartLost(f"part {part.number} ended its process {MOST_ATTEMPTS} times (code {code})", hint="see the log")
        waiting.appendleft(part)


def _next(child: _Child, waiting: deque[Part]) -> None:
    if waiting:
        part = waiting.popleft()
        try:
            child.give(part)
        except BrokenPipeError:
            child.part = part  # it has died: told when its end is read
    else:
        _close_input(child)


def _heard(child: _Child) -> PartReport | bool:
    """A report that has come; True when there is none yet, False when none will come. Raises what the worker raised."""
    data = os.read(child.stdout.fileno(), 1 << 16)
    if not data:
        return False
    child.answer += data
    line, found, rest = bytes(child.answer).partition(b"\n")
    if not found:
        return True
    child.answer = bytearray(rest)
    told = msgspec.json.decode(line, type=PartReport | CarriedError)
    if isinstance(told, CarriedError):
        raise told.error()
    return told


def _end(child: _Child) -> None:
    """What is under way may be cut off anywhere: the next run goes on from there."""
    if child.process.poll() is None:
        child.process.kill()
    child.process.wait()
    child.stdout.close()
    _close_input(child)


def _close_input(child: _Child) -> None:
    try:
        child.stdin.close()
    except BrokenPipeError:
        return  # it has died before it read all of it: told when its end is read


def engine(name: str, processes: int | None, ray_address: str | None = None) -> Engine:
    """The engine of that name. Raises InvalidInput when there is none, or what it needs is not installed."""
    count = processes or os.cpu_count() or 1
    if name == "ray":
        from modelyard.runtime.batch.on_ray import OnRay

        return OnRay(count if processes else None, ray_address)
    if name != "local":
        raise InvalidInput(f"there is no engine {name!r}", field="engine", hint="local or ray")
    return Inline() if count == 1 else Processes(count)
