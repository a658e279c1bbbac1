"""Frames of Dask and Spark: the same answers as files, logged once however often they are computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelyard
from modelyard.core.errors import InvalidInput, ModelyardError, NotApproved
from modelyard.runtime.batch import Batches
from tests.batch.batch_stage import Stage, rows
from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".cache" / "envs" / "spark"


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    return {
        "source": str(stage.plane.published),
        "trust_roots": str(stage.plane.roots),
        "log": str(stage.place.log),
        "home": str(stage.folder / "workers"),
    } | more


def require_same(stage: Stage, answers: Any) -> None:
    """What the frame says is what a batch of files says, and what is logged."""
    log = stage.logged()
    by_id = dict(zip(log["id"].to_pylist(), log["output"].to_pylist(), strict=True))
    assert len(by_id) == log.num_rows == len(answers)
    assert set(answers["decision_id"]) == set(by_id)
    assert set(answers["version"]) == {"ver_1"}
    other = Stage(stage.folder / "files")
    Batches(other.place).run(other.order(other.write(rows(len(answers)))))
    wanted = other.output().to_pandas().set_index("customer")["prediction"]
    found = answers.set_index("customer")["prediction"]
    assert np.array_equal(found.sort_index().to_numpy(), wanted.sort_index().to_numpy())


@pytest.mark.slow
def test_dask_frames_on_threads(stage: Stage) -> None:
    import dask.dataframe as dd

    frame = dd.from_pandas(rows(500).to_pandas(), npartitions=4)
    answers = modelyard.dask(frame, "hold", **options(stage, keep=("customer",)))
    assert list(answers.columns) == ["customer", "prediction", "decision_id", "arm", "version"]
    answers.compute(scheduler="threads")
    require_same(stage, answers.compute(scheduler="synchronous"))


@pytest.mark.slow
def test_dask_frames_on_a_cluster(stage: Stage) -> None:
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster):
        frame = dd.from_pandas(rows(500).to_pandas(), npartitions=4)
        require_same(stage, modelyard.dask(frame, "hold", **options(stage)).compute())


@pytest.mark.slow
def test_frames_are_held_to_the_same_rules(stage: Stage) -> None:
    import dask.dataframe as dd

    frame = dd.from_pandas(rows(50).to_pandas(), npartitions=1)
    stage.plane.publish(stage.plane.endpoint(stage.champion, tier="high"))
    with pytest.raises(NotApproved, match="every decision is logged"):
        modelyard.dask(frame, "hold", **options(stage, log=None))
    with pytest.raises(InvalidInput, match="the data frame has no column 'b'"):
        modelyard.dask(frame[["a"]], "hold", **options(stage))
    far = frame.assign(b=1000.0)
    with pytest.raises(InvalidInput, match=r"partition 0, row 0: 'b' 1000\.0 is outside -100 to 100"):
        modelyard.dask(far, "hold", **options(stage)).compute(scheduler="synchronous")
    stage.plane.publish(stage.plane.endpoint(stage.champion), revoked=(stage.champion.release,))
    with pytest.raises(ModelyardError, match="revoked"):
        modelyard.dask(frame, "hold", **options(stage))
    assert stage.logged().num_rows == 0


def spark_python() -> Path:
    """The interpreter of an environment with Spark, made from its lock when there is none."""
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / ".ready"
    lock = ROOT / "locks" / "spark.txt"
    if ready.exists() and ready.stat().st_mtime >= lock.stat().st_mtime:
        return python
    uv = Path(sys.executable).with_name("uv")
    try:
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, ENVIRONMENT], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", python, lock], check=True)
        ours = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *ours], check=True)
        subprocess.run(["java", "-version"], check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        skip_or_fail("spark", f"Spark cannot be installed or has no Java: {error}")
    ready.touch()
    return python


@pytest.mark.slow
def test_spark_frames(stage: Stage) -> None:
    import pandas as pd

    python = spark_python()
    source = stage.write(rows(500))
    target = stage.folder / "spark.parquet"
    told = [f"{name}={value}" for name, value in options(stage).items()]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": str(python)}
    command = [python, "-m", "tests.batch.batch_on_spark", str(source), str(target), *told]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    require_same(stage, pd.read_parquet(target))
