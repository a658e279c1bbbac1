"""Scenario files as read.

Each step is one of these, with what may stand beside it:

    start: {variables}        from: element, or name of a message or signal, where it begins
    complete: element         result: {variables}; turn: of a loop, from 1
    fail: element             code: of the error; data; turn
    escalate: element         code; data; turn
    break: element            message: what went wrong; turn
    message: name             payload; key: only a subscription with this key
    signal: name              payload
    timer: element            fires when it is due
    advance: duration         all timers that are due meanwhile fire in their order; or a date and time, until then
    change: {variables}
    resolve: element          how: retry (otherwise) or skip; data
    cancel: reason
    expect: {expectations}

Beside any but `expect` may stand `refused: true`: the step is to be refused. Expectations, exact unless something else is said:

    waiting: [elements]       where tokens wait for work or an event
    tasks: [elements]         work that is wanted; or {role: [elements]}, of these roles
    timers: {element: due}    of those that are named: when they fire (null: there is none)
    messages: [names]         that are waited for; signals: likewise
    incidents: [elements]
    data: {variables}         of those that are named: their value
    ended: how                completed, terminated, cancelled, failed; false: it has not
    ends: [elements]          end events that have been reached so far
    passed: [elements]        have been entered so far, in this order, others between them
    sent: [names]             messages and signals of the last step"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from modelyard.bpmn.errors import BpmnError

BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)

_LOOP = {"turn"}
STEPS: Mapping[str, tuple[type | tuple[type, ...], set[str]]] = {
    "start": (dict, {"from"}),
    "complete": (str, {"result"} | _LOOP),
    "fail": (str, {"code", "data"} | _LOOP),
    "escalate": (str, {"code", "data"} | _LOOP),
    "break": (str, {"message"} | _LOOP),
    "message": (str, {"payload", "key"}),
    "signal": (str, {"payload"}),
    "timer": (str, set()),
    "advance": ((str, datetime), set()),
    "change": (dict, set()),
    "resolve": (str, {"how", "data"}),
    "cancel": (str, set()),
    "expect": (dict, set()),
}
"""By verb: the type of what it is given, and what may stand beside it. `message` stands beside `break`, so that goes first."""

EXPECTATIONS: Mapping[str, tuple[type, ...]] = {
    "waiting": (list,),
    "tasks": (list, dict),
    "timers": (dict,),
    "messages": (list,),
    "signals": (list,),
    "incidents": (list,),
    "data": (dict,),
    "ended": (str, bool),
    "ends": (list,),
    "passed": (list,),
    "sent": (list,),
}
_BESIDE: Mapping[str, tuple[type, ...]] = {
    "result": (dict,),
    "data": (dict,),
    "payload": (dict,),
    "from": (str,),
    "code": (str,),
    "key": (str,),
    "message": (str,),
    "how": (str,),
    "turn": (int,),
    "refused": (bool,),
}


@dataclass(frozen=True, slots=True)
class Step:
    """`number` from 1. `given` stands after the verb, `beside` by name."""

    number: int
    verb: str
    given: Any
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        what = f" {self.given}" if isinstance(self.given, str) else ""
        return f"step {self.number} ({self.verb}{what})"


@dataclass(frozen=True, slots=True)
class TestScenario:
    """Begins at the time `at`."""

    __test__ = False  # for pytest, that this is no test of its own

    name: str
    steps: tuple[Step, ...]
    at: datetime = BEGIN


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """`process` is the id of the process; None: the only one of its file."""

    process: str | None
    scenarios: tuple[TestScenario, ...]


def parse(source: str | bytes, file: str | None = None, loads: Callable[[str | bytes], Any] = json.loads) -> ScenarioFile:
    """The scenarios of a text: JSON, or what `loads` reads (a safe YAML loader; this package reads no YAML itself).

    Raises BpmnError for what is no scenario file, naming scenario and step."""
    try:
        document = loads(source)
    except Exception as error:  # each loader has errors of its own; all mean the same
        raise BpmnError(f"the scenarios cannot be read: {error}", file=file) from error
    try:
        return _file(document)
    except BpmnError as error:
        raise BpmnError(error.detail, file=file) from error


def _file(document: Any) -> ScenarioFile:
    entries = _object(document, "the file", {"process", "scenarios"}).get("scenarios")
    if not isinstance(entries, list) or not entries:
        raise BpmnError("the file has no `scenarios`: a list of them")
    process = document.get("process")
    if process is not None and not isinstance(process, str):
        raise BpmnError("`process` is the id of a process")
    found = tuple(_scenario(entry, number) for number, entry in enumerate(entries, 1))
    names = [scenario.name for scenario in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BpmnError(f"two scenarios are called {twice[0]!r}")
    return ScenarioFile(process, found)


def _scenario(entry: Any, number: int) -> TestScenario:
    place = f"scenario {number}"
    _object(entry, place, {"name", "at", "steps"})
    name = entry.get("name", place)
    if not isinstance(name, str):
        raise BpmnError(f"{place}: its name is no text")
    steps = entry.get("steps")
    if not isinstance(steps, list) or not steps:
        raise BpmnError(f"scenario {name!r} has no `steps`: a list of them")
    made = tuple(_step(step, index, f"scenario {name!r}, step {index}") for index, step in enumerate(steps, 1))
    return TestScenario(name, made, moment(entry["at"], place) if "at" in entry else BEGIN)


def _step(entry: Any, number: int, place: str) -> Step:
    if not isinstance(entry, dict):
        raise BpmnError(f"{place} is no step such as `complete: review`")
    verb = next((name for name in ("break", *STEPS) if name in entry), None)
    if verb is None:
        raise BpmnError(f"{place} begins with none of {', '.join(STEPS)}")
    type_, allowed = STEPS[verb]
    given, beside = entry[verb], {name: value for name, value in entry.items() if name != verb}
    if verb in ("start", "cancel") and given is None:
        given = {} if verb == "start" else ""
    if not isinstance(given, type_):
        raise BpmnError(f"{place}: `{verb}` is not given {given!r:.60}")
    _object(beside, place, allowed if verb == "expect" else allowed | {"refused"})
    _typed(beside, _BESIDE, place)
    if verb == "expect":
        _typed(_object(given, place, {*EXPECTATIONS}), EXPECTATIONS, place)
    if beside.get("how", "retry") not in ("retry", "skip"):
        raise BpmnError(f"{place}: `how` is retry or skip")
    return Step(number, verb, given, beside)


def _object(value: Any, place: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BpmnError(f"{place} is no object with {', '.join(sorted(known))}")
    for name in value:
        if name not in known:
            raise BpmnError(f"{place}: there is no {name!r:.60} here" + (f", but {', '.join(sorted(known))}" if known else ""))
    return value


def _typed(values: Mapping[str, Any], types: Mapping[str, tuple[type, ...]], place: str) -> None:
    for name, value in values.items():
        if not isinstance(value, types[name]):
            raise BpmnError(f"{place}: `{name}` is not {value!r:.60}")


def moment(value: Any, place: str) -> datetime:
    """A date and time; without an offset, of UTC."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BpmnError(f"{place}: {value!r:.60} is no date and time") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
