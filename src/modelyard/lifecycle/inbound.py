"""What moves instances without a person: times that come, work to be done, and events of the rest of the platform.

Each is found by its own index and given as a command of its own, so that it is authorised, audited and, if somebody else was
first, refused without harm. Nothing here looks at instances that have nothing due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from modelyard.core.bus import Bus, Request
from modelyard.core.clock import Clock
from modelyard.core.errors import Busy, Conflict, ModelyardError, NotFound, StorageFull, Unavailable
from modelyard.core.messages import SYSTEM, Command, EventEnvelope
from modelyard.core.records import Query, Storage, Where, equals
from modelyard.jobs.model import JOBS
from modelyard.lifecycle.commands import DeliverEvent, DoWork, FireTimer, RecordFailure, RecordResult
from modelyard.lifecycle.model import MESSAGES, SUBSCRIPTIONS, TIMERS, WORK, Subscription, WorkItem
from modelyard.lifecycle.tasks.commands import TendTask
from modelyard.lifecycle.tasks.model import TASKS

AT_ONCE = 50
QUIET = frozenset(
    (
        "lifecycle.instance_started",
        "lifecycle.task_opened",
        "lifecycle.task_assigned",
        "lifecycle.task_reminded",
        "lifecycle.task_commented",
        "lifecycle.task_withdrawn",
        "governance.runtime_refused",
        "monitoring.run_recorded",
        "delivery.routes_published",
    )
)
"""Events that are too many, or too much about life cycles themselves, to be messages to them."""
PASSING = (Busy, Unavailable, StorageFull)
_log = structlog.get_logger(__name__)


class Mover:
    """Moves instances on. Safe to use from several processes at once."""

    def __init__(self, storage: Storage, bus: Bus, clock: Clock) -> None:
        self._storage, self._bus, self._clock = storage, bus, clock

    # --- times

    def fire_timers(self, limit: int = AT_ONCE) -> int:
        """Fire what is due, soonest first; says how many."""
        due = self._due(TIMERS, "due", limit)
        return sum(self._give(FireTimer(timer=timer.id), timer.organisation, "it is due") for timer in due)

    def tend_tasks(self, limit: int = AT_ONCE) -> int:
        """Remind, escalate and end tasks whose time has come."""
        due = self._due(TASKS, "next_at", limit)
        return sum(self._give(TendTask(task=task.id), task.organisation, "its time has come") for task in due)

    def forget_messages(self, limit: int = AT_ONCE) -> int:
        """Drop messages that were kept for nobody."""
        expired = self._due(MESSAGES, "expires_at", limit)
        if expired:
            with self._storage.transaction() as tx:
                for message in tx.find(MESSAGES, _before("expires_at", self._clock.now(), limit, claim=True)).items:
                    tx.remove(MESSAGES, message.id)
        return len(expired)

    def _due(self, table: Any, field: str, limit: int) -> tuple[Any, ...]:
        with self._storage.reading() as tx:
            return tx.find(table, _before(field, self._clock.now(), limit)).items

    # --- work

    def do_work(self, limit: int = AT_ONCE) -> int:
        """Do the work that waits; says how many pieces were tried."""
        due = self._due(WORK, "not_before", limit)
        for item in due:
            self._do(item)
        return len(due)

    def _do(self, item: WorkItem) -> None:
        why = f"{item.process}, step {item.name}"
        request = _request(DoWork(work=item.id), item.organisation, why, item.instance)
        try:
            self._bus.handle(request)
        except PASSING as error:
            self._failed(item, None, f"{type(error).__name__}: {error}")
        except NotFound as error:
            # The work itself is gone when another worker was first; anything else that is missing is the work's own failure.
            if error.field != "work":
                self._failed(item, error.code, str(error))
        except ModelyardError as error:
            if error.field != "work":
                self._failed(item, error.code, str(error))
        except Exception as error:  # noqa: BLE001 -- kept with the work, tried again, and an incident at last
            _log.error("a step's work failed", work=item.id, operation=item.operation, exc_info=error)
            self._failed(item, None, f"{type(error).__name__}: {error}")

    def _failed(self, item: WorkItem, code: str | None, message: str) -> None:
        command = RecordFailure(work=item.id, code=code, message=message[:4000])
        self._give(command, item.organisation, "its work failed")

    # --- events

    def hear(self, envelope: EventEnvelope) -> None:
        """Tell instances of an event: those whose work a job or a called process did, and those that wait for it as a message."""
        if envelope.type.startswith("jobs.job_"):
            self._job_ended(envelope)
        elif envelope.type == "lifecycle.instance_ended":
            self._called_process_ended(envelope)
        elif envelope.type == "lifecycle.signal_sent":
            self._broadcast(envelope)
            return
        elif envelope.type == "lifecycle.message_sent":
            told = envelope.payload
            keys = None if told["key"] is None else {str(told["key"])}
            self._tell(envelope, str(told["name"]), keys, told["payload"])
            return
        if envelope.type not in QUIET:
            texts = {value for value in envelope.payload.values() if isinstance(value, str)}
            self._tell(envelope, envelope.type, {envelope.aggregate_id, *texts}, envelope.payload)

    def _tell(self, envelope: EventEnvelope, name: str, keys: set[str] | None, payload: Mapping[str, Any]) -> None:
        fits: Callable[[Subscription], bool] = lambda s: s.key is None or (keys is not None and s.key in keys)  # noqa: E731
        self._deliver(envelope, name, payload, signal=False, fits=fits)

    def _broadcast(self, envelope: EventEnvelope) -> None:
        told = envelope.payload
        self._deliver(
            envelope,
            str(told["name"]),
            told["payload"],
            signal=True,
            fits=lambda s: s.instance != told["instance"] or s.instance is None,
        )

    def _deliver(
        self,
        envelope: EventEnvelope,
        name: str,
        payload: Mapping[str, Any],
        *,
        signal: bool,
        fits: Callable[[Subscription], bool],
    ) -> None:
        seen: set[str] = set()
        after: str | None = None
        where = (equals("organisation", envelope.organisation), equals("name", name), equals("signal", signal))
        while True:
            with self._storage.reading() as tx:
                page = tx.find(SUBSCRIPTIONS, Query(where=where, sort="id", limit=200, after=after))
            for subscription in page.items:
                one = f"{subscription.instance}:{subscription.name}" if signal and subscription.instance else subscription.id
                if fits(subscription) and one not in seen:
                    seen.add(one)
                    command = DeliverEvent(subscription=subscription.id, event_id=envelope.id, name=name, payload=dict(payload))
                    key = f"{envelope.id}:{subscription.id}"[:200]
                    self._give(command, envelope.organisation, f"event {envelope.type}", key=key)
            after = page.next
            if after is None:
                return

    def _job_ended(self, envelope: EventEnvelope) -> None:
        ended = {"jobs.job_done": None, "jobs.job_failed": "job_failed", "jobs.job_cancelled": "job_cancelled"}
        if envelope.type not in ended:
            return
        with self._storage.reading() as tx:
            items = tx.find(WORK, Query(where=(equals("job", envelope.payload["job"]),), limit=AT_ONCE)).items
            job = tx.get(JOBS, envelope.payload["job"]) if items else None
        for item in items:
            code = ended[envelope.type]
            assert job is not None
            command: Command = (
                RecordResult(work=item.id, result={"result": job.model_dump(mode="json")})
                if code is None
                else RecordFailure(work=item.id, code=code, message=job.error or envelope.type)
            )
            self._give(command, item.organisation, f"job {job.id} ended", key=f"{envelope.id}:{item.id}"[:200])

    def _called_process_ended(self, envelope: EventEnvelope) -> None:
        told = envelope.payload
        if told["work"] is None:
            return
        if told["how"] == "completed":
            command: Command = RecordResult(work=told["work"], result=told["data"])
        else:
            command = RecordFailure(
                work=told["work"], code=f"process_{told['how']}", message=f"{told['instance']} is {told['how']}"
            )
        self._give(command, envelope.organisation, f"{told['process']} ended", key=f"{envelope.id}:called")

    # --- giving commands

    def _give(self, command: Command, organisation: str, why: str, *, key: str | None = None) -> bool:
        """Whether it was done; what somebody else did already, or is no longer wanted, is left alone."""
        try:
            self._bus.handle(_request(command, organisation, why, "", key))
        except (Conflict, NotFound) as other:
            _log.info("it was done already, or is no longer wanted", action=command.action, detail=other.detail)
            return False
        return True


def _request(command: Command, organisation: str, why: str, trace: str, key: str | None = None) -> Request:
    return Request(command=command, actor=SYSTEM, organisation=organisation, reason=why, trace_id=trace, idempotency_key=key)


def _before(field: str, now: Any, limit: int, *, claim: bool = False) -> Query:
    return Query(where=(Where(field, "ne", None), Where(field, "le", now)), sort=field, limit=limit, claim=claim)
