"""Columns as one JSON object a row, without an object of Python for each: texts are joined column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_PLAIN = r'^[^"\\\x00-\x1f]*$'


def json_rows(columns: Mapping[str, Any], count: int) -> Any:
    """An Arrow array of text: for each row an object of these Arrow columns, in their order. NaN and null are `null`."""
    if not columns:
        return pa.repeat("{}", count)
    pieces: list[Any] = []
    before = "{"
    for name, column in columns.items():
        pieces += [pa.scalar(f"{before}{msgspec.json.encode(name).decode()}:"), _values(column)]
        before = ","
    return pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")


def references(path: str, first: int, rows: Any | None, count: int) -> Any:
    """Objects that name file and row (from 0) in place of the inputs."""
    import numpy as np

    numbers = pa.array(np.arange(first, first + count) if rows is None else rows + first)
    start = pa.scalar(f'{{"$file":{msgspec.json.encode(path).decode()},"$row":')
    return pc.binary_join_element_wise(start, pc.cast(numbers, pa.string()), pa.scalar("}"), "")


def _values(column: Any) -> Any:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        return pa.array([msgspec.json.encode(value).decode() for value in column.to_pylist()], pa.string())
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
