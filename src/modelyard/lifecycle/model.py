"""Life cycles that are kept: definitions of processes, their instances, and what instances wait for.

The state of an instance is the small JSON of `modelyard.bpmn.state`; everything that must be *found* (what is due, who waits for
a message, which task is whose, what is broken, where tokens stand) is a record of its own, made and removed in the transaction of
the step. Ids of what an instance asks for are `instance:id`, where the second part is the engine's id.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from modelyard.core.digests import DIGEST
from modelyard.core.records import Record, Table

Digest = Annotated[str, Field(pattern=DIGEST.pattern)]
GREATEST_SOURCE = 2 << 20
"""Bytes of a process's file."""


class DefinitionStatus(StrEnum):
    PROPOSED = "proposed"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"


class ProcessSource(Record):
    """A BPMN file, kept once by its digest however many definitions come from it."""

    digest_of_source: Digest
    text: str


SOURCES: Table[ProcessSource] = Table(
    "process_sources",
    ProcessSource,
    indexed=("digest_of_source",),
    unique=(("organisation", "digest_of_source"),),
    append_only=True,
)


class ProcessDefinition(Record):
    """A version of a life cycle. `key` is the process's id in its file; new instances begin with the newest published number,
    running ones stay with theirs until they are migrated. `bundle` is the digest of all that was tested and published: file,
    forms and scenarios."""

    key: str
    number: int
    name: str
    source: Digest
    bundle: Digest
    forms: dict[str, dict[str, Any]] = {}
    scenarios: str = ""
    tested: int = 0
    coverage: float = 0.0
    warnings: tuple[str, ...] = ()
    status: DefinitionStatus = DefinitionStatus.PROPOSED
    notes: str = ""
    proposed_by: str
    published_by: str | None = None
    published_at: datetime | None = None


DEFINITIONS: Table[ProcessDefinition] = Table(
    "process_definitions",
    ProcessDefinition,
    indexed=("key", "number", "status", "source", "bundle", "proposed_by"),
    unique=(("organisation", "key", "number"),),
    text=("key", "name", "notes"),
)


class InstanceStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Health(StrEnum):
    """Derived from incidents, never set."""

    OK = "ok"
    BROKEN = "broken"


class Instance(Record):
    """A running (or ended) life cycle. `about` is what it is about, as `type:id` (`version:ver_…`); `state` the engine's JSON;
    `open_incidents` counts what keeps it from going on; `steps` counts its steps. `parent` is the work of the instance that
    called it, if one did. `places` are the elements where tokens stand, `standing` the open `Stay` of each token. `unattended`
    counts the pieces of work since a person, a time or a message moved it."""

    process: str
    number: int
    definition: str
    source: Digest
    title: str = ""
    about: str | None = None
    use_case: str | None = None
    status: InstanceStatus = InstanceStatus.RUNNING
    health: Health = Health.OK
    open_incidents: int = 0
    steps: int = 0
    standing: dict[str, str] = {}
    places: tuple[str, ...] = ()
    state: str
    started_by: str
    ended_at: datetime | None = None
    parent: str | None = None
    depth: int = 0
    unattended: int = 0


INSTANCES: Table[Instance] = Table(
    "process_instances",
    Instance,
    indexed=("process", "number", "definition", "about", "use_case", "status", "health", "started_by", "parent"),
    text=("title", "process", "about"),
)


class Step(Record):
    """One step of an instance: what came in, who brought it, and the way it took. Never changed; together they are the history.

    `passages` are `[what, element, flow]` in order: a node was entered, left, interrupted or compensated, or a flow was taken.
    `given` is the event as the engine took it (see `replaying`); `details` are for people to read."""

    instance: str
    number: int
    event: str
    element: str | None = None
    details: dict[str, Any] = {}
    given: dict[str, Any] = {}
    by: str
    passages: tuple[tuple[str, str, str | None], ...] = ()


STEPS: Table[Step] = Table("process_steps", Step, indexed=("instance", "number", "event", "by"), append_only=True)


