"""Endpoints and their arms: the desired state of what answers, and the signed snapshots that tell the runtime."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import DIGEST
from modelyard.core.records import Record, Table
from modelyard.trust.statements import Arm, ArmRole, Constant, EndpointRoutes, Stale

LIVE = (ArmRole.CHAMPION, ArmRole.CHALLENGER)
SHARE_STEP = 1e-9


class EndpointArm(BaseModel):
    """A version behind an endpoint, by the release that lets it serve. `since` is when it got its present role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: ArmRole
    version: str
    release: str
    payload: str = Field(pattern=DIGEST.pattern)
    manifest: str = Field(pattern=DIGEST.pattern)
    share: float = Field(ge=0, le=1)
    since: datetime

    def route(self) -> Arm:
        return Arm(name=self.name, role=self.role, release=self.payload, manifest=self.manifest, share=self.share)


class Endpoint(Record):
    """A stable name that callers use, and the arms that should answer. `previous` is the arms before the last promotion or
    deployment of a champion: where a rollback leads."""

    name: str
    use_case: str
    stage: str
    tier: str
    arms: tuple[EndpointArm, ...] = ()
    previous: tuple[EndpointArm, ...] = ()
    constant: dict[str, Any] | None = None
    stale: Stale
    greatest_age: float
    sticky_salt: str
    epoch: int = 0

    def champion(self) -> EndpointArm | None:
        return next((arm for arm in self.arms if arm.role is ArmRole.CHAMPION), None)

    def routes(self) -> EndpointRoutes:
        """What the runtime is told."""
        return EndpointRoutes(
            name=self.name,
            use_case=self.use_case,
            stage=self.stage,
            tier=self.tier,
            arms=tuple(arm.route() for arm in self.arms),
            constant=Constant(outputs=self.constant) if self.constant is not None else None,
            sticky_salt=self.sticky_salt,
            greatest_age=self.greatest_age,
            stale=self.stale,
        )


ENDPOINTS: Table[Endpoint] = Table(
    "endpoints",
    Endpoint,
    indexed=("name", "use_case", "stage", "tier"),
    unique=(("organisation", "name"),),
    text=("name", "use_case"),
)


class PublishedRoutes(Record):
    """A route snapshot as it was signed. Epochs of an organisation only grow, without gaps."""

    epoch: int
    envelope: str
    payload: str = Field(pattern=DIGEST.pattern)
    key_id: str
    cause: str


ROUTES: Table[PublishedRoutes] = Table(
    "route_snapshots", PublishedRoutes, indexed=("epoch",), unique=(("organisation", "epoch"),), append_only=True
)


class Deployment(Record):
    """One change of what should answer: kept for ever, so that any past day can be reconstructed."""

    endpoint: str
    action: str
    epoch: int
    before: tuple[EndpointArm, ...]
    after: tuple[EndpointArm, ...]
    actor: str
    reason: str


DEPLOYMENTS: Table[Deployment] = Table(
    "deployments", Deployment, indexed=("endpoint", "action", "epoch", "actor"), text=("reason", "endpoint"), append_only=True
)

TABLES: tuple[Table[Any], ...] = (ENDPOINTS, ROUTES, DEPLOYMENTS)

STALE_BY_TIER: dict[str, tuple[Stale, float]] = {
    "low": (Stale.SERVE, 7 * 86400.0),
    "medium": (Stale.FALLBACK, 86400.0),
    "high": (Stale.REFUSE, 4 * 3600.0),
}
"""What happens on a stale snapshot, and from which age in seconds, unless the endpoint says otherwise."""
