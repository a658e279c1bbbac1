"""Versions in environments of their own, behind a real runtime; and which version runs where, by policy."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime, looping_model, onnx_model

from modelyard.core.errors import InvalidInput, Unavailable, Untrusted
from modelyard.decisions import DecisionReader, Window
from modelyard.kinds.contract import Inspection, Isolate, Policy, Risk, Severity
from modelyard.kinds.manifest import VersionManifest
from modelyard.kinds.sandbox import ForeignPredictor, NativePredictor
from modelyard.runtime.cache import Cache
from modelyard.runtime.loading import Models
from modelyard.runtime.sources import FolderSource
from modelyard.trust.statements import Arm, ArmRole

MODEL = b"""
import os, sys

def load(path):
    return float(sys.version_info[1])

def predict(model, batch):
    if batch["a"][0] == 13:
        os.abort()
    return {"prediction": [a * 1000 + model for a in batch["a"]]}
"""


def with_lock(plane: ControlPlane, manifest: VersionManifest, lock: bytes, **inspected: Any) -> VersionManifest:
    """The same version with an environment lock, published."""
    inspection = Inspection(kind=manifest.kind, format=manifest.serving.format, **inspected)
    found = manifest.model_copy(update={"environment_lock": plane.blob(lock), "inspection": inspection})
    name = found.digest().removeprefix("sha256:")
    (plane.published / "manifests" / f"{name}.json").write_bytes(found.encode())
    plane.blob(found.encode())
    return found


def test_a_version_in_an_environment_of_its_own_answers_crashes_and_answers(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    lock = f"# python: {sys.version_info[0]}.{sys.version_info[1]}\n".encode()
    manifest = with_lock(plane, plane.version(MODEL, SIGNATURE, "python"), lock)
    champion = Arm(name="own", role=ArmRole.CHAMPION, release=plane.release(manifest, "7"), manifest=manifest.digest(), share=1.0)
    plane.publish(plane.endpoint(champion, plane.arm(0.0, "1", "fallback", 0.0)))
    (policy := tmp_path / "policy.json").write_text(json.dumps({"allow_code": True}))
    running = RunningRuntime(plane, tmp_path / "home", None, "--policy-file", str(policy))
    try:
        running.at_epoch(1)
        answer = running.infer(2, a=2.0).json()
        assert answer["outputs"][0]["data"] == [2000.0 + sys.version_info[1], 3000.0 + sys.version_info[1]]
        crashed = running.infer(1, a=13.0).json()
        assert crashed["parameters"]["groups"][0]["role"] == "fallback", crashed
        again = running.infer(1, a=1.0).json()
        assert again["outputs"][0]["data"] == [1000.0 + sys.version_info[1]]
        assert [path.name for path in (tmp_path / "home" / "environments").glob("*/environment.json")] == ["environment.json"]
    finally:
        assert running.stop() == 0
    assert DecisionReader(tmp_path / "home" / "decisions").scan(Window(), ["id"]).num_rows == 4


class Stage:
    """Loads versions as the reconciler does, without a runtime around it."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        self._cache = Cache(folder / "cache")
        self._made: list[Models] = []

    def models(self, **policy: Any) -> Models:
        source = FolderSource(self.plane.published, SimpleNamespace(wait=lambda _: True, is_set=lambda: False))  # type: ignore[arg-type]
        self._made.append(Models(self._cache, source, ThreadPoolExecutor(1), Policy(**policy)))
        return self._made[-1]

    def version(self, data: bytes, format_: str, lock: bytes | None = None, **inspected: Any) -> VersionManifest:
        manifest = self.plane.version(data, SIGNATURE, format_)
        self.plane.blob(manifest.encode())
        return manifest if lock is None else with_lock(self.plane, manifest, lock, **inspected)

    def place(self, manifest: VersionManifest, network: bool = False, **policy: Any) -> str:
        models = self.models(**policy)
        models.get(_allowed(manifest, network))
        (status,) = models.status()
        return str(status["place"])

    def close(self) -> None:
        for models in self._made:
            models.close()


def _allowed(manifest: VersionManifest, network: bool = False) -> Any:
    release = SimpleNamespace(serving=manifest.serving.digest, network=network)
    return SimpleNamespace(arm=SimpleNamespace(manifest=manifest.digest()), release=SimpleNamespace(release=release))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


HASH = "sha256:" + "0" * 64
PLATFORM_S_OWN = b"# nothing is pinned\n"
HERE, CHILD, OWN = "in process", "in a process of its own", "in an environment of its own"


@pytest.mark.parametrize(
    ("lock", "needs", "policy", "place"),
    [
        (None, (), {}, HERE),
        (None, (), {"isolate": Isolate.ALWAYS}, CHILD),
        (PLATFORM_S_OWN, ("onnxruntime",), {}, HERE),
        (PLATFORM_S_OWN, ("onnxruntime",), {"isolate": Isolate.ALWAYS}, OWN),
        (f"onnxruntime==0.1 --hash={HASH}\n".encode(), ("onnxruntime",), {}, HERE),  # ONNX is read by any later engine
        (PLATFORM_S_OWN, ("no-such-engine",), {}, OWN),
        (PLATFORM_S_OWN, ("no-such-engine",), {"isolate": Isolate.NEVER}, HERE),
    ],
)
def test_where_an_onnx_model_runs(
    lock: bytes | None, needs: Sequence[str], policy: dict[str, Any], place: str, stage: Stage
) -> None:
    manifest = stage.version(onnx_model(1.0), "onnx", lock, **({"requirements": needs} if lock else {}))
    assert stage.place(manifest, **policy) == place


