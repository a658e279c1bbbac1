"""`modelyard.yaml`: a model as code. Reading is pure: text in, a checked `ManifestFile` out, or every problem with its line.

    manifest = parse(Path("modelyard.yaml").read_text(), "modelyard.yaml")

Files that it names (artifact, sample, lock, metrics, data) are read, hashed and uploaded by the caller.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from modelyard.catalog import yaml_text
from modelyard.catalog.errors import InvalidManifestFile, Problem
from modelyard.catalog.model import DataPurpose, Metric
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
from modelyard.catalog.signatures import DeclaredSignature
from modelyard.catalog.texts import Digest, Line, Lines, Name, Tags, Words

FILE_NAME = "modelyard.yaml"
API_VERSION = "modelyard/v1"
SCHEMA_ID = "https://modelyard.dev/schemas/modelyard.v1.json"


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\x00" in path:
        raise ValueError("a path is relative, below the file's folder, with / between its parts")
    return path


FilePath = Annotated[str, Field(max_length=500), AfterValidator(_inside)]


def _moment(value: Any) -> Any:
    """The moment of an ISO 8601 text; a day alone means its beginning in UTC."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value)
    except ValueError as error:
        raise ValueError("a day (2013-01-31) or a moment with its time zone (2013-01-31T06:00:00Z)") from error


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT_SCHEMA = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]
Command = Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UseCaseSection(_Part):
    """The business decision. With only a `name`, it refers to a use case that exists."""

    name: Name = Field(description="Unique in the organisation")
    title: Line = Field(default="", description="The name for people")
    description: Words = Field(default="", description="What is decided, in a sentence or two")
    business_owner: Line = Field(default="", description="Id of the person or team that answers for the decision")
    tier: Tier | None = Field(default=None, description="Risk tier; a risk officer can set another")
    regulatory_class: Line | None = Field(default=None, description="Class under the rules that apply, for example `high`")
    review_at: Moment | None = Field(default=None, description="When to look again whether it still makes sense")
    tags: Tags = Field(default=(), description="Labels to search by")
    purpose: Purpose = Field(default=Purpose(), description="Problem, intended and excluded uses, who is affected")
    people: People = Field(default=People(), description="Validator and vendor")
    outputs: Outputs = Field(default=Outputs(), description="What is done with the answers, and the fallback")
    assurance: Assurance = Field(default=Assurance(), description="Limitations, biases, validity")
    operation: Operation = Field(default=Operation(), description="Oversight, retention, monitoring plan")
    governance: Governance = Field(default=Governance(), description="Inputs of the risk tier, standards applied")
    value: Value = Field(default=Value(), description="KPIs, cost matrix in money, baseline and target")


class ModelSection(_Part):
    """The model. With only a `name`, it refers to a model that exists."""

    name: Name = Field(description="Unique in the organisation")
    kind: Line | None = Field(default=None, description="`ml`, `rules`, `graph`, …; found from the artifact when left out")
    description: Words = Field(default="", description="What it does, in a sentence or two")
    owner: Line = Field(default="", description="Id of the technical owner")
    tags: Tags = Field(default=(), description="Labels to search by")
    people: People = Field(default=People(), description="Validator and vendor")
    technique: Technique = Field(default=Technique(), description="Methodology, assumptions, trade-offs")
    dependencies: Dependencies = Field(default=Dependencies(), description="What it needs beyond its lineage")
    assurance: Assurance = Field(default=Assurance(), description="Limitations, biases, validity")
    operation: Operation = Field(default=Operation(), description="Oversight, thresholds, retraining policy")


class DataSection(_Part):
    """Data that the version was made or measured with: a file here (`path`, hashed at registration) or elsewhere (`uri`)."""

    name: Line = Field(description="How metrics and tests refer to it")
    purpose: DataPurpose = Field(description="What it was used for")
    path: FilePath | None = Field(default=None, description="File or folder; its digest and size are found at registration")
    uri: Annotated[str, Field(max_length=2000)] | None = Field(default=None, description="Where it lies, if not here")
    digest: Digest | None = Field(default=None, description="`sha256:…` of data that lies elsewhere")
    rows: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Number of rows")
    period_from: Moment | None = Field(default=None, description="Begin of the time that the data covers")
    period_to: Moment | None = Field(default=None, description="End of it")
    licence: Line = Field(default="", description="Licence, as an SPDX expression where there is one")
    provenance: Words = Field(default="", description="Where the data came from")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.path is None) == (self.uri is None):
            raise ValueError("give either `path` or `uri`")
        if self.path is not None and self.digest is not None:
            raise ValueError("the digest of a `path` is found at registration, leave it out")
        return self


class RecipeSection(_Part):
    """How the version is made again."""

    command: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)] = Field(
        description="Program and arguments, as a list"
    )
    python: Line = Field(default="", description="Python version, for example `3.12`")
    parameters: dict[str, str | int | FiniteFloat | bool | None] = Field(default={}, description="Values that it was run with")


class TestSection(_Part):
    """A bound on a measure that the version must keep."""

    __test__ = False

    measure: Line = Field(description="Name of a measure, for example `auc`")
    data: Line = Field(default="", description="Name of the data to measure on; the test data when left out")
    minimum: FiniteFloat | None = Field(default=None, description="The least value that passes")
    maximum: FiniteFloat | None = Field(default=None, description="The greatest value that passes")
    by: Line | None = Field(default=None, description="A field: the bound holds for each of its groups")
    parameters: dict[str, str | int | FiniteFloat | bool | None] = Field(default={}, description="Settings of the measure")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give `minimum`, `maximum` or both")
        return self


