"""Callers that come slowly, half, in floods or with nonsense, and workers that share a port: against a real runtime, by real
sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.trust.statements import EndpointPolicy

BODY = json.dumps(
    {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}, separators=(",", ":")
).encode()


def request(body: bytes = BODY, length: int | None = None, path: str = "hold", head: str = "") -> bytes:
    size = len(body) if length is None else length
    first = f"POST /v2/models/{path}/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{first}{head}content-length: {size}\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRuntime]:
    folder = tmp_path_factory.mktemp("limits")
    plane = ControlPlane(folder)
    plane.publish(plane.endpoint(plane.arm(10.0)))
    running = RunningRuntime(plane, folder / "home", None, "--read-seconds", "0.6", "--most-requests", "50")
    running.at_epoch(1)
    yield running
    assert running.stop() == 0


def connected(runtime: RunningRuntime) -> socket.socket:
    return socket.create_connection(("127.0.0.1", runtime.port), timeout=10)


def told(sender: socket.socket) -> bytes:
    """All that comes until the other side closes or the answer is whole."""
    answer = b""
    while piece := sender.recv(65536):
        answer += piece
        head, found, body = answer.partition(b"\r\n\r\n")
        if found and b"content-length: %d\r\n" % len(body) in head.lower() + b"\r\n":
            break
    return answer


@pytest.mark.parametrize("length", [200, 200_000])
def test_a_body_that_dribbles_is_not_waited_for(runtime: RunningRuntime, length: int) -> None:
    """One that would take the quick way, and one that would not."""
    with connected(runtime) as slow:
        started = time.monotonic()
        slow.sendall(request(b'{"inputs":', length))
        answer = told(slow)
    assert time.monotonic() - started < 5
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not come within 0.6 s" in answer
    assert runtime.infer().status_code == 200


@pytest.mark.parametrize("path", ["v2/models/hold/infer", "orders", "decide/hold"])
def test_a_body_that_is_none_is_told_as_that(runtime: RunningRuntime, path: str) -> None:
    with connected(runtime) as wrong:
        head = f"POST /{path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        wrong.sendall(head.encode() + b"1\r\n{\r\nzz\r\n")
        answer = told(wrong)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"this is no HTTP request: Invalid character in chunk size" in answer
    assert runtime.infer().status_code == 200


def test_a_head_that_dribbles_is_not_waited_for(runtime: RunningRuntime) -> None:
    with connected(runtime) as slow:
        started = time.monotonic()
        slow.sendall(b"POST /v2/models/hold/infer HTTP/1.1\r\nhost: ")
        assert told(slow)[9:12] == b"408"
    assert time.monotonic() - started < 5
    assert runtime.infer().status_code == 200


def test_those_who_wait_hold_up_nobody(runtime: RunningRuntime) -> None:
    held = [connected(runtime) for _ in range(40)]
    for sender in held:
        sender.sendall(request(b"{", 100))
    assert runtime.infer().status_code == 200
    answers = [told(sender) for sender in held]
    for sender in held:
        sender.close()
    assert {answer[9:12] for answer in answers} == {b"408"}
    runtime.until(lambda: runtime.client.get("/status").json()["load"]["open"] == 0, "requests stayed open")


def test_more_requests_than_memory_is_meant_for_are_turned_away(runtime: RunningRuntime) -> None:
    refusals: list[Any] = []

    def refused() -> bool:
        """Those who wait are sent away after 0.6 s: a busy machine may have to try again."""
        held = [connected(runtime) for _ in range(50)]
        for sender in held:
            sender.sendall(request(b"{", 100))
        answer = runtime.infer()
        for sender in held:
            sender.close()
        refusals.append(answer)
        return answer.status_code == 503

    runtime.until(refused, "nobody was turned away")
    assert refusals[-1].headers["retry-after"] == "1"
    assert "ask again in 1 s" in refusals[-1].json()["error"]
    runtime.until(lambda: runtime.infer().status_code == 200, "room was not given back")


def test_a_half_closed_socket_still_gets_its_answer(runtime: RunningRuntime) -> None:
    with connected(runtime) as half:
        half.sendall(request())
        half.shutdown(socket.SHUT_WR)
        answer = told(half)
    assert answer.startswith(b"HTTP/1.1 200")
    with connected(runtime) as torn:
        torn.sendall(request(BODY[:20], len(BODY)))
        torn.shutdown(socket.SHUT_WR)
        assert told(torn) == b""
    assert runtime.infer().status_code == 200


def test_floods_of_headers_are_cut(runtime: RunningRuntime) -> None:
    floods = ["".join(f"x-{n}: {n}\r\n" for n in range(5000)), f"x-long: {'y' * 200_000}\r\n"]
    for flood in floods:
        with connected(runtime) as sender:
            sender.sendall(request(head=flood))
            assert told(sender)[9:12] == b"431"
    assert runtime.infer().status_code == 200


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1e39"])
def test_what_is_no_number_is_refused(runtime: RunningRuntime, value: str) -> None:
    body = BODY.replace(b"[1.0]", f"[{value}]".encode(), 1)
    answer = runtime.client.post("/v2/models/hold/infer", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_a_million_rows_are_refused_before_they_cost_anything(runtime: RunningRuntime) -> None:
    rows = 1_000_000
    body = json.dumps(
        {"inputs": [{"name": n, "shape": [rows], "datatype": "FP32", "data": [1] * rows} for n in ("a", "b")]},
        separators=(",", ":"),
    )
    answer = runtime.client.post("/v2/models/hold/infer", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "1 to 100000 are answered at once" in answer.json()["error"]


@pytest.mark.slow
def test_two_workers_are_one_runtime(tmp_path: Path) -> None:
    """Keys go the same way in both, and new routes hold in both within a second."""
    plane = ControlPlane(tmp_path)
    arms = [plane.arm(10.0, "1", share=0.5), plane.arm(20.0, "2", "challenger", 0.5)]
    plane.publish(plane.endpoint(*arms, sticky_salt="s", policy=EndpointPolicy(sticky_by="a")))
    running = RunningRuntime(plane, tmp_path / "home", None, "--workers", "2")

    def fresh(asked: bytes) -> Any:
        """By a connection of its own: the workers take turns."""
        with connected(running) as sender:
            sender.sendall(asked)
            return json.loads(told(sender).partition(b"\r\n\r\n")[2])

    def epochs(count: int) -> set[int | None]:
        return {fresh(b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n")["epoch"] for _ in range(count)}

    try:
        running.until(lambda: epochs(20) == {1}, "the first routes did not come")
        inputs = [{"name": n, "shape": [40], "datatype": "FP32", "data": [float(v) for v in range(40)]} for n in ("a", "b")]
        answers = [fresh(request(json.dumps({"inputs": inputs}).encode())) for _ in range(30)]
        assert len({json.dumps(answer["outputs"]) for answer in answers}) == 1
        logged = DecisionReader(running.home / "decisions").scan(Window(), ["id"]).num_rows
        assert logged == 30 * 40
        writers = {path.parent.name for path in (running.home / "decisions").rglob("*.seg")}
        assert writers == {"runtime-1", "runtime-2"}
        published = time.monotonic()
        epoch = plane.publish(plane.endpoint(plane.arm(30.0, "3")))
        running.until(lambda: epochs(20) == {epoch}, "the new routes did not come everywhere")
        assert time.monotonic() - published < 2.0  # a second, and the time that asking takes
    finally:
        assert running.stop() == 0
