"""Money is counted by the costs of the use case, for all arms alike."""

from __future__ import annotations

import numpy as np
import pytest

from examples.flights.money import Books
from modelyard.measures.cost import CostMatrix, expected_cost_at
from modelyard.value.model import Baseline

COSTS = CostMatrix(false_positive=150, false_negative=600)
LABEL = np.array([1.0, 1.0, 0.0, 0.0, np.nan, np.nan])
SCORE = np.array([0.9, 0.1, 0.2, 0.19, 0.9, 0.0])
ALL = np.ones(6, dtype=bool)


def test_a_hold_from_the_threshold_on_and_flights_without_an_outcome_cost_nothing() -> None:
    books = Books(LABEL, COSTS)
    assert books.threshold == pytest.approx(0.2)
    assert books.of(SCORE, ALL).tolist() == [0, 600, 150, 0]
    assert books.total(SCORE, ALL) == 750
    assert books.never(ALL) == 1200


def test_totals_are_those_of_the_measure() -> None:
    random = np.random.default_rng(3)
    score = random.random(1_000)
    label = (random.random(1_000) < score / 3).astype(float)
    books = Books(label, COSTS)
    assert books.total(score, np.ones(1_000, dtype=bool)) / 1_000 == pytest.approx(
        expected_cost_at(label, score, COSTS, books.threshold)
    )


def test_the_ledger_entry_says_the_same() -> None:
    books = Books(LABEL, COSTS)
    figures = books.figures(SCORE, ALL)
    assert (figures.decisions, figures.outcomes) == (6, 4)
    assert figures.cost == 750
    assert figures.gain(Baseline.NEVER) == 450


def test_a_cheaper_challenger_has_an_interval_below_zero() -> None:
    random = np.random.default_rng(5)
    label = (random.random(20_000) < 0.2).astype(float)
    good = np.where(random.random(20_000) < 0.8, label, 1 - label)
    poor = np.where(random.random(20_000) < 0.6, label, 1 - label)
    champion = np.arange(20_000) < 16_000
    found, (before, after) = Books(label, COSTS).compare(np.where(champion, poor, good), champion, ~champion)
    assert found.high < 0
    assert found.estimate == pytest.approx(after.mean - before.mean)
    assert (before.count, after.count) == (16_000, 4_000)
