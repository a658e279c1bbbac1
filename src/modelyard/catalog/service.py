"""Handlers of the catalog's commands, and the one function by which higher rooms move a version's status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from modelyard.catalog.commands import (
    AnnotateVersion,
    RegisterModel,
    RegisterUseCase,
    RegisterVersion,
    RetireModel,
    RetireVersion,
    Update,
    UpdateModel,
    UpdateUseCase,
)
from modelyard.catalog.events import (
    ModelRegistered,
    ModelRetired,
    ModelUpdated,
    UseCaseRegistered,
    UseCaseUpdated,
    VersionAnnotated,
    VersionRegistered,
    VersionRetired,
    VersionStatusChanged,
)
from modelyard.catalog.intake import Intake, check_intake, lineage_of, manifest_of, no_such_version_yet
from modelyard.catalog.lookup import find_model, find_use_case, find_version, mine, state_of
from modelyard.catalog.model import (
    ANNOTATIONS,
    FIRST_STAGE,
    LINEAGE,
    MODELS,
    NUMBERING,
    STATUS_CHANGES,
    USE_CASES,
    VERSION_STATES,
    VERSIONS,
    Annotation,
    LineageEdge,
    Model,
    ModelState,
    Numbering,
    Stamp,
    Status,
    StatusChange,
    UseCase,
    Version,
    VersionState,
    may_follow,
)
from modelyard.catalog.ports import InUse, nowhere
from modelyard.catalog.profile import SECTIONS, checked, stated
from modelyard.catalog.subjects import model_subject, named_model, named_use_case, named_version, new_model, new_use_case
from modelyard.core.bus import Handling, Work
from modelyard.core.errors import InvalidInput, StaleRevision, WrongState
from modelyard.core.records import equals, every

GREATEST_WORDS = 20_000
Described = TypeVar("Described", UseCase, Model)
TOP = ("title", "description", "business_owner", "owner", "tier", "regulatory_class", "review_at", "tags")


def register_use_case(work: Work, command: RegisterUseCase) -> UseCase:
    """Raises AlreadyExists when the organisation has a use case of that name."""
    record = UseCase(**work.new("uc"), **_given(command), registered_by=work.actor.id)
    kept = work.add(USE_CASES, _described(record, {}, work.actor.id, work.now))
    work.emit(UseCaseRegistered(use_case_id=kept.id, name=kept.name, tier=kept.tier), f"use_case:{kept.id}")
    return kept


def update_use_case(work: Work, command: UpdateUseCase) -> UseCase:
    """Raises NotFound, and StaleRevision when somebody else changed it first."""
    before = find_use_case(work.tx, work.organisation, command.use_case)
    after, fields = _updated(work, before, command)
    if not fields:
        return before
    kept = work.save(USE_CASES, after)
    event = UseCaseUpdated(use_case_id=kept.id, name=kept.name, tier=kept.tier, fields=fields)
    work.emit(event, f"use_case:{kept.id}")
    return kept


def register_model(work: Work, command: RegisterModel, kinds: Collection[str]) -> Model:
    """Raises NotFound for the use case, InvalidInput for an unknown kind, AlreadyExists for a taken name."""
    if command.kind not in kinds:
        raise InvalidInput(f"no kind named {command.kind!r}", field="kind", hint=f"known kinds: {', '.join(sorted(kinds))}")
    use_case = find_use_case(work.tx, work.organisation, command.use_case)
    given = _given(command) | {"use_case": use_case.name, "use_case_id": use_case.id}
    record = Model(**work.new("mdl"), **given, registered_by=work.actor.id)
    kept = work.add(MODELS, _described(record, {}, work.actor.id, work.now))
    work.add(NUMBERING, Numbering(id=kept.id, organisation=kept.organisation, created_at=work.now))
    event = ModelRegistered(model_id=kept.id, name=kept.name, kind=kept.kind, use_case_id=kept.use_case_id)
    work.emit(event, f"model:{kept.id}")
    return kept


def update_model(work: Work, command: UpdateModel) -> Model:
    """Raises NotFound, StaleRevision when somebody else changed it first, WrongState when it is retired."""
    before = _active(find_model(work.tx, work.organisation, command.model))
    after, fields = _updated(work, before, command)
    if not fields:
        return before
    kept = work.save(MODELS, after)
    work.emit(ModelUpdated(model_id=kept.id, name=kept.name, fields=fields), f"model:{kept.id}")
    return kept


def register_version(work: Work, command: RegisterVersion, intake: Intake) -> Version:
    """Raises what `check_intake` raises, WrongState when the model is retired, NotFound for a parent that does not exist,
    and AlreadyExists, naming the version, when the model has this very version already."""
    model = _active(find_model(work.tx, work.organisation, command.model))
    check_intake(command, model, intake)
    parents = lineage_of(work.tx, work.organisation, command.parents)
    manifest = manifest_of(command, model, parents)
    digest = manifest.digest()
    no_such_version_yet(work.tx, model, digest)
    version = Version(
        **work.new("ver"),
        model_id=model.id,
        model=model.name,
        use_case_id=model.use_case_id,
        number=_next_number(work, model),
        manifest_digest=digest,
        manifest=manifest,
        parents=tuple(p.id for p in parents),
        developer=work.actor.id,
        **{n: getattr(command, n) for n in ("data", "git", "recipe", "metrics", "sample", "notes", "compute", "limitations")},
    )
    return _keep_version(work, version, command)


def _keep_version(work: Work, version: Version, command: RegisterVersion) -> Version:
    kept = work.add(VERSIONS, version)
    for parent in kept.parents:
        work.add(LINEAGE, LineageEdge(**work.new("lin"), child=kept.id, parent=parent))
    state = VersionState(
        **work.new("ver") | {"id": kept.id},
        **{n: getattr(kept, n) for n in ("model_id", "model", "use_case_id", "number", "developer")},
        kind=kept.manifest.kind,
        format=kept.manifest.artifact.format,
        manifest_digest=kept.manifest_digest,
        stage=FIRST_STAGE,
        status_since=work.now,
        tags=command.tags,
        words=_joined(kept.name, *command.tags, kept.manifest.artifact.format, kept.developer, kept.notes),
    )
    work.add(VERSION_STATES, state)
    _note_status(work, state, None, "registered")
    event = VersionRegistered(
        version_id=kept.id,
        model_id=kept.model_id,
        model=kept.model,
        number=kept.number,
        digest=kept.manifest_digest,
        developer=kept.developer,
    )
    work.emit(event, f"version:{kept.id}")
    return kept


def change_status(work: Work, version_id: str, status: Status, *, reason: str, stage: str | None = None) -> VersionState:
    """Move a version to a status and, if given, a stage; for handlers of higher rooms. Raises NotFound, and WrongState for a
    step that `may_follow` does not allow. To retire a version, use its command, which asks whether it is in use."""
    before = mine(work.tx, VERSION_STATES, version_id, work.organisation)
    may_follow(before.status, status)
    after = _moved(work, before, status, reason, stage or before.stage)
    event = VersionStatusChanged(
        version_id=after.id,
        model_id=after.model_id,
        model=after.model,
        number=after.number,
        before=before.status,
        status=after.status,
        stage=after.stage,
        reason=reason,
    )
    work.emit(event, f"version:{after.id}")
    return after


def retire_version(work: Work, command: RetireVersion, in_use: InUse) -> VersionState:
    """Raises NotFound, and WrongState when it is retired already or an endpoint still has it as a live arm."""
    version = find_version(work.tx, work.organisation, command.version)
    return _retired(work, state_of(work.tx, version), command.reason, in_use)


def retire_model(work: Work, command: RetireModel, in_use: InUse) -> Model:
    """Retires its versions too. Raises NotFound, and WrongState when it is retired or one of its versions is in use."""
    model = _active(find_model(work.tx, work.organisation, command.model))
    for state in every(work.tx, VERSION_STATES, equals("model_id", model.id)):
        if state.status is not Status.RETIRED:
            _retired(work, state, command.reason, in_use)
    fields = {"state": ModelState.RETIRED, "retired_at": work.now, "retired_by": work.actor.id, "retired_reason": command.reason}
    kept = work.save(MODELS, model.model_copy(update=fields))
    work.emit(ModelRetired(model_id=kept.id, name=kept.name, reason=command.reason), f"model:{kept.id}")
    return kept


def annotate_version(work: Work, command: AnnotateVersion) -> Annotation:
    """Raises NotFound, and InvalidInput for a field that is not in the inventory or a value that the field cannot take."""
    version = find_version(work.tx, work.organisation, command.version)
    value = checked(command.field, command.value)
    annotation = Annotation(
        **work.new("ann"), version_id=version.id, field=command.field, value=value, by=work.actor.id, note=command.note
    )
    kept = work.add(ANNOTATIONS, annotation)
    event = VersionAnnotated(version_id=version.id, annotation_id=kept.id, field=kept.field)
    work.emit(event, f"version:{version.id}")
    return kept


def handlings(
    *,
    kinds: Collection[str],
    in_use: InUse = nowhere,
    allow_unsafe_formats: bool = False,
    accepted_risks: Collection[str] = (),
) -> list[Handling[Any]]:
    """The catalog's commands. `kinds` are the names of the installed kinds; `in_use` says where a version is live.

    Formats that run their author's code when loaded are refused unless `allow_unsafe_formats`; an artifact with a risk of
    severity DANGER is refused unless the risk's code is among `accepted_risks`.
    """
    intake = Intake(frozenset(kinds), allow_unsafe_formats, frozenset(accepted_risks))
    return [
        Handling(RegisterUseCase, register_use_case, new_use_case, UseCase),
        Handling(UpdateUseCase, update_use_case, named_use_case, UseCase),
        Handling(RegisterModel, partial(register_model, kinds=kinds), new_model, Model),
        Handling(UpdateModel, update_model, named_model, Model),
        Handling(RegisterVersion, partial(register_version, intake=intake), model_subject, Version),
        Handling(RetireVersion, partial(retire_version, in_use=in_use), named_version, VersionState),
        Handling(RetireModel, partial(retire_model, in_use=in_use), named_model, Model),
        Handling(AnnotateVersion, annotate_version, named_version, Annotation),
    ]


def _active(model: Model) -> Model:
    if model.state is ModelState.RETIRED:
        raise WrongState(f"model {model.name!r} is retired", field="model", hint="register a new model")
    return model


def _next_number(work: Work, model: Model) -> int:
    numbering = work.get(NUMBERING, model.id)
    return work.save(NUMBERING, numbering.model_copy(update={"last": numbering.last + 1})).last


def _retired(work: Work, state: VersionState, reason: str, in_use: InUse) -> VersionState:
    may_follow(state.status, Status.RETIRED)
    if state.status is Status.RETIRED:
        raise WrongState(f"version {state.model}@{state.number} is retired already", field="version")
    endpoints = in_use(work.tx, state.id)
    if endpoints:
        raise WrongState(
            f"version {state.model}@{state.number} still serves {', '.join(sorted(endpoints))}",
            field="version",
            hint="take it out of its endpoints first",
        )
    after = _moved(work, state, Status.RETIRED, reason, state.stage)
    event = VersionRetired(version_id=after.id, model_id=after.model_id, model=after.model, number=after.number, reason=reason)
    work.emit(event, f"version:{after.id}")
    return after


def _moved(work: Work, before: VersionState, status: Status, reason: str, stage: str) -> VersionState:
    fields = {"status": status, "stage": stage, "reason": reason, "status_since": work.now}
    after = work.save(VERSION_STATES, before.model_copy(update=fields))
    _note_status(work, after, before.status, reason)
    return after


def _note_status(work: Work, state: VersionState, before: Status | None, reason: str) -> None:
    change = StatusChange(
        **work.new("sta"),
        version_id=state.id,
        model_id=state.model_id,
        number=state.number,
        before=before,
        status=state.status,
        stage=state.stage,
        by=work.actor.id,
        reason=reason,
    )
    work.add(STATUS_CHANGES, change)


def _given(command: RegisterUseCase | RegisterModel) -> dict[str, Any]:
    return {name: getattr(command, name) for name in type(command).model_fields}


def _updated(work: Work, before: Described, command: Update) -> tuple[Described, tuple[str, ...]]:
    if command.revision != before.revision:
        raise StaleRevision(
            f"{before.name!r} is at revision {before.revision}, not {command.revision}",
            field="revision",
            hint="read it again and repeat the change",
        )
    empty = {name: type(before).model_fields[name].get_default(call_default_factory=True) for name in command.clear}
    after = before.model_copy(update=command.changes() | empty)
    was, now = _declared(before), _declared(after)
    fields = tuple(sorted(p for p in was.keys() | now.keys() if was.get(p) != now.get(p)))
    return _described(after, was, work.actor.id, work.now), fields


def _described(record: Described, was: Mapping[str, Any], by: str, at: datetime) -> Described:
    """The record with its words for searching and the stamps of the fields that changed."""
    now = _declared(record)
    fresh = {path: Stamp(by=by, at=at) for path, value in now.items() if was.get(path) != value}
    kept = {path: stamp for path, stamp in record.stamps.items() if path in now}
    texts = [str(v) for v in now.values() if isinstance(v, str)]
    lists = [str(item) for v in now.values() if isinstance(v, list) for item in v if isinstance(item, str)]
    words = _joined(record.name, *texts, *lists)
    return record.model_copy(update={"stamps": kept | fresh, "words": words})


def _declared(record: UseCase | Model) -> dict[str, Any]:
    """Dotted path to JSON value of everything that people said about it."""
    sections = {name: getattr(record, name, None) for name in SECTIONS}
    top = record.model_dump(mode="json", include=set(TOP))
    return {n: v for n, v in top.items() if v not in (None, "", [])} | dict(stated(sections))


def _joined(*texts: str) -> str:
    """What can be searched for, the most telling words first."""
    return " ".join(t for t in texts if t)[:GREATEST_WORDS]
