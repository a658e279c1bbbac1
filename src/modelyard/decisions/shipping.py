"""Shipping: sealed segments of a machine's decision log go to a store that outlives the machine.

segments/<writer>/<number>.seg   a sealed segment, then
segments/<writer>/<number>.json  its seal: where it is, the segment is whole
writers/<writer>/<session>       who writes under this name: the token of a process, in the order of their starts

A name is created once and never replaced; the same bytes again are fine. Shipping may therefore be killed anywhere and be
repeated by anybody. What is in the store is also noted beside the segment (`<number>.shipped`), so that it is not asked again.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

import msgspec
import structlog

from modelyard.core.errors import Busy
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import layout
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import exclusive, sync_folder, try_lock, write_atomically
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.segment import SegmentReader
from modelyard.decisions.shipping_frames import (
    WRITERS,
    Pieces,
    SegmentConflict,
    SegmentEnded,
    check_whole,
    create_same,
    data_name,
    decode_seal,
    local_name,
    read_bytes,
    seal_name,
)
from modelyard.decisions.shipping_stores import SegmentStore

KEEP = timedelta(days=1)
_IDENTITY = "identity"
_log = structlog.get_logger("modelyard.decisions")


def own_name(root: Path, name: str) -> str:
    """A writer's name that no other machine has: the given one and an identity that is kept with the log.

    A machine that lost its disk comes back with another identity: what it wrote before and what it writes now never meet."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with exclusive(root / f"{_IDENTITY}.lock"):
            path = root / _IDENTITY
            if not path.exists():
                write_atomically(path, secrets.token_hex(4).encode())
            return f"{name}.{path.read_text()}"
    except OSError as error:
        raise storage_error(error, root / _IDENTITY) from error


class Claim:
    """One process's right to write under a name. Whoever starts later has it; who had it before finds out and stops."""

    def __init__(self, store: SegmentStore, writer: str) -> None:
        self._store, self._writer = store, writer
        token = secrets.token_hex(8).encode()
        sessions = self._sessions()
        while True:
            self.session = max(sessions, default=0) + 1
            name = self._name(self.session)
            if store.create(name, token) or store.get(name) == token:
                break
            sessions = [self.session]
        for session in sessions:
            if session < self.session - 1:
                store.remove(self._name(session))

    def check(self) -> None:
        """Raises Busy when another process has claimed the name since."""
        newer = [session for session in self._sessions() if session > self.session]
        if newer:
            raise Busy(
                f"another process writes the log as {self._writer!r} (start {newer[-1]}, this is {self.session})",
                field="writer",
                hint="a copy of this machine's disk runs too: stop one, and give it a home of its own",
            )

    def _sessions(self) -> list[int]:
        return [int(each.name.rsplit("/", 1)[-1]) for each in self._store.list(f"{WRITERS}/{self._writer}")]

    def _name(self, session: int) -> str:
        return f"{WRITERS}/{self._writer}/{session:08d}"


