"""How a runtime is taken away: it says so first, answers on, and nothing that was answered is missing from its log."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tritonclient.grpc as triton
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.runtime.grpc.messages import HEALTH_SERVICE, messages
from tests.runtime.test_runtime_grpc import tensor

_BODY = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}
_FAR = "600"
READINESS = ("/v2/health/ready", "/v2/models/hold/ready", "/v2/models/hold/versions/1/ready", "/ping")


class Load:
    """Callers that ask one after another until they are told to go home, and keep what they heard."""

    def __init__(self, port: int, grpc_port: int | None) -> None:
        self.answers: list[str] = []
        self.closed = 0
        self.faults: list[str] = []
        self._home = threading.Event()
        self._more = threading.Condition()
        callers = [lambda: self._by_http(port)] * 3
        callers += [lambda: self._by_grpc(grpc_port)] * 2 if grpc_port else []
        self._threads = [threading.Thread(target=self._guarded, args=(caller,)) for caller in callers]
        for thread in self._threads:
            thread.start()

    def another(self, count: int) -> None:
        """Wait until so many more were answered."""
        with self._more:
            wanted = len(self.answers) + count
            assert self._more.wait_for(lambda: len(self.answers) >= wanted or self.faults, 30), len(self.answers)
        assert self.faults == []

    def go_home(self) -> None:
        self._home.set()
        for thread in self._threads:
            thread.join(30)

    def _guarded(self, caller: object) -> None:
        try:
            caller()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.faults.append(repr(error))
            with self._more:
                self._more.notify_all()

    def _by_http(self, port: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            while not self._home.is_set():
                answer = client.post("/v2/models/hold/infer", json=_BODY).raise_for_status()
                self.closed += answer.headers.get("connection") == "close"
                self._heard(answer.json()["id"])

    def _by_grpc(self, port: int) -> None:
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            import numpy as np

            inputs = [tensor("a", np.ones(1, "f4")), tensor("b", np.ones(1, "f4"))]
            while not self._home.is_set():
                self._heard(client.infer("hold", inputs).get_response().id)

    def _heard(self, decision: str) -> None:
        with self._more:
            self.answers.append(decision)
            self._more.notify_all()


@contextmanager
def runtime(folder: Path, *options: str) -> Iterator[RunningRuntime]:
    plane = ControlPlane(folder)
    plane.publish(plane.endpoint(plane.arm(1.0)))
    running = RunningRuntime(plane, folder / "home", None, *options)
    try:
        running.until(lambda: all(ready(running.port) for _ in range(20)), "not all workers have routes")
        yield running
    finally:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def health(port: int) -> tuple[bool, bool, int]:
    """What gRPC says: the server's readiness, the model's, and the status of the health service (1 serving, 2 not)."""
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        kinds = messages()
        check = channel.unary_unary(
            f"/{HEALTH_SERVICE}/Check", lambda m: m.SerializeToString(), kinds["HealthCheckResponse"].FromString
        )
        return client.is_server_ready(), client.is_model_ready("hold"), check(kinds["HealthCheckRequest"](), timeout=10).status


@contextmanager
def watching(port: int) -> Iterator[Any]:
    """The states of the server, as the health service tells them."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        kinds = messages()
        watch = channel.unary_stream(
            f"/{HEALTH_SERVICE}/Watch", lambda m: m.SerializeToString(), kinds["HealthCheckResponse"].FromString
        )
        yield watch(kinds["HealthCheckRequest"](), timeout=60)


