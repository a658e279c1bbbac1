"""What is assumed when a life cycle is played: how long steps take, which ways are taken how often, who does it, what it costs.

A process says so itself by Modelyard's attributes of its elements; a Scenario adds to that and goes before it:

    modelyard:duration       of a task: its working time, a distribution (`simulation.distributions`)
    modelyard:wait           of a task: until somebody begins it; of an event: until its message or signal comes
    modelyard:cost           of a task: what each execution costs, beside the time of who does it
    modelyard:probability    of a flow: that it is taken; of an error boundary event: that the activity ends with this error;
                             of an event that waits for a message or signal: that it comes at all
    modelyard:role           of a task or lane: who does it

A call activity is one piece of work, whatever the process that it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from modelyard.bpmn.errors import BpmnError
from modelyard.bpmn.model import Activity, CallActivity, Event, Flow, Node, Process, Scope, SubProcess, Task, Trigger
from modelyard.bpmn.simulation.distributions import Distribution, parse_distribution


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which a task ends: with these data, or with the error `code`. Probabilities of a task's outcomes are shares."""

    probability: float = 1.0
    data: Mapping[str, Any] = field(default_factory=dict)
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """By element id, except `capacities` (how many work at once) and `rates` (cost of an hour), which are by role. A role without
    a capacity is never busy. `cases` begin in each run, `arrivals` apart (None: all at once), each with `data`."""

    durations: Mapping[str, Distribution] = field(default_factory=dict)
    waits: Mapping[str, Distribution] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    capacities: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    arrivals: Distribution | None = None
    cases: int = 1
    data: Mapping[str, Any] = field(default_factory=dict)
    begin: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """A scenario with what the process itself says, and the role of each element."""

    scenario: Scenario
    durations: Mapping[str, Distribution]
    waits: Mapping[str, Distribution]
    probabilities: Mapping[str, float]
    costs: Mapping[str, float]
    roles: Mapping[str, str]


def assumptions(process: Process, scenario: Scenario) -> Assumptions:
    """Raises BpmnError for an attribute that cannot be read, a name that the process does not have, or a number out of range."""
    elements = {element.id: element for element in elements_of(process.body)}
    _known(elements, process, scenario)
    texts = [(id_, element.extensions) for id_, element in elements.items()]
    made = Assumptions(
        scenario,
        {id_: _distribution(id_, said["duration"]) for id_, said in texts if "duration" in said} | dict(scenario.durations),
        {id_: _distribution(id_, said["wait"]) for id_, said in texts if "wait" in said} | dict(scenario.waits),
        {id_: _number(id_, said["probability"]) for id_, said in texts if "probability" in said} | dict(scenario.probabilities),
        {id_: _number(id_, said["cost"]) for id_, said in texts if "cost" in said} | dict(scenario.costs),
        dict(_roles(process)),
    )
    for id_, chance in made.probabilities.items():
        if not 0 <= chance <= 1:
            raise BpmnError(f"{chance} is no probability", element=id_)
        _drawable(elements[id_], elements)
    return made


def _drawable(element: Node | Flow, elements: Mapping[str, Node | Flow]) -> None:
    """Errors are drawn when work ends; what ends a sub-process with one is inside it."""
    if isinstance(element, Event) and any(each.trigger is Trigger.ERROR for each in element.definitions):
        host = elements.get(element.attached_to or "")
        if not isinstance(host, Task | CallActivity):
            raise BpmnError("errors are drawn at tasks and call activities alone", element=element.id)
    elif not isinstance(element, Flow | Event):
        raise BpmnError("flows and events have a probability, and this is neither", element=element.id)


def elements_of(body: Scope) -> Iterator[Node | Flow]:
    """All nodes and flows, those inside sub-processes too."""
    for node in body.nodes.values():
        yield node
        if isinstance(node, SubProcess):
            yield from elements_of(node.body)
    yield from body.flows.values()


def _known(elements: Mapping[str, Any], process: Process, scenario: Scenario) -> None:
    by_element = (scenario.durations, scenario.waits, scenario.probabilities, scenario.outcomes, scenario.costs)
    _all_in((id_ for given in by_element for id_ in given), elements, "element")
    roles = {role for _, role in _roles(process)}
    _all_in([*scenario.capacities, *scenario.rates], roles, "role")
    if any(capacity < 1 for capacity in scenario.capacities.values()) or scenario.cases < 1:
        raise BpmnError("a capacity and the number of cases are at least 1")
    for id_, outcomes in scenario.outcomes.items():
        if not outcomes or sum(each.probability for each in outcomes) <= 0 or any(each.probability < 0 for each in outcomes):
            raise BpmnError("the probabilities of its outcomes are no shares", element=id_)


def _all_in(names: Iterable[str], known: Iterable[str], what: str) -> None:
    missing = sorted({*names} - {*known})
    if missing:
        raise BpmnError(f"the process has no {what} {missing[0]!r:.80}, of which the scenario speaks")


def _roles(process: Process) -> Iterator[tuple[str, str]]:
    """Who does a task: it says so, or its lane."""
    lanes = {lane.id: lane.role or lane.name or lane.id for lane in process.lanes}
    for element in elements_of(process.body):
        if isinstance(element, Activity):
            role = element.extensions.get("role") or lanes.get(element.lane or "")
            if role:
                yield element.id, str(role)


def _distribution(element: str, text: Any) -> Distribution:
    try:
        return parse_distribution(str(text))
    except BpmnError as error:
        raise BpmnError(error.detail, element=element) from error


def _number(element: str, text: Any) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BpmnError(f"{text!r:.40} is no number", element=element) from error
