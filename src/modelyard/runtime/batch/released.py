"""What may answer a batch: pulled from the control plane, verified as the online runtime does, and asked again while it runs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from modelyard.core.clock import Clock
from modelyard.core.errors import InvalidInput, NotApproved, NotFound
from modelyard.decisions import exclusive, write_atomically
from modelyard.kinds.contract import Policy, Predictor
from modelyard.runtime.batch.model import Order, Pin, Place, Plan
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.errors import NoAnswer, SourceDown
from modelyard.runtime.loading import Models
from modelyard.runtime.orders import OrderDesk
from modelyard.runtime.ports import Source
from modelyard.runtime.sources import FolderSource, HttpSource
from modelyard.trust import AllowedArm, AllowedEndpoint, RoutesCheck, TrustRoots, check_routes, verify_releases, verify_routes
from modelyard.trust.errors import OlderEpoch
from modelyard.trust.routes import LIVE
from modelyard.trust.statements import ArmRole, Stale


@dataclass(frozen=True)
class Allowed:
    """What a verified snapshot lets an endpoint do, after operators' orders. `envelope` is the snapshot as it was signed;
    `orders` are the reasons of the orders that are in force on the endpoint."""

    envelope: bytes
    check: RoutesCheck
    organisation: str
    endpoint: AllowedEndpoint
    orders: tuple[str, ...] = ()

    def arm(self, name: str) -> AllowedArm:
        """The arm of that name. Raises NotApproved saying why it may not serve."""
        for allowed in self.endpoint.arms:
            if allowed.arm.name == name:
                return allowed
        why = [r.detail for r in self.check.refusals if r.endpoint == self.endpoint.routes.name and r.arm == name]
        ordered = [f"an operator's order took it back: {reason}" for reason in self.orders]
        cause = (*why, *ordered, "it is not among the routes")[0]
        raise NotApproved(f"arm {name!r} may not serve: {cause}", field="arm")

    def require_fresh(self, now: datetime) -> None:
        """Raises NoAnswer when the snapshot is too old for the endpoint's tier: a batch can wait, so it never falls back."""
        routes = self.endpoint.routes
        age = (now - self.check.issued_at).total_seconds()
        if age > routes.greatest_age and routes.stale is not Stale.SERVE:
            raise NoAnswer("the route snapshot is older than its tier permits", hint="the control plane must renew it")


