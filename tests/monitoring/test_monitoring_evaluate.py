"""Drift is found where it is and not where it is not; figures are those of the measures; too few rows is a state of its own."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_yard import SIGNATURE, Columns, baselines, flights, profile, table

from modelyard.catalog.profile import Tier
from modelyard.core.clock import ManualClock
from modelyard.measures import MEASURES
from modelyard.monitoring import (
    CreateMonitor,
    Figure,
    FigureLevel,
    Monitor,
    Placement,
    RunFigures,
    RunStatus,
    autoconfigure,
    evaluate,
)
from modelyard.monitoring.columns import numbers, objects
from modelyard.monitoring.model import check_monitor


def as_monitor(command: CreateMonitor, **changes: Any) -> Monitor:
    fields = {name: getattr(command, name) for name in CreateMonitor.model_fields} | changes
    return check_monitor(Monitor(id="mon_1", created_at=ManualClock().now(), **fields | {"owner": "anna"}))


def monitors(sample: Columns, tier: Tier | None = Tier.MEDIUM, **more: Any) -> dict[str, Monitor]:
    found = autoconfigure(
        SIGNATURE,
        profile(sample, baselines=baselines(sample)),
        tier,
        Placement("m", "connections", "hold", **more),
        outcome="late",
    )
    return {c.name.removeprefix("m-"): as_monitor(c) for c in found}


@pytest.fixture(scope="module")
def reference() -> Columns:
    return flights(np.random.default_rng(1), 20_000)


def breaches(found: RunFigures) -> set[tuple[str, str]]:
    return {(f.measure, f.field) for f in found.figures if f.level.breach}


def figure(found: RunFigures, measure: str, field: str = "") -> Figure:
    return next(f for f in found.figures if (f.measure, f.field, f.segment) == (measure, field, ""))


def test_drift_is_found_where_it_is_and_nowhere_else(reference: Columns) -> None:
    now = flights(np.random.default_rng(2), 8_000, warmer=6, newcomers=0.2)
    found = evaluate(monitors(reference)["inputs"], profile(reference), table(now))
    fields = {field for _, field in breaches(found)}
    assert fields == {"inputs.temperature", "inputs.carrier"}
    assert {m for m, f in breaches(found) if f == "inputs.temperature"} == {"psi", "ks", "w1_normalised"}
    assert {m for m, f in breaches(found) if f == "inputs.carrier"} == {"psi", "js", "unseen_category_rate"}
    assert found.status is RunStatus.BREACH


def test_figures_agree_with_the_measures_over_the_raw_columns(reference: Columns) -> None:
    now = flights(np.random.default_rng(3), 8_000, warmer=3)
    found = evaluate(monitors(reference)["inputs"], profile(reference), table(now))
    old, new = (s["temperature"][~np.isnan(s["temperature"])] for s in (reference, now))
    ks = figure(found, "ks", "inputs.temperature")
    exact = MEASURES["ks"].compute(reference=old, current=new)
    assert ks.low is not None
    assert ks.high is not None
    assert ks.low - 1e-12 <= exact <= ks.high + 1e-12
    psi = figure(found, "psi", "inputs.pressure").value
    assert psi == pytest.approx(MEASURES["psi"].compute(reference=reference["pressure"], current=now["pressure"]), abs=3e-3)
    assert figure(found, "null_rate", "inputs.temperature").value == np.isnan(now["temperature"]).mean()


def test_performance_agrees_with_the_measures_and_only_counts_rows_with_outcomes(reference: Columns) -> None:
    now = flights(np.random.default_rng(4), 6_000)
    found = evaluate(monitors(reference)["performance"], None, table(now, outcomes=0.75))
    label, score = now["late"][:4500], now["chance"][:4500]
    assert found.rows == 6000
    assert found.outcomes == 4500
    assert figure(found, "roc_auc").value == pytest.approx(MEASURES["roc_auc"].compute(label=label, score=score))
    assert figure(found, "ece").value == pytest.approx(MEASURES["ece"].compute(label=label, score=score))
    assert figure(found, "accuracy").value == pytest.approx(((score >= 0.5) == label).mean())
    assert found.status is RunStatus.OK


def test_a_model_gone_bad_breaches_its_performance(reference: Columns) -> None:
    now = flights(np.random.default_rng(5), 6_000)
    now["chance"] = 1 - now["chance"]
    found = evaluate(monitors(reference)["performance"], None, table(now))
    assert {m for m, _ in breaches(found)} == {"accuracy", "roc_auc", "log_loss", "ece"}
    worst = figure(found, "log_loss").examples[0]
    row = int(worst[1:])
    gap = np.abs(now["chance"] - now["late"])
    assert gap[row] == gap.max()


def test_too_few_rows_and_no_rows_are_insufficient(reference: Columns) -> None:
    for rows in (0, 40):
        now = flights(np.random.default_rng(6), rows)
        for monitor in monitors(reference).values():
            found = evaluate(monitor, profile(reference), table(now))
            assert found.status is RunStatus.INSUFFICIENT
            assert all(f.detail for f in found.figures)


def test_performance_waits_for_its_outcomes(reference: Columns) -> None:
    now = flights(np.random.default_rng(7), 6_000)
    found = evaluate(monitors(reference)["performance"], None, table(now, outcomes=0.2))
    assert found.status is RunStatus.INSUFFICIENT
    assert "20% of the decisions" in found.figures[0].detail


@pytest.mark.parametrize("rows", [600, 2_000])
def test_few_false_alarms_on_stationary_data(reference: Columns, rows: int) -> None:
    """Twenty-five windows without drift under the default lines: at most one alarm in several hundred figures."""
    watching, before = monitors(reference), profile(reference)
    rng = np.random.default_rng(rows)
    alarms = judged = 0
    for _ in range(25):
        now = table(flights(rng, rows))
        for monitor in watching.values():
            found = evaluate(monitor, before, now)
            alarms += len(breaches(found))
            judged += sum(f.level is not FigureLevel.INSUFFICIENT for f in found.figures)
    assert judged > 400
    assert alarms <= 1


def test_a_field_of_many_categories_does_not_cry_wolf() -> None:
    """Three hundred rare categories in 600 rows: the bare PSI is far beyond its line, by chance alone."""
    rng = np.random.default_rng(8)
    shares = 1 / np.arange(1, 301)
    names = np.array([f"c{n}" for n in range(300)], dtype=object)
    samples = []
    for rows in (20_000, *[600] * 20):
        sample = flights(rng, rows)
        samples.append(sample | {"carrier": rng.choice(names, rows, p=shares / shares.sum())})
    monitor, before = monitors(samples[0])["inputs"], profile(samples[0])
    founds = [evaluate(monitor, before, table(sample)) for sample in samples[1:]]
    drift = [figure(found, "psi", "inputs.carrier") for found in founds]
    assert max(f.value or 0 for f in drift) > 0.1
    assert not any(f.level.breach for f in drift)
    moved = samples[1] | {"carrier": rng.choice(names[::-1], 600, p=shares / shares.sum())}
    assert ("psi", "inputs.carrier") in breaches(evaluate(monitor, before, table(moved)))


def test_examples_show_the_breach(reference: Columns) -> None:
    now = flights(np.random.default_rng(9), 5_000, newcomers=0.2)
    now["hour"][:1000] = 99
    found = evaluate(monitors(reference)["inputs"], profile(reference), table(now))
    for measure, field, bad in (
        ("unseen_category_rate", "inputs.carrier", now["carrier"] == "ZZ"),
        ("psi", "inputs.carrier", now["carrier"] == "ZZ"),
        ("out_of_range_rate", "inputs.hour", now["hour"] == 99),
    ):
        examples = figure(found, measure, field).examples
        assert len(examples) == 5
        assert all(bad[int(i[1:])] for i in examples), measure


def test_segments_are_judged_by_themselves(reference: Columns) -> None:
    now = flights(np.random.default_rng(10), 20_000)
    wrong = now["carrier"] == "UA"
    now["chance"] = np.where(wrong, 1 - now["chance"], now["chance"])
    everything = monitors(reference)
    monitor = as_monitor(
        autoconfigure(
            SIGNATURE, profile(reference, baselines=baselines(reference)), None, Placement("m", "c", "hold"), outcome="late"
        )[2],
        segments=("inputs.carrier",),
        fields=everything["inputs"].fields,
    )
    found = evaluate(monitor, None, table(now))
    bad = {f.segment for f in found.figures if f.measure == "roc_auc" and f.level.breach}
    assert "inputs.carrier=UA" in bad
    assert "inputs.carrier=B6" not in bad


def test_lines_stand_by_tier_and_say_why(reference: Columns) -> None:
    lines = {}
    for tier in Tier:
        watch = next(w for w in monitors(reference, tier)["inputs"].watches if w.measure == "psi")
        lines[tier] = watch.warning
        assert "Siddiqi" in watch.reason
    assert lines[Tier.HIGH] < lines[Tier.MEDIUM] == 0.1 < lines[Tier.LOW]
    assert all(w.reason for m in monitors(reference).values() for w in m.watches)


def test_what_is_watched_follows_from_the_roles(reference: Columns) -> None:
    watched = {(w.measure, w.field) for w in monitors(reference)["inputs"].watches}
    assert not any(field == "inputs.flight" for _, field in watched)
    assert ("null_rate", "inputs.note") in watched
    assert not any(m in ("psi", "js") for m, field in watched if field == "inputs.note")
    assert ("out_of_range_rate", "inputs.hour") in watched
    assert {(w.measure, w.field) for w in monitors(reference)["output"].watches} == {
        (m, "output.chance") for m in ("psi", "ks", "w1_normalised")
    }


def test_rows_that_hold_no_object_are_counted_and_read_as_empty(reference: Columns) -> None:
    now = table(flights(np.random.default_rng(11), 1_000))
    inputs = now["inputs"].to_pylist()
    inputs[3], inputs[4], inputs[5] = "{broken", "[1]", "1},{"
    place = now.schema.get_field_index("inputs")
    found = evaluate(monitors(reference)["inputs"], profile(reference), now.set_column(place, "inputs", [inputs]))
    assert found.unreadable == 3
    assert figure(found, "null_rate", "inputs.pressure").value == 0.003


VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUES) | st.none() | st.just("x"), max_size=20))
def test_decoding_together_is_decoding_one_by_one(rows: list[Any]) -> None:
    texts = [None if r is None else json.dumps(r, indent=1) for r in rows]
    found, bad = objects(texts)
    assert found == [r if isinstance(r, dict) else {} for r in rows]
    assert bad == sum(isinstance(r, str) for r in rows)


def test_of_class_probabilities_the_last_counts() -> None:
    assert numbers([{"p": [0.9, 0.1]}, {"p": [0.4, 0.6]}], "p").tolist() == [0.1, 0.6]
    assert numbers([{"p": [0.9, 0.1]}, {"p": 0.3}, {}], "p").tolist()[:2] == [0.1, 0.3]


def test_a_month_of_flights_takes_about_a_second(reference: Columns) -> None:
    """28,000 rows; the bound is loose because machines are shared (CPU time, not wall time)."""
    now, watching, before = table(flights(np.random.default_rng(12), 28_000)), monitors(reference), profile(reference)
    began = time.process_time()
    for monitor in watching.values():
        evaluate(monitor, before, now)
    spent = time.process_time() - began
    assert spent < 4, spent
