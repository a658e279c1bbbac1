"""Orders of operators, for when the control plane is away: taken in by their signature alone, kept durably, laid over the routes.

All processes of a home share a folder: what one takes in, the others see within a moment, and what restarts still knows it. An
order that ended leaves a mark, so that it does not come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog

from modelyard.core.clock import Clock
from modelyard.core.errors import ModelyardError, NotApproved, NotFound, Unavailable, Untrusted
from modelyard.decisions import exclusive, write_atomically
from modelyard.decisions.errors import storage_error
from modelyard.runtime.cache import Cache, manifest_in
from modelyard.runtime.errors import SourceDown, TokenRefused
from modelyard.runtime.ports import OrderReport, Source
from modelyard.trust import TrustRoots, VerifiedRoutes, check_routes, verify_order, verify_releases, verify_routes
from modelyard.trust.dsse import Envelope
from modelyard.trust.errors import Malformed
from modelyard.trust.orders import GREATEST_ORDER, Overlaid, VerifiedOrder, overlaid, previous_champion, read_order
from modelyard.trust.routes import LIVE
from modelyard.trust.statements import Arm, EndpointRoutes, OrderAction, RouteSnapshot, Statement

_log = structlog.get_logger("modelyard.runtime")
_SUFFIX = ".dsse.json"
_NOTHING = (0,)
_KEPT_FOR = timedelta(days=2)
_FIRST_REST, _LONGEST_REST = timedelta(seconds=2), timedelta(hours=1)
_ORDERS_AT_ONCE = 100
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
INCOMING = "incoming"


class Ended(msgspec.Struct, frozen=True):
    """Why an order holds no longer, and since when."""

    why: str
    at: str


class OrderBook:
    """The orders of a home: `<digest>.dsse.json`, beside it `.ended.json` and `.told` once they ended and were reported. Below
    `incoming` lies what was dropped here; what became of it is answered in a file of the same name with `.answer.json`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "orders"
        self.incoming = self.folder / INCOMING
        self.incoming.mkdir(parents=True, exist_ok=True)
        self._read: dict[str, bytes] = {}
        self._over: dict[str, Ended] = {}

    def add(self, digest: str, envelope: bytes, at: datetime) -> None:
        """Durable on return."""
        write_atomically(self._path(digest, ".since"), at.isoformat().encode())
        write_atomically(self._path(digest, _SUFFIX), envelope)

    def known(self) -> dict[str, bytes]:
        """Every order that was taken in, by its digest."""
        found: dict[str, bytes] = {}
        for path in self.folder.glob(f"*{_SUFFIX}"):
            digest = f"sha256:{path.name.removesuffix(_SUFFIX)}"
            with suppress(FileNotFoundError):  # another process of this home forgot it just now
                found[digest] = self._read.get(digest) or path.read_bytes()
        self._read = found
        return dict(found)

    def current(self) -> dict[str, bytes]:
        """Those that have not ended."""
        return {digest: envelope for digest, envelope in self.known().items() if self.ended(digest) is None}

    def end(self, digest: str, why: str, at: datetime) -> None:
        """Mark the end; the first reason stays."""
        with exclusive(self.folder / ".lock"):
            if self.ended(digest) is None:
                write_atomically(self._path(digest, ".ended.json"), msgspec.json.encode(Ended(why, at.isoformat())))

    def ended(self, digest: str) -> Ended | None:
        """Why it ended, or None. What ended stays so, and is read once."""
        if digest not in self._over:
            with suppress(FileNotFoundError):
                self._over[digest] = msgspec.json.decode(self._path(digest, ".ended.json").read_bytes(), type=Ended)
        return self._over.get(digest)

    def forget(self, before: datetime) -> None:
        """Let go of what was reported, has ended, and ran out before that time: nobody could bring it back any more."""
        for digest, envelope in self.known().items():
            if self.ended(digest) and self._path(digest, ".told").exists() and _until(envelope) < before:
                for suffix in (_SUFFIX, ".told", ".ended.json", ".since"):
                    self._path(digest, suffix).unlink(missing_ok=True)

    def untold(self) -> list[tuple[str, str, str]]:
        """Digest, envelope and time of those that the control plane does not know of yet."""
        found = []
        for digest, envelope in self.known().items():
            if not self._path(digest, ".told").exists() and self._path(digest, _SUFFIX).exists():  # else as in `known`
                found.append((digest, envelope.decode(), self._path(digest, ".since").read_text()))
        return found

    def tell(self, digest: str) -> None:
        """Mark it as reported."""
        write_atomically(self._path(digest, ".told"), b"")

    def _path(self, digest: str, suffix: str) -> Path:
        return self.folder / (digest.removeprefix("sha256:") + suffix)


