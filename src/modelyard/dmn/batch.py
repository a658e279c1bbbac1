"""Decisions over the rows of an Arrow table.

Rows that must have the same answer are found first, column by column, and only one of each kind is evaluated. For a decision with
a shortcut (`modelyard.dmn.shortcut`) these are the rows on which the same rules match, found by bisecting whole columns; for
any other, the rows that are equal. So the answers are those of `Model.evaluate`, row by row, by construction.

The answers' Arrow type follows from the decision's type, never from the data, so that batches fit together:

| FEEL | Arrow |
|---|---|
| number | `float64`, or the type given as `numbers` (a decimal type keeps all digits that it has) |
| string, boolean, date | `string`, `bool`, `date32` |
| time, date and time, durations, ranges, functions | `string`, as FEEL writes them: a column has one zone, values may have many |
| list, context with known entries | `list`, `struct` |
| Any, context without known entries | the type of the values, which must all be of one kind |

Numbers are `float64` by default because a FEEL number has 34 digits with the point anywhere: no decimal type of fixed scale holds
them all, and a `float64` holds each to 15 digits. Messages are not kept: what is null can be asked of `Model.evaluate` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from modelyard.dmn.errors import InvalidData
from modelyard.dmn.feel.semantics import text
from modelyard.dmn.feel.temporal import Date
from modelyard.dmn.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_TIME,
    NUMBER,
    STRING,
    TIME,
    YEARS_MONTHS,
    AnyType,
    ContextType,
    ListType,
    Type,
    base_of,
)
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.shortcut import Columns
from modelyard.dmn.table_index import Quick
from modelyard.dmn.tables import CompiledTable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Codes = np.ndarray[Any, np.dtype[Any]]


class Answer(Protocol):
    @property
    def value(self) -> Value: ...


class Decision(Protocol):
    """A compiled decision (`modelyard.dmn.CompiledDecision`), as far as it is read here."""

    inputs: tuple[tuple[int, str, AnyType], ...]
    columns: Columns
    table: CompiledTable | None

    @property
    def type(self) -> AnyType: ...

    def evaluate(self, data: Mapping[str, Any]) -> Answer: ...


class Decisions(Protocol):
    """A loaded model (`modelyard.dmn.Model`), as far as it is read here."""

    def decision(self, name: str) -> Decision: ...


Mask = int | None
"""The rules that match; None where the general way must be gone."""


def evaluate_many(model: Decisions, decision: str, table: pa.Table, *, numbers: pa.DataType | None = None) -> pa.Array:
    """The decision's answer for each row, columns by input name.

    Raises InvalidData for an unknown decision, a column that is missing or of a wrong type (naming it), a value that is none of
    FEEL's, and an answer that the result's type cannot hold; LimitExceeded as one evaluation does."""
    import pyarrow as pa

    compiled = model.decision(decision)
    given = _columns(table, [(key, type_) for _, key, type_ in compiled.inputs])
    codes, firsts = _grouped(compiled, given, table.num_rows)
    rows = given.take(pa.array(firsts, pa.int64())).to_pylist() if given.num_columns else [{}] * len(firsts)
    answers = [compiled.evaluate(row).value for row in rows]
    return _array(answers, compiled.type, numbers or pa.float64()).take(pa.array(codes))


# --- columns --------------------------------------------------------------------------------------------------------------------


def _columns(table: pa.Table, inputs: Sequence[tuple[str, AnyType]]) -> pa.Table:
    """The columns of the inputs, under their keys, in one chunk each and without dictionaries."""
    import pyarrow as pa

    columns = {}
    for key, type_ in inputs:
        places = table.schema.get_all_field_indices(key)
        if len(places) != 1:
            known = ", ".join(map(repr, table.column_names)) or "no columns"
            raise InvalidData(
                f"there {'are several columns' if places else 'is no column'} {key!r} in the table; it has {known:.300}"
            )
        columns[key] = _column(table.column(places[0]), key, type_)
    return pa.table(columns) if columns else table.select([])


def _column(column: pa.ChunkedArray, key: str, type_: AnyType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not _takes(base_of(type_), kind):
        raise InvalidData(f"the column {key!r} is of Arrow type {kind}, but the input is of type {base_of(type_)}")
    try:
        column = column.cast(_to_microseconds(kind))
    except pa.ArrowInvalid as error:
        raise InvalidData(f"the column {key!r}: {error}") from error
    return _whole(column)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    if column.num_chunks == 0:
        return pa.array([], column.type)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _to_microseconds(kind: pa.DataType) -> pa.DataType:
    """Python's times are as fine as that; a finer time cannot be converted and is refused, not rounded."""
    import pyarrow as pa

    if getattr(kind, "unit", None) != "ns":
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")


