"""Answers of every shape meet their outcomes: scores, labels, both, class probabilities, numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelyard.core.clock import ManualClock
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.measures import MEASURES
from modelyard.monitoring import (
    CreateMonitor,
    FigureLevel,
    Monitor,
    Placement,
    RunFigures,
    autoconfigure,
    evaluate,
    make_profile,
    watched_fields,
)

RNG = np.random.default_rng(1)
TRUTH = RNG.random(3_000) < 0.4
CHANCE = np.clip(0.3 + 0.4 * TRUTH + RNG.normal(0, 0.15, 3_000), 0, 1)
GUESS = CHANCE >= 0.5
SCORE = FieldSpec(name="score", type=DataType.FP32, role=Role.SCORE, minimum=0, maximum=1)
PAIR = FieldSpec(name="score", type=DataType.FP32, role=Role.SCORE, shape=(2,))
LABEL = FieldSpec(name="label", type=DataType.BYTES, role=Role.LABEL, allowed=("late", "fine"), positive="late")
NUMBER = FieldSpec(name="minutes", type=DataType.FP64, role=Role.AMOUNT)


def named(flags: Any) -> list[str]:
    return ["late" if flag else "fine" for flag in flags]


def performance(
    outputs: tuple[FieldSpec, ...],
    rows: list[dict[str, Any]],
    outcomes: list[Any],
    baselines: dict[str, float] | None = None,
    **more: Any,
) -> RunFigures:
    signature = Signature(inputs=(), outputs=outputs)
    columns = {spec.name: np.array([row[spec.name] for row in rows]) for spec in outputs}
    profile = make_profile(watched_fields(signature), {}, columns, baselines=baselines)
    command = autoconfigure(signature, profile, None, Placement("m", "c", "e"), outcome="truth", **more)[-1]
    assert command.name == "m-performance"
    fields = {name: getattr(command, name) for name in CreateMonitor.model_fields} | {"owner": "anna"}
    table = pa.table(
        {
            "id": [str(n) for n in range(len(rows))],
            "inputs": ["{}"] * len(rows),
            "output": [json.dumps(row) for row in rows],
            "manifest": ["sha256:a"] * len(rows),
            "answered_arm": ["champion"] * len(rows),
            "outcome_values": [json.dumps({"truth": value}) for value in outcomes],
            "outcome_correction": pa.array([0] * len(rows), pa.int32()),
        }
    )
    return evaluate(Monitor(id="mon", created_at=ManualClock().now(), **fields), profile, table)


def values(found: RunFigures) -> dict[str, float | None]:
    assert all(f.level is not FigureLevel.INSUFFICIENT for f in found.figures), found.figures
    return {f.measure: f.value for f in found.figures}


def test_a_label_beside_a_score_is_the_answer() -> None:
    always_late = [{"score": p, "label": "late"} for p in CHANCE.tolist()]
    found = values(performance((SCORE, LABEL), always_late, named(TRUTH), outcome_positive="late"))
    assert found["accuracy"] == pytest.approx(TRUTH.mean())
    assert found["roc_auc"] == pytest.approx(MEASURES["roc_auc"].compute(label=TRUTH, score=CHANCE))


def test_class_probabilities_give_the_score_of_the_positive_class() -> None:
    rows = [{"score": [1 - p, p]} for p in CHANCE.tolist()]
    found = values(performance((PAIR,), rows, TRUTH.tolist()))
    assert found["log_loss"] == pytest.approx(MEASURES["log_loss"].compute(label=TRUTH, score=CHANCE))
    assert found["accuracy"] == pytest.approx((GUESS == TRUTH).mean())


def test_a_label_alone_has_an_accuracy() -> None:
    found = values(performance((LABEL,), [{"label": name} for name in named(GUESS)], TRUTH.astype(int).tolist()))
    assert found == {"accuracy": pytest.approx((GUESS == TRUTH).mean())}


def test_a_number_is_judged_by_its_error() -> None:
    truth = RNG.normal(30, 10, 3_000)
    rows = [{"minutes": value} for value in (truth + RNG.normal(0, 2, 3_000)).tolist()]
    good = performance((NUMBER,), rows, truth.tolist(), baselines={"rmse": 2.0, "mae": 1.6})
    assert values(good)["rmse"] == pytest.approx(2, rel=0.1)
    assert not any(f.level.breach for f in good.figures)
    bad = performance((NUMBER,), [{"minutes": 30.0}] * 3_000, truth.tolist(), baselines={"rmse": 2.0, "mae": 1.6})
    assert {f.level for f in bad.figures} == {FigureLevel.CRITICAL}


@pytest.mark.parametrize("outcomes", [["maybe"] * 3_000, [None] * 3_000, [*TRUTH[:2_999].tolist(), "?"]])
def test_an_outcome_that_is_neither_yes_nor_no_is_said(outcomes: list[Any]) -> None:
    found = performance((SCORE,), [{"score": p} for p in CHANCE.tolist()], outcomes)
    assert {f.level for f in found.figures} == {FigureLevel.INSUFFICIENT}
    assert all("neither yes nor no" in f.detail or "no row has both" in f.detail for f in found.figures)


def test_one_row_without_a_score_does_not_blind_the_monitor() -> None:
    rows = [{"score": None if n == 5 else p} for n, p in enumerate(CHANCE.tolist())]
    outcomes = [None if n == 7 else bool(value) for n, value in enumerate(TRUTH)]
    found = performance((SCORE,), rows, outcomes)
    kept = np.delete(np.arange(3_000), [5, 7])
    assert {f.rows for f in found.figures} == {2_998}
    assert values(found)["roc_auc"] == pytest.approx(MEASURES["roc_auc"].compute(label=TRUTH[kept], score=CHANCE[kept]))
