"""Many runs of a process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import nan
from statistics import fmean

from modelyard.bpmn.engine import CompiledProcess, compile_process
from modelyard.bpmn.errors import LimitExceeded
from modelyard.bpmn.model import Definitions
from modelyard.bpmn.protocol import Limits
from modelyard.bpmn.simulation.chance import Streams, draw_flows
from modelyard.bpmn.simulation.playing import Case, Run, Tally
from modelyard.bpmn.simulation.report import Report, RoleTime, StepTime, measure
from modelyard.bpmn.simulation.scenario import Assumptions, Scenario, assumptions

STEP_LIMITS = Limits(steps=2_000, tokens=2_000, instances=1_000)


@dataclass(frozen=True, slots=True)
class SimulationLimits:
    """`events` of one run (then its cases count as unfinished), `runs` and `cases` of one simulation; what holds in a step."""

    runs: int = 100_000
    cases: int = 1_000_000
    events: int = 100_000
    step: Limits = STEP_LIMITS


DEFAULT_SCENARIO, DEFAULT_LIMITS = Scenario(), SimulationLimits()


def simulate(
    definitions: Definitions,
    process: str | None = None,
    *,
    scenario: Scenario = DEFAULT_SCENARIO,
    runs: int = 200,
    seed: int = 0,
    limits: SimulationLimits = DEFAULT_LIMITS,
) -> Report:
    """Play a process so many times. The same seed gives the same report.

    Work of which nothing is said takes no time. Raises InvalidProcess when it cannot be executed, BpmnError for a scenario that
    does not fit it, LimitExceeded."""
    if not 1 <= runs <= limits.runs or runs * scenario.cases > limits.cases:
        raise LimitExceeded(f"{runs} runs of {scenario.cases} cases are more than are allowed")
    compiled = compile_process(definitions, process)
    given, streams = assumptions(compiled.process, scenario), Streams(seed)
    draw_flows(compiled, given.probabilities, streams)
    gathered = _Gathered(compiled, given, seed)
    for number in range(runs):
        streams.begin(number)
        run = Run(compiled, given, streams, limits.step, limits.events)
        run.play()
        gathered.add(run)
    return gathered.report(runs)


@dataclass
class _Gathered:
    compiled: CompiledProcess
    given: Assumptions
    seed: int
    leads: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    case_leads: list[float] = field(default_factory=list)
    case_costs: list[float] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    unfinished: Counter[str] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)
    span: float = 0.0
    cases: int = 0

    def add(self, run: Run) -> None:
        done = [case for case in run.cases if case.ended is not None]
        leads, costs = [_lead(case) for case in done], [case.cost for case in done]
        self.leads.append(fmean(leads) if leads else nan)
        self.costs.append(fmean(costs) if costs else nan)
        self.case_leads += leads
        self.case_costs += costs
        self.cases += len(run.cases)
        self.span += run.until
        for case in run.cases:
            self.ends.update(case.ends)
            if case.ended is None:
                self.unfinished[case.trouble or ""] += 1
        for case in done:
            for element, share in case.share.items():
                self.shares[element] = self.shares.get(element, 0.0) + share
        for role, pool in run.pools.items():
            self.busy[role] = self.busy.get(role, 0.0) + pool.busy
        for element, tally in run.tallies.items():
            mine = self.tallies.setdefault(element, Tally())
            mine.times += tally.times
            mine.waiting += tally.waiting
            mine.working += tally.working

    def report(self, runs: int) -> Report:
        steps = sorted((self._step(element, tally) for element, tally in self.tallies.items()), key=lambda step: -step.share)
        return Report(
            process=self.compiled.process.id,
            seed=self.seed,
            runs=runs,
            cases=self.cases,
            lead=measure(self.leads, self.case_leads),
            cost=measure(self.costs, self.case_costs),
            ends={end: number / self.cases for end, number in sorted(self.ends.items())},
            steps=tuple(steps),
            roles=tuple(self._role(role, steps) for role in sorted({*self.given.roles.values()})),
            unfinished=dict(self.unfinished.most_common()),
            leads=tuple(self.leads),
            costs=tuple(self.costs),
        )

    def _step(self, element: str, tally: Tally) -> StepTime:
        total = sum(self.shares.values())
        return StepTime(
            element,
            self.compiled.nodes[element].node.name or element,
            self.given.roles.get(element),
            tally.times / self.cases,
            tally.waiting / self.cases,
            tally.working / self.cases,
            self.shares.get(element, 0.0) / total if total else 0.0,
        )

    def _role(self, role: str, steps: list[StepTime]) -> RoleTime:
        mine = [step for step in steps if step.role == role]
        capacity = self.given.scenario.capacities.get(role)
        busy = None if capacity is None or not self.span else self.busy[role] / (capacity * self.span)
        return RoleTime(role, sum(step.waiting for step in mine), sum(step.working for step in mine), busy)


def _lead(case: Case) -> float:
    return (case.ended if case.ended is not None else nan) - case.begun
