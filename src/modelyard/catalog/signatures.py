"""One signature from two sources: what was inferred from the artifact or a sample, and what `modelyard.yaml` declares.

What is declared wins; every difference is shown, so that nobody is surprised by either.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec, Role, Scalar, Signature

Side = Literal["inputs", "outputs"]


class DeclaredField(BaseModel):
    """What a person says of a field; what is left out is taken from what was inferred."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    type: DataType | None = None
    role: Role | None = None
    shape: tuple[int, ...] | None = None
    nullable: bool | None = None
    drift: bool | None = None
    allowed: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    minimum: float | None = None
    maximum: float | None = None
    positive: Scalar | None = None
    description: str | None = None

    def said(self) -> dict[str, Any]:
        """The attributes that are given."""
        return {name: value for name, value in self if value is not None}


class DeclaredSignature(BaseModel):
    """`complete` says that the fields named here are all there are, in this order; else they amend what was inferred."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[DeclaredField, ...] = ()
    outputs: tuple[DeclaredField, ...] = ()
    complete: bool = False


class SignatureDifference(BaseModel):
    """An attribute that was declared otherwise than it was inferred (None: it was not known)."""

    model_config = ConfigDict(frozen=True)

    side: Side
    field: str
    attribute: str
    inferred: Any
    declared: Any


class MergedSignature(BaseModel):
    model_config = ConfigDict(frozen=True)

    signature: Signature
    differences: tuple[SignatureDifference, ...]


def merged(inferred: Signature | None, declared: DeclaredSignature) -> MergedSignature:
    """Raises InvalidInput for a declared field that does not exist in what was inferred (unless the declaration is complete),
    for a field whose type nobody knows, and for attributes that contradict each other."""
    differences: list[SignatureDifference] = []
    sides: dict[Side, tuple[FieldSpec, ...]] = {}
    for side in ("inputs", "outputs"):
        known = () if inferred is None else getattr(inferred, side)
        sides[side] = _side(side, known, getattr(declared, side), declared.complete or inferred is None, differences)
    try:
        return MergedSignature(signature=Signature(**sides), differences=tuple(differences))
    except ValidationError as error:
        raise InvalidInput(error.errors()[0]["msg"], field="signature") from error


def _side(
    side: Side,
    inferred: tuple[FieldSpec, ...],
    declared: tuple[DeclaredField, ...],
    complete: bool,
    differences: list[SignatureDifference],
) -> tuple[FieldSpec, ...]:
    known, wanted = {f.name: f for f in inferred}, {f.name: f for f in declared}
    if len(wanted) < len(declared):
        raise InvalidInput(f"{side}: a field is declared twice", field=f"signature.{side}")
    unknown = [name for name in wanted if name not in known]
    if unknown and not complete:
        hint = f"the model has: {', '.join(known)}"
        raise InvalidInput(f"{side}: the model has no field {unknown[0]!r}", field=f"signature.{side}.{unknown[0]}", hint=hint)
    if not complete or not declared:
        return tuple(_field(side, field.name, field, wanted.get(field.name), differences) for field in inferred)
    differences += [
        SignatureDifference(side=side, field=name, attribute="field", inferred="present", declared=None)
        for name in known
        if name not in wanted
    ]
    return tuple(_field(side, field.name, known.get(field.name), field, differences) for field in declared)


def _field(
    side: Side, name: str, inferred: FieldSpec | None, declared: DeclaredField | None, differences: list[SignatureDifference]
) -> FieldSpec:
    before = {} if inferred is None else dict(inferred)
    said = {} if declared is None else declared.said()
    if inferred is not None:
        differences += [
            SignatureDifference(side=side, field=name, attribute=a, inferred=before[a], declared=value)
            for a, value in said.items()
            if before[a] != value
        ]
    if "type" not in before | said:
        raise InvalidInput(f"{side}: nobody says the type of {name!r}", field=f"signature.{side}.{name}.type")
    try:
        return FieldSpec.model_validate(({"role": Role.SCORE} if side == "outputs" else {}) | before | said)
    except ValidationError as error:
        raise InvalidInput(error.errors()[0]["msg"], field=f"signature.{side}.{name}") from error