def test_an_onnx_model_whose_work_the_values_decide_runs_apart(stage: Stage) -> None:
    assert stage.place(stage.version(looping_model(1.0), "onnx")) == CHILD
    assert stage.place(stage.version(looping_model(1.0), "onnx"), isolate=Isolate.NEVER) == CHILD


def test_a_format_that_no_kind_here_knows_needs_its_lock(stage: Stage) -> None:
    with pytest.raises(Unavailable, match="needs its own environment") as caught:
        stage.place(stage.version(MODEL, "python"), allow_code=True)
    assert caught.value.hint == "register it with its lock"
    with pytest.raises(Unavailable, match="needs its own environment"):
        stage.place(stage.version(MODEL, "python", PLATFORM_S_OWN), allow_code=True, isolate=Isolate.NEVER)
    assert stage.place(stage.version(MODEL, "python", PLATFORM_S_OWN), allow_code=True) == OWN


def test_code_and_danger_need_leave(stage: Stage) -> None:
    with pytest.raises(Untrusted, match="format python: it runs its author's code"):
        stage.place(stage.version(MODEL, "python", PLATFORM_S_OWN))
    with pytest.raises(Untrusted, match="format python"):
        stage.place(stage.version(MODEL, "python", PLATFORM_S_OWN), allow_pickle=True)
    danger = (Risk(code="untrusted_types", severity=Severity.DANGER, detail="would make types"),)
    with pytest.raises(Untrusted, match="it would make types"):
        stage.place(stage.version(b"x", "skops", PLATFORM_S_OWN, risks=danger, requirements=("no-such",)))
    pickled = stage.version(b"x", "pickle", PLATFORM_S_OWN, executes_code=True)
    assert stage.place(pickled, allow_pickle=True) == OWN


def test_a_bad_lock_is_told(stage: Stage) -> None:
    with pytest.raises(InvalidInput, match="has no hash"):
        stage.place(stage.version(MODEL, "python", b"numpy==2.0\n"), allow_code=True)


def test_the_network_needs_both_the_release_and_the_policy(stage: Stage) -> None:
    manifest = stage.version(MODEL, "python", PLATFORM_S_OWN)
    for granted, policy, expected in ((True, ("delay",), True), (True, (), False), (False, ("*",), False), (True, ("*",), True)):
        models = stage.models(allow_code=True, network=policy)
        predictor = models.get(_allowed(manifest, granted)).predictor
        assert isinstance(predictor, ForeignPredictor)
        assert predictor._limits.network is expected


def test_models_that_left_the_routes_stay_as_long_as_they_may_be_asked(stage: Stage) -> None:
    """All for half a minute, then the four that served last."""
    models = stage.models()
    versions = [stage.version(onnx_model(float(n)), "onnx") for n in range(8)]
    for version in versions:
        models.get(_allowed(version))

    def loaded() -> list[str]:
        return [status["manifest"] for status in models.status()]

    digests = [version.digest() for version in versions]
    models.trim(set(digests), 0.0)
    models.trim({digests[0]}, 1.0)
    assert loaded() == digests
    models.trim({digests[0]}, 30.0)
    assert loaded() == digests
    models.trim({digests[0], digests[1]}, 32.0)  # one of them is back
    assert loaded() == [*digests[:2], *digests[4:]]
    models.trim({digests[0]}, 33.0)
    assert loaded() == [*digests[:2], *digests[4:]], "its time begins anew"
    models.close()
    assert loaded() == []


def test_status_tells_of_each_model(stage: Stage) -> None:
    models = stage.models(allow_code=True)
    own = stage.version(MODEL, "python", PLATFORM_S_OWN)
    server = models.get(_allowed(own))
    models.get(_allowed(stage.version(onnx_model(1.0), "onnx")))
    assert isinstance(server.predictor, ForeignPredictor)
    assert server.predictor.wait(60)
    first, second = models.status()
    assert (first["manifest"], first["place"], first["ready"], first["progress"], first["state"]) == (
        own.digest(), OWN, True, "ready", "closed",
    )  # fmt: skip
    assert (second["format"], second["place"], second["ready"]) == ("onnx", HERE, True)
    json.dumps(models.status())
    answer = server.predictor.answer({"a": np.array([1.0], "float32"), "b": np.array([0.0], "float32")})
    assert answer["prediction"] == [1000.0 + sys.version_info[1]]
    models.close()
    assert models.status() == []
    with pytest.raises(Unavailable, match="closed"):
        server.predictor.answer({"a": np.array([1.0], "float32")})


def test_a_child_of_our_own_environment_is_confined_as_well(stage: Stage, tmp_path: Path) -> None:
    models = stage.models(isolate=Isolate.ALWAYS)
    predictor = models.get(_allowed(stage.version(onnx_model(1.0), "onnx"))).predictor
    assert isinstance(predictor, NativePredictor)
    assert predictor.status()["unenforced"] == []
    status = Path(f"/proc/{predictor.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
