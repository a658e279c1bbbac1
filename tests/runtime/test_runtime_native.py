"""A model that is not ONNX is served from a child process; more than one worker shares a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime, looping_model

from modelyard.decisions import DecisionReader, Window
from modelyard.trust.statements import Arm, ArmRole, EndpointPolicy


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


def test_a_request_that_makes_an_onnx_model_work_for_ever_holds_up_nobody_else(tmp_path: Path) -> None:
    """Its engine has no limit of time: in the process of the others it would answer for none of them any more."""
    plane = ControlPlane(tmp_path)
    manifest = plane.version(looping_model(10.0))
    release = plane.release(manifest, "7")
    looping = Arm(name="looping", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
    other = plane.arm(20.0, "1", endpoints=("beside",))
    policy = EndpointPolicy(timeout=1.0)
    plane.publish(plane.endpoint(looping, policy=policy), plane.endpoint(other, name="beside"))
    running = RunningRuntime(plane, tmp_path / "home", None, "--stop-seconds", "5")
    try:
        running.at_epoch(1)
        for turns in (1.0, 100.0, 1.0):
            assert running.infer(1, a=turns).json()["outputs"][0]["data"] == [turns + 10.0]
        assert [model["place"] for model in running.client.get("/status").json()["models"]] == [
            "in a process of its own",
            "in process",
        ]
        late = running.infer(1, a=1e15)
        assert late.status_code == 503
        assert "took longer than 1 s" in late.json()["error"]
        body = {"inputs": [{"name": name, "shape": [1], "datatype": "FP32", "data": [1.0]} for name in ("a", "b")]}
        answer = running.client.post("/v2/models/beside/infer", json=body)
        assert answer.json()["outputs"][0]["data"] == [22.0]
    finally:
        assert running.stop() == 0, "a model that is at its answer for ever keeps no runtime from ending"
