"""Batches held against a signature: what comes from a caller is checked and cast once, before any engine sees it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec

Array = np.ndarray[Any, Any]


def row_count(batch: Batch) -> int:
    """How many rows a batch has. Raises InvalidInput when it is empty or its fields disagree."""
    counts = {name: len(column) if np.ndim(column) else -1 for name, column in batch.items()}
    if not counts:
        raise InvalidInput("the batch has no fields")
    first, rows = next(iter(counts.items()))
    for name, count in counts.items():
        if count < 0:
            raise InvalidInput(f"field {name!r} has no axis for rows", field=name, hint="give an array, not a scalar")
        if count != rows:
            raise InvalidInput(f"field {name!r} has {count} rows, {first!r} has {rows}", field=name)
    if rows == 0:
        raise InvalidInput("the batch has no rows")
    return rows


def conform(batch: Batch, fields: Collection[FieldSpec], needed: Collection[str] | None = None) -> Batch:
    """The batch as `fields` describe it: every needed field there, none unknown, types and shapes cast.

    `needed` are the names that must be present (all by default). Casts never lose meaning: integers widen to floats, numbers
    fit their type, text stays text. Raises InvalidInput naming the field.
    """
    row_count(batch)
    known = {field.name: field for field in fields}
    for name in batch:
        if name not in known:
            raise InvalidInput(f"unknown field {name!r}", field=name, hint=f"the model takes: {', '.join(known)}")
    for name in known if needed is None else needed:
        if name not in batch:
            raise InvalidInput(f"field {name!r} is missing", field=name, hint=f"the model takes: {', '.join(known)}")
    return {name: _cast(_shaped(np.asarray(column), known[name]), known[name]) for name, column in batch.items()}


def take(batch: Batch, rows: slice | Array) -> Batch:
    """Some rows of a batch."""
    return {name: column[rows] for name, column in batch.items()}


def is_null(column: Array) -> Array:
    """True where a value is missing: NaN in floats, None or NaN in objects; one boolean per value."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "O":
        nulls = [value is None or _nan(value) for value in column.ravel()]
        return np.array(nulls, dtype=bool).reshape(column.shape)
    return np.zeros(column.shape, dtype=bool)


def _shaped(column: Array, field: FieldSpec) -> Array:
    if column.shape[1:] == field.shape:
        return column
    if int(np.prod(column.shape[1:], dtype=np.int64)) == 1 and int(np.prod(field.shape, dtype=np.int64)) == 1:
        return column.reshape(len(column), *field.shape)
    raise InvalidInput(
        f"field {field.name!r} has shape {_shape(column.shape[1:])} a row, expected {_shape(field.shape)}", field=field.name
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "scalar" if not shape else " × ".join(map(str, shape))


def _cast(column: Array, field: FieldSpec) -> Array:
    if field.type is DataType.BYTES:
        return _no_nulls(_text(column, field), field)
    if column.dtype.kind == "O":
        column = _numbers(column, field)
    if column.dtype == field.type.numpy:
        return _no_nulls(column, field)
    if column.dtype.kind not in "biuf":
        raise _wrong_type(column, field)
    _no_nulls(column, field)
    if field.type.numpy.kind == "f":
        return _to_float(column, field)
    return _to_whole(column, field)


def _to_float(column: Array, field: FieldSpec) -> Array:
    with np.errstate(over="ignore"):
        cast = column.astype(field.type.numpy)
    if column.dtype.kind == "f" and bool(np.any(np.isinf(cast) & np.isfinite(column))):
        raise InvalidInput(f"field {field.name!r} has numbers too large for {field.type}", field=field.name)
    return cast


def _to_whole(column: Array, field: FieldSpec) -> Array:
    with np.errstate(invalid="ignore"):
        cast = column.astype(field.type.numpy)
    if column.dtype.kind == "f":
        limit = 2.0 ** (field.type.numpy.itemsize * 8)
        if not bool(np.all(np.isfinite(column) & (np.abs(column) < limit))):
            raise InvalidInput(f"field {field.name!r} has numbers that do not fit {field.type}", field=field.name)
    if not bool(np.all(cast == column)):
        raise InvalidInput(f"field {field.name!r} has numbers that do not fit {field.type}", field=field.name)
    return cast


def _numbers(column: Array, field: FieldSpec) -> Array:
    """Python numbers with None for null, as an array of numbers."""
    values = column.ravel().tolist()
    if not all(value is None or isinstance(value, (bool, int, float, np.number, np.bool_)) for value in values):
        raise _wrong_type(column, field)
    nulls = any(value is None for value in values)
    try:
        plain = np.array([np.nan if v is None else v for v in values], dtype=np.float64 if nulls else None)
    except OverflowError as error:
        raise InvalidInput(f"field {field.name!r} has numbers too large", field=field.name) from error
    if plain.dtype.kind == "O":
        raise InvalidInput(f"field {field.name!r} has numbers too large for {field.type}", field=field.name)
    return plain.reshape(column.shape)


def _text(column: Array, field: FieldSpec) -> Array:
    if column.dtype.kind in "US":
        column = column.astype(str).astype(object)
    if column.dtype.kind != "O":
        raise _wrong_type(column, field)
    values = [None if _nan(value) else value for value in column.ravel().tolist()]
    if not all(value is None or isinstance(value, str) for value in values):
        raise _wrong_type(column, field)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out.reshape(column.shape)


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _no_nulls(column: Array, field: FieldSpec) -> Array:
    if not field.nullable and is_null(column).any():
        row = int(np.argwhere(is_null(column))[0][0])
        raise InvalidInput(f"field {field.name!r} is empty in row {row} and may not be", field=field.name)
    return column


def _wrong_type(column: Array, field: FieldSpec) -> InvalidInput:
    got = "text" if column.dtype.kind in "USO" else str(column.dtype)
    return InvalidInput(f"field {field.name!r} should be {field.type}, got {got}", field=field.name)
