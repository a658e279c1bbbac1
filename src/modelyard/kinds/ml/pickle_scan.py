"""Reads a pickle without running it: a symbolic pickle machine that lists every import and rejects what it cannot follow.

All opcodes are followed with a stack and a memo, so that the arguments of `STACK_GLOBAL` are known however they were put
there. joblib writes array data between opcodes; after `BUILD` of a `NumpyArrayWrapper` the machine computes how many bytes
follow and skips them, or follows the nested pickle of an object array. Anything unresolved, unknown or left over is an error:
a stream that cannot be parsed entirely is not a model.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidArtifact

_MAX_DEPTH = 8
_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_ERRORS = (ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, AttributeError, struct.error)


@dataclass(frozen=True)
class Import:
    """A `module.name` that the pickle asks for."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Made:
    """An object that running the pickle would make: what is called, with what, and the state set on it."""

    maker: Any
    args: Any
    state: Any = None


@dataclass
class Pairs:
    """A dict under construction."""

    items: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: str) -> Any:
        """The last value given to a text key, or None."""
        return next((v for k, v in reversed(self.items) if isinstance(k, str) and k == key), None)


@dataclass(frozen=True)
class Scan:
    """What a pickle stream asks for; `wrapped` tells a joblib file from a plain pickle."""

    imports: frozenset[Import]
    wrapped: bool
    protocol: int


class _Mark:
    """The marker object of the pickle machine."""


_MARK = _Mark()


def scan(data: bytes) -> Scan:
    """Every import of a whole pickle or joblib stream. Raises InvalidArtifact when it cannot be followed to its last byte."""
    stream = BytesIO(data)
    imports: set[Import] = set()
    try:
        machine = _Machine(stream, imports, 0)
        machine.run()
    except _ERRORS as error:
        raise InvalidArtifact(
            f"the pickle cannot be read to its end: {error or type(error).__name__} (byte {stream.tell()})", field="artifact"
        ) from error
    if stream.tell() != len(data):
        raise InvalidArtifact(f"{len(data) - stream.tell()} bytes follow the end of the pickle", field="artifact")
    return Scan(frozenset(imports), machine.wrapped, machine.protocol)


class _Machine:
    def __init__(self, stream: BytesIO, imports: set[Import], depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("pickles nested too deep")
        self.stream, self.imports, self.depth = stream, imports, depth
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.protocol = 0
        self.wrapped = False
        self.frame_end: int | None = None

    def run(self) -> None:
        """Follow the opcodes up to STOP; the stream is then right behind it."""
        stopped = False
        for opcode, argument, position in pickletools.genops(self.stream):
            begins = self.protocol == 0
            if begins and (opcode.name != "PROTO" or argument not in range(2, 6)):
                raise ValueError("it does not begin with protocol 2 to 5")
            self._frame(opcode.name, argument, position or 0)
            stopped = opcode.name == "STOP"
            self._step(opcode.name, argument)
        if not stopped or self.stack:
            raise ValueError("it does not end with one object")

    def _frame(self, name: str, argument: Any, start: int) -> None:
        """Frames must hold whole opcodes, so that every reader sees the same opcodes as this one."""
        here = self.stream.tell()
        if self.frame_end is not None and start >= self.frame_end:
            self.frame_end = None
        if self.frame_end is not None and (here > self.frame_end or name == "FRAME"):
            raise ValueError("an opcode crosses the end of its frame")
        if name == "FRAME":
            self.frame_end = here + int(argument)

    def _step(self, name: str, argument: Any) -> None:
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _CONSTANT:
            self.stack.append(_CONSTANT[name])
        elif name in _NOTHING:
            self._nothing(name, argument)
        else:
            handler = _HANDLERS.get(name)
            if handler is None:
                raise ValueError(f"opcode {name} is not allowed")
            handler(self, argument)

    def _nothing(self, name: str, argument: Any) -> None:
        if name == "PROTO":
            self.protocol = int(argument)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def top(self) -> Any:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where a value should be")
        return self.stack[-1]

    def to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def add_import(self, module: Any, name: Any) -> Import:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("an import whose name is not a plain text")
        found = Import(module, name)
        self.imports.add(found)
        return found

    def build(self, _: Any) -> None:
        state = self.pop()
        made = self.top()
        if not isinstance(made, Made):
            return
        made.state = state
        if isinstance(made.maker, Import) and (made.maker.module, made.maker.name) == _WRAPPER:
            self.wrapped = True
            self.skip_array(state)

    def skip_array(self, state: Any) -> None:
        """Move behind the array data that joblib writes after a wrapper (`NumpyArrayWrapper.write_array`)."""
        if not isinstance(state, Pairs):
            raise ValueError("an array wrapper without a plain state")
        if self.frame_end is not None and self.stream.tell() != self.frame_end:
            raise ValueError("array data inside a frame")
        self.frame_end = None
        dtype = _dtype(state.get("dtype"))
        if dtype.hasobject:
            _Machine(self.stream, self.imports, self.depth + 1).run()
            return
        self._skip_padding(state.get("numpy_array_alignment_bytes"))
        self._skip(_count(state.get("shape")) * dtype.itemsize)

    def _skip_padding(self, alignment: Any) -> None:
        if alignment is not None:
            length = self.stream.read(1)
            self._skip(length[0])

    def _skip(self, count: int) -> None:
        left = len(self.stream.getbuffer()) - self.stream.tell()
        if count > left:
            raise ValueError("the array data is cut short")
        self.stream.seek(count, 1)


def _dtype(value: Any) -> np.dtype[Any]:
    """The dtype that a pickled `numpy.dtype(…)` stands for."""
    if not isinstance(value, Made) or value.maker != Import("numpy", "dtype"):
        raise ValueError("an array of a type that cannot be read")
    if not isinstance(value.args, tuple) or not value.args or not isinstance(value.args[0], str):
        raise ValueError("an array of a type that cannot be read")
    dtype = np.dtype(value.args[0])
    if isinstance(value.state, tuple) and len(value.state) > 5:
        _check_record(value.state, dtype)
    return dtype


def _check_record(state: tuple[Any, ...], dtype: np.dtype[Any]) -> None:
    """The state of a dtype (version, order, subtype, names, fields, size, …) may describe records, but of plain numbers only."""
    _, _, subtype, names, members, size, *_ = state
    if subtype is not None:
        raise ValueError("an array of a type that cannot be read")
    if names is None:
        return
    if not isinstance(members, Pairs) or size != dtype.itemsize:
        raise ValueError("an array of records that cannot be read")
    for _, member in members.items:
        if not isinstance(member, tuple) or _dtype(member[0]).hasobject:
            raise ValueError("an array of records that cannot be read")


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n < 1 << 48 for n in shape):
        raise ValueError("an array whose shape cannot be read")
    total = 1
    for n in shape:
        total *= n
    return total


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    _grow(machine.top(), [value])


