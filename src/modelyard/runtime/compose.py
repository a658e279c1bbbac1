"""Wires one runtime process together. Only this module names concrete adapters."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import IO, cast

import structlog

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import ModelyardError
from modelyard.decisions import DecisionIds, DecisionLog, Limits, Pseudonyms, exclusive, try_lock, write_atomically
from modelyard.decisions.protection import Cipher
from modelyard.decisions.shipping_log import ShippedLog, Shipping
from modelyard.decisions.shipping_stores import segments_at
from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import Environments
from modelyard.kinds.sandbox import hide
from modelyard.runtime.answering import Answering
from modelyard.runtime.app import App
from modelyard.runtime.cache import Cache
from modelyard.runtime.calls import Hidden
from modelyard.runtime.grpc import GrpcServer
from modelyard.runtime.http import Server
from modelyard.runtime.lanes import Lanes
from modelyard.runtime.leaving import Leaving, Phase
from modelyard.runtime.limits import Admission
from modelyard.runtime.loading import Models
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.order_door import OrderDoor
from modelyard.runtime.orders import OrderDesk
from modelyard.runtime.ports import Source
from modelyard.runtime.reconcile import Reconciler
from modelyard.runtime.shadows import Shadows
from modelyard.runtime.sources import FolderSource, HttpSource
from modelyard.runtime.spool import RefusalSpool, UseSpool
from modelyard.runtime.table import ServedEndpoint, ServingArm, Table
from modelyard.runtime.turns import Turn
from modelyard.runtime.uses import FallbackUses
from modelyard.runtime.writer import LogWriter
from modelyard.trust import TrustRoots

_log = structlog.get_logger("modelyard.runtime")
_GRACE = 0.8
"""The part of the time to stop in which calls by gRPC may end: the rest is for the log."""
_TEND_EVERY = 1.0
_LOG_TURN = 5
_ROOM = 16 << 20
_PREDICTING = 32
"""Threads for calls of models: made when they are needed. A model has one call under way at a time, and may hang."""
_LOOK_FOR_ORDERS = 0.2
_RESTING = 5.0
"""Where the routes in force are refused by now, there is nothing that an order could be laid over."""


@dataclass(frozen=True)
class Settings:
    """What a runtime needs to know. `source` is an http(s) address or a folder; sizes are in bytes."""

    home: Path
    source: str
    trust_roots: Path
    name: str
    token_file: Path | None = None
    log: Path | None = None
    pseudonym_key_file: Path | None = None
    policy_file: Path | None = None
    environments: Path | None = None
    pythons: tuple[Path, ...] = ()
    largest_body: int = 64 << 20
    most_rows: int = 100_000
    shadow_capacity: int = 50_000
    most_requests: int = 10_000
    most_bytes: int = 512 << 20
    data_key_file: Path | None = None
    read_seconds: float = 30.0
    stop_seconds: float = 60.0
    map_weights: bool = False
    host: str = "127.0.0.1"
    grpc_port: int | None = None
    segments: str = ""
    shipping: Shipping = field(default_factory=Shipping)


class Runtime:
    """One process's parts, started and stopped together. `app` answers from `start` on."""

    def __init__(self, settings: Settings, clock: Clock | None = None, leaving: Leaving | None = None) -> None:
        clock, self._leaving = clock or SystemClock(), leaving or Leaving()
        hide(settings.home, *filter(None, (settings.log, settings.data_key_file, settings.pseudonym_key_file)))
        self._stop = threading.Event()
        self._predicting = ThreadPoolExecutor(_PREDICTING, "predict")
        roots = TrustRoots.from_json(settings.trust_roots.read_bytes())
        source = _source(settings, self._stop)
        cache = Cache(settings.home / "cache")
        self._spool = RefusalSpool(settings.home / "spool" / f"{settings.name}.jsonl")
        self._decisions = _decision_log(settings)
        ids, metrics = DecisionIds(clock), Metrics()
        hidden = Hidden(Pseudonyms(_pseudonym_key(settings)), Cipher.from_text(_data_key(settings)))
        turn = Turn()
        writer = self._writer = LogWriter(self._decisions, turn)
        self._shadows = Shadows(writer, ids, hidden, metrics, settings.shadow_capacity)
        self._uses = FallbackUses(settings.name, UseSpool(settings.home / "fallbacks" / f"{settings.name}.jsonl"), clock)
        admission = Admission(settings.most_requests, settings.most_bytes)
        answering = Answering(writer, ids, hidden, metrics, self._ended, settings.most_rows, admission, self._uses)
        lanes = Lanes(writer, ids, hidden, metrics, admission, self._shadows)
        self.app = App(
            answering, self._shadows, metrics, self._spool, settings.largest_body, lanes, settings.read_seconds, self._leaving
        )
        self._settings = settings
        self._grpc = _grpc(settings, answering, self._shadows, metrics, self.app, self._leaving)
        weights = settings.home / "cache" / "weights" if settings.map_weights else None
        environments = _environments(settings)
        models = self._models = Models(
            cache, source, self._predicting, _policy(settings), environments=environments, weights=weights, turn=turn
        )
        desk = self._orders = OrderDesk(settings.home, settings.name, settings.trust_roots, cache, clock)
        self._reconciler = Reconciler(
            settings.name, roots, source, cache, models, self._spool, clock, self._swap, self._stop, orders=desk, uses=self._uses
        )
        desk.again, desk.refused, desk.missing = self._reconciler.again, self._order_refused, self._missing
        self.app.orders = OrderDoor(desk)
        self.app.refusals = lambda: self._reconciler.refusals
        self.app.models = self._models.status
        self._threads = [
            threading.Thread(target=self._reconcile, name="reconcile", daemon=True),
            threading.Thread(target=self._tend, name="tend", daemon=True),
            threading.Thread(target=self._watch_orders, name="orders", daemon=True),
        ]

    def start(self) -> None:
        """Serve what was accepted before, and go looking for more."""
        for thread in self._threads:
            thread.start()

    async def listen(self) -> None:
        """Open the port for gRPC, if one is set; the port for HTTP is the server's. Raises Unavailable."""
        if self._grpc is not None and self._settings.grpc_port is not None:
            await self._grpc.start(self._settings.host, self._settings.grpc_port)

    async def drain(self) -> None:
        """Finish the calls under way by gRPC; give up what no caller waits for."""
        await self.finish_calls()
        await self._shadows.stop()

    async def finish_calls(self) -> None:
        """Take no more calls by gRPC, as the server takes none by HTTP; those under way have their time. Safe to repeat."""
        if self._grpc is not None:
            await self._grpc.stop(self._settings.stop_seconds * _GRACE)

    def stop(self) -> None:
        """Finish: nothing is answered any more. The decision log is sealed."""
        self._stop.set()
        self._writer.close()
        self._flush_uses()
        self._predicting.shutdown(wait=False, cancel_futures=True)
        self._models.close()
        self._decisions.close()

    def step(self, wait: float = 0.0) -> None:
        """One turn of reconciling, for programs that have no thread for it."""
        self._reconciler.step(wait)

    def restore(self) -> None:
        """Serve what was accepted before."""
        self._reconciler.restore()

    def _reconcile(self) -> None:
        try:
            self._reconciler.restore()
        except Exception:  # noqa: BLE001  the source may still have something that serves
            _log.exception("what was accepted before the restart cannot serve")
        self._reconciler.run()

    def _tend(self) -> None:
        """Seal what is old, take over what dead writers left, let go of models that nobody asks any more."""
        turn = 0
        while not self._stop.wait(_TEND_EVERY):
            turn += 1
            self._flush_uses()
            if turn % _LOG_TURN:
                continue
            self._reconciler.trim()
            try:
                self._decisions.seal_if_due()
                self._decisions.adopt_dead()
            except Exception:  # noqa: BLE001  tried again in a moment
                _log.exception("tending the decision log failed")

    def _flush_uses(self) -> None:
        try:
            self._uses.flush()
        except OSError as error:
            _log.error("uses of fallbacks could not be written; they stay counted", detail=str(error))

    def _watch_orders(self) -> None:
        """See within a moment what another process of this home took in, what was dropped there, and what ran out."""
        while not self._stop.wait(_LOOK_FOR_ORDERS):
            try:
                if self._orders.tend() and not self._reconciler.again():
                    self._stop.wait(_RESTING)
            except Exception:  # noqa: BLE001  looked at again in a moment
                _log.exception("tending orders failed")

    def _order_refused(self, error: ModelyardError, endpoint: str) -> None:
        """Anybody may send anything to the door: the record is one for each endpoint and reason, not one for each attempt."""
        known = endpoint if self.app.table is not None and endpoint in self.app.table.endpoints else None
        clause = error.field if known is not None else None  # until the signature holds, it is the sender's word
        self._reconciler.spool([self._reconciler.refusal(error.code, f"order: {error.detail}", clause=clause, endpoint=known)])

    def _missing(self, endpoint: str) -> dict[str, str]:
        """The endpoint's champion and challengers that cannot answer now, and why."""
        found = None if self.app.table is None else self.app.table.endpoints.get(endpoint)
        return {slot.name: slot.refused for slot in found.live if slot.arm is None} if found is not None else {}

    def _swap(self, table: Table) -> None:
        self.app.swap(table)

    def _ended(self, table: Table, endpoint: ServedEndpoint, arm: ServingArm | None) -> None:
        """An arm's release ended, or (without an arm) the snapshot grew older than the endpoint's tier permits."""
        facts: dict[str, str | int | None] = {
            "epoch": table.epoch,
            "snapshot": table.digest,
            "endpoint": endpoint.routes.name,
        }
        if arm is None:
            record = self._reconciler.refusal("stale_snapshot", "the snapshot is too old", clause="issued_at", **facts)
        else:
            facts |= {"arm": arm.name, "release": arm.release, "manifest": arm.manifest}
            record = self._reconciler.refusal("not_approved", "the release ended in service", clause="until", **facts)
        self._reconciler.spool([record])


