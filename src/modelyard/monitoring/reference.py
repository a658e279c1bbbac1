"""What decisions looked like when all was well: the states of the training or reference sample, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from modelyard.core.digests import canonical, digest
from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.measures import CategoricalState, NumericState, State, present, state_from_json
from modelyard.monitoring.columns import Column, texts_of
from modelyard.monitoring.model import WatchedField

MEDIA_TYPE = "application/vnd.modelyard.reference-profile.v1+json"


class ReferenceProfile(BaseModel):
    """States by path (`inputs.temperature`), and measures found on the same sample (`baselines`, by name of measure).
    `source` says which data it was made from. It is kept as a blob; monitors name it by digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    media_type: str = MEDIA_TYPE
    source: str = ""
    rows: int
    states: dict[str, dict[str, Any]]
    baselines: dict[str, FiniteFloat] = {}

    def encode(self) -> bytes:
        """The canonical bytes."""
        return canonical(self.model_dump(mode="json"))

    def digest(self) -> str:
        return digest(self.encode())

    def state(self, path: str) -> State:
        """The field's state. Raises InvalidInput when the profile does not know the field."""
        if path not in self.states:
            raise InvalidInput(f"the reference profile has no field {path!r}", field="reference", hint="profile the sample again")
        return state_from_json(self.states[path])


def read_profile(data: bytes, expected: str) -> ReferenceProfile:
    """The profile in the bytes. Raises Untrusted when they are not those of the digest, InvalidInput when they are no profile."""
    if digest(data) != expected:
        raise Untrusted("the reference profile is not the one that the monitor was set up with", field="reference")
    try:
        return ReferenceProfile.model_validate(json.loads(data))
    except ValueError as error:
        raise InvalidInput(f"not a reference profile: {error}", field="reference") from error


def watched_fields(signature: Signature) -> tuple[WatchedField, ...]:
    """The fields of a signature that can be watched: scalars, and outputs of one or two class probabilities."""
    inputs = [_watched("inputs", f) for f in signature.inputs if f.role is not Role.IDENTIFIER and not f.shape]
    outputs = [_watched("output", f) for f in signature.outputs if f.role is not Role.IDENTIFIER and _size(f) <= 2]
    return (*inputs, *outputs)


def observed_fields(names: Iterable[str]) -> tuple[WatchedField, ...]:
    """What a kind observes, as fields to watch: categories all of them."""
    return tuple(WatchedField(path=f"observed.{name}", type=DataType.BYTES, category=True) for name in names)


def make_profile(
    fields: Sequence[WatchedField],
    inputs: Mapping[str, Column],
    outputs: Mapping[str, Column] | None = None,
    observed: Mapping[str, Column] | None = None,
    *,
    source: str = "",
    baselines: Mapping[str, float] | None = None,
) -> ReferenceProfile:
    """Profile a sample: columns by field name, as a kind takes, gives and observes them. Fields that the sample lacks are left
    out."""
    sides = {"inputs": inputs, "output": outputs or {}, "observed": observed or {}}
    states: dict[str, dict[str, Any]] = {}
    rows = 0
    for field in fields:
        side, _, name = field.path.partition(".")
        if name in sides[side]:
            column = np.asarray(sides[side][name])
            rows = max(rows, len(column))
            states[field.path] = _state(field, column).to_json()
    return ReferenceProfile(source=source, rows=rows, states=states, baselines=dict(baselines or {}))


def state_of(field: WatchedField, column: Column, centre: float = 0.0) -> State:
    """The state of a column as the monitor reads it."""
    return CategoricalState().update(column) if field.category else NumericState(centre).update(column)


def _state(field: WatchedField, column: Column) -> State:
    if field.category:
        return state_of(field, texts_of(column.tolist(), field.type))
    numbers = column.reshape(len(column), -1)[:, -1] if column.size else np.zeros(0)
    numbers = numbers.astype(np.float64)
    finite = present(numbers)
    # Cells are finest around the centre, so that a pressure of 1013 is told from one of 1014.
    return state_of(field, numbers, float(np.median(finite)) if len(finite) and np.isfinite(finite).all() else 0.0)


def _watched(side: str, spec: FieldSpec) -> WatchedField:
    category = spec.type in (DataType.BYTES, DataType.BOOL) or spec.allowed is not None
    return WatchedField(
        path=f"{side}.{spec.name}",
        type=spec.type,
        category=category,
        allowed=spec.allowed,
        minimum=None if category else spec.minimum,
        maximum=None if category else spec.maximum,
    )


def _size(spec: FieldSpec) -> int:
    return int(np.prod(spec.shape, dtype=np.int64)) if spec.shape else 1
