"""ONNX through onnxruntime: one thread a request. The artifact was inspected: it names no other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.kinds.contract import Batch
from modelyard.kinds.ml import onnx_weights
from modelyard.kinds.ml.columns import Array, classifier_outputs, matrix, only_numbers, taken
from modelyard.kinds.signature import DataType, FieldSpec, Role, Scalar, Signature

_TYPES = {
    "float": DataType.FP32,
    "double": DataType.FP64,
    "float16": DataType.FP16,
    "int8": DataType.INT8,
    "int16": DataType.INT16,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "uint8": DataType.UINT8,
    "uint16": DataType.UINT16,
    "uint32": DataType.UINT32,
    "uint64": DataType.UINT64,
    "bool": DataType.BOOL,
    "string": DataType.BYTES,
}
_LABELS = frozenset({DataType.INT64, DataType.INT32, DataType.BYTES, DataType.BOOL})
_FLOATS = frozenset({DataType.FP16, DataType.FP32, DataType.FP64})


class Onnx:
    """An ONNX model; either one matrix of numbers, or one input a column, or any named tensors."""

    def __init__(self, artifact: Path, signature: Signature, weights: Path | None = None) -> None:
        """`weights` is a folder for large weights that processes share (see `onnx_weights`).

        Raises InvalidArtifact when the engine does not load the model, StorageFull or Unavailable when weights cannot be shared.
        """
        self._session = _session(artifact, weights)
        self._names = [node.name for node in self._session.get_outputs()]
        self._inputs = [(node.name, *_tensor(node)) for node in self._session.get_inputs()]
        self._matrix = self._is_matrix(signature)
        self.fields = self._fields(signature)
        self.classes: tuple[Scalar, ...] = ()
        self._label = self._probability = ""
        self.natural = self._natural()

    def answer(self, columns: Batch) -> Batch:
        found = self._run(self._feed(columns))
        return {self._conventional(name): value for name, value in found.items()}

    def _is_matrix(self, signature: Signature) -> bool:
        """Whether the signature's fields go side by side into the one input."""
        if len(self._inputs) != 1:
            return False
        name, kind, shape = self._inputs[0]
        return kind is not DataType.BYTES and len(shape) == 2 and all(f.name != name for f in signature.inputs)

    def _fields(self, signature: Signature) -> tuple[FieldSpec, ...]:
        if not self._matrix:
            return taken(signature, [name for name, _, _ in self._inputs], None)
        width = self._inputs[0][2][1]
        fields = taken(signature, None, width)
        only_numbers(fields)
        return fields

    def _feed(self, columns: Batch) -> Batch:
        if self._matrix:
            name, kind, _ = self._inputs[0]
            return {name: matrix(columns, self.fields, kind.numpy.name)}
        feed = {}
        for (name, kind, shape), field in zip(self._inputs, self.fields, strict=True):
            feed[name] = _tensor_of(columns[field.name], field, kind, len(shape))
        return feed

    def _run(self, feed: Batch) -> Batch:
        try:
            found = self._session.run(None, feed)
        except Exception as error:  # as above
            raise InvalidInput(f"the model cannot answer: {error}") from error
        return {name: _plain(value) for name, value in zip(self._names, found, strict=True)}

    def _natural(self) -> tuple[FieldSpec, ...]:
        nodes = self._session.get_outputs()
        labels = [n for n in nodes if not _is_maps(n) and _tensor(n)[0] in _LABELS]
        scores = [n for n in nodes if _is_maps(n) or _tensor(n)[0] in _FLOATS]
        if len(nodes) == 2 and len(labels) == 1 and len(scores) == 1:
            classes = self._class_count(scores[0])
            if classes is not None:
                self._label, self._probability = labels[0].name, scores[0].name
                return classifier_outputs(_tensor(labels[0])[0], classes)
        if len(nodes) == 1 and scores and not _is_maps(nodes[0]):
            return (self._own(nodes[0], "prediction", Role.SCORE),)
        if len(nodes) == 1 and labels:
            self._label = nodes[0].name
            return classifier_outputs(_tensor(nodes[0])[0], None)
        return tuple(self._own(n, n.name, Role.OTHER) for n in nodes if not _is_maps(n))

    def _class_count(self, node: Any) -> int | None:
        """The number of classes: from the shape, or from one answer where the shape is open."""
        if not _is_maps(node):
            shape = _tensor(node)[1]
            if len(shape) == 2 and shape[1] is not None:
                return shape[1]
        try:
            found = self._session.run([node.name], self._probe())[0]
        except Exception:  # noqa: BLE001  an answer to made-up values is not owed; the outputs then keep their own names
            return None
        if isinstance(found, list) and found and isinstance(found[0], dict):
            self.classes = tuple(sorted(found[0]))
        plain = _plain(found)
        return int(plain.shape[1]) if plain.ndim == 2 else None

    def _probe(self) -> Batch:
        feed = {}
        for name, kind, shape in self._inputs:
            sizes = [1, *(size or 1 for size in shape[1:])] if shape else []
            feed[name] = np.full(sizes, "" if kind is DataType.BYTES else 0, dtype=kind.numpy)
        return feed

    def _own(self, node: Any, name: str, role: Role) -> FieldSpec:
        kind, shape = _tensor(node)
        sizes = tuple(size if size is not None else 1 for size in shape[1:])
        return FieldSpec(name=name, type=kind, role=role, shape=() if sizes == (1,) else sizes)

    def _conventional(self, name: str) -> str:
        if name == self._label:
            return "label"
        if name == self._probability:
            return "probability"
        return self.natural[0].name if len(self.natural) == 1 else name


def _session(artifact: Path, weights: Path | None) -> Any:
    """The engine's session. It reads the file itself: given bytes, it would keep them for as long as it lives."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # whatever the file is called
    model: bytes | str | None = None if weights is None else onnx_weights.shared(artifact, weights)
    if model is None:
        model = str(artifact)
    else:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights))
        options.add_session_config_entry("session.disable_prepacking", "1")  # which would copy the weights for each process
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the engine has a dozen unrelated exception types of its own
        raise InvalidArtifact(f"onnxruntime cannot load the model: {error}", field="artifact") from error


def _is_maps(node: Any) -> bool:
    return str(node.type).startswith("seq(map(")


def _tensor(node: Any) -> tuple[DataType, tuple[int | None, ...]]:
    inner = str(node.type).removeprefix("tensor(").removesuffix(")")
    if inner not in _TYPES:
        raise InvalidArtifact(f"{node.name!r} is of the type {node.type}, which is not supported", field="artifact")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape or ())
    return _TYPES[inner], shape


def _tensor_of(column: Array, field: FieldSpec, kind: DataType, rank: int) -> Array:
    if kind is DataType.BYTES and field.type is not DataType.BYTES:
        raise InvalidInput(f"the model takes text for {field.name!r}", field=field.name)
    if kind is not DataType.BYTES and field.type is DataType.BYTES:
        raise InvalidInput(f"the model takes {kind} for {field.name!r}", field=field.name)
    if kind is DataType.BYTES:
        column = np.array([("" if v is None else v) for v in column.ravel()], dtype=object).reshape(column.shape)
    cast = column.astype(kind.numpy, copy=False)
    return cast.reshape(len(cast), 1) if rank == 2 and cast.ndim == 1 else cast


def _plain(value: Any) -> Array:
    """A tensor as it is; a sequence of maps (ZipMap) as a matrix in the order of its sorted keys."""
    if isinstance(value, list):
        keys = sorted(value[0]) if value else []
        return np.array([[row[key] for key in keys] for row in value], dtype=np.float32)
    return np.asarray(value)