class Hosted:
    """A runtime in a worker process of its own."""

    def __init__(self, settings: Settings, lock: IO[bytes]) -> None:
        self._settings, self._lock = settings, lock
        self.leaving = Leaving()
        self._runtime = Runtime(settings, leaving=self.leaving)

    async def serve(self, sock: socket.socket, up: Callable[[], None]) -> None:
        """Serve on a bound socket until told to stop (`leaving`), and finish. `up` is called as soon as requests are answered.
        Raises Unavailable when the port for gRPC cannot be opened."""
        settings, runtime = self._settings, self._runtime
        server = Server(runtime.app, read_seconds=settings.read_seconds)
        await runtime.listen()
        runtime.start()
        await server.listen(sock)
        up()
        await self.leaving.until(Phase.LEAVING)
        _log.info("told to end", phase=self.leaving.phase.name.lower())
        runtime.app.leave()
        await self.leaving.until(Phase.STOPPING)
        answered, _ = await asyncio.gather(server.finish(settings.stop_seconds), runtime.finish_calls())
        if not answered:
            _log.warning("requests were cut off", after_seconds=settings.stop_seconds)
        await runtime.drain()
        runtime.stop()


def hosted(settings: Settings) -> Hosted:
    """The runtime of one worker process, made inside it. Each takes the first free number below the runtime's name, so
    that a worker that replaces a dead one goes on with its spool and its log."""
    (settings.home / "workers").mkdir(parents=True, exist_ok=True)
    for number in count(1):
        lock = try_lock(settings.home / "workers" / f"{settings.name}-{number}.lock")
        if lock is not None:
            return Hosted(replace(settings, name=f"{settings.name}-{number}"), lock)
    raise AssertionError("numbers do not end")


