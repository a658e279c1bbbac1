"""Many rows at once: an Arrow stream of named columns, answered as one.

Vectors are (fixed-size) lists, text may be dictionary-encoded. Metadata of the schema names the columns that hold more than
inputs: `modelyard.routing_key`, `modelyard.subject`, `modelyard.event_time` (text as ISO 8601, or timestamps with a zone);
`modelyard.id` is the caller's own name for the request. The answer has a column for each output and `decision_id`, `version`,
`arm`, `role`, `reason`; where an output has such a name, the column about the decision has `_` after its own.

The bytes come from a stranger: message heads are looked at before a buffer is read, and every buffer is validated before use.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.asked import MOST_ROWS, Asked, Column, Given, ReplyHeaders, Said
from modelyard.runtime.forms.limits import MOST_VALUES, few_enough, fits
from modelyard.runtime.forms.media import ARROW
from modelyard.runtime.forms.numbers import finite
from modelyard.runtime.protocol import LONGEST_TEXT, Parameters

REPLY = "arrow"
HEADERS: ReplyHeaders = [("content-type", ARROW)]
_MOST_BATCHES = 10_000
_LARGEST_TEXT = 64 << 20
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_ABOUT = ("routing_key", "subject", "event_time")


def read(body: bytes, inputs: Mapping[str, FieldSpec], most_rows: int = MOST_ROWS) -> Asked:
    """The request in an Arrow stream. Raises InvalidInput, and TooLarge for more values than are taken apart at once: nulls and
    booleans weigh next to nothing in a stream."""
    table = _table(body, most_rows)
    fits(sum(map(_count, table.columns)), 1, len(body))
    named = _named(table)
    about = {what: _texts(what, table.column(name)) for what, name in named.items()}
    parameters = None
    if about:
        parameters = Parameters(None, about.get("routing_key"), about.get("event_time"), about.get("subject"))  # type: ignore[arg-type]
    given: dict[str, Given] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in given:
            raise InvalidInput("a column is given twice", field=name)
        if name not in named.values() or name in inputs:
            given[name] = _values(name, column)
    if not given:
        raise InvalidInput("the stream has no columns", field="inputs")
    return Asked(given, table.num_rows, _id(table), None, parameters, reply=REPLY)


def write(said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
    """The answer as an Arrow stream of one batch."""
    columns = {column.name: _array(column) for column in said.outputs}
    for name, values in _about(said).items():
        columns[f"{name}_" if name in columns else name] = pa.array(values, pa.string())
    metadata = {"modelyard.endpoint": said.endpoint, "modelyard.epoch": str(said.epoch), "modelyard.id": said.id}
    if said.unlogged:
        metadata["modelyard.unlogged"] = "true"
    batch = pa.record_batch(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return HEADERS, sink.getvalue().to_pybytes()


def _about(said: Said) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {"decision_id": list(said.ids)}
    for name in ("version", "arm", "role", "reason"):
        values: list[str | None] = [None] * said.rows
        for group in said.groups:
            for row in range(said.rows) if group.rows is None else group.rows:
                values[row] = getattr(group, name)
        found[name] = values
    return found


def _array(column: Column) -> pa.Array:
    item = pa.string() if column.datatype == "BYTES" else pa.from_numpy_dtype(DataType(column.datatype).numpy)
    if not column.shape:
        return pa.array(column.values, item, from_pandas=True)
    size = int(np.prod(column.shape))
    values = column.values.reshape(len(column.values), size).tolist() if isinstance(column.values, np.ndarray) else column.values
    rows = [None if row is None else _flat(row) for row in values]
    return pa.array(rows, pa.list_(item, size))


def _flat(row: list[Any]) -> list[Any]:
    while row and isinstance(row[0], list):
        row = [item for part in row for item in part]
    return row


def _table(body: bytes, most_rows: int) -> pa.Table:
    buffer = pa.py_buffer(body)
    try:
        _look_at_messages(buffer, most_rows)
        with pa.ipc.open_stream(buffer) as reader:
            if len(set(reader.schema.names)) < len(reader.schema.names):
                raise InvalidInput("a column is given twice", field="inputs")
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, struct.error, ValueError, OverflowError) as error:
        raise InvalidInput(f"not an Arrow stream: {_first_line(error)}", hint="the IPC streaming format") from error
    return table


def _look_at_messages(buffer: pa.Buffer, most_rows: int) -> None:
    """Refuse what would need more memory or time than the body has bytes for: rows without end, buffers compressed one by one,
    and dictionaries that are gone through again for each of many batches."""
    batches = rows = words = 0
    reader = pa.ipc.MessageReader.open_stream(buffer)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            break
        kind, head = _head(message.metadata.to_pybytes())
        batch = head.table(1) if kind == _DICTIONARY_BATCH else head
        if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH) or batch is None:
            continue
        if batch.has(3):
            raise InvalidInput("buffers of the stream are compressed", hint="compress the whole body (content-encoding)")
        batches, count = batches + 1, batch.int64(0)
        if count < 0:
            raise InvalidInput(f"a batch of the stream has {count} rows", field="inputs")
        if kind == _DICTIONARY_BATCH:
            words += count
        else:
            rows += count
    few_enough(rows, most_rows, "inputs")
    if batches > _MOST_BATCHES:
        raise TooLarge(f"the stream has {batches} batches; at most {_MOST_BATCHES} are read", hint="put more rows into each")
    if words * batches > MOST_VALUES:
        detail = f"the stream has {batches} batches and dictionaries of {words} values"
        raise TooLarge(f"{detail}: more than {MOST_VALUES} to look up", hint="send fewer batches, or text without a dictionary")


class _Flat:
    """A table of a flatbuffer (of which Arrow's message heads are made)."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    def _at(self, number: int) -> int:
        index = self._place - struct.unpack_from("<i", self._data, self._place)[0]
        entry = 4 + 2 * number
        if index < 0 or entry >= struct.unpack_from("<H", self._data, index)[0]:
            return 0
        offset: int = struct.unpack_from("<H", self._data, index + entry)[0]
        return self._place + offset if offset else 0

    def has(self, number: int) -> bool:
        return bool(self._at(number))

    def byte(self, number: int) -> int:
        place = self._at(number)
        return self._data[place] if place else 0

    def int64(self, number: int) -> int:
        place = self._at(number)
        found: int = struct.unpack_from("<q", self._data, place)[0] if place else 0
        return found

    def table(self, number: int) -> _Flat | None:
        place = self._at(number)
        return _Flat(self._data, place + struct.unpack_from("<I", self._data, place)[0]) if place else None


def _head(metadata: bytes) -> tuple[int, _Flat]:
    """The kind of a message and its head."""
    message = _Flat(metadata, struct.unpack_from("<I", metadata, 0)[0])
    head = message.table(2)
    if head is None:
        raise InvalidInput("a message of the stream has no head")
    return message.byte(1), head


def _named(table: pa.Table) -> dict[str, str]:
    """The columns that hold keys, subjects or times, by what they hold."""
    metadata = table.schema.metadata or {}
    found: dict[str, str] = {}
    for what in _ABOUT:
        name = metadata.get(f"modelyard.{what}".encode())
        if name is None:
            continue
        column = name.decode("utf-8", "replace")
        if column not in table.column_names:
            raise InvalidInput(f"modelyard.{what} names the column {column!r:.80}, which is not there", field=f"modelyard.{what}")
        found[what] = column
    return found


def _id(table: pa.Table) -> str | None:
    """The caller's own name for the request."""
    found = (table.schema.metadata or {}).get(b"modelyard.id")
    return None if found is None else found.decode("utf-8", "replace")


def _texts(what: str, column: pa.ChunkedArray) -> list[str]:
    if column.null_count:
        raise InvalidInput(f"the column for modelyard.{what} has nulls", field=f"modelyard.{what}")
    column = _bounded(what, column)
    if what == "event_time" and pa.types.is_timestamp(column.type):
        try:
            return [moment.isoformat() for moment in column.cast(pa.timestamp("us", column.type.tz), safe=False).to_pylist()]
        except (OverflowError, ValueError) as error:
            raise InvalidInput(f"a time that no calendar has: {error}", field=f"modelyard.{what}") from error
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_integer(column.type)):
        raise InvalidInput(f"the column for modelyard.{what} holds {column.type}", field=f"modelyard.{what}", hint="text")
    texts = [str(value) for value in column.to_pylist()]
    if any(len(text) > LONGEST_TEXT for text in texts):
        raise InvalidInput(
            f"the column for modelyard.{what} has a text of more than {LONGEST_TEXT} characters", field=f"modelyard.{what}"
        )
    return texts


