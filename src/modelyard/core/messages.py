"""Commands change, events tell. Both are frozen, typed and named; a command is also the body of its HTTP request."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from modelyard.core.errors import InvalidInput
from modelyard.core.records import Record, Table


class Command(BaseModel):
    """A wish to change something. `action` is its stable name (`catalog.register_model`), used by policies and the audit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: ClassVar[str]


class Event(BaseModel):
    """Something that happened. `type` is its stable name (`catalog.model_registered`); `schema_version` grows when its fields
    change, and an upcaster then reads the older form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ClassVar[str]
    schema_version: ClassVar[int] = 1


class ActorKind(StrEnum):
    PERSON = "person"
    SERVICE = "service"
    SYSTEM = "system"


class Actor(BaseModel):
    """Who wishes. `roles` are those in force now; `scopes` narrow what the presented token may do (empty: all that roles may)."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: ActorKind = ActorKind.PERSON
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


SYSTEM = Actor(id="system", kind=ActorKind.SYSTEM, roles=frozenset({"system"}))
"""The platform itself: loops that reconcile, sequence and measure."""


class Subject(BaseModel):
    """What a command is about: a type of record and an id, with the attributes that policies may look at."""

    model_config = ConfigDict(frozen=True)

    type: str
    id: str
    attributes: dict[str, Any] = {}


class EventEnvelope(Record):
    """An event in the outbox. Order holds per aggregate only."""

    type: str
    schema_version: int
    aggregate_type: str
    aggregate_id: str
    actor: str
    trace_id: str = ""
    payload: dict[str, Any]


OUTBOX: Table[EventEnvelope] = Table("outbox", EventEnvelope, indexed=("type", "aggregate_id"))

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class EventTypes:
    """The events that are known, and how payloads of earlier versions are read."""

    def __init__(self) -> None:
        self._types: dict[str, type[Event]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}

    def register(self, *events: type[Event]) -> None:
        for event in events:
            self._types[event.type] = event

    def upcast(self, event_type: str, version: int, upcaster: Upcaster) -> None:
        """Declare how a payload of `version` becomes one of `version + 1`."""
        self._upcasters[event_type, version] = upcaster

    def names(self) -> list[str]:
        return sorted(self._types)

    def newest(self, event_type: str) -> type[Event]:
        """The event of that type as it is now. Raises InvalidInput for an unknown type."""
        if event_type not in self._types:
            raise InvalidInput(f"unknown event type {event_type!r}", field="type")
        return self._types[event_type]

    def read(self, envelope: EventEnvelope) -> Event:
        """The typed event. Raises InvalidInput for an unknown type or a version that no upcaster leads on from."""
        event = self._types.get(envelope.type)
        if event is None:
            raise InvalidInput(f"unknown event type {envelope.type!r}", field="type")
        payload = envelope.payload
        for version in range(envelope.schema_version, event.schema_version):
            upcaster = self._upcasters.get((envelope.type, version))
            if upcaster is None:
                raise InvalidInput(f"{envelope.type}: no upcaster from version {version}", field="schema_version")
            payload = upcaster(payload)
        return event.model_validate(payload)


class AuditOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class Change(BaseModel):
    """One record changed: digests before (None: it was new) and after (None: it was removed)."""

    model_config = ConfigDict(frozen=True)

    table: str
    id: str
    before: str | None
    after: str | None


class AuditRecord(Record):
    """Who did what to which, when, why, under which policies, and what changed. Holds ids and digests, no personal data.

    `refused_elsewhere` names the runtime whose spool a refusal came from.
    """

    actor: str
    actor_kind: ActorKind
    action: str
    outcome: AuditOutcome
    subject_type: str
    subject_id: str
    reason: str = ""
    command_digest: str
    changes: tuple[Change, ...] = ()
    events: tuple[str, ...] = ()
    policy_set: str
    policies: tuple[str, ...] = ()
    error_code: str | None = None
    error_detail: str | None = None
    trace_id: str = ""
    refused_elsewhere: str | None = None


AUDIT: Table[AuditRecord] = Table(
    "audit",
    AuditRecord,
    indexed=("actor", "action", "outcome", "subject_type", "subject_id"),
    text=("reason", "action", "subject_id", "actor"),
    append_only=True,
)


class Pending(Record):
    """An audit record that waits for its place in the log; its id is the audit record's."""


AUDIT_PENDING: Table[Pending] = Table("audit_pending", Pending)


class Idempotency(Record):
    """The first result of a command that came with a key. `id` is the digest of actor, action and key."""

    command_digest: str
    result: dict[str, Any]


IDEMPOTENCY: Table[Idempotency] = Table("idempotency", Idempotency, append_only=True)
