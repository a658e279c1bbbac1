"""Starting the peers, each in its own environment, with the model that is compared."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.against.models import onnx_bytes
from benchmarks.model import FIELDS, rows
from benchmarks.peers import ROOT, environment, program
from benchmarks.yard import free_port


@dataclass(frozen=True)
class Peer:
    """Where it is asked, what it is sent, and the process that it began with (its children count too)."""

    url: str
    body: bytes
    processes: list[int]


def open_inference(count: int) -> bytes:
    """So many rows as one tensor."""
    data = [value for row in rows(count) for value in row]
    return json.dumps({"inputs": [{"name": "x", "shape": [count, len(FIELDS)], "datatype": "FP32", "data": data}]}).encode()


def _pickled(name: str, kind: str, folder: Path) -> Path:
    """The model as the peer's own scikit-learn pickles it."""
    python = environment(name) / "python"
    folder.mkdir(exist_ok=True)
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([python, "-m", "benchmarks.against.models", kind, folder], env=here, check=True, capture_output=True)
    return folder / "model.joblib"


def _onnx(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.onnx"
    path.write_bytes(onnx_bytes(kind))
    return path


@contextmanager
def mlserver(kind: str, folder: Path) -> Iterator[Peer]:
    """MLServer with its scikit-learn runtime, asked for probabilities."""
    home = folder / "mlserver"
    model = _pickled("mlserver", kind, home)
    ports = {"http_port": free_port(), "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
    (home / "settings.json").write_text(json.dumps(settings))
    told = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": str(model)}}
    (home / "model-settings.json").write_text(json.dumps(told))
    programs = environment("mlserver")
    base = f"http://127.0.0.1:{ports['http_port']}/v2/models/m"
    body = json.loads(open_inference(1)) | {"outputs": [{"name": "predict_proba"}]}
    with program([programs / "mlserver", "start", home], folder / "mlserver.log", f"{base}/ready") as pid:
        yield Peer(f"{base}/infer", json.dumps(body).encode(), [pid])


@contextmanager
def bentoml(kind: str, folder: Path) -> Iterator[Peer]:
    programs, port, model = environment("bentoml"), free_port(), _onnx(kind, folder)
    command = [
        *(programs / "bentoml", "serve", "benchmarks.against.servers.bento:Model"),
        *("--host", "127.0.0.1", "--port", str(port), "--api-workers", "1"),
    ]
    more = {"BENCH_MODEL": str(model), "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder / "bentoml")}
    path = f"{programs}:{os.environ['PATH']}"
    with program(command, folder / "bentoml.log", f"http://127.0.0.1:{port}/readyz", PATH=path, **more) as pid:
        yield Peer(f"http://127.0.0.1:{port}/infer", open_inference(1), [pid])


@contextmanager
def litserve(kind: str, folder: Path) -> Iterator[Peer]:
    programs, port, model = environment("litserve"), free_port(), _onnx(kind, folder)
    command = [programs / "python", "-m", "benchmarks.against.servers.lit", str(port)]
    with program(command, folder / "litserve.log", f"http://127.0.0.1:{port}/health", BENCH_MODEL=str(model)) as pid:
        yield Peer(f"http://127.0.0.1:{port}/predict", open_inference(1), [pid])


@contextmanager
def ray_serve(kind: str, folder: Path) -> Iterator[Peer]:
    programs, port, model = environment("ray-serve"), free_port(), _onnx(kind, folder)
    command = [programs / "python", "-m", "benchmarks.against.servers.rayserve", str(port)]
    more = {"BENCH_MODEL": str(model), "RAY_USAGE_STATS_ENABLED": "0"}
    with program(command, folder / "ray.log", f"http://127.0.0.1:{port}/", **more) as pid:
        yield Peer(f"http://127.0.0.1:{port}/", open_inference(1), [pid])


@contextmanager
def mlflow(kind: str, folder: Path) -> Iterator[Peer]:
    """`mlflow models serve` with its scikit-learn flavour and its tensor form."""
    programs, port, saved = environment("mlflow"), free_port(), folder / f"mlflow-{kind}"
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    made = [programs / "python", "-m", "benchmarks.against.servers.mlflow_model", kind, saved]
    subprocess.run(made, env=here, check=True, capture_output=True)
    command = [
        *(programs / "mlflow", "models", "serve", "-m", saved, "--env-manager", "local"),
        *("--workers", "1", "--port", str(port)),
    ]
    path = f"{programs}:{os.environ['PATH']}"
    with program(command, folder / "mlflow.log", f"http://127.0.0.1:{port}/ping", PATH=path) as pid:
        yield Peer(f"http://127.0.0.1:{port}/invocations", json.dumps({"inputs": rows(1)}).encode(), [pid])


PEERS: dict[str, Callable[[str, Path], object]] = {
    "mlserver": mlserver,
    "bentoml": bentoml,
    "mlflow": mlflow,
    "ray serve": ray_serve,
    "litserve": litserve,
}
AIMS = {"mlserver": 10, "bentoml": 15, "mlflow": 20, "ray serve": 50, "litserve": 8}
