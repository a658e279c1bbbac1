"""Collecting: the control plane brings every machine's shipped segments under its own log's root, each once, so that readers,
monitors and the compactor find them as if they had been written there.

What was taken in is noted by writer and number, durably, after it is: a collector may be killed anywhere, and what the
compactor has removed since is not brought again. A segment in pieces that nobody has continued for a while is ended and put
together (see `shipping_frames`), so that what a lost machine acknowledged is there as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic, time

import msgspec
import structlog

from modelyard.core.errors import NotFound
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import layout
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import try_lock, write_atomically
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.shipping_frames import (
    END,
    FRAMES,
    SEGMENTS,
    WRITERS,
    Pieces,
    SegmentConflict,
    by_segment,
    check_whole,
    create_same,
    data_name,
    decode_segment,
    seal_name,
)
from modelyard.decisions.shipping_stores import SegmentStore, Stored

SETTLE = timedelta(seconds=30)
_log = structlog.get_logger("modelyard.decisions")
_Placed = list[tuple[int, Stored]]


@dataclass
class Collected:
    """What one turn did: segments brought here, of these put together from pieces, and what could not be, by segment."""

    brought: int = 0
    rebuilt: int = 0
    problems: dict[str, str] = field(default_factory=dict)


class Taken:
    """Up to which number a writer's segments were taken in: a number in a file, and no less than what was compacted: the file may
    be lost, or older than the log beside it, when both come from a backup."""

    def __init__(self, path: Path, compacted: int) -> None:
        self._path = path
        self.last = max(int(path.read_text()) if path.exists() else 0, compacted)

    def add(self, number: int) -> None:
        """Durable on return."""
        write_atomically(self._path, str(number).encode())
        self.last = number


class Collector:
    """Brings segments from a store under a root; `state` is a folder of its own, beside the root and as durable.

    A segment in pieces is ended when it has not grown for `settle`. That is safe at any value: a writer that goes on does so
    in its next segment. Not safe for several threads; of several processes on one root one collects.
    """

    def __init__(
        self,
        store: SegmentStore,
        root: Path,
        state: Path,
        *,
        settle: timedelta = SETTLE,
        faults: Faults | None = None,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self._store, self._root, self._state, self._settle = store, root, state, settle.total_seconds()
        self._faults, self._elapsed = faults or NoFaults(), elapsed
        self._grown: dict[tuple[str, int], tuple[int, float]] = {}
        self._told: dict[str, str] = {}

    def collect(self) -> Collected:
        """One turn. Raises Unavailable when the store does not answer, StorageFull or LogUnwritable as the disk has it."""
        done = Collected()
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            turn = try_lock(self._state / "lock")
            if turn is not None:
                with turn:
                    self._turn(done)
        except OSError as error:
            raise storage_error(error, self._root / "collected") from error
        for name, problem in done.problems.items():
            if self._told.get(name) != problem:
                _log.error("a shipped segment cannot be taken in", segment=name, problem=problem)
        self._told = done.problems
        return done

    def forget(self, kept_for: timedelta) -> int:
        """Remove from the store what is older and is in the root's Delta table; how many segments."""
        removed, oldest, compacted = 0, time() - kept_for.total_seconds(), layout.compacted(self._root)
        for writer in self._writers():
            last = compacted.get(writer, 0)
            old = [each for each in self._store.list(f"{SEGMENTS}/{writer}") if each.modified <= oldest]
            for number in _sealed(old):
                if number <= last:
                    # The seal goes last: while it is there, its segment is never put together from pieces again.
                    self._store.remove(data_name(writer, number))
                    self._faults.reach("collecting.forgetting")
                    self._store.remove(seal_name(writer, number))
                    removed += 1
        return removed

    def _turn(self, done: Collected) -> None:
        compacted = layout.compacted(self._root)
        writers = {writer: Taken(self._state / writer, compacted.get(writer, 0)) for writer in self._writers()}
        self._put_together(writers, done)
        for writer, taken in writers.items():
            after = data_name(writer, taken.last)
            for number in _sealed(self._store.list(f"{SEGMENTS}/{writer}", after)):
                if not self._bring(writer, number, taken, done):
                    break

    def _writers(self) -> list[str]:
        return sorted({each.name.split("/")[1] for each in self._store.list(WRITERS)})

    def _bring(self, writer: str, number: int, taken: Taken, done: Collected) -> bool:
        """In the order of numbers, as the compactor goes by them: one that cannot be brought holds up its writer's later ones."""
        name = data_name(writer, number)
        try:
            data, seal = self._store.get(name), self._store.get(seal_name(writer, number))
            check_whole(name, data, seal)
            _check_place(name, data, writer, number)
            self._place(SegmentPath(layout.writer_folder(self._root, writer), number), data, seal)
        except (LogDamaged, SegmentConflict, NotFound) as error:
            done.problems[name] = str(error)
            return False
        taken.add(number)
        self._faults.reach("collecting.noted")
        done.brought += 1
        return True

    def _place(self, path: SegmentPath, data: bytes, seal: bytes) -> None:
        if path.data.exists() and path.data.read_bytes() != data:
            raise SegmentConflict(f"{path.data} is there with other bytes", hint="does this machine write under that name too?")
        write_atomically(path.data, data)
        self._faults.reach("collecting.data")
        write_atomically(path.seal, seal)
        self._faults.reach("collecting.sealed")

    def _put_together(self, writers: dict[str, Taken], done: Collected) -> None:
        found = by_segment(self._store.list(FRAMES))
        self._grown = {key: seen for key, seen in self._grown.items() if key in found}
        for writer, taken in writers.items():
            self._put_writer_together(writer, taken, {n: pieces for (w, n), pieces in found.items() if w == writer}, done)

    def _put_writer_together(self, writer: str, taken: Taken, found: dict[int, _Placed], done: Collected) -> None:
        """In the order of numbers: a segment is never kept while one before it still grows, or cannot be read."""
        if not found:
            return
        kept = set(_sealed(self._store.list(f"{SEGMENTS}/{writer}", data_name(writer, taken.last))))
        for number, pieces in sorted(found.items()):
            if number <= taken.last or number in kept:
                if number < max(taken.last, *kept, *found):
                    Pieces(self._store, writer, number).remove()  # its writer is past it
            elif not (self._rests((writer, number), pieces[-1][0]) and self._end_and_keep(writer, number, pieces, done)):
                return

    def _rests(self, key: tuple[str, int], last: int) -> bool:
        now = self._elapsed()
        seen, since = self._grown.get(key, (-1, now))
        if seen != last:
            self._grown[key] = (last, now)
            return self._settle == 0
        return now - since >= self._settle

    def _end_and_keep(self, writer: str, number: int, pieces: _Placed, done: Collected) -> bool:
        """Nobody writes to this segment: end it behind its last piece, and keep it whole and sealed."""
        name = data_name(writer, number)
        try:
            data, ended = self._joined(name, pieces)
            if not ended and not Pieces(self._store, writer, number).try_end(len(data)):
                return False  # it goes on after all
            self._faults.reach("collecting.ended")
            _, frames = decode_segment(name, data)
            create_same(self._store, name, data)
            self._faults.reach("collecting.kept")
            create_same(self._store, seal_name(writer, number), msgspec.json.encode(layout.seal_of(len(data), frames)))
        except (LogDamaged, SegmentConflict, NotFound) as error:
            done.problems[name] = str(error)
            return False
        self._grown.pop((writer, number), None)
        done.rebuilt += 1
        return True

    def _joined(self, name: str, pieces: _Placed) -> tuple[bytes, bool]:
        """The bytes of the pieces in order, and whether their end is set. Raises LogDamaged when one is missing."""
        data = bytearray()
        for offset, piece in pieces:
            if offset != len(data):
                raise LogDamaged(f"{name} lacks the piece at byte {len(data)}", hint="restore it; the log never guesses")
            found = self._store.get(piece.name)
            if found == END:
                return bytes(data), True
            data += found
        return bytes(data), False


def _check_place(name: str, data: bytes, writer: str, number: int) -> None:
    header, _ = decode_segment(name, data)
    if (header.writer, header.number) != (writer, number):
        raise LogDamaged(f"{name} is segment {header.number} of {header.writer!r}", hint="it was put there under a wrong name")


def _sealed(objects: Iterable[Stored]) -> list[int]:
    """The numbers of segments whose seal is there."""
    return sorted(int(Path(each.name).stem) for each in objects if each.name.endswith(".json"))
