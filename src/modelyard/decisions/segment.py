"""Reading one segment: which frames are whole, and what is in them. A torn tail is cut; damage is an error, never an answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from modelyard.decisions import rowframes, tails
from modelyard.decisions.errors import LogDamaged
from modelyard.decisions.extents import Wanted
from modelyard.decisions.framing import (
    Header,
    TornFrame,
    decode_frame,
    decode_header,
)
from modelyard.decisions.layout import FrameRef, Seal, SegmentPath
from modelyard.decisions.packing import unpacked

_seal_decoder = msgspec.json.Decoder(Seal)
_HEADER_READ = 1 << 16


_BLOCK = 256
_FRAMES_AT_ONCE = 1024


class Block:
    """Frames next to each other, and the extent of all: most lookups skip them together."""

    def __init__(self) -> None:
        self.frames: list[FrameRef] = []
        self.min_id, self.max_id = "", ""
        self.min_time = self.max_time = 0
        self.min_event: int | None = None
        self.max_event: int | None = None
        self.endpoints: set[str] = set()

    def add(self, frame: FrameRef) -> None:
        meta = frame.meta
        if not self.frames:
            self.min_id, self.max_id, self.min_time, self.max_time = meta.min_id, meta.max_id, meta.min_time, meta.max_time
        self.min_id, self.max_id = min(self.min_id, meta.min_id), max(self.max_id, meta.max_id)
        self.min_time, self.max_time = min(self.min_time, meta.min_time), max(self.max_time, meta.max_time)
        if meta.min_event is not None and meta.max_event is not None:
            self.min_event = meta.min_event if self.min_event is None else min(self.min_event, meta.min_event)
            self.max_event = meta.max_event if self.max_event is None else max(self.max_event, meta.max_event)
        self.endpoints.update(meta.endpoints)
        self.frames.append(frame)


class SegmentReader:
    """One segment's whole frames. `refresh` takes in what its writer has added since; not safe for several threads."""

    def __init__(self, path: SegmentPath) -> None:
        self.path = path
        self.frames: list[FrameRef] = []
        self._blocks: list[Block] = []
        self._blocked = 0
        self.sealed = False
        self._searched = False
        self._holders = 0
        self._held: int | None = None
        self._mutex = threading.Lock()
        with path.data.open("rb") as handle:
            self.header, self.end = self._header(handle.read(_HEADER_READ))
        self._schema = pa.ipc.read_schema(pa.py_buffer(self.header.schema))
        self._prelude = self._schema.serialize().to_pybytes()

    def refresh(self) -> None:
        """Index new frames. Raises LogDamaged when a frame is broken and it is not the torn last one."""
        if self.sealed:
            return
        if self.path.seal.exists():
            self._use_seal()
        elif self.path.data.stat().st_size > self.end:
            self._scan_tail()

    def wanted(self, wanted: Wanted) -> list[FrameRef]:
        """The frames that may hold what is asked for, in the log's order."""
        if self._blocked > len(self.frames):  # the seal told them anew
            self._blocks, self._blocked = [], 0
        for frame in self.frames[self._blocked :]:
            if not self._blocks or len(self._blocks[-1].frames) >= _BLOCK:
                self._blocks.append(Block())
            self._blocks[-1].add(frame)
        self._blocked = len(self.frames)
        blocks = [block for block in self._blocks if wanted.extent(block)]
        return [frame for block in blocks for frame in block.frames if wanted.extent(frame.meta)]

    def read(self, frames: Sequence[FrameRef], columns: Sequence[str]) -> Iterator[Any]:
        """Arrow batches with only these columns, unpacked, in the log's order; of a few frames more each time, so that who wants
        the first rows gets no more. Raises LogDamaged."""
        with self.holding() as descriptor:
            first, more = 0, 1
            while first < len(frames):
                payloads = [self._payload(descriptor, frame) for frame in frames[first : first + more]]
                for as_rows, some in groupby(payloads, rowframes.is_rows):
                    read = self._of_rows if as_rows else self._of_messages
                    yield from read(list(some), columns)
                first += more
                more = min(first, _FRAMES_AT_ONCE)

    def _of_messages(self, messages: Iterable[memoryview], columns: Sequence[str]) -> Iterator[Any]:
        wanted = [self._schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=[i for i in wanted if i >= 0])
        stream = pa.py_buffer(b"".join((self._prelude, *messages)))
        for batch in pa.ipc.open_stream(stream, options=options):
            yield from unpacked(batch)

    def _of_rows(self, payloads: Iterable[memoryview], columns: Sequence[str]) -> Iterator[Any]:
        try:
            yield rowframes.decoded(payloads, self._schema, columns)
        except (msgspec.DecodeError, ValueError, TypeError, LookupError) as error:
            raise LogDamaged(f"segment {self._name} has rows that do not read: {error}", hint=_RESTORE) from error

    @contextmanager
    def holding(self) -> Iterator[int]:
        """The open file: it stays readable within the block though its name may go. Raises FileNotFoundError when it is gone."""
        with self._mutex:
            if self._held is None:
                self._held = os.open(self.path.data, os.O_RDONLY)
            self._holders += 1
            descriptor = self._held
        try:
            yield descriptor
        finally:
            with self._mutex:
                self._holders -= 1
                if self._holders == 0:
                    os.close(descriptor)
                    self._held = None

    @property
    def columns(self) -> list[str]:
        """The columns that its writer knew."""
        return list(self._schema.names)

    def torn_bytes(self) -> int:
        """How many bytes beyond the last whole frame there are."""
        return self.path.data.stat().st_size - self.end

    def _header(self, data: bytes) -> tuple[Header, int]:
        try:
            return decode_header(data)
        except TornFrame as error:
            raise LogDamaged(f"segment {self._name} has no readable header", hint=_RESTORE) from error

    def _use_seal(self) -> None:
        try:
            seal = _seal_decoder.decode(self.path.seal.read_bytes())
        except msgspec.DecodeError as error:
            self._without_seal(error)
            return
        if self.path.data.stat().st_size < seal.size:
            raise LogDamaged(f"segment {self._name} is shorter than when it was sealed", hint=_RESTORE)
        self.frames, self.end, self.sealed = list(seal.frames), seal.size, True

    def _without_seal(self, error: msgspec.DecodeError) -> None:
        """The seal is torn: the frames tell the same, if they fill the file as they do in a sealed segment."""
        if self.path.data.stat().st_size > self.end:
            self._scan_tail()
        if self.torn_bytes() > 0:
            raise LogDamaged(f"segment {self._name} has a torn seal and a torn tail", hint=_RESTORE) from error

    def _scan_tail(self) -> None:
        """Take in what is whole. Behind it must be no other whole frame: looked for the first time, and whenever what is there
        is more than room for the next."""
        nonce = self.header.nonce
        with self.path.data.open("rb") as handle:
            descriptor = handle.fileno()
            while True:
                self._take_in(descriptor)
                if self._searched and tails.is_room(descriptor, self.end):
                    return
                last, beyond = self.end, tails.whole_beyond(descriptor, nonce, self.end)
                self._searched = beyond is None
                if beyond is None:
                    return
                self._take_in(descriptor)  # the writer may have been at it
                if self.end == last:
                    raise LogDamaged(f"segment {self._name} is damaged between bytes {last} and {beyond}", hint=_RESTORE)

    def _take_in(self, descriptor: int) -> None:
        for frame in tails.whole(descriptor, self.header.nonce, self.end):
            self.frames.append(FrameRef.of(frame))
            self.end = frame.end

    def _payload(self, descriptor: int, frame: FrameRef) -> memoryview:
        data = memoryview(os.pread(descriptor, frame.end - frame.offset, frame.offset))
        try:
            found = decode_frame(self.header.nonce, frame.offset, data)
        except TornFrame as error:
            raise LogDamaged(f"segment {self._name} is damaged at byte {frame.offset}", hint=_RESTORE) from error
        return data[found.payload]

    @property
    def _name(self) -> str:
        return str(Path(self.path.folder.name) / self.path.data.name)


_RESTORE = "restore the segment from a backup; the log never guesses"