class Rests:
    """When what was not taken is brought again: after 2 s, then twice as long each time, an hour at most. Known to this process
    alone: a restart asks at once."""

    def __init__(self) -> None:
        self._next: dict[str, tuple[datetime, timedelta]] = {}

    def due(self, digest: str, now: datetime) -> bool:
        """Also where the clock was stepped back: nobody waits longer than the rest that was given."""
        at, rest = self._next.get(digest, (now, timedelta()))
        return now >= at or at - now > rest

    def put_off(self, digest: str, now: datetime) -> None:
        """It was not taken."""
        _, last = self._next.get(digest, (now, timedelta()))
        rest = min(2 * last, _LONGEST_REST) if last else _FIRST_REST
        self._next[digest] = (now + rest, rest)

    def over(self, digest: str) -> None:
        """It was taken."""
        self._next.pop(digest, None)

    def until(self, digest: str) -> datetime | None:
        """The next attempt, or None where nothing was put off."""
        found = self._next.get(digest)
        return found[0] if found else None


class OrderDesk:
    """Takes orders in, and says what they make of a snapshot. `refused` is told of every order that is not taken in, `again` acts
    anew on the snapshot in force, `missing` says which arms of an endpoint cannot answer, and why. Who only `follows` the orders
    of a runtime marks none as ended: it may trust other keys than the runtime does. Safe for several threads."""

    def __init__(self, home: Path, name: str, roots_file: Path, cache: Cache, clock: Clock, follows: bool = False) -> None:
        self._name, self._roots_file, self._cache, self._clock = name, roots_file, cache, clock
        self._follows = follows
        self.book = OrderBook(home)
        if not follows:
            self.book.forget(clock.now() - _KEPT_FOR)
        self._considered: object = _NOTHING
        self._considering: object = _NOTHING
        self._active: tuple[VerifiedOrder, ...] = ()
        self._ending: dict[str, str] = {}
        self._rests = Rests()
        self._issued: tuple[bytes | None, datetime] = (None, _LONG_AGO)
        self.refused: Callable[[ModelyardError, str], None] = _unheard
        self.again: Callable[[], bool] = _followed
        self.missing: Callable[[str], dict[str, str]] = _none_missing

    def take(self, envelope: bytes) -> dict[str, Any]:
        """Act on an order: it is in force here when this returns; arms that cannot answer all the same are `missing`, with the
        reason. Raises Untrusted or NotApproved when it is not taken in; that is told on. The same order again changes nothing
        while it holds, and is refused once it ended. Raises StorageFull or LogUnwritable where it cannot be kept."""
        endpoint = ""
        try:
            if len(envelope) > GREATEST_ORDER:
                raise Malformed(f"an order has at most {GREATEST_ORDER} bytes")
            found = verify_order(envelope, self._roots(), self._now())
            endpoint = found.order.endpoint
            with exclusive(self.book.folder / ".taking"):
                arms = self._require_safe(found)
                if found.digest not in self.book.known():
                    self.book.add(found.digest, envelope, self._clock.now())
        except OSError as error:
            raise storage_error(error, self.book.folder / "order") from error
        except ModelyardError as error:
            self.refused(error, endpoint)
            if isinstance(error, (Untrusted, NotApproved)):
                raise
            raise NotApproved(error.detail, field=error.field, hint=error.hint) from error
        _log.warning("order taken in", order=found.digest, endpoint=endpoint, by=found.order.issued_by, reason=found.order.reason)
        refused = {} if self.again() else {arm.name: "the routes in force are refused by now" for arm in arms}
        told = {"order": found.digest, "runtime": self._name, "endpoint": endpoint, "until": found.order.until.isoformat()}
        return told | {"arms": [_arm(arm) for arm in arms], "missing": refused or self.missing(endpoint)}

    def overlaid(self, routes: VerifiedRoutes) -> VerifiedRoutes:
        """The routes as the orders in force want them. An older snapshot than was seen says nothing of orders. Which orders the
        snapshot ends is known to `accepted` alone: until it is in force, another process of this home may have to go by them."""
        now = max(self._now(), routes.snapshot.issued_at)
        self._considering = self._candidates(now)
        current = self._verified(now)
        self._active, self._ending = (), {}
        if not current or routes.snapshot.epoch < self._cache.highest().epoch:
            return routes
        found = overlaid(routes, list(current.values()), self._history(now), now)
        self._active, self._ending = tuple(current[digest] for digest in found.active), found.ended
        return found.routes

    def accepted(self, kept: bool = True) -> None:
        """The routes that `overlaid` gave last are accepted: once they are `kept`, the orders that they end are marked as ended.
        Marked sooner, a process that has not seen the new snapshot would bring back what an order took away."""
        self._considered = self._considering
        for digest, why in self._ending.items() if kept else ():
            self._end(digest, why, self._now())
        self._ending = {}

    def reasons(self, endpoint: str) -> list[str]:
        """Why operators took something back there, of the orders that were laid over the routes last."""
        return [found.order.reason for found in self._active if found.order.endpoint == endpoint]

    def changed(self) -> bool:
        """Whether other orders are in force here than were last asked for."""
        now = self._now() if self.book.current() else self._clock.now()
        return self._candidates(now) != self._considered

    def tend(self) -> bool:
        """Take in what was dropped into the folder; says whether other orders are in force than were last asked for."""
        for path in sorted(self.book.incoming.glob(f"*{_SUFFIX}")):
            try:
                self._dropped(path)
            except OSError as error:  # a full disk: the next look tries again, and what is in force must be seen to meanwhile
                _log.error("an order cannot be answered", path=str(path), detail=str(error))
        return self.changed()

    def hand_over(self, source: Source) -> None:
        """Report to the control plane what it does not know of yet, what is at rest left out. What it does not take rests, longer
        each time; where nobody answers nothing does, so that orders are there before routes are pulled again."""
        epoch, now = self._cache.highest().epoch, self._clock.now()
        due = [told for told in self.book.untold() if self._rests.due(told[0], now)][:_ORDERS_AT_ONCE]
        if not due:
            return
        taken: set[str] = set()
        try:
            taken = source.report_orders([OrderReport(digest, self._name, envelope, at, epoch) for digest, envelope, at in due])
        except ModelyardError as error:
            _log.warning("orders were not taken", waiting=len(due), detail=error.detail)
            if isinstance(error, SourceDown) and not isinstance(error, TokenRefused):
                return
        for digest, _, _ in due:
            self._settle(digest, digest in taken, now)

    def _settle(self, digest: str, taken: bool, now: datetime) -> None:
        if taken:
            self.book.tell(digest)
            self._rests.over(digest)
        else:
            self._rests.put_off(digest, now)

    def present(self) -> dict[str, Any]:
        """What an operator needs to know for an order: epoch, arms, where a rollback leads, and the orders there are."""
        now = self._now()
        routes, history = self._in_force(), self._history(now)
        found = overlaid(routes, list(self._verified(now).values()), history, now)
        return described(found.routes.snapshot, history) | {"runtime": self._name, "orders": self._orders(found)}

    def _orders(self, found: Overlaid) -> list[dict[str, Any]]:
        listed = []
        for digest, envelope in self.book.known().items():
            ended = self.book.ended(digest)
            order, rest = _unverified(envelope, "order"), self._rests.until(digest)
            listed.append(
                {name: order.get(name) for name in ("endpoint", "action", "base_epoch", "issued_by", "until", "reason")}
                | {"order": digest, "active": digest in found.active, "ended": ended.why if ended else None}
                | {"next_attempt": rest.isoformat() if rest else None}
            )
        return listed

    def _require_safe(self, found: VerifiedOrder) -> tuple[Arm, ...]:
        """What the endpoint's arms become. Raises when the order does not hold for what is in force, or a release says no."""
        ended = self.book.ended(found.digest)
        if ended is not None:
            raise NotApproved(f"the order ended: {ended.why}", field="id", hint="sign a new one")
        now = self._now()
        routes = self._in_force()
        orders = self._verified(now) | {found.digest: found}
        result = overlaid(routes, list(orders.values()), self._history(now), now)
        if found.digest in result.ended:
            raise NotApproved(result.ended[found.digest], field="base_epoch", hint="look at the runtime again, then sign anew")
        endpoint = next(e for e in result.routes.snapshot.endpoints if e.name == found.order.endpoint)
        if found.order.action is OrderAction.ROLLBACK:
            self._require_permitted(result.routes, endpoint, now)
        return endpoint.arms

    def _require_permitted(self, routes: VerifiedRoutes, endpoint: EndpointRoutes, now: datetime) -> None:
        kept = (self._cache.release(arm.release) for arm in endpoint.arms)
        releases = verify_releases([envelope for envelope in kept if envelope is not None], self._roots(), now)
        check = check_routes(routes, releases, routes.snapshot.epoch, now)
        for refusal in check.refusals:
            live = [arm.name for arm in endpoint.arms if arm.role in LIVE]
            if refusal.endpoint == endpoint.name and (refusal.arm is None or refusal.arm in live):
                raise NotApproved(f"{refusal.arm or endpoint.name} must not serve: {refusal.detail}", field=refusal.clause)
        for arm in endpoint.arms:
            if arm.role in LIVE and not self._is_here(arm):
                raise NotFound(f"{arm.name} is not on this machine any more", field="to", hint="name another arm")

    def _is_here(self, arm: Arm) -> bool:
        """Whether all that is needed to load it lies here, unaltered: who brings it may be as silent as the control plane."""
        path = self._cache.blob(arm.manifest)
        if path is None:
            return False
        manifest = manifest_in(path)
        needed = (manifest.serving.digest, manifest.environment_lock)
        return all(self._cache.blob(each) is not None for each in needed if each is not None)

    def _now(self) -> datetime:
        """What orders are judged by: the clock, but never before the newest snapshot accepted here was issued. A clock that is
        stepped back brings no order back whose end has been seen to pass."""
        envelope = self._cache.routes()
        if envelope is not None and envelope != self._issued[0]:
            self._issued = (envelope, max(self._issued[1], _issued_at(envelope)))
        return max(self._clock.now(), self._issued[1])

    def _in_force(self) -> VerifiedRoutes:
        envelope = self._cache.routes()
        if envelope is None:
            raise Unavailable("no route snapshot has been accepted yet")
        return verify_routes(envelope, self._roots(), self._clock.now())

    def _history(self, now: datetime) -> list[RouteSnapshot]:
        found, roots = [], self._roots()
        for envelope in self._cache.history():
            try:
                found.append(verify_routes(envelope, roots, now).snapshot)
            except Untrusted as error:  # its key is trusted no more: nothing leads back there
                _log.warning("a kept snapshot counts no more", detail=error.detail)
        return found

    def _verified(self, now: datetime) -> dict[str, VerifiedOrder]:
        """The current orders whose keys are still trusted; the others have ended."""
        found = {}
        for digest, envelope in self.book.current().items():
            try:
                found[digest] = read_order(envelope, self._roots(), now)
            except Untrusted as error:
                self._end(digest, error.detail, now)
        return found

    def _end(self, digest: str, why: str, now: datetime) -> None:
        _log.warning("order does not hold here" if self._follows else "order ended", order=digest, why=why)
        if self._follows:
            return
        try:
            self.book.end(digest, why, now)
        except OSError as error:  # a full disk: why it does not hold is as true at the next look
            _log.error("the end of an order cannot be written", order=digest, detail=str(error))

    def _candidates(self, now: datetime) -> object:
        """What the orders in force depend on, besides the snapshot."""
        alive = [d for d, envelope in self.book.current().items() if now < _until(envelope)]
        return (*sorted(alive), self._roots_file.stat().st_mtime_ns if alive else 0)

    def _roots(self) -> TrustRoots:
        """Read anew each time: a key that was lost counts no more from the moment that the file says so."""
        return TrustRoots.from_json(self._roots_file.read_bytes())

    def _dropped(self, path: Path) -> None:
        """An order that somebody put into the folder; who put it there finds the answer beside it."""
        beside = path.with_name(path.name.removesuffix(_SUFFIX) + ".answer.json")
        with exclusive(self.book.folder / ".dropped"):
            try:
                envelope = path.read_bytes()
            except FileNotFoundError:  # another process was quicker
                return
            except OSError as error:  # told once; it must not keep out the orders that lie behind it
                if not beside.exists():
                    _log.error("an order cannot be read", path=str(path), detail=str(error))
                    write_atomically(beside, msgspec.json.encode({"taken": False, "error": f"cannot be read: {error.strerror}"}))
                return
            try:
                answer: dict[str, Any] = {"taken": True} | self.take(envelope)
            except ModelyardError as error:
                answer = {"taken": False, "error": str(error)}
            write_atomically(beside, msgspec.json.encode(answer))
            path.unlink()


