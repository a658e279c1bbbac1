"""The processes of a runtime: the main one holds the sockets, makes workers, replaces those that die, and leads all to the end.

    SIGTERM ─► leaving, for `drain_seconds` ─► stopping, for `stop_seconds` ─► killed
       └─ a second one, or SIGINT ─────────────┘

Each worker has a socket of its own on the same port, which the main process keeps open: callers who came while a worker died
are answered by the one that replaces it. Orders go through a pipe; a worker that finds it closed has lost the main process, and
stops. A worker whose event loop stands still tells where, and is killed (`beats`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

import structlog
import uvloop

from modelyard.runtime.beats import DUMP, Beats
from modelyard.runtime.leaving import Leaving, Phase

_log = structlog.get_logger("modelyard.runtime")
_SHORT_LIFE = 5.0
_MOST_SHORT_LIVES = 3
_GRACE = 5.0
"""After the time that a worker has to stop: for what it does after the last answer."""
_MOST_DESCRIPTORS = 1 << 18
_MOMENT = 1.0
"""So long a worker that was told to end waits for the main process to lead."""
_UP = b"up"
_COLLECTED_AFTER = (20_000, 5, 2)
"""Objects, and rounds, after which garbage is looked for. Hundreds of requests under way are thousands of objects and no garbage;
with Python's own 700 a twentieth of the processor time went there."""


class Worker(Protocol):
    """What a worker process runs."""

    leaving: Leaving

    async def serve(self, sock: socket.socket, up: Callable[[], None]) -> None:
        """Serve until told to stop; `up` is called when it does."""
        ...


@dataclass
class _Member:
    """A worker process, as the main one knows it."""

    process: BaseProcess
    pipe: Connection
    born: float
    up: bool = False


