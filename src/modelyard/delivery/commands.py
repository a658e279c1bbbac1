"""What can be done about endpoints. Each changes the desired state and signs a snapshot with the next epoch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.core.messages import Command
from modelyard.trust.orders import GREATEST_ORDER
from modelyard.trust.statements import (
    ArmRole,
    ColdStart,
    EndpointPolicy,
    OnInvalid,
    OnUnlogged,
    Protection,
    RoutingRule,
    Stale,
)

NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"


class _Policy(Command):
    """How an endpoint answers, field by field as in `EndpointPolicy`; what is left out stays as it is. `rules` and `protect` are
    given whole."""

    invalid: OnInvalid | None = None
    unlogged: OnUnlogged | None = None
    cold_start: ColdStart | None = None
    timeout: float | None = Field(default=None, gt=0, le=600)
    latency_target: float | None = Field(default=None, gt=0, le=60)
    concurrency: int | None = Field(default=None, ge=1, le=100_000)
    queue: int | None = Field(default=None, ge=0, le=1_000_000)
    sticky_by: str | None = Field(default=None, min_length=1, max_length=200)
    rules: tuple[RoutingRule, ...] | None = Field(default=None, max_length=100)
    protect: dict[Annotated[str, Field(min_length=1, max_length=205)], Protection] | None = Field(default=None, max_length=1000)

    def policy_over(self, before: EndpointPolicy) -> EndpointPolicy:
        """The policy with what is given."""
        given = {name: getattr(self, name) for name in EndpointPolicy.model_fields}
        return before.model_copy(update={name: value for name, value in given.items() if value is not None})


Clearable = Literal[
    "constant", "invalid", "cold_start", "timeout", "latency_target", "concurrency", "queue", "sticky_by", "rules", "protect"
]


class CreateEndpoint(_Policy):
    """Make a stable name for a use case. Without `stale`, `greatest_age` and `unlogged` the tier's defaults hold."""

    action: ClassVar[str] = "delivery.create_endpoint"

    name: str = Field(pattern=NAME)
    use_case: str
    stage: str = "production"
    constant: dict[str, Any] | None = None
    stale: Stale | None = None
    greatest_age: float | None = Field(default=None, gt=0, le=366 * 86400)


class UpdateEndpoint(_Policy):
    """Change an endpoint's constant fallback or its policy; what is left out stays, what `clear` names is as if never set."""

    action: ClassVar[str] = "delivery.update_endpoint"

    endpoint: str
    revision: int
    constant: dict[str, Any] | None = None
    stale: Stale | None = None
    greatest_age: float | None = Field(default=None, gt=0, le=366 * 86400)
    clear: tuple[Clearable, ...] = ()


class SetFallbacks(Command):
    """Set who answers when a live arm cannot, in the order in which they are tried; those that are not named leave. Each is the
    name of a fallback arm, a version whose release permits it, or `previous`: where a rollback would lead."""

    action: ClassVar[str] = "delivery.set_fallbacks"

    endpoint: str
    chain: tuple[str, ...] = Field(max_length=20)


class Deploy(Command):
    """Put a released version behind an endpoint. A champion replaces the present one; a challenger takes its share from the
    champion. Without `arm` the arm is named after the version (`v3`)."""

    action: ClassVar[str] = "delivery.deploy"

    endpoint: str
    release: str
    role: ArmRole = ArmRole.CHAMPION
    share: float | None = Field(default=None, ge=0, le=1)
    arm: str | None = Field(default=None, pattern=NAME)


class SetShares(Command):
    """Set the shares of the live arms by name; they must add up to one."""

    action: ClassVar[str] = "delivery.set_shares"

    endpoint: str
    shares: dict[str, float] = Field(min_length=1, max_length=50)


class Promote(Command):
    """Make a challenger (or shadow) the champion with all traffic; the present champion leaves and is where a rollback leads."""

    action: ClassVar[str] = "delivery.promote"

    endpoint: str
    arm: str


class Rollback(Command):
    """Return to the arms before the last change of champion, or to a named earlier version that still has its release."""

    action: ClassVar[str] = "delivery.rollback"

    endpoint: str
    version: str | None = None


class StopArm(Command):
    """Take an arm away; its share goes to the champion."""

    action: ClassVar[str] = "delivery.stop_arm"

    endpoint: str
    arm: str


class PublishRoutes(Command):
    """Sign the present desired state again, with the next epoch: after revocations, and so that it does not grow stale."""

    action: ClassVar[str] = "delivery.publish_routes"

    cause: str = "refresh"


class FallbackReport(BaseModel):
    """How often something stood in for an arm on a runtime. `id` is the runtime's own and makes delivery idempotent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=100)
    runtime: str = Field(min_length=1, max_length=200)
    endpoint: str = Field(min_length=1, max_length=200)
    arm: str = Field(max_length=200)
    answered_by: str = Field(max_length=200)
    reason: str = Field(max_length=200)
    count: int = Field(ge=1, le=2**53)
    since: AwareDatetime
    until: AwareDatetime
    epoch: int = Field(ge=0, le=2**53)


class RecordFallbacks(Command):
    """Take in how often fallbacks answered; reports that are known already are passed over."""

    action: ClassVar[str] = "delivery.record_fallbacks"

    uses: tuple[FallbackReport, ...] = Field(max_length=1000)


class OrderBrought(BaseModel):
    """An order that a runtime acts on, as it was signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(max_length=100)
    runtime: str = Field(min_length=1, max_length=200)
    envelope: str = Field(max_length=GREATEST_ORDER)
    taken_at: AwareDatetime
    epoch: int = Field(ge=0, le=2**53)


class ReconcileOrder(Command):
    """Have the desired state follow an order that runtimes acted on while the control plane was away. Done in the name of the
    operator whose key signed it; when the endpoint has changed since, nothing follows and a conflict is kept."""

    action: ClassVar[str] = "delivery.reconcile_order"

    endpoint: str
    envelope: str = Field(max_length=GREATEST_ORDER)
    runtime: str
    taken_at: AwareDatetime


class RefuseOrder(Command):
    """Keep that an order which runtimes acted on is not good here, so that they let go of it."""

    action: ClassVar[str] = "delivery.refuse_order"

    endpoint: str
    envelope: str = Field(max_length=GREATEST_ORDER)
    runtime: str
    taken_at: AwareDatetime
    why: str = Field(max_length=2000)
