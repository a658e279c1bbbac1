"""Arrow columns held against a signature, column by column: what the model takes, and which rows do not fit and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec

Array = np.ndarray[Any, Any]
_MOST_WORDS = 60
_SMALL_WHOLE = "iub"
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
FLOATS = frozenset({DataType.FP16, DataType.FP32, DataType.FP64})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row (counted from the table's first) does not fit."""

    row: int
    field: str | None
    reason: str


@dataclass(slots=True)
class Fitted:
    """`batch` has all rows, in the types of the signature; those where `bad` is true must not be shown to a model.
    `hidden` are fields whose values no text may repeat."""

    batch: Batch
    bad: Array | None = None
    faults: list[Fault] = field(default_factory=list)
    hidden: Collection[str] = ()
    lost: dict[str, Array] = field(default_factory=dict)
    """Where the batch has something in place of the values, by field: its type cannot hold what came."""

    def good(self) -> Array | None:
        """The numbers of the rows that fit, or None when all do."""
        return None if self.bad is None else np.flatnonzero(~self.bad)

    def note(self, wrong: Array, name: str, reason: str, values: Any = None, *, lost: bool = False) -> None:
        """Take in rows that do not fit. A row is told with its first fault. `lost` says that the batch cannot hold what came."""
        if not wrong.any():
            return
        if self.bad is None:
            self.bad = np.zeros(len(wrong), dtype=bool)
        for row in np.flatnonzero(wrong & ~self.bad).tolist():
            told = reason if values is None or name in self.hidden else f"{_shown(values[row])} {reason}"
            self.faults.append(Fault(row, name, told))
        self.bad |= wrong
        if lost:
            self.lost[name] = wrong | self.lost[name] if name in self.lost else wrong


def fit(
    table: Any,
    specs: Sequence[FieldSpec],
    *,
    parse: bool = False,
    hidden: Collection[str] = (),
    broken: Mapping[int, str] | None = None,
) -> Fitted:
    """The table's columns as the signature wants them. `parse` reads numbers from text (for CSV); `hidden` are fields
    whose values are not told; `broken` says of rows that cannot fit why.

    Raises InvalidInput when a column is missing or of a type that no row could fit.
    """
    fitted = Fitted({}, hidden=hidden)
    if broken:
        fitted.bad = np.isin(np.arange(table.num_rows), list(broken))
        fitted.faults += [Fault(row, None, reason) for row, reason in sorted(broken.items())]
    for spec in specs:
        if spec.name not in table.column_names:
            known = ", ".join(table.column_names)[:300]
            raise InvalidInput(f"column {spec.name!r} is missing", field=spec.name, hint=f"the input has: {known}")
        column = _whole(table[spec.name])
        if _is_list(column.type) or int(np.prod(spec.shape)) != 1:
            values, missing = _vectors(fitted, column, spec)
        else:  # one value a row, whether the model calls that a vector or not
            values, missing = _scalars(fitted, column, spec, parse)
            values = values.reshape(len(values), *spec.shape)
        fitted.batch[spec.name] = _checked(fitted, values, missing, spec)
    return fitted


def _whole(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column


def _scalars(fitted: Fitted, column: Any, spec: FieldSpec, parse: bool) -> tuple[Array, Array | None]:
    """The values as an array of the field's type, and where one is missing."""
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if spec.type is DataType.BYTES:
        return _text(column, spec), missing
    if _is_text(column.type):
        if not parse:
            raise _wrong_type(column, spec)
        column, missing = _parsed(fitted, column, spec, missing)
    return _numbers(fitted, column, spec, missing), missing


def _text(column: Any, spec: FieldSpec) -> Array:
    if not (_is_text(column.type) or pa.types.is_null(column.type)):
        raise _wrong_type(column, spec)
    values: Array = column.to_numpy(zero_copy_only=False)
    return values.astype(object, copy=False)


def _numbers(fitted: Fitted, column: Any, spec: FieldSpec, missing: Array | None) -> Array:
    kind = column.type
    if pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64(), safe=False)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise _wrong_type(column, spec)
    if pa.types.is_null(kind):
        column = pa.nulls(len(column), pa.float64())
    if missing is not None:
        column = pc.fill_null(column, False if pa.types.is_boolean(column.type) else pa.scalar(0, column.type))
    return _cast(fitted, column.to_numpy(zero_copy_only=False), spec)


