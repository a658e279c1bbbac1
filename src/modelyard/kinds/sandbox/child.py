"""One child that keeps a model: the socket to it, its last words, and a watch over what it uses while nobody asks."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

from modelyard.core.errors import ModelyardError, TimedOut, Unavailable
from modelyard.kinds.sandbox import process
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.shim import wire

Command = Callable[[str], Sequence[str]]
"""The child's command line, given its terms as JSON (see `modelyard.kinds.shim.confine.apply`)."""

_PIPE = 1 << 20
"""No pipe holds more, unless a superuser made it larger."""
_STDERR_KEPT = 4096
_STDERR_A_SECOND = 1 << 20
_TICK = 1.0
_MOST_FILES = 100_000
_FREE_SHARE = 0.1


class Child:
    """One child process and the socket to it. Not safe for several threads at once, except `watched` figures."""

    def __init__(self, command: Command, limits: Limits, read: Sequence[Path]) -> None:
        self._limits = limits
        self._folder = tempfile.TemporaryDirectory(prefix="modelyard-native-")
        ours, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        try:
            terms = process.terms(limits, Path(self._folder.name), read, lifeline=reading) | {"serve": theirs.fileno()}
            kept = (theirs.fileno(), reading)
            self._process = process.start(list(command(json.dumps(terms))), Path(self._folder.name), kept, None)
        except BaseException:
            ours.close()
            os.close(self._lifeline)
            self._folder.cleanup()
            raise
        finally:
            theirs.close()
            os.close(reading)
        self._connect(ours)
        self._asked, self._answered = 0, 0
        self._stderr = bytearray()
        self._over: str | None = None
        self._gone = Event()
        self._watcher = Thread(target=self._watch, name="modelyard-child", daemon=True)
        self._watcher.start()

    def _connect(self, ours: socket.socket) -> None:
        """The kernel keeps the time for one piece; `_receive` that of the whole answer."""
        self._socket = ours
        ours.setblocking(True)
        wall = self._limits.wall_seconds
        span = struct.pack("@ll", int(wall), max(1, int(wall % 1 * 1e6)))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, span)
        self._deadline = 0.0
        self._reader = wire.Reader(self._receive)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def memory(self) -> int | None:
        """Bytes of memory that it holds now (resident); None when it is gone or the platform does not tell."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def number(self) -> int:
        """A number for the next question."""
        return (self._asked + 1) & 0xFFFFFFFF

    def ask(self, framed: bytes) -> wire.Message:
        """Send a frame that bears `number`, and wait for its answer.

        Raises OSError or EOFError when the child is gone or broke the rules, TimeoutError when it is late.
        """
        self._asked = self.number()
        self._deadline = monotonic() + self._limits.wall_seconds
        try:
            self._socket.sendall(framed)
            answer = self._reader.next()
        except BlockingIOError as late:
            raise TimeoutError from late
        if answer.number != self._asked or self._reader.leftover:
            raise wire.Garbled("it answered what was not asked")
        self._answered = self._asked
        return answer

    def _receive(self, into: memoryview) -> int:
        if monotonic() > self._deadline:
            raise TimeoutError
        return self._socket.recv_into(into)

    def reason(self, error: Exception) -> ModelyardError:
        """Why it is to be given up, after `ask` raised; the process is ended."""
        if self._over is not None:
            return Unavailable(f"the model's process was stopped: {self._over}", hint="the next call starts it again")
        if isinstance(error, TimeoutError):
            wall = self._limits.wall_seconds
            return TimedOut(f"the model did not answer within {wall:g} seconds; its process was stopped")
        if isinstance(error, wire.Garbled) and str(error) != "the other side has gone":
            return Unavailable(f"the model's process was stopped: {error}", hint="the next call starts it again")
        code = process.ended(self._process, last=self._hear_last)
        told = process.death(code, self._limits, self._stderr.decode(errors="replace"))
        return Unavailable(f"the model's process died while answering: {told.detail}", hint="the next call starts it again")

    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None and not self._gone.is_set() and _state(self._process.pid) not in {None, "Z", "X"}

    def stop(self, why: str) -> None:
        """Kill it; whoever asks it now is told why, and ends it. Safe from any thread."""
        if self._process.returncode is None:
            self._stop_for(why)

    def end(self) -> None:
        """Kill and reap it, and remove its folder. Safe to call again."""
        self._gone.set()
        self._socket.close()
        process.end(self._process)
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._folder.cleanup()

    def _watch(self) -> None:
        """Keep the end of stderr, so that the child never blocks on it unless it floods; look at what it uses every second."""
        stderr = self._process.stderr
        if stderr is None:
            return
        credit, cpu, asked, tick, came = self._limits.idle_cpu_seconds, 0.0, self._asked, monotonic() + _TICK, 0
        with suppress(OSError, ValueError):  # closed under us by `end`
            while not self._gone.is_set():
                came += self._hear(stderr.fileno(), max(0.0, tick - monotonic()), came)
                if monotonic() < tick:
                    continue
                tick, came = monotonic() + _TICK, 0
                burnt = _cpu_seconds(self._process.pid)
                idle = asked == self._asked == self._answered
                credit = min(self._limits.idle_cpu_seconds, credit + _FREE_SHARE * _TICK - (burnt - cpu if idle else 0.0))
                cpu, asked = burnt, self._asked
                self._judge(credit)

    def _hear(self, stderr: int, patience: float, came: int) -> int:
        """What comes on stderr within that time; whoever says too much in one second is not listened to until the next."""
        if came > _STDERR_A_SECOND or self._deaf:
            self._gone.wait(patience)
            return 0
        if not select.select([stderr], [], [], patience)[0]:
            return 0
        part = os.read(stderr, 1 << 16)
        self._deaf = not part
        self._stderr = (self._stderr + part)[-_STDERR_KEPT:]
        return len(part)

    _deaf = False

    def _hear_last(self) -> None:
        """What a dead process left on stderr, also when it had said too much to be listened to."""
        self._gone.set()
        self._watcher.join(timeout=_TICK)
        stderr = self._process.stderr
        if stderr is not None:
            with suppress(BlockingIOError):  # nothing is there, and a process that escaped its group holds the other end
                os.set_blocking(stderr.fileno(), False)
                self._stderr = (self._stderr + os.read(stderr.fileno(), _PIPE))[-_STDERR_KEPT:]

    def _judge(self, credit: float) -> None:
        if self._asked != self._answered and monotonic() > self._deadline + _TICK:
            self._stop_for("it took its question too slowly")  # the kernel's time-out begins anew with each piece that it takes
        elif credit < 0:
            self._stop_for(f"it used more than {self._limits.idle_cpu_seconds:g} seconds of processor time while nobody asked it")
        elif _kept(Path(self._folder.name), self._limits.disk_bytes) > self._limits.disk_bytes:
            self._stop_for(f"it wrote more than the {self._limits.disk_bytes >> 20} MB allowed")

    def _stop_for(self, why: str) -> None:
        self._over = why
        process.kill(self._process)
        self._gone.set()


def _kept(folder: Path, enough: int) -> int:
    """Bytes below a folder, counted until it is enough; a file counts for a page at least, as on the disk."""
    total = count = 0
    waiting = [str(folder)]
    while waiting and total <= enough and count < _MOST_FILES:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                with suppress(OSError):
                    total += max(4096, entry.stat(follow_symlinks=False).st_blocks * 512)
    return total if count < _MOST_FILES else enough + 1


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _state(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[0] if fields else None


def result(answer: wire.Message, limits: Limits) -> Any:
    """The header's result. Raises the error that it tells instead."""
    from modelyard.kinds.sandbox import frames

    error = answer.header.get("error")
    if isinstance(error, dict):
        raise process.memory_error(limits) if error.get("code") == "memory" else frames.to_error(error)
    if "answer" not in answer.header:
        raise Unavailable("the model's process gave no proper answer")
    return answer.header.get("result")
