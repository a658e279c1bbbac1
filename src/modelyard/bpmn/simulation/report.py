"""What many runs showed, and two of them compared. Intervals are of 95 %, by Student's t over the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from statistics import NormalDist, fmean, stdev

LEVEL = 0.95
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean over the runs with its interval from `low` to `high`, and the `quantiles` of the single cases."""

    mean: float
    low: float
    high: float
    quantiles: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class StepTime:
    """Of an element, for one case on average: how often it is done, seconds of waiting and working, and its share of the lead
    time (each moment is divided equally among what is going on in it; the shares add up to 1)."""

    element: str
    name: str
    role: str | None
    times: float
    waiting: float
    working: float
    share: float


@dataclass(frozen=True, slots=True)
class RoleTime:
    """Of a role, for one case on average: seconds of waiting and working. `busy` is the part of the run in which it works; None
    when it has no capacity that it could exhaust."""

    role: str
    waiting: float
    working: float
    busy: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """`lead` (seconds from begin to end) and `cost` are of the cases that ended. `ends` are the end events with the part of all
    cases that came to each; `unfinished` why cases did not end, with how many. `leads` and `costs` are means by run (nan where
    no case ended). `steps` come with the greatest share of the lead time first: the first is the bottleneck."""

    process: str
    seed: int
    runs: int
    cases: int
    lead: Measure
    cost: Measure
    ends: Mapping[str, float]
    steps: tuple[StepTime, ...]
    roles: tuple[RoleTime, ...]
    unfinished: Mapping[str, int]
    leads: tuple[float, ...]
    costs: tuple[float, ...]

    @property
    def bottleneck(self) -> str | None:
        """The element that takes most of the lead time."""
        return self.steps[0].element if self.steps and self.steps[0].share > 0 else None

    @property
    def lines(self) -> tuple[str, ...]:
        """For people."""
        quantiles = ", ".join(f"{of:.0%} within {duration(value)}" for of, value in self.lead.quantiles.items() if of >= 0.5)
        found = [
            f"{self.process}: {self.cases} cases in {self.runs} runs",
            f"lead time {duration(self.lead.mean)} ({duration(self.lead.low)} to {duration(self.lead.high)}); {quantiles}",
            f"cost {self.cost.mean:,.2f} ({self.cost.low:,.2f} to {self.cost.high:,.2f})",
            *(
                f"{step.name}: {step.share:.0%} of the lead time; waiting {duration(step.waiting)},"
                f" working {duration(step.working)}, {step.times:.2f} times"
                for step in self.steps
            ),
            *(
                f"role {role.role}: waiting {duration(role.waiting)}, working {duration(role.working)}"
                + ("" if role.busy is None else f", busy {role.busy:.0%} of the time")
                for role in self.roles
            ),
            *(f"end {end}: {part:.1%} of the cases" for end, part in self.ends.items()),
            *(f"{number} cases did not end: {reason}" for reason, number in self.unfinished.items()),
        ]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Difference:
    """`after` less `before`, with its interval. `told` when the interval leaves out zero."""

    before: float
    after: float
    difference: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """`paired`: both were played with the same seed and number of runs, and are compared run by run; else by Welch's interval.
    `ends` are the parts of cases by end event, before and after."""

    lead: Difference
    cost: Difference
    ends: Mapping[str, tuple[float, float]]
    paired: bool

    @property
    def lines(self) -> tuple[str, ...]:
        lead, cost = self.lead, self.cost
        return (
            f"lead time {duration(lead.before)} → {duration(lead.after)}: {_verdict(lead, 'shorter', 'longer', duration)}",
            f"cost {cost.before:,.2f} → {cost.after:,.2f}: {_verdict(cost, 'cheaper', 'dearer', '{:,.2f}'.format)}",
            *(f"end {end}: {before:.1%} → {after:.1%} of the cases" for end, (before, after) in self.ends.items()),
        )


def _verdict(of: Difference, less: str, more: str, written: object) -> str:
    assert callable(written)
    if not of.told:
        return "no difference can be told"
    low, high = sorted((abs(of.low), abs(of.high)))
    return f"{less if of.difference < 0 else more} by {written(abs(of.difference))} ({written(low)} to {written(high)})"


def compare(before: Report, after: Report) -> Comparison:
    """Two life cycles. Played with the same seed and as many runs, elements of the same id met the same fortune in both, which
    makes the interval of their difference narrow."""
    paired = before.seed == after.seed and before.runs == after.runs
    ends = {end: (before.ends.get(end, 0.0), after.ends.get(end, 0.0)) for end in {**before.ends, **after.ends}}
    between = _paired if paired else _welch
    return Comparison(between(before.leads, after.leads), between(before.costs, after.costs), ends, paired)


def _paired(before: Sequence[float], after: Sequence[float]) -> Difference:
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if not isnan(a) and not isnan(b)]
    mean, low, high = interval([b - a for a, b in pairs])
    return Difference(_mean([a for a, _ in pairs]), _mean([b for _, b in pairs]), mean, low, high)


def _welch(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Welch, Biometrika 34 (1947)."""
    sides = [[value for value in values if not isnan(value)] for values in (before, after)]
    if min(map(len, sides)) < 2:
        return Difference(_mean(sides[0]), _mean(sides[1]), _mean(sides[1]) - _mean(sides[0]), nan, nan)
    errors = [stdev(values) ** 2 / len(values) for values in sides]
    between, error = fmean(sides[1]) - fmean(sides[0]), sum(errors)
    freedom = error**2 / sum(each**2 / (len(values) - 1) for each, values in zip(errors, sides, strict=True)) if error else 1.0
    half = student(freedom) * sqrt(error)
    return Difference(fmean(sides[0]), fmean(sides[1]), between, between - half, between + half)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low, high; nan where there are too few values."""
    if len(values) < 2:
        return _mean(values), nan, nan
    half = student(len(values) - 1) * stdev(values) / sqrt(len(values))
    return fmean(values), fmean(values) - half, fmean(values) + half


def measure(means: Sequence[float], cases: Sequence[float]) -> Measure:
    """Of the means by run and the values by case."""
    mean, low, high = interval([value for value in means if not isnan(value)])
    ordered = sorted(cases)
    return Measure(mean, low, high, {of: _quantile(ordered, of) for of in QUANTILES})


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else nan


def _quantile(ordered: Sequence[float], of: float) -> float:
    """By linear interpolation (Hyndman and Fan, type 7)."""
    if not ordered:
        return nan
    place = of * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def student(freedom: float) -> float:
    """The two-sided quantile of Student's t at 95 %; Abramowitz and Stegun 26.7.5, exact for one and two degrees of freedom."""
    if freedom < 1.5:
        return 12.706205
    if freedom < 2.5:
        return 4.302653
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def duration(seconds: float) -> str:
    """Seconds for people: in the two greatest units."""
    if isnan(seconds):
        return "unknown"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"
