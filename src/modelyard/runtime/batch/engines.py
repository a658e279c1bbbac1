"""Where parts are worked on: one interface, the same worker behind it everywhere.

An engine is given parts and gives a report for each, in the order in which they are done. When a process dies, its part is given
to another; a part that has cost so many processes ends the batch.
"""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import structlog

from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults
from modelyard.runtime.batch.carried import MOST_ATTEMPTS, CarriedError, PartLost
from modelyard.runtime.batch.children import Process, copied, may_copy, started
from modelyard.runtime.batch.model import Part, PartReport
from modelyard.runtime.batch.working import Setup, Worker

_log = structlog.get_logger("modelyard.runtime.batch")
_AHEAD = 2
"""Parts that a process has at once: one is answered while the last is made durable."""


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
            last: Future[PartReport] | None = None
            for part in parts:
                with worker.begin(part) as begun:
                    if last is not None:
                        yield last.result()
                    last = worker.end(begun)
            if last is not None:
                yield last.result()
        finally:
            worker.close()


@dataclass
class _Child:
    process: Process
    parts: deque[Part] = field(default_factory=deque)
    answer: bytearray = field(default_factory=bytearray)
    ending: bool = False

    def give(self, part: Part) -> None:
        self.parts.append(part)
        try:
            self.process.stdin.write(msgspec.json.encode(part) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it has died: told when its end is read

    def end_input(self) -> None:
        self.ending = True
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return  # it has died before it read all of it: told when its end is read


class Processes:
    """So many processes on this machine. They end by themselves when this one does. They are copies of this process where that
    is safe (`beside` threads of it hold no locks), else, and whenever a `module` is named, started anew."""

    def __init__(self, count: int, module: str | None = None, beside: int = 0) -> None:
        self._count, self._module, self._beside = max(1, count), module, beside

    def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        waiting, attempts = deque(parts), dict.fromkeys((p.number for p in parts), 0)
        selector = selectors.DefaultSelector()
        children: list[_Child] = []
        try:
            left = len(parts)
            while left:
                while waiting and len(children) < self._count:
                    children.append(self._start(setup, selector, children))
                    children[-1].give(waiting.popleft())
                for child in children:
                    _feed(child, waiting, attempts)
                for key, _ in selector.select():
                    child = key.data
                    reports = _heard(child)
                    if reports is None:
                        selector.unregister(child.process.stdout)
                        children.remove(child)
                        self._lost(child, waiting, attempts)
                        continue
                    for report in reports:
                        left -= 1
                        child.parts.popleft()
                        _feed(child, waiting, attempts)
                        yield report
            for child in children:
                child.end_input()
                child.process.wait()  # its input is at its end: it seals its log and goes
        finally:
            for child in children:
                _end(child)
            selector.close()

    def _start(self, setup: Setup, selector: selectors.BaseSelector, others: Sequence[_Child]) -> _Child:
        if self._module is None and may_copy(setup, self._beside):
            child = _Child(copied(setup, [other.process for other in others]))
        else:
            child = _Child(started(self._module or "modelyard.runtime.batch.process"))
        child.process.stdin.write(setup.encode() + b"\n")
        selector.register(child.process.stdout, selectors.EVENT_READ, child)
        return child

    @staticmethod
    def _lost(child: _Child, waiting: deque[Part], attempts: dict[int, int]) -> None:
        """A process has ended: its parts go back to the others, unless one has cost enough of them."""
        code = child.process.wait()
        child.process.stdout.close()
        child.end_input()
        for part in reversed(child.parts):
            attempts[part.number] += 1
            _log.warning("a worker of the batch has ended", part=part.number, code=code, attempt=attempts[part.number])
            if attempts[part.number] >= MOST_ATTEMPTS:
                raise PartLost(f"part {part.number} ended its process {MOST_ATTEMPTS} times (code {code})", hint="see the log")
            waiting.appendleft(part)


def _feed(child: _Child, waiting: deque[Part], attempts: dict[int, int]) -> None:
    """Give the child its next part while it is at another, so that it never waits for one. A part that has cost a process is
    worked on alone, so that no other is blamed."""
    if child.ending or len(child.parts) >= _AHEAD:
        return
    if not waiting:
        child.end_input()
        return
    if not child.parts or not (attempts[child.parts[0].number] or attempts[waiting[0].number]):
        child.give(waiting.popleft())


def _heard(child: _Child) -> list[PartReport] | None:
    """Reports that have come; None when none will come any more. Raises what the worker raised."""
    data = os.read(child.process.stdout.fileno(), 1 << 16)
    if not data:
        return None
    *lines, rest = (bytes(child.answer) + data).split(b"\n")
    child.answer = bytearray(rest)
    return [_told(line) for line in lines]


def _told(line: bytes) -> PartReport:
    told = msgspec.json.decode(line, type=PartReport | CarriedError)
    if isinstance(told, CarriedError):
        raise told.error()
    return told


def _end(child: _Child) -> None:
    """What is under way may be cut off anywhere: the next run goes on from there."""
    if child.process.poll() is None:
        child.process.kill()
    child.process.wait()
    child.process.stdout.close()
    child.end_input()


def engine(name: str, processes: int | None, ray_address: str | None = None, beside: int = 0) -> Engine:
    """The engine of that name; `beside` as in `Processes`. Raises InvalidInput when there is none, or what it needs is not
    installed."""
    count = processes or os.cpu_count() or 1
    if name == "ray":
        from modelyard.runtime.batch.on_ray import OnRay

        return OnRay(count if processes else None, ray_address)
    if name != "local":
        raise InvalidInput(f"there is no engine {name!r}", field="engine", hint="local or ray")
    return Inline() if count == 1 else Processes(count, beside=beside)
