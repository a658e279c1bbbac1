"""What happens on the way to an answer is watched as well: which rules fire, which have fallen silent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import monitor_yard
import numpy as np
import pytest
from monitor_yard import SIGNATURE, VERSION, Columns, MonitorYard, flights, month

from modelyard.catalog.profile import Tier
from modelyard.core.errors import InvalidInput
from modelyard.core.records import Storage
from modelyard.monitoring import (
    FigureLevel,
    Placement,
    ReferenceProfile,
    WindowKind,
    WindowSpec,
    autoconfigure,
    make_profile,
    observed_fields,
    watched_fields,
)
from modelyard.monitoring.loop import MOST_OBSERVED

TABLES = monitor_yard.TABLES


def rules_of(hours: np.ndarray) -> np.ndarray:
    """A table of three rules over the hour, as a kind would observe it."""
    return np.where(hours < 8, "1", np.where(hours < 16, "2", "3")).astype(object)


class Rules:
    """An observer that reads the hour from the log; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def observe(self, manifest: str, inputs: Sequence[str | None]) -> list[str | None]:
        self.asked.append((manifest, len(inputs)))
        hours = np.array([json.loads(row or "{}")["hour"] for row in inputs])
        return [json.dumps({"Hours": rule}) for rule in rules_of(hours)]


def profile_of(sample: Columns) -> ReferenceProfile:
    observed = {"Hours": rules_of(sample["hour"])}
    fields = (*watched_fields(SIGNATURE), *observed_fields(observed))
    return make_profile(fields, sample, sample, observed, source="training")


@pytest.fixture
def adapter() -> str:
    return "memory"


@pytest.fixture
def yard(storage: Storage, tmp_path: Path) -> MonitorYard:
    return MonitorYard(storage, tmp_path)


def watched(yard: MonitorYard, sample: Columns) -> None:
    found = profile_of(sample)
    yard.blobs.put(found.encode())
    placement = Placement("hold", "connections", "hold", version=VERSION, window=WindowSpec(kind=WindowKind.MONTH))
    for command in autoconfigure(SIGNATURE, found, Tier.MEDIUM, placement):
        if command.name == "hold-observed":
            yard.do(command)


def test_rules_are_watched_without_being_asked_for() -> None:
    commands = autoconfigure(
        SIGNATURE, profile_of(flights(np.random.default_rng(1), 2_000)), Tier.LOW, Placement("hold", "connections", "hold")
    )
    observed = next(c for c in commands if c.name == "hold-observed")
    assert {w.measure for w in observed.watches} == {"psi", "js", "silent_categories", "unseen_category_rate"}
    assert [f.path for f in observed.fields] == ["observed.Hours"]
    silent = next(w for w in observed.watches if w.measure == "silent_categories")
    assert (silent.warning, silent.critical) == (1, 3)


def test_a_rule_that_stopped_firing_is_an_alert_and_others_are_not(yard: MonitorYard) -> None:
    rng = np.random.default_rng(3)
    reference, calm, early_gone = (flights(rng, 3_000) for _ in range(3))
    early_gone["hour"] = np.maximum(early_gone["hour"], 8)
    watched(yard, reference)
    yard.log(calm, month(1), "a")
    yard.log(early_gone, month(2), "b")
    yard.clock.advance(timedelta(days=90))
    observer = Rules()
    watchman = yard.watchman()
    watchman.observer = observer
    first, second = watchman.run_due(as_of=month(3))
    assert {f.level for f in first.figures} == {FigureLevel.OK}
    silent = next(f for f in second.figures if f.measure == "silent_categories")
    assert (silent.level, silent.value, silent.field) == (FigureLevel.WARNING, 1, "observed.Hours")
    assert observer.asked == [(VERSION, 3_000), (VERSION, 3_000)]
    assert any(a.key == "silent_categories|observed.Hours|" for a in yard.alerts())


def test_without_anybody_to_observe_nothing_is_judged_and_it_says_so(yard: MonitorYard) -> None:
    sample = flights(np.random.default_rng(3), 1_000)
    watched(yard, sample)
    yard.log(sample, month(1), "a")
    (run,) = yard.watchman().run_due(as_of=month(2))
    assert {f.level for f in run.figures} == {FigureLevel.INSUFFICIENT}
    assert "nobody saw" in run.figures[0].detail


def test_of_a_large_window_a_part_is_seen_evenly_taken(yard: MonitorYard) -> None:
    reference = flights(np.random.default_rng(3), 2_000)
    many = flights(np.random.default_rng(4), MOST_OBSERVED + 5_000)
    watched(yard, reference)
    yard.log(many, month(1), "a")
    observer = Rules()
    watchman = yard.watchman()
    watchman.observer = observer
    (run,) = watchman.run_due(as_of=month(2))
    assert observer.asked == [(VERSION, MOST_OBSERVED)]
    assert next(f for f in run.figures if f.measure == "psi").rows == MOST_OBSERVED


def test_an_observer_that_fails_is_told(yard: MonitorYard) -> None:
    class Broken:
        def observe(self, manifest: str, inputs: Sequence[str | None]) -> list[str | None]:
            raise InvalidInput("the artifact is gone")

    sample = flights(np.random.default_rng(3), 1_000)
    watched(yard, sample)
    yard.log(sample, month(1), "a")
    watchman = yard.watchman()
    watchman.observer = Broken()
    with pytest.raises(InvalidInput, match="gone"):
        watchman.run_due(as_of=month(2))
