"""Plays a process by a script of one line, in the place of everyone who carries effects out.

Actions and checks are divided by `|`. Values are written in FEEL.

| line | means |
|---|---|
| `start {x: 1}`, `start:paid` | begin, at the plain start or that of an id or name; a script that does not say so begins first |
| `a`, `a {ok: true}` | the work of `a` is completed, with a result |
| `!a E1 {x: 1}`, `?a`, `^a E1` | it failed with a business error; broke; raised an escalation |
| `@late`, `<paid {n: 1}`, `~stop {n: 1}` | a timer's element fires when it is due; a message arrives; a signal |
| `= {x: 1}` | variables are changed from outside |
| `retry {…}`, `skip {…}`, `cancel` | the first incident is resolved; the instance is cancelled |
| `[a b b]` | the open work, by element, in any order |
| `(x = 1)` | holds over the variables of the process |
| `completed`, `failed`, … | the status |
| `incident no flow` | the causes of the open incidents, in order |
| `sent paid` | the messages and signals that the last step sent |
| `passed x y` | of these nodes, those that the last step entered, in that order |
| `key paid 42` | the key of the message that is waited for |
| `due late 2026-01-01T01:00:00Z` | when the timer is due |

After each step: what the effects left open is what the state waits for, the old state is as it was, no token rests in motion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelyard.bpmn.engine import CompiledProcess, compile_process, step
from modelyard.bpmn.protocol import (
    AnyEffect,
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
    StepEvent,
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
from modelyard.bpmn.reading import read
from modelyard.bpmn.state import State, dumps, loads
from modelyard.dmn import Expression
from tests.bpmn import bpmn_text

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("running", "completed", "terminated", "cancelled", "failed")


class Player:
    """`saving`: the state is saved and loaded after each step."""

    def __init__(self, compiled: CompiledProcess, *, saving: bool = False, limits: Limits | None = None) -> None:
        self.compiled, self.saving, self.limits = compiled, saving, limits or Limits()
        self.state: State | None = None
        self.at = BEGIN
        self.effects: tuple[AnyEffect, ...] = ()
        self.history: list[AnyEffect] = []
        self.work: dict[str, WorkWanted] = {}
        self.timers: dict[str, TimerWanted] = {}
        self.subscriptions: dict[str, SubscriptionWanted] = {}
        self.incidents: dict[str, IncidentRaised] = {}
        self.ended: InstanceEnded | None = None

    # --- steps

    def step(self, event: StepEvent) -> None:
        before, text = self.state, None if self.state is None else dumps(self.state)
        state, self.effects = step(self.compiled, before, event, self.limits)
        assert before is None or dumps(before) == text, "the step changed the state that it was given"
        self._answered(event)
        for effect in self.effects:
            self._see(effect)
        self.history += self.effects
        self.state = loads(dumps(state), self.compiled.digest) if self.saving else state
        assert self.state == state
        self._check(state)

    def _answered(self, event: StepEvent) -> None:
        if isinstance(event, (WorkCompleted, WorkFailed, WorkBroke)):
            del self.work[event.work]
        elif isinstance(event, TimerFired):
            del self.timers[event.timer]
        elif isinstance(event, MessageArrived):
            del self.subscriptions[event.subscription]

    def _see(self, effect: AnyEffect) -> None:
        match effect:
            case WorkWanted():
                self.work[effect.work] = effect
            case WorkWithdrawn():
                del self.work[effect.work]
            case TimerWanted():
                self.timers[effect.timer] = effect
            case TimerWithdrawn():
                del self.timers[effect.timer]
            case SubscriptionWanted():
                self.subscriptions[effect.subscription] = effect
            case SubscriptionWithdrawn():
                del self.subscriptions[effect.subscription]
            case IncidentRaised():
                self.incidents[effect.incident] = effect
            case IncidentClosed():
                del self.incidents[effect.incident]
            case InstanceEnded():
                self.ended = effect
            case _:
                pass

    def _check(self, state: State) -> None:
        waited: dict[str, set[str]] = {}
        for wait in state.waits.values():
            waited.setdefault("subscription" if wait.kind in ("message", "signal") else wait.kind, set()).add(wait.id)
        assert waited.get("work", set()) == {*self.work}
        assert waited.get("timer", set()) == {*self.timers}
        assert waited.get("subscription", set()) == {*self.subscriptions}
        assert {*state.incidents} == {*self.incidents}
        assert all(token.at != "moving" for token in state.tokens.values())
        if state.status != "running":
            assert self.ended is not None
            assert not state.tokens
            assert not state.waits
            assert [*state.scopes] == [state.root]

    # --- scripts

    def play(self, script: str) -> Player:
        lines = [line.strip() for line in re.split(r"\s*\|\s*", script.strip())]
        if not lines[0].startswith("start"):
            self.do("start")
        for line in lines:
            try:
                self.do(line)
            except Exception as error:
                error.add_note(f"at {line!r} of {script!r}; open: {self.open}; {self.state and dumps(self.state)}")
                raise
        return self

    @property
    def saved(self) -> str:
        assert self.state is not None
        return dumps(self.state)

    @property
    def open(self) -> list[str]:
        return sorted(effect.element for effect in self.work.values())

    @property
    def data(self) -> dict[str, Any]:
        assert self.state is not None
        return dict(self.state.data)

    def do(self, line: str) -> None:
        found = re.fullmatch(r"(?P<head>[^{]*?)\s*(?P<data>\{.*\})?", line, re.DOTALL)
        assert found is not None
        head, data = found["head"], Expression(found["data"] or "{}").evaluate({}).value
        word, _, rest = head.partition(" ")
        if word[:1] == "[":
            assert self.open == sorted(line.strip("[]").split())
        elif word[:1] == "(":
            result = Expression(line).evaluate(self.data)
            assert result.value is True, (line, self.data, result.messages)
        elif word in STATUSES:
            assert self.state is not None
            assert self.state.status == word
            assert word == "running" or (self.ended is not None and self.ended.how == word)
        elif word in _CHECKS:
            _CHECKS[word](self, rest)
        else:
            self.step(self._event(head, word, rest, data))

    def _event(self, head: str, word: str, rest: str, data: dict[str, Any]) -> StepEvent:
        at = self.at
        name = word[1:]
        if word in ("retry", "skip"):
            return IncidentResolved(at=at, incident=next(iter(self.incidents)), how=word, data=data)
        if word[:1] in "@<~":
            return self._from_outside(head, name, data)
        if word[:1] in "!?^":
            return self._by_worker(word[:1], self._work(name), rest, data)
        if word.startswith("start"):
            return Started(at=at, data=data, start=word.partition(":")[2] or None)
        if word == "=":
            return DataChanged(at=at, data=data)
        return Cancelled(at=at) if word == "cancel" else WorkCompleted(at=at, work=self._work(word), result=data)

    def _by_worker(self, mark: str, work: str, code: str, data: dict[str, Any]) -> StepEvent:
        if mark == "!":
            return WorkFailed(at=self.at, work=work, code=code, data=data)
        if mark == "?":
            return WorkBroke(at=self.at, work=work, message="out of order")
        return WorkEscalated(at=self.at, work=work, code=code, data=data)

    def _from_outside(self, head: str, name: str, data: dict[str, Any]) -> StepEvent:
        at = self.at
        match head[:1]:
            case "@":
                timer = next(effect for effect in self.timers.values() if effect.element == name)
                self.at = max(self.at, timer.due)
                return TimerFired(at=self.at, timer=timer.timer)
            case "<":
                wanted = next(each for each in self.subscriptions.values() if each.name == head[1:] and not each.signal)
                return MessageArrived(at=at, subscription=wanted.subscription, payload=data)
        return SignalArrived(at=at, name=head[1:], payload=data)

    def _work(self, element: str) -> str:
        return next(effect.work for effect in self.work.values() if effect.element == element)

    def _incidents(self, rest: str) -> None:
        assert ", ".join(effect.cause for effect in self.incidents.values()) == rest, self.incidents

    def _sent(self, rest: str) -> None:
        assert [effect.name for effect in self.effects if isinstance(effect, (MessageSent, SignalSent))] == rest.split()

    def _passed(self, rest: str) -> None:
        entered = [effect.element for effect in self.effects if isinstance(effect, StepTaken) and effect.what == "entered"]
        wanted = rest.split()
        assert [element for element in entered if element in wanted] == wanted, entered

    def _key(self, rest: str) -> None:
        name, _, key = rest.partition(" ")
        assert [effect.key for effect in self.subscriptions.values() if effect.name == name] == [key]

    def _due(self, rest: str) -> None:
        name, _, due = rest.partition(" ")
        assert [effect.due for effect in self.timers.values() if effect.element == name] == [datetime.fromisoformat(due)]


_CHECKS = {
    "incident": Player._incidents,
    "sent": Player._sent,
    "passed": Player._passed,
    "key": Player._key,
    "due": Player._due,
}


@dataclass(frozen=True)
class Scenario:
    """A process by its flows and nodes, and a script."""

    name: str
    flows: str
    script: str
    nodes: dict[str, Any]
    data: dict[str, str | None] | None = None

    def compiled(self) -> CompiledProcess:
        """By way of a file."""
        process = bpmn_text.process("process", self.flows, data=self.data, **self.nodes)
        return compile_process(read(bpmn_text.xml(process)))


def play_twice(scenario: Scenario) -> tuple[Player, Player]:
    """Straight, and with the state saved and loaded after each step."""
    compiled = scenario.compiled()
    return Player(compiled).play(scenario.script), Player(compiled, saving=True).play(scenario.script)
