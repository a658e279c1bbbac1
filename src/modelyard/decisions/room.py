"""Room on the disk ahead of a busy writer.

A flush of a file that grows writes more than the bytes: where the file's new blocks are, in the file system's journal. That is
over half of the flush, as measured on ext4 (`benchmarks/README.md`). So a busy writer gets its next segment as a file of zeros
that is durable already. It is made beside the writer, piece by piece, as the segment before fills; a quiet writer has none.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from modelyard.core.faults import Faults
from modelyard.decisions import layout
from modelyard.decisions.files import sync_folder

_log = structlog.get_logger(__name__)
_PIECE = bytes(1 << 18)
_LARGE = 1 << 18
"""A commit of so many bytes does not count: what it costs is writing them, and that twice would cost more."""
_PACE = 2
"""So many bytes are made for each that is written: the room is there before the segment is full, and the disk has little to do
at a time."""
_BEGINS = 16
"""Room is begun when this part of its size was written: whoever writes less is not busy."""
_FREE = 20
"""So many times its size must be free on the disk: room must never be why a disk is full."""


class Room:
    """The next segment's file, of `size` zeros, in a writer's folder; 0 for none. One thread at a time may use it."""

    def __init__(self, folder: Path, size: int, faults: Faults) -> None:
        self._path, self._size, self._faults = folder / layout.ROOM, size, faults
        self._written = self._made = 0
        self._descriptor: int | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._making: Future[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is room to `take`."""
        return 0 < self._size <= self._made and self._idle()

    def follow(self, written: int) -> None:
        """A commit has written so many bytes: make more room, if it is time. Never raises: the commit is in the log."""
        if not self._size or written >= _LARGE:
            return
        self._written += written
        if self._made < min(self._size, _PACE * (self._written - self._size // _BEGINS)) and self._idle():
            self._submit()

    def take(self, path: Path, header: bytes) -> tuple[int, int]:
        """The room as the file of this name, beginning with these bytes, durable: its descriptor and its size. Raises OSError;
        there is no room then."""
        descriptor, size = self._descriptor, self._size
        if descriptor is None:
            raise FileNotFoundError(f"{self._path} is not made")
        try:
            os.pwrite(descriptor, header, 0)
            os.fdatasync(descriptor)
            self._faults.reach("decisions.room.taken")
            self._path.replace(path)
            sync_folder(path.parent)
        except BaseException:
            self._forget()
            raise
        self._descriptor, self._made, self._written = None, 0, 0
        return descriptor, size

    def close(self) -> None:
        """Take the room off the disk. Idempotent."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._forget()

    def _idle(self) -> bool:
        return self._making is None or self._making.done()

    def _submit(self) -> None:
        try:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "log-room")
            self._making = self._thread.submit(self._make)
        except RuntimeError as error:  # the machine gives no thread
            self._give_up(error)

    def _make(self) -> None:
        try:
            if self._descriptor is None:
                self._begin()
            self._extend()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """For now: the log does without."""
        _log.warning("no room was made ahead of the log: its flushes take longer", room=str(self._path), error=str(error))
        self._forget()
        self._written = -_BEGINS * self._size

    def _begin(self) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if free < _FREE * self._size:
            raise OSError(f"{free} bytes are free, room is made from {_FREE * self._size} on")
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o666)

    def _extend(self) -> None:
        assert self._descriptor is not None
        wanted = min(len(_PIECE), self._size - self._made)
        written = os.pwrite(self._descriptor, memoryview(_PIECE)[:wanted], self._made)
        os.fdatasync(self._descriptor)
        self._made += written

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._made = self._written = 0
        if descriptor is not None:
            os.close(descriptor)
            self._unlink()

    def _unlink(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # who takes over the folder tries again
            _log.warning("room made ahead of the log stays on the disk", room=str(self._path), error=str(error))
