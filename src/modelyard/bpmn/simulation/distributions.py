"""How long something takes: a distribution of seconds, none of them negative.

Each sample takes exactly one random number, by the inverse of the distribution function, so that two life cycles that are
played with the same seed meet the same fortune (common random numbers; Law, Simulation Modeling and Analysis, 11.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import expm1, log1p, sqrt
from random import Random
from statistics import NormalDist

from modelyard.bpmn.errors import BpmnError
from modelyard.dmn import DaysTime
from modelyard.dmn.feel.temporal import parse_duration

_COUNTS = {"fixed": (1, 1), "uniform": (2, 2), "triangular": (3, 3), "exponential": (1, 2), "normal": (2, 4)}
"""The least and the greatest number of values of each kind."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """`kind` with its `values` in seconds: `fixed` (value), `uniform` (low, high), `triangular` (low, mode, high), `exponential`
    (mean, and the greatest value if it is cut off), `normal` (mean, deviation, least = 0, greatest; always cut off)."""

    kind: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        least, greatest = _COUNTS.get(self.kind, (0, -1))
        if not least <= len(self.values) <= greatest:
            raise BpmnError(f"{self.kind!r:.40} with {len(self.values)} values is no distribution")
        ordered = self.values if self.kind in ("uniform", "triangular") else self.values[2:]
        if min(self.values) < 0 or [*ordered] != sorted(ordered):
            raise BpmnError(f"the values of {self.kind} are not in order, or one is below 0")
        if self.kind == "exponential" and 0 in self.values:
            raise BpmnError("the values of exponential are above 0")

    def sample(self, random: Random) -> float:
        chance = random.random()
        match self.kind:
            case "fixed":
                return self.values[0]
            case "uniform":
                low, high = self.values
                return low + chance * (high - low)
            case "triangular":
                return _triangular(chance, *self.values)
            case "exponential":
                return _exponential(chance, *self.values)
            case _:
                return _normal(chance, *self.values)


def _triangular(chance: float, low: float, mode: float, high: float) -> float:
    if high == low:
        return low
    turn = (mode - low) / (high - low)
    if chance < turn:
        return low + sqrt(chance * (high - low) * (mode - low))
    return high - sqrt((1 - chance) * (high - low) * (high - mode))


def _exponential(chance: float, mean: float, greatest: float | None = None) -> float:
    below = 1.0 if greatest is None else -expm1(-greatest / mean)
    return -mean * log1p(-chance * below)


def _normal(chance: float, mean: float, deviation: float, least: float = 0.0, greatest: float | None = None) -> float:
    if deviation == 0:
        return min(max(mean, least), greatest if greatest is not None else mean if mean > least else least)
    of = NormalDist(mean, deviation)
    low, high = of.cdf(least), 1.0 if greatest is None else of.cdf(greatest)
    at = low + chance * (high - low)
    if not 0 < at < 1:
        return least
    return min(max(of.inv_cdf(at), least), greatest if greatest is not None else float("inf"))


_WRITTEN = re.compile(r"(?P<kind>[a-z]+)\s*\((?P<values>[^()]*)\)")


def parse_distribution(text: str) -> Distribution:
    """`PT2H` (always so long), `uniform(PT1H, PT3H)`, `triangular(PT1H, PT2H, P1D)`, `exponential(PT4H)`, the
    same cut off `exponential(PT4H, P5D)`, `normal(PT2H, PT30M)`. Raises BpmnError for anything else."""
    found = _WRITTEN.fullmatch(text.strip())
    kind, values = (found["kind"], found["values"].split(",")) if found else ("fixed", [text])
    return Distribution(kind, tuple(_seconds(value.strip()) for value in values))


def _seconds(text: str) -> float:
    found = parse_duration(text)
    if not isinstance(found, DaysTime):
        raise BpmnError(f"{text!r:.60} is no duration in days and time, such as PT2H or P1DT12H")
    return found.nanoseconds / 1e9
