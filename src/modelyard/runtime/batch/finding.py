"""The files of a batch's input, and how they are cut into parts that can be read by themselves."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import InvalidInput, NotFound, Unavailable
from modelyard.runtime.batch import csv_lines
from modelyard.runtime.batch.model import MOST_PARTS, InputFile, Lent, Part

FORMATS = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".arrow": "arrow", ".ipc": "arrow", ".feather": "arrow",
    ".arrows": "stream",
}  # fmt: skip
_ENDS = 64 << 10
_CSV_PART = 32 << 20
_MOST_BYTES = 64 << 20


def input_files(inputs: Sequence[str], lent: Lent | None = None) -> tuple[InputFile, ...]:
    """Every file of the input, in order. Raises NotFound for what is not there, InvalidInput for what is of no known format, and
    Forbidden for what is not lent."""
    found: dict[str, InputFile] = {}
    for name in inputs:
        for file in _files(name, lent):
            found.setdefault(file.path, file)
    if not found:
        raise InvalidInput("the input has no files", field="inputs", hint=f"files that end in {', '.join(FORMATS)}")
    return tuple(found.values())


def _files(name: str, lent: Lent | None) -> Iterable[InputFile]:
    if name.startswith("s3://"):
        return _remote(name)
    if "://" in name and not name.startswith("file://"):
        raise InvalidInput(f"{name!r} is of no place that can be read", field="inputs", hint="a local path or s3://bucket/path")
    path = Path(name.removeprefix("file://")).absolute()
    if path.is_dir():
        if (path / "_delta_log").is_dir():
            return [_delta(path if lent is None else lent.real(path))]
        return [_local(below, lent) for below in _below(path)]
    if path.exists():
        return [_local(path, lent)]
    magic = glob.has_magic(str(path))
    matches = sorted(glob.glob(str(path), recursive=True)) if magic else []  # noqa: PTH207  the pattern is of any depth
    if not matches:
        raise NotFound(f"there is no input {name!r}", field="inputs")
    return [file for match in matches for file in _files(match, lent)]


def _below(folder: Path) -> list[Path]:
    """The data files of a folder, those of its folders included; names that begin with `_` or `.` are not data."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(step[0] in "_." for step in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix.lower() in FORMATS:
            found.append(path)
    return found


def _local(path: Path, lent: Lent | None) -> InputFile:
    kind = _format(path.name)
    path = path if lent is None else lent.real(path)
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(_ENDS)
        handle.seek(max(0, size - _ENDS))
        tail = handle.read(_ENDS)
    if kind == "arrow" and not head.startswith(b"ARROW1"):
        kind = "stream"
    return InputFile(str(path), kind, size, _fingerprint(size, head, tail))


def _fingerprint(size: int, head: bytes, tail: bytes) -> str:
    return "sha256:" + hashlib.sha256(f"{size}\0".encode() + head + tail).hexdigest()


def _format(name: str) -> str:
    kind = FORMATS.get(os.path.splitext(name)[1].lower())  # noqa: PTH122  a name in a bucket is no path
    if kind is None:
        raise InvalidInput(f"{name!r} is of no known format", field="inputs", hint=f"known: {', '.join(FORMATS)}")
    return kind


def _delta(path: Path) -> InputFile:
    table = delta_table(str(path), None)
    version = int(table.version())
    name = f"{table.metadata().id}@{version}".encode()
    return InputFile(str(path), "delta", len(table.file_uris()), _fingerprint(version, name, b""), version)