def _appends(machine: _Machine, _: Any) -> None:
    values = machine.to_mark()
    _grow(machine.top(), values)


def _grow(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(values)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    _store(machine.top(), [key, value])


def _set_items(machine: _Machine, _: Any) -> None:
    values = machine.to_mark()
    _store(machine.top(), values)


def _store(target: Any, flat: list[Any]) -> None:
    if len(flat) % 2:
        raise ValueError("a dict with a key that has no value")
    if isinstance(target, Pairs):
        target.items.extend(zip(flat[::2], flat[1::2], strict=True))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(machine.add_import(module, name))


def _global(machine: _Machine, argument: str) -> None:
    module, space, name = argument.partition(" ")
    if not space or " " in name:
        raise ValueError("an import whose name is not a plain text")
    machine.stack.append(machine.add_import(module, name))


def _inst(machine: _Machine, argument: str) -> None:
    _global(machine, argument)
    found = machine.pop()
    machine.stack.append(Made(_callable(found), tuple(machine.to_mark())))


def _reduce(machine: _Machine, _: Any) -> None:
    args, maker = machine.pop(), machine.pop()
    machine.stack.append(Made(_callable(maker), args))


def _new_object_ex(machine: _Machine, _: Any) -> None:
    named, args, maker = machine.pop(), machine.pop(), machine.pop()
    machine.stack.append(Made(_callable(maker), (args, named)))


def _object(machine: _Machine, _: Any) -> None:
    maker, *args = machine.to_mark()
    machine.stack.append(Made(_callable(maker), tuple(args)))


def _callable(maker: Any) -> Any:
    """Only a listed import may be called; calling what a call returned cannot be followed."""
    if not isinstance(maker, Import):
        raise ValueError("it calls something that is not an import")
    return maker


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def make(machine: _Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(items[::-1]))

    return make


def _dict(machine: _Machine, _: Any) -> None:
    made = Pairs()
    _store(made, machine.to_mark())
    machine.stack.append(made)


def _get(machine: _Machine, argument: Any) -> None:
    machine.stack.append(machine.memo[int(argument)])


def _put(machine: _Machine, argument: Any) -> None:
    machine.memo[int(argument)] = machine.top()


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _to_mark_as(make: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make(machine.to_mark()))


def _push_new(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make())


def _pop(machine: _Machine, _: Any) -> None:
    machine.stack.pop()


def _duplicate(machine: _Machine, _: Any) -> None:
    machine.stack.append(machine.top())


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.to_mark()


_PUSH = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
    ]
)
_CONSTANT: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING = frozenset({"PROTO", "FRAME"})
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.stack.append(_MARK),
    "STOP": lambda machine, _: machine.pop(),
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": _duplicate,
    "EMPTY_LIST": _push_new(list),
    "EMPTY_DICT": _push_new(Pairs),
    "EMPTY_SET": _push_new(list),
    "EMPTY_TUPLE": _push_new(tuple),
    "LIST": _to_mark_as(list),
    "TUPLE": _to_mark_as(tuple),
    "FROZENSET": _to_mark_as(tuple),
    "DICT": _dict,
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _inst,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_object_ex,
    "OBJ": _object,
    "BUILD": lambda machine, argument: machine.build(argument),
}
