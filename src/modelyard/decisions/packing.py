"""Columns in the form that is cheapest to write. A segment's header has a schema of its own, in which columns may be packed:

    run-end encoded    one value for many neighbouring rows      → the value in each row
    a struct           the fields of JSON objects, typed         → the objects as text
    16 bytes           the number in an id                       → the id

Readers get the table's plain columns either way: the text of a row is made when it is read, not while somebody waits for the
write. A struct's fields may be run-end encoded themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions.json_rows import json_rows
from modelyard.decisions.minting import PREFIX

_TEXT_AT_ONCE = 1 << 28
_ID = pa.binary(16)
_DIGITS = "".join(f"{byte:02x}" for byte in range(256)).encode()
"""The two digits of each byte."""
_SAMPLED_FROM, _SAMPLE = 1 << 20, 4 << 10
_WORTH = 0.85
_ESCAPED, _NUMBER = 6, 28
"""Bytes of JSON that a byte of text and a number may become."""


def same(value: Any, kind: Any, count: int) -> Any:
    """One value for so many rows (at least one), packed."""
    return runs([value], kind, [count])


def runs(values: Sequence[Any], kind: Any, ends: Sequence[int]) -> Any:
    """Values that each go on to a row (which is not in it any more), packed."""
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values, kind))


def objects(fields: Mapping[str, Any], count: int) -> Any:
    """A JSON object for each of so many rows, packed: Arrow columns by name."""
    if not fields:
        return same("{}", pa.string(), count)
    return pa.StructArray.from_arrays(list(fields.values()), list(fields))


def ids(numbers: Any) -> Any:
    """Ids, packed: 16 bytes each in a NumPy array of rows."""
    return pa.FixedSizeBinaryArray.from_buffers(_ID, len(numbers), [None, pa.py_buffer(numbers)])


def plain_ids(column: Any) -> Any:
    """Packed ids as text."""
    import numpy as np

    flat = np.frombuffer(column.buffers()[1], np.uint8, 16 * len(column), 16 * column.offset)
    return id_texts(flat.reshape(len(column), 16))


def id_texts(numbers: Any, alike: int = 0) -> Any:
    """The Arrow array of ids, of 16 bytes each in a NumPy array of rows. The first `alike` bytes are the same in all."""
    import numpy as np

    count, begin, length = len(numbers), len(PREFIX) + 2 * alike, len(PREFIX) + 32
    text = np.empty((count, length), np.uint8)
    text[:, :begin] = np.frombuffer(f"{PREFIX}{numbers[:1, :alike].tobytes().hex():0<{2 * alike}}".encode(), np.uint8)
    text[:, begin:].view(np.uint16)[:] = np.frombuffer(_DIGITS, np.uint16)[numbers[:, alike:]]
    ends = np.arange(0, length * (count + 1), length, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))


def shrinks(batch: Any) -> bool:
    """Whether LZ4 makes a batch enough smaller to be worth its time. Of a large batch a little of each buffer is tried: where
    most of it is numbers that differ in all their bits, nothing is gained."""
    buffers = [buffer for column in batch.columns for buffer in column.buffers() if buffer is not None and buffer.size]
    whole = sum(buffer.size for buffer in buffers)
    if whole < _SAMPLED_FROM:
        return True
    codec = pa.Codec("lz4")
    return bool(sum(buffer.size * _share_left(codec, buffer) for buffer in buffers) < _WORTH * whole)


def _share_left(codec: Any, buffer: Any) -> float:
    taken = buffer.slice(buffer.size // 2, min(_SAMPLE, buffer.size - buffer.size // 2))
    return min(1.0, float(codec.compress(taken).size / taken.size))


def unpacked(batch: Any) -> Iterator[Any]:
    """The batch with plain columns; in several pieces where one array could not hold the text of all rows."""
    if not any(_is_packed(field.type) for field in batch.schema):
        yield batch
        return
    schema = pa.schema([pa.field(f.name, _plain_type(f.type), f.nullable) for f in batch.schema])
    step = _rows_at_once(batch)
    for first in range(0, batch.num_rows, step):
        piece = batch.slice(first, step)
        yield pa.RecordBatch.from_arrays([_plain(column) for column in piece.columns], schema=schema)


def distinct(column: Any) -> Any:
    """The values of a column, those of a run once."""
    if not pa.types.is_run_end_encoded(column.type):
        return column
    return column.values.slice(column.find_physical_offset(), column.find_physical_length())


def _is_packed(kind: Any) -> bool:
    return bool(pa.types.is_run_end_encoded(kind) or pa.types.is_struct(kind) or kind == _ID)


def _plain_type(kind: Any) -> Any:
    if pa.types.is_struct(kind) or kind == _ID:
        return pa.string()
    return kind.value_type if pa.types.is_run_end_encoded(kind) else kind


def _plain(column: Any) -> Any:
    if pa.types.is_run_end_encoded(column.type):
        return pc.run_end_decode(column)
    if column.type == _ID:
        return plain_ids(column)
    if pa.types.is_struct(column.type):
        fields = zip(column.type, column.flatten(), strict=True)
        return json_rows({field.name: _plain(values) for field, values in fields}, len(column))
    return column


def _rows_at_once(batch: Any) -> int:
    """How many rows' text is far from the 2 GiB that one array holds."""
    most = 1
    for column in batch.columns:
        if pa.types.is_struct(column.type) and len(column):
            names = sum(len(field.name) * _ESCAPED + _NUMBER for field in column.type)
            most = max(most, names + _ESCAPED * column.nbytes // len(column))
    return max(1, _TEXT_AT_ONCE // most)
