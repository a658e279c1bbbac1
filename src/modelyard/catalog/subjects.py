"""What policies may look at when they judge the catalog's commands."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.commands import (
    AnnotateVersion,
    RegisterModel,
    RegisterUseCase,
    RegisterVersion,
    RetireModel,
    RetireVersion,
    UpdateModel,
    UpdateUseCase,
)
from modelyard.catalog.lookup import find_model, find_use_case, find_version, mine, state_of
from modelyard.catalog.model import USE_CASES, Model, UseCase
from modelyard.core.bus import Request
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction


def new_use_case(tx: Transaction, request: Request, command: RegisterUseCase) -> Subject:
    attributes = {
        "name": command.name,
        "owner": command.business_owner,
        "tier": command.tier or "",
        "new_tier": command.tier or "",
    }
    return Subject(type="use_case", id=command.name, attributes=attributes)


def named_use_case(tx: Transaction, request: Request, command: UpdateUseCase) -> Subject:
    """`new_tier` differs from `tier` when the command changes the risk tier."""
    record = find_use_case(tx, request.organisation, command.use_case)
    tier = "" if "tier" in command.clear else command.tier or record.tier or ""
    return Subject(type="use_case", id=record.id, attributes=_of_use_case(record) | {"new_tier": tier})


def new_model(tx: Transaction, request: Request, command: RegisterModel) -> Subject:
    use_case = find_use_case(tx, request.organisation, command.use_case)
    attributes = {"name": command.name, "kind": command.kind, "owner": command.owner, "tier": use_case.tier or ""}
    return Subject(type="model", id=command.name, attributes=attributes | {"use_case": use_case.name})


def named_model(tx: Transaction, request: Request, command: UpdateModel | RetireModel) -> Subject:
    record = find_model(tx, request.organisation, command.model)
    return Subject(type="model", id=record.id, attributes=_of_model(tx, record))


def model_subject(tx: Transaction, request: Request, command: RegisterVersion) -> Subject:
    """The model that gets a new version; `executes_code` says whether loading its artifact runs the author's code."""
    record = find_model(tx, request.organisation, command.model)
    attributes = _of_model(tx, record) | {"executes_code": command.inspection.executes_code, "format": command.artifact.format}
    return Subject(type="model", id=record.id, attributes=attributes)


def named_version(tx: Transaction, request: Request, command: RetireVersion | AnnotateVersion) -> Subject:
    version = find_version(tx, request.organisation, command.version)
    model, state = find_model(tx, request.organisation, version.model_id), state_of(tx, version)
    attributes = _of_model(tx, model) | {
        "name": version.name,
        "number": version.number,
        "developer": version.developer,
        "status": state.status.value,
        "stage": state.stage,
    }
    return Subject(type="version", id=version.id, attributes=attributes)


def _of_use_case(record: UseCase) -> dict[str, Any]:
    return {"name": record.name, "owner": record.business_owner, "tier": record.tier or ""}


def _of_model(tx: Transaction, record: Model) -> dict[str, Any]:
    use_case = mine(tx, USE_CASES, record.use_case_id, record.organisation)
    return {
        "name": record.name,
        "kind": record.kind,
        "owner": record.owner,
        "use_case": record.use_case,
        "tier": use_case.tier or "",
        "state": record.state.value,
    }
