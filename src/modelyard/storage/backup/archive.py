"""The archive: a folder, or a `.tar` file, of named files with a manifest of their digests.

    manifest.json                       what is inside; its own digest is a field of it
    database/<table>.jsonl              one record a line
    blobs/sha256/<2 hex>/<64 hex>       decisions/<writer>/<number>.seg       audit/…       keys/…

It is written beside its place and renamed at the end: who sees it sees all of it. Nothing is ever unpacked by a name that the
archive brings along: readers ask for names, and names have a plain form.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound, StorageFull, Unavailable, Untrusted

FORMAT = "modelyard-backup/1"
MANIFEST = "manifest.json"
PIECE = 1 << 20
GREATEST_MANIFEST = 1 << 30
_IN_MEMORY = 8 << 20
_NAME = re.compile(r"^(?:[A-Za-z0-9_][A-Za-z0-9_.=-]{0,149}/){1,5}[A-Za-z0-9_][A-Za-z0-9_.=-]{0,149}$")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Entry(BaseModel):
    """A file of the archive: SHA-256 in hex and size in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int


class Manifest(BaseModel):
    """What an archive holds. `facts` are the writer's: schema, time, whether private keys are in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = FORMAT
    facts: dict[str, str | int | bool]
    rows: dict[str, int]
    files: dict[str, Entry]

    def digest(self) -> str:
        return digest_of(self.model_dump(mode="json"))

    def to_json(self) -> bytes:
        return json.dumps({"digest": self.digest(), "manifest": self.model_dump(mode="json")}, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Raises Untrusted for what is no manifest, or one that was changed."""
        try:
            document = json.loads(data)
            manifest, told = cls.model_validate(document["manifest"]), document["digest"]
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
            raise damaged("its manifest cannot be read") from error
        if manifest.format != FORMAT:
            raise InvalidInput(f"a backup of the form {manifest.format!r:.60}", hint=f"this program reads {FORMAT}")
        if told != manifest.digest() or not all(_NAME.match(name) for name in manifest.files):
            raise damaged("its manifest was changed")
        return manifest


def damaged(what: str) -> Untrusted:
    return Untrusted(f"the backup is damaged: {what}", hint="nothing was restored; use another copy of it")


class _Sink(Protocol):
    def put(self, name: str, size: int, content: IO[bytes]) -> None: ...

    def finish(self) -> None: ...


class ArchiveWriter:
    """Takes files in, one after another. Used by `writing`."""

    def __init__(self, sink: _Sink, spool: Path) -> None:
        self._sink, self._spool = sink, spool
        self.files: dict[str, Entry] = {}

    def add(self, name: str, pieces: Iterable[bytes]) -> Entry:
        """Put the bytes in under that name."""
        assert _NAME.match(name), name
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._spool)) as content:
            hashed, size = hashlib.sha256(), 0
            for piece in pieces:
                hashed.update(piece)
                size += content.write(piece)
            content.seek(0)
            self._sink.put(name, size, content)
        self.files[name] = Entry(sha256=hashed.hexdigest(), size=size)
        return self.files[name]

    def close(self, facts: Mapping[str, str | int | bool], rows: Mapping[str, int]) -> Manifest:
        """Write the manifest; the archive is whole."""
        manifest = Manifest(facts=dict(facts), rows=dict(rows), files=self.files)
        data = manifest.to_json()
        self._sink.put(MANIFEST, len(data), io.BytesIO(data))
        self._sink.finish()
        return manifest


class _FolderSink:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700)

    def put(self, name: str, size: int, content: IO[bytes]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, PIECE)
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        for folder, _, _ in os.walk(self._folder):
            flush_folder(Path(folder))


class _TarSink:
    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)

    def put(self, name: str, size: int, content: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, content)

    def finish(self) -> None:
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