def _takes(type_: AnyType, kind: pa.DataType) -> bool:
    """Whether a column of an Arrow type can have values of a FEEL type. Text is read where a date or the like is wanted."""
    from pyarrow import types

    if types.is_null(kind) or type_ == ANY:
        return not types.is_binary(kind)
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if isinstance(type_, ListType):
        return (
            types.is_list(kind)
            or types.is_large_list(kind)
            or types.is_fixed_size_list(kind)
            or _takes(base_of(type_.element), kind)
        )
    if isinstance(type_, ContextType):
        return bool(types.is_struct(kind))
    tests: dict[AnyType, Callable[[pa.DataType], bool]] = {
        NUMBER: lambda k: types.is_integer(k) or types.is_floating(k) or types.is_decimal(k),
        BOOLEAN: types.is_boolean,
        DATE: lambda k: is_text or types.is_date(k),
        TIME: lambda k: is_text or types.is_time(k),
        DATE_TIME: lambda k: is_text or types.is_timestamp(k) or types.is_date(k),
        DAYS_TIME: lambda k: is_text or types.is_duration(k),
        YEARS_MONTHS: lambda k: is_text,
        STRING: lambda k: is_text,
    }
    test = tests.get(type_) if isinstance(type_, Type) else None
    return test is not None and test(kind)


# --- rows with the same answer --------------------------------------------------------------------------------------------------


def _grouped(compiled: Decision, given: pa.Table, rows: int) -> tuple[Codes, list[int]]:
    """For each row the number of its group, and for each group its first row."""
    import numpy as np

    if not compiled.columns or compiled.table is None:
        return _numbered(_distinct(given, rows))
    masks: list[Mask] = [compiled.table.index.all]
    codes = np.zeros(rows, np.int64)
    for key, quick in compiled.columns:
        more, found = _looked_up(_whole(given.column(key)), quick)
        codes, masks = _intersected(codes, masks, more, found)
    if compiled.table.table.hit_policy is HitPolicy.FIRST:
        codes, masks = _merged(codes, [mask if mask is None else mask & -mask for mask in masks])
    if None in masks:
        odd = np.flatnonzero(codes == masks.index(None))
        codes[odd] = len(masks) + _distinct(given.take(odd), len(odd))
    return _numbered(codes)


def _numbered(codes: Codes) -> tuple[Codes, list[int]]:
    import numpy as np

    _, firsts, numbers = np.unique(codes, return_index=True, return_inverse=True)
    return numbers, firsts.tolist()


def _distinct(given: pa.Table, rows: int) -> Codes:
    """Equal numbers for equal rows. Lists and structs are not compared: each row with one is a group of its own."""
    import numpy as np
    import pyarrow as pa

    codes = np.zeros(rows, np.int64)
    for column in given.columns:
        if pa.types.is_nested(column.type):
            return np.arange(rows)
        encoded, values = _encoded(_whole(column))
        codes = np.unique(codes * (len(values) + 1) + encoded, return_inverse=True)[1]
    return codes