def _cast(fitted: Fitted, values: Array, spec: FieldSpec) -> Array:
    """Numbers as the field's type; those that it cannot hold are noted."""
    wanted = spec.type.numpy
    if values.dtype == wanted:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(wanted)
    rows = _any_of_row
    if wanted.kind == "f":
        if values.dtype.kind == "f":
            fitted.note(rows(np.isinf(cast) & np.isfinite(values)), spec.name, f"is too large for {spec.type}", values)
        return cast
    different = cast != values
    if values.dtype.kind == "f":
        limit = 2.0 ** (wanted.itemsize * 8)
        different |= ~(np.isfinite(values) & (np.abs(values) < limit))
    elif values.dtype.kind in "iu":
        different |= (cast < 0) != (values < 0) if wanted.kind != "b" else False
    fitted.note(rows(different), spec.name, f"does not fit {spec.type}", values, lost=True)
    return cast


def _any_of_row(wrong: Array) -> Array:
    return wrong if wrong.ndim == 1 else np.asarray(wrong.reshape(len(wrong), -1).any(axis=1))


def _checked(fitted: Fitted, values: Array, missing: Array | None, spec: FieldSpec) -> Array:
    """The values, with those noted that the field forbids."""
    if values.dtype.kind == "f":
        missing = _check_floats(fitted, values, missing, spec)
    if missing is not None and missing.any():
        if not spec.nullable:
            fitted.note(missing, spec.name, "is empty and may not be")
        values = _with_nulls(values, missing)
    _check_bounds(fitted, values, missing, spec)
    if spec.allowed is not None:
        known = pa.array(list(dict.fromkeys(spec.allowed)))
        inside = pc.is_in(pa.array(values, from_pandas=True), value_set=known.cast(pa.array(values, from_pandas=True).type))
        strange: Array = ~inside.to_numpy(zero_copy_only=False)
        fitted.note(strange if missing is None else strange & ~missing, spec.name, "is not an allowed value", values)
    if spec.nullable and values.dtype.kind in _SMALL_WHOLE:
        values = values.astype(object)
    return values


def _check_floats(fitted: Fitted, values: Array, missing: Array | None, spec: FieldSpec) -> Array | None:
    """Not a number counts as missing; infinity is no answerable value, as over the wire."""
    if np.isfinite(values).all():
        return missing
    fitted.note(_any_of_row(np.isinf(values)), spec.name, "is not finite", values)
    nan = _any_of_row(np.isnan(values))
    return nan if missing is None else nan | missing


def _with_nulls(values: Array, missing: Array) -> Array:
    """What engines take for a missing value: NaN in floats, None elsewhere."""
    if values.dtype.kind == "f":
        if values[missing].size and not np.isnan(values[missing]).all():
            values = values.copy()
            values[missing] = np.nan
        return values
    values = values.astype(object)
    values[missing] = None
    return values


