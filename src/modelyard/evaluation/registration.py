"""Letting a version in: the artifact is examined in a child process, its signature found, a safer or faster form made and
checked against the original, and only then is `catalog.register_version` given to the bus.

    uploaded blobs ─► inspect ─► signature (declared + inferred) ─► translate and compare ─► RegisterVersion
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.catalog.commands import RegisterVersion
from modelyard.catalog.model import DataReference, GitFacts, Metric, Recipe, Version
from modelyard.core.blobs import BlobInfo, Blobs
from modelyard.core.digests import DIGEST, digest_of
from modelyard.core.errors import InvalidInput, NotFound, TooLarge
from modelyard.kinds.contract import DECLARES_SIGNATURE, Inspection, Policy, Translation
from modelyard.kinds.infer import infer, merge
from modelyard.kinds.manifest import ArtifactRef
from modelyard.kinds.sandbox import Limits, check_isolated, inspect_isolated, translate_isolated
from modelyard.kinds.signature import FieldSpec, Signature

_Seen = tuple[Signature, tuple[str, ...]]
"""A signature, and where what was declared differs from what was found."""
_Served = tuple[ArtifactRef | None, dict[str, Any]]
"""What is served in place of the artifact, and what is known of how it was made."""
GREATEST_SAMPLE = 256 << 20
"""Bytes: a sample is read whole, here and by checks."""
FILENAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"


class Declared(BaseModel):
    """What is declared of the signature; the rest is inferred from the artifact and the sample. A declared field replaces the
    inferred one of its name; `exclude` names columns of the sample that are not inputs (the label, an index)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[FieldSpec, ...] | None = None
    outputs: tuple[FieldSpec, ...] | None = None
    exclude: tuple[str, ...] = Field(default=(), max_length=500)


class Registration(BaseModel):
    """A request to register a version of a model from uploaded blobs. `sample` is a small file of rows (Parquet, Arrow or
    CSV) with the model's inputs; without it the signature must be in the artifact or declared whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1, max_length=200)
    artifact: str = Field(pattern=DIGEST.pattern)
    filename: str = Field(pattern=FILENAME)
    sample: str | None = Field(default=None, pattern=DIGEST.pattern)
    sample_filename: str = Field(default="sample.parquet", pattern=FILENAME)
    signature: Declared = Declared()
    translate: bool = True
    parents: tuple[str, ...] = Field(default=(), max_length=100)
    data: tuple[DataReference, ...] = Field(default=(), max_length=200)
    git: GitFacts | None = None
    recipe: Recipe | None = None
    environment_lock: str | None = Field(default=None, pattern=DIGEST.pattern)
    metrics: dict[str, Metric] = Field(default={}, max_length=1000)
    notes: str = Field(default="", max_length=4000)
    tags: tuple[str, ...] = Field(default=(), max_length=50)
    compute: str = Field(default="", max_length=200)
    limitations: tuple[str, ...] = Field(default=(), max_length=100)


class Registered(BaseModel):
    """The version, and where what was declared differs from what was found."""

    version: Version
    differences: tuple[str, ...] = ()
    translation: str = ""


@dataclass(frozen=True)
class Desk:
    """What registration works with. With `dry_run` nothing is kept, not even the translation that was made."""

    blobs: Blobs
    policy: Policy
    limits: Limits
    inspections: dict[str, Inspection]
    dry_run: bool = False


def prepare(desk: Desk, asked: Registration) -> tuple[RegisterVersion, tuple[str, ...], str]:
    """The command, the differences between declared and inferred, and a sentence on the translation.

    Raises InvalidArtifact, InvalidInput, NotFound (no such blob) and TimedOut; the catalog is untouched."""
    inspection, (signature, differences), (serving, facts) = _learnt(desk, asked)
    sentence = str(facts.get("sentence", ""))
    command = RegisterVersion(
        **asked.model_dump(exclude={"artifact", "filename", "sample_filename", "signature", "translate"}, exclude_unset=True),
        artifact=ArtifactRef(
            digest=asked.artifact, size=desk.blobs.size(asked.artifact), format=inspection.format, filename=asked.filename
        ),
        serving=serving,
        inspection=inspection.model_copy(update={"facts": dict(inspection.facts) | ({"translation": facts} if facts else {})}),
        signature=signature,
    )
    return command, differences, sentence


def fetch(blobs: Blobs, digest: str, path: Path) -> Path:
    """A blob as a file of that name, verified on the way. Raises NotFound, and Untrusted when it is not what its digest says."""
    require_blob(blobs, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for part in blobs.open(digest):
            file.write(part)
    return path


def require_blob(blobs: Blobs, digest: str) -> None:
    """Raises NotFound, saying what to do, when the blob was not uploaded."""
    if not blobs.exists(digest):
        raise NotFound(f"there is no blob {digest}", hint="upload it first: `POST /api/v1/blobs`")


def _require_small(blobs: Blobs, sample: str | None) -> None:
    if sample is None:
        return
    require_blob(blobs, sample)
    size = blobs.size(sample)
    if size > GREATEST_SAMPLE:
        raise TooLarge(f"the sample has {size} bytes, more than {GREATEST_SAMPLE}", field="sample", hint="give fewer rows")


def _learnt(desk: Desk, asked: Registration) -> tuple[Inspection, _Seen, _Served]:
    """What the artifact and the sample tell. An artifact that was inspected before is not laid out as a file again, when there
    is no sample to try it with; that it is still there and whole is looked at every time."""
    _require_small(desk.blobs, asked.sample)
    known = desk.inspections.get(_inspection_key(desk, asked))
    if known is not None and asked.sample is None:
        require_blob(desk.blobs, asked.artifact)
        desk.blobs.verify(asked.artifact)
        return known, _signature(desk, asked, None, known, None), (None, {})
    with tempfile.TemporaryDirectory(prefix="modelyard-register-") as folder:
        here = Path(folder)
        artifact = fetch(desk.blobs, asked.artifact, here / "artifact" / asked.filename)
        sample = None
        if asked.sample is not None:
            sample = fetch(desk.blobs, asked.sample, here / "sample" / asked.sample_filename)
        inspection = _inspect(desk, asked, artifact)
        seen = _signature(desk, asked, artifact, inspection, sample)
        return inspection, seen, _translate(desk, asked, artifact, seen[0], sample, here)


def _inspection_key(desk: Desk, asked: Registration) -> str:
    """Inspection depends on nothing but the bytes, the name and the policy, so it is done once for each."""
    return digest_of([asked.artifact, asked.filename, desk.policy.model_dump(mode="json")])


def _inspect(desk: Desk, asked: Registration, artifact: Path) -> Inspection:
    key = _inspection_key(desk, asked)
    found = desk.inspections.get(key)
    if found is None:
        found = inspect_isolated(artifact, desk.policy, limits=desk.limits)
        if len(desk.inspections) >= 1000:
            desk.inspections.pop(next(iter(desk.inspections)))
        desk.inspections[key] = found
    return found


def _signature(desk: Desk, asked: Registration, artifact: Path | None, inspection: Inspection, sample: Path | None) -> _Seen:
    """What is declared leads, here or in the artifact; the sample tells the inputs that were not declared, the artifact the
    outputs.

    Without a sample, the artifact's own signature counts, or everything must be declared."""
    own, declared = inspection.signature, asked.signature
    shown = infer(sample).inputs if sample is not None else (own.inputs if own is not None else ())
    shown = tuple(field for field in shown if field.name not in declared.exclude)
    if own is not None and inspection.facts.get(DECLARES_SIGNATURE):
        inputs = _overridden(own.inputs, declared.inputs or ())
    else:
        inputs = _overridden(tuple(map(_as_guessed, shown)), declared.inputs or ())
    if not inputs:
        raise InvalidInput("nothing tells the model's inputs", field="signature.inputs", hint="give a sample, or declare them")
    outputs = declared.outputs or (own.outputs if own is not None else ())
    if not outputs:
        outputs = _loaded_outputs(desk, artifact, inputs, sample)
    seen = Signature(inputs=shown, outputs=own.outputs if own is not None else ())
    return merge(Signature(inputs=inputs, outputs=outputs), seen)


