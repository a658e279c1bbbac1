"""Which fields of a signature a model takes, and in what form; and how its raw answers become the declared outputs.

Conventions for outputs: classifiers give `label` and `probability` (two classes: the scalar probability of the positive class,
which is the second one unless the signature says otherwise; more: a vector in the order of the classes), others `prediction`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Role, Scalar, Signature

Array = np.ndarray[Any, Any]
_AUTOMATIC = re.compile(r"(f|Column_|input_|x)?\d+\Z")
_NOT_TAKEN = (Role.IDENTIFIER, Role.LABEL, Role.WEIGHT, Role.OTHER, Role.SCORE)


def taken(signature: Signature, names: Sequence[str] | None, count: int | None) -> tuple[FieldSpec, ...]:
    """The inputs that a model takes, in its order: by name where it has names, else by order and number of columns.

    Raises InvalidInput naming what the signature lacks.
    """
    known = {field.name: field for field in signature.inputs}
    if names and all(name in known for name in names):
        return tuple(known[name] for name in names)
    if names and not all(_AUTOMATIC.match(name) for name in names):
        missing = [name for name in names if name not in known]
        raise InvalidInput(f"the model takes fields that the signature lacks: {', '.join(missing)}", field="signature.inputs")
    count = len(names) if names else count
    for fields in _candidates(signature):
        if fields and (count is None or width(fields) == count):
            return fields
    raise InvalidInput(f"the model takes {count} columns, the signature has {width(signature.inputs)}", field="signature.inputs")


def _candidates(signature: Signature) -> tuple[tuple[FieldSpec, ...], ...]:
    return (
        tuple(f for f in signature.inputs if f.role not in _NOT_TAKEN),
        tuple(f for f in signature.inputs if f.role is Role.PREDICTOR),
        signature.inputs,
    )


def width(fields: Sequence[FieldSpec]) -> int:
    """How many scalar columns the fields make together."""
    return sum(int(np.prod(field.shape, dtype=np.int64)) for field in fields)


def matrix(columns: Batch, fields: Sequence[FieldSpec], dtype: str) -> Array:
    """The fields side by side, one row of numbers a row."""
    parts = [columns[f.name].reshape(len(columns[f.name]), -1).astype(dtype, copy=False) for f in fields]
    return np.concatenate(parts, axis=1)


def only_numbers(fields: Sequence[FieldSpec]) -> None:
    """Raises InvalidInput naming a text field among fields that must become a matrix of numbers."""
    for field in fields:
        if field.type is DataType.BYTES:
            raise InvalidInput(f"the model takes numbers, field {field.name!r} is text", field=field.name)


def classifier_outputs(label: DataType, classes: int | None) -> tuple[FieldSpec, ...]:
    """`label`, and `probability` if the model gives any (`classes` is then their number)."""
    named = FieldSpec(name="label", type=label, role=Role.LABEL)
    if classes is None:
        return (named,)
    shape = () if classes <= 2 else (classes,)
    score = FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE, shape=shape, minimum=0.0, maximum=1.0)
    return (named, score)


def prediction_output(size: int = 1, kind: DataType = DataType.FP64) -> tuple[FieldSpec, ...]:
    """`prediction`, a scalar or a vector."""
    return (FieldSpec(name="prediction", type=kind, role=Role.SCORE, shape=() if size == 1 else (size,)),)


@dataclass(frozen=True)
class Output:
    """How one declared output is made: from which raw answer, from which of its columns, with which names for classes."""

    spec: FieldSpec
    source: str
    column: int | None = None
    names: tuple[Scalar, ...] = ()

    def of(self, raw: Batch) -> Array:
        """The declared output from the raw answers. Raises InvalidInput when the model gave another shape."""
        value = raw[self.source]
        if self.names:
            value = np.array(self.names, dtype=object)[value.astype(np.int64)]
        if self.column is not None and value.ndim == 2:
            value = value[:, min(self.column, value.shape[1] - 1)]
        if value.shape[1:] != self.spec.shape and value.size == len(value) * int(np.prod(self.spec.shape, dtype=np.int64)):
            value = value.reshape(len(value), *self.spec.shape)
        if value.shape[1:] != self.spec.shape:
            raise InvalidInput(
                f"the model's {self.source!r} has shape {value.shape[1:]} a row, declared is {self.spec.shape}",
                field=self.spec.name,
            )
        return value.astype(self.spec.type.numpy, copy=False)


def outputs(signature: Signature, natural: tuple[FieldSpec, ...], classes: tuple[Scalar, ...]) -> tuple[Output, ...]:
    """How to make every declared output (or, if none is declared, the natural ones) from raw answers.

    Raises InvalidInput when a declared output cannot come from this model.
    """
    raw = {field.name: field for field in natural}
    declared = signature.outputs or natural
    column = _positive_column(declared, classes)
    return tuple(_output(field, raw, column) for field in declared)


def _output(field: FieldSpec, raw: dict[str, FieldSpec], column: int) -> Output:
    source = _source(field, raw)
    found = raw[source]
    names: tuple[Scalar, ...] = ()
    if field.type is DataType.BYTES and found.type is not DataType.BYTES:
        if source != "label" or not field.allowed:
            raise _cannot(field, f"the model gives {found.type} for it")
        names = field.allowed
    elif found.type is DataType.BYTES and field.type is not DataType.BYTES:
        raise _cannot(field, "the model gives text for it")
    scalar_of_vector = field.shape == () and source == "probability"
    if not _fits(field, found, source):
        raise _cannot(field, f"the model gives the shape {found.shape} for it")
    return Output(field, source, column if scalar_of_vector else None, names)


def _fits(field: FieldSpec, found: FieldSpec, source: str) -> bool:
    """Probabilities of two classes come as one number or two; of more as a vector, or as that of a named positive class."""
    if source == "probability" and (field.shape, found.shape) == ((2,), ()):
        return True
    if source == "probability" and field.shape == () and field.positive is not None:
        return True
    return width([found]) == width([field])


def _source(field: FieldSpec, raw: dict[str, FieldSpec]) -> str:
    if field.name in raw:
        return field.name
    wanted = ("label",) if field.role is Role.LABEL or field.type is DataType.BYTES else ("probability", "prediction")
    for name in (*wanted, *([next(iter(raw))] if len(raw) == 1 else [])):
        if name in raw:
            return str(name)
    raise _cannot(field, f"the model gives: {', '.join(raw)}")


def _positive_column(declared: tuple[FieldSpec, ...], classes: tuple[Scalar, ...]) -> int:
    for field in declared:
        if field.positive is not None and classes:
            if field.positive not in classes:
                raise _cannot(field, f"{field.positive!r} is none of the model's classes {list(classes)}")
            return classes.index(field.positive)
    return 1


def _cannot(field: FieldSpec, why: str) -> InvalidInput:
    return InvalidInput(f"output {field.name!r} cannot come from this model: {why}", field=f"signature.outputs.{field.name}")
