"""Money follows from counts and costs; gains are bounded honestly; versions are compared over the same windows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.catalog.profile import CostMatrix
from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput
from modelyard.decisions import DecisionLog, DecisionReader, Outcome, OutcomeLog, OutcomeReader, Rows, Time, Window
from modelyard.measures import CostMatrix as Prices
from modelyard.measures import expected_cost_at
from modelyard.value import (
    Baseline,
    DecisionRule,
    ValueFigures,
    compare_versions,
    first_decision,
    realised,
    time_to_first_decision,
    value_in,
    value_of,
)

COSTS = CostMatrix(currency="USD", false_positive=100, false_negative=400, true_positive=50)
RULE = DecisionRule(outcome="late", score="chance", threshold=0.2)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)


def months(count: int) -> list[datetime]:
    return [JUNE + timedelta(days=30 * n) for n in range(count)]


def test_a_small_ledger_by_hand() -> None:
    figures = realised([True, True, False, False, False], [True, False, True, False, False], COSTS, decisions=7)
    assert (figures.decisions, figures.outcomes) == (7, 5)
    assert figures.cost == 50 + 100 + 400
    assert figures.baseline_cost(Baseline.NEVER) == 2 * 400
    assert figures.baseline_cost(Baseline.ALWAYS) == 2 * 50 + 3 * 100
    assert figures.best_baseline is Baseline.ALWAYS
    assert figures.gain() == 400 - 550
    assert figures.gain(Baseline.NEVER) == 250


BOOLEANS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)


@given(BOOLEANS, st.lists(st.integers(-1000, 1000), min_size=4, max_size=4))
def test_moments_are_those_of_the_rows(rows: list[tuple[bool, bool]], prices: list[int]) -> None:
    costs = CostMatrix(
        currency="EUR", true_positive=prices[0], false_positive=prices[1], false_negative=prices[2], true_negative=prices[3]
    )
    figures = realised([a for a, _ in rows], [t for _, t in rows], costs)
    one = {(True, True): prices[0], (True, False): prices[1], (False, True): prices[2], (False, False): prices[3]}
    values = np.array([one[row] for row in rows], dtype=np.float64)
    moments = figures.cost_moments()
    assert figures.cost == values.sum()
    assert moments.mean == pytest.approx(values.mean())
    assert moments.variance == pytest.approx(values.var(ddof=1), abs=1e-6)
    never = np.array([one[False, truth] for _, truth in rows])
    interval = figures.gain_per_decision(Baseline.NEVER)
    assert interval.estimate == pytest.approx((never - values).mean())
    assert interval.low <= interval.estimate <= interval.high
    assert figures.plus(figures).cost == 2 * figures.cost


def test_the_bounds_hold_what_they_promise() -> None:
    """Of 95 % intervals over samples of 400 decisions about 95 % hold the true gain."""
    rng = np.random.default_rng(1)
    held = 0
    true_gain = 0.15 * 0.7 * 350 - 0.85 * 0.1 * 100
    for _ in range(400):
        truth = rng.random(400) < 0.15
        acted = np.where(truth, rng.random(400) < 0.7, rng.random(400) < 0.1)
        interval = realised(acted, truth, COSTS).gain_per_decision(Baseline.NEVER)
        held += interval.low <= true_gain <= interval.high
    assert 365 <= held <= 395


def test_bad_columns_are_refused() -> None:
    for acted, truth in (([0.5], [True]), ([True], [True, False]), ([[True]], [[True]])):
        with pytest.raises(InvalidInput):
            realised(acted, truth, COSTS)
    with pytest.raises(InvalidInput):
        realised([True], [True], COSTS, decisions=0)
    with pytest.raises(InvalidInput):
        realised([True], [True], COSTS).gain_per_decision()
    assert realised([], [], COSTS, decisions=3).gain() == 0


def season(rng: np.random.Generator, rows: int, late: float, hit: float) -> ValueFigures:
    truth = rng.random(rows) < late
    return realised(np.where(truth, rng.random(rows) < hit, rng.random(rows) < 0.1), truth, COSTS)


def test_the_season_is_not_blamed_on_the_challenger() -> None:
    """The challenger is better in every month, and its share grows as the months get worse: pooled, it would look dearer."""
    rng = np.random.default_rng(2)
    sizes = [(19_000, 1_000, 0.05), (10_000, 10_000, 0.15), (1_000, 19_000, 0.4)]
    champion = {m: season(rng, a, late, 0.6) for m, (a, _, late) in zip(months(3), sizes, strict=True)}
    challenger = {m: season(rng, b, late, 0.8) for m, (_, b, late) in zip(months(3), sizes, strict=True)}
    pooled = [sum(f.cost for f in side.values()) / sum(f.outcomes for f in side.values()) for side in (champion, challenger)]
    assert pooled[1] > pooled[0]
    found = compare_versions(champion, challenger)
    assert found.per_decision.high < 0
    assert found.saved == pytest.approx(-found.per_decision.estimate * 60_000)
    assert (found.windows, found.left_out, found.currency) == (3, 0, "USD")


def test_only_windows_in_common_are_compared() -> None:
    rng = np.random.default_rng(3)
    first, second, third = months(3)
    champion = {first: season(rng, 500, 0.1, 0.6), second: season(rng, 500, 0.1, 0.6)}
    challenger = {second: season(rng, 500, 0.1, 0.6), third: season(rng, 500, 0.9, 0.6)}
    found = compare_versions(champion, challenger)
    assert (found.windows, found.left_out) == (1, 2)
    assert found.per_decision.low < 0 < found.per_decision.high
    with pytest.raises(InvalidInput):
        compare_versions({first: champion[first]}, {third: challenger[third]})
    dearer = COSTS.model_copy(update={"false_negative": 1.0})
    with pytest.raises(InvalidInput):
        compare_versions(champion, {second: challenger[second].model_copy(update={"costs": dearer})})


def log_of(root: Path, chances: Any, version: str = "sha256:" + "a" * 64) -> list[str]:
    ids = [f"d{n:05d}" for n in range(len(chances))]
    shared = {"organisation": "default", "use_case": "c", "endpoint": "hold", "epoch": 1, "manifest": version}
    columns = {
        "id": ids,
        "inputs": ["{}"] * len(ids),
        "output": [json.dumps({"chance": float(p)}) for p in chances],
        "decision_time": [datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=n) for n in range(len(ids))],
        "event_time": [JUNE] * len(ids),
    }
    with DecisionLog(root / "log", "w") as log:
        log.append(Rows(len(ids), columns, shared | {"answered_arm": "champion"}))
    return ids


def test_money_is_counted_from_the_log_as_it_was_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    chances = rng.random(1_000)
    late = rng.random(1_000) < chances
    ids = log_of(tmp_path, chances)
    reader, clock = DecisionReader(tmp_path / "log"), ManualClock()
    with OutcomeLog(tmp_path / "out", "p", reader, clock=clock) as log:
        log.post([Outcome(i, {"late": bool(v)}, "airport") for i, v in zip(ids[:800], ~late[:800], strict=True)])
        before = clock.now()
        clock.advance(timedelta(days=1))
        log.post([Outcome(i, {"late": bool(v)}, "airport") for i, v in zip(ids[:800], late[:800], strict=True)])
    outcomes = OutcomeReader(tmp_path / "out")
    window = Window(endpoint="hold", since=JUNE, until=JUNE + timedelta(days=30), by=Time.EVENT)
    figures = value_in(reader, outcomes, window, RULE, COSTS)
    assert (figures.decisions, figures.outcomes) == (1_000, 800)
    prices = Prices(false_positive=100, false_negative=400, true_positive=50)
    assert figures.cost / 800 == pytest.approx(expected_cost_at(late[:800], chances[:800], prices, 0.2))
    first = value_in(reader, outcomes, window, RULE, COSTS, as_of=before)
    assert first.true_positive == figures.false_positive
    with pytest.raises(InvalidInput):
        value_in(reader, outcomes, window, RULE.model_copy(update={"outcome": "arrival"}), COSTS)
    with pytest.raises(InvalidInput):
        value_in(reader, outcomes, window, RULE.model_copy(update={"score": "odds"}), COSTS)


def test_what_cannot_be_valued_is_counted_and_said() -> None:
    table = pa.table(
        {
            "output": ['{"hold":"yes"}', '{"hold":"no"}', "{}", '{"hold":"yes"}', '{"hold":"yes"}', None],
            "outcome_values": ['{"late":1}', '{"late":1}', '{"late":1}', '{"cancelled":true}', None, '{"late":0}'],
        }
    )
    rule = DecisionRule(outcome="late", prediction="hold", positive="yes")
    figures = value_of(table, rule, COSTS)
    assert (figures.decisions, figures.outcomes, figures.true_positive, figures.false_negative) == (5, 2, 1, 1)
    with pytest.raises(InvalidInput, match="neither yes nor no"):
        value_of(table, rule.model_copy(update={"positive": None}), COSTS)


def test_time_to_the_first_decision(tmp_path: Path) -> None:
    version = "sha256:" + "a" * 64
    registered = datetime(2026, 1, 1, tzinfo=UTC)
    reader = DecisionReader(tmp_path / "log")
    assert time_to_first_decision(registered, first_decision(reader, Window(versions=(version,)))) is None
    log_of(tmp_path, [0.1, 0.2])
    assert time_to_first_decision(registered, first_decision(reader, Window(versions=(version,)))) == timedelta(days=1)
    assert first_decision(reader, Window(versions=("sha256:" + "b" * 64,))) is None
    with pytest.raises(InvalidInput):
        time_to_first_decision(registered + timedelta(days=9), first_decision(reader, Window(endpoint="hold")))