class Shipper:
    """Ships what is sealed under a log's root, of every writer there. Only one process of a root ships at a time.

    With `in_pieces` the writers' rows go to the store as they are committed: what is missing of a sealed segment is added, its
    end is set, and its pieces are forgotten once it is there as a whole. `keep` says how long a shipped segment stays on this
    machine; a writer's last one stays always, because the next is numbered after it.
    """

    def __init__(
        self, root: Path, store: SegmentStore, *, in_pieces: bool = False, keep: timedelta = KEEP, faults: Faults | None = None
    ) -> None:
        self._root, self._store, self._in_pieces, self._keep = root, store, in_pieces, keep
        self._faults = faults or NoFaults()
        self.problems: dict[str, str] = {}

    def ship(self, own: str | None = None, before: int | None = None) -> int:
        """Ship what is sealed and not yet there; how many segments that were. `own` is the writer that this process holds, of
        which only segments before that number are taken. What cannot be shipped is told in `problems` and tried again.

        Raises Unavailable when the store does not answer; nothing is lost then."""
        turn = try_lock(self._root / "shipping.lock")
        if turn is None:
            return 0
        with turn:
            return sum(self._folder(folder, own, before) for folder in layout.writer_folders(self._root))

    def _folder(self, folder: Path, own: str | None, before: int | None) -> int:
        with ExitStack() as held:
            if folder.name != own and self._in_pieces:
                for name in (layout.ADOPTION, layout.LOCK):
                    lock = try_lock(folder / name)
                    if lock is None:
                        return 0  # its own process knows best what it has acknowledged
                    held.enter_context(lock)
            last = before if folder.name == own else None
            waiting = [s for s in layout.segments(folder) if s.seal.exists() and not noted(s)]
            shipped = sum(takewhile(bool, map(self._try, (path for path in waiting if last is None or path.number < last))))
            self._tidy(folder)
        return shipped

    def _try(self, path: SegmentPath) -> bool:
        """Segments of a writer go in their order: what is in the store is all that was before it. One that cannot go holds up
        its writer's later ones, as it does when they are compacted."""
        name = local_name(path)
        try:
            self._ship(path)
        except (SegmentConflict, LogDamaged) as error:
            if self.problems.get(name) != str(error):
                _log.error("a segment cannot be shipped", segment=name, problem=str(error))
            self.problems[name] = str(error)
            return False
        except OSError as error:
            raise storage_error(error, path.data) from error
        self.problems.pop(name, None)
        return True

    def _ship(self, path: SegmentPath) -> None:
        pieces = Pieces(self._store, path.folder.name, path.number)
        if self._in_pieces:
            settle(pieces, path, 0)
        seal = path.seal.read_bytes()
        data = read_bytes(path.data, 0, decode_seal(local_name(path), seal).size)
        check_whole(local_name(path), data, seal)
        create_same(self._store, data_name(path.folder.name, path.number), data)
        self._faults.reach("shipping.data")
        create_same(self._store, seal_name(path.folder.name, path.number), seal)
        self._faults.reach("shipping.sealed")
        if self._in_pieces:
            pieces.remove()
        write_atomically(_note(path), b"")
        self._faults.reach("shipping.noted")

    def _tidy(self, folder: Path) -> None:
        """Remove what is in the store for long enough; the data first: a seal without data is nothing. A compactor may remove
        the same segment at the same time."""
        oldest = time.time() - self._keep.total_seconds()
        for path in layout.segments(folder)[:-1]:
            since = _noted_at(path)
            if since is not None and since <= oldest:
                path.data.unlink(missing_ok=True)
                self._faults.reach("shipping.removing")
        left = {path.number for path in layout.segments(folder)}
        for extra in [*folder.glob("*.json"), *folder.glob("*.shipped")]:
            if int(extra.stem) not in left:
                extra.unlink(missing_ok=True)


def settle(pieces: Pieces, path: SegmentPath, offset: int) -> None:
    """See that a sealed segment is in the store to its last byte, in pieces and ended there. Where the store has ended it
    before, the rows beyond were never acknowledged: they are cut."""
    size = decode_seal(local_name(path), path.seal.read_bytes()).size
    try:
        pieces.end(pieces.extend(offset, read_bytes(path.data, offset, size)))
    except SegmentEnded as ended:
        cut(path, ended.size)


def cut(path: SegmentPath, size: int) -> None:
    """Let a sealed segment end earlier. The seal goes first: readers believe it, and the bytes beyond it are nothing then."""
    seal = decode_seal(local_name(path), path.seal.read_bytes())
    frames = [frame for frame in seal.frames if frame.end <= size]
    if size not in {SegmentReader(path).end, *(frame.end for frame in frames)}:
        raise SegmentConflict(f"{local_name(path)} was ended at byte {size}, where no row ends", field="segments")
    write_atomically(path.seal, msgspec.json.encode(layout.seal_of(size, frames)))
    os.truncate(path.data, size)
    sync_folder(path.folder)


def noted(path: SegmentPath) -> bool:
    """Whether the segment is in the store, as far as this machine knows."""
    return _note(path).exists()


def _noted_at(path: SegmentPath) -> float | None:
    """When the segment was noted as being in the store (seconds since 1970), if it is."""
    try:
        return _note(path).stat().st_mtime
    except FileNotFoundError:
        return None


def _note(path: SegmentPath) -> Path:
    return path.folder / f"{path.number:012d}.shipped"
