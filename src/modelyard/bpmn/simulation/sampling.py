"""What a process's own tests tell of its data: enough to play it before anybody has said anything else."""

from __future__ import annotations

from typing import Any

from modelyard.bpmn.scenarios import ScenarioFile
from modelyard.bpmn.simulation.scenario import Outcome, Scenario


def sampled(file: ScenarioFile) -> Scenario:
    """A case begins with the fullest data that a scenario begins with, and each piece of work gives the fullest of what it gives
    in some scenario (of equally full ones the commonest). Where ways part by the data, the probabilities of the flows should say
    how often each is taken."""
    steps = [step for scenario in file.scenarios for step in scenario.steps if not step.beside.get("refused")]
    results: dict[str, list[Any]] = {}
    for step in steps:
        if step.verb == "complete":
            results.setdefault(step.given, []).append(step.beside.get("result") or {})
    outcomes = {
        element: (Outcome(data=max(found, key=lambda data: (len(data), found.count(data)))),)
        for element, found in results.items()
    }
    begins = [step.given or {} for step in steps if step.verb == "start"]
    return Scenario(data=max(begins, key=len, default={}), outcomes=outcomes)
