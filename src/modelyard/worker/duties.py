"""What a worker does, duty by duty. Each is safe to repeat and to run in several workers at once."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from functools import partial

import structlog

from modelyard.bootstrap import Platform
from modelyard.core import leases
from modelyard.core.bus import Request
from modelyard.core.errors import Conflict
from modelyard.core.messages import SYSTEM, Command, EventEnvelope
from modelyard.core.outbox import Consumer, Deliveries, distribute, prune
from modelyard.core.records import equals, every
from modelyard.core.transactions import in_transaction
from modelyard.decisions import Compactor
from modelyard.decisions.schema import DECISION_TABLE, OUTCOME_TABLE
from modelyard.delivery.commands import PublishRoutes
from modelyard.delivery.model import ENDPOINTS
from modelyard.delivery.service import latest_routes
from modelyard.governance.audit import Sequencer
from modelyard.governance.releases.commands import RevokeRelease
from modelyard.governance.releases.service import sweep
from modelyard.jobs import Queue
from modelyard.lifecycle.inbound import QUIET, Mover
from modelyard.monitoring.loop import Watchman
from modelyard.trust import Purpose
from modelyard.worker.batches import end_batch
from modelyard.worker.jobs import run_next
from modelyard.worker.loops import Loop
from modelyard.worker.monitors import watch_arms
from modelyard.worker.observing import SandboxObserver

_log = structlog.get_logger(__name__)
SEQUENCER = "audit-sequencer"
SWEEPER = "release-sweep"
WATCHMAN = "monitors"
COMPACTOR = "compaction"
CUSTODIAN = "custody"
REFRESH = timedelta(minutes=5)
REMEMBERED = timedelta(days=30)
BATCH_ENDS = ("jobs.job_done", "jobs.job_failed", "jobs.job_cancelled")


def worker_name() -> str:
    """Who holds leases: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


class HeldLease:
    """A named lease that is taken or prolonged whenever it is asked for."""

    def __init__(self, platform: Platform, name: str, lasting: timedelta) -> None:
        self._platform, self._name, self._lasting, self._me = platform, name, lasting, worker_name()

    def hold(self) -> bool:
        now = self._platform.clock.now()
        taken = in_transaction(
            self._platform.storage,
            lambda tx: leases.acquire(tx, self._name, holder=self._me, now=now, lasting=self._lasting),
        )
        return taken is not None


def loops(platform: Platform) -> list[Loop]:
    """Every duty with its rhythm."""
    queue = Queue(platform.storage, platform.clock, platform.ids)
    deliveries = Deliveries(platform.storage, platform.clock)
    mover = Mover(platform.storage, platform.bus, platform.clock)
    watchman = Watchman(
        platform.storage,
        platform.bus,
        platform.decisions,
        platform.outcome_reader,
        BlobsWhole(platform),
        platform.clock,
        platform.settings.organisation,
        SandboxObserver(platform),
    )
    consumers = [
        Consumer("routes", partial(_republish, platform), frozenset({"governance.release_revoked"})),
        Consumer("monitors", partial(watch_arms, platform), frozenset({"delivery.arms_changed"})),
        Consumer("batches", partial(end_batch, platform), frozenset(BATCH_ENDS)),
        Consumer("lifecycle", mover.hear, passes_over=QUIET),
    ]
    return [
        Loop("audit", 0.3, lambda: sequence(platform)),
        Loop("jobs", 0.3, lambda: run_next(platform, queue, worker_name())),
        Loop("schedules", 1.0, lambda: bool(queue.run_schedules())),
        Loop("outbox", 0.3, lambda: hand_over(platform, deliveries, consumers)),
        Loop("routes", 5.0, lambda: refresh_routes(platform)),
        Loop("releases", 15.0, lambda: sweep_releases(platform)),
        Loop("monitors", 2.0, lambda: watch(platform, watchman)),
        Loop("custody", 5.0, lambda: keep_and_erase(platform)),
        Loop("work", 0.2, lambda: mover.do_work() > 0),
        Loop("timers", 0.5, lambda: mover.fire_timers() > 0),
        Loop("tasks", 5.0, lambda: mover.tend_tasks() > 0),
        Loop("segments", 2.0, lambda: collect_segments(platform)),
        Loop("shipped", 600.0, lambda: forget_segments(platform)),
        Loop("compaction", platform.settings.compact_every, lambda: compact_logs(platform)),
        Loop("housekeeping", 300.0, lambda: forget_deliveries(platform)),
        Loop("messages", 60.0, lambda: mover.forget_messages() > 0),
    ]


