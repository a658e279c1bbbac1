"""JSON objects with the same fields that are not written as text yet: whoever reads them pays for the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.decisions import decimals

_encoder = msgspec.json.Encoder()

Array = np.ndarray[Any, Any]


class ArrayColumn(Sequence[Any]):
    """A value a row of a field, as the array that it came in; a list of them is made when somebody looks. A vector's value is a
    flat list; floats of less than 64 bits are told as the decimals that people wrote (`decimals`). Finite numbers or booleans."""

    __slots__ = ("_values", "array", "vector")

    def __init__(self, array: Array, vector: bool) -> None:
        """The array's first axis is the rows; `vector` says whether a row's value is a list."""
        self.array, self.vector = array, vector
        self._values: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: Any) -> Any:
        return self.values()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def values(self) -> list[Any]:
        """A value a row."""
        if self._values is None:
            flat: list[Any] = decimals.short(self.array) if self.array.dtype.kind == "f" else self.array.reshape(-1).tolist()
            size = len(flat) // max(1, len(self.array)) or 1
            self._values = [flat[i : i + size] for i in range(0, len(flat), size)] if self.vector else flat
        return self._values

    def some(self, places: Sequence[int]) -> ArrayColumn:
        """The column of those rows."""
        return ArrayColumn(self.array[places], self.vector)

    def packed(self) -> tuple[str, int, bool, bytes]:
        """What `unpacked` makes the column of."""
        plain = self.array.astype(self.array.dtype.newbyteorder("<"), copy=False)
        return plain.dtype.str, len(plain), self.vector, plain.tobytes()

    @classmethod
    def unpacked(cls, kind: str, rows: int, vector: bool, data: bytes) -> ArrayColumn:
        """The column that was packed. Raises ValueError when the bytes are not such a column."""
        array = np.frombuffer(data, np.dtype(kind))
        return cls(array.reshape(rows, -1) if vector else array, vector)


class Objects(Sequence[bytes]):
    """Objects by the names of their fields and, for each, a value a field. As a sequence: their text."""

    __slots__ = ("_texts", "names", "rows")

    def __init__(self, names: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        self.names, self.rows = names, rows
        self._texts: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.texts()[place]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.texts())

    def texts(self) -> list[bytes]:
        """Each as JSON. Raises InvalidInput when a value has no such text."""
        if self._texts is None:
            line = _line(self.names)
            try:
                self._texts = json_lines([line(*row) for row in self.rows])
            except (UnicodeEncodeError, OverflowError, TypeError) as error:
                raise InvalidInput(f"a value cannot be written as JSON: {error}") from error
        return self._texts


class ColumnObjects(Objects):
    """As `Objects`, from a column a field."""

    __slots__ = ("_length", "columns")

    def __init__(self, names: tuple[str, ...], columns: Sequence[Sequence[Any]], count: int) -> None:
        super().__init__(names, ())
        self.columns, self._length = columns, count

    def __len__(self) -> int:
        return self._length

    def texts(self) -> list[bytes]:
        """See `Objects.texts`."""
        if not self.rows:
            self.rows = list(zip(*self.columns, strict=True)) if self.columns else [()] * self._length
        return super().texts()


def json_lines(values: Sequence[Any]) -> list[bytes]:
    """Each value as JSON, written in one call."""
    return _encoder.encode_lines(values).split(b"\n")[:-1]


@lru_cache(maxsize=1024)
def _line(names: tuple[str, ...]) -> Any:
    """Makes what has the JSON of an object with these fields: quicker to write than a dict, where the names need no escapes."""
    if any(msgspec.json.encode(name) != f'"{name}"'.encode() for name in names):
        return lambda *row: dict(zip(names, row, strict=True))
    fields = [f"f{place}" for place in range(len(names))]
    rename = dict(zip(fields, names, strict=True))
    return msgspec.defstruct("Line", [(field, Any) for field in fields], rename=rename, gc=False)
