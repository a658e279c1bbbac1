"""A plan for a signature: worked out once, so that a request costs one typed decoding a field and one array a type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.decisions import ArrayColumn
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime.asked import Given
from modelyard.runtime.protocol import TensorIn
from modelyard.runtime.shapes import fits_shape, flattened

Values = Sequence[Any]
"""A value a row of one field; a vector's value is a list."""

Columns = Sequence[Values]
"""The values of each field in the order of the plan."""

Row = Sequence[Any]
"""One row: a value a field in the order of the plan."""

_FLOATS = {"FP16": 65504.0, "FP32": 3.4028234663852886e38, "FP64": None}
_NUMBERS: set[DataType] = {t for t in DataType if t not in (DataType.BOOL, DataType.BYTES)}
_WHOLE: set[DataType] = {t for t in _NUMBERS if t.value not in _FLOATS}
_MOST_SAID, _MOST_WHOLE = (1 << 63) - 1, (1 << 64) - 1
"""The greatest bound that a decoder takes, and the greatest UINT64."""
_MOST_ROWS = 1_000_000
_THE_VALUE = " - at `$[0]`"
_FEW_LISTS = _MANY_ROWS = 1000


class FieldPlan:
    """How the values of one field are read and checked."""

    def __init__(self, spec: FieldSpec) -> None:
        self.name = spec.name
        self.spec = spec
        self.size = prod(spec.shape)
        self.accepts = frozenset(t.value for t in _accepted(spec.type))
        item = _item_type(spec)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[item])  # type: ignore[valid-type]
        self._nested: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
        self.item = item
        one = list[item] if spec.shape else item  # type: ignore[valid-type]
        self._single: Any = msgspec.defstruct("Single", [("value", one)], array_like=True)
        self.check = _value_check(spec)
        self._plain = not spec.shape and self.check is None
        self._decode_fast = self._decoder.decode

    def quick(self, tensor: TensorIn, rows: int) -> list[Any] | None:
        """The values when they are so many unchecked scalars and nothing is wrong; None sends the tensor to `read`, which
        gives the same or says what is wrong. Nine requests in ten take this way."""
        if self._plain and tensor.datatype in self.accepts and tensor.shape == [rows]:
            try:
                values = self._decode_fast(tensor.data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return None
            if len(values) == rows:
                return values
        return None

    def take(self, given: Given) -> tuple[int, Values]:
        """How many rows, and a value for each. Raises InvalidInput naming the field."""
        if isinstance(given, TensorIn):
            return self.read(given)
        values = self._converted(given)
        if self.check is not None:
            self.check(list(chain.from_iterable(values)) if self.spec.shape else list(values))
        return len(values), values

    def sift(self, given: Given) -> tuple[int, Values, dict[int, InvalidInput]]:
        """As `take`; values that do not fit stay as they came, and are told by their row. Raises InvalidInput when no rows can be
        made of it."""
        try:
            return *self.take(given), {}
        except InvalidInput:
            values = self._raw(given)
        bad: dict[int, InvalidInput] = {}
        told: dict[str, InvalidInput] = {}
        for place, value in enumerate(values):
            try:
                values[place] = self._taken(value)
            except InvalidInput as error:  # one for all rows with the same fault, without its frames: they may be many
                bad[place] = told.get(error.detail) or told.setdefault(error.detail, self._again(error))
        return len(values), values, bad

    def _taken(self, value: Any) -> Any:
        """One row's value. Raises InvalidInput."""
        try:
            found = msgspec.convert([value], self._single).value
        except msgspec.ValidationError as error:
            raise self._wrong(f"is not right: {str(error).removesuffix(_THE_VALUE)}") from error
        if self.spec.shape and len(found) != self.size:
            raise self._wrong(f"should have {self.size} values a row")
        if self.check is not None:
            self.check(found if self.spec.shape else [found])
        return found

    @staticmethod
    def _again(error: InvalidInput) -> InvalidInput:
        return InvalidInput(error.detail, field=error.field, hint=error.hint)

    def _raw(self, given: Given) -> list[Any]:
        """A value a row, whatever it is."""
        if isinstance(given, np.ndarray):
            return self._listed(given)
        if not isinstance(given, TensorIn):
            return list(given)
        if given.datatype not in self.accepts:
            raise self._wrong(f"should be {self.spec.type}, not {given.datatype[:20]}")
        rows = self._rows(given.shape)
        flat = flattened(_untyped(self.name, given)[1])
        if len(flat) != rows * self.size:
            raise self._wrong(f"has {len(flat)} values, its shape asks for {rows * self.size}")
        return [flat[i : i + self.size] for i in range(0, len(flat), self.size)] if self.spec.shape else flat

    def _converted(self, given: np.ndarray[Any, Any] | list[Any]) -> Values:
        """Values that came with types of their own, as this field's: a vector flat, whatever its shape. An array of the field's
        own type stays one, so that neither model nor log pay for a list."""
        if isinstance(given, np.ndarray):
            if not fits_shape(given.shape[1:], self.spec.shape):
                raise self._wrong(
                    f"has shape {list(given.shape)[:8]}, should be [{', '.join(['rows', *map(str, self.spec.shape)])}]"
                )
            if given.dtype == self.spec.type.numpy and given.dtype.kind != "O":
                return ArrayColumn(given, bool(self.spec.shape))  # the form has seen to it that all numbers are finite
            given = self._listed(given)
        kind = list[list[self.item]] if self.spec.shape else list[self.item]  # type: ignore[name-defined]
        try:
            values: list[Any] = msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            raise self._wrong(f"is not right: {error}") from error
        if self.spec.shape and any(len(value) != self.size for value in values):
            raise self._wrong(f"should have {self.size} values a row")
        return values

    def _listed(self, given: np.ndarray[Any, Any]) -> list[Any]:
        """A value a row; small floats of the field's own type as who writes JSON would write them."""
        if given.dtype == self.spec.type.numpy and given.dtype.kind != "O":
            return list(ArrayColumn(given, bool(self.spec.shape)))
        flat: list[Any] = given.reshape(-1).tolist()
        size = len(flat) // max(1, len(given)) or 1
        return [flat[i : i + size] for i in range(0, len(flat), size)] if self.spec.shape else flat

    def read(self, tensor: TensorIn) -> tuple[int, list[Any]]:
        """How many rows, and a value for each. Raises InvalidInput naming the field."""
        if tensor.datatype not in self.accepts:
            raise self._wrong(f"should be {self.spec.type}, not {tensor.datatype[:20]}")
        rows = self._rows(tensor.shape)
        values = self._decode(tensor.data, max(2, len(tensor.shape)) * rows * self.size)
        if len(values) != rows * self.size:
            raise self._wrong(f"has {len(values)} values, its shape asks for {rows * self.size}")
        if self.check is not None:
            self.check(values)
        if self.spec.shape:
            values = [values[i : i + self.size] for i in range(0, len(values), self.size)]
        return rows, values

    def _rows(self, shape: list[int]) -> int:
        if not shape or min(shape) < 1 or not fits_shape(shape[1:], self.spec.shape):
            wanted = ", ".join(["rows", *map(str, self.spec.shape)])
            raise self._wrong(f"has shape {shape[:8]}, should be [{wanted}] with at least one row")
        if shape[0] > _MOST_ROWS:
            raise self._wrong(f"has {shape[0]} rows, at most {_MOST_ROWS} are taken")
        return shape[0]

    def _decode(self, data: msgspec.Raw, most_lists: int) -> list[Any]:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if self.spec.type is not DataType.BYTES and bytes(data).count(b"[") > most_lists + _FEW_LISTS:
                raise self._wrong("has more lists than its shape needs") from error
            flat = self._flattened(data)
            if flat is None:
                raise self._wrong(f"is not right: {error}") from error
            return flat

    def _flattened(self, data: msgspec.Raw) -> list[Any] | None:
        """The protocol allows nested lists in row-major order as well; None when it is not that either."""
        try:
            return msgspec.convert(flattened(self._nested.decode(data)), list[self.item])  # type: ignore[name-defined]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _wrong(self, detail: str) -> InvalidInput:
        return InvalidInput(f"input {self.name!r} {detail}", field=self.name)


class InputPlan:
    """Reads requests for one signature's inputs, and makes batches of what it read."""

    def __init__(self, signature: Signature) -> None:
        self.fields = {spec.name: FieldPlan(spec) for spec in signature.inputs}
        self.names = list(self.fields)
        self.specs = signature.inputs
        self._blocks = _blocks(signature.inputs)

    def read(self, given: Mapping[str, Given]) -> tuple[int, Columns]:
        """How many rows, and the columns. Raises InvalidInput naming the field that is missing or wrong."""
        columns: list[Values] = []
        rows = 0
        for name, field in self.fields.items():
            value = given.get(name)
            if value is None:
                raise InvalidInput(f"input {name!r} is missing", field=name, hint=f"needed: {', '.join(self.names)}")
            quick = field.quick(value, rows) if isinstance(value, TensorIn) else None
            count, values = (rows, quick) if quick is not None else field.take(value)
            if columns and count != rows:
                raise InvalidInput(f"input {name!r} has {count} rows, {self.names[0]!r} has {rows}", field=name)
            rows = count
            columns.append(values)
        return rows, columns

    def sift(self, given: Mapping[str, Given], rows: int) -> tuple[int, Columns, dict[int, InvalidInput]]:
        """As `read`, but rows that do not fit are told by their place (what is wrong first) and hurt no others.
        Raises InvalidInput when something is wrong with all of them."""
        columns: list[Values] = []
        bad: dict[int, InvalidInput] = {}
        for name, field in self.fields.items():
            value = given.get(name)
            if value is None:
                raise InvalidInput(f"input {name!r} is missing", field=name, hint=f"needed: {', '.join(self.names)}")
            count, values, wrong = field.sift(value)
            if count != rows:
                raise InvalidInput(f"input {name!r} has {count} rows, others have {rows}", field=name)
            columns.append(values)
            bad = wrong | bad
        return rows, columns, bad

    def batch_of_rows(self, rows: Sequence[Row]) -> Batch:
        """As `batch`, of single rows."""
        if len(self._blocks) > 1:
            return self.batch([list(column) for column in zip(*rows, strict=True)])
        block = np.array(rows, dtype=self._blocks[0][0])
        return {name: block[:, place] for place, name in enumerate(self.names)}

    def batch(self, columns: Columns) -> Batch:
        """The columns as arrays: one conversion for all scalar fields of a type, unless the rows are many: nothing is gained
        then, and a conversion does not let go of the interpreter."""
        batch: Batch = {}
        if columns and len(columns[0]) > _MANY_ROWS:
            return {self.names[n]: _array(columns[n], dtype) for dtype, places in self._blocks for n in places}
        for dtype, places in self._blocks:
            listed = [place for place in places if not isinstance(columns[place], ArrayColumn)]
            block: Iterable[Any] = np.array([columns[place] for place in listed], dtype=dtype) if listed else ()
            batch |= zip([self.names[place] for place in listed], block, strict=True)
            batch |= {self.names[n]: _array(columns[n], dtype) for n in places if isinstance(columns[n], ArrayColumn)}
        return batch


def _blocks(specs: Sequence[FieldSpec]) -> list[tuple[Any, list[int]]]:
    """Fields that can share one conversion: same array type, same shape. Whole numbers with nulls stay Python objects."""
    groups: dict[tuple[Any, tuple[int, ...]], list[int]] = {}
    for place, spec in enumerate(specs):
        dtype = np.dtype(object) if spec.nullable and spec.type.numpy.kind in "iub" else spec.type.numpy
        groups.setdefault((dtype, spec.shape), []).append(place)
    return [(dtype, places) for (dtype, _), places in groups.items()]


def _array(values: Values, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The values as an array of the model's own: it may write into it."""
    if not isinstance(values, ArrayColumn):
        return np.array(values, dtype=dtype)
    rows = len(values)
    return np.array(values.array.reshape((rows, -1) if values.vector else rows), dtype=dtype)


def merged(parts: Sequence[Columns]) -> Columns:
    """The columns of several requests one after another."""
    if len(parts) == 1:
        return parts[0]
    return [_joined(column) for column in zip(*parts, strict=True)]


def _joined(values: Sequence[Values]) -> Values:
    arrays = [some.array.reshape(len(some), -1) for some in values if isinstance(some, ArrayColumn)]
    if len(arrays) < len(values) or not isinstance(values[0], ArrayColumn):
        return list(chain.from_iterable(values))
    return ArrayColumn(np.concatenate(arrays), values[0].vector)


def rows_of(columns: Columns, places: Sequence[int]) -> Columns:
    """Some rows of the columns."""
    return [column.some(places) if isinstance(column, ArrayColumn) else [column[place] for place in places] for column in columns]


def untyped(given: Mapping[str, Given]) -> tuple[int, list[str], Columns]:
    """Rows and columns of a request nobody has a signature for (an endpoint that lives on its constant alone)."""
    rows = 0
    columns: list[Values] = []
    for name, value in given.items():
        count, values = _untyped(name, value)
        if len(values) != count or not count or (columns and count != rows):
            raise InvalidInput(f"input {name!r:.80}: shape and data do not fit", field=name, hint="one value a row")
        rows = count
        columns.append(values)
    return rows, list(given), columns


def _untyped(name: str, value: Given) -> tuple[int, list[Any]]:
    if not isinstance(value, TensorIn):
        plain: list[Any] = value.tolist() if isinstance(value, np.ndarray) else value
        return len(plain), plain
    try:
        values = msgspec.json.decode(value.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"input {name!r:.80} is not right: {error}", field=name) from error
    return (value.shape[0] if value.shape else 0), values if isinstance(values, list) else []


def _accepted(kind: DataType) -> set[DataType]:
    if kind not in _NUMBERS:
        return {kind}
    return set(_WHOLE) if kind in _WHOLE else set(_NUMBERS)


def _item_type(spec: FieldSpec) -> Any:
    kind = spec.type
    item: Any
    if kind is DataType.BOOL:
        item = bool
    elif kind is DataType.BYTES:
        item = str
    elif kind.value in _FLOATS:
        limit = _FLOATS[kind.value]
        item = float if limit is None else Annotated[float, msgspec.Meta(ge=-limit, le=limit)]
    else:
        info = np.iinfo(kind.numpy.name)
        small = int(info.max) <= _MOST_SAID  # a larger bound is for `_value_check`
        item = Annotated[int, msgspec.Meta(ge=int(info.min), le=int(info.max) if small else None)]
    return item | None if spec.nullable else item


def _value_check(spec: FieldSpec) -> Callable[[list[Any]], None] | None:
    top = _MOST_WHOLE if spec.type is DataType.UINT64 else None
    if spec.allowed is None and spec.minimum is None and spec.maximum is None and top is None:
        return None
    allowed = None if spec.allowed is None else frozenset(spec.allowed)
    low = -float("inf") if spec.minimum is None else spec.minimum
    high = min(bound for bound in (spec.maximum, top, float("inf")) if bound is not None)
    bounded = spec.minimum is not None or spec.maximum is not None or top is not None

    def check(values: list[Any]) -> None:
        present = [v for v in values if v is not None] if spec.nullable else values
        if allowed is not None and not allowed.issuperset(present):
            strange = next(v for v in present if v not in allowed)
            raise InvalidInput(f"input {spec.name!r}: {strange!r:.60} is not an allowed value", field=spec.name)
        if bounded and present and not (low <= min(present) and max(present) <= high):
            raise InvalidInput(f"input {spec.name!r} is outside {low:g} to {high:g}", field=spec.name)

    return check
