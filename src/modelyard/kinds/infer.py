"""A signature from a sample, and batches from tables: Arrow, Parquet or CSV.

What a sample shows is a guess at what holds, so `merge` lets what was declared win and lists every difference in words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.kinds.batches import is_null, row_count
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Role, Scalar, Signature

Sample: TypeAlias = pa.Table | Path | Batch

MOST_ALLOWED = 50
_LEAST_ROWS_PER_VALUE = 5
_IDENTIFIER = re.compile(r"(.*_)?(id|uuid|guid|key)\Z", re.IGNORECASE)
_PROTECTED = re.compile(
    r"(.*_)?(sex|gender|race|ethnicity|ethnic|religion|nationality|disability|marital_status|age|age_group|sexual_orientation)\Z",
    re.IGNORECASE,
)
_COMPARED = ("type", "role", "shape", "nullable", "minimum", "maximum", "allowed")


def infer(sample: Sample, outputs: Collection[str] = ()) -> Signature:
    """The signature that a sample shows: types, nulls, ranges, values of text with few values, and identifiers by name.

    Columns named in `outputs` become outputs (floating: score, others: label), all others inputs.
    """
    batch: Batch = decode(read(sample)) if not isinstance(sample, dict) else sample
    row_count(batch)
    missing = sorted(set(outputs) - set(batch))
    if missing:
        raise InvalidInput(f"the sample has no column {missing[0]!r}", field=missing[0])
    inputs = tuple(_field(name, column) for name, column in batch.items() if name not in outputs)
    given = tuple(_output(_field(name, batch[name])) for name in batch if name in outputs)
    return Signature(inputs=inputs, outputs=given)


def suggest(signature: Signature) -> tuple[str, ...]:
    """What a person should decide: inputs whose names sound protected and have no such role yet."""
    found = [f.name for f in signature.inputs if f.role is not Role.PROTECTED and _PROTECTED.match(f.name)]
    return tuple(f"{name} sounds like a protected attribute: give it the role `protected` if it is" for name in found)


def merge(declared: Signature, inferred: Signature) -> tuple[Signature, tuple[str, ...]]:
    """What was declared, and one line for each difference to what was inferred.

    Inputs seen only in the sample are reported, not added; outputs that were not declared are taken from the sample.
    """
    lines: list[str] = []
    for side in ("inputs", "outputs"):
        lines.extend(_differences(side[:-1], getattr(declared, side), getattr(inferred, side)))
    return Signature(inputs=declared.inputs, outputs=declared.outputs or inferred.outputs), tuple(lines)


def _differences(side: str, declared: tuple[FieldSpec, ...], inferred: tuple[FieldSpec, ...]) -> list[str]:
    seen = {field.name: field for field in inferred}
    lines = []
    for field in declared:
        if field.name not in seen:
            lines.extend([f"{side} {field.name}: declared, not in the sample"] if inferred else [])
            continue
        lines.extend(_changes(side, field, seen.pop(field.name)))
    lines.extend(f"{side} {name}: in the sample, not declared" for name in seen)
    return lines


def _changes(side: str, declared: FieldSpec, inferred: FieldSpec) -> list[str]:
    lines = []
    for name in _COMPARED:
        ours, theirs = getattr(declared, name), getattr(inferred, name)
        if ours != theirs and _contradicts(name, ours, theirs):
            lines.append(f"{side} {declared.name}: {name} declared {_said(ours)}, sample shows {_said(theirs)}")
    return lines


def _contradicts(name: str, declared: Any, inferred: Any) -> bool:
    """A sample narrower than the declaration contradicts nothing; nor does it where nothing was declared."""
    if name == "minimum":
        return declared is not None and inferred is not None and inferred < declared
    if name == "maximum":
        return declared is not None and inferred is not None and inferred > declared
    if name == "allowed":
        return declared is not None and inferred is not None and not set(inferred) <= set(declared)
    if name == "nullable":
        return bool(inferred)
    return name != "role" or inferred is Role.IDENTIFIER


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        shown = ", ".join(map(str, value[:5]))
        return f"({shown}{', …' if len(value) > 5 else ''})"
    return str(value)


def _field(name: str, column: np.ndarray[Any, Any]) -> FieldSpec:
    nulls = is_null(column)
    kind = DataType.of(column.dtype)
    low, high = _range(column, nulls)
    return FieldSpec(
        name=name,
        type=kind,
        role=_role(name, column, nulls),
        shape=column.shape[1:],
        nullable=bool(nulls.any()),
        allowed=_allowed(column, nulls) if kind is DataType.BYTES and column.ndim == 1 else None,
        minimum=low,
        maximum=high,
    )


def _output(field: FieldSpec) -> FieldSpec:
    role = Role.SCORE if field.type.numpy.kind == "f" else Role.LABEL
    return field.model_copy(update={"role": role, "minimum": None, "maximum": None})


def _role(name: str, column: np.ndarray[Any, Any], nulls: np.ndarray[Any, Any]) -> Role:
    """An identifier by name, and only if no value comes twice and it is text or whole numbers."""
    if column.ndim != 1 or column.dtype.kind not in "OUiu" or nulls.any() or not _IDENTIFIER.match(name):
        return Role.PREDICTOR
    return Role.IDENTIFIER if len(set(column.tolist())) == len(column) else Role.PREDICTOR


def _range(column: np.ndarray[Any, Any], nulls: np.ndarray[Any, Any]) -> tuple[float | None, float | None]:
    if column.dtype.kind not in "iuf" or bool(nulls.all()):
        return None, None
    values = column[~nulls]
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (None, None)


def _allowed(column: np.ndarray[Any, Any], nulls: np.ndarray[Any, Any]) -> tuple[Scalar, ...] | None:
    values = [str(value) for value in column[~nulls]]
    distinct = sorted(set(values))
    few = 0 < len(distinct) <= MOST_ALLOWED and len(values) >= _LEAST_ROWS_PER_VALUE * len(distinct)
    return tuple(distinct) if few else None


def read(sample: pa.Table | Path) -> pa.Table:
    """A table from an Arrow table, a Parquet file or a CSV file. Raises NotFound or InvalidInput."""
    if isinstance(sample, pa.Table):
        return sample
    if not sample.is_file():
        raise NotFound(f"there is no file {sample.name!r}", field="sample")
    try:
        return _read(sample)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"the sample {sample.name!r} cannot be read: {error}", field="sample") from error


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        start = file.read(6)
    if start[:4] == b"PAR1":
        import pyarrow.parquet as pq

        return pq.ParquetFile(path).read()
    if start == b"ARROW1":
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    from pyarrow import csv

    return csv.read_csv(path)


def decode(table: pa.Table, signature: Signature | None = None) -> Batch:
    """A batch from a table; with a signature, only the columns that it names, inputs and outputs."""
    wanted = table.column_names if signature is None else [
        f.name for f in (*signature.inputs, *signature.outputs) if f.name in table.column_names
    ]  # fmt: skip
    return {name: _array(table.column(name), name) for name in wanted}


def _array(column: pa.ChunkedArray, name: str) -> np.ndarray[Any, Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_fixed_size_list(kind):
        return _vectors(column, name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _objects(column.to_pylist())
    if pa.types.is_temporal(kind):
        return _objects([None if value is None else str(value) for value in column.to_pylist()])
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InvalidInput(f"column {name!r} is of the type {kind}, which no field can have", field=name)
    if column.null_count and not pa.types.is_floating(column.type):
        column = column.cast(pa.float64()) if not pa.types.is_boolean(kind) else column.cast(pa.int8()).cast(pa.float64())
    return np.asarray(column.to_numpy())


def _objects(values: list[Any]) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _vectors(column: pa.ChunkedArray, name: str) -> np.ndarray[Any, Any]:
    if column.null_count:
        raise InvalidInput(f"column {name!r} has empty vectors", field=name)
    whole = column.combine_chunks()
    flat = pa.chunked_array([whole.flatten()] if not isinstance(whole, pa.ChunkedArray) else [c.flatten() for c in whole.chunks])
    return _array(flat, name).reshape(len(column), column.type.list_size)


def encode(batch: Batch) -> pa.Table:
    """A table from a batch; vectors become lists of fixed size."""
    row_count(batch)
    return pa.table({name: _column(column) for name, column in batch.items()})


def _column(column: np.ndarray[Any, Any]) -> pa.Array:
    if column.ndim == 1:
        return pa.array(column.tolist() if column.dtype.kind == "U" else column)
    flat = pa.array(column.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(column.shape[1:])))
