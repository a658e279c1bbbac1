"""Writing segments: one writer, one folder, one open segment; a batch is durable when `commit` returns."""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa
import structlog

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import Busy, TooLarge, WrongState
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import adoption, layout
from modelyard.decisions.adoption import Adopted, write_seal
from modelyard.decisions.erasures import ErasureWatch
from modelyard.decisions.errors import LogUnwritable, storage_error
from modelyard.decisions.files import exclusive, try_lock, write_atomically
from modelyard.decisions.framing import LARGEST_PAYLOAD, FrameMeta, Header, encode_header, frame_head
from modelyard.decisions.layout import FrameRef, SegmentPath
from modelyard.decisions.packing import shrinks
from modelyard.decisions.room import Room
from modelyard.decisions.schema import SCHEMA_VERSION, TableSpec, frame_meta

_log = structlog.get_logger(__name__)
_COMPRESS_FROM = 64
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True)
class Limits:
    """When a segment is sealed: at so many bytes, or so many seconds after its first batch. When somebody is erased, at once.
    `room`: so many bytes are made ready ahead of a writer of many small batches, see `Room`; its segments are of that size."""

    segment_bytes: int = 64 << 20
    segment_age: float = 3600.0
    room: int = 0


@dataclass(slots=True)
class _Open:
    path: SegmentPath
    descriptor: int
    nonce: bytes
    offset: int
    born: float
    frames: list[FrameRef]
    room: int = 0