def _grpc(
    settings: Settings, answering: Answering, shadows: Shadows, metrics: Metrics, app: App, leaving: Leaving
) -> GrpcServer | None:
    if settings.grpc_port is None:
        return None
    return GrpcServer(answering, shadows, metrics, lambda: app.table, settings.largest_body, leaving)


def _decision_log(settings: Settings) -> DecisionLog:
    """The log on this machine's disk; with an address for segments, shipped there and acknowledged after it where that is set."""
    root = settings.log or settings.home / "decisions"
    if not settings.segments:
        return DecisionLog(root, settings.name, limits=Limits(room=_ROOM))
    return cast(DecisionLog, ShippedLog(root, settings.name, segments_at(settings.segments), settings.shipping))


def _source(settings: Settings, stop: threading.Event) -> Source:
    if settings.source.startswith(("http://", "https://")):
        token = settings.token_file.read_text().strip() if settings.token_file else None
        return HttpSource(settings.source, token)
    return FolderSource(Path(settings.source), stop)


def _environments(settings: Settings) -> Environments:
    """Where versions that need an environment of their own get it."""
    return Environments(settings.environments or settings.home / "environments", pythons=settings.pythons)


def _policy(settings: Settings) -> Policy:
    """What kinds may load here; without a file the safe defaults."""
    if settings.policy_file is None:
        return Policy()
    return Policy.model_validate_json(settings.policy_file.read_bytes())


def _data_key(settings: Settings) -> str:
    """The keys for protected fields of the file given, or one made for this home on its first start."""
    if settings.data_key_file is not None:
        return settings.data_key_file.read_text()
    return _made_once(settings.home / "data.key").read_text()


def _made_once(path: Path) -> Path:
    """A file with a random key, for nobody else to read."""
    with exclusive(path.with_suffix(".lock")):
        if not path.exists():
            write_atomically(path, secrets.token_hex(32).encode(), mode=0o600)
    return path


def _pseudonym_key(settings: Settings) -> bytes:
    """The key of the file given, or one made for this home on its first start."""
    if settings.pseudonym_key_file is not None:
        return settings.pseudonym_key_file.read_bytes().strip()
    return _made_once(settings.home / "pseudonym.key").read_bytes().strip()
