"""What happened to endpoints."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class EndpointCreated(Event):
    type: ClassVar[str] = "delivery.endpoint_created"

    endpoint: str
    use_case: str


class EndpointUpdated(Event):
    type: ClassVar[str] = "delivery.endpoint_updated"

    endpoint: str


class ArmsChanged(Event):
    type: ClassVar[str] = "delivery.arms_changed"

    endpoint: str
    action: str
    epoch: int
    versions: tuple[str, ...]


class RoutesPublished(Event):
    type: ClassVar[str] = "delivery.routes_published"

    epoch: int
    cause: str


EVENTS: tuple[type[Event], ...] = (EndpointCreated, EndpointUpdated, ArmsChanged, RoutesPublished)
