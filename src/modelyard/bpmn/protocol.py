"""What goes into a step of an instance, and what comes out: `step(definition, state, event) -> (state, effects)`.

A step is deterministic: it has no clock and does no I/O. Every event says when it happened (`at`), which is what `now()` gives in
FEEL. The caller carries the effects out (creates tasks, runs jobs, keeps timers and subscriptions) and answers with further
events. Effects of one step are in the order in which they arose. Ids (`token`, `task`, `timer`, `subscription`) are unique within
an instance and are never used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Data = Mapping[str, Any]
"""Variables by name, of JSON's types; numbers may be Decimal."""


# --- events: what happened ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Begin an instance at a start event: the plain one, or the one of that id or message or signal name (see
    `CompiledProcess.starts`; an event-based gateway that instantiates has starts too). `data` come instead of what the process's
    data objects begin with."""

    at: datetime
    data: Data = field(default_factory=dict)
    start: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCompleted:
    """A task, service, decision or called process of an effect ended well. `result` becomes data (see `Activity.outputs`): each
    entry goes to the nearest scope outward that declares the variable, else to the process. Of a task with a result variable,
    that becomes the whole `result`, or what it holds under its only entry `result`. In a multi-instance activity that collects
    outputs, entries stay with their instance."""

    at: datetime
    work: str
    result: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFailed:
    """It ended with a business error: the nearest boundary or event sub-process that catches `code` goes on; nobody does: an
    incident."""

    at: datetime
    work: str
    code: str
    message: str = ""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkBroke:
    """It could not be done (a technical failure, retries used up): an incident, which keeps the token."""

    at: datetime
    work: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEscalated:
    """Whoever does the work raises an escalation and goes on, unless what catches it interrupts."""

    at: datetime
    work: str
    code: str
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    at: datetime
    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArrived:
    """A message that the caller matched to this instance's subscription by name and key. The subscription is used up; an event
    that does not interrupt asks for another one."""

    at: datetime
    subscription: str
    payload: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalArrived:
    """A broadcast; all that wait for the name at this moment go on."""

    at: datetime
    name: str
    payload: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChanged:
    """Variables of the process were set from outside; conditional events are asked again."""

    at: datetime
    data: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentResolved:
    """`how`: `retry` does the step again (with `data` written first), `skip` goes on as if it had ended with `data`: without its
    outputs; at a gateway conditions that fail count as false; at one that joins without those who did not come."""

    at: datetime
    incident: str
    how: str
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """End the instance from outside."""

    at: datetime
    reason: str = ""


StepEvent = (
    Started | WorkCompleted | WorkFailed | WorkBroke | WorkEscalated | TimerFired | MessageArrived | SignalArrived | DataChanged
    | IncidentResolved | Cancelled
)  # fmt: skip


# --- effects: what is to be done ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`element` is the id of the element that asks, `token` that of its token."""

    element: str
    token: str
    """Empty where no token asks: the start of an event sub-process, the end of the instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkWanted(Effect):
    """Somebody or something is to do `work`: a task of `kind` (`userTask`, `serviceTask`, `businessRuleTask`, `manualTask`,
    `sendTask`, `callActivity`, …), answered by WorkCompleted, WorkFailed, WorkBroke. `data` is what it sees: its inputs, or all
    variables in scope. `what` is the operation, the decision, or the called process."""

    work: str
    kind: str
    name: str
    data: Data
    what: str | None = None
    lane: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkWithdrawn(Effect):
    """The work is no longer wanted: its scope ended or was interrupted."""

    work: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerWanted(Effect):
    """Fire at `due`. For a cycle each TimerFired asks for the next."""

    timer: str
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerWithdrawn(Effect):
    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionWanted(Effect):
    """Wait for a message of that name, with that correlation key if there is one; or, with `signal`, for a broadcast: then it
    lasts until it is withdrawn."""

    subscription: str
    name: str
    key: str | None = None
    signal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionWithdrawn(Effect):
    subscription: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Effect):
    name: str
    payload: Data
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSent(Effect):
    """A broadcast to all instances, this one included (which has had it already)."""

    name: str
    payload: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRaised(Effect):
    """Something failed and its token stays: `cause` is `work`, `expression`, `no flow`, `error` (uncaught), `loop` (too many
    steps)."""

    incident: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClosed(Effect):
    incident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken(Effect):
    """For the history: a node was `entered`, `left`, `interrupted` or `compensated` (then its undoing begins); or a `flow` was
    taken. `at` is the event's time."""

    what: str
    at: datetime
    flow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEnded(Effect):
    """`how`: `completed`, `terminated`, `cancelled`, `failed` (an uncaught error end event). `data` are the final variables."""

    how: str
    data: Data


AnyEffect = ( WorkWanted | WorkWithdrawn | TimerWanted | TimerWithdrawn | SubscriptionWanted | SubscriptionWithdrawn | MessageSent
| SignalSent | IncidentRaised | IncidentClosed | StepTaken | InstanceEnded )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """`steps`: nodes passed in one step (an automatic loop beyond it becomes an incident); `tokens` live in one instance."""

    steps: int = 20_000
    tokens: int = 10_000
    instances: int = 5_000
    """Of one multi-instance activity."""
    file_bytes: int = 16 << 20
    elements: int = 200_000
    nesting: int = 100
