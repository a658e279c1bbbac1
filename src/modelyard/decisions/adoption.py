"""Taking over from writers that died: what they left open is cut at its last whole frame and sealed."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from modelyard.decisions import layout
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import try_lock, write_atomically
from modelyard.decisions.layout import FrameRef, SegmentPath
from modelyard.decisions.segment import SegmentReader


@dataclass
class Adopted:
    """How many segments were sealed, and which could not be as they are damaged: they stay as they are, for readers to report."""

    sealed: int = 0
    damaged: list[SegmentPath] = field(default_factory=list)


def adopt_dead(root: Path, *, but: Path | None = None) -> Adopted:
    """Cut and seal what dead writers (`but` one folder's) left open. Raises StorageFull or LogUnwritable."""
    found = Adopted()
    for folder in layout.writer_folders(root):
        if folder == but:
            continue
        turn = try_lock(folder / layout.ADOPTION)
        if turn is None:
            continue
        with turn:
            lock = try_lock(folder / layout.LOCK)
            if lock is not None:
                with lock:
                    adopt(folder, found)
    return found


def adopt(folder: Path, found: Adopted) -> Adopted:
    """The same for one folder, whose lock the caller holds. Damage must not keep a writer from starting."""
    try:
        (folder / layout.ROOM).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder / layout.ROOM) from error
    for path in layout.segments(folder):
        try:
            if needs_seal(path):
                cut_and_seal(path)
                found.sealed += 1
        except LogDamaged:
            found.damaged.append(path)
        except FileNotFoundError:
            continue  # it was sealed, and is compacted by now
        except OSError as error:
            raise storage_error(error, path.data) from error
    return found


def forget_dead(root: Path, keep_for: timedelta, now: float) -> int:
    """Remove the folders of dead writers that have held nothing for so long. Returns how many. Names may be used again: numbers
    go on where they ended, as `compacted.json` remembers. Raises OSError."""
    removed = 0
    for folder in layout.writer_folders(root):
        if abs(now - folder.stat().st_mtime) < keep_for.total_seconds() or not _is_empty(folder):
            continue
        with ExitStack() as held:
            for name in (layout.ADOPTION, layout.LOCK):
                lock = try_lock(folder / name)
                if lock is None:
                    break
                held.enter_context(lock)
            else:
                if _is_empty(folder):
                    removed += _remove(folder)
    return removed


def _remove(folder: Path) -> bool:
    """Who starts under this name just now sees that its lock has no name any more, or keeps the folder by a new one."""
    for name in (layout.LOCK, layout.ADOPTION):
        (folder / name).unlink()
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return False
    return True


def _is_empty(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {layout.LOCK, layout.ADOPTION}


def needs_seal(path: SegmentPath) -> bool:
    """Whether a segment has no seal, or a torn one: a whole one is a JSON object."""
    try:
        with path.seal.open("rb") as handle:
            first = handle.read(1)
            handle.seek(-1, os.SEEK_END)
            return first + handle.read(1) != b"{}"
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EINVAL:  # the file is empty
            return True
        raise


def cut_and_seal(path: SegmentPath) -> None:
    """Seal a segment at its last whole frame. Raises LogDamaged, OSError."""
    reader = SegmentReader(path)
    reader.refresh()
    if reader.torn_bytes() > 0:
        with path.data.open("r+b") as handle:
            handle.truncate(reader.end)
            os.fsync(handle.fileno())
    write_seal(path, reader.end, reader.frames)


def write_seal(path: SegmentPath, size: int, frames: list[FrameRef]) -> None:
    """Durable on return. Raises OSError."""
    write_atomically(path.seal, msgspec.json.encode(layout.seal_of(size, frames)))
