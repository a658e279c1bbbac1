"""What can be done about life cycles and their instances."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelyard.core.messages import Command
from modelyard.lifecycle.model import GREATEST_SOURCE

Id = Annotated[str, Field(min_length=1, max_length=200)]
Data = dict[str, Any]


class ProposeProcess(Command):
    """Put a new version of a life cycle forward. It must be without errors, and pass the scenarios that come with it.

    `source` is the BPMN file, `process` says which process of it (when it has several), `forms` are JSON Schemas by the names
    that user tasks ask for, `scenarios` the text of a scenario file (YAML)."""

    action: ClassVar[str] = "lifecycle.propose_process"

    source: str = Field(min_length=1, max_length=GREATEST_SOURCE)
    process: str | None = Field(default=None, max_length=200)
    forms: dict[str, dict[str, Any]] = Field(default={}, max_length=200)
    scenarios: str = Field(default="", max_length=GREATEST_SOURCE)
    notes: str = Field(default="", max_length=4000)


class PublishProcess(Command):
    """Put a proposed version in force: new instances begin with it. Not by who proposed it."""

    action: ClassVar[str] = "lifecycle.publish_process"

    definition: Id


class StartProcess(Command):
    """Begin an instance of the newest published version. `about` is what it is about, `version:flight-delay@3` or
    `use_case:flight-delay` (a name or an id); `start` which of its start events."""

    action: ClassVar[str] = "lifecycle.start_process"

    process: Id
    data: Data = {}
    about: str | None = Field(default=None, max_length=300)
    title: str = Field(default="", max_length=300)
    start: str | None = Field(default=None, max_length=200)


class SendMessage(Command):
    """Tell those who wait for a message of this name (and key). With nobody waiting it is kept for `keep_s` seconds; with 0 that
    is an error."""

    action: ClassVar[str] = "lifecycle.send_message"

    name: Id
    key: str | None = Field(default=None, max_length=300)
    payload: Data = {}
    keep_s: float = Field(default=0, ge=0, le=90 * 86_400)


class SendSignal(Command):
    """Tell everybody who waits for a signal of this name, at this moment."""

    action: ClassVar[str] = "lifecycle.send_signal"

    name: Id
    payload: Data = {}


class ChangeData(Command):
    """Set variables of a running instance."""

    action: ClassVar[str] = "lifecycle.change_data"

    instance: Id
    data: Data = Field(min_length=1)


class CancelInstance(Command):
    """End a running instance, and those it called."""

    action: ClassVar[str] = "lifecycle.cancel_instance"

    instance: Id
    why: str = Field(min_length=1, max_length=2000)


class RetryIncident(Command):
    """Do the step that failed again, with `data` written first."""

    action: ClassVar[str] = "lifecycle.retry_incident"

    incident: Id
    data: Data = {}


class SkipIncident(Command):
    """Go on as if the step that failed had ended, with `data` as its result. Needs a reason, and permission of its own."""

    action: ClassVar[str] = "lifecycle.skip_incident"

    incident: Id
    why: str = Field(min_length=1, max_length=2000)
    data: Data = {}


class MigrateInstance(Command):
    """Move a running instance to another version of its life cycle. `moves` say where tokens go whose step is gone or renamed.
    Refused where a token would be lost. A dry run shows the plan."""

    action: ClassVar[str] = "lifecycle.migrate_instance"

    instance: Id
    number: int = Field(ge=1)
    moves: dict[str, str] = {}


class FireTimer(Command):
    """A timer is due. Given by the platform's loops."""

    action: ClassVar[str] = "lifecycle.fire_timer"

    timer: Id


class DoWork(Command):
    """Do what a service task asks for: its command, in the same transaction as the step that follows. Given by the loops."""

    action: ClassVar[str] = "lifecycle.do_work"

    work: Id


class RecordFailure(Command):
    """A piece of work could not be done. With a `code` it is a business error that the process may catch; without, it is tried
    again until its retries are used up, and then an incident. Given by the loops.

    `attempts` is how often it had been tried before; `doer` the job or the called process that failed, if one did it."""

    action: ClassVar[str] = "lifecycle.record_failure"

    work: Id
    attempts: int = Field(default=0, ge=0)
    doer: Id | None = None
    code: str | None = Field(default=None, max_length=200)
    message: str = Field(max_length=4000)


class RecordResult(Command):
    """A job or a called process (`doer`) that a piece of work waited for has ended. Given by the loops."""

    action: ClassVar[str] = "lifecycle.record_result"

    work: Id
    doer: Id
    result: Data = {}


class DeliverEvent(Command):
    """A platform event, for an instance that waits for a message of its type, or for a process that begins with it. `by` is who
    caused it. Given by the loops."""

    action: ClassVar[str] = "lifecycle.deliver_event"

    subscriptions: tuple[Id, ...] = Field(min_length=1, max_length=1000)
    event_id: Id
    name: Id
    by: str | None = None
    payload: Data = {}
