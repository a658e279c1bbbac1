"""The one way to change state: authorise, handle, audit and outbox in a single transaction.

    result = bus.handle(Request(command=RegisterModel(...), actor=actor, idempotency_key="k1", reason="new model"))

A command that repeats an idempotency key gets the first result and changes nothing. A refusal is recorded in a transaction of
its own, then raised. A dry run does everything and keeps nothing. Contention is tried again a bounded number of times.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel

from modelyard.core.clock import Clock
from modelyard.core.digests import digest_of
from modelyard.core.errors import Busy, IdempotencyMismatch, InvalidInput, ModelyardError, Refused
from modelyard.core.faults import Faults, NoFaults
from modelyard.core.ids import Ids
from modelyard.core.messages import (
    AUDIT,
    AUDIT_PENDING,
    IDEMPOTENCY,
    OUTBOX,
    Actor,
    AuditOutcome,
    AuditRecord,
    Change,
    Command,
    Event,
    EventEnvelope,
    Idempotency,
    Pending,
    Subject,
)
from modelyard.core.records import DEFAULT_ORGANISATION, Page, Query, R, Storage, Table, Transaction, equals, retrying

C = TypeVar("C", bound=Command)
GREATEST_KEY = 200
TRIES = 14
PATIENT = 2
"""So many tries are made beside others; from then on those that were in each other's way go one after the other, since a database
that serialises by optimism lets none through for certain while all try at once."""


@dataclass(frozen=True)
class Request:
    """A command with who asks, why, and how. `trace_id` ties it to logs and traces elsewhere."""

    command: Command
    actor: Actor
    organisation: str = DEFAULT_ORGANISATION
    idempotency_key: str | None = None
    reason: str = ""
    dry_run: bool = False
    trace_id: str = ""

    @cached_property
    def command_digest(self) -> str:
        """The digest of the command and its action. Raises ValueError when JSON cannot hold it."""
        return digest_of({"action": self.command.action, "command": self.command.model_dump(mode="json")})


@dataclass(frozen=True)
class Permit:
    """An authorization that was given: the digest of the policy set, and the ids of the policies that decided."""

    policy_set: str
    policies: tuple[str, ...] = ()


class Authorizer(Protocol):
    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        """Permit, or raise Forbidden saying which policy denied and what to do."""
        ...

    def policy_set(self, tx: Transaction) -> str:
        """The digest of the policies in force."""
        ...


@dataclass
class Work:
    """What a handler works with: the transaction, who asks, the time; it notes every change for the audit."""

    tx: Transaction
    request: Request
    now: datetime
    ids: Ids
    subject: Subject
    changes: list[Change] = field(default_factory=list)
    events: list[EventEnvelope] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        return self.request.actor

    @property
    def organisation(self) -> str:
        return self.request.organisation

    def new(self, prefix: str) -> dict[str, Any]:
        """The fields that every new record has: id, organisation and time of creation."""
        return {"id": self.ids.new(prefix), "organisation": self.organisation, "created_at": self.now}

    def add(self, table: Table[R], record: R) -> R:
        kept = self.tx.add(table, record)
        self.changes.append(Change(table=table.name, id=kept.id, before=None, after=kept.digest()))
        return kept

    def save(self, table: Table[R], record: R) -> R:
        before = self.tx.get(table, record.id).digest()
        kept = self.tx.save(table, record)
        self.changes.append(Change(table=table.name, id=kept.id, before=before, after=kept.digest()))
        return kept

    def get(self, table: Table[R], record_id: str) -> R:
        return self.tx.get(table, record_id)

    def find(self, table: Table[R], query: Query) -> Page[R]:
        return self.tx.find(table, query)

    def emit(self, event: Event, aggregate: str) -> None:
        """Tell of something that happened to an aggregate, `type:id`."""
        aggregate_type, _, aggregate_id = aggregate.partition(":")
        self.events.append(
            EventEnvelope(
                **self.new("evt"),
                type=event.type,
                schema_version=event.schema_version,
                aggregate_type=aggregate_type,
                aggregate_id=aggregate_id,
                actor=self.actor.id,
                trace_id=self.request.trace_id,
                payload=event.model_dump(mode="json"),
            )
        )


@dataclass(frozen=True)
class Handling(Generic[C]):
    """How one command is handled. `subject` loads what policies look at (it may raise NotFound); `handle` does the work and
    returns a pydantic model of type `result`, which is what a repeated command gets back."""

    command: type[C]
    handle: Callable[[Work, C], BaseModel]
    subject: Callable[[Transaction, Request, C], Subject]
    result: type[BaseModel]


class _DryRunDone(Exception):
    """Leaves the transaction without keeping anything."""

    def __init__(self, result: BaseModel) -> None:
        super().__init__("dry run")
        self.result = result


class Bus:
    """Handles commands. Safe to use from several threads and processes at once."""

    def __init__(self, storage: Storage, authorizer: Authorizer, clock: Clock, ids: Ids, faults: Faults | None = None) -> None:
        self._storage, self._authorizer, self._clock, self._ids = storage, authorizer, clock, ids
        self._faults = faults or NoFaults()
        self._handlings: dict[type[Command], Handling[Any]] = {}
        self._turn = threading.Lock()

    def register(self, *handlings: Handling[Any]) -> None:
        for handling in handlings:
            if handling.command in self._handlings:
                raise InvalidInput(f"{handling.command.action} is handled twice")
            self._handlings[handling.command] = handling

    def commands(self) -> list[type[Command]]:
        """Every command that is handled, by the name of its action."""
        return sorted(self._handlings, key=lambda c: c.action)

    def result_of(self, command: type[Command]) -> type[BaseModel]:
        """The type that handling a command gives. Raises InvalidInput when nobody handles it."""
        if command not in self._handlings:
            raise InvalidInput(f"nobody handles {command.__name__}")
        return self._handlings[command].result

    def handle(self, request: Request) -> BaseModel:
        """Do it, or raise one of the family of errors with the state as it was before."""
        handling = self._handlings.get(type(request.command))
        if handling is None:
            raise InvalidInput(f"nobody handles {type(request.command).__name__}")
        if request.idempotency_key is not None and not 0 < len(request.idempotency_key) <= GREATEST_KEY:
            raise InvalidInput(f"an idempotency key has 1 to {GREATEST_KEY} characters", field="idempotency_key")
        _require_json(request)
        try:
            return cast("BaseModel", self._retried(partial(self._attempt, handling, request)))
        except _DryRunDone as done:
            return done.result
        except Refused as refusal:
            refused = refusal.part or request
            self._retried(partial(self._record_refusal, self._handlings[type(refused.command)], refused, refusal))
            refusal.recorded = True
            raise

    def command_of(self, action: str) -> type[Command]:
        """The command of that action. Raises InvalidInput when nobody handles it."""
        for command in self._handlings:
            if command.action == action:
                return command
        raise InvalidInput(f"there is no command {action!r}", field="operation", hint="see the API reference for their names")

    def within(self, work: Work, command: Command, actor: Actor, reason: str) -> BaseModel:
        """Do another command as a part of one that is being handled, in its transaction: authorised, audited and told of as if it
        had come alone. What it raises must leave the handler that asked for it: half of a command is never kept."""
        handling = self._handlings.get(type(command))
        if handling is None:
            raise InvalidInput(f"nobody handles {type(command).__name__}")
        request = replace(work.request, command=command, actor=actor, idempotency_key=None, reason=reason, dry_run=False)
        _require_json(request)
        try:
            subject = handling.subject(work.tx, request, command)
            permit = self._authorizer.authorise(work.tx, request, subject)
            inner = Work(work.tx, request, work.now, work.ids, subject)
            result = handling.handle(inner, command)
        except Refused as refusal:
            refusal.part = refusal.part or request
            raise
        self._write_down(inner, permit, result)
        return result

    def _retried(self, attempt: Callable[[], Any]) -> Any:
        failed = 0

        def try_it() -> Any:
            with self._turn if failed >= PATIENT else nullcontext():
                return attempt()

        def pause(number: int) -> None:
            nonlocal failed
            failed = number
            _back_off(number)

        return retrying(try_it, times=TRIES, pause=pause, retry_on=Busy)

    def _attempt(self, handling: Handling[Any], request: Request) -> BaseModel:
        with self._storage.transaction() as tx:
            first = self._first_result(tx, handling, request)
            if first is not None:
                return first
            subject = handling.subject(tx, request, request.command)
            permit = self._authorizer.authorise(tx, request, subject)
            work = Work(tx, request, self._clock.now(), self._ids, subject)
            result = handling.handle(work, request.command)
            self._faults.reach("bus.handled")
            self._write_down(work, permit, result)
            self._faults.reach("bus.before_commit")
            if request.dry_run:
                raise _DryRunDone(result)
        self._faults.reach("bus.committed")
        return result

    def _first_result(self, tx: Transaction, handling: Handling[Any], request: Request) -> BaseModel | None:
        if request.idempotency_key is None:
            return None
        page = tx.find(IDEMPOTENCY, Query(where=(equals("id", _key_id(request)),), sort="id", limit=1))
        if not page.items:
            return None
        if page.items[0].command_digest != request.command_digest:
            raise IdempotencyMismatch(
                "this idempotency key was used for another request",
                field="idempotency_key",
                hint="use a fresh key for a new request",
            )
        return handling.result.model_validate(page.items[0].result)

    def _write_down(self, work: Work, permit: Permit, result: BaseModel) -> None:
        request = work.request
        record = AuditRecord(
            **work.new("aud"),
            **_who_and_what(request, work.subject),
            outcome=AuditOutcome.DONE,
            changes=tuple(work.changes),
            events=tuple(e.type for e in work.events),
            policy_set=permit.policy_set,
            policies=permit.policies,
        )
        _add_audit(work.tx, record)
        for event in work.events:
            work.tx.add(OUTBOX, event)
        if request.idempotency_key is not None:
            fields = work.new("idem") | {"id": _key_id(request)}
            work.tx.add(
                IDEMPOTENCY,
                Idempotency(**fields, command_digest=request.command_digest, result=result.model_dump(mode="json")),
            )

    def record_refusal(
        self, actor: Actor, organisation: str, action: str, subject: Subject, refusal: Refused, about: str | None = None
    ) -> None:
        """Put a refusal into the audit log that no command led to (a denied read, an upload), in a transaction of its own.
        `about` is the digest of what was refused, where the action and the subject do not say it all."""
        told = {
            "actor": actor.id,
            "actor_kind": actor.kind,
            "action": action,
            "subject_type": subject.type,
            "subject_id": subject.id,
            "command_digest": about or digest_of({"action": action, "subject": subject.id}),
        }
        self._retried(partial(self._add_refusal, organisation, lambda _: told, refusal))
        refusal.recorded = True

    def _record_refusal(self, handling: Handling[Any], request: Request, refusal: Refused) -> None:
        def told(tx: Transaction) -> dict[str, Any]:
            return _who_and_what(request, _subject_or_unknown(tx, handling, request))

        self._add_refusal(request.organisation, told, refusal)

    def _add_refusal(self, organisation: str, told: Callable[[Transaction], dict[str, Any]], refusal: Refused) -> None:
        with self._storage.transaction() as tx:
            record = AuditRecord(
                id=self._ids.new("aud"),
                organisation=organisation,
                created_at=self._clock.now(),
                **told(tx),
                outcome=AuditOutcome.REFUSED,
                policy_set=self._authorizer.policy_set(tx),
                error_code=refusal.code,
                error_detail=str(refusal),
            )
            _add_audit(tx, record)


def _add_audit(tx: Transaction, record: AuditRecord) -> None:
    tx.add(AUDIT, record)
    tx.add(AUDIT_PENDING, Pending(id=record.id, organisation=record.organisation, created_at=record.created_at))


def record_audit(tx: Transaction, record: AuditRecord) -> None:
    """Add an audit record that came from elsewhere (a runtime's spool) inside a handler's transaction."""
    _add_audit(tx, record)


def _who_and_what(request: Request, subject: Subject) -> dict[str, Any]:
    return {
        "actor": request.actor.id,
        "actor_kind": request.actor.kind,
        "action": request.command.action,
        "subject_type": subject.type,
        "subject_id": subject.id,
        "reason": request.reason,
        "command_digest": request.command_digest,
        "trace_id": request.trace_id,
    }


def _subject_or_unknown(tx: Transaction, handling: Handling[Any], request: Request) -> Subject:
    try:
        return handling.subject(tx, request, request.command)
    except ModelyardError:
        return Subject(type="unknown", id="unknown")


def _require_json(request: Request) -> None:
    """What JSON cannot hold (NaN, half a surrogate pair, endless nesting) cannot be kept, digested or answered."""
    try:
        _ = request.command_digest
    except ValueError as error:
        told = str(error).encode("utf-8", "backslashreplace").decode()[:200]
        raise InvalidInput(f"{request.command.action} holds what cannot be kept as JSON: {told}") from error


def _key_id(request: Request) -> str:
    return digest_of([request.organisation, request.actor.id, request.command.action, request.idempotency_key])


def _back_off(number: int) -> None:
    time.sleep(random.uniform(0.5, 1.0) * min(0.005 * 2**number, 0.5))  # noqa: S311 -- jitter, not a secret