class Journal:
    """The write side of one table for one writer. Takes over the open segments of writers that died.

    Raises Busy when a living process already writes under this name, StorageFull or LogUnwritable as the disk has it.
    """

    def __init__(
        self,
        root: Path,
        table: TableSpec,
        writer: str,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._root, self._table, self._writer = root, table, writer
        self._limits, self._clock, self._faults = limits or Limits(), clock or SystemClock(), faults or NoFaults()
        self._mutex = threading.Lock()
        self._open: _Open | None = None
        self._left: list[_Open] = []
        self._prefix = len(table.schema.serialize())
        self._folder = layout.writer_folder(root, writer)
        self._lock = self._own()
        self._erasures = ErasureWatch(root)
        self._closed = False
        self._ahead = Room(self._folder, min(self._limits.room, self._limits.segment_bytes), self._faults)
        self.damaged: list[SegmentPath] = []
        self.adopted = self._note(adoption.adopt(self._folder, Adopted())) + self.adopt_dead()
        present = max((s.number for s in layout.segments(self._folder)), default=0)
        self._number = max(present, layout.compacted(root).get(writer, 0))

    def commit(self, batch: Any, ends: tuple[str, str] | None = None) -> None:
        """Append a batch; on return it is durable. When this raises, the batch is not in the log. `ends` as in `frame_meta`.

        One exception: when the disk refuses the batch and then also to take back its bytes, readers may see it until the disk
        takes writes again (or a next writer adopts the segment). Refused and seen is possible then, acknowledged and lost is not.
        """
        self.write(memoryview(self._message(batch)), frame_meta(self._table, batch, ends))

    def write(self, payload: bytes | memoryview, meta: FrameMeta) -> None:
        """As `commit`, with what is written ready made."""
        if len(payload) > LARGEST_PAYLOAD:
            raise TooLarge(f"a batch of {len(payload)} bytes", hint=f"at most {LARGEST_PAYLOAD} bytes a batch")
        with self._mutex:
            if self._closed:
                raise WrongState("the log is closed")
            self._guard(lambda: self._append(meta, payload))

    def seal_if_due(self) -> None:
        """Seal the open segment if it is large or old enough or somebody was erased, and what could not be sealed before.
        Idempotent; `commit` does it too. Raises StorageFull or LogUnwritable when sealing fails; it is tried again the next time,
        and loses nothing."""
        with self._mutex:
            self._guard(self._roll)

    def seal(self) -> None:
        """Seal the open segment now, if it has rows."""
        with self._mutex:
            self._guard(self._seal)

    def close(self) -> None:
        """Seal and let the name go. Idempotent. What cannot be sealed the next writer adopts."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            try:
                self._guard(self._seal)
            finally:
                for segment in self._left:
                    os.close(segment.descriptor)
                self._left.clear()
                self._ahead.close()
                self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def adopt_dead(self) -> int:
        """Cut and seal what writers that died left open. Returns how many segments that were."""
        return self._note(adoption.adopt_dead(self._root, but=self._folder))

    def _own(self) -> IO[bytes]:
        """The lock on this writer's name. Who only tidies up after the last owner is waited for; a folder that is tidied away
        meanwhile is made again."""
        while True:
            try:
                lock = self._try_own()
            except LogUnwritable as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
            else:
                if lock is None:
                    whose = f"another process writes the log as {self._writer!r}"
                    raise Busy(whose, field="writer", hint="give each its own name")
                if os.fstat(lock.fileno()).st_nlink:
                    return lock
                lock.close()
            layout.writer_folder(self._root, self._writer)

    def _try_own(self) -> IO[bytes] | None:
        lock = try_lock(self._folder / layout.LOCK)
        if lock is None:
            with exclusive(self._folder / layout.ADOPTION):
                lock = try_lock(self._folder / layout.LOCK)
        return lock

    def _note(self, found: Adopted) -> int:
        self.damaged += [path for path in found.damaged if path not in self.damaged]
        return found.sealed

    def _message(self, batch: Any) -> Any:
        """The batch as one Arrow IPC message, compressed when that pays."""
        if not self._compresses(batch):
            payload = batch.serialize()
        else:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, self._table.schema, options=_LZ4) as stream:
                stream.write_batch(batch)
                end = sink.tell()
            payload = sink.getvalue().slice(self._prefix, end - self._prefix)
        return payload

    @staticmethod
    def _compresses(batch: Any) -> bool:
        return batch.num_rows >= _COMPRESS_FROM and shrinks(batch)

    def _append(self, meta: FrameMeta, payload: bytes | memoryview) -> None:
        try:
            self._roll()
        except OSError as error:  # the segment waits to be sealed; whether the disk takes rows is seen next
            _log.warning("a segment of the log could not be sealed", writer=self._writer, error=str(error))
        segment = self._open or self._start()
        pieces = self._pieces(segment.nonce, segment.offset, meta, memoryview(payload))
        self._make_durable(segment, pieces)
        end = segment.offset + sum(map(len, pieces))
        segment.frames.append(FrameRef(segment.offset, end, end - len(payload), meta))
        written, segment.offset = end - segment.offset, end
        self._ahead.follow(written)

    def _pieces(self, nonce: bytes, offset: int, meta: FrameMeta, payload: memoryview) -> Sequence[memoryview]:
        """The bytes of a frame, one after another."""
        return memoryview(frame_head(nonce, offset, meta, payload)), payload

    def _header(self, header: Header) -> bytes:
        return encode_header(header)

    def _opened(self, path: Path) -> int:
        return os.open(path, os.O_RDWR)

    def _make_durable(self, segment: _Open, pieces: Sequence[memoryview]) -> None:
        """Write and sync; when that fails nothing half done stays visible. After a failed sync the kernel may have dropped
        pages, so such a segment is not written to again: it is cut at its last durable frame and sealed."""
        written = False
        try:
            self._faults.reach("decisions.commit.begun")
            self._write(segment.descriptor, segment.offset, pieces)
            written = True
            self._faults.reach("decisions.commit.written")
            os.fdatasync(segment.descriptor)
        except BaseException:
            if written:
                self._leave()
            try:
                os.ftruncate(segment.descriptor, segment.offset)
            except OSError as error:
                self._leave()
                _log.error("a refused batch could not be taken back", writer=self._writer, error=str(error))
            raise

    def _write(self, descriptor: int, offset: int, pieces: Sequence[memoryview]) -> None:
        write(descriptor, offset, pieces)

    def _leave(self) -> None:
        """Write no more to the open segment; it is cut and sealed when the disk lets us."""
        if self._open is not None:
            self._left.append(self._open)
            self._open = None

    def _start(self) -> _Open:
        self._number += 1
        path = SegmentPath(self._folder, self._number)
        now = self._clock.now().timestamp()
        nonce = secrets.token_bytes(16)
        schema = self._table.schema.serialize().to_pybytes()
        header = self._header(Header(self._table.name, SCHEMA_VERSION, self._writer, self._number, int(now * 1e6), nonce, schema))
        self._faults.reach("decisions.segment.starting")
        try:
            descriptor, room = self._ahead.take(path.data, header) if self._ahead.ready else self._made(path.data, header)
        except OSError:
            path.data.unlink(missing_ok=True)
            raise
        segment = _Open(path, descriptor, nonce, len(header), now, [], room)
        self._open = segment
        self._faults.reach("decisions.segment.started")
        return segment

    def _made(self, path: Path, header: bytes) -> tuple[int, int]:
        write_atomically(path, header)
        return self._opened(path), 0

    def _roll(self) -> None:
        """Seal what is due. A clock that was set back starts a segment's age again: it is never negative."""
        now = self._clock.now().timestamp()
        erased = self._erasures.due(now)
        if self._open is None:
            self._settle()
            return
        self._open.born = min(self._open.born, now)
        full = self._open.offset >= self._limits.segment_bytes or (self._ahead.ready and self._open.offset >= self._open.room)
        if full or erased or now - self._open.born >= self._limits.segment_age:
            self._leave()
        self._settle()

    def _seal(self) -> None:
        self._leave()
        self._settle()

    def _settle(self) -> None:
        """Seal what is no longer written to. It stays in line when that fails: a seal that is half there must not be outrun by
        rows that it does not name."""
        while self._left:
            segment = self._left[0]
            self._faults.reach("decisions.seal")
            if os.fstat(segment.descriptor).st_size > segment.offset:
                os.ftruncate(segment.descriptor, segment.offset)
                os.fsync(segment.descriptor)
            write_seal(segment.path, segment.offset, segment.frames)
            del self._left[0]
            os.close(segment.descriptor)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            raise storage_error(error, self._folder / "segment") from error


def write(descriptor: int, offset: int, pieces: Sequence[memoryview]) -> None:
    """All of the bytes, however many calls that takes. Raises OSError."""
    left = [piece for piece in pieces if piece]
    while left:
        written = os.pwritev(descriptor, left, offset)
        if written == 0:
            raise OSError(errno.ENOSPC, "the disk takes no bytes")
        offset += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]
