"""JSON objects with the same fields that are not written as text yet: whoever reads them pays for the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput

_encoder = msgspec.json.Encoder()


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
