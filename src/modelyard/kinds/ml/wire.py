"""The protocol buffer wire format (protobuf.dev/programming-guides/encoding), read-only and bounded: no generated code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from modelyard.core.errors import InvalidArtifact

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message: its number, its wire type, and an integer or a view of its bytes."""

    number: int
    wire: int
    value: int | memoryview

    def message(self) -> memoryview:
        """The bytes of an embedded message, text or packed list. Raises InvalidArtifact for a number."""
        if isinstance(self.value, int):
            raise InvalidArtifact(f"field {self.number} should hold bytes", field="artifact")
        return self.value

    def integer(self) -> int:
        """A number, as two's complement. Raises InvalidArtifact for bytes."""
        if not isinstance(self.value, int):
            raise InvalidArtifact(f"field {self.number} should hold a number", field="artifact")
        return self.value - (1 << 64) if self.value >= 1 << 63 else self.value

    def text(self) -> str:
        """UTF-8 text. Raises InvalidArtifact when it is none."""
        try:
            return bytes(self.message()).decode()
        except UnicodeDecodeError as error:
            raise InvalidArtifact(f"field {self.number} is not text", field="artifact") from error


def fields(view: memoryview, skip: re.Pattern[bytes] | None = None) -> Iterator[Field]:
    """The fields of one message in order. Raises InvalidArtifact when the bytes are not a whole message.

    `skip` matches runs of whole fields that nobody wants: it is tried before each field, and what it matches is passed over.
    """
    position = 0
    while position < len(view):
        if skip is not None and (run := skip.match(view, position)) is not None:
            position = run.end()
            continue
        key, position = _varint(view, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _corrupt("a field with number 0")
        if wire == VARINT:
            value, position = _varint(view, position)
            yield Field(number, wire, value)
            continue
        length, position = _length(view, position, wire)
        end = position + length
        if end > len(view):
            raise _corrupt("a field is cut short")
        yield Field(number, wire, view[position:end])
        position = end


def _length(view: memoryview, position: int, wire: int) -> tuple[int, int]:
    if wire == BYTES:
        return _varint(view, position)
    if wire == FIXED64:
        return 8, position
    if wire == FIXED32:
        return 4, position
    raise _corrupt(f"wire type {wire} is not allowed")


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if position >= len(view):
            raise _corrupt("a number is cut short")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
        shift += 7
    raise _corrupt("a number is too long")


def _corrupt(why: str) -> InvalidArtifact:
    return InvalidArtifact(f"not a whole protocol buffer message: {why}", field="artifact")
