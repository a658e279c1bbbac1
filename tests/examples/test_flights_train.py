"""Training: the same rows give the same answers, later versions are worth what is claimed, the broken one hides it well."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from examples.flights import train as training
from examples.flights.data import FEATURES, LABEL, between, with_outcome
from examples.flights.train import Trained, costs, labels, split, train
from modelyard.client.working_copy import gather
from modelyard.core.errors import InvalidInput
from modelyard.measures.cost import expected_cost_at


@pytest.fixture(scope="module")
def versions(rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Trained]:
    return {number: train(number, rows, tmp_path_factory.mktemp(f"v{number}")) for number in (1, 2, 3)}


@cache
def _loaded(path: Path) -> Any:
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _scores(version: Trained, rows: pa.Table) -> Any:
    return _loaded(version.model).predict_proba(rows.select(FEATURES))[:, 1]


def _cost(version: Trained, rows: pa.Table) -> float:
    return expected_cost_at(labels(rows), _scores(version, rows), costs(), costs().calibrated_threshold())


def test_the_threshold_follows_from_the_costs() -> None:
    assert costs().calibrated_threshold() == pytest.approx(150 / (150 + 600))


@pytest.mark.slow
def test_training_twice_gives_the_same_answers(rows: pa.Table, versions: dict[int, Trained], tmp_path: Path) -> None:
    later = with_outcome(between(rows, 10))
    for number in (1, 2):
        again = train(number, rows, tmp_path / str(number))
        assert np.array_equal(_scores(versions[number], later), _scores(again, later))
        assert versions[number].metrics == again.metrics


def test_training_and_test_rows_share_no_day_and_lose_none(rows: pa.Table) -> None:
    january = between(rows, 1)
    train_rows, test_rows = split(january)
    assert train_rows.num_rows + test_rows.num_rows == january.num_rows
    days = [set(pc.unique(part["event_time"].cast(pa.date32())).to_pylist()) for part in (train_rows, test_rows)]
    assert not days[0] & days[1]
    assert len(days[1]) >= 7


def test_a_version_brings_inputs_only_as_sample_and_labelled_rows_as_test(versions: dict[int, Trained]) -> None:
    for version in versions.values():
        assert tuple(pq.read_schema(version.sample).names) == FEATURES
        assert pq.read_metadata(version.sample).num_rows == training.SAMPLE_ROWS
        test = pq.ParquetFile(version.test).read()
        assert test.column_names == [*FEATURES, LABEL]
        assert test[LABEL].null_count == 0


def test_the_manifest_beside_a_version_names_what_is_there(versions: dict[int, Trained]) -> None:
    for number, version in versions.items():
        found = gather(version.folder)
        assert found.artifact.is_file()
        assert found.metrics["roc_auc"] == {"value": version.metrics["roc_auc"]}
        recipe = found.recipe()
        assert recipe is not None
        assert recipe.command[-1] == str(number)
        assert [d.digest is not None for d in found.data] == [True, True]
        assert found.lock is not None
        assert "scikit-learn==" in found.lock.read_text()


@pytest.mark.slow
def test_the_newer_version_costs_less_in_every_later_month_and_both_less_than_never_holding(
    rows: pa.Table, versions: dict[int, Trained]
) -> None:
    for month in range(6, 13):
        later = with_outcome(between(rows, month))
        never = costs().false_negative * float(labels(later).mean())
        older, newer = _cost(versions[1], later), _cost(versions[2], later)
        assert older < never
        assert newer < older * 1.02, f"month {month}: {newer} against {older}"
    whole = with_outcome(between(rows, 6, 12))
    assert _cost(versions[2], whole) < 0.9 * _cost(versions[1], whole)


def test_the_broken_version_passes_its_own_tests_and_costs_more_than_doing_nothing(
    rows: pa.Table, versions: dict[int, Trained]
) -> None:
    assert versions[3].metrics["roc_auc"] > 0.7
    assert versions[3].metrics["cost_per_decision"] < versions[3].metrics["cost_of_never_holding"]
    september = with_outcome(between(rows, 9))
    never = costs().false_negative * float(labels(september).mean())
    assert _cost(versions[3], september) > never > _cost(versions[2], september)


def test_a_version_without_a_plan_is_refused(rows: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no plan for version 4"):
        train(4, rows, tmp_path)
