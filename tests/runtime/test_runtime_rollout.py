"""Rollout, rollback, restart and old age: callers never notice more than the policy says."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.trust.statements import Constant, Stale


class Load:
    """Callers that never stop asking; every answer is kept."""

    def __init__(self, runtime: RunningRuntime, callers: int = 4) -> None:
        self.answers: list[tuple[str, float]] = []
        self.failures: list[str] = []
        self.ids: list[str] = []
        self._runtime, self._stop, self._callers = runtime, threading.Event(), callers

    def __enter__(self) -> Load:
        self._pool = ThreadPoolExecutor(self._callers)
        self._running = [self._pool.submit(self._call) for _ in range(self._callers)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for running in self._running:
            running.result()
        self._pool.shutdown()

    def _call(self) -> None:
        body = {
            "inputs": [
                {"name": "a", "shape": [1], "datatype": "FP32", "data": [0.0]},
                {"name": "b", "shape": [1], "datatype": "FP32", "data": [0.0]},
            ]
        }
        with httpx.Client(base_url=f"http://127.0.0.1:{self._runtime.port}", timeout=20) as client:
            while not self._stop.is_set():
                try:
                    response = client.post("/v2/models/hold/infer", json=body)
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    return
                if response.status_code != 200:
                    self.failures.append(response.text)
                    continue
                answer = response.json()
                self.answers.append((answer["model_version"], answer["outputs"][0]["data"][0]))
                self.ids += answer["parameters"]["decision_ids"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlPlane, RunningRuntime]]:
    folder = tmp_path_factory.mktemp("rollout")
    plane = ControlPlane(folder)
    plane.publish(plane.endpoint(plane.arm(10.0, "1")))
    running = RunningRuntime(plane, folder / "home")
    yield plane, running
    assert running.stop() == 0


@pytest.fixture
def plane(shared: tuple[ControlPlane, RunningRuntime]) -> ControlPlane:
    return shared[0]


@pytest.fixture
def runtime(shared: tuple[ControlPlane, RunningRuntime]) -> RunningRuntime:
    """The one runtime of this file, running, with one champion in force."""
    plane, running = shared
    if running.process.poll() is not None:
        running.start()
    running.at_epoch(plane.publish(plane.endpoint(plane.arm(10.0, "1"))))
    return running


def test_rollout_and_rollback_under_load_drop_nothing(plane: ControlPlane, runtime: RunningRuntime) -> None:
    old, new = plane.arm(10.0, "1"), plane.arm(20.0, "2")
    canary = [plane.arm(10.0, "1", share=0.5), plane.arm(20.0, "2", "challenger", 0.5)]
    latest: list[float] = []
    with Load(runtime) as load:
        for arms in ([old], canary, [new], [old], [new]):
            epoch = plane.publish(plane.endpoint(*arms))
            published = time.monotonic()
            runtime.at_epoch(epoch)
            latest.append(time.monotonic() - published)
    assert load.failures == []
    assert {"1", "2"} == {version for version, _ in load.answers}
    assert all(value == {"1": 10.0, "2": 20.0}[version] for version, value in load.answers)
    assert sorted(latest)[2] < 1.0
    found = DecisionReader(runtime.home / "decisions").known(load.ids)
    assert found == set(load.ids)


def test_sigterm_finishes_what_is_in_flight(runtime: RunningRuntime) -> None:
    """Every decision that was logged reached its caller; who comes later is told that nobody is there."""

    def logged() -> set[str]:
        return set(DecisionReader(runtime.home / "decisions").scan(Window(), ["id"])["id"].to_pylist())

    before = logged()
    with Load(runtime) as load:
        while len(load.ids) < 50:
            time.sleep(0.01)
        assert runtime.stop(signal.SIGTERM) == 0
    assert logged() - before == set(load.ids)
    assert all("ConnectError" in f or "disconnected without sending" in f or "ReadError" in f for f in load.failures)
    segments = list((runtime.home / "decisions").glob("*/*.seg"))
    assert segments
    assert all(segment.with_suffix(".json").exists() for segment in segments)


def test_kill_9_and_restart_without_the_source(plane: ControlPlane, runtime: RunningRuntime, tmp_path: Path) -> None:
    with Load(runtime) as load:
        while len(load.ids) < 50:
            time.sleep(0.01)
        children = Path(f"/proc/{runtime.process.pid}/task/{runtime.process.pid}/children").read_text().split()
        for child in map(int, children):
            os.kill(child, signal.SIGKILL)
        runtime.process.kill()
    runtime.process.wait()
    known = DecisionReader(runtime.home / "decisions").known(load.ids)
    assert known == set(load.ids)
    plane.published.rename(tmp_path / "gone")
    runtime.start()
    runtime.at_epoch(plane.epoch)
    answer = runtime.infer(a=0.0).json()
    assert answer["outputs"][0]["data"] == [10.0]
    assert DecisionReader(runtime.home / "decisions").known(load.ids) == known
    (tmp_path / "gone").rename(plane.published)


def test_sticky_keys_stay_with_their_arm_over_a_restart(plane: ControlPlane, runtime: RunningRuntime) -> None:
    arms = [plane.arm(10.0, "1", share=0.5), plane.arm(20.0, "2", "challenger", 0.5)]
    keys = [str(n) for n in range(100)]
    runtime.at_epoch(plane.publish(plane.endpoint(*arms, sticky_salt="s")))
    before = runtime.infer(100, routing_keys=keys).json()["outputs"]
    runtime.stop()
    runtime.start()
    runtime.at_epoch(plane.epoch)
    assert runtime.infer(100, routing_keys=keys).json()["outputs"] == before
    runtime.at_epoch(plane.publish(plane.endpoint(*arms, sticky_salt="t")))
    assert runtime.infer(100, routing_keys=keys).json()["outputs"] != before


@pytest.mark.parametrize("policy", list(Stale))
def test_a_snapshot_that_grows_old(plane: ControlPlane, runtime: RunningRuntime, policy: Stale) -> None:
    champion = plane.arm(20.0, "2")
    standby = plane.arm(30.0, "3", "fallback", 0.0)
    issued = datetime.now(UTC) - timedelta(hours=2)
    constant = Constant(outputs={"prediction": -1.0})
    endpoint = plane.endpoint(champion, standby, constant=constant, stale=policy, greatest_age=3600.0)
    runtime.at_epoch(plane.publish(endpoint, issued_at=issued))
    response = runtime.infer(a=0.0)
    if policy is not Stale.SERVE:
        assert runtime.refused(code="stale_snapshot", endpoint="hold", epoch=plane.epoch)
    if policy is Stale.REFUSE:
        assert response.status_code == 503
        assert "older than its tier permits" in response.json()["error"]
        assert runtime.client.get("/v2/models/hold/ready").status_code == 503
        return
    group = response.json()["parameters"]["groups"][0]
    assert group["role"] == {Stale.SERVE: "champion", Stale.FALLBACK: "fallback"}[policy]
    if policy is Stale.FALLBACK:
        assert "stale" in group["reason"]
    runtime.at_epoch(plane.publish(endpoint))
    assert runtime.infer().json()["parameters"]["groups"][0]["role"] == "champion"
