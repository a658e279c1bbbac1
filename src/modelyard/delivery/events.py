"""What happened to endpoints."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

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


class FallbackUsed(Event):
    """`count` requests of an arm were answered by something else (`none`: by nobody) between two moments."""

    type: ClassVar[str] = "delivery.fallback_used"

    endpoint: str
    arm: str
    answered_by: str
    cause: str
    count: int
    runtime: str
    since: AwareDatetime
    until: AwareDatetime


class OrderTaken(Event):
    """An order that runtimes acted on was taken in; `conflict` and `refused` have events of their own."""

    type: ClassVar[str] = "delivery.order_taken"

    endpoint: str
    order: str
    action: str
    outcome: str
    detail: str
    issued_by: str


class OrderInDoubt(Event):
    """Runtimes acted on an order, and somebody must look. `digest` is that of the order, `by` whom it names, `reason` why it was
    given."""

    endpoint: str
    order: str
    digest: str
    asked: str
    by: str
    reason: str
    runtime: str


class OrderConflict(OrderInDoubt):
    """The desired state does not follow an order: somebody must choose. `detail` says why nothing followed, `arms` and `epoch`
    what the control plane has now."""

    type: ClassVar[str] = "delivery.order_conflict"

    detail: str
    arms: tuple[str, ...]
    epoch: int


class OrderRefused(OrderInDoubt):
    """An order is not good any more, or never was: a key, a person or a release behind it was withdrawn. Nothing was done, and
    runtimes let go of it. `why` tells."""

    type: ClassVar[str] = "delivery.order_refused"

    why: str


EVENTS: tuple[type[Event], ...] = (
    EndpointCreated,
    EndpointUpdated,
    ArmsChanged,
    RoutesPublished,
    FallbackUsed,
    OrderTaken,
    OrderConflict,
    OrderRefused,
)
