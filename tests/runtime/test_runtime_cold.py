"""A model that has not started yet: who waits for it, who stands in, and what is said meanwhile.

The model reads a named pipe while it loads: it has started when, and only when, the test lets it.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.kinds.environments import Environments
from modelyard.trust.statements import Arm, ArmRole, ColdStart, EndpointPolicy
from tests.runtime.test_runtime_foreign import with_lock
from tests.runtime.test_runtime_grpc import tensor

MODEL = b"""
import os, sys

def load(path):
    gate = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "gate")
    if os.path.exists(gate):
        open(gate).read()
    return 1000.0

def predict(model, batch):
    return {"prediction": [a * model for a in batch["a"]]}
"""
LOCK = f"# python: {sys.version_info[0]}.{sys.version_info[1]}\n".encode()
LOADING = "starting the model's process"


class Stage:
    """A runtime whose champion starts when the test lets it; a fallback stands by."""

    def __init__(self, folder: Path, policy: EndpointPolicy, stands_in: bool, *options: str) -> None:
        self.plane = ControlPlane(folder)
        self.home = folder / "home"
        with Environments(self.home / "environments").get(LOCK) as environment:
            self.gate = environment.folder / "gate"
        os.mkfifo(self.gate)
        manifest = with_lock(self.plane, self.plane.version(MODEL, SIGNATURE, "python"), LOCK)
        released = self.plane.release(manifest, "7")
        arms = [Arm(name="own", role=ArmRole.CHAMPION, release=released, manifest=manifest.digest(), share=1.0)]
        if stands_in:
            arms.append(self.plane.arm(0.5, "1", "fallback", 0.0))
        self.plane.publish(self.plane.endpoint(*arms, policy=policy))
        (rules := folder / "policy.json").write_text(json.dumps({"allow_code": True}))
        self.running = RunningRuntime(self.plane, self.home, None, "--policy-file", str(rules), *options)
        self.running.at_epoch(1)
        self._held = -1
        self.running.until(self._is_loading, "the model does not load")

    def _is_loading(self) -> bool:
        """Whether it reads the pipe; from then on it waits for the pipe's end."""
        try:
            self._held = os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # that nobody reads yet
                raise
            return False
        return True

    def let_it_start(self) -> None:
        self.gate.unlink(missing_ok=True)
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)

    def get(self, path: str) -> httpx.Response:
        return self.running.client.get(path)

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = DecisionReader(self.home / "decisions").scan(Window(), list(columns)).to_pylist()
        return found

    def close(self) -> None:
        self.let_it_start()
        if self.running.process.poll() is None:
            assert self.running.stop() == 0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


@pytest.fixture
def stages(pool: ThreadPoolExecutor) -> Iterator[list[Stage]]:
    """Closed before the pool, whose callers may wait for a model."""
    made: list[Stage] = []
    yield made
    for stage in made:
        stage.close()


def answered(answer: httpx.Response) -> tuple[str, float]:
    """Who answered, and what."""
    told = answer.raise_for_status().json()
    return told["parameters"]["groups"][0]["role"], told["outputs"][0]["data"][0]


def under_way(stage: Stage, count: int) -> None:
    stage.running.until(lambda: stage.get("/status").json()["load"]["open"] == count, f"{count} requests are not under way")


def ask(stage: Stage, **headers: str) -> httpx.Response:
    body = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [2.0]} for n in ("a", "b")]}
    return stage.running.client.post("/v2/models/hold/infer", json=body, headers=headers, timeout=30)


def test_requests_wait_for_the_model(tmp_path: Path, stages: list[Stage], pool: ThreadPoolExecutor) -> None:
    stages.append(stage := Stage(tmp_path, EndpointPolicy(cold_start=ColdStart.WAIT), True))
    hurried = ask(stage, **{"x-timeout-ms": "1500"})
    assert hurried.status_code == 504
    assert LOADING in hurried.text, "who gives up is told what the model is doing"
    waiting = [pool.submit(ask, stage) for _ in range(3)]
    under_way(stage, 3)
    assert not any(one.done() for one in waiting)
    stage.let_it_start()
    assert [answered(one.result(30)) for one in waiting] == [("champion", 2000.0)] * 3
    (queue,) = [endpoint["queues"]["own"] for endpoint in stage.get("/status").json()["endpoints"]]
    assert queue["call_seconds"] < 0.5, "what a call waited is not what it costs: else who is in a hurry would be refused"
    assert answered(ask(stage, **{"x-timeout-ms": "1500"})) == ("champion", 2000.0)
    assert stage.get("/v2/models/hold/ready").status_code == 200
    assert [row["answered_arm"] for row in stage.rows("answered_arm")] == ["own"] * 4
    assert "modelyard_fallbacks_total{" not in stage.get("/metrics").text


