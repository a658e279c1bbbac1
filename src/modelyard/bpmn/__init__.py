"""BPMN 2.0: processes read from files, checked, and played token by token. Pure: no clock, no I/O; conditions are FEEL.

    compiled = compile_process(read(source))
    state, effects = step(compiled, None, Started(at=now, data={"amount": 1200}))
    ...                                     # carry the effects out, keep dumps(state)
    state, effects = step(compiled, loads(text), WorkCompleted(at=now, work="w3", result={"approved": True}))

`model` is a file as read, `protocol` what goes into a step and what comes out; `lint` checks a process, `migration` moves running
instances to a new definition, `simulation` plays a process before it is adopted, `scenarios` are its test files."""

from modelyard.bpmn.engine import CompiledProcess, Start, compile_process, step
from modelyard.bpmn.errors import BpmnError, InvalidEvent, InvalidProcess, InvalidState, LimitExceeded, MigrationRefused
from modelyard.bpmn.model import Definitions, Finding, Severity
from modelyard.bpmn.protocol import (
    Cancelled,
    DataChanged,
    IncidentClosed,
    IncidentRaised,
    IncidentResolved,
    InstanceEnded,
    Limits,
    MessageArrived,
    MessageSent,
    SignalArrived,
    SignalSent,
    Started,
    StepTaken,
    SubscriptionWanted,
    SubscriptionWithdrawn,
    TimerFired,
    TimerWanted,
    TimerWithdrawn,
    WorkBroke,
    WorkCompleted,
    WorkEscalated,
    WorkFailed,
    WorkWanted,
    WorkWithdrawn,
)
from modelyard.bpmn.reading import read, write
from modelyard.bpmn.state import State, dumps, loads

__all__ = [
    "BpmnError",
    "Cancelled",
    "CompiledProcess",
    "DataChanged",
    "Definitions",
    "Finding",
    "IncidentClosed",
    "IncidentRaised",
    "IncidentResolved",
    "InstanceEnded",
    "InvalidEvent",
    "InvalidProcess",
    "InvalidState",
    "LimitExceeded",
    "Limits",
    "MessageArrived",
    "MessageSent",
    "MigrationRefused",
    "Severity",
    "SignalArrived",
    "SignalSent",
    "Start",
    "Started",
    "State",
    "StepTaken",
    "SubscriptionWanted",
    "SubscriptionWithdrawn",
    "TimerFired",
    "TimerWanted",
    "TimerWithdrawn",
    "WorkBroke",
    "WorkCompleted",
    "WorkEscalated",
    "WorkFailed",
    "WorkWanted",
    "WorkWithdrawn",
    "compile_process",
    "dumps",
    "loads",
    "read",
    "step",
    "write",
]
