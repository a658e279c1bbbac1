"""Writing large frames past the page cache: what a batch logs is read much later, or never.

A segment of this kind is like any other and reads as any. Its header and frames just fill whole blocks (`framing`), so that
the disk takes them out of this process's memory (O_DIRECT): no copy is made, and the machine's memory keeps what is in use. Where
the file system has no such writes, the same bytes are written as usual.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.decisions.framing import FrameMeta, Header, encode_header, frame_head
from modelyard.decisions.journal import Journal

BLOCK = 4096
"""No disk wants more; memory is aligned to it as well."""
_STEP = 1 << 21
_END_OF_STREAM = 8
_DIRECT = getattr(os, "O_DIRECT", 0)


class BulkJournal(Journal):
    """A journal for frames of many rows. Contract and errors as `Journal`; it keeps the memory of its largest frame."""

    def __init__(self, *args: Any, **how: Any) -> None:
        self._filling = threading.Lock()
        self._room, self._begin, self._end = memoryview(b""), 0, 0
        super().__init__(*args, **how)

    def commit(self, batch: Any, ends: tuple[str, str] | None = None) -> None:
        """As `Journal.commit`."""
        with self._filling:  # there is room for one frame
            super().commit(batch, ends)

    def _message(self, batch: Any) -> memoryview:
        """The message, in the place from which it is written. Where nothing is compressed it is put there at once: the stream's
        schema comes to stand where the frame's head will."""
        if self._compresses(batch):
            message = memoryview(super()._message(batch)).cast("B")
            place = self._place(len(message))
            place[:] = message
            return place
        place = self._place(pa.ipc.get_record_batch_size(batch))
        first = self._end - len(place) - self._prefix
        sink = pa.FixedSizeBufferWriter(pa.py_buffer(self._room[first : self._end + _END_OF_STREAM]))
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return place

    def _place(self, size: int) -> memoryview:
        """Room for a message of that size: before it for a head of one to two blocks and for a schema, and it ends a block."""
        self._begin = self._prefix + -self._prefix % BLOCK
        first = self._begin + BLOCK + -size % BLOCK
        self._end = first + size
        if len(self._room) < self._end + _END_OF_STREAM:
            self._room = _room(self._end + _END_OF_STREAM)
        return self._room[first : self._end]

    def _pieces(self, nonce: bytes, offset: int, meta: FrameMeta, payload: memoryview) -> Sequence[memoryview]:
        first = self._end - len(payload)
        self._room[self._begin : first] = frame_head(nonce, offset, meta, payload, first - self._begin)
        return (self._room[self._begin : self._end],)

    def _header(self, header: Header) -> bytes:
        return encode_header(header, BLOCK)

    def _opened(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDWR | _DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return super()._opened(path)

    def _write(self, descriptor: int, offset: int, pieces: Sequence[memoryview]) -> None:
        try:
            super()._write(descriptor, offset, pieces)
        except OSError as error:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            if error.errno != errno.EINVAL or not flags & _DIRECT:
                raise
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~_DIRECT)  # a file system or a disk that wants it otherwise
            super()._write(descriptor, offset, pieces)


def _room(size: int) -> memoryview:
    """Memory that begins with a page, in large pages where there are any."""
    made = mmap.mmap(-1, size + -size % _STEP)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            made.madvise(mmap.MADV_HUGEPAGE)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a kernel that has none
                raise
    return memoryview(made)
