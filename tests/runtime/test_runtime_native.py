"""A model that is not ONNX is served from a child process; more than one worker shares a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.trust.statements import Arm, ArmRole


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tiny XGBoost regression of two fields, as JSON."""
    import xgboost

    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 2)).astype("float32")
    data = xgboost.DMatrix(x, label=x[:, 0] * 2 + x[:, 1], feature_names=["a", "b"])
    path = tmp_path_factory.mktemp("booster") / "model.json"
    xgboost.train({"max_depth": 3, "nthread": 1}, data, 10).save_model(path)
    return path.read_bytes()


@pytest.mark.slow
def test_a_native_model_and_two_workers(booster: bytes, tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    manifest = plane.version(booster, SIGNATURE, "xgboost-json")
    release = plane.release(manifest, "5")
    champion = Arm(name="native", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
    plane.publish(plane.endpoint(champion, plane.arm(0.0, "1", "fallback", 0.0)))
    running = RunningRuntime(plane, tmp_path / "home", None, "--workers", "2")
    try:
        running.at_epoch(1)
        running.until(lambda: len(list((tmp_path / "home" / "decisions").glob("*/lock"))) == 2, "two writers")
        ids: list[str] = []
        for _ in range(10):
            answer = running.infer(3).json()
            assert answer["parameters"]["groups"][0]["role"] == "champion", answer
            ids += answer["parameters"]["decision_ids"]
        assert answer["outputs"][0]["data"][0] < answer["outputs"][0]["data"][2]
    finally:
        assert running.stop() == 0
    assert sorted(DecisionReader(tmp_path / "home" / "decisions").scan(Window(), ["id"])["id"].to_pylist()) == sorted(ids)
