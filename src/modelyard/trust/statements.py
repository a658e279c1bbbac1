"""What is signed: releases, route snapshots and orders, as in-toto statements (https://in-toto.io/Statement/v1).

A *release* says: this version digest may serve these endpoints of this use case, at this stage, in these roles, up to
this share, until this date, on this evidence, with these approvals. A *route snapshot* is the desired state of all
endpoints of an organisation, with an epoch that only grows. An *order* is an operator's word to the runtimes while the
control plane is away: it brings back what answered before, or stops arms. The runtime acts on nothing else.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from modelyard.core.digests import DIGEST

Digest = Annotated[str, Field(pattern=DIGEST.pattern)]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
RELEASE_TYPE: Final = "https://modelyard.dev/statements/release/v1"
ROUTES_TYPE: Final = "https://modelyard.dev/statements/routes/v1"
ORDER_TYPE: Final = "https://modelyard.dev/statements/order/v1"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_defaults(plain: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name not in defaults or value != defaults[name]}


class ArmRole(StrEnum):
    """What an arm is behind its endpoint. `fallback` answers only when another arm cannot."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"
    FALLBACK = "fallback"


class Stale(StrEnum):
    """What the runtime does when its snapshot is older than the tier permits."""

    SERVE = "serve"
    FALLBACK = "fallback"
    REFUSE = "refuse"


class OnInvalid(StrEnum):
    """What happens to rows that do not fit the signature: the caller is told, or a fallback that can read them answers and
    the decision is marked."""

    REJECT = "reject"
    FALLBACK = "fallback"


class OnUnlogged(StrEnum):
    """What happens when the decision log cannot be written: no answer, or an answer that says that it is not logged."""

    REFUSE = "refuse"
    ANSWER = "answer"


class ColdStart(StrEnum):
    """What a request gets while the arm's environment or process is still starting."""

    WAIT = "wait"
    FALLBACK = "fallback"


class Protection(StrEnum):
    """How a field's values enter the decision log: as they are, not at all, as a keyed hash, or encrypted."""

    KEEP = "keep"
    MASK = "mask"
    HASH = "hash"
    ENCRYPT = "encrypt"

    @property
    def strength(self) -> int:
        """How much it keeps from who reads the log: nothing, what a key gives back, all but that two are alike, all."""
        return (Protection.KEEP, Protection.ENCRYPT, Protection.HASH, Protection.MASK).index(self)


class EvidenceRef(_Document):
    """Evidence that the release stands on: its type, id and digest."""

    id: str
    type: str
    digest: Digest


class ApprovalRef(_Document):
    """An approval that the release stands on, by id and the digest of its record."""

    id: str
    approver: str
    digest: Digest


class Release(_Document):
    """The predicate of a release statement. The statement's subject is the version manifest's digest. `network` grants a model
    that runs in a process of its own the use of the network."""

    id: str
    organisation: str
    use_case: str
    model: str
    version: str
    manifest: Digest
    serving: Digest
    endpoints: tuple[str, ...] = Field(min_length=1)
    stage: str
    roles: tuple[ArmRole, ...] = Field(min_length=1)
    greatest_share: float = Field(gt=0, le=1)
    tier: str
    evidence: tuple[EvidenceRef, ...]
    approvals: tuple[ApprovalRef, ...]
    policy: Digest
    issued_by: str
    issued_at: AwareDatetime
    not_before: AwareDatetime
    until: AwareDatetime
    network: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As for `EndpointRoutes`: a grant that is not given is not written."""
        return _without_defaults(plain(self), {"network": False})

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until <= self.not_before:
            raise ValueError(f"`until` ({self.until}) is not after `not_before` ({self.not_before})")
        return self


class Arm(_Document):
    """A version behind an endpoint. `release` is the digest of the signed envelope's payload. Shares of the champion and
    the challengers of an endpoint add up to one; a shadow's share is the part of the traffic that is mirrored to it."""

    name: str
    role: ArmRole
    release: Digest
    manifest: Digest
    share: float = Field(ge=0, le=1)


class Constant(_Document):
    """A fallback that needs no model: fixed values for the outputs."""

    outputs: dict[str, Any]


class RoutingRule(_Document):
    """Requests for which `when` holds (FEEL over the inputs of the row, by name) go to the live arm of that name; the first
    rule that holds decides, before shares are drawn."""

    when: str = Field(min_length=1, max_length=4000)
    arm: str