def described(snapshot: RouteSnapshot, history: Sequence[RouteSnapshot]) -> dict[str, Any]:
    """A snapshot for whoever writes an order: its epoch, and by endpoint the arms, the champions that were, and where back is."""
    return {
        "organisation": snapshot.organisation,
        "epoch": snapshot.epoch,
        "endpoints": {
            endpoint.name: {
                "arms": [_arm(arm) for arm in endpoint.arms],
                "previous": _arm(previous) if (previous := previous_champion(endpoint, history)) else None,
                "champions": [_arm(arm) for arm in _champions(endpoint.name, history)],
            }
            for endpoint in snapshot.endpoints
        },
    }


def at_home(home: Path) -> dict[str, Any]:
    """As `OrderDesk.present`, from a runtime's folder and without verifying anything: the runtime does when the order comes.
    Raises NotFound when no runtime has accepted a snapshot there."""
    cache = Cache(home / "cache") if (home / "cache").is_dir() else None
    envelope = cache.routes() if cache is not None else None
    if cache is None or envelope is None:
        raise NotFound(f"{home} is not the home of a runtime that has accepted a snapshot", field="--runtime")
    history = [RouteSnapshot.model_validate(_unverified(e, "routes")) for e in cache.history()]
    return described(RouteSnapshot.model_validate(_unverified(envelope, "routes")), history) | {"runtime": str(home)}