def sequence(platform: Platform) -> bool:
    """Give waiting audit records their place and sign what is so."""
    sequencer = Sequencer(
        platform.storage,
        platform.checkpoints,
        platform.keys.signer(Purpose.AUDIT),
        platform.clock,
        platform.origin,
        lease=HeldLease(platform, SEQUENCER, timedelta(seconds=10)),
    )
    return sequencer.sequence_once() > 0


def hand_over(platform: Platform, deliveries: Deliveries, consumers: list[Consumer]) -> bool:
    """Move events from the outbox to their consumers."""
    now = platform.clock.now()
    moved = in_transaction(platform.storage, lambda tx: distribute(tx, consumers, now))
    handled = sum(deliveries.run(consumer) for consumer in consumers)
    return moved + handled > 0


def forget_deliveries(platform: Platform) -> bool:
    """Drop inboxes of what was handled long ago; says whether there may be more. The log of events keeps the events."""
    before = platform.clock.now() - REMEMBERED
    return in_transaction(platform.storage, lambda tx: prune(tx, before)) > 0


def _republish(platform: Platform, envelope: EventEnvelope) -> None:
    command = PublishRoutes(cause=f"release {envelope.payload['release']} was revoked")
    _give(platform, command, envelope.organisation, "a revoked release must not serve", envelope.id)


def refresh_routes(platform: Platform) -> bool:
    """Sign the routes again before they grow stale: at a third of the shortest age that an endpoint permits."""
    organisation = platform.settings.organisation
    with platform.storage.reading() as tx:
        newest = latest_routes(tx, organisation)
        ages = [e.greatest_age for e in every(tx, ENDPOINTS, equals("organisation", organisation))]
    if newest is None or not ages:
        return False
    permitted = min(REFRESH, timedelta(seconds=min(ages) / 3))
    if platform.clock.now() - newest.created_at >= permitted:
        key = f"refresh-{newest.epoch}"
        _give(platform, PublishRoutes(cause="refresh"), organisation, "routes must not grow stale", key)
    return False


def sweep_releases(platform: Platform) -> bool:
    """Verify every live release, its evidence and its approvals again; revoke those that are no longer what was signed."""
    if not HeldLease(platform, SWEEPER, timedelta(seconds=60)).hold():
        return False
    organisation = platform.settings.organisation
    with platform.storage.reading() as tx:
        unsound = sweep(tx, organisation, platform.keys.roots(), platform.clock.now())
    for release, reason in unsound:
        command = RevokeRelease(release=release.id, cause=f"verification failed: {reason}")
        _give(platform, command, organisation, "the sweep found a mismatch", f"sweep-{release.id}")
    return False


def collect_segments(platform: Platform) -> bool:
    """Bring here what runtimes on other machines have shipped of their decision logs."""
    return platform.collector is not None and platform.collector.collect().brought > 0


def compact_logs(platform: Platform) -> bool:
    """Bring what is sealed of decisions and outcomes into their Delta tables. A full disk stops it, and loses nothing."""
    if not HeldLease(platform, COMPACTOR, timedelta(seconds=600)).hold():
        return False
    settings = platform.settings
    logs = ((settings.runtime_folder / "decisions", DECISION_TABLE), (settings.home / "outcomes", OUTCOME_TABLE))
    for root, table in logs:
        done = Compactor(root, table=table, clock=platform.clock).run()
        if done.segments:
            _log.info("segments were compacted", table=table.name, segments=done.segments, rows=done.rows, files=done.files)
    return False


def forget_segments(platform: Platform) -> bool:
    """Remove from the store what was shipped long enough ago and is compacted here."""
    if platform.collector is None:
        return False
    return platform.collector.forget(timedelta(days=platform.settings.segments_days)) > 0


class BlobsWhole:
    """Small blobs as bytes."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def read(self, digest: str) -> bytes:
        return self._platform.blob(digest)


def watch(platform: Platform, watchman: Watchman) -> bool:
    """Judge the windows of all monitors that have closed."""
    if not HeldLease(platform, WATCHMAN, timedelta(seconds=120)).hold():
        return False
    return bool(watchman.run_due())


def keep_and_erase(platform: Platform) -> bool:
    """Apply retention as it is asked for and once a day; go on with erasures, whatever they wait for."""
    if not HeldLease(platform, CUSTODIAN, timedelta(seconds=120)).hold():
        return False
    platform.custodian.ask_daily()
    ran = platform.custodian.run_retention()
    return platform.custodian.erase() or ran


def _give(platform: Platform, command: Command, organisation: str, reason: str, key: str) -> None:
    """Give a command on behalf of the platform; what another worker has done already is done."""
    request = Request(command=command, actor=SYSTEM, organisation=organisation, reason=reason, idempotency_key=key)
    try:
        platform.bus.handle(request)
    except Conflict as other:
        _log.info("another worker was first", action=command.action, detail=other.detail)