class EndpointPolicy(_Document):
    """How an endpoint answers. Times are seconds; limits hold for each worker process.

    `timeout` is how long an arm may take before a fallback answers; `latency_target` bounds how long rows may wait to be
    answered together; `concurrency` is how many requests are answered at once and `queue` how many may wait for that, others
    are turned away with 503. `sticky_by` names the input whose value is the routing key of requests that bring none.
    `protect` says by field name, or by the role of the field with `role:` before it, how values enter the decision log."""

    invalid: OnInvalid = OnInvalid.REJECT
    unlogged: OnUnlogged = OnUnlogged.REFUSE
    cold_start: ColdStart = ColdStart.WAIT
    timeout: float | None = Field(default=None, gt=0, le=600)
    latency_target: float | None = Field(default=None, gt=0, le=60)
    concurrency: int | None = Field(default=None, ge=1, le=100_000)
    queue: int | None = Field(default=None, ge=0, le=1_000_000)
    sticky_by: str | None = None
    rules: tuple[RoutingRule, ...] = Field(default=(), max_length=100)
    protect: dict[str, Protection] = Field(default_factory=dict)

    def protection(self, field: str, role: str) -> Protection:
        """How the values of a field with that role enter the log: what is said of the field itself goes before its role's."""
        return self.protect.get(field) or self.protect.get(f"role:{role}") or Protection.KEEP


class EndpointRoutes(_Document):
    """Desired state of one endpoint. The arms of role fallback are tried in their order, then `constant` answers.
    `greatest_age` is how old (seconds) a snapshot may be before `stale` applies."""

    name: str
    use_case: str
    stage: str
    tier: str
    arms: tuple[Arm, ...]
    constant: Constant | None = None
    sticky_salt: str = ""
    greatest_age: float = Field(gt=0)
    stale: Stale = Stale.REFUSE
    policy: EndpointPolicy = EndpointPolicy()

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not used is not written, so that runtimes that do not know it go on reading snapshots."""
        return _without_defaults(plain(self), {"policy": EndpointPolicy().model_dump(mode="json")})


class RouteSnapshot(_Document):
    """The predicate of a routes statement. `revoked` lists release digests that must not serve any more, `settled` the digests of
    orders that the control plane has taken in: they hold no longer."""

    organisation: str
    epoch: int = Field(ge=1)
    issued_at: AwareDatetime
    endpoints: tuple[EndpointRoutes, ...]
    revoked: tuple[Digest, ...] = ()
    settled: tuple[Digest, ...] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As for `EndpointRoutes`."""
        return _without_defaults(plain(self), {"settled": []})


class OrderAction(StrEnum):
    """What an order asks for: return to an earlier champion, or let arms answer no more."""

    ROLLBACK = "rollback"
    STOP = "stop"


class OrderArm(_Document):
    """An arm as an order names it: the version by its manifest, and the release that lets it serve."""

    name: str
    release: Digest
    manifest: Digest


LONGEST_ORDER = timedelta(hours=24)


class Order(_Document):
    """The predicate of an order statement: for one endpoint, made against one epoch, for hours at most.

    A rollback names the one arm that is to answer all requests, or says `previous`: the champion before the present one. A stop
    names the arms that are to answer no more. `issued_by` is the operator's identity; the key that signs says who it was."""

    id: str = Field(min_length=8, max_length=100)
    organisation: str
    endpoint: str
    action: OrderAction
    to: tuple[OrderArm, ...] | Literal["previous"]
    base_epoch: int = Field(ge=1)
    issued_by: str
    issued_at: AwareDatetime
    until: AwareDatetime
    reason: str = Field(min_length=1, max_length=2000)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not timedelta(0) < self.until - self.issued_at <= LONGEST_ORDER:
            raise ValueError("`until` must be after `issued_at`, by 24 hours at most")
        if self.action is OrderAction.STOP and (self.to == "previous" or not self.to):
            raise ValueError("a stop names the arms that are to answer no more")
        if self.action is OrderAction.ROLLBACK and self.to != "previous" and len(self.to) != 1:
            raise ValueError("a rollback names the one arm that is to answer, or says `previous`")
        return self


class Subject(_Document):
    """What a statement is about: a name and its digests by algorithm (hex, without prefix)."""

    name: str
    digest: dict[str, str]


class Statement(_Document):
    """An in-toto statement, version 1."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_TYPE, alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str = Field(alias="predicateType")
    predicate: dict[str, Any]

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
