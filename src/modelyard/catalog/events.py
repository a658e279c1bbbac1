"""What happened in the catalog."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class UseCaseRegistered(Event):
    type: ClassVar[str] = "catalog.use_case_registered"

    use_case_id: str
    name: str
    tier: str | None


class UseCaseUpdated(Event):
    """`fields` are the dotted paths that changed."""

    type: ClassVar[str] = "catalog.use_case_updated"

    use_case_id: str
    name: str
    tier: str | None
    fields: tuple[str, ...]


class ModelRegistered(Event):
    type: ClassVar[str] = "catalog.model_registered"

    model_id: str
    name: str
    kind: str
    use_case_id: str


class ModelUpdated(Event):
    """`fields` are the dotted paths that changed."""

    type: ClassVar[str] = "catalog.model_updated"

    model_id: str
    name: str
    fields: tuple[str, ...]


class ModelRetired(Event):
    type: ClassVar[str] = "catalog.model_retired"

    model_id: str
    name: str
    reason: str


class VersionRegistered(Event):
    type: ClassVar[str] = "catalog.version_registered"

    version_id: str
    model_id: str
    model: str
    number: int
    digest: str
    developer: str


class VersionStatusChanged(Event):
    type: ClassVar[str] = "catalog.version_status_changed"

    version_id: str
    model_id: str
    model: str
    number: int
    before: str
    status: str
    stage: str
    reason: str


class VersionRetired(Event):
    type: ClassVar[str] = "catalog.version_retired"

    version_id: str
    model_id: str
    model: str
    number: int
    reason: str


class VersionAnnotated(Event):
    type: ClassVar[str] = "catalog.version_annotated"

    version_id: str
    annotation_id: str
    field: str


EVENTS: tuple[type[Event], ...] = (
    UseCaseRegistered,
    UseCaseUpdated,
    ModelRegistered,
    ModelUpdated,
    ModelRetired,
    VersionRegistered,
    VersionStatusChanged,
    VersionRetired,
    VersionAnnotated,
)