def test_somebody_stands_in_until_it_is_ready(tmp_path: Path, stages: list[Stage]) -> None:
    stages.append(stage := Stage(tmp_path, EndpointPolicy(cold_start=ColdStart.FALLBACK), True))
    answers = [ask(stage) for _ in range(3)]
    assert [answered(answer) for answer in answers] == [("fallback", 4.5)] * 3
    group = answers[0].json()["parameters"]["groups"][0]
    assert group["reason"] == f"own is not ready: {LOADING}"
    assert stage.get("/v2/models/hold/ready").status_code == 200, "somebody answers"
    line = 'modelyard_fallbacks_total{answered_by="fallback",arm="own",endpoint="hold",reason="starting"} 3'
    assert sorted(line) == sorted(_line_of(stage.get("/metrics").text, "modelyard_fallbacks_total{"))
    stage.let_it_start()
    stage.running.until(lambda: answered(ask(stage))[0] == "champion", "the model never answered")
    rows = stage.rows("requested_arm", "answered_arm", "reason")
    assert {row["requested_arm"] for row in rows} == {"own"}
    stood_in = [row for row in rows if row["answered_arm"] == "fallback"]
    assert len(stood_in) >= 3
    assert all(row["reason"].startswith("own is not ready: ") for row in stood_in)
    assert [row["reason"] for row in rows if row["answered_arm"] == "own"] == [None]
    stage.close()
    (spool,) = (stage.home / "fallbacks").glob("*.jsonl")
    uses = [json.loads(one) for one in spool.read_text().splitlines()]
    assert {(use["arm"], use["answered_by"], use["reason"]) for use in uses} == {("own", "fallback", "starting")}
    assert sum(use["count"] for use in uses) == len(stood_in)


def test_what_is_not_ready_says_what_it_is_doing(tmp_path: Path, stages: list[Stage]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    stages.append(stage := Stage(tmp_path, EndpointPolicy(), False, "--grpc-port", port))
    assert stage.get("/v2/health/ready").status_code == 200, "other endpoints may answer"
    ready = stage.get("/v2/models/hold/ready")
    assert ready.status_code == 503
    assert ready.json()["error"].endswith(f"cannot answer now: own: {LOADING}")
    status = stage.get("/status").json()
    assert [endpoint["starting"] for endpoint in status["endpoints"]] == [[f"own: {LOADING}"]]
    assert [(model["ready"], model["progress"]) for model in status["models"]] == [(False, LOADING)]
    (row,) = stage.running.client.post("/v2/repository/index").json()
    assert row == {"name": "hold", "version": "7", "state": "LOADING", "reason": LOADING}
    assert stage.running.client.post("/v2/repository/index", json={"ready": True}).json() == []
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert client.is_server_ready()
        assert not client.is_model_ready("hold")
        stage.let_it_start()
        stage.running.until(lambda: client.is_model_ready("hold"), "the model is never ready")
    assert stage.get("/v2/models/hold/ready").status_code == 200


def test_what_is_under_way_is_finished_before_the_end(tmp_path: Path, stages: list[Stage], pool: ThreadPoolExecutor) -> None:
    """Requests that wait for the model when the runtime is told to end get its answer, whichever way they came."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stages.append(stage := Stage(tmp_path, EndpointPolicy(cold_start=ColdStart.WAIT), False, "--grpc-port", str(port)))
    by_http = pool.submit(ask, stage)
    by_grpc: Future[Any] = pool.submit(_call, port)
    under_way(stage, 2)
    stage.running.process.send_signal(signal.SIGTERM)
    for each in (stage.running.port, port):
        while _listens(each):
            assert stage.running.process.poll() is None
    assert not by_http.done()
    assert not by_grpc.done()
    stage.let_it_start()
    assert answered(by_http.result(30)) == ("champion", 2000.0)
    assert by_grpc.result(30).as_numpy("prediction").tolist() == [3000.0]
    assert stage.running.process.wait(30) == 0
    assert len(stage.rows("id")) == 2


def _call(port: int) -> Any:
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        return client.infer("hold", [tensor("a", np.full(1, 3, "f4")), tensor("b", np.zeros(1, "f4"))])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # it came just when the port was closed
        return True
    return True


def _line_of(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found