def _as_guessed(field: FieldSpec) -> FieldSpec:
    """A field without the bounds that a sample happens to show: the runtime refuses what is out of bounds, so only declared ones
    count. What the sample shows is compared with them all the same."""
    return field.model_copy(update={"minimum": None, "maximum": None, "allowed": None})


def _loaded_outputs(
    desk: Desk, artifact: Path | None, inputs: tuple[FieldSpec, ...], sample: Path | None
) -> tuple[FieldSpec, ...]:
    """What the loaded model says it answers, for formats that do not tell without loading."""
    if sample is None or artifact is None:
        raise InvalidInput(
            "nothing tells the model's outputs", field="signature.outputs", hint="give a sample, or declare the outputs"
        )
    unfinished = Signature(inputs=inputs, outputs=())
    return check_isolated(artifact, sample, unfinished, desk.policy, limits=desk.limits).signature.outputs


def _overridden(shown: tuple[FieldSpec, ...], declared: tuple[FieldSpec, ...]) -> tuple[FieldSpec, ...]:
    """Shown fields in their order, each as declared where it is; then declared ones that were not shown."""
    by_name = {field.name: field for field in declared}
    kept = tuple(by_name.pop(field.name, field) for field in shown)
    return kept + tuple(by_name.values())


def _translate(
    desk: Desk,
    asked: Registration,
    artifact: Path,
    signature: Signature,
    sample: Path | None,
    here: Path,
) -> _Served:
    if not asked.translate or sample is None:
        return None, {}
    made = translate_isolated(artifact, signature, sample, here / "translation", desk.policy, limits=desk.limits)
    if made is None:
        return None, {}
    facts: dict[str, Any] = {
        "format": made.format,
        "largest_difference": made.largest_difference,
        "label_changes": made.label_changes,
        "rows": made.rows,
        "sentence": _sentence(made),
    }
    if made.refused:
        return None, facts | {"sentence": f"no translation: {made.refused}; the original serves"}
    stored = _kept(desk, made.path)
    reference = ArtifactRef(digest=stored.digest, size=stored.size, format=made.format, filename=made.path.name)
    return reference, facts


def _kept(desk: Desk, path: Path) -> BlobInfo:
    with path.open("rb") as file:
        if desk.dry_run:
            return BlobInfo(digest=f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}", size=path.stat().st_size)
        return desk.blobs.put(iter(lambda: file.read(1 << 20), b""))


def _sentence(made: Translation) -> str:
    return (
        f"translated to {made.format}; largest difference {made.largest_difference:.3g} and {made.label_changes} changed "
        f"labels over {made.rows} rows"
    )