def _check_bounds(fitted: Fitted, values: Array, missing: Array | None, spec: FieldSpec) -> None:
    if (spec.minimum is None and spec.maximum is None) or spec.type is DataType.BYTES:
        return
    numbers = values
    if values.dtype.kind == "O":
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    outside = np.zeros(numbers.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        if spec.minimum is not None:
            outside |= numbers < spec.minimum
        if spec.maximum is not None:
            outside |= numbers > spec.maximum
    low = "-∞" if spec.minimum is None else f"{spec.minimum:g}"
    high = "∞" if spec.maximum is None else f"{spec.maximum:g}"
    fitted.note(_any_of_row(outside), spec.name, f"is outside {low} to {high}", values)


def _vectors(fitted: Fitted, column: Any, spec: FieldSpec) -> tuple[Array, Array | None]:
    """Lists of numbers or text, one a row, as an array of rows times the field's shape."""
    size = int(np.prod(spec.shape))
    if not _is_list(column.type):
        raise _wrong_type(column, spec)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(column), size).to_numpy(zero_copy_only=False)
    wrong = lengths != size
    fitted.note(wrong, spec.name, f"does not have {size} values", lost=True)
    empty = missing | wrong
    flat = _filled(column, empty, size) if empty.any() else column.flatten()
    if flat.null_count:
        holes = flat.is_null().to_numpy(zero_copy_only=False).reshape(len(column), size).any(axis=1)
        fitted.note(holes, spec.name, "has an empty value", lost=True)
        flat = pc.fill_null(flat, "" if _is_text(flat.type) else pa.scalar(0, flat.type))
    if spec.type is DataType.BYTES:
        values = _text(flat, spec)
    else:
        if _is_text(flat.type):
            raise _wrong_type(column, spec)
        inner = Fitted({})
        values = _numbers(inner, flat, spec, None)
        if inner.bad is not None:
            strange = _any_of_row(inner.bad.reshape(-1, size))
            fitted.note(strange, spec.name, f"has values that do not fit {spec.type}", lost=True)
    return values.reshape(len(column), *spec.shape), missing if missing.any() else None


def _filled(column: Any, empty: Array, size: int) -> Any:
    """The values of all lists one after another, with blanks for the lists that are missing or of a wrong length."""
    kind = column.type.value_type
    blank: list[Any] = ["" if _is_text(kind) else 0] * size
    lists = [blank if gone else value for gone, value in zip(empty.tolist(), column.to_pylist(), strict=True)]
    return pa.array(lists, pa.list_(kind)).flatten()


def _parsed(fitted: Fitted, column: Any, spec: FieldSpec, missing: Array | None) -> tuple[Any, Array | None]:
    """Numbers from text, as far as they are some."""
    if spec.type is DataType.BOOL:
        words = {"true": True, "false": False, "1": True, "0": False}
        texts = column.to_pylist()
        wrong = np.fromiter((t is not None and t.strip().lower() not in words for t in texts), bool, len(texts))
        values: Any = pa.array([None if t is None else words.get(t.strip().lower()) for t in texts], pa.bool_())
    else:
        numbers = [_number(text) for text in column.to_pylist()]
        wrong = np.array([number is ... for number in numbers], dtype=bool)
        values = _number_array([None if number is ... else number for number in numbers])
    fitted.note(wrong, spec.name, f"is no {spec.type}", column.to_pylist() if wrong.any() else None)
    holes = wrong if missing is None else wrong | missing
    return values, holes if holes.any() else None


def _number_array(numbers: list[Any]) -> Any:
    try:
        whole = all(number is None or isinstance(number, int) for number in numbers)
        return pa.array(numbers, pa.int64() if whole else pa.float64())
    except (pa.ArrowInvalid, OverflowError):
        return pa.array([None if number is None else float(number) for number in numbers], pa.float64())


def _number(text: str | None) -> Any:
    """The number, None for no text, `...` for what is none."""
    text = "" if text is None else text.strip()
    if not text:
        return None
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else ...


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _wrong_type(column: Any, spec: FieldSpec) -> InvalidInput:
    shape = "" if not spec.shape else f" in lists of {int(np.prod(spec.shape))}"
    return InvalidInput(f"column {spec.name!r} should be {spec.type}{shape}, the input has {column.type}", field=spec.name)


def _shown(value: Any) -> str:
    return f"{value if isinstance(value, str) else np.asarray(value).tolist()!r}"[:_MOST_WORDS]