def told(port: int, path: str) -> tuple[int, str]:
    """The status and the text by a new connection, which may reach any worker."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ready(port: int) -> bool:
    return told(port, "/v2/models/hold/ready")[0] == 200


def not_ready(port: int) -> bool:
    return told(port, "/v2/health/ready")[0] == 503


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_it_says_so_first_and_nothing_fails(tmp_path: Path, workers: int) -> None:
    calls = free_port()
    options = ("--workers", str(workers), "--grpc-port", str(calls), "--drain-seconds", _FAR)
    with runtime(tmp_path, *options) as running, ExitStack() as held:
        assert health(calls) == (True, True, 1)
        watch = held.enter_context(watching(calls))
        assert next(watch).status == 1
        load = Load(running.port, calls)
        load.another(30)
        assert load.closed == 0
        running.process.send_signal(signal.SIGTERM)
        running.until(lambda: not_ready(running.port), "it did not say that it leaves")
        for path in READINESS:
            status, text = told(running.port, path)
            assert (status, "leaving" in text) == (503, True), path
        assert told(running.port, "/v2/health/live")[0] == 200
        assert json.loads(told(running.port, "/status")[1])["phase"] == "leaving"
        assert health(calls) == (False, False, 2)
        assert next(watch).status == 2
        load.another(60)
        running.until(lambda: load.closed > 0, "callers were not told to come by another connection")
        load.go_home()
        assert load.faults == []
        began = time.monotonic()
        assert running.stop() == 0, "a second SIGTERM stops at once"
        assert time.monotonic() - began < 15
        logged = DecisionReader(tmp_path / "home" / "decisions").scan(Window(), ["id"])["id"].to_pylist()
        assert sorted(logged) == sorted(load.answers), "one row for each answer"


def test_a_signal_to_every_process_is_one_to_the_main_process(tmp_path: Path) -> None:
    """As systemd sends it to a control group, or a shell to a process group: who serves goes on until the time is over."""
    with runtime(tmp_path, "--workers", "2", "--drain-seconds", _FAR) as running:
        main = running.process.pid
        workers = [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
        assert len(workers) == 2
        for pid in (*workers, main):
            os.kill(pid, signal.SIGTERM)
        running.until(lambda: not_ready(running.port), "it did not say that it leaves")
        load = Load(running.port, None)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            load.another(20)
        load.go_home()
        assert load.faults == []
        assert Path(f"/proc/{main}/task/{main}/children").read_text().split() == [str(pid) for pid in workers]
        for pid in (*workers, main):
            os.kill(pid, signal.SIGTERM)
        assert running.process.wait(20) == 0


def test_it_stops_by_itself_when_the_time_is_over(tmp_path: Path) -> None:
    with runtime(tmp_path, "--drain-seconds", "1.5") as running:
        load = Load(running.port, None)
        load.another(20)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        running.until(lambda: not_ready(running.port), "it did not say that it leaves")
        load.another(20)
        load.go_home()
        assert running.process.wait(20) == 0
        assert time.monotonic() - began > 1.4
        assert load.faults == []
        reader = DecisionReader(tmp_path / "home" / "decisions")
        assert reader.scan(Window(), ["id"]).num_rows == len(load.answers)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_without_a_time_to_drain_or_when_interrupted_it_stops_at_once(tmp_path: Path, how: signal.Signals) -> None:
    options = () if how is signal.SIGTERM else ("--drain-seconds", _FAR)
    with runtime(tmp_path, *options) as running:
        answer = running.infer()
        assert answer.status_code == 200
        began = time.monotonic()
        assert running.stop(how) == 0
        assert time.monotonic() - began < 15
        assert DecisionReader(tmp_path / "home" / "decisions").scan(Window(), ["id"]).num_rows == 1


def test_a_runtime_that_is_told_to_end_while_it_starts_ends(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    command = [sys.executable, "-m", "modelyard.runtime", "--home", str(tmp_path / "home"), "--port", str(free_port())]
    command += ["--source", str(plane.published), "--trust-roots", str(plane.roots)]
    with subprocess.Popen(command) as starting:
        children = Path(f"/proc/{starting.pid}/task/{starting.pid}/children")
        while not children.read_text():  # from here on a worker is being made, which does not listen to the server yet
            assert starting.poll() is None
        starting.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert starting.wait(60) == 0
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("seconds", ["-1", "x"])
def test_a_time_that_is_none_is_told(tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    from modelyard.runtime.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--home", "x", "--port", "1", "--source", "x", "--trust-roots", "x", "--drain-seconds", seconds])
    assert ended.value.code == 2
    assert "--drain-seconds" in capsys.readouterr().err
