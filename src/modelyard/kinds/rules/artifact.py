"""What a rules artifact holds: one `.dmn` file, or several in a zip or a folder, with examples beside them.

Formats are decided by content, never by name; only examples (`.csv`, `.xml` with test cases) need their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import archive, reading
from modelyard.kinds.contract import Policy
from modelyard.kinds.registry import UnknownFormat

_DMN = re.compile(r"<(?:[\w.-]+:)?definitions\b[^>]*omg\.org/spec/DMN/", re.IGNORECASE)
_TESTS = re.compile(r"<(?:[\w.-]+:)?testCases\b")
_HEAD = 1 << 16
_MOST_FILES = 2_000
_MOST_BYTES = 256 << 20
"""Of all files together: they are read whole."""
_ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True)
class File:
    """A file of an artifact by its name inside it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Contents:
    """The models in the order of their names, and examples to try them with."""

    models: tuple[File, ...]
    examples: tuple[File, ...] = ()


def read(artifact: Path, policy: Policy) -> Contents:
    """The files of a DMN artifact. Raises UnknownFormat when nothing in it is DMN, InvalidArtifact or TooLarge otherwise."""
    if artifact.is_dir():
        return _sorted_out(_of_folder(artifact, policy))
    reading.size_of(artifact, policy)
    start = reading.head(artifact, _HEAD)
    if start.startswith(b"PK"):
        return _sorted_out(_of_zip(artifact, policy))
    if not _is_dmn(start):
        raise UnknownFormat("the file is not DMN", field="artifact")
    return Contents((File(artifact.name, artifact.read_bytes()),))


def _sorted_out(files: Iterator[File]) -> Contents:
    found = list(files)
    models = tuple(file for file in found if _is_dmn(file.data[:_HEAD]))
    if not models:
        raise UnknownFormat("none of its files is DMN", field="artifact")
    examples = tuple(file for file in found if file not in models and _is_example(file))
    return Contents(models, examples)


def _of_folder(folder: Path, policy: Policy) -> Iterator[File]:
    left = min(policy.max_unpacked_bytes, _MOST_BYTES)
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidArtifact(f"{path.name!r} in the folder is a link or a device", field="artifact")
        if count > _MOST_FILES:
            raise reading.too_large("the folder", _MOST_FILES)
        name = path.relative_to(folder).as_posix()
        if path.is_file() and _wanted(name):
            left -= path.stat().st_size
            if left < 0:
                raise reading.too_large("the folder", _MOST_BYTES)
            yield File(name, path.read_bytes())


def _of_zip(path: Path, policy: Policy) -> Iterator[File]:
    left = min(policy.max_unpacked_bytes, _MOST_BYTES)
    found = []
    with archive.open_zip(path, policy) as bundle:
        for member in sorted(bundle.infolist(), key=lambda m: m.filename):
            if not member.is_dir() and _wanted(member.filename):
                with bundle.open(member) as source:
                    data = reading.bounded(source.read, left, "the unpacked archive")
                left -= len(data)
                found.append(File(member.filename, data))
                if len(found) > _MOST_FILES:
                    raise reading.too_large("the archive", _MOST_FILES)
    yield from found


def _wanted(name: str) -> bool:
    """Whether a file may matter; what a file manager hides does not."""
    parts = name.split("/")
    if any(part.startswith((".", "__MACOSX")) for part in parts):
        return False
    return parts[-1].lower().endswith((".dmn", ".xml", ".csv"))


def _is_dmn(start: bytes) -> bool:
    return _DMN.search(_text(start)) is not None


def _is_example(file: File) -> bool:
    return file.name.lower().endswith(".csv") or _TESTS.search(_text(file.data[:_HEAD])) is not None


def _text(start: bytes) -> str:
    encoding = next((name for mark, name in _ENCODINGS if start.startswith(mark)), "utf-8")
    return start.decode(encoding, errors="replace")
