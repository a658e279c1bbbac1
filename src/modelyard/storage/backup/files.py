"""Files beside the database: blobs, the log's segments, the exported checkpoints, keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from modelyard.core.blobs import Blobs
from modelyard.core.errors import Busy, NotFound
from modelyard.decisions import LogDamaged, exclusive
from modelyard.decisions import layout as segment_layout
from modelyard.decisions.erasures import NAME as ERASURES
from modelyard.decisions.framing import TornFrame, decode_frame
from modelyard.decisions.lake import LOG as DELTA_LOG
from modelyard.decisions.lake import Lake, Snapshot
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.schema import TableSpec
from modelyard.decisions.segment import SegmentReader
from modelyard.storage.audit_files import CHECKPOINTS, LEAVES, LOCK
from modelyard.storage.backup.archive import PIECE, Archive, ArchiveWriter, damaged, flush_folder
from modelyard.storage.data_keys import NAME as DATA_KEYS
from modelyard.storage.key_files import ROOTS

PRIVATE_SUFFIX, ACTIVE, PSEUDONYMS = ".pem", "active.json", "pseudonym.key"
SECRETS = {ACTIVE, PSEUDONYMS, DATA_KEYS}


def add_blobs(blobs: Blobs, writer: ArchiveWriter) -> int:
    """Every blob, verified on the way; says how many. A blob that is removed meanwhile is nobody's any more."""
    count = 0
    for digest in sorted(blobs.digests()):
        name = digest.removeprefix("sha256:")
        try:
            pieces = blobs.open(digest)
        except NotFound:
            continue
        writer.add(f"blobs/sha256/{name[:2]}/{name}", pieces)
        count += 1
    return count


def put_blobs(archive: Archive, blobs: Blobs) -> int:
    names = archive.names("blobs")
    for name in names:
        blobs.put(archive.pieces(name), expected="sha256:" + name.rsplit("/", 1)[-1])
    return len(names)


def add_log(root: Path, table: TableSpec, below: str, writer: ArchiveWriter) -> int:
    """A decision log, or the outcomes, whole: the segments and the Delta table that they are compacted into, as one moment has
    them. Says how many rows. Writers go on meanwhile; who compacts or erases waits. Raises LogDamaged."""
    if not root.is_dir():
        return 0
    with exclusive(root / segment_layout.COMPACTING):
        folders = segment_layout.writer_folders(root)
        snapshot = Lake(root, table).snapshot([folder.name for folder in folders])
        rows = sum(file.rows for file in snapshot.files)
        for folder in folders:
            waiting = [s for s in segment_layout.segments(folder) if s.number > snapshot.taken_in.get(folder.name, 0)]
            rows += sum(_add_segment(path, f"{below}/{folder.name}", writer) for path in waiting)
        _add_lake(root, snapshot, below, writer)
        for name in (segment_layout.COMPACTED, ERASURES):
            if (root / name).exists():
                writer.add(f"{below}/{name}", _file(root / name))
    return rows


def _add_segment(path: SegmentPath, below: str, writer: ArchiveWriter) -> int:
    """The whole frames of a segment, each verified; a torn tail is left out. Says how many rows."""
    reader = SegmentReader(path)
    reader.refresh()
    name = f"{below}/{path.data.name}"
    writer.add(name, _whole_frames(reader))
    if reader.sealed:
        writer.add(name.removesuffix(".seg") + ".json", _file(path.seal))
    return sum(frame.meta.rows for frame in reader.frames)


def _add_lake(root: Path, snapshot: Snapshot, below: str, writer: ArchiveWriter) -> None:
    """The files of the newest version of the Delta table, then its log: nobody adds to it while the lease is held."""
    for file in snapshot.files:
        writer.add(f"{below}/{segment_layout.DELTA}/{file.name}", _file(file.path))
    log = root / segment_layout.DELTA / DELTA_LOG
    for path in sorted(log.iterdir()) if snapshot.version >= 0 else []:
        if path.suffix != ".tmp":
            writer.add(f"{below}/{segment_layout.DELTA}/{DELTA_LOG}/{path.name}", _file(path))


def _whole_frames(reader: SegmentReader) -> Iterator[bytes]:
    start = reader.frames[0].offset if reader.frames else reader.end
    with reader.path.data.open("rb") as handle:
        yield _exactly(handle.fileno(), 0, start, reader.path)
        for frame in reader.frames:
            data = _exactly(handle.fileno(), frame.offset, frame.end, reader.path)
            try:
                decode_frame(reader.header.nonce, frame.offset, memoryview(data))
            except TornFrame as torn:
                raise LogDamaged(
                    f"segment {reader.path.folder.name}/{reader.path.data.name} is damaged at byte {torn.offset}",
                    hint="restore the segment from an older backup; the log never guesses",
                ) from torn
            yield data


def _exactly(descriptor: int, start: int, end: int, path: SegmentPath) -> bytes:
    data = os.pread(descriptor, end - start, start)
    if len(data) != end - start:
        raise Busy(f"segment {path.folder.name}/{path.data.name} was cut while it was read", hint="try again")
    return data


def add_checkpoints(folder: Path, writer: ArchiveWriter) -> int:
    """What was exported of the audit log; says how many checkpoints. Those who append wait meanwhile."""
    if not folder.is_dir():
        return 0
    with exclusive(folder / LOCK):
        for name in (CHECKPOINTS, LEAVES):
            if (folder / name).exists():
                writer.add(f"audit/{name}", _file(folder / name))
        path = folder / CHECKPOINTS
        return sum(1 for line in path.open("rb") if line.endswith(b"\n")) if path.exists() else 0


def add_keys(keys: Path, runtime: Path, writer: ArchiveWriter, *, private: bool) -> None:
    """The trust roots, which are public; the private keys and the runtime's secrets only if asked for."""
    chosen = [keys / ROOTS]
    if private:
        chosen += [*sorted(keys.glob(f"*{PRIVATE_SUFFIX}")), keys / ACTIVE, runtime / PSEUDONYMS, runtime / DATA_KEYS]
    for path in chosen:
        if path.exists():
            writer.add(f"keys/{path.name}", _file(path))


def put_keys(archive: Archive, keys: Path, runtime: Path) -> None:
    for name in archive.names("keys"):
        file = name.removeprefix("keys/")
        if file not in {ROOTS, *SECRETS} and (not file.endswith(PRIVATE_SUFFIX) or "/" in file):
            raise damaged(f"{name} is no key")
        folder = runtime if file in {PSEUDONYMS, DATA_KEYS} else keys
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _place(archive, name, folder / file, 0o644 if file == ROOTS else 0o600)


def put_files(archive: Archive, below: str, folder: Path) -> int:
    """The files of a part of the archive into a folder; says how many."""
    names = archive.names(below)
    for name in names:
        path = folder / name.removeprefix(f"{below}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        _place(archive, name, path, 0o644)
    return len(names)


def _place(archive: Archive, name: str, path: Path, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        for piece in archive.pieces(name):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    flush_folder(path.parent)


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
