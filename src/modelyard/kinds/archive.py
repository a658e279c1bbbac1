"""Zip and tar archives from strangers: no path outside the target, no links or devices, no more bytes than allowed."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import reading
from modelyard.kinds.contract import Policy

_MAX_MEMBERS = 100_000
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError, KeyError
)  # fmt: skip


@contextmanager
def open_zip(path: Path, policy: Policy) -> Iterator[zipfile.ZipFile]:
    """An open zip whose declared size, names and kinds of members are within bounds."""
    try:
        with zipfile.ZipFile(path) as bundle:
            _check_zip(bundle, policy)
            yield bundle
    except ZIP_ERRORS as error:
        raise InvalidArtifact(f"not a whole zip archive: {error}", field="artifact") from error


def zip_names(path: Path, policy: Policy) -> tuple[str, ...]:
    """The names of a zip's members."""
    with open_zip(path, policy) as bundle:
        return tuple(bundle.namelist())


def unpack(path: Path, into: Path, policy: Policy) -> None:
    """Write an archive's plain files below `into`. Raises InvalidArtifact for anything else in it, TooLarge by size."""
    if zipfile.is_zipfile(path):
        _unpack_zip(path, into, policy)
    else:
        _unpack_tar(path, into, policy)


def _check_zip(bundle: zipfile.ZipFile, policy: Policy) -> None:
    members = bundle.infolist()
    _check_count(len(members))
    total = sum(member.file_size for member in members)
    if total > policy.max_unpacked_bytes:
        raise reading.too_large("the unpacked archive", policy.max_unpacked_bytes)
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise InvalidArtifact("the archive has two members of one name", field="artifact")
    for member in members:
        safe_name(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or member.flag_bits & 1:
            raise InvalidArtifact(f"{member.filename!r} in the archive is a link, a device or encrypted", field="artifact")


def _unpack_zip(path: Path, into: Path, policy: Policy) -> None:
    with open_zip(path, policy) as bundle:
        left = policy.max_unpacked_bytes
        for member in bundle.infolist():
            if not member.is_dir():
                with bundle.open(member) as source:
                    left -= _write(source.read, into / safe_name(member.filename), left)


def _unpack_tar(path: Path, into: Path, policy: Policy) -> None:
    left = policy.max_unpacked_bytes
    try:
        with tarfile.open(path, "r:*") as bundle:
            for count, member in enumerate(bundle):
                _check_count(count)
                left -= _unpack_member(bundle, member, into, left)
    except (tarfile.TarError, *ZIP_ERRORS) as error:
        raise InvalidArtifact(f"not a whole tar archive: {error}", field="artifact") from error


def _unpack_member(bundle: tarfile.TarFile, member: tarfile.TarInfo, into: Path, left: int) -> int:
    name = safe_name(member.name)
    if member.isdir():
        return 0
    if not member.isreg():
        raise InvalidArtifact(f"{member.name!r} in the archive is a link or a device", field="artifact")
    source = bundle.extractfile(member)
    if source is None:
        raise InvalidArtifact(f"{member.name!r} in the archive cannot be read", field="artifact")
    with source:
        return _write(source.read, into / name, left)


def _write(read: Callable[[int], bytes], target: Path, left: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as file:
        while chunk := read(1 << 20):
            written += len(chunk)
            if written > left:
                raise reading.too_large("the unpacked archive", left)
            file.write(chunk)
    return written


def safe_name(name: str) -> str:
    """A relative path that stays where it is put. Raises InvalidArtifact for absolute paths, `..`, drives and NUL."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in (path.parts or ("",))[0]:
        raise InvalidArtifact(f"the path {name!r} leaves the archive", field="artifact")
    return str(path)


def _check_count(count: int) -> None:
    if count > _MAX_MEMBERS:
        raise InvalidArtifact("the archive has too many members", field="artifact")
