"""Tensors of the protocol as arrays, and back: raw little-endian bytes or typed contents. Pure.

BYTES travel raw as a four-byte little-endian length before each value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType

_IN_JSON = "ask over HTTP in JSON"
_LENGTH = struct.Struct("<I")
MOST_AXES = 32
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
TYPED = frozenset(_CONTENTS)
"""Types with a field of their own; FP16 has none: the protocol sends it raw."""

Array = np.ndarray[Any, Any]


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Array | list[Any]:
    """The values behind raw bytes, first axis the rows. Raises InvalidInput naming the input."""
    count = _count(name, shape)
    if datatype == "BYTES":
        return _shaped_texts(name, _texts(name, raw, count), shape)
    dtype = _dtype(name, datatype).newbyteorder("<")
    if len(raw) != count * dtype.itemsize:
        raise InvalidInput(f"input {name!r:.80} has {len(raw)} bytes, its shape asks for {count * dtype.itemsize}", field=name)
    return np.frombuffer(raw, dtype).reshape(tuple(shape))


def from_contents(name: str, datatype: str, shape: Sequence[int], contents: Any) -> Array | list[Any]:
    """The values in the contents' field for their type. Raises InvalidInput naming the input."""
    count = _count(name, shape)
    if datatype not in _CONTENTS:
        hint = "send it in `raw_input_contents`" if datatype == "FP16" else None
        raise InvalidInput(f"input {name!r:.80}: {datatype[:20]!r} has no typed contents", field=name, hint=hint)
    values = getattr(contents, _CONTENTS[datatype])
    if len(values) != count:
        raise InvalidInput(f"input {name!r:.80} has {len(values)} values, its shape asks for {count}", field=name)
    if datatype == "BYTES":
        return _shaped_texts(name, [_text(name, value) for value in values], shape)
    return _fitted(name, np.array(values, _wide(datatype)), _dtype(name, datatype)).reshape(tuple(shape))


def to_raw(datatype: str, values: Any) -> bytes:
    """The bytes of an output's values; a missing number is NaN. Raises InvalidInput when a type has no missing
    values, and when the model said what is not of the type: nothing is cut to fit."""
    if datatype == "BYTES":
        return b"".join(_LENGTH.pack(len(one)) + one for one in map(_encoded, _flat(values)))
    return _numbers(datatype, values).tobytes()


def into_contents(datatype: str, values: Any, contents: Any) -> None:
    """Put an output's values, of one of the types in `TYPED`, into the contents' field for it. Raises as
    `to_raw` does."""
    if datatype == "BYTES":
        contents.bytes_contents.extend(map(_encoded, _flat(values)))
    else:
        getattr(contents, _CONTENTS[datatype]).extend(_numbers(datatype, values).tolist())


def _numbers(datatype: str, values: Any) -> Array:
    dtype = DataType(datatype).numpy.newbyteorder("<")
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        wide = values.reshape(-1)
        if wide.dtype == dtype:
            return np.ascontiguousarray(wide)
        return _carried(datatype, np.array_equal, wide, _cast(datatype, wide, dtype))
    flat = _flat(values)
    if dtype.kind == "f":
        flat = [np.nan if value is None else value for value in flat]
    elif None in flat:
        raise InvalidInput(f"an output of {datatype} has missing values, which it cannot carry", hint=_IN_JSON)
    return _carried(datatype, _same, flat, _cast(datatype, flat, dtype))


def _cast(datatype: str, values: Any, dtype: np.dtype[Any]) -> Array:
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found by comparing
            return np.array(values, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise _not_of(datatype) from error


def _carried(datatype: str, same: Callable[[Any, Array], bool], values: Any, cast: Array) -> Array:
    """The cast values, if they are those that the model said: a real number may be rounded to its type, nothing else changes."""
    fits = _in_range(values, cast) if cast.dtype.kind == "f" else same(values, cast)
    if not fits:
        raise _not_of(datatype)
    return cast


def _in_range(values: Any, cast: Array) -> bool:
    """Whether all are numbers, and none became infinite."""
    if isinstance(values, list) and any(isinstance(value, (str, bytes)) for value in values):
        return False
    return bool(np.array_equal(np.isinf(cast), np.isinf(np.asarray(values, np.float64))))


def _same(values: list[Any], cast: Array) -> bool:
    """Compared as Python's numbers, which are exact."""
    plain: list[Any] = cast.tolist()
    return plain == values


def _not_of(datatype: str) -> InvalidInput:
    return InvalidInput(f"the model answered what an output of {datatype} cannot carry", hint=_IN_JSON)


def _flat(values: Any) -> list[Any]:
    plain: list[Any] = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else list(values)
    while any(isinstance(value, list) for value in plain):
        plain = [item for value in plain for item in (value if isinstance(value, list) else [value])]
    return plain


def _encoded(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogatepass")


def _count(name: str, shape: Sequence[int]) -> int:
    if not shape or min(shape) < 1 or len(shape) > MOST_AXES:
        detail = (
            f"input {name!r:.80} has shape {list(shape)[:8]}: it needs rows first, at least one, and at most {MOST_AXES} axes"
        )
        raise InvalidInput(detail, field=name)
    return prod(shape)


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    try:
        return DataType(datatype).numpy
    except ValueError as error:
        known = ", ".join(t.value for t in DataType)
        raise InvalidInput(f"input {name!r:.80}: no data type {datatype[:20]!r} is read here", field=name, hint=known) from error


def _wide(datatype: str) -> Any:
    return {"b": bool, "i": np.int64, "u": np.uint64, "f": np.float64}[DataType(datatype).numpy.kind]


def _fitted(name: str, wide: Array, dtype: np.dtype[Any]) -> Array:
    """Small whole numbers travel in fields of 32 bits: those that do not fit their own type are refused."""
    cast = wide.astype(dtype)
    if dtype.kind in "iu" and not bool(np.array_equal(cast, wide)):
        raise InvalidInput(f"input {name!r:.80} has numbers that do not fit {dtype}", field=name)
    return cast


def _texts(name: str, raw: bytes, count: int) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(raw):
        if len(found) == count:
            raise InvalidInput(f"input {name!r:.80} has more values than the {count} its shape asks for", field=name)
        if place + 4 > len(raw):
            raise InvalidInput(f"input {name!r:.80}: its bytes end within a length", field=name)
        (length,) = _LENGTH.unpack_from(raw, place)
        place += 4
        if place + length > len(raw):
            raise InvalidInput(f"input {name!r:.80}: its bytes end within a value", field=name)
        found.append(_text(name, raw[place : place + length]))
        place += length
    return found


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"input {name!r:.80} is not UTF-8: {error}", field=name) from error


def _shaped_texts(name: str, texts: list[str], shape: Sequence[int]) -> list[Any]:
    if len(texts) != prod(shape):
        raise InvalidInput(f"input {name!r:.80} has {len(texts)} values, its shape asks for {prod(shape)}", field=name)
    size = prod(shape[1:])
    return texts if len(shape) == 1 else [texts[i : i + size] for i in range(0, len(texts), size)]
