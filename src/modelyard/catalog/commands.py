"""The ways to change the catalog. `use_case`, `model` and `version` take a name (`flight-delay@3` for a version) or an id.

Updates carry the `revision` they were made from; a field left out (or null) stays as it is, a field named in `clear` is
emptied, and a section that is given replaces the whole section.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import AwareDatetime, Field, model_validator

from modelyard.catalog.model import DataReference, GitFacts, Metric, Recipe
from modelyard.catalog.profile import (
    Assurance,
    Dependencies,
    Governance,
    Operation,
    Outputs,
    People,
    Purpose,
    Technique,
    Tier,
    Value,
)
from modelyard.catalog.texts import Digest, Line, Lines, Name, Tags, Words
from modelyard.core.digests import canonical
from modelyard.core.messages import Command
from modelyard.kinds.contract import Inspection
from modelyard.kinds.manifest import ArtifactRef
from modelyard.kinds.signature import Signature

GREATEST_COMMAND = 4 * 1024 * 1024
"""Bytes of a command in canonical JSON: enough for a signature of ten thousand fields."""

Reference = Annotated[str, Field(min_length=1, max_length=200)]
Revision = Annotated[int, Field(ge=0)]
Reason = Annotated[Words, Field(min_length=1)]


class CatalogCommand(Command):
    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        # Free parts (an inspection's facts, an annotation's value) could hold what JSON or a database cannot.
        encoded = canonical(self.model_dump(mode="json"))
        if len(encoded) > GREATEST_COMMAND:
            raise ValueError(f"the command has {len(encoded)} bytes, more than the {GREATEST_COMMAND} allowed")
        if b"\\u0000" in encoded:
            raise ValueError("text may not hold the null character")
        return self


class RegisterUseCase(CatalogCommand):
    action: ClassVar[str] = "catalog.register_use_case"

    name: Name
    title: Line = ""
    description: Words = ""
    business_owner: Line = ""
    tier: Tier | None = None
    regulatory_class: Line | None = None
    review_at: AwareDatetime | None = None
    tags: Tags = ()
    purpose: Purpose = Purpose()
    people: People = People()
    outputs: Outputs = Outputs()
    assurance: Assurance = Assurance()
    operation: Operation = Operation()
    governance: Governance = Governance()
    value: Value = Value()


class Update(CatalogCommand):
    revision: Revision
    clear: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _clears_what_it_may(self) -> Self:
        for field in self.clear:
            if field not in self.updatable():
                raise ValueError(f"clear: {field!r} is none of {', '.join(self.updatable())}")
            if getattr(self, field) is not None:
                raise ValueError(f"clear: {field!r} is also given a value")
        return self

    @classmethod
    def updatable(cls) -> tuple[str, ...]:
        """The names of the fields that this command can change."""
        return tuple(n for n, f in cls.model_fields.items() if not f.is_required() and n != "clear")

    def changes(self) -> dict[str, Any]:
        """What is given, by the name of the record's field."""
        return {n: getattr(self, n) for n in self.updatable() if getattr(self, n) is not None}


class UpdateUseCase(Update):
    action: ClassVar[str] = "catalog.update_use_case"

    use_case: Reference
    title: Line | None = None
    description: Words | None = None
    business_owner: Line | None = None
    tier: Tier | None = None
    regulatory_class: Line | None = None
    review_at: AwareDatetime | None = None
    tags: Tags | None = None
    purpose: Purpose | None = None
    people: People | None = None
    outputs: Outputs | None = None
    assurance: Assurance | None = None
    operation: Operation | None = None
    governance: Governance | None = None
    value: Value | None = None


class RegisterModel(CatalogCommand):
    action: ClassVar[str] = "catalog.register_model"

    name: Name
    use_case: Reference
    kind: Annotated[str, Field(min_length=1, max_length=50)]
    description: Words = ""
    owner: Line = ""
    tags: Tags = ()
    people: People = People()
    technique: Technique = Technique()
    dependencies: Dependencies = Dependencies()
    assurance: Assurance = Assurance()
    operation: Operation = Operation()


class UpdateModel(Update):
    action: ClassVar[str] = "catalog.update_model"

    model: Reference
    description: Words | None = None
    owner: Line | None = None
    tags: Tags | None = None
    people: People | None = None
    technique: Technique | None = None
    dependencies: Dependencies | None = None
    assurance: Assurance | None = None
    operation: Operation | None = None


class RegisterVersion(CatalogCommand):
    """`serving` is the accepted translation of the artifact, if there is one. `inspection` is what the kind said of the
    artifact without running it. `sample` is the digest of a small set of rows for checks and examples."""

    action: ClassVar[str] = "catalog.register_version"

    model: Reference
    artifact: ArtifactRef
    serving: ArtifactRef | None = None
    inspection: Inspection
    signature: Signature
    environment_lock: Digest | None = None
    recipe: Recipe | None = None
    parents: Annotated[tuple[Reference, ...], Field(max_length=100)] = ()
    data: Annotated[tuple[DataReference, ...], Field(max_length=200)] = ()
    git: GitFacts | None = None
    metrics: Annotated[dict[Line, Metric], Field(max_length=1000)] = {}
    sample: Digest | None = None
    notes: Words = ""
    tags: Tags = ()
    compute: Line = ""
    limitations: Lines = ()


class RetireVersion(CatalogCommand):
    action: ClassVar[str] = "catalog.retire_version"

    version: Reference
    reason: Reason


class RetireModel(CatalogCommand):
    """Retires the model and all its versions."""

    action: ClassVar[str] = "catalog.retire_model"

    model: Reference
    reason: Reason


class AnnotateVersion(CatalogCommand):
    """Says an inventory field of a version (`assurance.limitations`) anew; the earlier word is kept."""

    action: ClassVar[str] = "catalog.annotate_version"

    version: Reference
    field: Annotated[str, Field(min_length=1, max_length=100)]
    value: Any
    note: Words = ""
