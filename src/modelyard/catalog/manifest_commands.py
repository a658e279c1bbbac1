"""From `modelyard.yaml` and what the caller gathered for it to the commands that bring the catalog to that state."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.commands import RegisterModel, RegisterUseCase, RegisterVersion, UpdateModel, UpdateUseCase
from modelyard.catalog.manifest_file import DataSection, ManifestFile, ModelSection, UseCaseSection, VersionSection
from modelyard.catalog.model import DataReference, GitFacts, Metric, Model, Recipe, UseCase
from modelyard.catalog.signatures import SignatureDifference, merged
from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Inspection
from modelyard.kinds.manifest import ArtifactRef
from modelyard.kinds.signature import Signature


class Fingerprint(BaseModel):
    """A file that was hashed: its digest, its size in bytes and, if they were counted, its rows."""

    model_config = ConfigDict(frozen=True)

    digest: str
    size: int
    rows: int | None = None


class Gathered(BaseModel):
    """What the caller found in the files that the manifest names. `data` is by the name of the data section; `metrics` is the
    content of the metrics file; `inferred` is the signature read from the artifact or the sample."""

    model_config = ConfigDict(frozen=True)

    artifact: ArtifactRef
    serving: ArtifactRef | None = None
    inspection: Inspection
    inferred: Signature | None = None
    lock: str | None = None
    sample: str | None = None
    data: dict[str, Fingerprint] = {}
    metrics: dict[str, Metric | float] = {}
    git: GitFacts | None = None


def refers_only(section: UseCaseSection | ModelSection) -> bool:
    """Whether the section does no more than name a record that exists."""
    return section.model_fields_set <= {"name"}


def register_use_case(manifest: ManifestFile) -> RegisterUseCase:
    return RegisterUseCase(**dict(manifest.use_case))


def register_model(manifest: ManifestFile, kind: str) -> RegisterModel:
    """`kind` is that of the artifact, for a file that leaves it out."""
    return RegisterModel(**dict(manifest.model) | {"kind": manifest.model.kind or kind}, use_case=manifest.use_case.name)


def update_use_case(manifest: ManifestFile, kept: UseCase) -> UpdateUseCase | None:
    """What the file says otherwise than the record; None when nothing. What the file leaves out stays as it is."""
    changes = _changes(manifest.use_case, kept)
    return UpdateUseCase(use_case=kept.id, revision=kept.revision, **changes) if changes else None


def update_model(manifest: ManifestFile, kept: Model) -> UpdateModel | None:
    """As `update_use_case`. Raises InvalidInput when the file gives the model another kind: a kind never changes."""
    if manifest.model.kind not in (None, kept.kind):
        detail = f"model {kept.name!r} is of kind {kept.kind!r}, the file says {manifest.model.kind!r}"
        raise InvalidInput(detail, field="model.kind", hint="a model of another kind needs another name")
    changes = _changes(manifest.model, kept)
    return UpdateModel(model=kept.id, revision=kept.revision, **changes) if changes else None


def register_version(manifest: ManifestFile, gathered: Gathered) -> tuple[RegisterVersion, tuple[SignatureDifference, ...]]:
    """The command, and where the declared signature differs from the inferred one. Raises InvalidInput when the file has no
    version or another format than the artifact, a data file was not gathered, or the signatures cannot be brought together."""
    version = manifest.version
    if version is None:
        raise InvalidInput("the file has no `version`", field="version", hint="say which artifact to register")
    if version.format not in (None, gathered.inspection.format):
        detail = f"the file says format {version.format!r}, the artifact is {gathered.inspection.format!r}"
        raise InvalidInput(detail, field="version.format")
    signature = merged(gathered.inferred, version.signature)
    command = RegisterVersion(
        model=manifest.model.name,
        signature=signature.signature,
        environment_lock=gathered.lock,
        recipe=_recipe(version, gathered.lock),
        data=tuple(_data(section, gathered) for section in version.data),
        metrics=_metrics(version, gathered),
        **{name: getattr(gathered, name) for name in ("artifact", "serving", "inspection", "sample", "git")},
        **{name: getattr(version, name) for name in ("parents", "notes", "tags", "compute", "limitations")},
    )
    return command, signature.differences


def _changes(section: UseCaseSection | ModelSection, kept: UseCase | Model) -> dict[str, Any]:
    given = section.model_fields_set - {"name", "kind"}
    return {name: getattr(section, name) for name in given if getattr(section, name) != getattr(kept, name)}


def _recipe(version: VersionSection, lock: str | None) -> Recipe | None:
    return None if version.recipe is None else Recipe(**dict(version.recipe), environment_lock=lock)


def _data(section: DataSection, gathered: Gathered) -> DataReference:
    fields = dict(section)
    path, uri = fields.pop("path"), fields.pop("uri")
    if path is None:
        return DataReference(**fields, uri=uri or "")
    fingerprint = gathered.data.get(section.name)
    if fingerprint is None:
        raise InvalidInput(f"data {section.name!r} was not read", field="version.data")
    rows = fingerprint.rows if section.rows is None else section.rows
    found = {"digest": fingerprint.digest, "size": fingerprint.size, "rows": rows}
    return DataReference(**fields | found, uri=path)


def _metrics(version: VersionSection, gathered: Gathered) -> dict[str, Metric]:
    given = gathered.metrics if isinstance(version.metrics, str) else version.metrics
    return {name: m if isinstance(m, Metric) else Metric(value=m) for name, m in given.items()}