def _champions(endpoint: str, history: Sequence[RouteSnapshot]) -> list[Arm]:
    """Newest first, each once."""
    found = {
        (arm.name, arm.release): arm
        for snapshot in sorted(history, key=lambda s: s.epoch)
        for e in snapshot.endpoints
        if e.name == endpoint
        for arm in e.arms
        if arm.role.value == "champion"
    }
    return list(reversed(found.values()))


def _arm(arm: Arm) -> dict[str, Any]:
    return arm.model_dump(mode="json")


def _until(envelope: bytes) -> datetime:
    return datetime.fromisoformat(_unverified(envelope, "order")["until"])


def _issued_at(envelope: bytes) -> datetime:
    """Of a snapshot that was accepted. One that was damaged since says nothing of the time, and must not keep newer ones out."""
    try:
        return RouteSnapshot.model_validate(_unverified(envelope, "routes")).issued_at
    except (Untrusted, ValueError) as error:
        _log.warning("the kept snapshot cannot be read", detail=str(error))
        return _LONG_AGO


def _unverified(envelope: bytes, what: str) -> dict[str, Any]:
    """The predicate, for looking at."""
    try:
        return Statement.model_validate_json(Envelope.from_json(envelope).payload_bytes()).predicate
    except ValueError as error:
        raise Untrusted(f"these are no {what}: {error}") from error


# Until the parts are wired together:


def _unheard(*_: object) -> None:
    """Nobody is told."""


def _followed() -> bool:
    """Whoever asks for the routes finds the order in them."""
    return True


def _none_missing(_: str) -> dict[str, str]:
    """Nobody knows of arms that cannot answer."""
    return {}
