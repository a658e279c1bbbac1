"""A segment in pieces: what a writer commits goes to the store at once, each piece under its offset, and so does the end.

frames/<writer>/<number>/<offset>  the segment's bytes from there on, up to the next piece; or END, after which none may come

Pieces are created, never replaced, so that writer and collector agree on every byte without speaking to each other: who
creates the piece at an offset first has decided what is there. A collector ends a segment that nobody seems to write any more
by creating END behind its last piece; a writer that was only slow finds END where it wanted to go on, and goes on in its next
segment. No clock, lease or liveness is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from modelyard.core.errors import Conflict, NotFound
from modelyard.decisions.errors import LogDamaged
from modelyard.decisions.framing import Header, TornFrame, decode_header, scan
from modelyard.decisions.layout import FrameRef, Seal, SegmentPath, seal_of
from modelyard.decisions.shipping_stores import SegmentStore, Stored

END = b"MYDLOG-END\n"
FRAMES = "frames"
SEGMENTS = "segments"
WRITERS = "writers"
_PIECE = re.compile(rf"^{FRAMES}/([^/]+)/(\d{{12}})/(\d{{12}})$")
_seals = msgspec.json.Decoder(Seal)


class SegmentConflict(Conflict):
    """Other bytes are kept under the same name: two machines write under one identity (a copied disk), or a disk is damaged."""

    code = "segment_conflict"


class SegmentEnded(Exception):
    """The store says that the segment has ended at `size`; what a writer has beyond was never acknowledged."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the segment was ended at byte {size}")
        self.size = size


def create_same(store: SegmentStore, name: str, data: bytes) -> None:
    """Keep the bytes under the name; that they are there already is fine. Raises SegmentConflict when others are."""
    if not store.create(name, data) and store.get(name) != data:
        raise SegmentConflict(f"the store has other bytes under {name}", field="segments", hint=_TWO)


def data_name(writer: str, number: int) -> str:
    return f"{SEGMENTS}/{writer}/{number:012d}.seg"


def seal_name(writer: str, number: int) -> str:
    return f"{SEGMENTS}/{writer}/{number:012d}.json"


class Pieces:
    """The pieces of one segment in the store."""

    def __init__(self, store: SegmentStore, writer: str, number: int) -> None:
        self._store, self._writer, self._number = store, writer, number
        self.prefix = f"{FRAMES}/{writer}/{number:012d}"

    def extend(self, offset: int, data: bytes) -> int:
        """See that these bytes are there from the offset on, whoever put them; where they end.

        Raises SegmentEnded when the segment ends before, SegmentConflict when it goes on differently."""
        while data:
            if self._store.create(self._name(offset), data):
                return offset + len(data)
            try:
                there = self._store.get(self._name(offset))
            except NotFound:
                continue  # taken away in between; then its name is free
            if there == END:
                raise SegmentEnded(offset)
            if not data.startswith(there):
                raise SegmentConflict(f"the store has other bytes under {self._name(offset)}", field="segments", hint=_TWO)
            offset, data = offset + len(there), data[len(there) :]
        return offset

    def end(self, size: int) -> None:
        """Let no piece come at or after `size`. Raises SegmentConflict when one is there."""
        if not self.try_end(size):
            raise SegmentConflict(f"{self.prefix} goes on after its end at {size}", field="segments", hint=_TWO)

    def try_end(self, size: int) -> bool:
        """The same; False when the segment goes on there."""
        return self._store.create(self._name(size), END) or self._store.get(self._name(size)) == END

    def remove(self) -> None:
        """Forget the pieces; only once the whole segment is in the store and its writer is past it."""
        for piece in self._store.list(self.prefix):
            self._store.remove(piece.name)

    def _name(self, offset: int) -> str:
        return f"{self.prefix}/{offset:012d}"


def by_segment(pieces: Iterable[Stored]) -> dict[tuple[str, int], list[tuple[int, Stored]]]:
    """Pieces with their offsets, by writer and number, in order."""
    found: dict[tuple[str, int], list[tuple[int, Stored]]] = {}
    for piece in sorted(pieces):
        match = _PIECE.match(piece.name)
        if match is not None:
            found.setdefault((match[1], int(match[2])), []).append((int(match[3]), piece))
    return found


def check_whole(name: str, data: bytes, seal: bytes) -> None:
    """Raises LogDamaged unless these bytes are the segment that the seal says, every frame of it."""
    told = decode_seal(name, seal)
    _, frames = decode_segment(name, data)
    if seal_of(len(data), frames) != told:
        raise LogDamaged(f"segment {name} is not what its seal says", hint=_RESTORE)


def decode_seal(name: str, seal: bytes) -> Seal:
    """Raises LogDamaged."""
    try:
        return _seals.decode(seal)
    except msgspec.DecodeError as error:
        raise LogDamaged(f"the seal of segment {name} cannot be read: {error}", hint=_RESTORE) from error


def decode_segment(name: str, data: bytes) -> tuple[Header, list[FrameRef]]:
    """The header and every frame of a whole segment. Raises LogDamaged."""
    try:
        header, start = decode_header(data)
        return header, [FrameRef.of(frame) for frame in scan(header.nonce, start, memoryview(data)[start:])]
    except (TornFrame, msgspec.DecodeError) as error:
        raise LogDamaged(f"segment {name} is damaged: {error}", hint=_RESTORE) from error


def read_bytes(path: Path, start: int, end: int) -> bytes:
    """The file's bytes in this range."""
    with path.open("rb") as handle:
        handle.seek(start)
        return handle.read(end - start)


def local_name(path: SegmentPath) -> str:
    """A segment as messages name it."""
    return f"{path.folder.name}/{path.data.name}"


_TWO = "does a copy of this machine's disk write too? give each machine a home of its own"
_RESTORE = "restore the segment from a backup; the log never guesses"