class PolicySection(_Part):
    """Wishes about loading and translating; the organisation's policy has the last word."""

    trusted_types: Lines = Field(default=(), description="Types that the skops loader may construct")
    translate: bool = Field(default=True, description="Whether to translate to a faster format that gives the same answers")
    translation_tolerance: Annotated[FiniteFloat, Field(ge=0)] | None = Field(
        default=None, description="Greatest difference of an answer that a translation may make"
    )


class VersionSection(_Part):
    """What is registered as the next version."""

    artifact: FilePath = Field(description="The model's file or folder")
    format: Line | None = Field(default=None, description="Format of the artifact; found from it when left out")
    sample: FilePath | None = Field(default=None, description="CSV or Parquet with a few rows, to infer types and check answers")
    lock: FilePath | None = Field(default=None, description="Hashed requirements that the model runs with")
    signature: DeclaredSignature = Field(default=DeclaredSignature(), description="Roles, classes and bounds of fields")
    data: Annotated[tuple[DataSection, ...], Field(max_length=200)] = Field(default=(), description="Data it was made with")
    recipe: RecipeSection | None = Field(default=None, description="How to make it again")
    metrics: FilePath | dict[Line, Metric | FiniteFloat] = Field(default={}, description="Metrics, or the JSON file they are in")
    parents: Annotated[tuple[Line, ...], Field(max_length=100)] = Field(default=(), description="Versions it was made from")
    notes: Words = Field(default="", description="What changed and why")
    tags: Tags = Field(default=(), description="Labels to search by")
    compute: Line = Field(default="", description="Hardware and time that training took")
    limitations: Lines = Field(default=(), description="What this version is known not to do well")


class ManifestFile(_Part):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="modelyard.yaml")

    apiVersion: Literal["modelyard/v1"] = Field(description="The version of this format")  # noqa: N815 -- the field's custom
    use_case: UseCaseSection = Field(description="The business decision")
    model: ModelSection = Field(description="What makes or informs it")
    version: VersionSection | None = Field(default=None, description="What to register")
    tests: Annotated[tuple[TestSection, ...], Field(max_length=200)] = Field(default=(), description="Bounds it must keep")
    policy: PolicySection = Field(default=PolicySection(), description="Wishes about loading and translating")


def parse(text: str, file: str = FILE_NAME) -> ManifestFile:
    """The manifest in the text. Raises InvalidManifestFile with every problem: line, column, dotted path and what to do."""
    document = yaml_text.read(text, file)
    try:
        # By way of JSON, so that strictness still lets lists be tuples and texts be dates.
        return ManifestFile.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        problems = {_problem(document, file, found) for found in error.errors(include_url=False)}
        raise InvalidManifestFile.of(_deepest(problems)) from error


def dump(manifest: ManifestFile) -> str:
    """YAML that `parse` reads back as the same manifest; what is at its default is left out."""
    return yaml_text.write(manifest.model_dump(mode="json", exclude_defaults=True))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file, for editors."""
    schema = ManifestFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID} | schema


def _deepest(problems: Iterable[Problem]) -> list[Problem]:
    """In the file's order, without those that another one explains better: a value of several possible types fails them all."""
    around = {p.path[:end] for p in problems for end, character in enumerate(p.path) if character == "."}
    return sorted((p for p in problems if p.path not in around), key=lambda p: (p.line, p.column, p.path, p.message))


_ADVICE = {
    "string_type": "if it is a text, put it in quotes",
    "tuple_type": "write a list: [a, b]",
    "list_type": "write a list: [a, b]",
    "model_type": "write fields below it, each with its value",
    "model_attributes_type": "write fields below it, each with its value",
    "dict_type": "write names below it, each with its value",
}


def _problem(document: yaml_text.Document, file: str, found: Any) -> Problem:
    path = _in_document(document.value, found["loc"])
    line, column = document.place(path)
    message = str(found["msg"]).removeprefix("Value error, ")
    suggestion = _ADVICE.get(found["type"], "")
    if found["type"] == "extra_forbidden":
        message, suggestion = f"there is no field {path[-1]!r} here", _nearest(str(path[-1]), _fields_around(path))
    elif found["type"] == "missing":
        message = "this field is required"
    elif found["type"] in {"enum", "literal_error"}:
        suggestion = _nearest(str(found["input"]), tuple(re.findall(r"'([^']*)'", found["ctx"]["expected"])))
    return Problem(file, line, column, ".".join(str(step) for step in path), message, suggestion)


def _in_document(value: Any, location: tuple[str | int, ...]) -> yaml_text.Path:
    """A location without the names that pydantic adds for members of a union: only steps that the document has, and the last
    step (which is absent when a field is missing)."""
    path: list[str | int] = []
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if isinstance(value, dict) and (step in value or (last and _is_field(tuple(path), step))):
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path.append(step)
            value = value[step]
    return tuple(path)


def _is_field(path: yaml_text.Path, step: str | int) -> bool:
    return step in _fields_around((*path, step))


def _fields_around(path: yaml_text.Path) -> tuple[str, ...]:
    """The names that are allowed beside the last step of the path."""
    kinds: list[Any] = [ManifestFile]
    for step in path[:-1]:
        kinds = [inner for kind in kinds for inner in _step(kind, step)]
    return tuple(name for kind in kinds if _is_model(kind) for name in kind.model_fields)


def _step(kind: Any, step: str | int) -> list[Any]:
    """What a value of that type has at the step: the field's type, or the type of a collection's members."""
    if _is_model(kind):
        field = kind.model_fields.get(step)
        return [] if field is None else _members(field.annotation)
    if get_origin(kind) is tuple and isinstance(step, int):
        return _members(get_args(kind)[0])
    if get_origin(kind) is dict:
        return _members(get_args(kind)[1])
    return []


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [inner for member in get_args(annotation) for inner in _members(member)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _nearest(given: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}" if known else ""
