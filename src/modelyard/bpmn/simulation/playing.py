"""One run: cases of a process in discrete events. The engine does the steps; here is the time between them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from modelyard.bpmn.engine import CompiledProcess, step
from modelyard.bpmn.engine.compiled import NodeCode
from modelyard.bpmn.migration.elements import waits_as
from modelyard.bpmn.model import Event, EventPosition, Trigger
from modelyard.bpmn.protocol import (
    AnyEffect,
    IncidentRaised,
    InstanceEnded,
    Limits,
    MessageArrived,
    SignalArrived,
    Started,
    StepEvent,
    StepTaken,
    SubscriptionWanted,
    SubscriptionWithdrawn,
    TimerFired,
    TimerWanted,
    TimerWithdrawn,
    WorkCompleted,
    WorkFailed,
    WorkWanted,
    WorkWithdrawn,
)
from modelyard.bpmn.simulation.chance import Streams
from modelyard.bpmn.simulation.scenario import Assumptions
from modelyard.bpmn.state import State


@dataclass(slots=True)
class Work:
    """A piece of work, in seconds from the begin of the run: `asked` for, `begun` by somebody."""

    case: Case
    id: str
    element: str
    role: str | None
    asked: float
    begun: float | None = None
    over: bool = False


@dataclass(slots=True)
class Case:
    """`active` are the elements that take the case's time at present, by token; `share` what of it each has taken: time is
    divided equally among those that are active, so that the shares add up to the lead time."""

    begun: float
    state: State | None = None
    ended: float | None = None
    how: str | None = None
    active: dict[str, str] = field(default_factory=dict)
    looked: float = 0.0
    share: dict[str, float] = field(default_factory=dict)
    works: dict[str, Work] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    """Elements of timers and subscriptions that are waited for."""
    entered: dict[str, float] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    trouble: str | None = None
    cost: float = 0.0


@dataclass(slots=True)
class Tally:
    """Of an element: how often, and seconds of waiting and of working."""

    times: int = 0
    waiting: float = 0.0
    working: float = 0.0


@dataclass(slots=True)
class Pool:
    """Who does the work of a role. `free` is None when there are always enough."""

    free: int | None
    queue: deque[Work] = field(default_factory=deque)
    busy: float = 0.0


class Run:
    """`play` it once; then `cases`, `tallies`, `pools` and `until` (when the last thing happened) are to be read."""

    def __init__(self, compiled: CompiledProcess, given: Assumptions, streams: Streams, limits: Limits, events: int) -> None:
        self.compiled, self.given, self.streams, self.limits, self.left = compiled, given, streams, limits, events
        self.scenario = given.scenario
        self.now = self.until = 0.0
        self.cases: list[Case] = []
        self.tallies: dict[str, Tally] = {}
        self.pools = {role: Pool(self.scenario.capacities.get(role)) for role in {*given.roles.values()}}
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def play(self) -> None:
        at = 0.0
        for _ in range(self.scenario.cases):
            self.later(at, self.begin)
            if self.scenario.arrivals is not None:
                at += self.scenario.arrivals.sample(self.streams["arrivals"])
        while self._heap and self.left > 0:
            self.left -= 1
            self.now, _, what = heapq.heappop(self._heap)
            what()
        for case in self.cases:
            if case.ended is None and case.trouble is None:
                case.trouble = self.why(case)

    def why(self, case: Case) -> str:
        """Why a case did not end."""
        if self._heap:
            return "the limit of events was reached"
        waiting = sorted({*case.expected.values()})
        return f"nothing is said about when what {', '.join(waiting)} waits for comes" if waiting else "it waits for nothing"

    def later(self, at: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (at, next(self._order), what))

    # --- steps

    def begin(self) -> None:
        case = Case(self.now, looked=self.now)
        self.cases.append(case)
        self.take(case, Started(at=self.at, data=self.scenario.data))

    @property
    def at(self) -> datetime:
        return self.scenario.begin + timedelta(seconds=self.now)

    def take(self, case: Case, event: StepEvent) -> None:
        self.until = self.now
        case.state, effects = step(self.compiled, case.state, event, self.limits)
        self.look(case)
        for effect in effects:
            act = _ACTS.get(type(effect))
            if act is not None:
                act(self, case, effect)

    def look(self, case: Case) -> None:
        """Divide the time since the last look."""
        passed, active = self.now - case.looked, [*case.active.values()]
        for element in active:
            case.share[element] = case.share.get(element, 0.0) + passed / len(active)
        case.looked = self.now

    def tally(self, element: str) -> Tally:
        return self.tallies.setdefault(element, Tally())

    # --- work

    def wanted(self, case: Case, effect: WorkWanted) -> None:
        work = Work(case, effect.work, effect.element, self.given.roles.get(effect.element), self.now)
        case.works[work.id] = work
        case.active[work.id] = work.element
        pause = self.given.waits.get(work.element)
        wait = pause.sample(self.streams[f"{work.element}/wait"]) if pause is not None else 0.0
        self.later(self.now + wait, lambda: self.ready(work))

    def ready(self, work: Work) -> None:
        pool = self.pools.get(work.role or "")
        if work.over:
            return
        if pool is not None and pool.free == 0:
            pool.queue.append(work)
            return
        if pool is not None and pool.free is not None:
            pool.free -= 1
        self.work(work)

    def work(self, work: Work) -> None:
        work.begun = self.now
        takes = self.given.durations.get(work.element)
        time = takes.sample(self.streams[work.element]) if takes is not None else 0.0
        self.later(self.now + time, lambda: self.finish(work))

    def finish(self, work: Work) -> None:
        if work.over:
            return
        self.close(work)
        self.take(work.case, self.answer(work))

    def answer(self, work: Work) -> StepEvent:
        """How it ends: with an error that one of its boundary events catches, or as one of its outcomes."""
        code = self.compiled.nodes[work.element]
        for error, chance in _errors(code, self.given):
            if self.streams[error.id].random() < chance:
                return WorkFailed(at=self.at, work=work.id, code=error.definitions[0].name or "error")
        outcomes = self.scenario.outcomes.get(work.element)
        if not outcomes:
            return WorkCompleted(at=self.at, work=work.id)
        stream = self.streams[f"{work.element}/outcome"]
        found = stream.choices(outcomes, [each.probability for each in outcomes])[0]
        if found.code is not None:
            return WorkFailed(at=self.at, work=work.id, code=found.code, data=found.data)
        return WorkCompleted(at=self.at, work=work.id, result=found.data)

    def withdrawn(self, case: Case, effect: WorkWithdrawn) -> None:
        work = case.works.get(effect.work)
        if work is not None and not work.over:
            self.close(work)

    def close(self, work: Work) -> None:
        """It is done or was interrupted: account for it, and let the next one in the queue begin."""
        work.over = True
        self.look(work.case)
        del work.case.works[work.id], work.case.active[work.id]
        begun = self.now if work.begun is None else work.begun
        tally, pool = self.tally(work.element), self.pools.get(work.role or "")
        tally.times += 1
        tally.waiting += begun - work.asked
        tally.working += self.now - begun
        work.case.cost += (self.now - begun) / 3600 * self.scenario.rates.get(work.role or "", 0.0)
        if work.begun is not None:
            work.case.cost += self.given.costs.get(work.element, 0.0)
        if pool is not None:
            pool.busy += self.now - begun
            if work.begun is not None and pool.free is not None:
                pool.free += 1
                self.next(pool)

    def next(self, pool: Pool) -> None:
        while pool.queue and pool.free:
            work = pool.queue.popleft()
            if not work.over:
                pool.free -= 1
                self.work(work)

    # --- events

    def timer(self, case: Case, effect: TimerWanted) -> None:
        case.expected[effect.timer] = effect.element
        due = (effect.due - self.scenario.begin).total_seconds()
        self.later(max(due, self.now), lambda: self.fire(case, effect.timer))

    def fire(self, case: Case, timer: str) -> None:
        if case.expected.pop(timer, None) is not None:
            self.take(case, TimerFired(at=self.at, timer=timer))

    def subscription(self, case: Case, effect: SubscriptionWanted) -> None:
        case.expected[effect.subscription] = effect.element
        pause, chance = self.given.waits.get(effect.element), self.given.probabilities.get(effect.element, 1.0)
        if pause is not None and self.streams[f"{effect.element}/comes"].random() < chance:
            comes = self.now + pause.sample(self.streams[f"{effect.element}/wait"])
            self.later(comes, lambda: self.arrive(case, effect))

    def arrive(self, case: Case, effect: SubscriptionWanted) -> None:
        if effect.signal and effect.subscription in case.expected:
            self.take(case, SignalArrived(at=self.at, name=effect.name))
        elif case.expected.pop(effect.subscription, None) is not None:
            self.take(case, MessageArrived(at=self.at, subscription=effect.subscription))

    def timer_withdrawn(self, case: Case, effect: TimerWithdrawn) -> None:
        case.expected.pop(effect.timer, None)

    def subscription_withdrawn(self, case: Case, effect: SubscriptionWithdrawn) -> None:
        case.expected.pop(effect.subscription, None)

    def taken(self, case: Case, effect: StepTaken) -> None:
        """Tokens at events wait; work is told of by its own effects."""
        code = self.compiled.nodes.get(effect.element)
        if code is None:
            return
        key = f"{effect.token} {effect.element}"
        if effect.what == "entered":
            if isinstance(code.node, Event) and code.node.position is EventPosition.END and code.scope is self.compiled.body:
                case.ends.add(effect.element)
            if waits_as(code) == "event":
                case.entered[key], case.active[key] = self.now, effect.element
        elif effect.what in ("left", "interrupted") and key in case.entered:
            tally = self.tally(effect.element)
            tally.times += 1
            tally.waiting += self.now - case.entered.pop(key)
            del case.active[key]

    def incident(self, case: Case, effect: IncidentRaised) -> None:
        case.trouble = case.trouble or f"{effect.element}: {effect.message}"

    def ended(self, case: Case, effect: InstanceEnded) -> None:
        case.ended, case.how, case.trouble = self.now, effect.how, None


def _errors(code: NodeCode, given: Assumptions) -> Iterable[tuple[Event, float]]:
    for event in code.caught:
        chance = given.probabilities.get(event.id, 0.0)
        if chance > 0 and isinstance(event.node, Event) and event.node.definitions[0].trigger is Trigger.ERROR:
            yield event.node, chance


_ACTS: dict[type[AnyEffect], Any] = {
    WorkWanted: Run.wanted,
    WorkWithdrawn: Run.withdrawn,
    TimerWanted: Run.timer,
    TimerWithdrawn: Run.timer_withdrawn,
    SubscriptionWanted: Run.subscription,
    SubscriptionWithdrawn: Run.subscription_withdrawn,
    StepTaken: Run.taken,
    IncidentRaised: Run.incident,
    InstanceEnded: Run.ended,
}
