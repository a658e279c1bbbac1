"""Fortune: streams of random numbers, one for each element of each run, and conditions that are drawn instead of evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from modelyard.bpmn.engine.compiled import CompiledProcess, NodeCode, Target
from modelyard.bpmn.engine.expressions import Feel
from modelyard.bpmn.errors import BpmnError
from modelyard.bpmn.model import Gateway, GatewayKind


class Streams:
    """Random numbers by name. The same seed, run and name give the same numbers, whatever else is drawn."""

    def __init__(self, seed: int) -> None:
        self._seed, self._run = seed, 0
        self._streams: dict[str, Random] = {}

    def begin(self, run: int) -> None:
        self._run = run
        self._streams.clear()

    def __getitem__(self, name: str) -> Random:
        found = self._streams.get(name)
        if found is None:
            # Repeatable fortune is the point; nothing here is secret.
            found = self._streams[name] = Random(f"{self._seed}/{self._run}/{name}")  # noqa: S311
        return found


class Drawn(Feel):
    """A condition that holds with a probability."""

    def __init__(self, streams: Streams, flow: str, probability: float) -> None:
        super().__init__("true", f"flow {flow}")
        self._streams, self._flow, self._probability = streams, flow, probability

    def holds(self, layers: Iterable[Mapping[str, Any]], at: datetime) -> bool:
        return self._streams[self._flow].random() < self._probability


def draw_flows(compiled: CompiledProcess, probabilities: Mapping[str, float], streams: Streams) -> None:
    """Make a process that is used for nothing else draw the flows of which a probability is given."""
    for code in compiled.nodes.values():
        if any(target.flow in probabilities for target in code.targets):
            if isinstance(code.node, Gateway) and code.node.kind is GatewayKind.EXCLUSIVE:
                _draw_one(code, probabilities, streams)
            else:
                _draw_each(code, probabilities, streams)


def _draw_one(code: NodeCode, probabilities: Mapping[str, float], streams: Streams) -> None:
    """Exactly one flow is taken. Those of which nothing is said share what is left; the default flow is asked last."""
    silent = [target for target in code.targets if target.flow not in probabilities]
    told = sum(probabilities.get(target.flow, 0.0) for target in code.targets)
    if told > 1 + 1e-9 or (not silent and told < 1 - 1e-9):
        raise BpmnError(f"the probabilities of the flows out of it are {told:g} together", element=code.id)
    share = max(0.0, 1 - told) / len(silent) if silent else 0.0
    left = 1.0
    ordered = [target for target in code.targets if target is not code.default]
    for index, target in enumerate(ordered):
        chance = probabilities.get(target.flow, share)
        last = code.default is None and index == len(ordered) - 1
        _draw(target, 1.0 if last else min(1.0, chance / left) if left > 1e-12 else 0.0, streams)
        left -= chance


def _draw_each(code: NodeCode, probabilities: Mapping[str, float], streams: Streams) -> None:
    for target in code.targets:
        if target.flow in probabilities and target is not code.default:
            _draw(target, probabilities[target.flow], streams)
            code.conditional = True


def _draw(target: Target, probability: float, streams: Streams) -> None:
    target.condition = Drawn(streams, target.flow, probability)
