"""What parent and child say to each other: a fixed prefix, a JSON header, and the raw bytes of the columns. Never pickle.

    prefix   magic, number of the question, length of the header, length of the body (16 bytes, little-endian)
    header   {"ask": …} or {"answer": …}, with "columns": [[name, type, shape], …] when there is a body
    body     each column in the order of the header: numbers little-endian at a multiple of their size; text as a length of
             8 bytes and a JSON list

A header depends on names, types and shapes only, so that both sides keep the ones they have seen: for the same kind of batch
nothing is encoded or parsed again. Without NumPy a column is a list (of lists, for a shape), with it an array.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

np: Any
try:
    import numpy as np
except ImportError:  # the model's environment has none
    np = None

MAGIC = b"MYW1"
PREFIX = struct.Struct("<4sIII")
MAX_HEADER = 64 << 20
MAX_BODY = 1 << 30
TEXT = "text"
_LENGTH = struct.Struct("<Q")
_CODES = {
    "|b1": "?", "|i1": "b", "|u1": "B", "<i2": "h", "<u2": "H", "<i4": "i", "<u4": "I", "<i8": "q", "<u8": "Q",
    "<f2": "e", "<f4": "f", "<f8": "d",
}  # fmt: skip
_SIZES = {kind: struct.calcsize("<" + code) for kind, code in _CODES.items()}
_RECEIVED_AT_ONCE = 1 << 16
_KEPT = 256

Column = tuple[str, str, tuple[int, ...]]


class Garbled(EOFError):
    """The other side broke the rules of this format, or has gone."""


class _Plan(NamedTuple):
    """How the columns of a header lie in the body: for each its name, type, shape, number of values; the body's length unless
    there is text among them; the names, when all are rows of one type and so a matrix lying on its side."""

    columns: tuple[tuple[str, str, tuple[int, ...], int], ...]
    size: int | None
    alike: tuple[str, ...] | None


class Message(NamedTuple):
    """One frame: its number, its parsed header, and its columns."""

    number: int
    header: Mapping[str, Any]
    columns: dict[str, Any]


def frame(number: int, header: bytes, body: Sequence[Any] = ()) -> bytes:
    """A frame. Raises ValueError beyond 1 GiB."""
    size = sum(map(len, body))
    if size > MAX_BODY or len(header) > MAX_HEADER:
        raise ValueError(f"a message of {size + len(header)} bytes, at most {MAX_BODY}")
    return b"".join((PREFIX.pack(MAGIC, number & 0xFFFFFFFF, len(header), size), header, *body))


def plain(number: int, header: Mapping[str, Any]) -> bytes:
    """A frame of a header alone."""
    return frame(number, json.dumps(header).encode())


def columns(number: int, word: str, value: str, batch: Mapping[str, Any], also: str = "") -> bytes:
    """A frame with a batch: `word` is `ask` or `answer`, `also` is the JSON of more members of the header."""
    matrix = _alike(batch) if np is not None and len(batch) > 1 else None
    if matrix is not None:
        kind, rows = matrix.dtype.str, len(matrix) // len(batch)
        return frame(number, _header_alike(word, value, tuple(batch), kind, rows, also), (matrix.tobytes(),))
    names, parts = _packed(batch)
    return frame(number, _header(word, value, names, also), parts)


@lru_cache(maxsize=_KEPT)
def _header(word: str, value: str, names: tuple[Column, ...], also: str) -> bytes:
    more = json.loads(also) if also else {}
    found = json.dumps({word: value, "columns": [[n, k, list(s)] for n, k, s in names], **more}).encode()
    return found + b" " * (-len(found) % 8)  # so that the body, and every column in it, lies where engines want numbers to lie


@lru_cache(maxsize=_KEPT)
def _header_alike(word: str, value: str, names: tuple[str, ...], kind: str, rows: int, also: str) -> bytes:
    return _header(word, value, tuple((name, kind, (rows,)) for name in names), also)


def _alike(batch: Mapping[str, Any]) -> Any:
    """The columns one after the other, when all are plain numbers of one type: the usual case, and several times quicker."""
    values = list(batch.values())
    kinds = [getattr(value, "dtype", None) for value in values]
    if kinds.count(kinds[0]) != len(kinds) or getattr(kinds[0], "str", None) not in _CODES:
        return None
    return np.concatenate(values) if {value.shape for value in values} == {(len(values[0]),)} else None


def _packed(batch: Mapping[str, Any]) -> tuple[tuple[Column, ...], list[bytes]]:
    names: list[Column] = []
    parts: list[bytes] = []
    place = 0
    for name, value in batch.items():
        kind, shape, data, size = _column(value)
        if kind != TEXT and size > 1 and place % size:
            pad = -place % size
            parts.append(bytes(pad))
            place += pad
        names.append((name, kind, shape))
        parts.append(data)
        place += len(data)
    return tuple(names), parts


def _column(value: Any) -> tuple[str, tuple[int, ...], bytes, int]:
    """Type, shape, bytes and size of one value."""
    if np is None or not isinstance(value, np.ndarray):
        return _listed(value)
    kind = value.dtype.str
    if kind in _CODES:
        return kind, value.shape, value.tobytes(), value.dtype.itemsize
    if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        value = value.astype(value.dtype.newbyteorder("<"))
        return value.dtype.str, value.shape, value.tobytes(), value.dtype.itemsize
    if value.dtype.kind == "f":
        return _column(value.astype("<f8"))
    if value.dtype.kind not in "OUST":
        raise ValueError(f"a column of {value.dtype}")
    return TEXT, value.shape, _text(value.astype(object).ravel().tolist()), 1


def _text(values: list[Any]) -> bytes:
    said = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values]
    found = json.dumps([v if v is None or isinstance(v, (str, int, float)) else str(v) for v in said]).encode()
    return _LENGTH.pack(len(found)) + found


def _listed(value: Any) -> tuple[str, tuple[int, ...], bytes, int]:
    """The same for a list of Python values."""
    shape: list[int] = []
    flat = list(value)
    while True:
        shape.append(len(flat) if not shape else (len(flat) // _size(shape) if flat else 0))
        if not flat or not isinstance(flat[0], (list, tuple)):
            break
        flat = [inner for outer in flat for inner in outer]
    kind = _kind_of(flat)
    if kind == TEXT:
        return TEXT, tuple(shape), _text(flat), 1
    return kind, tuple(shape), struct.pack(f"<{len(flat)}{_CODES[kind]}", *flat), _SIZES[kind]


def _kind_of(flat: list[Any]) -> str:
    if all(isinstance(v, bool) for v in flat):
        return "|b1"
    if all(isinstance(v, int) and not isinstance(v, bool) for v in flat):
        return "<i8"
    return "<f8" if all(isinstance(v, (int, float)) for v in flat) else TEXT


def _size(shape: Sequence[int]) -> int:
    found = 1
    for length in shape:
        found *= length
    return found


class Reader:
    """Frames from a socket: `receive_into` fills a buffer and says how much came (0: the other side has gone).

    One call of the system is enough for a small frame. Every frame's body is memory of its own, so that a model may keep or
    change what it was given.
    """

    def __init__(self, receive_into: Callable[[memoryview], int]) -> None:
        self._receive = receive_into
        self._scratch = memoryview(bytearray(_RECEIVED_AT_ONCE))
        self._have = 0
        self._seen: dict[bytes, tuple[Mapping[str, Any], _Plan]] = {}

    @property
    def leftover(self) -> int:
        """Bytes that came after the last frame."""
        return self._have

    def next(self) -> Message:
        """The next frame. Raises Garbled when there is none or it breaks the rules."""
        while self._have < PREFIX.size:
            self._more()
        magic, number, header_size, body_size = PREFIX.unpack_from(self._scratch)
        if magic != MAGIC or header_size > MAX_HEADER or body_size > MAX_BODY:
            raise Garbled("what came is no frame")
        return self._rest(number, header_size, PREFIX.size + header_size + body_size)

    def _rest(self, number: int, header_size: int, size: int) -> Message:
        if size <= len(self._scratch):
            while self._have < size:
                self._more()
            whole = bytearray(self._scratch[:size])
            rest = self._have - size
            if rest:
                self._scratch[:rest] = bytes(self._scratch[size : self._have])
            self._have = rest
        else:
            whole = self._large(size)
        start = PREFIX.size
        header, plan = self._parsed(bytes(whole[start : start + header_size]))
        return Message(number, header, _unpacked(plan, memoryview(whole)[start + header_size :]))

    def _more(self) -> None:
        came = self._receive(self._scratch[self._have :])
        if not came:
            raise Garbled("the other side has gone")
        self._have += came

    def _large(self, size: int) -> bytearray:
        whole = bytearray(size)
        view = memoryview(whole)
        place = min(self._have, size)
        view[:place] = self._scratch[:place]
        self._have = 0
        while place < size:
            came = self._receive(view[place:])
            if not came:
                raise Garbled("the other side has gone")
            place += came
        return whole

    def _parsed(self, header: bytes) -> tuple[Mapping[str, Any], _Plan]:
        known = self._seen.get(header)
        if known is None:
            known = _parse(header)
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            if "columns" in known[0]:
                self._seen[header] = known
        return known


def _parse(header: bytes) -> tuple[Mapping[str, Any], _Plan]:
    try:
        found = json.loads(header)
        if not isinstance(found, dict):
            raise Garbled("a header that is no object")
        return found, _plan(found.get("columns") or [])
    except (ValueError, TypeError, RecursionError) as error:
        raise Garbled(f"a header that cannot be read: {error}") from error


def _plan(described: Any) -> _Plan:
    found = []
    total: int | None = 0
    for name, kind, given in described:
        shape = tuple(int(length) for length in given)
        if not isinstance(name, str) or any(length < 0 for length in shape) or (kind != TEXT and kind not in _CODES):
            raise Garbled("a column that cannot be read")
        count = _size(shape)
        found.append((name, kind, shape, count))
        if kind == TEXT or total is None:
            total = None
        else:
            total += -total % _SIZES[kind] + count * _SIZES[kind]
    kinds = {(kind, shape) for _, kind, shape, _ in found}
    alike = np is not None and len(found) > 1 and len(kinds) == 1 and total is not None and len(found[0][2]) == 1
    return _Plan(tuple(found), total, tuple(name for name, *_ in found) if alike else None)


def _unpacked(plan: _Plan, body: memoryview) -> dict[str, Any]:
    if plan.size is not None and plan.size != len(body):
        raise Garbled("a body of another length than its header says")
    if plan.alike is not None:
        _, kind, _, rows = plan.columns[0]
        return dict(zip(plan.alike, np.frombuffer(body, kind).reshape(len(plan.alike), rows)))  # noqa: B905  3.9 has no `strict`
    found: dict[str, Any] = {}
    place = 0
    for name, kind, shape, count in plan.columns:
        if kind == TEXT:
            found[name], place = _text_column(body, place, shape, count)
            continue
        size = _SIZES[kind]
        place += -place % size
        if place + count * size > len(body):
            raise Garbled("a body that ends early")
        found[name] = _numbers(body, kind, count, place, shape)
        place += count * size
    if place != len(body):
        raise Garbled("a body of another length than its header says")
    return found


def _numbers(body: memoryview, kind: str, count: int, place: int, shape: tuple[int, ...]) -> Any:
    if np is None:
        return _nested(list(struct.unpack_from(f"<{count}{_CODES[kind]}", body, place)), shape)
    found = np.frombuffer(body, kind, count, place)
    return found if len(shape) == 1 else found.reshape(shape)


def _text_column(body: memoryview, place: int, shape: tuple[int, ...], count: int) -> tuple[Any, int]:
    if place + _LENGTH.size > len(body):
        raise Garbled("a body that ends early")
    (length,) = _LENGTH.unpack_from(body, place)
    place += _LENGTH.size
    if place + length > len(body):
        raise Garbled("a body that ends early")
    try:
        values = json.loads(bytes(body[place : place + length]))
    except (ValueError, RecursionError) as error:
        raise Garbled(f"a text column that cannot be read: {error}") from error
    if not isinstance(values, list) or len(values) != count:
        raise Garbled("a text column of another length than its header says")
    if np is None:
        return _nested(values, shape), place + length
    column = np.empty(count, dtype=object)
    column[:] = values
    return column.reshape(shape), place + length


def _nested(flat: list[Any], shape: tuple[int, ...]) -> list[Any]:
    for length in reversed(shape[1:]):
        flat = [flat[i : i + length] for i in range(0, len(flat), length)] if length else []
    return flat
