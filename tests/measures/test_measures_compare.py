"""Intervals are the published ones, and cover what they promise to cover."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelyard.core.errors import InvalidInput
from modelyard.measures import (
    ConfidenceSequence,
    Moments,
    mean_difference,
    mean_difference_sequence,
    proportion,
    proportion_difference,
)
from modelyard.measures.compare import student_t_quantile

quick = settings(max_examples=60, deadline=None)
confidences = st.floats(0.5, 0.999)


@quick
@given(st.integers(1, 500), st.floats(0, 1), confidences)
def test_wilson_agrees_with_scipy(rows: int, share: float, confidence: float) -> None:
    successes = round(share * rows)
    theirs = stats.binomtest(successes, rows).proportion_ci(confidence, method="wilson")
    ours = proportion(successes, rows, confidence=confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_newcombe_gives_the_published_examples(a: int, m: int, b: int, n: int, low: float, high: float) -> None:
    found = proportion_difference(b, n, a, m)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@quick
@given(st.integers(0, 2**32 - 1), confidences)
def test_welch_agrees_with_scipy(seed: int, confidence: float) -> None:
    random = np.random.default_rng(seed)
    champion = random.normal(0, 1, int(random.integers(2, 50)))
    challenger = random.normal(1, 4, int(random.integers(2, 50)))
    theirs = stats.ttest_ind(challenger, champion, equal_var=False).confidence_interval(confidence)
    ours = mean_difference(Moments.of(champion), Moments.of(challenger), confidence=confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-8)


@quick
@given(st.floats(0.5, 0.99999), st.floats(0.5, 1e6))
def test_t_quantiles_agree_with_scipy(share: float, freedom: float) -> None:
    assert student_t_quantile(share, freedom) == pytest.approx(float(stats.t.ppf(share, freedom)), rel=1e-7, abs=1e-9)


@quick
@given(st.lists(st.lists(st.floats(-2, 3), max_size=20), max_size=6))
def test_a_sequence_does_not_depend_on_the_batches(batches: list[list[float]]) -> None:
    start = ConfidenceSequence.start(-2, 3)
    step = start
    for batch in batches:
        step = step.update(batch)
    whole = start.update([x for batch in batches for x in batch])
    assert (step.interval.low, step.interval.high) == pytest.approx((whole.interval.low, whole.interval.high))
    assert -2 <= whole.interval.low <= whole.interval.estimate <= whole.interval.high <= 3


def by_the_paper(values: list[float], alpha: float) -> tuple[float, float]:
    """Waudby-Smith and Ramdas 2023, Theorem 2, row by row, on values between 0 and 1."""
    low, high = 0.0, 1.0
    bets = weighted = penalty = 0.0
    seen: list[float] = []
    guesses = [0.5]  # the estimates of the mean before each row
    for t, x in enumerate(values, start=1):
        variance = (0.25 + sum((y - g) ** 2 for y, g in zip(seen, guesses[1:], strict=True))) / t
        bet = min(math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(1 + t))), 0.5)
        bets, weighted = bets + bet, weighted + bet * x
        penalty += 4 * (x - guesses[-1]) ** 2 * (-math.log(1 - bet) - bet) / 4
        seen.append(x)
        guesses.append((0.5 + sum(seen)) / (t + 1))
        margin = (math.log(2 / alpha) + penalty) / bets
        low, high = max(low, weighted / bets - margin), min(high, weighted / bets + margin)
    return low, high


@quick
@given(st.integers(0, 2**32 - 1))
def test_a_sequence_is_the_papers(seed: int) -> None:
    values = np.random.default_rng(seed).beta(2, 5, 60).tolist()
    found = ConfidenceSequence.start(0, 1, confidence=0.8).update(values).interval
    assert (found.low, found.high) == pytest.approx(by_the_paper(values, 0.2))


def miss_rate(draw: Any, mean: float, low: float, high: float, confidence: float) -> float:
    """How often, over 400 runs, the bounds ever exclude the true mean within 2000 rows (bounds only shrink)."""
    misses = 0
    for seed in range(400):
        values = draw(np.random.default_rng(seed), 2000)
        found = ConfidenceSequence.start(low, high, confidence=confidence).update(values).interval
        misses += not found.low <= mean <= found.high
    return misses / 400


@pytest.mark.parametrize("chance", [0.5, 0.05])
def test_a_sequence_holds_at_all_times_at_once(chance: float) -> None:
    assert miss_rate(lambda random, n: random.random(n) < chance, chance, 0, 1, 0.9) <= 0.1


def test_a_fixed_interval_looked_at_all_the_time_does_not() -> None:
    """Why the sequence is needed: the same promise, peeked at, is broken far more often."""
    misses = 0
    for seed in range(200):
        hits = np.cumsum(np.random.default_rng(seed).random(2000) < 0.5)
        looks = [proportion(int(hits[n - 1]), n, confidence=0.9) for n in range(20, 2001, 20)]
        misses += any(not look.low <= 0.5 <= look.high for look in looks)
    assert misses / 200 > 0.3


def test_bounds_narrow_with_rows_and_with_a_smaller_variance() -> None:
    random = np.random.default_rng(0)

    def width(values: Any) -> float:
        interval = ConfidenceSequence.start(0, 1).update(values).interval
        return interval.high - interval.low

    fair, rare = random.random(50_000) < 0.5, random.random(50_000) < 0.01
    assert width(fair[:500]) > 2 * width(fair[:5_000]) > 4 * width(fair)
    assert width(rare) < width(fair) / 3
    assert width(fair) < 0.03


def test_a_better_challenger_is_found_and_an_equal_one_is_not() -> None:
    random = np.random.default_rng(8)
    start = ConfidenceSequence.start(0, 1, confidence=0.975)
    champion = start.update(random.random(20_000) < 0.20)
    better, equal = start.update(random.random(5_000) < 0.30), start.update(random.random(5_000) < 0.20)
    found = mean_difference_sequence(champion, better)
    assert 0 < found.low < 0.1 < found.high
    assert found.confidence == pytest.approx(0.95)
    none = mean_difference_sequence(champion, equal)
    assert none.low < 0 < none.high


def test_before_the_first_row_nothing_is_known() -> None:
    interval = ConfidenceSequence.start(10, 20).interval
    assert (interval.low, interval.high) == (10, 20)


def test_constant_values_still_have_bounds() -> None:
    found = ConfidenceSequence.start(0, 1).update(np.ones(1000)).interval
    assert found.high == 1
    assert 0.97 < found.low < 1


@pytest.mark.parametrize(
    "act",
    [
        lambda: proportion(1, 0),
        lambda: proportion(3, 2),
        lambda: proportion(1, 2, confidence=1.0),
        lambda: Moments.of([1.0]),
        lambda: Moments.of([1.0, math.nan]),
        lambda: mean_difference(Moments(2, 1.0, 0.0), Moments(2, 1.0, 0.0)),
        lambda: mean_difference(Moments(1, 1.0, 1.0), Moments(2, 1.0, 0.0)),
        lambda: ConfidenceSequence.start(1, 1),
        lambda: ConfidenceSequence.start(0, math.inf),
        lambda: ConfidenceSequence.start(0, 1).update([1.5]),
        lambda: ConfidenceSequence.start(0, 1).update([math.nan]),
        lambda: student_t_quantile(0.3, 5),
    ],
)
def test_what_cannot_be_compared_is_refused(act: Any) -> None:
    with pytest.raises(InvalidInput):
        act()
