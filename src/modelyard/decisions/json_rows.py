"""Columns as one JSON object a row, without an object of Python for each: texts are joined column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_PLAIN = r'^[^"\\\x00-\x1f]*$'


def json_rows(columns: Mapping[str, Any], count: int) -> Any:
    """An Arrow array of text: for each row an object of these Arrow columns, in their order. NaN, infinity and null are `null`;
    floats are as short as they read back the same in their own type."""
    if not columns:
        return pa.repeat("{}", count)
    pieces: list[Any] = []
    before = "{"
    for name, column in columns.items():
        pieces += [pa.scalar(f"{before}{msgspec.json.encode(name).decode()}:"), _values(column)]
        before = ","
    return pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")


def _values(column: Any) -> Any:
    kind = column.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.fill_null(_texts(column), "null")
    if pa.types.is_floating(kind):
        if pa.types.is_float16(kind):
            column = pc.cast(column, pa.float32())
        text = pc.cast(column, pa.string())
        if column.null_count or not pc.all(pc.is_finite(column), min_count=0).as_py():
            text = pc.if_else(pc.is_finite(column), text, pa.scalar(None, pa.string()))
        return pc.fill_null(text, "null")
    return pc.fill_null(pc.cast(column, pa.string()), "null")


def _lists(column: Any) -> Any:
    """Lists of anything that is a value: the values become text together, then each list is joined."""
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(pc.cast(lengths, pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, _values(column.flatten())), ",")
    text = pc.binary_join_element_wise(pa.scalar("["), joined, pa.scalar("]"), "")
    return pc.if_else(pc.is_valid(column), text, "null") if column.null_count else text


def _texts(column: Any) -> Any:
    """Text in quotes; each different value is escaped once, and only where one needs it."""
    column = pc.cast(column, pa.string())
    plain = pc.all(pc.match_substring_regex(column, _PLAIN), min_count=0).as_py()
    if plain:
        quote = pa.scalar('"')
        return pc.binary_join_element_wise(quote, column, quote, "")
    encoded = pc.dictionary_encode(column)
    escaped = pa.array([msgspec.json.encode(text).decode() for text in encoded.dictionary.to_pylist()], pa.string())
    return escaped.take(encoded.indices)
