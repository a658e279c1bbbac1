"""Endpoints and their arms: the desired state of what answers, and the signed snapshots that tell the runtime."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import DIGEST, canonical, digest
from modelyard.core.records import Record, Table
from modelyard.trust.statements import Arm, ArmRole, Constant, EndpointPolicy, EndpointRoutes, OnUnlogged, OrderAction, Stale

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
    policy: EndpointPolicy = EndpointPolicy()

    def digest(self) -> str:
        """As of every record; an endpoint without a policy of its own has the digest that it had before there were policies."""
        absent = {"policy"} if self.policy == EndpointPolicy() else set()
        return digest(canonical(self.model_dump(mode="json", exclude=absent)))

    def champion(self) -> EndpointArm | None:
        return next((arm for arm in self.arms if arm.role is ArmRole.CHAMPION), None)

    def fallbacks(self) -> tuple[EndpointArm, ...]:
        """The arms of role fallback, in the order in which they are tried. After them comes the constant."""
        return tuple(arm for arm in self.arms if arm.role is ArmRole.FALLBACK)

    def greatest_share_of(self, arm: EndpointArm) -> float:
        """How much of the traffic may come to the arm: all of it, when a rule names it."""
        ruled = arm.role in LIVE and any(rule.arm == arm.name for rule in self.policy.rules)
        return 1.0 if ruled else arm.share

    def routes(self) -> EndpointRoutes:
        """What the runtime is told. Rules that name no live arm rest until there is one, so that nothing keeps a rollback."""
        live = {arm.name for arm in self.arms if arm.role in LIVE}
        rules = tuple(rule for rule in self.policy.rules if rule.arm in live)
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
            policy=self.policy.model_copy(update={"rules": rules}),
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


class FallbacksUsed(Record):
    """How often something stood in for an arm on one runtime, from `since` to `until`. The record's id is made of the runtime's
    own, so that a report counts once. `answered_by` is an arm, `constant`, or `none` when nobody was left."""

    report: str
    runtime: str
    endpoint: str
    arm: str
    answered_by: str
    cause: str
    count: int = Field(ge=1)
    since: datetime
    until: datetime
    epoch: int


FALLBACK_USES: Table[FallbacksUsed] = Table(
    "fallback_uses", FallbacksUsed, indexed=("endpoint", "arm", "answered_by", "cause", "runtime", "since"), append_only=True
)


class OrderOutcome(StrEnum):
    """What became of an order: the desired state follows it; it had moved on, so that a person must look; or it was not good."""

    FOLLOWED = "followed"
    CONFLICT = "conflict"
    REFUSED = "refused"


class TakenOrder(Record):
    """An operator's order that a runtime acted on while the control plane was away, as it was signed, and what became of it."""

    payload: str = Field(pattern=DIGEST.pattern)
    envelope: str
    endpoint: str
    action: OrderAction
    base_epoch: int
    issued_by: str
    issued_at: datetime
    until: datetime
    reason: str
    key_id: str | None
    runtime: str
    taken_at: datetime
    outcome: OrderOutcome
    detail: str = ""


ORDERS: Table[TakenOrder] = Table(
    "orders",
    TakenOrder,
    indexed=("payload", "endpoint", "outcome", "issued_by", "until"),
    unique=(("organisation", "payload"),),
    text=("reason", "endpoint"),
    append_only=True,
)

TABLES: tuple[Table[Any], ...] = (ENDPOINTS, ROUTES, DEPLOYMENTS, FALLBACK_USES, ORDERS)

STALE_BY_TIER: dict[str, tuple[Stale, float]] = {
    "low": (Stale.SERVE, 7 * 86400.0),
    "medium": (Stale.FALLBACK, 86400.0),
    "high": (Stale.REFUSE, 4 * 3600.0),
}
"""What happens on a stale snapshot, and from which age in seconds, unless the endpoint says otherwise."""

UNLOGGED_BY_TIER: dict[str, OnUnlogged] = {
    "low": OnUnlogged.ANSWER,
    "medium": OnUnlogged.REFUSE,
    "high": OnUnlogged.REFUSE,
}
"""What happens when the decision log cannot be written, unless the endpoint says otherwise."""
