"""A signature: the schema of a model's inputs and outputs with the role of each field.

Tests, monitors, routing and explanations configure themselves from it, so a role is worth more than a type.
Types are the data types of the Open Inference Protocol (v2), so that a signature is also the protocol's metadata.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelyard.core.errors import InvalidInput

Scalar = str | int | float | bool


class DataType(StrEnum):
    """Data types of the Open Inference Protocol, v2. BYTES holds text (UTF-8)."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The array type that carries it; BYTES is carried as Python objects (`str`)."""
        return _DTYPES[self]

    @classmethod
    def of(cls, dtype: np.dtype[np.generic]) -> DataType:
        """The data type of an array. Raises InvalidInput for types that the protocol does not know."""
        if dtype.kind in "OUST":
            return cls.BYTES
        for name, numpy_name in _NUMPY.items():
            if dtype == np.dtype(numpy_name):
                return cls(name)
        raise InvalidInput(f"no data type for arrays of {dtype}", hint="cast to a number, a boolean or text")


_NUMPY = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
_DTYPES: dict[str, np.dtype[np.generic]] = {name: np.dtype(numpy_name) for name, numpy_name in _NUMPY.items()}


class Role(StrEnum):
    """What a field is for."""

    IDENTIFIER = "identifier"
    PREDICTOR = "predictor"
    SCORE = "score"
    LABEL = "label"
    WEIGHT = "weight"
    AMOUNT = "amount"
    PROTECTED = "protected"
    OTHER = "other"


class FieldSpec(BaseModel):
    """One named column. `shape` is the shape of one row's value: `()` for a scalar, `(30,)` for a vector of 30."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    type: DataType
    role: Role = Role.PREDICTOR
    shape: tuple[int, ...] = ()
    nullable: bool = False
    drift: bool = True
    allowed: tuple[Scalar, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    positive: Scalar | None = None
    description: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"field {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        if self.allowed is not None and not self.allowed:
            raise ValueError(f"field {self.name!r}: `allowed` is empty, so no value could ever pass")
        return self


class Signature(BaseModel):
    """Inputs in the order the model takes them, outputs in the order it gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[FieldSpec, ...]
    outputs: tuple[FieldSpec, ...]

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        for side, fields in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [f.name for f in fields]
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{side}: name used twice: {', '.join(twice)}")
        return self

    def input(self, name: str) -> FieldSpec:
        """The input of that name. Raises InvalidInput when there is none."""
        return _find(self.inputs, name, "input")

    def output(self, name: str) -> FieldSpec:
        """The output of that name. Raises InvalidInput when there is none."""
        return _find(self.outputs, name, "output")

    def with_role(self, role: Role) -> tuple[FieldSpec, ...]:
        """All fields, inputs first, that have the role."""
        return tuple(f for f in (*self.inputs, *self.outputs) if f.role is role)


def _find(fields: tuple[FieldSpec, ...], name: str, side: str) -> FieldSpec:
    for field in fields:
        if field.name == name:
            return field
    known = ", ".join(f.name for f in fields)
    raise InvalidInput(f"the signature has no {side} named {name!r}", field=name, hint=f"it has: {known}")
