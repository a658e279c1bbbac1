"""How version 2 of the policy was found: points, cut-offs and default rates, counted on the first three weeks.

    python -m examples.rules.derive        # prints them beside what v2/credit-policy.dmn says

People chose which facts count and in which bands they fall; those stand in the policy's own table. The rest is arithmetic, after
Siddiqi, Credit Risk Scorecards (2006), chapter 6:

- a rule's points: the weight of evidence of the applications it fires on, ln(share of the good ÷ share of the bad), with one of
  each added, times 20 / ln 2, so that 20 points double the odds; moved so that the least of each fact is 0, and rounded;
- what bad records cost: the difference of the points that "no" and "yes" would get;
- two cut-offs on the score less that: refuse below the lower, grant from the upper on, refer between. Those in steps of 5
  with the greatest pay-off on these weeks; further bands begin where the odds have doubled above and halved below;
- the default rate of a band: (bad + 1) / (all + 2), rounded to a percent.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from examples.rules.data import LEARNT_FROM, load, plain
from examples.rules.payoff import ACCEPT, DECLINE, REFER, Payoff
from examples.rules.versions import HERE, compiled
from modelyard.dmn import Model, TableInfo

SCORE, BANDS, RATES = "Application risk score", "Post-bureau risk category", "Expected default rate"
RECORDS = "Bureau.Records"
DOUBLES = 20
STEP = 5
NAMES = ("VERY LOW", "LOW", "MEDIUM", "HIGH", "VERY HIGH")

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Derived:
    """`points` by the ids of the score's rules; `records` is what bad records cost; `cuts` are the least scores of the four upper
    bands, the safest first; `rates` by category."""

    points: Mapping[str, int]
    records: int
    cuts: tuple[int, int, int, int]
    rates: Mapping[str, float]


def derive(rows: pa.Table, model: Model) -> Derived:
    """From applications whose end is known, and the bands of the model's score."""
    payoff = Payoff.of(rows)
    fired = _fired(rows, model)
    points = _points(table(model, SCORE), fired, payoff.bad)
    clean = np.array([text == "no" for text in rows[RECORDS].to_pylist()])
    records = round(_weight(clean, payoff.bad) - _weight(~clean, payoff.bad))
    score = sum((points[rule] * mask.astype(float) for rule, mask in fired.items()), np.zeros(len(rows)))
    score -= records * ~clean
    cuts = _cuts(score, payoff)
    band = np.searchsorted(-np.array(cuts), -score)
    rates = {name: round(float((payoff.bad[band == n].sum() + 1) / ((band == n).sum() + 2)), 2) for n, name in enumerate(NAMES)}
    return Derived(points, records, cuts, rates)


def table(model: Model, owner: str) -> TableInfo:
    """The model's table of that decision."""
    return next(info for info in model.tables if info.owner == owner)


def policy(number: int) -> Model:
    """A shipped version of the policy."""
    return compiled(HERE / f"v{number}")


def _fired(rows: pa.Table, model: Model) -> dict[str, NDArray[np.bool_]]:
    """For each rule of the score, the rows on which it fires: the engine itself says so."""
    found = {rule.id or "": np.zeros(len(rows), dtype=bool) for rule in table(model, SCORE).table.rules}
    for number, row in enumerate(plain(rows)):
        result = model.evaluate(SCORE, row, trace=True)
        for node in result.trace.nodes if result.trace else ():
            for each in node.tables:
                for rule in each.rules:
                    found[rule.id or ""][number] = True
    return found


def _weight(where: NDArray[np.bool_], bad: NDArray[np.bool_]) -> float:
    """The points of a group: its weight of evidence on a scale where so many double the odds."""
    good_share = ((where & ~bad).sum() + 1) / (~bad).sum()
    bad_share = ((where & bad).sum() + 1) / bad.sum()
    return float(np.log(good_share / bad_share) * DOUBLES / np.log(2))


def _points(score: TableInfo, fired: Mapping[str, NDArray[np.bool_]], bad: NDArray[np.bool_]) -> dict[str, int]:
    """Rules of one fact are those that ask for the same column."""
    groups: dict[int, list[str]] = defaultdict(list)
    for rule in score.table.rules:
        groups[next(n for n, cell in enumerate(rule.inputs) if (cell.text or "").strip() != "-")].append(rule.id or "")
    points: dict[str, int] = {}
    for rules in groups.values():
        weights = {rule: _weight(fired[rule], bad) for rule in rules}
        points |= {rule: round(weight - min(weights.values())) for rule, weight in weights.items()}
    return points


def _cuts(score: Numbers, payoff: Payoff) -> tuple[int, int, int, int]:
    """The two cut-offs of the greatest pay-off, with one band more on either side."""
    grid = range(int(score.min()) // STEP * STEP, int(score.max()) + STEP, STEP)
    pairs = [(low, high) for high in grid for low in grid if low <= high]
    low, high = max(pairs, key=lambda pair: (_worth(score, payoff, *pair), pair))
    return high + DOUBLES, high, low, low - DOUBLES


def _worth(score: Numbers, payoff: Payoff, low: int, high: int) -> float:
    decided = np.where(score >= high, ACCEPT, np.where(score >= low, REFER, DECLINE)).astype(object)
    return float(payoff.value(decided).mean())


def shipped(model: Model) -> dict[str, Any]:
    """What the policy says: points by rule, and default rates by category."""
    points = {rule.id: _number(rule.outputs) for rule in table(model, SCORE).table.rules}
    rates = {(rule.inputs[0].text or "").strip('"'): _number(rule.outputs) for rule in table(model, RATES).table.rules}
    bands = [tuple(cell.text for cell in rule.inputs) for rule in table(model, BANDS).table.rules]
    return {"points": points, "rates": rates, "bands": bands}


def bands(found: Derived) -> list[tuple[str, str]]:
    """The cells of the category's table that follow: first for those without bad records, then for those with them."""
    cells = []
    for report, move in (('"no","not asked"', 0), ('"yes"', found.records)):
        first, *others, last = (cut + move for cut in found.cuts)
        edges = [first, *others, last]
        cells.append((report, f">= {first}"))
        cells += [(report, f"[{low}..{high})") for high, low in pairwise(edges)]
        cells.append((report, f"< {last}"))
    return cells


def _number(outputs: Sequence[Any]) -> float:
    return float(outputs[0].text)


def main() -> int:
    """Print what was derived beside what is shipped; 1 when they differ."""
    model = policy(2)
    found, says = derive(load().slice(0, LEARNT_FROM), model), shipped(model)
    pairs = [
        *((f"points of {rule}", value, says["points"].get(rule)) for rule, value in found.points.items()),
        *((f"default rate of {name}", value, says["rates"].get(name)) for name, value in found.rates.items()),
        *((f"band {n + 1}", cell, says["bands"][n]) for n, cell in enumerate(bands(found))),
    ]
    for what, derived, written in pairs:
        print(f"{what:<32} {derived!s:<32} {written if derived != written else 'as shipped'}")
    return int(any(derived != written for _, derived, written in pairs))


if __name__ == "__main__":
    sys.exit(main())