@contextmanager
def writing(to: Path) -> Iterator[ArchiveWriter]:
    """An archive that appears at `to` when the block ends well, and leaves nothing when it does not. A name that ends in
    `.tar` makes a tar file. Raises AlreadyExists, StorageFull and Unavailable."""
    if to.exists() or to.is_symlink():
        raise AlreadyExists(f"{to} exists already", field="to", hint="a backup never overwrites anything: choose another name")
    part = to.with_name(f".{to.name}.{uuid.uuid4().hex}.part")
    spool = part.with_suffix(".spool")
    try:
        with clear_errors(to.parent):
            to.parent.mkdir(parents=True, exist_ok=True)
            spool.mkdir(mode=0o700)
            yield ArchiveWriter(_TarSink(part) if to.suffix == ".tar" else _FolderSink(part), spool)
            part.rename(to)
            flush_folder(to.parent)
    finally:
        for left in (part, spool):
            remove(left)


class Archive:
    """An archive that is there. `verify` it before anything of it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tar = _opened(path)
        self._members = self._index()
        self.manifest = Manifest.from_json(self._raw(MANIFEST, GREATEST_MANIFEST))

    def verify(self) -> None:
        """Every byte against the manifest. Raises Untrusted naming the first file that is missing, changed or not listed."""
        listed = {MANIFEST, *self.manifest.files}
        present = set(self._members)
        for missing in sorted(listed - present):
            raise damaged(f"{missing} is missing")
        for more in sorted(present - listed):
            raise damaged(f"{more} is in it, but not in its manifest")
        for name in self.manifest.files:
            for _ in self.pieces(name):
                pass

    def names(self, below: str) -> list[str]:
        """The files in a folder of the archive, sorted."""
        return sorted(name for name in self.manifest.files if name.startswith(f"{below}/"))

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes, checked on the way; raises Untrusted at the end when they are not those of the manifest."""
        entry, hashed, size = self.manifest.files[name], hashlib.sha256(), 0
        with clear_errors(self._path), self._open(name) as file:
            while piece := file.read(PIECE):
                hashed.update(piece)
                size += len(piece)
                yield piece
        if (hashed.hexdigest(), size) != (entry.sha256, entry.size):
            raise damaged(f"{name} is not what was written")

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file without their ends."""
        rest = b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            raise damaged(f"{name} ends in the middle of a line")

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _index(self) -> dict[str, Any]:
        """What is there by name: members of the tar, or files of the folder. Links and the like are no part of a backup."""
        if self._tar is not None:
            try:
                members = self._tar.getmembers()
            except (tarfile.TarError, EOFError, OSError) as error:
                raise damaged("it is no whole tar file") from error
            found = {member.name: member for member in members}
            if len(found) < len(members) or not all(member.isreg() for member in members):
                raise damaged("it holds links or one name twice")
            return found
        paths = [path for path in self._path.rglob("*") if path.is_symlink() or not path.is_dir()]
        if any(path.is_symlink() or not path.is_file() for path in paths):
            raise damaged("it holds links or devices")
        return {path.relative_to(self._path).as_posix(): path for path in paths}

    def _open(self, name: str) -> IO[bytes]:
        where = self._members.get(name)
        if where is None:
            raise damaged(f"{name} is missing")
        if self._tar is None:
            opened: IO[bytes] = where.open("rb")
            return opened
        found = self._tar.extractfile(where)
        assert found is not None
        return found

    def _raw(self, name: str, most: int) -> bytes:
        with clear_errors(self._path), self._open(name) as file:
            return file.read(most)


def _opened(path: Path) -> tarfile.TarFile | None:
    if path.is_dir():
        return None
    if not path.exists():
        raise NotFound(f"there is no backup at {path}", field="source")
    try:
        return tarfile.open(path, "r:")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise damaged("it is no whole tar file") from error


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Errors of the file system leave the block as errors of the house."""
    try:
        yield
    except tarfile.TarError as error:
        raise damaged(str(error)) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"no room is left in {folder}", hint="free some space; nothing was kept") from error
        raise Unavailable(
            f"{folder} cannot be used: {error.strerror or error}", hint="check the folder and its rights"
        ) from error


def remove(path: Path) -> None:
    """Forget a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


def flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
