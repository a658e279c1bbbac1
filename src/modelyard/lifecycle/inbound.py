"""What moves instances without a person: times that come, work to be done, and events of the rest of the platform.

Each is found by its own index and given as a command of its own, so that it is authorised, audited and, if somebody else was
first, refused without harm. Nothing here looks at instances that have nothing due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from modelyard.core.bus import GREATEST_KEY, Bus, Request
from modelyard.core.clock import Clock
from modelyard.core.digests import digest
from modelyard.core.errors import Conflict, ModelyardError, NotFound, TimedOut, Unavailable
from modelyard.core.messages import SYSTEM, Command, EventEnvelope
from modelyard.core.records import Query, R, Storage, Table, Transaction, Where, equals, every, first
from modelyard.core.transactions import in_transaction
from modelyard.jobs.model import JOBS
from modelyard.lifecycle.commands import DeliverEvent, DoWork, FireTimer, RecordFailure, RecordResult
from modelyard.lifecycle.model import INSTANCES, MESSAGES, SUBSCRIPTIONS, TIMERS, WORK, Subscription, Timer, WorkItem
from modelyard.lifecycle.tasks.commands import TendTask
from modelyard.lifecycle.tasks.model import TASKS, Task
from modelyard.lifecycle.waiting import waiting_for
from modelyard.lifecycle.working import ENDLESS, Endless

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
TOLD_BY_INSTANCES = frozenset(("lifecycle.message_sent", "lifecycle.signal_sent"))
_NAMED = (
    "alert approval champion endpoint evidence gate identity incident instance job model monitor release task use_case version"
)
IDENTIFIERS = frozenset(_NAMED.split())
"""Fields of events that name a record."""
PASSING = (Unavailable, TimedOut)
REST = timedelta(minutes=5)
"""How long what could not even fail as it should is left alone."""
MOST_BRANCHES = 1000
"""Of one instance that wait for the same message."""
_log = structlog.get_logger(__name__)


def keys_of(envelope: EventEnvelope) -> set[str]:
    """By what an event can be waited for: its aggregate's id, and the ids and names of records that its payload holds; never the
    free texts in it, which somebody wrote who may not speak for what they name."""
    named = {v for n, v in envelope.payload.items() if isinstance(v, str) and (n in IDENTIFIERS or n.endswith("_id"))}
    return {envelope.aggregate_id, *named}


class Mover:
    """Moves instances on. Safe to use from several processes at once."""

    def __init__(self, storage: Storage, bus: Bus, clock: Clock) -> None:
        self._storage, self._bus, self._clock = storage, bus, clock
        self._resting: dict[str, datetime] = {}

    # --- times

    def fire_timers(self, limit: int = AT_ONCE) -> int:
        """Fire what is due, soonest first; says how many."""
        return sum(self._fire(timer) for timer in self._due(TIMERS, "due", limit))

    def _fire(self, timer: Timer) -> bool:
        """One that cannot be fired says why, and keeps no other waiting."""
        try:
            return self._give(FireTimer(timer=timer.id), timer.organisation, "it is due", trace=timer.instance)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- kept with the timer, tried again later
            _log.error("a timer cannot be fired", timer=timer.id, exc_info=error)
            again = {"due": self._clock.now() + REST, "planned": timer.planned or timer.due, "error": _told(error)}
            self._rest(TIMERS, timer, again)
            return False

    def tend_tasks(self, limit: int = AT_ONCE) -> int:
        """Remind, escalate and end tasks whose time has come."""
        now = self._clock.now()
        self._resting = {task: until for task, until in self._resting.items() if until > now}
        due = self._due(TASKS, "next_at", limit + len(self._resting))
        return sum(self._tend(task) for task in due if task.id not in self._resting)

    def _tend(self, task: Task) -> bool:
        try:
            return self._give(TendTask(task=task.id), task.organisation, "its time has come", trace=task.instance)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- the next task is not kept waiting for it; it is tried again
            _log.error("a task cannot be tended", task=task.id, exc_info=error)
            self._resting[task.id] = self._clock.now() + REST
            return False

    def forget_messages(self, limit: int = AT_ONCE) -> int:
        """Drop messages that were kept for nobody."""

        def forget(tx: Transaction) -> int:
            expired = tx.find(MESSAGES, _before("expires_at", self._clock.now(), limit, claim=True)).items
            for message in expired:
                tx.remove(MESSAGES, message.id)
            return len(expired)

        return in_transaction(self._storage, forget) if self._due(MESSAGES, "expires_at", 1) else 0

    def _due(self, table: Table[R], field: str, limit: int) -> tuple[R, ...]:
        with self._storage.reading() as tx:
            return tx.find(table, _before(field, self._clock.now(), limit)).items

    def _rest(self, table: Table[R], record: R, changes: dict[str, Any]) -> None:
        """Put a record of a queue off, unless somebody changed it in the meantime."""

        def rest(tx: Transaction) -> None:
            kept = first(tx, table, equals("id", record.id))
            if kept is not None and kept.revision == record.revision:
                tx.save(table, kept.model_copy(update=changes))

        in_transaction(self._storage, rest)

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
            self._failed(item, None, _told(error))
        except ModelyardError as error:
            # The work itself is gone or not due when another worker was first; anything else is the work's own failure.
            if error.field != "work":
                self._failed(item, error.code, str(error))
        except Endless as error:
            self._failed(item, ENDLESS, str(error))
        except Exception as error:  # noqa: BLE001 -- kept with the work, tried again, and an incident at last
            _log.error("a step's work failed", work=item.id, operation=item.operation, exc_info=error)
            self._failed(item, None, _told(error))

    def _failed(self, item: WorkItem, code: str | None, message: str) -> None:
        command = RecordFailure(work=item.id, attempts=item.attempts, code=code, message=message[:4000])
        try:
            self._give(command, item.organisation, "its work failed", trace=item.instance)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- kept with the work, tried again later
            _log.error("the failure of a step's work cannot be told to it", work=item.id, exc_info=error)
            self._rest(WORK, item, {"not_before": self._clock.now() + REST, "error": _told(error)})

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
        self._tell(envelope, envelope.type, keys_of(envelope), envelope.payload)

    def _tell(self, envelope: EventEnvelope, name: str, keys: set[str] | None, payload: Mapping[str, Any]) -> None:
        with self._storage.reading() as tx:
            found = waiting_for(tx, envelope.organisation, name, keys or ())
        waiting: dict[str, list[str]] = {}
        for subscription in found:
            waiting.setdefault(subscription.instance or subscription.id, []).append(subscription.id)
        self._deliver(envelope, name, payload, waiting)

    def _broadcast(self, envelope: EventEnvelope) -> None:
        """To everybody but its sender, who has had it; once to an instance, which tells all its branches."""
        told = envelope.payload
        waiting: dict[str, list[str]] = {}
        for subscription in self._signalled(envelope, str(told["name"])):
            if subscription.instance is None or subscription.instance != told["instance"]:
                waiting.setdefault(subscription.instance or subscription.id, [subscription.id])
        self._deliver(envelope, str(told["name"]), told["payload"], waiting)

    def _signalled(self, envelope: EventEnvelope, name: str) -> list[Subscription]:
        """Who waits at this moment: those who begin to wait because of the event are not told of it again."""
        where = (equals("organisation", envelope.organisation), equals("name", name), equals("signal", True))
        with self._storage.reading() as tx:
            return every(tx, SUBSCRIPTIONS, *where)

    def _deliver(self, envelope: EventEnvelope, name: str, payload: Mapping[str, Any], waiting: Mapping[str, list[str]]) -> None:
        """Tell each instance once, also when the event is handed over again. One that cannot take it in keeps no other from being
        told; the event is then handed over again."""
        failures: list[Exception] = []
        by = self._cause(envelope)
        for who, subscriptions in waiting.items():
            command = DeliverEvent(
                subscriptions=tuple(subscriptions[:MOST_BRANCHES]),
                event_id=envelope.id,
                name=name,
                by=by,
                payload=dict(payload),
            )
            try:
                self._give(
                    command, envelope.organisation, f"event {envelope.type}", trace=_instance_of(who), key=f"{envelope.id}:{who}"
                )
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 -- raised when the others were told
                _log.error("an event cannot be taken in", event_id=envelope.id, by=who, exc_info=error)
                failures.append(error)
        if failures:
            raise failures[0]

    def _cause(self, envelope: EventEnvelope) -> str:
        """Whose doing an event is; what an instance tells is the doing of who began it."""
        sender = envelope.payload.get("instance") if envelope.type in TOLD_BY_INSTANCES else None
        with self._storage.reading() as tx:
            found = first(tx, INSTANCES, equals("id", sender)) if sender is not None else None
        return found.started_by if found is not None else envelope.actor

    def _job_ended(self, envelope: EventEnvelope) -> None:
        ended = {"jobs.job_done": None, "jobs.job_failed": "job_failed", "jobs.job_cancelled": "job_cancelled"}
        if envelope.type not in ended:
            return
        with self._storage.reading() as tx:
            items = tx.find(WORK, Query(where=(equals("job", envelope.payload["job"]),), limit=AT_ONCE)).items
            job = tx.get(JOBS, envelope.payload["job"]) if items else None
        for item in items:
            assert job is not None
            result = {"result": job.model_dump(mode="json")}
            self._work_ended(envelope, item.id, job.id, ended[envelope.type], job.error or envelope.type, result)

    def _called_process_ended(self, envelope: EventEnvelope) -> None:
        told = envelope.payload
        if told["work"] is None:
            return
        code = None if told["how"] == "completed" else f"process_{told['how']}"
        self._work_ended(envelope, told["work"], told["instance"], code, f"{told['instance']} is {told['how']}", told["data"])

    def _work_ended(
        self, envelope: EventEnvelope, work: str, doer: str, code: str | None, message: str, result: dict[str, Any]
    ) -> None:
        """Tell a step what became of the job or process that does it. A result that it cannot take in is its failure."""
        why, key, trace = f"{doer} ended", f"{envelope.id}:{work}"[:200], _instance_of(work)
        if code is None:
            try:
                self._give(RecordResult(work=work, doer=doer, result=result), envelope.organisation, why, trace=trace, key=key)
                return
            except Unavailable:
                raise
            except ModelyardError as error:
                code, message = error.code, str(error)
        failure = RecordFailure(work=work, doer=doer, code=code, message=message[:4000])
        self._give(failure, envelope.organisation, why, trace=trace, key=key)

    # --- giving commands

    def _give(self, command: Command, organisation: str, why: str, *, trace: str | None = None, key: str | None = None) -> bool:
        """Whether it was done; what somebody else did already, or is no longer wanted, is left alone."""
        try:
            self._bus.handle(_request(command, organisation, why, trace or "", key))
        except (Conflict, NotFound) as other:
            _log.info("it was done already, or is no longer wanted", action=command.action, detail=other.detail)
            return False
        return True


def _instance_of(id_: str) -> str | None:
    """The instance of a record of one, or of itself."""
    return id_.partition(":")[0] if id_.startswith("ins_") else None


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:1000]


def _request(command: Command, organisation: str, why: str, trace: str, key: str | None = None) -> Request:
    return Request(
        command=command, actor=SYSTEM, organisation=organisation, reason=why, trace_id=trace, idempotency_key=_short(key)
    )


def _short(key: str | None) -> str | None:
    return key if key is None or len(key) <= GREATEST_KEY else digest(key.encode())


def _before(field: str, now: Any, limit: int, *, claim: bool = False) -> Query:
    return Query(where=(Where(field, "ne", None), Where(field, "le", now)), sort=field, limit=limit, claim=claim)
