"""What large weights cost: once in each process, or once for all of them."""

from __future__ import annotations

import ctypes
import re
import stat
from pathlib import Path

import httpx
import numpy as np
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime

from modelyard.core.errors import Unavailable
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy, Predictor
from modelyard.trust.statements import Arm, ArmRole

_SIDE = 2300
_WEIGHTS = 2 * _SIDE * _SIDE * 4
"""Bytes: of two square matrices of 32-bit numbers."""


def large_model(seed: int = 1, layers: int = 2) -> bytes:
    """From `a` and `b` through square layers to one number; most of it is weights, at any place in the file."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    made = {"first": rng.standard_normal((2, _SIDE)), "last": rng.standard_normal((_SIDE, 1))}
    made |= {f"square{n}": rng.standard_normal((_SIDE, _SIDE)) / 48 for n in range(layers)}
    nodes, at = [], "input"
    for name in ("first", *(f"square{n}" for n in range(layers)), "last"):
        nodes.append(helper.make_node("MatMul", [at, name], [f"after_{name}"]))
        at = f"after_{name}"
    takes = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])
    gives = helper.make_tensor_value_info(at, TensorProto.FLOAT, [None, 1])
    weights = [numpy_helper.from_array(values.astype("float32"), name) for name, values in made.items()]
    graph = helper.make_graph(nodes, "large", [takes], [gives], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "0123456789abcdef"
    path.write_bytes(large_model())
    return path


def loaded(artifact: Path, folder: Path | None) -> Predictor:
    kind, policy = registry.kind("ml"), Policy(shared_weights=folder)
    return kind.load(artifact, kind.inspect(artifact, policy), SIGNATURE, policy)


def answers(predictor: Predictor, rows: int = 5) -> np.ndarray:
    batch = {"a": np.arange(rows, dtype="float32"), "b": np.ones(rows, "float32")}
    return predictor.predict(batch)["prediction"]


def anonymous() -> int:
    """Bytes of this process that no file stands for, without what is free and only not given back."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]


def mappings(file: Path, process: str = "self") -> list[dict[str, int]]:
    """What the kernel says of each mapping of a file: bytes by name."""
    found: list[dict[str, int]] = []
    ours = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            ours = line.endswith(str(file))
            found += [{}] if ours else []
        elif ours and line.endswith(" kB"):
            name, size, _ = line.split()
            found[-1][name.rstrip(":")] = int(size) * 1024
    return found


def test_the_artifact_is_not_kept_beside_the_model(artifact: Path, tmp_path: Path) -> None:
    (small := tmp_path / "small").write_bytes(large_model(layers=0))
    answers(loaded(small, None))  # the engine itself is there from now on
    before = anonymous()
    predictor = loaded(artifact, None)
    answers(predictor)
    assert 0.8 * _WEIGHTS < anonymous() - before < 1.6 * _WEIGHTS


def test_shared_weights_are_mapped_and_answer_the_same(artifact: Path, tmp_path: Path) -> None:
    plain = answers(loaded(artifact, None))
    folder = tmp_path / "weights"
    before = anonymous()
    one, two = loaded(artifact, folder), loaded(artifact, folder)
    found = [answers(one), answers(two)]
    assert anonymous() - before < 0.3 * _WEIGHTS, "neither holds weights of its own"
    for each in found:
        np.testing.assert_allclose(each, plain, rtol=1e-3)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    held = mappings(file)
    assert sum(one["Rss"] for one in held) > 1.9 * _WEIGHTS
    assert sum(one["Pss"] for one in held) < 1.1 * _WEIGHTS, "the pages are the same ones"
    assert sum(one["Private_Dirty"] for one in held) == 0


def test_a_file_of_weights_is_compared_with_the_artifact(artifact: Path, tmp_path: Path) -> None:
    right = answers(loaded(artifact, tmp_path))
    (file,) = tmp_path.iterdir()
    made = file.stat().st_ino
    loaded(artifact, tmp_path)
    assert file.stat().st_ino == made, "one that is right is used again"
    whole = file.read_bytes()
    for wrong in (whole[:-8] + b"\1" * 8, whole[:1000], b"", whole + b"\0"):
        file.unlink()
        file.write_bytes(wrong)
        np.testing.assert_array_equal(answers(loaded(artifact, tmp_path)), right)
        assert file.read_bytes() == whole


def test_small_models_are_as_they_were(tmp_path: Path) -> None:
    (artifact := tmp_path / "small").write_bytes(large_model(layers=0))
    assert answers(loaded(artifact, tmp_path / "weights")).shape == (5,)
    assert not (tmp_path / "weights").exists()


def test_weights_that_cannot_be_laid_out_are_told(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="shared weights cannot be written") as caught:
        loaded(artifact, tmp_path / "file")
    assert caught.value.hint == "leave out --map-weights"


@pytest.mark.slow
def test_two_workers_hold_large_weights_once(tmp_path: Path) -> None:
    held = {}
    for options in ((), ("--map-weights",)):
        (folder := tmp_path / f"with{len(options)}").mkdir()
        plane = ControlPlane(folder)
        manifest = plane.version(large_model())
        released = plane.release(manifest, "7")
        plane.publish(
            plane.endpoint(Arm(name="big", role=ArmRole.CHAMPION, release=released, manifest=manifest.digest(), share=1.0))
        )
        running = RunningRuntime(plane, folder / "home", None, "--workers", "2", *options)
        try:
            held[options] = _private(running)
            if options:
                (file,) = (folder / "home" / "cache" / "weights").iterdir()
                assert file.name == manifest.serving.digest.removeprefix("sha256:")
                found = [one for worker in _workers(running) for one in mappings(file, worker)]
                assert len(found) >= 2
                assert sum(one["Private_Dirty"] for one in found) == 0
        finally:
            assert running.stop() == 0
    for without, mapped in zip(held[()], held[("--map-weights",)], strict=True):
        assert without - mapped > 0.7 * _WEIGHTS


def _workers(running: RunningRuntime) -> list[str]:
    return Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()


def _private(running: RunningRuntime) -> list[int]:
    """Bytes of each worker that it shares with nobody and that no file stands for, after each has answered."""
    url = f"http://127.0.0.1:{running.port}/v2/models/hold"
    running.until(lambda: all(httpx.get(f"{url}/ready").status_code == 200 for _ in range(20)), "not all workers are ready")
    body = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}
    for _ in range(20):
        httpx.post(f"{url}/infer", json=body, timeout=30).raise_for_status()
    rolled = [Path(f"/proc/{worker}/smaps_rollup").read_text() for worker in _workers(running)]
    assert len(rolled) == 2
    return [int(re.search(r"Private_Dirty:\s+(\d+)", text)[1]) * 1024 for text in rolled]  # type: ignore[index]
