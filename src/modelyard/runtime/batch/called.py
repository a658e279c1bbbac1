"""What rows are called by: the texts of a column of keys or subjects, the same as callers of the endpoint send."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions import ArrayColumn

_EXACT = float(1 << 53)


def names_of(column: Any, numbers: bool = False) -> list[str | None]:
    """The text of each value of an Arrow column; None where it is missing or not a number.

    Whole numbers become floats where one of them is missing, in many a tool: `17.0` is called `17`. `numbers` is for a field that
    the signature has as a float: its values are called as online, where the number is the key.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_floating(column.type):
        return [None if value is None else _text(value) for value in column.to_pylist()]
    there = pc.fill_null(pc.is_finite(column), False).to_numpy(zero_copy_only=False)
    values = np.where(there, pc.fill_null(column, 0).to_numpy(zero_copy_only=False), 0)
    plain = ArrayColumn(values, False).values()
    return [_of_float(value, numbers) if here else None for value, here in zip(plain, there.tolist(), strict=True)]


def _of_float(value: float, number: bool) -> str:
    return str(int(value)) if not number and value.is_integer() and abs(value) <= _EXACT else str(value)


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