class Workers:
    """So many processes that answer at one address. Raises OSError when it cannot be had."""

    def __init__(self, count: int, host: str, port: int, make: Callable[[], Worker], stuck_seconds: float = 0.0) -> None:
        """`make` is called in each worker process. One whose event loop stands still for `stuck_seconds` is killed (0: none)."""
        self._make = make
        self._beats = Beats(count, stuck_seconds)
        self._next_look = time.monotonic() + self._beats.pause
        self._sockets = _sockets(count, host, port)
        self._members: list[_Member | None] = [None] * count
        self._short_lives = 0
        self._phase = Phase.SERVING
        self._failed = False
        self._longest_end = 0.0

    def run(self, drain_seconds: float = 0.0, stop_seconds: float = 60.0) -> int:
        """Serve until SIGTERM or SIGINT, in the main thread. Returns 0, or 1 when workers could not be kept
        alive, or had to be killed."""
        self._longest_end = stop_seconds + 2 * _GRACE
        _take_descriptors()
        orders, alarm = socket.socketpair()
        with orders, alarm, _signals_to(alarm):
            for place in range(len(self._members)):
                self._make_one(place)
            next_phase = float("inf")
            while any(self._members):
                if self._phase is not Phase.STOPPING and (self._failed or time.monotonic() >= next_phase):
                    self._reach(Phase.STOPPING)
                    next_phase = time.monotonic() + stop_seconds + _GRACE
                elif self._phase is Phase.STOPPING and time.monotonic() >= next_phase:
                    self._kill()
                    next_phase = float("inf")
                for number in self._awaited(orders, next_phase):
                    if number == signal.SIGTERM and self._phase is Phase.SERVING and drain_seconds > 0:
                        self._reach(Phase.LEAVING)
                        next_phase = time.monotonic() + drain_seconds
                    elif self._phase is not Phase.STOPPING:
                        next_phase = 0.0
        return int(self._failed)

    def _awaited(self, orders: socket.socket, until: float) -> list[int]:
        """Wait for something to happen, and see to what became of workers; the signals that came."""
        pipes = [member.pipe for member in self._members if member is not None and not member.up]
        ends = {member.process.sentinel: place for place, member in enumerate(self._members) if member is not None}
        left = max(0.0, min(until, self._next_look) - time.monotonic())
        ready = wait([orders, *pipes, *ends], None if left == float("inf") else left)
        for member in self._members:
            if member is not None and member.pipe in ready:
                member.up = True  # or dead, which its end tells
        for end, place in ends.items():
            if end in ready:
                self._ended(place)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._beats.pause
            self._look()
        return [number for number in orders.recv(64) if number in _HANDLED] if orders in ready else []

    def _look(self) -> None:
        """Workers that stand still are asked what they are at, which their log tells, and a look later they are killed."""
        for place, member in enumerate(self._members):
            pid = member.process.pid if member is not None else None
            looks = self._beats.stuck(place)
            if pid is None or not looks or self._phase is Phase.STOPPING:
                continue
            if looks == 1:
                _log.error("a worker stands still: its stacks follow, then it is killed and replaced", worker=place + 1, pid=pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, DUMP if looks == 1 else signal.SIGKILL)

    def _make_one(self, place: int) -> None:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        self._beats.forget(place)
        process = context.Process(target=self._work, args=(place, theirs, ours), name=f"worker-{place + 1}")
        # a signal to the new process waits until it has handlers of its own: with ours it would be lost
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._members[place] = _Member(process, ours, time.monotonic())

    def _work(self, place: int, pipe: Connection, other: Connection) -> None:
        """A worker process, from its beginning to its end."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until it serves, there is nothing to finish
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it comes to all; workers are told by the main process
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        other.close()
        for member in self._members:
            if member is not None:
                member.pipe.close()
        for sock in self._sockets[:place] + self._sockets[place + 1 :]:
            sock.close()
        sys.setswitchinterval(0.001)
        worker = self._make()
        gc.freeze()  # what starting made stays
        gc.set_threshold(*_COLLECTED_AFTER)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(worker, self._sockets[place], pipe, self._longest_end, partial(self._beats.begin, place)))

    def _ended(self, place: int) -> None:
        """A worker ended: replaced, unless all are to end, or they cannot live."""
        member = self._members[place]
        assert member is not None
        member.process.join()
        member.pipe.close()
        self._members[place] = None
        if self._phase is Phase.STOPPING:
            return
        _log.error("a worker ended", worker=place + 1, exit_code=member.process.exitcode)
        told = member.process.exitcode == -signal.SIGTERM  # by somebody else, while it started: who serves exits with 0
        short = time.monotonic() - member.born < _SHORT_LIFE and not told
        self._short_lives = self._short_lives + 1 if short else 0
        if self._short_lives >= _MOST_SHORT_LIVES:
            _log.error("workers end as soon as they are made: giving up", count=self._short_lives)
            self._failed = True
            return
        self._make_one(place)
        if self._phase is not Phase.SERVING:
            self._tell(self._members[place], self._phase)

    def _reach(self, phase: Phase) -> None:
        self._phase = phase
        for member in self._members:
            self._tell(member, phase)
        if phase is Phase.STOPPING:  # who comes now shall be refused, not wait for somebody to answer
            for sock in self._sockets:
                sock.close()

    def _tell(self, member: _Member | None, phase: Phase) -> None:
        if member is None:
            return
        with contextlib.suppress(OSError):  # it is just ending
            member.pipe.send_bytes(bytes([phase]))
        if phase is Phase.STOPPING and not member.up:
            member.process.terminate()

    def _kill(self) -> None:
        for member in self._members:
            if member is not None:
                self._failed = True
                _log.error("a worker did not stop in time and is killed", pid=member.process.pid)
                member.process.kill()


async def _serve(worker: Worker, sock: socket.socket, pipe: Connection, longest_end: float, begin: Callable[[], None]) -> None:
    """Serve until told to stop, by the main process, its end, or a signal. Who told may not be there to see to it that it ends,
    and a thread that never returns would keep the process: its own alarm ends it then."""
    loop, leaving = asyncio.get_running_loop(), worker.leaving

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, longest_end)
        leaving.reach(Phase.STOPPING)

    def up() -> None:
        with contextlib.suppress(OSError):  # the main process is no more, which `told` finds
            pipe.send_bytes(_UP)

    def told() -> None:
        try:
            phase = Phase(pipe.recv_bytes()[0])
        except (EOFError, OSError):  # the main process is no more
            loop.remove_reader(pipe.fileno())
            phase = Phase.STOPPING
        stop() if phase is Phase.STOPPING else leaving.reach(phase)

    def alone() -> None:
        if leaving.phase is Phase.SERVING:
            stop()

    begin()
    loop.add_reader(pipe.fileno(), told)
    # a signal to all processes comes here, too; then the main one says within a moment what is to be done
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.call_later(_MOMENT, alone))
    await worker.serve(sock, up)


_HANDLED = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def _signals_to(alarm: socket.socket) -> Iterator[None]:
    """While it is open, signals that end a runtime are bytes in a socket."""
    alarm.setblocking(False)
    wakeup = signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in _HANDLED}
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_descriptors() -> None:
    """As many as the system lets us have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _sockets(count: int, host: str, port: int) -> list[socket.socket]:
    """A bound socket for each worker, all on one port; the kernel spreads callers over them. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made: list[socket.socket] = []
    with socket.socket(family, kind, protocol) as probe:  # shared as it is, the port could be another runtime's too
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    try:
        for _ in range(count):
            sock = socket.socket(family, kind, protocol)
            made.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
            sock.setblocking(False)
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made
