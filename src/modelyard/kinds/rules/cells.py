"""Cells of a batch to FEEL values and back, column by column. What does not fit is refused with its field and row."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel.types import ANY, BOOLEAN, NUMBER, STRING, AnyType, Type, base_of
from modelyard.dmn.feel.values import Value
from modelyard.dmn.from_python import from_python, plain, read
from modelyard.kinds.batches import Array, conform
from modelyard.kinds.contract import Batch
from modelyard.kinds.rules.fields import TEMPORAL, Leaf, exact
from modelyard.kinds.signature import DataType, FieldSpec

Reader = Callable[[Any], Value]
_JSON = msgspec.json.Encoder(decimal_format="number")
_LARGEST = Decimal(repr(sys.float_info.max))


def conformed(batch: Batch, fields: Sequence[FieldSpec]) -> Batch:
    """The batch as the fields describe it, a column each: nullable ones that are missing are null. Raises InvalidInput.

    Whole numbers and booleans that may be null come as floats with NaN, or as objects; they leave as objects with None.
    """
    holes: dict[str, Array] = {}
    given: Batch = {}
    known = {field.name: field for field in fields}
    for name, column in batch.items():
        given[name] = _filled(np.asarray(column), known[name], holes) if name in known else column
    whole = conform(given, fields, [field.name for field in fields if not field.nullable])
    rows = len(next(iter(whole.values())))
    for name, missing in holes.items():
        column = whole[name].astype(object)
        column[missing.reshape(column.shape)] = None
        whole[name] = column
    return {field.name: whole[field.name] if field.name in whole else _nulls(rows) for field in fields}


def _nulls(rows: int) -> Array:
    column = np.empty(rows, dtype=object)
    column[:] = None
    return column


def _filled(column: Array, field: FieldSpec, holes: dict[str, Array]) -> Array:
    """A column without the nulls that `conform` cannot carry in its type; where they were is noted in `holes`."""
    if not field.nullable or column.dtype.kind not in "fO" or not column.size:
        return column
    missing = np.array([v is None or (isinstance(v, float) and math.isnan(v)) for v in column.ravel().tolist()], dtype=bool)
    if field.type is DataType.BYTES:
        return _nulls(len(column)) if column.dtype.kind == "f" and column.ndim == 1 and bool(missing.all()) else column
    if field.type.numpy.kind not in "iub" or not bool(missing.any()):
        return column
    filled = column.copy().ravel()
    filled[missing] = 0
    holes[field.name] = missing
    plain_values = [bool(v) if field.type is DataType.BOOL and v in (0, 1) else v for v in filled.tolist()]
    return np.array(plain_values).reshape(column.shape)


def reader(leaf: Leaf, field: FieldSpec) -> Reader:
    """How a cell of the field becomes a value of the model's type. Raises InvalidInput when the two do not go together."""
    base = base_of(leaf.type)
    number = field.type.numpy.kind in "iuf"
    if field.shape:
        raise InvalidInput(f"field {field.name!r} is a vector; the model takes lists as JSON text", field=field.name)
    if base == ANY:
        return _number if number else _as_it_is
    if base in (NUMBER, BOOLEAN) or number or field.type is DataType.BOOL:
        wanted = (base == NUMBER and number) or (base == BOOLEAN and field.type is DataType.BOOL)
        if not wanted:
            raise InvalidInput(f"the model's input {leaf.name!r} is a {base}, the signature says {field.type}", field=field.name)
        return _number if number else _as_it_is
    if base == STRING:
        return _as_it_is
    return _temporal(base) if isinstance(base, Type) and base in TEMPORAL else _structure(leaf.type)


def column(values: Array, read_cell: Reader, field: FieldSpec) -> list[Value]:
    """The values of a column. Raises InvalidInput naming field and row."""
    cells = map(str, values) if field.type in (DataType.FP32, DataType.FP16) and values.dtype.kind == "f" else values.tolist()
    found = []
    for row, cell in enumerate(cells):
        try:
            found.append(read_cell(cell))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"field {field.name!r}, row {row}: {error}", field=field.name) from error
    return found


def _as_it_is(cell: Any) -> Value:
    return cell


def _number(cell: Any) -> Value:
    """A double is the shortest decimal that reads back as it; NaN is null. Single precision comes as its text."""
    if cell is None or cell != cell or cell == "nan":  # noqa: PLR0124 -- NaN
        return None
    if isinstance(cell, float):
        if math.isinf(cell):
            raise ValueError("FEEL has no infinite numbers")
        return exact(cell)
    found = Decimal(cell)
    if not found.is_finite():
        raise ValueError("FEEL has no infinite numbers")
    return found


def _temporal(base: AnyType) -> Reader:
    def parse(cell: Any) -> Value:
        if cell is None:
            return None
        found = read(cell, base)
        if isinstance(found, str):
            raise ValueError(f"{cell!r:.60} is no {base}")
        return found

    return parse


def _structure(type_: AnyType) -> Reader:
    def parse(cell: Any) -> Value:
        if cell is None:
            return None
        try:
            return read(from_python(json.loads(cell, parse_float=Decimal, parse_int=Decimal), "value"), type_)
        except json.JSONDecodeError as error:
            raise ValueError(f"is not JSON: {error}") from error
        except DmnError as error:
            raise ValueError(error.detail) from error

    return parse


def written(values: Sequence[Value], field: FieldSpec) -> Array:
    """Answers as a column of the field's type. Null is NaN in floats and None elsewhere. Raises InvalidInput naming the row."""
    write = _WRITERS.get(field.type.numpy.kind, _whole)
    cells = []
    for row, value in enumerate(values):
        try:
            cells.append(None if value is None else write(value))
        except ValueError as error:
            raise InvalidInput(f"row {row}: the answer {field.name!r} {error}, the signature says {field.type}") from error
    if field.type.numpy.kind == "f":
        return np.array([math.nan if cell is None else cell for cell in cells], dtype=field.type.numpy)
    if field.type is DataType.BYTES or any(cell is None for cell in cells):
        found = np.empty(len(cells), dtype=object)
        found[:] = cells
        return found
    return np.array(cells, dtype=field.type.numpy)


def _float(value: Value) -> float:
    if not isinstance(value, Decimal):
        raise ValueError("is no number")
    if abs(value) > _LARGEST:
        raise ValueError("is too large")
    return float(value)


def _whole(value: Value) -> int:
    if not isinstance(value, Decimal) or value != value.to_integral_value():
        raise ValueError("is no whole number")
    return int(value)


def _boolean(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def text(value: Value) -> str:
    """A value as text: strings as they are, dates and times as ISO, everything else as JSON."""
    told = plain(value)
    return told if isinstance(told, str) else _JSON.encode(told).decode()


_WRITERS: dict[str, Callable[[Value], Any]] = {"f": _float, "O": text, "b": _boolean}
