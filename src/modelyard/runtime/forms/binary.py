"""Triton's binary tensor extension: a JSON head of so many bytes, then the tensors' raw bytes in the order of the head.

Little-endian, row-major, without padding; BYTES as a four-byte length before each value. Arrays look into the body: nothing is
copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime import tensors
from modelyard.runtime.asked import Column, Given
from modelyard.runtime.forms.limits import few_enough
from modelyard.runtime.forms.numbers import finite
from modelyard.runtime.protocol import Shape, TensorIn


class TensorParameters(msgspec.Struct):
    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class Tensor(msgspec.Struct):
    """An input whose values are in `data`, or in so many bytes after the head."""

    name: str
    shape: Shape
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: TensorParameters | None = None


def parted(body: bytes, length: str) -> tuple[bytes, memoryview]:
    """The JSON head and what comes after. Raises InvalidInput when the header does not say how long the head is."""
    if not (length.isascii() and length.isdigit()):
        raise InvalidInput(
            f"Inference-Header-Content-Length is no number of bytes: {length[:40]!r}", hint="one header, digits only"
        )
    size = int(length[:20])
    if size > len(body):
        raise InvalidInput(f"Inference-Header-Content-Length is {size}, the body has only {len(body)} bytes")
    return body[:size], memoryview(body)[size:]


def read(inputs: Sequence[Tensor], tail: memoryview, specs: Mapping[str, FieldSpec], most_rows: int) -> dict[str, Given]:
    """The inputs by name, their bytes taken from the tail in order. Raises InvalidInput naming the input when sizes do not add
    up, and when bytes are left over."""
    given: dict[str, Given] = {}
    place = 0
    for tensor in inputs:
        if tensor.name in given:
            raise InvalidInput("an input is given twice", field=tensor.name)
        few_enough(tensor.shape[0] if tensor.shape else 0, most_rows, tensor.name)
        size = _size(tensor)
        if size is None:
            assert tensor.data is not msgspec.UNSET
            given[tensor.name] = TensorIn(tensor.name, tensor.shape, tensor.datatype, tensor.data)
            continue
        if place + size > len(tail):
            left = len(tail) - place
            raise InvalidInput(
                f"input {tensor.name!r:.80} should have {size} bytes, {left} are left of the body", field=tensor.name
            )
        given[tensor.name] = _values(tensor, tail[place : place + size], specs.get(tensor.name))
        place += size
    if place != len(tail):
        raise InvalidInput(f"{len(tail) - place} bytes after the last tensor belong to none", hint="see binary_data_size")
    return given


def _size(tensor: Tensor) -> int | None:
    """How many bytes of the tail the tensor has; None when its values are in the head."""
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if tensor.parameters is not None and tensor.parameters.shared_memory_region is not None:
        raise InvalidInput(f"input {tensor.name!r:.80}: shared memory is not read here", field=tensor.name)
    if (size is None) == (tensor.data is msgspec.UNSET):
        which = "both `data` and" if size is not None else "neither `data` nor"
        raise InvalidInput(f"input {tensor.name!r:.80} has {which} `binary_data_size`", field=tensor.name)
    if size is not None and size < 0:
        raise InvalidInput(f"input {tensor.name!r:.80}: binary_data_size is {size}", field=tensor.name)
    return size


def _values(tensor: Tensor, raw: memoryview, spec: FieldSpec | None) -> Given:
    name, shape = tensor.name, tensor.shape
    if tensor.datatype == "BYTES":
        return tensors.from_raw(name, "BYTES", shape, bytes(raw))
    if tensor.datatype == "BOOL" and len(raw) and np.frombuffer(raw, np.uint8).max() > 1:
        raise InvalidInput(f"input {name!r:.80} has a byte that is no BOOL", field=name, hint="0 or 1")
    if len(shape) > 1 and prod(shape[1:]) == 1 and (spec is None or not spec.shape):
        shape = shape[:1]
    values = tensors.from_raw(name, tensor.datatype, shape, raw)  # type: ignore[arg-type]
    return finite(name, values) if isinstance(values, np.ndarray) else values


def to_bytes(column: Column) -> bytes | None:
    """An output's values as bytes; a missing number is NaN. None when values are missing of a type that has no sign for it."""
    if column.datatype[:2] != "FP" and not isinstance(column.values, np.ndarray) and _holes(column.values):
        return None
    return tensors.to_raw(column.datatype, column.values)


def _holes(values: list[Any]) -> bool:
    return any(value is None or (isinstance(value, list) and _holes(value)) for value in values)
