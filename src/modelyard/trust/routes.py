"""Route snapshots: signed, verified, and judged arm by arm against the releases. The runtime acts only on `RoutesCheck`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from modelyard.core.digests import digest_of
from modelyard.core.errors import ModelyardError, NotApproved
from modelyard.trust import dsse
from modelyard.trust.dsse import GREATEST_ENVELOPE, Signed
from modelyard.trust.errors import OlderEpoch, WrongStatement
from modelyard.trust.keys import Purpose, Signer, TrustRoots
from modelyard.trust.releases import SHARE_TOLERANCE, Releases, VerifiedRelease, permits
from modelyard.trust.statements import ROUTES_TYPE, Arm, ArmRole, EndpointRoutes, RouteSnapshot, Statement, Subject
from modelyard.trust.strict import read_predicate

CLOCK_SKEW = timedelta(minutes=5)
LIVE = frozenset({ArmRole.CHAMPION, ArmRole.CHALLENGER})


@dataclass(frozen=True)
class VerifiedRoutes:
    """A snapshot that trusted keys signed; `trusted_until` is when the last of these keys expires."""

    snapshot: RouteSnapshot
    digest: str
    key_ids: tuple[str, ...]
    trusted_until: datetime


@dataclass(frozen=True)
class AllowedArm:
    """An arm that may serve, on which release, and until when: after `until` it must not answer any more."""

    arm: Arm
    release: VerifiedRelease
    until: datetime


@dataclass(frozen=True)
class AllowedEndpoint:
    """What may serve an endpoint. Shares are as the snapshot says: the share of a refused arm is not given to others,
    its requests go to the fallbacks."""

    routes: EndpointRoutes
    arms: tuple[AllowedArm, ...]

    @property
    def fallbacks(self) -> tuple[AllowedArm, ...]:
        """The allowed arms of role fallback, in the order in which to try them."""
        return tuple(allowed for allowed in self.arms if allowed.arm.role is ArmRole.FALLBACK)


@dataclass(frozen=True)
class Refusal:
    """Why an arm, or with `arm` None a whole endpoint, must not serve. `code` is the error's, `clause` its field."""

    endpoint: str
    arm: str | None
    code: str
    clause: str | None
    detail: str


@dataclass(frozen=True)
class RoutesCheck:
    """All that a runtime may act on, from one snapshot at one moment."""

    epoch: int
    digest: str
    issued_at: datetime
    endpoints: dict[str, AllowedEndpoint]
    refusals: tuple[Refusal, ...]


def sign_routes(snapshot: RouteSnapshot, *signers: Signer) -> Signed:
    """A routes statement in a DSSE envelope. Its subject is the snapshot, by the digest of its canonical JSON."""
    predicate = snapshot.model_dump(mode="json")
    subject = _subject(snapshot, predicate)
    return dsse.sign(Statement(subject=(subject,), predicate_type=ROUTES_TYPE, predicate=predicate), *signers)


def verify_routes(envelope: bytes, roots: TrustRoots, at: datetime) -> VerifiedRoutes:
    """The snapshot in an envelope, when signature, type, subject and time of issue hold and each endpoint stands once.

    Raises an Untrusted of `trust.errors`. Its age is not judged here: `Stale` says what the runtime does about it."""
    verified = dsse.verify(envelope, roots, Purpose.ROUTES, at)
    statement = verified.statement
    if statement.predicate_type != ROUTES_TYPE:
        raise WrongStatement(f"a statement of type {statement.predicate_type}, not routes", field="predicateType")
    snapshot = read_predicate(RouteSnapshot, statement.predicate, "routes", GREATEST_ENVELOPE)
    if statement.subject != (_subject(snapshot, statement.predicate),):
        raise WrongStatement("the statement's subject is not these routes", field="subject")
    if snapshot.issued_at > at + CLOCK_SKEW:
        raise WrongStatement(f"the routes were issued in the future: {snapshot.issued_at}", field="issued_at")
    twice = [name for name, count in Counter(routes.name for routes in snapshot.endpoints).items() if count > 1]
    if twice:
        raise WrongStatement(f"endpoint listed twice: {', '.join(twice)}", field="endpoints")
    return VerifiedRoutes(snapshot, verified.digest, verified.key_ids, verified.trusted_until)


