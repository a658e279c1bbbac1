"""Reads an ONNX model's face (inputs, outputs, opsets, producer, metadata) from its bytes, without the `onnx` package.

Field numbers are those of `onnx.proto3` (github.com/onnx/onnx). Tensors stored in other files are refused: an artifact is one
file, and a path inside it could point anywhere.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import reading
from modelyard.kinds.contract import UNBOUNDED_WORK, Policy, Risk, Severity
from modelyard.kinds.ml.onnx_work import Work
from modelyard.kinds.ml.wire import Field, fields
from modelyard.kinds.signature import DataType

_MAX_DEPTH = 16
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_TYPES = {
    1: DataType.FP32,
    2: DataType.UINT8,
    3: DataType.INT8,
    4: DataType.UINT16,
    5: DataType.INT16,
    6: DataType.INT32,
    7: DataType.INT64,
    8: DataType.BYTES,
    9: DataType.BOOL,
    10: DataType.FP16,
    11: DataType.FP64,
    12: DataType.UINT32,
    13: DataType.UINT64,
}


@dataclass(frozen=True)
class Tensor:
    """An input or output: its shape with None where the size is open; `maps` is true for a sequence of maps (ZipMap)."""

    name: str
    type: DataType | None
    shape: tuple[int | None, ...] = ()
    maps: bool = False


@dataclass
class Face:
    """What an ONNX file says of itself."""

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    graphs: int = 0
    work: Work = field(default_factory=Work)
    in_function: bool = False

    def risks(self) -> tuple[Risk, ...]:
        """Operators from domains that no stock engine has, and those whose work the values of a request decide."""
        return (*self._strange(), *self._unbounded())

    def _strange(self) -> Iterator[Risk]:
        strange = sorted(set(self.opsets) - _DOMAINS)
        if strange:
            detail = f"uses operators of the domains {', '.join(strange)}, which need native code of their own"
            yield Risk(code="custom_operators", severity=Severity.DANGER, detail=detail)

    def _unbounded(self) -> Iterator[Risk]:
        operators = self.work.unbounded()
        if operators:
            detail = f"may take as long, or as much memory, as the values of a request say ({', '.join(operators)})"
            yield Risk(code=UNBOUNDED_WORK, severity=Severity.WARNING, detail=detail)


def read_face(path: Path, policy: Policy) -> Face:
    """The face of an ONNX file. Raises InvalidArtifact when it is not one, whole and self-contained; TooLarge by size."""
    reading.size_of(path, policy)
    with path.open("rb") as file:
        # Unmapped when the last view of it is gone; closing it earlier fails while an error's traceback holds one.
        return _model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def _model(view: memoryview) -> Face:
    face = Face()
    for item in fields(view):
        if item.number == 1:
            face.ir_version = item.integer()
        elif item.number == 2:
            face.producer = item.text()
        elif item.number == 7:
            face.graphs += 1
            _graph(item.message(), face, 0)
        elif item.number == 8:
            _opset(item.message(), face)
        elif item.number == 14:
            _property(item.message(), face)
        elif item.number == 25:
            _function(item.message(), face, 0)
    face.inputs = [tensor for tensor in face.inputs if tensor.name not in face.initializers]
    _complete(face)
    return face


def _complete(face: Face) -> None:
    if face.graphs != 1 or not face.opsets or face.ir_version <= 0:
        raise InvalidArtifact("not an ONNX model: no single graph, version or operator set", field="artifact")
    if not face.outputs or not face.operators:
        raise InvalidArtifact("the ONNX graph is empty", field="artifact")


def _opset(view: memoryview, face: Face) -> None:
    domain, version = "", 0
    for item in fields(view):
        if item.number == 1:
            domain = item.text()
        elif item.number == 2:
            version = item.integer()
    face.opsets[domain] = version


def _property(view: memoryview, face: Face) -> None:
    pair = {item.number: item.text() for item in fields(view) if item.number in {1, 2}}
    face.metadata[pair.get(1, "")] = pair.get(2, "")


def _graph(view: memoryview, face: Face, depth: int) -> None:
    _not_too_deep(depth)
    for item in fields(view):
        if item.number == 1:
            _node(item.message(), face, depth)
        elif item.number == 5:
            name = _tensor(item.message())
            face.work.fixed.add(name)
            if depth == 0:
                face.initializers.add(name)
        elif item.number == 11 and depth == 0:
            face.inputs.append(_value(item.message()))
        elif item.number == 12 and depth == 0:
            face.outputs.append(_value(item.message()))
        elif item.number == 15:
            face.work.fixed.update(_sparse(item.message()))


def _function(view: memoryview, face: Face, depth: int) -> None:
    face.in_function = True
    for item in fields(view):
        if item.number == 7:
            _node(item.message(), face, depth + 1)
    face.in_function = False


def _node(view: memoryview, face: Face, depth: int) -> None:
    operator = domain = ""
    inputs, outputs = [], []
    for item in fields(view):
        if item.number == 1:
            inputs.append(item.text())
        elif item.number == 2:
            outputs.append(item.text())
        elif item.number == 4:
            operator = item.text()
        elif item.number == 7:
            domain = item.text()
        elif item.number == 5:
            _attribute(item.message(), face, depth)
    operator = f"{domain}.{operator}" if domain else operator
    face.operators.add(operator)
    face.work.node(operator.removeprefix("ai.onnx."), tuple(inputs), tuple(outputs), face.in_function)


# Tree ensembles hold millions of numbers one field each (`floats` is 7, `ints` 8, `strings` 9): walked one by one in Python
# that takes seconds. Possessive, so that nothing is ever tried twice.
_NUMBERS = re.compile(
    rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x4a(?:\x0aBRANCH_LEQ|\x09BRANCH_LT|\x0aBRANCH_GTE|\x09BRANCH_GT|\x04LEAF))++",
    re.DOTALL,
)


def _attribute(view: memoryview, face: Face, depth: int) -> None:
    for item in fields(view, skip=_NUMBERS):
        if item.number in {5, 10}:
            _tensor(item.message())
        elif item.number in {6, 11}:
            _graph(item.message(), face, depth + 1)
        elif item.number in {22, 23}:
            _sparse(item.message())


def _sparse(view: memoryview) -> list[str]:
    """The names of its tensors, of which that of the values is its own."""
    return [_tensor(item.message()) for item in fields(view) if item.number in {1, 2}]


def _tensor(view: memoryview) -> str:
    name = ""
    for item in fields(view):
        if item.number == 8:
            name = item.text()
        elif item.number == 13 or (item.number == 14 and item.integer() != 0):
            raise InvalidArtifact(
                "the ONNX model keeps tensors in other files", field="artifact", hint="save it as one file, without external data"
            )
    return name


def _value(view: memoryview) -> Tensor:
    name, kind = "", None
    for item in fields(view):
        if item.number == 1:
            name = item.text()
        elif item.number == 2:
            kind = item.message()
    if not name or kind is None:
        raise InvalidArtifact("an ONNX input or output has no name or type", field="artifact")
    return _typed(name, kind)


def _typed(name: str, view: memoryview) -> Tensor:
    for item in fields(view):
        if item.number == 1:
            return _tensor_type(name, item.message())
        if item.number == 4:
            return Tensor(name, _map_value(item), maps=True)
    raise InvalidArtifact(f"the ONNX value {name!r} is of a type that is not supported", field="artifact")


def _map_value(sequence: Field) -> DataType | None:
    """The type of the numbers in a sequence of maps, the output of ZipMap."""
    for element in fields(sequence.message()):
        for kind in fields(element.message()):
            if kind.number == 5:
                found = [f for f in fields(kind.message()) if f.number == 2]
                return DataType.FP32 if found else None
    return None


def _tensor_type(name: str, view: memoryview) -> Tensor:
    element = 0
    shape: tuple[int | None, ...] = ()
    for item in fields(view):
        if item.number == 1:
            element = item.integer()
        elif item.number == 2:
            shape = tuple(_dimension(d) for d in fields(item.message()) if d.number == 1)
    if element not in _TYPES:
        raise InvalidArtifact(f"the ONNX value {name!r} has an unknown element type {element}", field="artifact")
    return Tensor(name, _TYPES[element], shape)


def _dimension(item: Field) -> int | None:
    size = next((f.integer() for f in fields(item.message()) if f.number == 1), None)
    if size is not None and not 0 <= size < 1 << 40:
        raise InvalidArtifact("an ONNX dimension has an impossible size", field="artifact")
    return size


def _not_too_deep(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidArtifact("the ONNX graph is nested too deep", field="artifact")