class Plane:
    """The control plane as a batch sees it. Nothing that comes from it is trusted before it is verified."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._clock = clock
        self._roots = TrustRoots.from_json(place.trust_roots.read_bytes())
        self.cache = Cache(place.home / "cache")
        self._orders = OrderDesk(place.home, "batch", place.trust_roots, self.cache, clock, follows=True)
        self.source = _source(place)
        self._policy = Policy() if place.policy_file is None else Policy.model_validate_json(place.policy_file.read_bytes())

    def now(self, endpoint: str) -> Allowed:
        """What the newest snapshot lets the endpoint do. Raises SourceDown, an Untrusted, NotFound or NoAnswer."""
        envelope = self.source.routes(0, 0.0)
        if envelope is None:
            raise NotFound("the control plane has published no routes", hint="deploy a release to an endpoint first")
        try:
            return self.verified(envelope, endpoint)
        except OlderEpoch:  # somebody who shares the cache saw a newer one just now: there is one to be had
            return self.verified(self.source.routes(0, 0.0) or envelope, endpoint)

    def current(self, envelope: bytes, endpoint: str) -> Allowed:
        """What this snapshot lets the endpoint do, or the newest one when a newer was seen here meanwhile: routes are signed anew
        every few minutes, and the cache may be shared. Raises as `now`."""
        try:
            return self.verified(envelope, endpoint)
        except OlderEpoch:
            return self.now(endpoint)

    def newer(self, than: Allowed) -> Allowed | None:
        """What the endpoint may do by a newer snapshot, or by other orders of operators than before; None while nothing changed.
        Orders are looked at without the control plane too: that is what they are for. Raises as `now`."""
        try:
            envelope = self.source.routes(than.check.epoch, 0.0)
        except SourceDown:
            if not self.ordered():
                raise
            envelope = None
        if envelope is not None and envelope != than.envelope:
            return self.verified(envelope, than.endpoint.routes.name)
        return self.verified(self.cache.routes() or than.envelope, than.endpoint.routes.name) if self.ordered() else None

    def ordered(self) -> bool:
        """Whether other orders of operators are in force at this place than were last asked for."""
        return self._orders.changed()

    def verified(self, envelope: bytes, endpoint: str) -> Allowed:
        """A snapshot judged against trust roots, releases and the highest epoch seen here."""
        now = self._clock.now()
        verified = self._orders.overlaid(verify_routes(envelope, self._roots, now))
        wanted = [arm.release for e in verified.snapshot.endpoints if e.name == endpoint for arm in e.arms]
        releases = verify_releases(self._envelopes(wanted), self._roots, now)
        highest = self.cache.highest()
        seen = highest.digest if highest.epoch == verified.snapshot.epoch else None
        check = check_routes(verified, releases, highest.epoch, now, seen)
        self.cache.accept(envelope, Highest(check.epoch, check.digest))
        self._orders.accepted()
        found = check.endpoints.get(endpoint)
        if found is None:
            refused = [r.detail for r in check.refusals if r.endpoint == endpoint and r.arm is None]
            if refused:
                raise NoAnswer(f"endpoint {endpoint!r} is refused: {refused[0]}")
            raise NotFound(f"there is no endpoint {endpoint!r:.80}", field="endpoint")
        return Allowed(envelope, check, verified.snapshot.organisation, found, tuple(self._orders.reasons(endpoint)))

    def models(self) -> Models:
        """Where models are loaded here; every byte is checked against its digest. Close it when done."""
        return Models(self.cache, self.source, ThreadPoolExecutor(1), self._policy)

    def predictors(self, arms: Sequence[AllowedArm]) -> tuple[Models, dict[str, Predictor]]:
        """The models of these arms, loaded here; every byte is checked against its digest. Close the first when done."""
        models = self.models()
        return models, {allowed.arm.name: models.get(allowed).predictor for allowed in arms}

    def _envelopes(self, wanted: Sequence[str]) -> list[bytes]:
        found = []
        for digest in dict.fromkeys(wanted):
            envelope = self.cache.release(digest)
            if envelope is None:
                try:
                    envelope = self.source.release(digest)
                except NotFound:
                    continue
                self.cache.keep_release(digest, envelope)
            found.append(envelope)
        return found


def chosen(allowed: Allowed, order: Order) -> tuple[Pin, ...]:
    """Who answers: the champion, the arm that was asked for, or all live arms by their shares. Raises NotApproved, NotFound."""
    live = [arm for arm in allowed.endpoint.routes.arms if arm.role in LIVE]
    if order.arm is not None:
        wanted = [arm for arm in live if arm.name == order.arm]
        if not wanted:
            names = ", ".join(arm.name for arm in live)
            raise NotFound(f"endpoint {order.endpoint!r} has no live arm {order.arm!r}", field="arm", hint=f"it has: {names}")
    elif order.shares:
        wanted = [arm for arm in live if arm.share > 0]
    else:
        wanted = [arm for arm in live if arm.role is ArmRole.CHAMPION]
    if not wanted:
        raise NoAnswer(f"endpoint {order.endpoint!r} has no champion", hint="deploy one, or name an arm")
    found = [allowed.arm(arm.name) for arm in wanted]
    if order.arm is not None:
        _require_whole(found[0])
    return tuple(_pin(arm, order.shares) for arm in found)


def _require_whole(allowed: AllowedArm) -> None:
    """Who is asked for by name answers every row. Raises NotApproved when the release is for a part of the traffic."""
    share = allowed.release.release.greatest_share
    if share < 1:
        raise NotApproved(
            f"arm {allowed.arm.name!r} is released for {share:.0%} of the traffic, and by name it would answer all of the batch",
            field="arm",
            hint="have it released for a share of 1, or draw arms by their shares: --shares",
        )


def _pin(allowed: AllowedArm, by_shares: bool) -> Pin:
    arm = allowed.arm
    share = arm.share if by_shares else 1.0
    return Pin(arm.name, arm.role.value, share, allowed.release.release.version, arm.manifest, arm.release)


def still_allowed(plan: Plan, allowed: Allowed) -> list[AllowedArm]:
    """The arms that began the batch, as they may serve now. Raises NotApproved when one of them may not any more."""
    found = []
    for pin in plan.pins:
        try:
            arm = allowed.arm(pin.name)
        except NotApproved as error:
            raise _over(plan, error.detail) from error
        if (arm.arm.manifest, arm.arm.release) != (pin.manifest, pin.release):
            raise _over(plan, f"arm {pin.name!r} is another version or release by now")
        found.append(arm)
    return found


def _over(plan: Plan, why: str) -> NotApproved:
    return NotApproved(f"batch {plan.id} ends: {why}", field="arm", hint="what is done stays; score the rest as a new batch")


def require_in_time(arms: Sequence[AllowedArm], now: datetime) -> None:
    """Raises NotApproved when the release of an arm has ended."""
    for allowed in arms:
        if now >= allowed.until:
            raise NotApproved(f"arm {allowed.arm.name!r}: its release has ended", field="until")


def constant_of(allowed: Allowed) -> dict[str, object]:
    """What the endpoint answers when nobody else may. Raises InvalidInput when it has none."""
    constant = allowed.endpoint.routes.constant
    if constant is None:
        raise InvalidInput(
            "the endpoint has no constant to fall back to", field="invalid", hint="give it one, or leave the rows out: skip"
        )
    return constant.outputs


def pseudonym_key(place: Place) -> bytes:
    """The key of the file given, or the one of the home, made when there is none."""
    if place.pseudonym_key_file is not None:
        return place.pseudonym_key_file.read_bytes().strip()
    path: Path = place.home / "pseudonym.key"
    with exclusive(place.home / "pseudonym.lock"):
        if not path.exists():
            write_atomically(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_bytes().strip()


def _source(place: Place) -> Source:
    if place.source.startswith(("http://", "https://")):
        token = place.token or (place.token_file.read_text().strip() if place.token_file else None)
        return HttpSource(place.source, token)
    return FolderSource(Path(place.source), threading.Event())