def check_routes(
    routes: VerifiedRoutes, releases: Releases, highest_epoch_seen: int, at: datetime, seen_digest: str | None = None
) -> RoutesCheck:
    """Which arms may serve, and why the others may not.

    Raises OlderEpoch when the snapshot is older than `highest_epoch_seen`, or (given `seen_digest`, the digest of the
    snapshot seen with that epoch) when it is another one of the same epoch."""
    _require_epoch(routes, highest_epoch_seen, seen_digest)
    allowed: dict[str, AllowedEndpoint] = {}
    refusals: list[Refusal] = []
    for endpoint in routes.snapshot.endpoints:
        try:
            _require_sound(endpoint)
        except NotApproved as error:
            refusals.append(_refusal(endpoint, None, error))
            continue
        arms: list[AllowedArm] = []
        for arm in endpoint.arms:
            try:
                arms.append(_allow(routes, endpoint, arm, releases, at))
            except ModelyardError as error:
                refusals.append(_refusal(endpoint, arm, error))
        allowed[endpoint.name] = AllowedEndpoint(endpoint, tuple(arms))
    snapshot = routes.snapshot
    return RoutesCheck(snapshot.epoch, routes.digest, snapshot.issued_at, allowed, tuple(refusals))


def _require_epoch(routes: VerifiedRoutes, highest: int, seen_digest: str | None) -> None:
    epoch = routes.snapshot.epoch
    if epoch < highest:
        raise OlderEpoch(f"snapshot of epoch {epoch}; epoch {highest} was seen already", field="epoch")
    if epoch == highest and seen_digest not in (None, routes.digest):
        raise OlderEpoch(f"another snapshot of epoch {epoch} was seen already", field="epoch")


def _require_sound(endpoint: EndpointRoutes) -> None:
    """What must hold of an endpoint as a whole. An endpoint without champion and challengers lives on its fallbacks."""
    names = [arm.name for arm in endpoint.arms]
    if len(set(names)) < len(names):
        raise NotApproved("two arms of one name", field="arms")
    live = [arm for arm in endpoint.arms if arm.role in LIVE]
    if sum(arm.role is ArmRole.CHAMPION for arm in live) > 1:
        raise NotApproved("two champions", field="arms")
    total = math.fsum(arm.share for arm in live)
    if live and abs(total - 1) > SHARE_TOLERANCE:
        raise NotApproved(f"the shares of champion and challengers add up to {total:g}, not to 1", field="shares")


def _allow(routes: VerifiedRoutes, endpoint: EndpointRoutes, arm: Arm, releases: Releases, at: datetime) -> AllowedArm:
    found = releases.get(arm.release)
    terms = found.release
    if terms.manifest != arm.manifest:
        raise NotApproved(f"release {terms.id} is for manifest {terms.manifest}, not {arm.manifest}", field="manifest")
    if terms.organisation != routes.snapshot.organisation:
        raise NotApproved(f"release {terms.id} is of organisation {terms.organisation!r}", field="organisation")
    permits(
        found,
        endpoint=endpoint.name,
        use_case=endpoint.use_case,
        stage=endpoint.stage,
        role=arm.role,
        share=_share_on_release(endpoint, arm),
        at=at,
        revoked=routes.snapshot.revoked,
    )
    return AllowedArm(arm, found, min(found.until, routes.trusted_until))


def _share_on_release(endpoint: EndpointRoutes, arm: Arm) -> float:
    """The arm's share with that of its twins, so that a release cannot be stretched by listing it twice. A rule may send it every
    request, so what rules name must be permitted the whole."""
    if arm.role in LIVE and any(rule.arm == arm.name for rule in endpoint.policy.rules):
        return 1.0
    alike = LIVE if arm.role in LIVE else {arm.role}
    return math.fsum(other.share for other in endpoint.arms if other.release == arm.release and other.role in alike)


def _refusal(endpoint: EndpointRoutes, arm: Arm | None, error: ModelyardError) -> Refusal:
    return Refusal(endpoint.name, arm.name if arm else None, error.code, error.field, error.detail)


def _subject(snapshot: RouteSnapshot, predicate: dict[str, Any]) -> Subject:
    name = f"routes/{snapshot.organisation}/{snapshot.epoch}"
    return Subject(name=name, digest={"sha256": digest_of(predicate).removeprefix("sha256:")})
