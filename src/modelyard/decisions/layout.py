"""Where the log's files are.

<root>/<writer>/lock               held (flock) for as long as the writer lives
<root>/<writer>/adoption.lock      held while somebody takes over from a dead writer
<root>/<writer>/000000000001.seg   a segment
<root>/<writer>/000000000001.json  written when the segment is sealed: its statistics and the index of its frames
<root>/<writer>/room               zeros for a busy writer's next segment (`room`)
<root>/_delta                      the Delta table that sealed segments are compacted into
<root>/compacted.json              the greatest number of each writer's segments that is in it: numbers are never used again
<root>/compact.lock                held (flock) by the one who compacts or rewrites
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.core.errors import InvalidInput
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import sync_folder, write_atomically
from modelyard.decisions.framing import Frame, FrameMeta

LOCK = "lock"
ADOPTION = "adoption.lock"
ROOM = "room"
DELTA = "_delta"
COMPACTED = "compacted.json"
COMPACTING = "compact.lock"
_numbers = msgspec.json.Decoder(dict[str, int])
_WRITER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")


class FrameRef(msgspec.Struct, frozen=True, array_like=True):
    """Where a frame is in its segment, and its meta."""

    offset: int
    end: int
    start: int
    meta: FrameMeta

    @classmethod
    def of(cls, frame: Frame) -> FrameRef:
        return cls(frame.offset, frame.end, frame.offset + frame.payload.start, frame.meta)


class Seal(msgspec.Struct, frozen=True):
    """The statistics of a sealed segment. `size` is its length in bytes; times are microseconds (UTC)."""

    size: int
    rows: int
    min_id: str
    max_id: str
    min_time: int
    max_time: int
    endpoints: dict[str, int]
    frames: tuple[FrameRef, ...]


def seal_of(size: int, frames: list[FrameRef]) -> Seal:
    """The statistics of a segment with these frames."""
    metas = [frame.meta for frame in frames]
    endpoints: dict[str, int] = {}
    for meta in metas:
        for name, rows in meta.endpoints.items():
            endpoints[name] = endpoints.get(name, 0) + rows
    return Seal(
        size=size,
        rows=sum(m.rows for m in metas),
        min_id=min((m.min_id for m in metas), default=""),
        max_id=max((m.max_id for m in metas), default=""),
        min_time=min((m.min_time for m in metas), default=0),
        max_time=max((m.max_time for m in metas), default=0),
        endpoints=endpoints,
        frames=tuple(frames),
    )


@dataclass(frozen=True, slots=True, order=True)
class SegmentPath:
    """A segment by its writer's folder and its number."""

    folder: Path
    number: int

    @property
    def data(self) -> Path:
        return self.folder / f"{self.number:012d}.seg"

    @property
    def seal(self) -> Path:
        return self.folder / f"{self.number:012d}.json"


def writer_folders(root: Path) -> list[Path]:
    """The folders of all writers there ever were."""
    try:
        return sorted(p for p in root.iterdir() if _WRITER.fullmatch(p.name) and p.is_dir())
    except FileNotFoundError:
        return []


def segments(folder: Path) -> list[SegmentPath]:
    """A writer's segments in order."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - half the time of making paths; this is asked for at every read
    except FileNotFoundError:
        return []
    numbers = sorted(int(name[:-4]) for name in names if name.endswith(".seg") and name[:-4].isdigit())
    return [SegmentPath(folder, number) for number in numbers]


def compacted(root: Path) -> dict[str, int]:
    """By writer, the greatest number of a segment that was compacted (and may be gone)."""
    try:
        return _numbers.decode((root / COMPACTED).read_bytes())
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise LogDamaged(f"{COMPACTED} does not read: {error}", hint="restore it from a backup") from error


def remember_compacted(root: Path, numbers: dict[str, int]) -> None:
    """Durable on return. Raises OSError."""
    write_atomically(root / COMPACTED, msgspec.json.encode(numbers))


def writer_folder(root: Path, writer: str) -> Path:
    """The folder of a writer, made if need be. Raises InvalidInput for a name that is no plain file name."""
    if not _WRITER.fullmatch(writer):
        raise InvalidInput(f"{writer!r} cannot name a writer", field="writer", hint="letters, digits, dot, dash")
    folder = root / writer
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(root)
    except OSError as error:
        raise storage_error(error, folder) from error
    return folder