def _encoded(column: pa.Array) -> tuple[Codes, pa.Array]:
    """The place of each row's value among the distinct ones; a null's is behind the last."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64), column.slice(0, 0)
    encoded = column.dictionary_encode()
    values = encoded.dictionary
    return encoded.indices.cast(pa.int64()).fill_null(len(values)).to_numpy(zero_copy_only=False), values


def _looked_up(column: pa.Array, quick: Mapping[type, Quick]) -> tuple[Codes, list[Mask]]:
    """For each row a code, and for each code the rules that match."""
    import numpy as np
    from pyarrow import types

    null = quick[type(None)].masks[0] if type(None) in quick else None
    if types.is_integer(column.type) and int in quick:
        codes, masks = _steps_of(column.fill_null(0).to_numpy(zero_copy_only=False), quick[int])
    elif types.is_floating(column.type) and float in quick:
        codes, masks = _steps_of(column.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float64), quick[float])
    else:
        codes, values = _encoded(column)
        return _merged(codes, [*(_mask(value, quick) for value in values.to_pylist()), null])
    if column.null_count:
        codes = np.where(column.is_null().to_numpy(zero_copy_only=False), len(masks), codes)
    return _merged(codes, [*masks, null])


def _steps_of(values: Codes, quick: Quick) -> tuple[Codes, list[Mask]]:
    import numpy as np

    keys = quick.keys
    passed = 0
    if values.dtype.kind in "iu":
        bounds = np.iinfo(values.dtype)
        passed = sum(key < bounds.min for key in keys)
        keys = [key for key in keys if bounds.min <= key <= bounds.max]
    return passed + np.searchsorted(np.array(keys, values.dtype), values, side="right"), quick.masks


def _mask(value: Any, quick: Mapping[type, Quick]) -> Mask:
    found = quick.get(type(value))
    return found.at(value) if found is not None else None


def _intersected(codes: Codes, masks: list[Mask], more: Codes, found: list[Mask]) -> tuple[Codes, list[Mask]]:
    """The rules that match in both, with one code for each combination."""
    import numpy as np

    pairs = codes * len(found) + more
    size = len(masks) * len(found)
    if size <= max(1 << 16, 2 * len(pairs)):
        present = np.flatnonzero(np.bincount(pairs, minlength=size))
        numbers = np.zeros(size, np.int64)
        numbers[present] = np.arange(len(present))
        pairs = numbers[pairs]
    else:
        present, pairs = np.unique(pairs, return_inverse=True)
    both = []
    for pair in present.tolist():
        left, right = masks[pair // len(found)], found[pair % len(found)]
        both.append(None if left is None or right is None else left & right)
    return _merged(pairs, both)


def _merged(codes: Codes, masks: Sequence[Mask]) -> tuple[Codes, list[Mask]]:
    """One code for each mask."""
    import numpy as np

    numbers: dict[Mask, int] = {}
    renamed = np.array([numbers.setdefault(mask, len(numbers)) for mask in masks], np.int64)
    return renamed[codes], list(numbers)


# --- answers --------------------------------------------------------------------------------------------------------------------


def _array(values: Sequence[Value], type_: AnyType, numbers: pa.DataType) -> pa.Array:
    import pyarrow as pa

    kind = _arrow_type(type_, values, numbers)
    try:
        return pa.array([_converted(value, kind) for value in values], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError) as error:
        raise InvalidData(f"an answer does not fit the Arrow type {kind}: {error}") from error


def _arrow_type(type_: AnyType, values: Sequence[Value], numbers: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    type_ = base_of(type_)
    if type_ == ANY or (isinstance(type_, ContextType) and not type_.fields):
        return _inferred(values, numbers)
    if isinstance(type_, ListType):
        return pa.list_(_arrow_type(type_.element, [item for value in values if value is not None for item in value], numbers))
    if isinstance(type_, ContextType):
        known = [value for value in values if value is not None]
        return pa.struct([(name, _arrow_type(t, [v.get(name) for v in known], numbers)) for name, t in type_.fields.items()])
    simple = {NUMBER: numbers, BOOLEAN: pa.bool_(), DATE: pa.date32()}
    return simple.get(type_, pa.string()) if isinstance(type_, Type) else pa.string()


def _inferred(values: Sequence[Value], numbers: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.null()
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InvalidData(f"the decision has answers of different kinds ({names}): give it a type")
    kind = kinds.pop()
    known = [value for value in values if value is not None]
    if kind is list:
        return pa.list_(_inferred([item for value in known for item in value], numbers))
    if kind is dict:
        names_ = dict.fromkeys(name for value in known for name in value)
        return pa.struct([(name, _inferred([value.get(name) for value in known], numbers)) for name in names_])
    return {Decimal: numbers, bool: pa.bool_(), Date: pa.date32()}.get(kind, pa.string())


def _converted(value: Value, kind: pa.DataType) -> Any:
    from pyarrow import types

    if value is None or types.is_boolean(kind) or types.is_null(kind):
        return value
    if types.is_list(kind):
        return [_converted(item, kind.value_type) for item in value]
    if types.is_struct(kind):
        return {field.name: _converted(value.get(field.name), field.type) for field in kind}
    if types.is_date(kind):
        return date(value.year, value.month, value.day)
    if types.is_string(kind):
        return text(value)
    return float(value) if types.is_floating(kind) else value
