"""Universal Binary JSON (ubjson.org, draft 12), read-only, as far as XGBoost writes it; typed arrays become numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelyard.core.errors import InvalidArtifact

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_MAX_DEPTH = 64
_MAX_ITEMS = 5_000_000


def loads(data: bytes) -> Any:
    """The value that the bytes hold, whole. Raises InvalidArtifact when they are cut short, followed by others or malformed."""
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.position != len(data):
        raise _corrupt("other bytes follow its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.items = data, 0, 0

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.position:
            raise _corrupt("cut short")
        self.position += count
        return self.data[self.position - count : self.position]

    def marker(self) -> str:
        while (found := self.take(1)) == b"N":
            pass
        return found.decode("latin-1")

    def value(self, marker: str, depth: int) -> Any:
        self.items += 1
        if depth > _MAX_DEPTH or self.items > _MAX_ITEMS:
            raise _corrupt("nested too deep or too many values")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _NUMBERS:
            return self.number(marker)
        if marker == "S":
            return self.text()
        if marker == "C":
            return self.take(1).decode("latin-1")
        if marker == "[":
            return self.array(depth)
        if marker == "{":
            return self.object(depth)
        raise _corrupt(f"unknown marker {marker!r}")

    def number(self, marker: str) -> int | float:
        dtype = np.dtype(_NUMBERS[marker])
        value: int | float = np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()
        return value

    def length(self) -> int:
        marker = self.marker()
        if marker not in "iUIlL":
            raise _corrupt("a length that is not a whole number")
        length = self.number(marker)
        if length < 0:
            raise _corrupt("a negative length")
        return int(length)

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError as error:
            raise _corrupt("text that is not UTF-8") from error

    def header(self) -> tuple[str | None, int | None]:
        """Optional type and count of a container."""
        kind = count = None
        if self.data[self.position : self.position + 1] == b"$":
            self.take(1)
            kind = self.marker()
        if self.data[self.position : self.position + 1] == b"#":
            self.take(1)
            count = self.length()
        if kind is not None and count is None:
            raise _corrupt("a typed container without a count")
        return kind, count

    def array(self, depth: int) -> Any:
        kind, count = self.header()
        if kind is not None and kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * dtype.itemsize), dtype)
        if count is not None:
            self.expect(count)
            return [self.value(kind or self.marker(), depth + 1) for _ in range(count)]
        found = []
        while (marker := self.marker()) != "]":
            found.append(self.value(marker, depth + 1))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        found: dict[str, Any] = {}
        if count is not None:
            self.expect(count)
        while count is None or count > 0:
            if count is None and self.data[self.position : self.position + 1] == b"}":
                self.take(1)
                break
            key = self.text()
            found[key] = self.value(kind or self.marker(), depth + 1)
            count = None if count is None else count - 1
        return found

    def expect(self, count: int) -> None:
        if count > len(self.data) - self.position + 1:
            raise _corrupt("cut short")


def _corrupt(why: str) -> InvalidArtifact:
    return InvalidArtifact(f"not a whole UBJSON value: {why}", field="artifact")
