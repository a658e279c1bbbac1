"""Large weights of an ONNX model, mapped by the engine from a file that all processes of a machine share.

Onnxruntime copies what stands in the model itself, but maps what stands in other files. So the weights are laid out in a file of
their own, and the model is told, in memory only, that they are there. The file holds nothing that the artifact does not: whoever
finds one made by another process compares every byte with the artifact before it is used.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelyard.core.errors import ModelyardError, StorageFull, Unavailable
from modelyard.kinds.ml.wire import BYTES, VARINT, Field, fields

_LARGE = 64 << 10
_WORTH = 16 << 20
_PAGE = 4096
_GRAPH, _INITIALIZER, _RAW, _EXTERNAL, _LOCATION = 7, 5, 9, 13, 14
"""Field numbers of `onnx.proto3`: of the model, the graph, and the tensor."""


class Place(NamedTuple):
    """Where one tensor's bytes stand in the shared file."""

    offset: int
    data: memoryview


def shared(artifact: Path, folder: Path) -> bytes | None:
    """The model without its large weights, which stand in the file `artifact.name` of the folder; None when they are too small to
    be worth it. The artifact was inspected, and bears its digest as its name.

    Raises StorageFull or Unavailable when the file cannot be written.
    """
    with artifact.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    places: list[Place] = []
    model = b"".join(_model(view, artifact.name, places))
    if sum(len(place.data) for place in places) < _WORTH:
        return None
    try:
        _lay_out(folder / artifact.name, places)
    except OSError as error:
        raise _storage(error) from error
    return model


def _model(view: memoryview, location: str, places: list[Place]) -> Iterator[bytes]:
    for item in fields(view):
        if item.number != _GRAPH:
            yield _again(item)
            continue
        graph = [_initializer(one, location, places) for one in fields(item.message())]
        yield _framed(_GRAPH, b"".join(graph))


def _initializer(item: Field, location: str, places: list[Place]) -> bytes:
    if item.number != _INITIALIZER:
        return _again(item)
    tensor = list(fields(item.message()))
    raw = [one for one in tensor if one.number == _RAW]
    if len(raw) != 1 or len(raw[0].message()) < _LARGE:
        return _again(item)
    last = places[-1].offset + len(places[-1].data) if places else 0
    place = Place(-(-last // _PAGE) * _PAGE, raw[0].message())
    places.append(place)
    told = {"location": location, "offset": str(place.offset), "length": str(len(place.data))}
    kept = [_again(one) for one in tensor if one.number != _RAW]
    entries = [_framed(_EXTERNAL, _framed(1, key.encode()) + _framed(2, value.encode())) for key, value in told.items()]
    elsewhere = _varint(_LOCATION << 3 | VARINT) + _varint(1)
    return _framed(_INITIALIZER, b"".join([*kept, *entries, elsewhere]))


def _lay_out(path: Path, places: list[Place]) -> None:
    """Have the file there, whole and right."""
    if _is_right(path, places):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".weights-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for place in places:
                file.seek(place.offset)
                file.write(place.data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o400)
        Path(made).replace(path)
    finally:
        Path(made).unlink(missing_ok=True)


def _is_right(path: Path, places: list[Place]) -> bool:
    try:
        with path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):  # none there, or an empty one
        return False
    size = places[-1].offset + len(places[-1].data)
    return len(view) == size and all(view[place.offset : place.offset + len(place.data)] == place.data for place in places)


def _again(item: Field) -> bytes:
    """The field as it was."""
    if isinstance(item.value, int):
        return _varint(item.number << 3 | VARINT) + _varint(item.value)
    if item.wire == BYTES:
        return _framed(item.number, item.value)
    return _varint(item.number << 3 | item.wire) + bytes(item.value)


def _framed(number: int, data: bytes | memoryview) -> bytes:
    return b"".join((_varint(number << 3 | BYTES), _varint(len(data)), data))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _storage(error: OSError) -> ModelyardError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("there is no room for the model's shared weights", hint="free room, or leave out --map-weights")
    return Unavailable(f"the model's shared weights cannot be written: {error.strerror or error}", hint="leave out --map-weights")
