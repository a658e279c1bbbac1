"""The way into the decision log: one thread commits whatever has piled up, and wakes the event loop once for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Protocol

import structlog

from modelyard.core.errors import InvalidInput, ModelyardError, Unavailable
from modelyard.decisions import DecisionLog, Rows
from modelyard.runtime.aside import MANY
from modelyard.runtime.turns import Turn

_log = structlog.get_logger("modelyard.runtime")
_INLINE_SECONDS = 0.002
_MOST_SECONDS = 0.1
_STOPPING = "the runtime is stopping"


class Entry(Protocol):
    """Something to log. Entries with the same `way` (not None) may share columns: the way makes rows of many at once."""

    way: Way | None

    def groups(self) -> Sequence[Rows]:
        """The rows of this entry alone. Called in the log's thread."""
        ...

    def logged(self, error: ModelyardError | None) -> None:
        """In the log, or not and why. Called in the event loop."""
        ...


class Way(Protocol):
    """Makes rows of entries that go the same way."""

    def rows(self, entries: Sequence[Entry]) -> Rows:
        """The rows of all of them in order. Called in the log's thread."""
        ...


class _Appended:
    """The rows of one caller of `append`."""

    __slots__ = ("_future", "_groups", "way")

    def __init__(self, groups: Sequence[Rows], future: asyncio.Future[None]) -> None:
        self._groups, self._future = groups, future
        self.way: Way | None = None

    def groups(self) -> Sequence[Rows]:
        return self._groups

    def logged(self, error: ModelyardError | None) -> None:
        if self._future.done():
            return
        if error is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(error)


_Outcome = list[tuple[Entry, ModelyardError | None]]


def _pieces(entries: list[Entry], failed: _Outcome) -> list[tuple[list[Entry], Sequence[Rows]]]:
    """The rows of entries that go one way: of all at once, or of each alone when some cannot be written as they are. Those that
    cannot be written at all are put into `failed`: what one model said must not keep others out of the log."""
    way = entries[0].way
    assert way is not None
    try:
        return [(entries, [way.rows(entries)])]
    except Exception as error:  # noqa: BLE001  whatever a model's answer does to the making of rows, it does to its own alone
        if len(entries) > 1:
            return [piece for entry in entries for piece in _pieces([entry], failed)]
        if not isinstance(error, ModelyardError):
            _log.error("an answer cannot be logged", exc_info=error)
            error = Unavailable(f"the answer cannot be logged: {type(error).__name__}")
        failed.append((entries[0], error))
        return []


def _many(entries: list[Entry]) -> bool:
    """Whether writing them takes long, however quick the disk is."""
    return any(entry.way is None and sum(map(len, entry.groups())) > MANY for entry in entries)


class LogWriter:
    """Logs entries, durable before they are told so. `put` and `append` belong to the event loop. `unwritten` counts entries
    that the log did not take."""

    def __init__(self, log: DecisionLog, turn: Turn | None = None) -> None:
        self._log, self._turn = log, turn or Turn()
        self._waiting: list[Entry] = []
        self._queue: SimpleQueue[tuple[asyncio.AbstractEventLoop, list[Entry]] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        self._away = 0
        self._seconds = 0.0
        self.unwritten = 0
        self.commits = 0
        self.entries = 0

    def status(self) -> dict[str, float | int]:
        """What the log is doing, for people and probes."""
        return {
            "commits": self.commits,
            "entries": self.entries,
            "unwritten": self.unwritten,
            "commit_seconds": round(self._seconds, 6),
        }

    async def append(self, groups: Sequence[Rows]) -> None:
        """Rows of one request, in one piece. Raises StorageFull, LogUnwritable or InvalidInput; then none of them is logged."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(_Appended(groups, future))
        await future

    def put(self, entry: Entry) -> None:
        """Log an entry; what is put in one turn of the loop is handed to the thread together."""
        if not self._waiting:
            self._turn.last(self._hand_over, asyncio.get_running_loop())
        self._waiting.append(entry)

    def close(self) -> None:
        """Finish what was handed over, then end the thread. Idempotent."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        entries, self._waiting = self._waiting, []
        if self._closed:
            self._tell([(entry, Unavailable(_STOPPING)) for entry in entries])
            return
        if self._seconds < _INLINE_SECONDS and not self._away and not _many(entries):
            self._tell(self._committed(entries))
            return
        self._away += 1
        if self._thread is None:
            self._thread = Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
        self._queue.put((loop, entries))

    def _work(self) -> None:
        open_ = True
        while open_:
            order = self._queue.get()
            entries: list[Entry] = []
            orders = 0
            while order is not None:
                orders += 1
                loop = order[0]
                entries += order[1]
                try:
                    order = self._queue.get_nowait()
                except Empty:
                    break
            else:
                open_ = False
            if entries:
                outcome = self._committed(entries)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._came_back, outcome, orders)

    def _came_back(self, outcome: _Outcome, orders: int) -> None:
        self._away -= orders
        self._tell(outcome)

    def _committed(self, entries: list[Entry]) -> _Outcome:
        self.commits += 1
        self.entries += len(entries)
        started = perf_counter()
        try:
            outcome = self._commit(entries)
            self._seconds += 0.1 * (min(perf_counter() - started, _MOST_SECONDS) - self._seconds)
            return outcome
        except Exception as error:  # noqa: BLE001  whatever it was, those who wait must learn that they are not in the log
            _log.exception("logging failed")
            return [(entry, Unavailable(f"the log could not be written: {error!r:.300}")) for entry in entries]

    def _commit(self, entries: list[Entry]) -> _Outcome:
        ways: dict[int, list[Entry]] = {}
        pieces: list[tuple[list[Entry], Sequence[Rows]]] = []
        for entry in entries:
            if entry.way is None:
                pieces.append(([entry], entry.groups()))
            else:
                ways.setdefault(id(entry.way), []).append(entry)
        outcome: _Outcome = []
        for together in ways.values():
            pieces += _pieces(together, outcome)
        errors = iter(self._log.commit([rows for _, groups in pieces for rows in groups]))
        for together, groups in pieces:
            error = next((e for e in [next(errors) for _ in groups] if e is not None), None)
            if isinstance(error, InvalidInput) and len(together) > 1:
                for entry in together:
                    outcome += self._commit_alone(entry)
            else:
                outcome += [(entry, error) for entry in together]
        return outcome

    def _commit_alone(self, entry: Entry) -> _Outcome:
        """One caller's strange text must not keep the others out of the log."""
        return [(entry, next((e for e in self._log.commit(entry.groups()) if e is not None), None))]

    def _tell(self, outcome: _Outcome) -> None:
        for entry, error in outcome:
            if error is not None:
                self.unwritten += 1
            entry.logged(error)
