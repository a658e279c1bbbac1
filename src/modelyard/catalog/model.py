"""The catalog's records: use cases, models, versions and what surrounds them.

A `Version` is written once and never again. What may change about it (status, stage, tags) is its `VersionState`, under the
same id; what people learn later is added as an `Annotation`; each step of its status is kept as a `StatusChange`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

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
from modelyard.core.digests import digest_of
from modelyard.core.errors import WrongState
from modelyard.core.records import Record, Table
from modelyard.kinds.manifest import VersionManifest


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stamp(_Part):
    """Who typed a field in, and when."""

    by: str
    at: AwareDatetime


class Source(StrEnum):
    """Where a value came from: somebody said so, it follows from what is recorded, or it was guessed from the artifact."""

    DECLARED = "declared"
    DERIVED = "derived"
    INFERRED = "inferred"


class Provenanced(_Part):
    """A value with where it came from: by whom (a person's id, or the part of the platform), from what, and when."""

    value: Any
    source: Source
    by: str = ""
    from_: str = Field(default="", serialization_alias="from")
    at: AwareDatetime | None = None


class UseCase(Record):
    """A business decision to be made. `stamps` says for each declared field, by its dotted path, who set it last."""

    name: Name
    title: Line = ""
    description: Words = ""
    business_owner: Line = ""
    tier: Tier | None = None
    regulatory_class: Line | None = None
    review_at: datetime | None = None
    tags: Tags = ()
    purpose: Purpose = Purpose()
    people: People = People()
    outputs: Outputs = Outputs()
    assurance: Assurance = Assurance()
    operation: Operation = Operation()
    governance: Governance = Governance()
    value: Value = Value()
    registered_by: str = ""
    stamps: dict[str, Stamp] = {}
    words: str = ""


class ModelState(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class Model(Record):
    """Anything that makes or informs the use case's decision. `kind` names an installed kind, `owner` the technical owner."""

    name: Name
    use_case_id: str
    use_case: str
    kind: str
    description: Words = ""
    owner: Line = ""
    state: ModelState = ModelState.ACTIVE
    retired_at: AwareDatetime | None = None
    retired_by: str = ""
    retired_reason: str = ""
    tags: Tags = ()
    people: People = People()
    technique: Technique = Technique()
    dependencies: Dependencies = Dependencies()
    assurance: Assurance = Assurance()
    operation: Operation = Operation()
    registered_by: str = ""
    stamps: dict[str, Stamp] = {}
    words: str = ""


class Numbering(Record):
    """The last number given to a version of a model; its id is the model's. Whoever registers takes it from here, so that two
    registrations at once cannot get the same number."""

    last: int = 0


class DataPurpose(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    REFERENCE = "reference"


class DataReference(_Part):
    """A set of data that a version was made or measured with; never the data itself. `size` is in bytes."""

    name: Line
    purpose: DataPurpose
    uri: Annotated[str, Field(max_length=2000)] = ""
    digest: Digest | None = None
    rows: Annotated[int, Field(ge=0)] | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    period_from: AwareDatetime | None = None
    period_to: AwareDatetime | None = None
    licence: Line = ""
    provenance: Words = ""


class GitFacts(_Part):
    """The state of the working copy that a version came from. `dirty` says that tracked files differed from the commit."""

    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
    dirty: bool
    branch: Line = ""
    repository: Annotated[str, Field(max_length=1000)] = ""
    untracked: Annotated[int, Field(ge=0)] = 0


class Recipe(_Part):
    """How a version is made again: a command, run in an environment, on data, with parameters."""

    command: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    environment_lock: Digest | None = None
    python: Line = ""
    parameters: dict[str, str | int | FiniteFloat | bool | None] = {}


class Metric(_Part):
    """One figure, on which data it was measured, and why this figure was chosen."""

    value: FiniteFloat
    data: Line = ""
    reason: Words = ""


class Version(Record):
    """An immutable state of a model. `manifest_digest` is the version's digest: it binds artifact, signature, environment,
    recipe and lineage. `parents` are version ids."""

    model_id: str
    model: str
    use_case_id: str
    number: Annotated[int, Field(ge=1)]
    manifest_digest: Digest
    manifest: VersionManifest
    parents: tuple[str, ...] = ()
    data: tuple[DataReference, ...] = ()
    git: GitFacts | None = None
    recipe: Recipe | None = None
    metrics: dict[str, Metric] = {}
    sample: Digest | None = None
    notes: Words = ""
    developer: str
    compute: Line = ""
    limitations: Lines = ()

    @property
    def name(self) -> str:
        """`model@number`, as people write it."""
        return f"{self.model}@{self.number}"

    @property
    def environment_lock(self) -> str | None:
        return self.manifest.environment_lock


class Status(StrEnum):
    REGISTERED = "registered"
    VALIDATED = "validated"
    APPROVED = "approved"
    RELEASED = "released"
    RETIRED = "retired"


class VersionState(Record):
    """What may change about a version; its id is the version's."""

    model_id: str
    model: str
    use_case_id: str
    kind: str
    format: str
    number: int
    manifest_digest: Digest
    developer: str
    status: Status = Status.REGISTERED
    stage: str
    status_since: datetime
    reason: str = ""
    tags: Tags = ()
    words: str = ""


class StatusChange(Record):
    """One step of a version's status or stage."""

    version_id: str
    model_id: str
    number: int
    before: Status | None
    status: Status
    stage: str
    by: str
    reason: str = ""


class Annotation(Record):
    """An inventory field of a version, said after it was registered. The latest of a field counts; all are kept."""

    version_id: str
    field: str
    value: Any
    by: str
    note: Words = ""


class LineageEdge(Record):
    """`child` was made from `parent` (both are version ids)."""

    child: str
    parent: str


USE_CASES: Table[UseCase] = Table(
    "use_cases",
    UseCase,
    indexed=("name", "tier", "business_owner", "regulatory_class", "review_at"),
    unique=(("organisation", "name"),),
    text=("words",),
)
MODELS: Table[Model] = Table(
    "models",
    Model,
    indexed=("name", "use_case_id", "use_case", "kind", "owner", "state"),
    unique=(("organisation", "name"),),
    text=("words",),
)
NUMBERING: Table[Numbering] = Table("model_numbering", Numbering)
VERSIONS: Table[Version] = Table(
    "versions",
    Version,
    indexed=("model_id", "model", "number", "manifest_digest", "developer"),
    unique=(("model_id", "number"), ("model_id", "manifest_digest")),
    append_only=True,
)
VERSION_STATES: Table[VersionState] = Table(
    "version_states",
    VersionState,
    indexed=(
        "model_id",
        "model",
        "use_case_id",
        "kind",
        "format",
        "number",
        "manifest_digest",
        "developer",
        "status",
        "stage",
        "status_since",
    ),
    unique=(("model_id", "number"),),
    text=("words",),
)
STATUS_CHANGES: Table[StatusChange] = Table(
    "version_status_changes", StatusChange, indexed=("version_id", "model_id", "status"), append_only=True
)
ANNOTATIONS: Table[Annotation] = Table("annotations", Annotation, indexed=("version_id", "field", "by"), append_only=True)
LINEAGE: Table[LineageEdge] = Table(
    "lineage", LineageEdge, indexed=("child", "parent"), unique=(("child", "parent"),), append_only=True
)

TABLES: tuple[Table[Any], ...] = (
    USE_CASES,
    MODELS,
    NUMBERING,
    VERSIONS,
    VERSION_STATES,
    STATUS_CHANGES,
    ANNOTATIONS,
    LINEAGE,
)

FIRST_STAGE = "development"

_NEXT: dict[Status, frozenset[Status]] = {
    Status.REGISTERED: frozenset({Status.VALIDATED, Status.RETIRED}),
    Status.VALIDATED: frozenset({Status.REGISTERED, Status.APPROVED, Status.RETIRED}),
    Status.APPROVED: frozenset({Status.REGISTERED, Status.VALIDATED, Status.RELEASED, Status.RETIRED}),
    Status.RELEASED: frozenset({Status.REGISTERED, Status.VALIDATED, Status.APPROVED, Status.RETIRED}),
    Status.RETIRED: frozenset(),
}
"""One step up at a time; back by any number of steps (evidence can fall away); retired is the end."""


def may_follow(before: Status, after: Status) -> None:
    """Raises WrongState when a version's status cannot go from `before` to `after`."""
    if before is Status.RETIRED:
        raise WrongState("a retired version stays retired", field="status", hint="register a new version instead")
    if after is not before and after not in _NEXT[before]:
        allowed = ", ".join(sorted(_NEXT[before]))
        raise WrongState(f"a {before} version cannot become {after}", field="status", hint=f"it can become: {allowed}")


def lineage_digest(parents: tuple[str, ...], data: tuple[DataReference, ...], git: GitFacts | None) -> str | None:
    """What binds a version to where it came from: the parents' digests, the data references and the commit."""
    if not parents and not data and git is None:
        return None
    document = {
        "parents": list(parents),
        "data": [d.model_dump(mode="json") for d in data],
        "git": None if git is None else git.model_dump(mode="json"),
    }
    return digest_of(document)


def recipe_digest(recipe: Recipe | None) -> str | None:
    return None if recipe is None else digest_of(recipe.model_dump(mode="json"))
