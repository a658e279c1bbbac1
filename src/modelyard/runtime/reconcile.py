"""Desired against actual: take a snapshot, verify all of it, load what may serve, swap. Runs in a thread of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

import structlog

from modelyard.core.clock import Clock
from modelyard.core.errors import ModelyardError, NotFound, Unavailable
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.errors import IncompatibleOutputs, SourceDown
from modelyard.runtime.loading import Models
from modelyard.runtime.orders import OrderDesk
from modelyard.runtime.ports import RefusalRecord, Source
from modelyard.runtime.routing import Shares
from modelyard.runtime.spool import RefusalSpool
from modelyard.runtime.table import LiveSlot, ServedEndpoint, ServingArm, Table
from modelyard.runtime.uses import FallbackUses
from modelyard.trust import AllowedArm, AllowedEndpoint, TrustRoots, VerifiedRoutes, check_routes, verify_releases
from modelyard.trust.dsse import statement_digest
from modelyard.trust.errors import Malformed
from modelyard.trust.routes import LIVE, Refusal, verify_routes
from modelyard.trust.statements import Arm, ArmRole

_log = structlog.get_logger("modelyard.runtime")
_LOOK_AGAIN = 30.0
_FETCH_ATTEMPTS = 3
_REFUSALS_AT_ONCE = 500
_SHORTEST_TURN = 0.1


@dataclass
class _Work:
    """One snapshot on its way to a table: what was refused so far, and whether something is only late."""

    verified: VerifiedRoutes
    refusals: list[Refusal] = field(default_factory=list)
    late: bool = False


class Reconciler:
    """Keeps the table that `swap` was last given in line with the source. What is refused is spooled before the swap."""

    def __init__(
        self,
        name: str,
        roots: TrustRoots,
        source: Source,
        cache: Cache,
        models: Models,
        spool: RefusalSpool,
        clock: Clock,
        swap: Callable[[Table], None],
        stop: threading.Event,
        wait: float = 2.0,
        orders: OrderDesk | None = None,
        uses: FallbackUses | None = None,
    ) -> None:
        self._name, self._roots, self._source, self._cache = name, roots, source, cache
        self._models, self._spool, self._clock, self._swap, self._stop = models, spool, clock, swap, stop
        self._wait, self._orders, self._uses = wait, orders, uses
        self._taking = threading.RLock()
        self._again: bytes | None = None
        self._again_at = 0.0
        self._epoch = 0
        self._in_force: bytes | None = None
        self._serving: set[str] = set()
        self._seen = Highest()
        self._unkept = self._wanting = False
        self.refusals: tuple[RefusalRecord, ...] = ()

    def restore(self) -> None:
        """Serve what was accepted before the restart, as far as it may still serve. Needs no source, but uses it for what
        is missing."""
        envelope = self._cache.routes()
        if envelope is not None:
            self.take(envelope)

    def again(self) -> bool:
        """Act anew on the snapshot in force: orders came, or ran out. That is the newest one which any process of this home has
        accepted. False when it is refused by now, or there is none. Safe from any thread."""
        with self._taking:
            if self._in_force is None:
                return False
            kept = None if self._unkept else self._cache.routes()
            newest = kept or self._in_force
            # What lies there may be damaged.
            return self.take(newest) or (newest != self._in_force and self.take(self._in_force))

    def trim(self) -> None:
        """Let go of models that left the routes a while ago, unless routes are being acted on now."""
        if self._taking.acquire(blocking=False):
            try:
                self._models.trim(self._serving, monotonic())
            finally:
                self._taking.release()

    def run(self) -> None:
        """Until stopped: wait for the next snapshot, act on it, hand over refusals."""
        while not self._stop.is_set():
            started = monotonic()
            try:
                self.step(self._wait)
            except SourceDown as down:
                _log.warning("source down", detail=down.detail, hint=down.hint)
                self._stop.wait(1.0)
            except Exception:  # noqa: BLE001  one bad turn must not end the loop that brings the next snapshot
                _log.exception("reconciling failed")
                self._stop.wait(1.0)
            self._stop.wait(_SHORTEST_TURN - (monotonic() - started))

    def step(self, wait: float) -> None:
        """One turn of `run`. Raises SourceDown."""
        self._hand_over()
        if self._again is not None:
            wait = min(wait, max(0.0, self._again_at - monotonic()))
        envelope = self._source.routes(self._epoch, wait)
        if envelope is None and monotonic() >= self._again_at:
            envelope = self._again
        elif envelope == self._in_force and self._again is None:
            return
        if envelope is not None:
            self._retry(envelope, 1.0)
            if not self.take(envelope):
                self._stop.wait(1.0)
                if self._again is not None:  # refused routes keep nothing of those in force from coming
                    self.take(self._again)

    def _hand_over(self) -> None:
        """On a full disk what was taken cannot be crossed off and is brought again; newer routes are pulled all the same."""
        bringers = [each.hand_over for each in (self._orders, self._uses) if each is not None]
        for bring in (*bringers, self._hand_refusals_over):
            try:
                bring(self._source)
            except OSError as error:
                _log.error("what was handed over cannot be crossed off", detail=str(error))

    def _hand_refusals_over(self, source: Source) -> None:
        """Bring refusals, in parts. A control plane that does not take them must not keep newer routes from being pulled."""
        waiting = self._spool.waiting()[:_REFUSALS_AT_ONCE]
        try:
            if waiting:
                self._spool.acknowledge(source.report(waiting))
        except SourceDown as down:
            _log.warning("refusals were not taken", waiting=len(waiting), detail=down.detail)

    def _retry(self, envelope: bytes | None, after: float) -> None:
        self._again, self._again_at = envelope, monotonic() + after

    def take(self, envelope: bytes) -> bool:
        """Verify and act on a snapshot; False when it was refused as a whole. Nothing that is refused ever serves."""
        with self._taking:
            return self._take(envelope)

    def _take(self, envelope: bytes) -> bool:
        try:
            verified = verify_routes(envelope, self._roots, self._clock.now())
            verified = self._orders.overlaid(verified) if self._orders is not None else verified
            highest = max(self._cache.highest(), self._seen, key=lambda each: each.epoch)
            work = _Work(verified)
            releases = verify_releases(self._envelopes(work), self._roots, self._clock.now())
            seen = highest.digest if highest.epoch == verified.snapshot.epoch else None
            check = check_routes(verified, releases, highest.epoch, self._clock.now(), seen)
        except ModelyardError as error:
            self._refuse_snapshot(envelope, error)
            self._retry(self._in_force if self._wanting and envelope != self._in_force else None, 1.0)
            return False
        work.refusals.extend(check.refusals)
        kept = self._keep(envelope, Highest(check.epoch, check.digest))
        table = self._table(work, check.endpoints)
        kept = self._record(work) and kept
        self._swap(table)
        self._serving = {arm.manifest for e in table.endpoints.values() for arm in e.arms}
        self._models.trim(self._serving, monotonic())
        self._epoch, self._in_force, self._unkept = check.epoch, envelope, not kept
        work.late = work.late or not kept
        early = any(refusal.clause == "not_before" for refusal in self.refusals)
        self._wanting = work.late or early
        self._retry(envelope if self._wanting else None, 1.0 if work.late else _LOOK_AGAIN)
        _log.info("routes in force", epoch=check.epoch, endpoints=len(table.endpoints), refusals=len(work.refusals))
        return True

    def _keep(self, envelope: bytes, highest: Highest) -> bool:
        """Remember a snapshot over a restart, before anything is answered by it. On a full disk it holds all the same: it may be
        what takes a version back. This process at least forgets no epoch, and it is tried again."""
        self._seen, kept = highest, True
        try:
            self._cache.accept(envelope, highest)
        except OSError as error:
            _log.error("routes are in force that a restart would not know of", epoch=highest.epoch, detail=str(error))
            kept = False
        if self._orders is not None:
            self._orders.accepted(kept)
        return kept

    def _envelopes(self, work: _Work) -> list[bytes]:
        """The envelopes of all releases that the snapshot names, as far as they exist."""
        found = []
        snapshot = work.verified.snapshot
        for wanted in dict.fromkeys(arm.release for e in snapshot.endpoints for arm in e.arms):
            envelope = self._cache.release(wanted)
            if envelope is None:
                envelope = self._fetched(wanted, work)
            if envelope is not None:
                found.append(envelope)
        return found

    def _fetched(self, wanted: str, work: _Work) -> bytes | None:
        try:
            envelope = self._source.release(wanted)
        except NotFound:
            return None
        except SourceDown:
            work.late = True
            return None
        try:
            genuine = statement_digest(envelope) == wanted
        except Malformed:
            genuine = False
        if genuine:
            try:
                self._cache.keep_release(wanted, envelope)
            except OSError as error:  # fetched again next time
                _log.error("a release could not be kept", release=wanted, detail=str(error))
        return envelope

    def _table(self, work: _Work, allowed: dict[str, AllowedEndpoint]) -> Table:
        snapshot = work.verified.snapshot
        endpoints = {name: self._endpoint(work, endpoint) for name, endpoint in allowed.items()}
        refused = {r.endpoint: r.detail for r in work.refusals if r.arm is None}
        return Table(snapshot.epoch, work.verified.digest, snapshot.organisation, snapshot.issued_at, endpoints, refused)

    def _endpoint(self, work: _Work, allowed: AllowedEndpoint) -> ServedEndpoint:
        arms = {a.arm.name: a for a in allowed.arms}
        loaded: dict[str, ServingArm] = {}
        ordered = sorted(allowed.routes.arms, key=lambda arm: arm.role is not ArmRole.CHAMPION)
        for arm in ordered:
            if arm.name in arms:
                found = self._load(work, allowed, arms[arm.name], loaded)
                if found is not None:
                    loaded[arm.name] = found
        why = {r.arm: r.detail for r in work.refusals if r.endpoint == allowed.routes.name}
        live = [arm for arm in allowed.routes.arms if arm.role in LIVE]
        return ServedEndpoint(
            routes=allowed.routes,
            live=tuple(LiveSlot(a.name, loaded.get(a.name), why.get(a.name, "not loaded yet")) for a in live),
            shares=Shares([arm.share for arm in live]),
            fallbacks=_in_role(allowed.routes.arms, loaded, ArmRole.FALLBACK),
            shadows=_in_role(allowed.routes.arms, loaded, ArmRole.SHADOW),
            stale_at=work.verified.snapshot.issued_at.timestamp() + allowed.routes.greatest_age,
        )

    def _load(
        self, work: _Work, endpoint: AllowedEndpoint, allowed: AllowedArm, loaded: dict[str, ServingArm]
    ) -> ServingArm | None:
        arm, release = allowed.arm, allowed.release
        for attempt in range(_FETCH_ATTEMPTS):
            try:
                model = self._models.get(allowed)
                _require_same_answers(model.predictor.signature.outputs, loaded)
            except SourceDown as down:
                _log.warning("artifact not there yet", arm=arm.name, detail=down.detail)
                if attempt + 1 < _FETCH_ATTEMPTS and not self._stop.wait(0.2):
                    continue
                work.late = True
                return None
            except ModelyardError as error:
                work.refusals.append(_refusal(endpoint, arm.name, error))
                return None
            except Exception as error:  # noqa: BLE001  a kind may raise anything on a strange artifact: that arm is refused
                _log.exception("loading failed", arm=arm.name)
                work.refusals.append(_refusal(endpoint, arm.name, Unavailable(f"loading failed: {error!r:.300}")))
                return None
            break
        return ServingArm(
            arm.name,
            arm.role,
            arm.share,
            release.release.version,
            arm.manifest,
            arm.release,
            allowed.until.timestamp(),
            model,
        )

    def _record(self, work: _Work) -> bool:
        """Spool what was refused. False on a full disk."""
        snapshot = work.verified.snapshot
        arms = {(e.name, arm.name): arm for e in snapshot.endpoints for arm in e.arms}
        self.refusals = tuple(
            self.refusal(
                code=r.code,
                detail=r.detail,
                clause=r.clause,
                epoch=snapshot.epoch,
                snapshot=work.verified.digest,
                endpoint=r.endpoint,
                arm=r.arm,
                release=arms[r.endpoint, r.arm].release if r.arm is not None else None,
                manifest=arms[r.endpoint, r.arm].manifest if r.arm is not None else None,
            )
            for r in work.refusals
        )
        return self.spool(self.refusals)

    def _refuse_snapshot(self, envelope: bytes, error: ModelyardError) -> None:
        try:
            snapshot = statement_digest(envelope)
        except Malformed:
            snapshot = "sha256:" + hashlib.sha256(envelope).hexdigest()
        record = self.refusal(code=error.code, detail=error.detail, clause=error.field, snapshot=snapshot)
        _log.warning("snapshot refused", code=error.code, detail=error.detail)
        self.spool([record])

    def spool(self, records: Sequence[RefusalRecord]) -> bool:
        """Have refusals told to the control plane. False on a full disk: what is refused is refused all the same."""
        try:
            self._spool.record(records)
        except OSError as error:
            _log.error("refusals could not be written", refusals=len(records), detail=str(error))
            return False
        return True

    def refusal(self, code: str, detail: str, **facts: str | int | None) -> RefusalRecord:
        """A record of this runtime; its id depends on what was refused and why, not on when."""
        what = "\0".join(str(facts.get(k)) for k in ("snapshot", "endpoint", "arm", "release", "clause"))
        key = hashlib.sha256(f"{self._name}\0{code}\0{what}".encode()).hexdigest()[:32]
        at = self._clock.now().isoformat()
        return RefusalRecord(id=f"ref_{key}", runtime=self._name, at=at, code=code, detail=detail, **facts)  # type: ignore[arg-type]


def _in_role(arms: tuple[Arm, ...], loaded: dict[str, ServingArm], role: ArmRole) -> tuple[ServingArm, ...]:
    return tuple(loaded[arm.name] for arm in arms if arm.role is role and arm.name in loaded)


def _refusal(endpoint: AllowedEndpoint, arm: str, error: ModelyardError) -> Refusal:
    return Refusal(endpoint.routes.name, arm, error.code, error.field, error.detail)


def _require_same_answers(outputs: tuple[FieldSpec, ...], loaded: dict[str, ServingArm]) -> None:
    """Callers rely on the first arm's outputs: every other arm must give them too, of the same type and shape."""
    if not loaded:
        return
    first = next(iter(loaded.values()))
    mine = {spec.name: spec for spec in outputs}
    for spec in first.model.predictor.signature.outputs:
        other = mine.get(spec.name)
        if other is None or (other.type, other.shape) != (spec.type, spec.shape):
            raise IncompatibleOutputs(f"gives no output {spec.name!r} as arm {first.name!r} does", field=spec.name)