def _count(column: pa.ChunkedArray) -> int:
    """How many values a column has, with those in its lists."""
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        return len(column) * int(kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return len(column) + sum(len(chunk.values) for chunk in column.chunks)
    return len(column)


def _values(name: str, column: pa.ChunkedArray) -> Given:
    column = _bounded(name, column)
    kind = column.type
    if pa.types.is_null(kind):
        return [None] * len(column)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if not _is_scalar(kind.value_type):
            raise _not_read(name, kind)
        return _vectors(name, column)
    if not _is_scalar(kind):
        raise _not_read(name, kind)
    return _scalars(name, column)


def _scalars(name: str, column: pa.ChunkedArray) -> Given:
    if column.null_count or not _is_number(column.type):
        values: list[Any] = column.to_pylist()
        if pa.types.is_floating(column.type):
            finite(name, column.drop_null().to_numpy())
            values = [None if value != value else value for value in values]  # noqa: PLR0124 - not-a-number
        return values
    return finite(name, column.to_numpy())


def _vectors(name: str, column: pa.ChunkedArray) -> Given:
    kind = column.type
    flat = pa.chunked_array([chunk.flatten() for chunk in column.chunks], kind.value_type)
    whole = not column.null_count and not flat.null_count and pa.types.is_fixed_size_list(kind) and _is_number(flat.type)
    if whole and len(flat):
        plain: list[Any] | np.ndarray[Any, Any] = finite(name, flat.to_numpy().reshape(-1, kind.list_size))
        return plain if isinstance(plain, list) else plain.tolist()
    if pa.types.is_floating(flat.type):
        finite(name, flat.drop_null().to_numpy())
    return [
        None if row is None else [None if item != item else item for item in row]  # noqa: PLR0124 - not-a-number
        for row in column.to_pylist()
    ]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    )


def _bounded(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without its dictionary, unless its texts would need far more memory than they came in."""
    if not pa.types.is_dictionary(column.type):
        return column
    if not _is_scalar(column.type.value_type):
        raise _not_read(name, column.type)
    longest = max((_longest(chunk.dictionary) for chunk in column.chunks), default=0)
    if longest * len(column) > _LARGEST_TEXT:
        raise InvalidInput(f"column {name!r:.80} has too long texts for its rows", field=name, hint="send fewer rows at once")
    return column.cast(column.type.value_type)


def _longest(words: pa.Array) -> int:
    """Bytes of the longest text among a dictionary's values; 0 for other values."""
    import pyarrow.compute as pc

    if not (pa.types.is_string(words.type) or pa.types.is_large_string(words.type)):
        return 0
    return pc.max(pc.binary_length(words)).as_py() or 0


def _not_read(name: str, kind: pa.DataType) -> InvalidInput:
    hint = "whole numbers, floats, booleans, text, or lists of them"
    return InvalidInput(f"column {name!r:.80} holds {str(kind)[:60]}, which is not read here", field=name, hint=hint)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
