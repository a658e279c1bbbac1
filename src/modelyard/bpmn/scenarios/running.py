"""Playing scenarios: each is an instance of its own, with a clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelyard.bpmn.engine import CompiledProcess, compile_process, step
from modelyard.bpmn.errors import BpmnError, InvalidEvent
from modelyard.bpmn.model import Activity, Definitions
from modelyard.bpmn.protocol import (
    AnyEffect,
    Cancelled,
    DataChanged,
    IncidentResolved,
    MessageArrived,
    MessageSent,
    SignalArrived,
    SignalSent,
    Started,
    StepEvent,
    StepTaken,
    TimerFired,
    WorkBroke,
    WorkCompleted,
    WorkEscalated,
    WorkFailed,
)
from modelyard.bpmn.scenarios.reading import ScenarioFile, Step, TestScenario, moment
from modelyard.bpmn.scenarios.results import Failure, Report, ScenarioResult, coverage
from modelyard.bpmn.state import State, Wait, dumps, loads
from modelyard.dmn import DaysTime, written
from modelyard.dmn.feel.temporal import parse_duration
from modelyard.dmn.from_python import from_python

FIRINGS = 10_000
"""Timers that may fire in one `advance`."""
Between = Callable[[State], State]


def run(definitions: Definitions, file: ScenarioFile, *, restoring: bool = False) -> Report:
    """Play all scenarios of a file. With `restoring`, the state is saved and loaded after every step, which must make no
    difference. Raises InvalidProcess when the process cannot be executed; what a scenario meets is in its result."""
    compiled = compile_process(definitions, file.process)
    roles = _roles(compiled)
    between: Between = (lambda state: loads(dumps(state), compiled.digest)) if restoring else (lambda state: state)
    results = tuple(_Player(compiled, scenario, roles, between).play() for scenario in file.scenarios)
    return Report(results, coverage(compiled.process, results))


def _roles(compiled: CompiledProcess) -> dict[str, str]:
    lanes = {lane.id: lane.role or lane.name or lane.id for lane in compiled.process.lanes}
    nodes = [code.node for code in compiled.nodes.values() if isinstance(code.node, Activity)]
    return {node.id: str(node.extensions.get("role") or lanes.get(node.lane or "", "")) for node in nodes}


class _Impossible(Exception):
    """A step that cannot be done."""


class _Player:
    def __init__(self, compiled: CompiledProcess, scenario: TestScenario, roles: Mapping[str, str], between: Between) -> None:
        self.compiled, self.scenario, self.roles, self.between = compiled, scenario, roles, between
        self.now = scenario.at
        self.state: State | None = None
        self.last: tuple[AnyEffect, ...] = ()
        self.entered: list[str] = []
        self.taken: list[str] = []
        self.failures: list[Failure] = []

    def play(self) -> ScenarioResult:
        played = 0
        for number, each in enumerate(self.scenario.steps, 1):
            played = number
            if each.verb == "expect":
                self.failures += [Failure(each.number, each.place, text) for text in self.differences(each.given)]
            elif not self.does(each):
                break
        return ScenarioResult(self.scenario.name, tuple(self.failures), played, tuple(self.entered), tuple(self.taken))

    def does(self, each: Step) -> bool:
        """Whether the scenario can go on."""
        refused: str | None = None
        try:
            self.perform(each)
        except (_Impossible, InvalidEvent) as error:
            refused = str(error)
        expected = each.beside.get("refused", False)
        if refused is not None and not expected:
            self.failures.append(Failure(each.number, each.place, f"it cannot be done: {refused}"))
        elif refused is None and expected:
            self.failures.append(Failure(each.number, each.place, "it was done, and should have been refused"))
        return refused is None or bool(expected)

    def perform(self, each: Step) -> None:
        if each.verb == "advance":
            self.advance(each)
        elif each.verb == "timer":
            wait = self.waiting(each, "timer")
            self.now = max(self.now, datetime.fromisoformat(wait.due or ""))
            self.take(TimerFired(at=self.now, timer=wait.id))
        else:
            self.take(_EVENTS[each.verb](self, each))

    def take(self, event: StepEvent) -> None:
        state, self.last = step(self.compiled, self.state, event)
        self.state = self.between(state)
        for effect in self.last:
            if isinstance(effect, StepTaken) and effect.what == "entered":
                self.entered.append(effect.element)
            elif isinstance(effect, StepTaken) and effect.flow is not None:
                self.taken.append(effect.flow)

    @property
    def waits(self) -> list[Wait]:
        return [] if self.state is None else [*self.state.waits.values()]

    def waiting(self, each: Step, *kinds: str) -> Wait:
        """What the step answers, the first of its element that waits."""
        turn = each.beside.get("turn")
        for wait in self.waits:
            if wait.kind in kinds and wait.element == each.given and turn in (None, self.turn(wait)):
                return wait
        there = ", ".join(sorted({wait.element for wait in self.waits if wait.kind in kinds})) or "nothing does"
        detail = f" (turn {turn})" if turn is not None else ""
        raise _Impossible(f"{each.given!r}{detail} waits for no {kinds[0]}; {there}")

    def turn(self, wait: Wait) -> int | None:
        return self.state.tokens[wait.token].turn if self.state is not None and wait.token is not None else None

    def advance(self, each: Step) -> None:
        until = self.until(each.given, each.place)
        for _ in range(FIRINGS):
            timers = [(datetime.fromisoformat(wait.due), wait.id) for wait in self.waits if wait.kind == "timer" and wait.due]
            due, timer = min(timers, default=(until, ""))
            if not timer or due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            self.take(TimerFired(at=self.now, timer=timer))
        raise _Impossible(f"more than {FIRINGS} timers fired")

    def until(self, given: Any, place: str) -> datetime:
        by = parse_duration(given) if isinstance(given, str) else None
        try:
            found = (
                self.now + timedelta(microseconds=by.nanoseconds // 1000) if isinstance(by, DaysTime) else moment(given, place)
            )
        except (BpmnError, OverflowError) as error:
            raise _Impossible(f"{given!r} is no duration in days and time, and no date and time") from error
        if found < self.now:
            raise _Impossible(f"{given!r} is in the past: it is {self.now.isoformat()}")
        return found

    # --- expectations

    def differences(self, expected: Mapping[str, Any]) -> Iterator[str]:
        if self.state is None:
            yield "nothing has been started"
            return
        for name, value in expected.items():
            yield from _CHECKS[name](self, self.state, value)

    def tasks(self, state: State, expected: Any) -> Iterator[str]:
        tasks = [wait.element for wait in state.waits.values() if wait.kind == "work"]
        if isinstance(expected, list):
            yield from _same("tasks", expected, tasks)
            return
        for role, elements in expected.items():
            yield from _same(f"tasks of {role}", elements, [element for element in tasks if self.roles.get(element) == role])

    def timers(self, state: State, expected: Mapping[str, Any]) -> Iterator[str]:
        due = {wait.element: wait.due for wait in state.waits.values() if wait.kind == "timer" and wait.due is not None}
        for element, value in expected.items():
            wanted = None if value is None else moment(value, f"timer {element}")
            found = datetime.fromisoformat(due[element]) if element in due else None
            if wanted != found:
                yield f"timer {element}: expected {_time(wanted)}, found {_time(found)}"

    def data(self, state: State, expected: Mapping[str, Any]) -> Iterator[str]:
        for name, value in expected.items():
            if name not in state.data:
                yield f"data {name}: expected {value!r}, and it is not there"
            elif not _equal(state.data[name], value):
                yield f"data {name}: expected {value!r}, found {written(state.data[name])}"

    def ended(self, state: State, expected: Any) -> Iterator[str]:
        found: Any = state.status if state.status != "running" else False
        if expected is not found and expected != found and not (expected is True and found):
            yield f"ended: expected {expected!r}, found {found!r}" + self.whereabouts(state)

    def whereabouts(self, state: State) -> str:
        places = sorted({token.element for token in state.tokens.values()})
        return f"; it is at {', '.join(places)}" if places else ""

    def ends(self, state: State, expected: list[str]) -> Iterator[str]:
        ends = {id_ for id_ in self.entered if getattr(self.compiled.nodes[id_].node, "position", None) == "endEvent"}
        yield from _same("ends", expected, sorted(ends))

    def passed(self, state: State, expected: list[str]) -> Iterator[str]:
        rest = iter(self.entered)
        for element in expected:
            if element not in rest:
                yield f"passed: {element!r} was not entered (in this order); entered were {', '.join(self.entered)}"
                return

    def sent(self, state: State, expected: list[str]) -> Iterator[str]:
        yield from _same("sent", expected, [each.name for each in self.last if isinstance(each, MessageSent | SignalSent)])


def _equal(found: Any, expected: Any) -> bool:
    """A value of FEEL and one of the file; a date, time or duration may be written there as text."""
    if isinstance(found, list):
        return isinstance(expected, list) and len(found) == len(expected) and all(map(_equal, found, expected))
    if isinstance(found, dict):
        return (
            isinstance(expected, dict) and found.keys() == expected.keys() and all(_equal(found[k], expected[k]) for k in found)
        )
    if isinstance(found, bool) or isinstance(expected, bool) or found is None or isinstance(found, str):
        return found is expected or (isinstance(found, str) and found == expected)
    if isinstance(expected, str):
        return str(found) == expected
    return not isinstance(expected, dict | list) and bool(found == from_python(expected, "expected"))


def _waiting(_: _Player, state: State, expected: list[str]) -> Iterator[str]:
    yield from _same("waiting", expected, [token.element for token in state.tokens.values() if token.at in ("work", "event")])


def _names(what: str, kind: str) -> Callable[[_Player, State, list[str]], Iterator[str]]:
    return lambda _, state, expected: _same(
        what, expected, [wait.name or "" for wait in state.waits.values() if wait.kind == kind]
    )


def _incidents(_: _Player, state: State, expected: list[str]) -> Iterator[str]:
    told = {incident.element: incident.message for incident in state.incidents.values()}
    for text in _same("incidents", expected, [incident.element for incident in state.incidents.values()]):
        yield text + "".join(f"; {element}: {message}" for element, message in told.items())


_CHECKS: Mapping[str, Callable[[_Player, State, Any], Iterator[str]]] = {
    "waiting": _waiting,
    "tasks": _Player.tasks,
    "timers": _Player.timers,
    "messages": _names("messages", "message"),
    "signals": _names("signals", "signal"),
    "incidents": _incidents,
    "data": _Player.data,
    "ended": _Player.ended,
    "ends": _Player.ends,
    "passed": _Player.passed,
    "sent": _Player.sent,
}


def _same(what: str, expected: Sequence[Any], found: Sequence[str]) -> Iterator[str]:
    """Compare without order; how often counts."""
    wanted, there = Counter(map(str, expected)), Counter(found)
    if wanted != there:
        parts = [f"expected {_list(wanted)}, found {_list(there)}"]
        parts += [f"missing {_list(wanted - there)}"] if wanted - there and there else []
        parts += [f"unexpected {_list(there - wanted)}"] if there - wanted and wanted else []
        yield f"{what}: {'; '.join(parts)}"


def _list(names: Counter[str]) -> str:
    return ", ".join(sorted(names.elements())) or "none"


def _time(value: datetime | None) -> str:
    return "none" if value is None else value.isoformat()


# --- events ---------------------------------------------------------------------------------------------------------------------


def _message(player: _Player, each: Step) -> StepEvent:
    key = each.beside.get("key")
    for wait in player.waits:
        if wait.kind == "message" and wait.name == each.given and key in (None, wait.key):
            return MessageArrived(at=player.now, subscription=wait.id, payload=each.beside.get("payload", {}))
    detail = f" with the key {key!r}" if key is not None else ""
    raise _Impossible(f"nobody waits for the message {each.given!r}{detail}")


def _resolve(player: _Player, each: Step) -> StepEvent:
    state = player.state
    for incident in state.incidents.values() if state is not None else ():
        if incident.element == each.given:
            how, data = each.beside.get("how", "retry"), each.beside.get("data", {})
            return IncidentResolved(at=player.now, incident=incident.id, how=how, data=data)
    raise _Impossible(f"there is no incident at {each.given!r}")


def _work(player: _Player, each: Step) -> StepEvent:
    at, work, beside = player.now, player.waiting(each, "work").id, each.beside
    code, data = beside.get("code", ""), beside.get("data", {})
    match each.verb:
        case "complete":
            return WorkCompleted(at=at, work=work, result=beside.get("result", {}))
        case "fail":
            return WorkFailed(at=at, work=work, code=code, data=data)
        case "escalate":
            return WorkEscalated(at=at, work=work, code=code, data=data)
        case _:
            return WorkBroke(at=at, work=work, message=beside.get("message", "it broke"))


_EVENTS: Mapping[str, Callable[[_Player, Step], StepEvent]] = {
    "start": lambda player, each: Started(at=player.now, data=each.given, start=each.beside.get("from")),
    "complete": _work,
    "fail": _work,
    "escalate": _work,
    "break": _work,
    "message": _message,
    "signal": lambda player, each: SignalArrived(at=player.now, name=each.given, payload=each.beside.get("payload", {})),
    "change": lambda player, each: DataChanged(at=player.now, data=each.given),
    "resolve": _resolve,
    "cancel": lambda player, each: Cancelled(at=player.now, reason=each.given),
}
