"""What is checked before a version is let in, and the manifest that is made of it. Reads the catalog, changes nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from modelyard.catalog.commands import RegisterVersion
from modelyard.catalog.lookup import find_version
from modelyard.catalog.model import LINEAGE, VERSIONS, Model, Version, lineage_digest, recipe_digest
from modelyard.core.errors import AlreadyExists, InvalidInput, Refused, TooLarge
from modelyard.core.records import Transaction, equals, every, first
from modelyard.kinds.contract import Severity
from modelyard.kinds.manifest import VersionManifest
from modelyard.kinds.signature import Signature

GREATEST_ANCESTRY = 100_000


@dataclass(frozen=True)
class Intake:
    """What the organisation lets in."""

    kinds: frozenset[str]
    allow_unsafe_formats: bool = False
    accepted_risks: frozenset[str] = frozenset()


def check_intake(command: RegisterVersion, model: Model, intake: Intake) -> None:
    """Raises InvalidInput when the parts contradict each other, Refused when the artifact is not safe enough."""
    _check_kind(command, model, intake.kinds)
    _check_safety(command, intake)
    _check_signature(command.signature)
    _check_parts(command)


def _check_kind(command: RegisterVersion, model: Model, kinds: frozenset[str]) -> None:
    inspected = command.inspection.kind
    if inspected not in kinds:
        raise InvalidInput(
            f"no kind named {inspected!r}", field="inspection.kind", hint=f"known kinds: {', '.join(sorted(kinds))}"
        )
    if inspected != model.kind:
        raise InvalidInput(
            f"the artifact is of kind {inspected!r}, model {model.name!r} is of kind {model.kind!r}",
            field="inspection.kind",
            hint="register it under a model of its kind",
        )
    if command.inspection.format != command.artifact.format:
        detail = f"the artifact says format {command.artifact.format!r}, the inspection {command.inspection.format!r}"
        raise InvalidInput(detail, field="artifact.format")


def _check_safety(command: RegisterVersion, intake: Intake) -> None:
    inspection = command.inspection
    if inspection.executes_code and not intake.allow_unsafe_formats:
        raise Refused(
            f"format {inspection.format!r} runs code of its author when it is loaded",
            field="artifact.format",
            hint="save the model as ONNX or skops, or let an administrator allow unsafe formats",
        )
    for risk in inspection.risks:
        if risk.severity is Severity.DANGER and risk.code not in intake.accepted_risks:
            raise Refused(f"dangerous artifact: {risk.code}: {risk.detail}", field="inspection.risks")


def _check_signature(signature: Signature) -> None:
    if not signature.inputs or not signature.outputs:
        raise InvalidInput("a signature has at least one input and one output", field="signature")
    for side, fields in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        for place, field in enumerate(fields):
            if any(size < 1 for size in field.shape):
                raise InvalidInput(
                    f"field {field.name!r} has the shape {list(field.shape)}: each size is at least 1",
                    field=f"signature.{side}[{place}].shape",
                    hint="say the shape of one row's value; nothing for a single value",
                )


def _check_parts(command: RegisterVersion) -> None:
    names = [(d.purpose, d.name) for d in command.data]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InvalidInput(f"data reference {twice[1]!r} ({twice[0]}) is given twice", field="data")
    recipe = command.recipe
    if recipe is not None and recipe.environment_lock not in (None, command.environment_lock):
        raise InvalidInput("the recipe's environment lock is another than the version's", field="recipe.environment_lock")


def lineage_of(tx: Transaction, organisation: str, references: tuple[str, ...]) -> tuple[Version, ...]:
    """The parents, each once. Raises NotFound for one that does not exist, InvalidInput for one named twice.

    Parents exist before their children and versions never change, so that lineage cannot form a cycle.
    """
    parents = tuple(find_version(tx, organisation, reference) for reference in references)
    ids = [p.id for p in parents]
    if len(set(ids)) < len(ids):
        raise InvalidInput("a parent is named twice", field="parents")
    return parents


def ancestors(tx: Transaction, version_id: str) -> tuple[str, ...]:
    """The ids of all versions that a version descends from, nearest first. Raises InvalidInput when it descends from itself
    (only a tampered database can say so), TooLarge beyond a hundred thousand ancestors."""
    found: dict[str, None] = {}
    waiting = deque([version_id])
    while waiting:
        for edge in every(tx, LINEAGE, equals("child", waiting.popleft())):
            if edge.parent == version_id:
                raise InvalidInput(f"version {version_id} descends from itself", field="parents")
            if edge.parent not in found:
                found[edge.parent] = None
                waiting.append(edge.parent)
        if len(found) > GREATEST_ANCESTRY:
            raise TooLarge(f"version {version_id} has more than {GREATEST_ANCESTRY} ancestors", field="parents")
    return tuple(found)


def manifest_of(command: RegisterVersion, model: Model, parents: tuple[Version, ...]) -> VersionManifest:
    """The document whose digest is the version's."""
    return VersionManifest(
        model=model.name,
        kind=model.kind,
        artifact=command.artifact,
        serving=command.serving or command.artifact,
        inspection=command.inspection,
        signature=command.signature,
        environment_lock=command.environment_lock,
        recipe=recipe_digest(command.recipe),
        lineage=lineage_digest(tuple(p.manifest_digest for p in parents), command.data, command.git),
    )


def no_such_version_yet(tx: Transaction, model: Model, digest: str) -> None:
    """Raises AlreadyExists, naming the version, when the model has one with that digest."""
    found = first(tx, VERSIONS, equals("model_id", model.id), equals("manifest_digest", digest))
    if found is not None:
        raise AlreadyExists(f"this is {found.name} already", field="artifact", hint=f"see version {found.id}")