class Stay(Record):
    """A token at a node that did not let it go at once: since when, until when, and how much of that was work. `left_at` is
    absent while it is there. `role` is whose step it is, empty where no person is asked. `worked_before_s` is what of the task's
    work belongs to an earlier stay: under another name, before a migration."""

    instance: str
    process: str
    number: int
    element: str
    name: str
    kind: str
    role: str = ""
    use_case: str | None = None
    token: str
    work: str | None = None
    entered_at: datetime
    left_at: datetime | None = None
    how: str | None = None
    waited_s: float | None = None
    worked_s: float | None = None
    worked_before_s: float = 0.0


STAYS: Table[Stay] = Table(
    "process_stays", Stay, indexed=("instance", "process", "element", "role", "use_case", "entered_at", "left_at")
)


class Timer(Record):
    """Something is due: a timer of an instance, or (without one) the timed start of a definition. `due` is indexed, so that what
    is due is found without looking at anything else. `left` is how often a timed start is to come yet, without end if absent.

    One that could not be fired says the `error`, and is due again later; `planned` is when it should have been."""

    instance: str | None
    definition: str | None = None
    element: str
    due: datetime
    left: int | None = None
    planned: datetime | None = None
    error: str | None = None


TIMERS: Table[Timer] = Table("process_timers", Timer, indexed=("instance", "definition", "due"))


class Subscription(Record):
    """Somebody waits for a message of that name (with that key, if one is given) or, with `signal`, for a broadcast: an instance,
    or without one the start of a definition."""

    instance: str | None
    definition: str | None = None
    element: str
    name: str
    key: str | None = None
    signal: bool = False


SUBSCRIPTIONS: Table[Subscription] = Table(
    "process_subscriptions", Subscription, indexed=("instance", "definition", "name", "key", "signal")
)


class HeldMessage(Record):
    """A message nobody waited for when it came, kept for who will until it expires."""

    name: str
    key: str | None
    payload: dict[str, Any]
    expires_at: datetime


MESSAGES: Table[HeldMessage] = Table("process_messages", HeldMessage, indexed=("name", "key", "expires_at"))


class WorkItem(Record):
    """What a service task, a decision or a call activity asks the platform to do. `not_before` is when it may be tried; it is
    absent while a job or a called process does it. With `strict` the arguments were named by the process, so each must be one
    that the operation knows. Removed when it is done or no longer wanted."""

    instance: str
    process: str
    element: str
    name: str
    kind: str
    operation: str
    arguments: dict[str, Any] = {}
    strict: bool = False
    authority: str | None = None
    not_before: datetime | None
    attempts: int = 0
    retries: int = 3
    job: str | None = None
    child: str | None = None
    error: str | None = None


WORK: Table[WorkItem] = Table("process_work", WorkItem, indexed=("instance", "not_before", "job", "child", "operation"))


class ProcessIncident(Record):
    """A step that failed and keeps its token. It is closed by a retry, by a skip with a reason, or with its instance."""

    instance: str
    process: str
    element: str
    cause: str
    message: str
    status: Literal["open", "closed"] = "open"
    how: str | None = None
    resolved_by: str | None = None
    why: str = ""
    closed_at: datetime | None = None


INCIDENTS: Table[ProcessIncident] = Table(
    "process_incidents", ProcessIncident, indexed=("instance", "process", "element", "cause", "status"), text=("message",)
)

EXPLAINED_TABLES: tuple[Table[Any], ...] = (SOURCES, DEFINITIONS, INSTANCES, INCIDENTS)
TABLES: tuple[Table[Any], ...] = (*EXPLAINED_TABLES, STEPS, STAYS, TIMERS, SUBSCRIPTIONS, MESSAGES, WORK)


def engine_id(record_id: str) -> str:
    """The engine's own id of a timer, a subscription, a work item or an incident."""
    return record_id.rpartition(":")[2]


def record_id(instance: str, id_: str) -> str:
    return f"{instance}:{id_}"
