"""Governed answers against ungoverned ones: the runtime, the bare server it stands on, and `mlflow models serve`.

    python -m benchmarks serving

One model (30 inputs, logistic regression behind a scaler), one load, one process each. The runtime serves a released version:
signatures verified when it loaded, each request routed and checked against the model's signature, each answer durable in the
decision log before it is given. The echo does nothing but send the body back; MLflow answers and keeps nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.model import FIELDS, rows
from benchmarks.peers import ROOT, environment, program
from benchmarks.rounds import Sample, Spread, cheaper, faster, interleaved, settle, stamp
from benchmarks.serving.load import ask, wrk
from benchmarks.serving.release import serving
from benchmarks.yard import free_port, yard

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
CONNECTIONS = 16
BATCH = 1000
BATCH_CONNECTIONS = 4

Server = tuple[str, list[int]]
"""Where it is asked, and its processes."""


def ours_asked(count: int) -> bytes:
    """Named inputs in the Open Inference Protocol."""
    columns = zip(*rows(count), strict=True)
    inputs = [{"name": n, "shape": [count], "datatype": "FP32", "data": list(c)} for n, c in zip(FIELDS, columns, strict=True)]
    return json.dumps({"inputs": inputs}).encode()


def mlflow_asked(count: int) -> bytes:
    """Named columns in MLflow's own protocol, in the form that its documentation shows first."""
    return json.dumps({"dataframe_split": {"columns": list(FIELDS), "data": rows(count)}}).encode()


@contextmanager
def echo(folder: Path, of: str = "") -> Iterator[Server]:
    """The runtime's door alone, or `granian`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(ROOT / "benchmarks" / "serving" / "echo.py"), str(port), *([of] if of else [])]
    with program(command, folder / f"echo{of}.log", url) as pid:
        yield url, [pid]


@contextmanager
def mlflow(folder: Path) -> Iterator[Server]:
    programs, port = environment("mlflow"), free_port()
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    saved = folder / "mlflow-model"
    subprocess.run(
        [programs / "python", "-m", "benchmarks.clients.mlflow_model", saved], env=here, check=True, capture_output=True
    )
    command = [
        programs / "mlflow",
        "models",
        "serve",
        "-m",
        saved,
        "--env-manager",
        "local",
        "--workers",
        "1",
        "--port",
        str(port),
    ]
    path = f"{programs}:{os.environ['PATH']}"
    with program(command, folder / "mlflow.log", f"http://127.0.0.1:{port}/ping", PATH=path) as pid:
        yield f"http://127.0.0.1:{port}/invocations", [pid]


def flushes(folder: Path) -> Sample:
    """What the disk itself gives: 4 KiB appended and flushed, one after another."""
    started, done = time.perf_counter(), 0
    with (folder / "flushed").open("ab", buffering=0) as file:
        while time.perf_counter() - started < 1.0:
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            done += 1
    return Sample(time.perf_counter() - started, 0.0, done)


def main() -> None:
    print(stamp())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        house = stack.enter_context(yard())
        runtime: Server = serving(house, folder), [house.processes["runtime"]]
        bare, peer = stack.enter_context(echo(folder)), stack.enter_context(mlflow(folder))
        settle([*runtime[1], *bare[1], *peer[1]])
        print(f"load by {'wrk' if wrk() else 'Python'}, {CONNECTIONS} connections, one row a request")
        single = compared({"modelyard": runtime, "echo": bare, "mlflow": peer}, 1, CONNECTIONS, folder)
        told(single, "requests", ("echo", "mlflow"))
        print(f"{BATCH_CONNECTIONS} connections, {BATCH} rows a request")
        told(compared({"modelyard": runtime, "mlflow": peer}, BATCH, BATCH_CONNECTIONS, folder), "rows", ("mlflow",))


def compared(servers: dict[str, Server], count: int, connections: int, folder: Path) -> dict[str, list[Sample]]:
    bodies = {"modelyard": ours_asked(count), "echo": ours_asked(count), "mlflow": mlflow_asked(count)}
    turns: dict[str, Any] = {
        name: partial(ask, url, bodies[name], connections, SECONDS, processes, count)
        for name, (url, processes) in servers.items()
    }
    for turn in turns.values():
        turn()  # once to warm up, not counted
    return interleaved(turns | {"disk": partial(flushes, folder)}, ROUNDS)


def told(taken: dict[str, list[Sample]], what: str, peers: tuple[str, ...]) -> None:
    for name, samples in taken.items():
        rates, each = Spread.of([s.rate for s in samples]), Spread.of([s.cpu_each * 1e6 for s in samples])
        print(
            f"  {name:10} {rates} flushes a second"
            if name == "disk"
            else f"  {name:10} {rates} {what} a second, {each} µs processor"
        )
    ours = taken["modelyard"]
    for peer in peers:
        print(f"  modelyard / {peer}: {faster(ours, taken[peer])} by the clock, {cheaper(ours, taken[peer])} by the processor")
