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
import pyarrow as pa
import pytest
from forms_stage import Served
from hostile_bodies import FAMILIES, Hostile, hostile

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.asked import Form
from modelyard.runtime.forms.decide import Decide
from modelyard.runtime.forms.invocations import Invocations
from modelyard.runtime.forms.media import ARROW, CSV, JSON
from modelyard.runtime.forms.oip import OpenInference

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


@pytest.mark.parametrize(
    ("headers", "timeout", "told"),
    [({"x-timeout-ms": "nan"}, 5_000_000, "milliseconds"), ({}, 10**4000, "$.parameters.timeout"), ({}, 10**30, "timeout")],
)
def test_times_that_are_none_are_refused(plain: Served, headers: dict[str, str], timeout: int, told: str) -> None:
    inputs = [{"name": name, "shape": [1], "datatype": "FP32", "data": [1]} for name in "ab"]
    body = {"inputs": inputs, "parameters": {"timeout": timeout}}
    response = plain.client.post("/v2/models/hold/infer", json=body, headers=headers)
    assert (response.status_code, told in response.json()["error"]) == (400, True), response.text


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


def arrow_stream(values: list[int]) -> bytes:
    batch, sink = pa.record_batch({"x": values}), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


class Fields(dict[str, str]):
    """A request's headers."""


@pytest.mark.parametrize(
    ("form", "kind", "body"),
    [
        (Decide(), JSON, b'[{"x": 1}, {"x": "{{{"}, {"x": 1}, {"x": 1}]'),
        (Decide(), JSON, b'{"records": [{"x": 1}, {}, {}, {}]}'),
        (Invocations(), JSON, b'{"dataframe_records": [{"x": 1}, {}, {}, {}]}'),
        (Invocations(), JSON, b'{"dataframe_split": {"index": [0], "columns": ["x"], "data": [[1], [1], [1], [1]]}}'),
        (Invocations(), JSON, b'{"instances": [1, 1, 1, 1]}'),
        (Invocations(), JSON, b'{"instances": ["a,b", "", "", ""]}'),
        (Invocations(), JSON, b'{"inputs": {"x": [1, 1, 1, 1]}}'),
        (Invocations(), CSV, b"x\n1\n\n1\n1\n1\n"),
        (OpenInference(), ARROW, arrow_stream([1, 1, 1, 1])),
    ],
)
def test_each_form_refuses_more_rows_than_it_is_told_and_not_one_less(form: Form, kind: str, body: bytes) -> None:
    specs, headers = {"x": FieldSpec(name="x", type=DataType.BYTES)}, Fields({"content-type": kind})
    assert form.read(body, headers, specs, 4).rows == 4
    with pytest.raises(InvalidInput, match="1 to 3 are answered at once"):
        form.read(body, headers, specs, 3)


def test_rows_with_commas_braces_and_lists_in_them_are_counted_right() -> None:
    specs = {"x": FieldSpec(name="x", type=DataType.BYTES), "v": FieldSpec(name="v", type=DataType.FP32, shape=(2, 2))}
    record = {"x": "{,[[{,", "v": [[1, 2], [3, 4]]}
    headers = Fields({"content-type": JSON})
    for form, body in (
        (Decide(), [record, record]),
        (Decide(), {"records": [record, record]}),
        (Invocations(), {"dataframe_records": [record, record]}),
        (Invocations(), {"dataframe_split": {"columns": ["x", "v"], "data": [list(record.values())] * 2}}),
        (Invocations(), {"instances": [record, record]}),
    ):
        assert form.read(json.dumps(body).encode(), headers, specs, 2).rows == 2


@pytest.mark.slow
def test_a_runtime_is_told_how_many_rows_it_answers_at_once(tmp_path: Path) -> None:
    served = Served(tmp_path, "--most-rows", "3")
    try:
        assert served.client.post("/decide/hold", json=[{"a": 1, "b": 1}] * 3).status_code == 200
        for path, body in (
            ("/decide/hold", [{"a": 1, "b": 1}] * 4),
            ("/endpoints/hold/invocations", {"inputs": [[1, 1]] * 4}),
            ("/v2/models/hold/infer", {"inputs": [{"name": n, "shape": [4], "datatype": "FP32", "data": [1] * 4} for n in "ab"]}),
        ):
            response = served.client.post(path, json=body)
            assert (response.status_code, "4 rows; 1 to 3" in response.text) == (400, True), response.text
    finally:
        assert served.runtime.stop() == 0
