"""Promote and roll back under load without a failed request; answer, and even restart, while the control plane is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from processes_yard import ROW, Yard, eventually, question

CALLERS = 3


@dataclass
class Load:
    """Every answer to requests that are sent all the time: status, epoch and version; `asked_at` is the epoch that /status
    had told of before the request was sent."""

    answers: list[tuple[int, int, int, str]] = field(default_factory=list)
    seen: int = 0

    @property
    def failed(self) -> list[int]:
        return [status for status, *_ in self.answers if status != 200]


@contextmanager
def load(yard: Yard, endpoint: str) -> Iterator[Load]:
    """Callers that ask without a pause while the block runs."""
    told, stop = Load(), threading.Event()
    body = question(ROW)

    def call() -> None:
        with httpx.Client(base_url=yard.settings.runtime_url, timeout=30) as http:
            while not stop.is_set():
                seen = told.seen
                answer = http.post(f"/v2/models/{endpoint}/infer", json=body)
                parameters = answer.json().get("parameters", {"epoch": -1, "groups": [{"version": ""}]})
                told.answers.append((answer.status_code, seen, parameters["epoch"], parameters["groups"][0]["version"]))

    with ThreadPoolExecutor(CALLERS) as pool:
        running = [pool.submit(call) for _ in range(CALLERS)]
        try:
            eventually(lambda: len(told.answers) > CALLERS, "the load runs")
            yield told
        finally:
            stop.set()
    for future in running:
        future.result()


@pytest.mark.parametrize("cycles", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_promote_and_roll_back_under_load_without_a_failed_request(yard: Yard, first: Any, second: Any, cycles: int) -> None:
    name = f"under-load-{cycles}"
    yard.serving(name, first)
    release = yard.release(second, name)["id"]
    steps = (
        ("deploy", "omar", {"release": release, "role": "challenger", "share": 0.0, "arm": "next"}, first),
        ("promote", "bea", {"arm": "next"}, second),
        ("rollback", "omar", {}, first),
    )
    meant: dict[int, str] = {}
    with load(yard, name) as told:
        for step, who, body, version in steps * cycles:
            epoch = yard.people[who].do(f"/endpoints/{name}/{step}", body)["epoch"]
            meant[epoch] = version["id"]
            told.seen = yard.await_epoch(epoch)
            before = len(told.answers)
            eventually(lambda before=before: len(told.answers) > before, "an answer under each epoch")  # type: ignore[misc]
    assert told.failed == []
    wrong = [(seen, epoch) for _, seen, epoch, version in told.answers if epoch < seen or meant.get(epoch, version) != version]
    assert wrong == []
    assert {version for _, _, _, version in told.answers} == {first["id"], second["id"]}
    assert len(meant) == len(steps) * cycles


def test_the_runtime_answers_and_restarts_without_the_control_plane(yard: Yard, first: Any, second: Any) -> None:
    name = "alone"
    yard.serving(name, first)
    for program in ("api", "worker"):
        yard.stop(program)
    try:
        assert yard.ask(name).status_code == 200
        yard.stop("runtime")
        yard.start("runtime")
        alone = eventually(lambda: (a := yard.ask(name)).status_code == 200 and a, "it answers after its restart")
        assert alone.json()["parameters"]["groups"][0]["version"] == first["id"]
        decision = alone.json()["parameters"]["decision_ids"][0]
    finally:
        yard.start("api")
        yard.start("worker")
    yard.deploy(name, yard.release(second, name))
    yard.await_epoch()
    assert yard.ask(name).json()["parameters"]["groups"][0]["version"] == second["id"]
    kept = yard.people["vera"].get(f"/decisions/{decision}")
    assert (kept["endpoint"], kept["manifest"]) == (name, first["manifest_digest"])
    told = yard.people["rita"].get("/audit/verify")
    assert told["log"]["findings"] == []


def test_every_decision_under_load_is_in_the_log(yard: Yard, first: Any) -> None:
    name = "logged"
    yard.serving(name, first)
    with load(yard, name) as told:
        eventually(lambda: len(told.answers) > 200, "some load")
    rows = yard.people["vera"].get("/decisions", endpoint=name, limit=10_000)["items"]
    assert len(rows) == len(told.answers) + 1  # `serving` asked once
    assert len({row["id"] for row in rows}) == len(rows)
