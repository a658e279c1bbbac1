"""A BPMN file as read (BPMN 2.0.2, chapters 7 to 13): what is executed of it, by element id. Immutable.

Modelyard's own attributes are of the namespace `https://modelyard.dev/bpmn/1.0` (prefix `modelyard`); those of other vendors are
kept in the file, and few are read (`docs/reference/bpmn-extensions.md`). All expressions are FEEL, without the `=` that Zeebe
puts before them.

What was added to the contract: `Severity` and `Finding` (what `Definitions.notices` holds), `Flow.extensions`, `Participant`,
`MessageFlow`, `Definitions.problems`. A call activity that calls a global task of its file is read as a `Task` of that kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

EXTENSIONS = "https://modelyard.dev/bpmn/1.0"


class Severity(StrEnum):
    """An `error` is why a process does not run, or would fail; a `warning` is most likely a mistake; a `note` is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say of an element (its id) of a file; `code` is stable, `text` a sentence."""

    severity: Severity
    element: str | None
    line: int | None
    code: str
    text: str

    def __str__(self) -> str:
        place = ", ".join(
            part for part in (f"line {self.line}" if self.line else "", repr(self.element) if self.element else "") if part
        )
        return f"{self.severity.value}: {place}: {self.text} [{self.code}]"


class TaskKind(StrEnum):
    TASK = "task"
    USER = "userTask"
    MANUAL = "manualTask"
    SERVICE = "serviceTask"
    RULE = "businessRuleTask"
    SCRIPT = "scriptTask"
    SEND = "sendTask"
    RECEIVE = "receiveTask"


class GatewayKind(StrEnum):
    EXCLUSIVE = "exclusiveGateway"
    PARALLEL = "parallelGateway"
    INCLUSIVE = "inclusiveGateway"
    EVENT_BASED = "eventBasedGateway"
    COMPLEX = "complexGateway"


class EventPosition(StrEnum):
    START = "startEvent"
    CATCH = "intermediateCatchEvent"
    THROW = "intermediateThrowEvent"
    BOUNDARY = "boundaryEvent"
    END = "endEvent"


class Trigger(StrEnum):
    """What an event waits for or causes."""

    NONE = "none"
    MESSAGE = "message"
    TIMER = "timer"
    SIGNAL = "signal"
    ERROR = "error"
    ESCALATION = "escalation"
    CONDITIONAL = "conditional"
    LINK = "link"
    TERMINATE = "terminate"
    COMPENSATION = "compensation"
    CANCEL = "cancel"


class TimerKind(StrEnum):
    DATE = "timeDate"
    DURATION = "timeDuration"
    CYCLE = "timeCycle"


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """`name` is the message's or signal's name, the error's or escalation's code (None catches all), the link's name.

    `expression` is FEEL: a timer's date, duration or cycle (an ISO 8601 text such as `R3/PT10M` is also read), a condition, or
    the payload that a throwing event gives. `correlation` is FEEL for the key of a message. `activity` is what a compensation
    names."""

    trigger: Trigger
    name: str | None = None
    timer: TimerKind | None = None
    expression: str | None = None
    correlation: str | None = None
    activity: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class StandardLoop:
    """`condition` is FEEL, asked before each turn if `test_before`, else after; `maximum` bounds the turns."""

    condition: str | None
    test_before: bool
    maximum: int | None


@dataclass(frozen=True, slots=True)
class MultiInstance:
    """`cardinality` or `collection` (FEEL) says how many; `item` is the variable of each; `output` collects `output_item` (FEEL)
    into a list; `completion` (FEEL over `numberOfInstances`, `numberOfCompletedInstances`, …) ends early."""

    sequential: bool
    cardinality: str | None = None
    collection: str | None = None
    item: str | None = None
    output: str | None = None
    output_item: str | None = None
    completion: str | None = None


Loop = StandardLoop | MultiInstance


@dataclass(frozen=True, slots=True)
class Assignment:
    """`target` (a variable) becomes the value of `expression` (FEEL)."""

    target: str
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNode:
    """A node of a scope. `incoming` and `outgoing` are flow ids in the order of the file. `lane` is the innermost lane's id.

    `extensions` are Modelyard's own attributes and properties, for those who carry the effects out."""

    id: str
    name: str = ""
    documentation: str = ""
    incoming: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    lane: str | None = None
    line: int | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(FlowNode):
    """`attached_to` is the activity of a boundary event; `interrupting` also holds for the start of an event sub-process.
    An event with several definitions waits for any of them (`parallel`: for all). What a caught event carries goes to the
    variable `result`; without it, each entry to the variable of its name."""

    position: EventPosition
    definitions: tuple[EventDefinition, ...] = ()
    attached_to: str | None = None
    interrupting: bool = True
    parallel: bool = False
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway(FlowNode):
    """`default` is the flow taken when no condition holds. `instantiate`: an event-based gateway that starts the process."""

    kind: GatewayKind
    default: str | None = None
    instantiate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(FlowNode):
    """`inputs` are evaluated into the activity's own variables when it begins, `outputs` into those of the scope around it when
    it ends (both FEEL); without `outputs` the result's entries go to the scope around. `default` as for a gateway."""

    loop: Loop | None = None
    default: str | None = None
    compensates: bool = False
    inputs: tuple[Assignment, ...] = ()
    outputs: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Activity):
    """`operation` is what a service task does (a command or job), `decision` what a business-rule task asks, `script` the FEEL of
    a script task and `result` the variable it goes to, `event` the message of a send or receive task."""

    kind: TaskKind
    operation: str | None = None
    decision: str | None = None
    script: str | None = None
    result: str | None = None
    event: EventDefinition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallActivity(Activity):
    """`called` is the id of a process, of this file or another."""

    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubProcess(Activity):
    """`event` sub-processes begin by their start event; a `transaction` can be cancelled, which compensates."""

    body: Scope
    event: bool = False
    transaction: bool = False
    ad_hoc: bool = False


