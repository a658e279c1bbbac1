"""What can be done about endpoints. Each changes the desired state and signs a snapshot with the next epoch."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from modelyard.core.messages import Command
from modelyard.trust.statements import ArmRole, Stale

NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"


class CreateEndpoint(Command):
    """Make a stable name for a use case. Without `stale` and `greatest_age` the tier's defaults hold."""

    action: ClassVar[str] = "delivery.create_endpoint"

    name: str = Field(pattern=NAME)
    use_case: str
    stage: str = "production"
    constant: dict[str, Any] | None = None
    stale: Stale | None = None
    greatest_age: float | None = Field(default=None, gt=0, le=366 * 86400)


class UpdateEndpoint(Command):
    """Change an endpoint's constant fallback or its policy on stale snapshots; what is left out stays."""

    action: ClassVar[str] = "delivery.update_endpoint"

    endpoint: str
    revision: int
    constant: dict[str, Any] | None = None
    stale: Stale | None = None
    greatest_age: float | None = Field(default=None, gt=0, le=366 * 86400)


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