def delta_table(path: str, version: int | None) -> Any:
    """The Delta table, at a version. Raises InvalidInput when it is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(path, version=version)
    except DeltaError as error:
        raise InvalidInput(f"{path} cannot be read as a Delta table: {error}", field="inputs") from error


def filesystem(path: str) -> tuple[Any, str]:
    """Where a path is (Arrow's file system) and what it is called there."""
    from pyarrow import fs

    if not path.startswith("s3://"):
        return fs.LocalFileSystem(), path
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    scheme, _, host = endpoint.partition("://") if endpoint else ("https", "", None)
    unsigned = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() == "true"
    return fs.S3FileSystem(endpoint_override=host, scheme=scheme, anonymous=unsigned), path.removeprefix("s3://")


def _remote(name: str) -> list[InputFile]:
    """Parquet and Arrow files of a bucket. Their fingerprint is that of size and time of change."""
    from pyarrow import fs

    where, path = filesystem(name)
    try:
        info = where.get_file_info(path)
        folder = info.type is fs.FileType.Directory
        infos = where.get_file_info(fs.FileSelector(path, recursive=True)) if folder else [info]
    except OSError as error:
        raise Unavailable(f"{name} cannot be read: {error}", hint="set AWS_* as for any S3 client") from error
    known = (i for i in infos if i.is_file and os.path.splitext(i.path)[1].lower() in FORMATS)  # noqa: PTH122
    files = sorted(known, key=lambda i: str(i.path))
    if not files:
        raise NotFound(f"there is no input {name!r}", field="inputs")
    return [_of_bucket(info) for info in files]


def _of_bucket(info: Any) -> InputFile:
    kind = _format(info.path)
    if kind in ("csv", "stream"):
        raise InvalidInput(
            f"s3://{info.path}: only Parquet and Arrow files are read from a bucket", field="inputs", hint="copy it"
        )
    return InputFile(f"s3://{info.path}", kind, info.size, _fingerprint(info.size, str(info.mtime_ns).encode(), b""))


def parts_of(files: Sequence[InputFile], rows: int) -> tuple[Part, ...]:
    """The parts of all files in order; neighbours make one part up to so many rows. Raises InvalidInput for a file that cannot be
    read as what it says it is."""
    found: list[Part] = []
    for place, file in enumerate(files):
        try:
            pieces = _CUT[file.format](file, rows)
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInput(f"{file.path} cannot be read as {file.format}: {error}", field="inputs") from error
        found += [Part(len(found) + i, place, *piece) for i, piece in enumerate(pieces)]
    if files and not found:
        found.append(Part(0, 0, 0, 0, 0, 0, 0))  # of no rows: its answers are a file, as of every part
    if len(found) > MOST_PARTS:
        raise InvalidInput(f"the input has {len(found)} parts, at most {MOST_PARTS} are taken", field="inputs", hint="split it")
    return tuple(found)


Piece = tuple[int, int, int, int | None, int]
"""First, last, number of the first row, rows, weight."""


def _cut_parquet(file: InputFile, most: int) -> list[Piece]:
    import pyarrow.parquet as pq

    where, path = filesystem(file.path)
    with pq.ParquetFile(path, filesystem=where) as opened:
        groups = [opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups)]
        return _gathered([(g.num_rows, max(1, g.total_byte_size)) for g in groups], most)


def _gathered(units: Sequence[tuple[int, int]], most: int) -> list[Piece]:
    """Small neighbours together, so that a part is worth its files."""
    pieces: list[Piece] = []
    first = row = rows = weight = 0
    for place, (count, size) in enumerate(units):
        if rows and (rows + count > most or weight + size > _MOST_BYTES):
            pieces.append((first, place, row, rows, weight))
            first, row, rows, weight = place, row + rows, 0, 0
        rows, weight = rows + count, weight + size
    if rows:
        pieces.append((first, len(units), row, rows, weight))
    return pieces


def _cut_arrow(file: InputFile, most: int) -> list[Piece]:
    where, path = filesystem(file.path)
    with where.open_input_file(path) as source, pa.ipc.open_file(source) as opened:
        batches = [opened.get_batch(i) for i in range(opened.num_record_batches)]
        return _gathered([(b.num_rows, max(1, b.nbytes)) for b in batches], most)


def _cut_stream(file: InputFile, most: int) -> list[Piece]:
    with pa.memory_map(file.path) as source, pa.ipc.open_stream(source) as opened:
        return _gathered([(batch.num_rows, max(1, batch.nbytes)) for batch in opened], most)


def _cut_csv(file: InputFile, most: int) -> list[Piece]:
    found = csv_lines.ranges(Path(file.path), _CSV_PART)
    if found:
        csv_lines.require_closed(Path(file.path), found[-1])
    return [(r.start, r.end, r.row, None, r.end - r.start) for r in found]


def _cut_delta(file: InputFile, most: int) -> list[Piece]:
    """A part a data file: `first` is its place among the table's files by name."""
    pieces: list[Piece] = []
    row = 0
    for place, fragment in enumerate(delta_fragments(file)):
        rows = fragment.count_rows()
        pieces.append((place, place + 1, row, rows, max(1, rows)))
        row += rows
    return pieces


def delta_fragments(file: InputFile) -> list[Any]:
    """The data files of a Delta table at its version, by name. Raises InvalidInput for tables that use deletion vectors and
    the like."""
    from deltalake.exceptions import DeltaError

    try:
        dataset = delta_table(file.path, file.version).to_pyarrow_dataset()
    except DeltaError as error:
        raise InvalidInput(f"{file.path} uses features of Delta that are not read: {error}", field="inputs") from error
    return sorted(dataset.get_fragments(), key=lambda fragment: str(fragment.path))


_CUT = {"parquet": _cut_parquet, "arrow": _cut_arrow, "stream": _cut_stream, "csv": _cut_csv, "delta": _cut_delta}