Node = Event | Gateway | Task | CallActivity | SubProcess


@dataclass(frozen=True, slots=True)
class Flow:
    """A sequence flow. `condition` is FEEL. `extensions` as for a node."""

    id: str
    source: str
    target: str
    name: str = ""
    condition: str | None = None
    line: int | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataObject:
    """A variable that the scope declares. `initial` is FEEL."""

    id: str
    name: str
    collection: bool = False
    initial: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The inside of a process or a sub-process. `compensations` are (boundary event id, handler activity id)."""

    nodes: Mapping[str, Node]
    flows: Mapping[str, Flow]
    data: tuple[DataObject, ...] = ()
    compensations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """`nodes` are the ids that the lane names; `role` the roles of it (`modelyard:role`); without, its name is meant."""

    id: str
    name: str
    nodes: tuple[str, ...]
    role: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    id: str
    name: str
    body: Scope
    executable: bool = True
    lanes: tuple[Lane, ...] = ()
    documentation: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """A pool of a collaboration; `process` is the id of its process, None for a black box or a process of another file."""

    id: str
    name: str
    process: str | None


@dataclass(frozen=True, slots=True)
class MessageFlow:
    """Says who tells whom; has no effect on what runs (9.3). `source` and `target` are ids of nodes or participants."""

    id: str
    source: str
    target: str
    name: str = ""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Definitions:
    """One file. `digest` is that of its bytes. `notices` are what was read and has no effect here, or keeps a process from
    running."""

    id: str | None
    name: str
    namespace: str
    processes: tuple[Process, ...]
    digest: str
    source: bytes
    file: str | None = None
    notices: tuple[Finding, ...] = ()
    participants: tuple[Participant, ...] = ()
    message_flows: tuple[MessageFlow, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Why an executable process of the file cannot run: the errors among the notices."""
        return tuple(notice for notice in self.notices if notice.severity is Severity.ERROR)
