"""No small body holds the event loop: each hostile one gets its refusal, for little processor time, while somebody else asks on
another connection and is answered; against a real runtime with the limits that it has by itself.

Processor time is that of the runtime's processes, by the kernel's count, for as fast a machine as these limits were set on; a
slower one is given more.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from forms_stage import Served
from hostile_bodies import FAMILIES, Hostile, hostile

TICKS = os.sysconf("SC_CLK_TCK")
LONGEST_GAP = 2.0
A_QUESTION = 0.001
"""Processor time of one of the neighbour's questions."""
MOST_MEMORY = 1 << 30


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("bodies"))
    yield made
    assert made.runtime.stop() == 0


@pytest.fixture(scope="module")
def slowness() -> float:
    """How much longer than on the machine of reference some plain work takes here; at least 1."""
    started = time.process_time()
    assert sum(n * n for n in range(1_000_000)) > 0
    return max(1.0, (time.process_time() - started) / 0.06)


class Neighbour:
    """Somebody who asks for health, one question after another; inside a `with`, `gap` becomes the longest wait for an answer
    (seconds)."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self.gap, self.answers = 0.0, 0

    def __enter__(self) -> Neighbour:
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        assert self._first.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._over.is_set():
            started = time.monotonic()
            connection.request("GET", "/v2/health/ready")
            assert connection.getresponse().read() == b'{"ready":true}'
            self.gap, self.answers = max(self.gap, time.monotonic() - started), self.answers + 1
            self._first.set()
            self._over.wait(0.002)
        connection.close()


def processes(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *(grown for child in children for grown in processes(int(child)))]


def seconds(served: Served) -> float:
    """Processor time of the runtime's processes so far."""
    total = 0
    for pid in processes(served.runtime.process.pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(served: Served) -> int:
    """The most memory that the runtime's processes have had, in bytes."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in processes(served.runtime.process.pid)]
    return max(int(text.split("VmHWM:")[1].split()[0]) * 1024 for text in texts)


def allowed(one: Hostile) -> float:
    """Seconds: a packed body may cost what it takes to unpack the most bytes that a body may have."""
    return 1.0 if "content-encoding" in one.headers else 0.3


def faults(served: Served, slowness: float, one: Hostile) -> list[str]:
    """What was wrong with how the runtime took one body."""
    before = seconds(served)
    with Neighbour(served.runtime.port) as neighbour:
        response = served.client.post(one.path, content=one.body, headers=one.headers)
    spent = seconds(served) - before - neighbour.answers * A_QUESTION
    right = {
        f"answered {response.status_code}": response.status_code == one.status,
        f"said {response.text[:300]!r}": one.told in response.text,
        f"took {len(response.content)} bytes to say it": len(response.content) < 2_000,
        f"spent {spent:.2f} s": spent < allowed(one) * slowness,
        f"held up the neighbour for {neighbour.gap:.2f} s": neighbour.gap < LONGEST_GAP * slowness,
    }
    return [f"{one.name} {fault}" for fault, holds in right.items() if not holds]


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_bodies_are_refused_and_hold_up_nobody(plain: Served, slowness: float, family: str) -> None:
    assert [fault for one in hostile(family) for fault in faults(plain, slowness, one)] == []


def test_after_all_of_them_the_runtime_is_small_and_answers(plain: Served) -> None:
    assert memory(plain) < MOST_MEMORY
    assert plain.client.post("/decide/hold", json={"a": 1, "b": 1}).json()["outputs"]["prediction"] in (12.0, 22.0)


def rows_that_do_not_fit(count: int) -> bytes:
    tensors = [{"name": name, "shape": [count], "datatype": "FP32", "data": [""] * count} for name in ("income", "debt")]
    return json.dumps({"inputs": tensors}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/lenient/infer", rows_that_do_not_fit(90_000)),
        ("/decide/hold", json.dumps({"subject": "s" * 1000, "key": "k" * 1000, "records": [{"a": 1, "b": 1}] * 60_000}).encode()),
        ("/decide/vector", json.dumps([{"x": [1, 2, 3]}] * 60_000).encode()),
    ],
)
def test_as_many_rows_as_may_be_are_answered_beside_the_others(plain: Served, slowness: float, path: str, body: bytes) -> None:
    with Neighbour(plain.runtime.port) as neighbour:
        response = plain.client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text[:500]
    assert neighbour.gap < LONGEST_GAP * slowness, f"{neighbour.gap} s"


@pytest.mark.slow
def test_all_of_them_at_once(plain: Served, slowness: float) -> None:
    """Whoever asks is told, whatever came beside it."""
    bodies = [one for family in FAMILIES for one in hostile(family)]
    answers: dict[str, httpx.Response] = {}

    def send(some: list[Hostile]) -> None:
        with httpx.Client(base_url=f"http://{plain.url}", timeout=120) as client:
            for one in some:
                answers[one.name] = client.post(one.path, content=one.body, headers=one.headers)

    callers = [threading.Thread(target=send, args=(bodies[first::8],)) for first in range(8)]
    with Neighbour(plain.runtime.port) as neighbour:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert {one.name: answers[one.name].status_code for one in bodies} == {one.name: one.status for one in bodies}
    assert neighbour.gap < 3 * LONGEST_GAP * slowness, f"{neighbour.gap} s"
    assert memory(plain) < 2 * MOST_MEMORY
