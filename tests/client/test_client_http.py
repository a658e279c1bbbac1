"""The connection: what is tried again, what is not, and how problems become exceptions. Against a real HTTP server."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelyard.client.blobs import download, upload
from modelyard.client.http import Connection
from modelyard.client.inference import Runtime
from modelyard.core import errors


class Script(ThreadingHTTPServer):
    """A server that answers as it is told, one answer after another (the last one for ever), and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Any] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the script."""


class Handler(BaseHTTPRequestHandler):
    server: Script
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if told == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, value, headers = (*told, {})[:3]
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815 -- the names that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def connect(script: Script, pauses: list[float]) -> Iterator[Callable[..., Connection]]:
    made: list[Connection] = []

    def connection(**more: Any) -> Connection:
        made.append(Connection(script.url, "t", pause=pauses.append, **more))
        return made[-1]

    yield connection
    for connection_ in made:
        connection_.close()


BUSY = (503, {"code": "busy", "detail": "locked", "status": 503}, {"Retry-After": "3"})


def test_a_busy_server_is_asked_again_after_as_long_as_it_says(script: Script, connect: Any, pauses: list[float]) -> None:
    script.answers = [BUSY, BUSY, (200, {"id": "m"})]
    assert connect().change("catalog.register_model", {"name": "m"}) == {"id": "m"}
    assert pauses == [3.0, 3.0]
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in script.seen}
    assert len(script.seen) == 3
    assert len(keys) == 1


def test_patience_ends(script: Script, connect: Any, pauses: list[float]) -> None:
    script.answers = [BUSY]
    with pytest.raises(errors.Busy, match="locked"):
        connect(attempts=3).get("/models")
    assert len(script.seen) == 3
    script.answers = [(503, {}, {"Retry-After": "99999"}), (200, {})]
    connect().get("/models")
    assert pauses[-1] == 30.0


def test_a_broken_connection_is_tried_again_only_where_that_is_safe(script: Script, connect: Any) -> None:
    script.answers = ["hang up", (200, {"id": "m"})]
    assert connect().change("catalog.register_model", {"name": "m"})["id"] == "m"
    script.answers = ["hang up", (200, {})]
    script.seen.clear()
    with pytest.raises(errors.Unavailable, match="broke"):
        connect().request("POST", "//v2/models/e/infer", json={})
    assert len(script.seen) == 1


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pauses: list[float] = []
    with Connection(f"http://127.0.0.1:{port}", pause=pauses.append) as http, pytest.raises(errors.Unavailable) as caught:
        http.get("/me")
    assert len(pauses) == 3
    assert caught.value.hint
    assert "modelyard up" in caught.value.hint


@pytest.mark.parametrize("kind", sorted(errors.family().values(), key=lambda k: k.code), ids=lambda k: k.code)
def test_every_error_of_the_family_arrives_as_itself(script: Script, connect: Any, kind: type[errors.ModelyardError]) -> None:
    body = {"code": kind.code, "status": kind.status, "detail": "no", "field": "a.b", "hint": "do"}
    script.answers = [(kind.status, body)]
    with pytest.raises(kind) as caught:
        connect(attempts=1).get("/x")
    assert type(caught.value) is kind
    assert (caught.value.detail, caught.value.field, caught.value.hint) == ("no", "a.b", "do")


def test_an_error_of_a_newer_server_keeps_its_code_and_nearest_kind(script: Script, connect: Any) -> None:
    script.answers = [(409, {"code": "brand_new", "detail": "so"})]
    with pytest.raises(errors.Conflict) as caught:
        connect().get("/x")
    assert caught.value.code == "brand_new"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b'"x"', b"\xff"])
@pytest.mark.parametrize("status", [400, 404, 418, 500, 502])
def test_answers_that_are_no_problem_details_are_errors_all_the_same(
    script: Script, connect: Any, status: int, body: bytes
) -> None:
    script.answers = [(status, body)]
    with pytest.raises(errors.ModelyardError) as caught:
        connect(attempts=1).get("/x")
    assert str(status) in caught.value.detail
    assert caught.value.hint


def test_a_runtime_tells_its_errors_as_the_protocol_does(script: Script, connect: Any) -> None:
    script.answers = [(400, {"error": "input 'a' is missing"})]
    with pytest.raises(errors.InvalidInput, match="input 'a' is missing"):
        connect().get("//v2/models/e")


def test_several_faults_are_told_together(script: Script, connect: Any) -> None:
    faults = [{"field": "a", "detail": "one"}, {"field": "b", "detail": "two"}]
    script.answers = [(422, {"code": "invalid_input", "detail": "one", "field": "a", "errors": faults})]
    with pytest.raises(errors.InvalidInput, match="one; b: two"):
        connect().get("/x")


def test_success_that_is_not_json_and_redirects_are_named(script: Script, connect: Any) -> None:
    script.answers = [(200, b"hello")]
    with pytest.raises(errors.Unavailable, match="not JSON"):
        connect().get("/x")
    script.answers = [(302, b"", {"Location": "http://elsewhere.invalid/"})]
    with pytest.raises(errors.ModelyardError):
        connect().get("/x")
    assert len(script.seen) == 2


def test_names_in_paths_are_escaped(script: Script, connect: Any) -> None:
    script.answers = [(200, {})]
    connect().change("delivery.promote", {"endpoint": "../a?b#c%2f", "arm": "v2"})
    _, path, _, body = script.seen[0]
    assert path == "/api/v1/endpoints/..%2Fa%3Fb%23c%252f/promote"
    assert json.loads(body) == {"arm": "v2"}


def test_pages_are_fetched_as_they_are_consumed(script: Script, connect: Any) -> None:
    script.answers = [(200, {"items": [{"n": 1}, {"n": 2}], "next": "c"}), (200, {"items": [{"n": 3}]})]
    pages = connect().pages("models", q="x")
    assert next(pages) == {"n": 1}
    assert len(script.seen) == 1
    assert [p["n"] for p in pages] == [2, 3]
    assert "after=c" in script.seen[1][1]
    script.answers = [(200, {"items": [{"n": 1}], "next": "c"})]
    assert len(list(connect().pages("models", limit=3))) == 3


def test_upload_streams_with_its_digest_and_again_after_a_break(script: Script, connect: Any, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    path = tmp_path / "m.bin"
    path.write_bytes(data)
    found = "sha256:" + hashlib.sha256(data).hexdigest()
    script.answers = ["hang up", (200, {"digest": found, "size": len(data)})]
    told: list[int] = []
    sent = upload(connect(), path, lambda done, size: told.append(done))
    assert (sent.digest, sent.size) == (found, len(data))
    assert script.seen[-1][3] == data
    assert told[-1] == len(data)


def test_an_upload_that_arrived_otherwise_is_not_trusted(script: Script, connect: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"x")
    script.answers = [(200, {"digest": "sha256:" + "0" * 64, "size": 1})]
    with pytest.raises(errors.Untrusted):
        upload(connect(), path)
    with pytest.raises(errors.InvalidInput, match="not there"):
        upload(connect(), tmp_path / "none")
    with pytest.raises(errors.InvalidInput, match="folder"):
        upload(connect(), tmp_path)


def test_a_download_appears_whole_and_verified_or_not_at_all(script: Script, connect: Any, tmp_path: Path) -> None:
    found = "sha256:" + hashlib.sha256(b"model").hexdigest()
    script.answers = [(200, b"model")]
    assert download(connect(), found, tmp_path / "a" / "m").read_bytes() == b"model"
    script.answers = [(200, b"other")]
    with pytest.raises(errors.Untrusted):
        download(connect(), found, tmp_path / "b" / "m")
    script.answers = [(404, {"code": "not_found", "detail": "none"})]
    with pytest.raises(errors.NotFound):
        download(connect(), found, tmp_path / "b" / "m")
    assert list((tmp_path / "b").iterdir()) == []


METADATA = (200, {"inputs": [{"name": "a", "datatype": "FP32"}, {"name": "b", "datatype": "BYTES"}]})
ANSWER = (
    200,
    {
        "model_version": "v",
        "parameters": {"decision_ids": ["d1", "d2"], "groups": [{"arm": "v1"}]},
        "outputs": [
            {"name": "p", "datatype": "FP64", "shape": [2], "data": [0.1, 0.9]},
            {"name": "q", "datatype": "FP64", "shape": [2, 2], "data": [1, 2, 3, 4]},
        ],
    },
)


def test_decisions_by_columns_or_rows_speak_the_protocol(script: Script) -> None:
    from datetime import UTC, datetime

    script.answers = [METADATA, ANSWER]
    runtime = Runtime(script.url)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    answers = runtime.decide("hold", {"a": [1, float("nan")], "b": ["x", "y"]}, routing_keys=["k1", "k2"], event_times=moment)
    assert answers.outputs == {"p": [0.1, 0.9], "q": [[1, 2], [3, 4]]}
    assert answers.decision_ids == ("d1", "d2")
    sent = json.loads(script.seen[1][3])
    assert sent["inputs"][0] == {"name": "a", "shape": [2], "datatype": "FP32", "data": [1, None]}
    assert sent["parameters"] == {"routing_keys": ["k1", "k2"], "event_time": "2026-01-01T00:00:00+00:00"}
    runtime.decide("hold", [{"a": 1.0, "b": "x"}, {"b": "y", "a": 2.0}], routing_keys="one", subjects=["s", "t"])
    assert json.loads(script.seen[2][3])["inputs"][1]["data"] == ["x", "y"]
    runtime.close()


@pytest.mark.parametrize("rows", [[], {}, {"a": []}, {"a": [1], "b": [1, 2]}, [{"a": 1}, {"b": 1}]])
def test_rows_that_are_no_table_are_refused_before_they_are_sent(script: Script, rows: Any) -> None:
    script.answers = [METADATA]
    runtime = Runtime(script.url)
    with pytest.raises(errors.InvalidInput):
        runtime.decide("hold", rows)
    runtime.close()
    assert script.seen == []
