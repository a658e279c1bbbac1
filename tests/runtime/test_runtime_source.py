"""The runtime beside a control plane that speaks HTTP: it pulls, it reports, it lives on without it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from runtime_stage import ControlPlane, RunningRuntime, onnx_model

from modelyard.core.digests import digest
from modelyard.core.errors import NotFound, Untrusted
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.errors import SourceDown
from modelyard.runtime.ports import RefusalRecord
from modelyard.runtime.sources import HttpSource
from modelyard.runtime.spool import RefusalSpool

TOKEN = "secret-token"


class Api(ThreadingHTTPServer):
    """The control plane's part of the conversation, over the published folder."""

    daemon_threads = True

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plane = plane
        self.refusals: list[dict[str, Any]] = []
        self.uses: list[dict[str, Any]] = []
        self.failing = False
        self.changed = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        if not self._allowed():
            return
        split = urlsplit(self.path)
        steps = split.path.removeprefix("/api/v1/runtime/").split("/")
        published = self.server.plane.published
        name = steps[-1].removeprefix("sha256:")
        if steps[0] == "routes":
            query = parse_qs(split.query)
            if int(query["after"][0]) >= self.server.plane.epoch:
                self.server.changed.wait(float(query["wait"][0]))
            if int(query["after"][0]) >= self.server.plane.epoch:
                self._send(304, b"")
            else:
                self._send(200, (published / "routes.dsse.json").read_bytes())
        elif steps[0] == "releases":
            self._file(published / "releases" / f"{name}.dsse.json")
        else:
            manifest = published / "manifests" / f"{name}.json"
            self._file(manifest if manifest.exists() else published / "blobs" / "sha256" / name[:2] / name)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self._allowed():
            told = self.server.refusals if self.path.endswith("/refusals") else self.server.uses
            told += json.loads(body)
            self._send(204, b"")

    def _allowed(self) -> bool:
        if self.server.failing:
            self._send(500, b"")
            return False
        if self.headers["authorization"] != f"Bearer {TOKEN}":
            self._send(401, b"")
            return False
        return True

    def _file(self, path: Path) -> None:
        self._send(200, path.read_bytes()) if path.exists() else self._send(404, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    server = Api(ControlPlane(tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_pull_report_and_live_on_alone(api: Api, tmp_path: Path) -> None:
    plane = api.plane
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    plane.publish(plane.endpoint(plane.arm(10.0, "1")))
    api.changed.set()
    base = f"http://127.0.0.1:{api.server_port}"
    running = RunningRuntime(plane, tmp_path / "home", base, "--token-file", str(token))
    try:
        running.at_epoch(1)
        assert running.infer(a=0.0).json()["outputs"][0]["data"] == [10.0]
        epoch = plane.publish(plane.endpoint(plane.arm(20.0, "2", stage="validation"), plane.arm(30.0, "3", "fallback", 0.0)))
        running.at_epoch(epoch)
        running.until(lambda: bool(api.refusals), "no refusal was reported")
        assert {r["clause"] for r in api.refusals} == {"stage"}
        running.until(lambda: running.spooled() == [], "what was acknowledged stays in the spool")
        api.failing = True
        assert running.infer(a=0.0).json()["outputs"][0]["data"] == [30.0]
        running.stop()
        running.start()
        running.at_epoch(epoch)
        assert running.infer(a=0.0).json()["outputs"][0]["data"] == [30.0]
        assert len(running.spooled()) == 1
        api.failing = False
        running.until(lambda: running.spooled() == [], "the spool was not delivered when the control plane came back")
        assert len({r["id"] for r in api.refusals}) == 1
        running.until(lambda: len(api.uses) == 2, "the uses of the fallback were not delivered")
        assert len({use["id"] for use in api.uses}) == 2
        expected = {"endpoint": "hold", "arm": "champion", "answered_by": "fallback", "reason": "refused", "count": 1}
        assert all(use | expected == use and use["since"] <= use["until"] for use in api.uses)
    finally:
        assert running.stop() == 0


def test_the_http_source_tells_absent_from_unreachable(api: Api) -> None:
    plane = api.plane
    manifest = plane.version(onnx_model(1.0))
    base = f"http://127.0.0.1:{api.server_port}/"
    source = HttpSource(base, TOKEN)
    assert source.routes(0, 0.0) is None
    assert b"".join(source.blob(manifest.digest())) == manifest.encode()
    assert b"".join(source.blob(manifest.serving.digest)) == onnx_model(1.0)
    with pytest.raises(NotFound):
        b"".join(source.blob("sha256:" + "0" * 64))
    with pytest.raises(NotFound):
        source.release("sha256:" + "0" * 64)
    with pytest.raises(SourceDown) as caught:
        HttpSource(base, "wrong").routes(0, 0.0)
    assert caught.value.hint
    with pytest.raises(SourceDown):
        HttpSource("http://127.0.0.1:9", None).release("sha256:" + "0" * 64)


def test_the_cache_keeps_only_what_has_its_digest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    good = digest(b"model")
    with pytest.raises(Untrusted):
        cache.keep_blob(good, iter([b"mod", b"ified"]), 100)
    with pytest.raises(Untrusted):
        cache.keep_blob(good, iter([b"model"]), 3)
    assert cache.blob(good) is None
    path = cache.keep_blob(good, iter([b"mo", b"del"]), 5)
    assert cache.blob(good) == path
    path.write_bytes(b"other")
    assert cache.blob(good) is None
    assert list((tmp_path / "blobs").iterdir()) == []


def test_the_epoch_never_goes_back(tmp_path: Path) -> None:
    one, two = Cache(tmp_path), Cache(tmp_path)
    one.accept(b"five", Highest(5, "d5"))
    two.accept(b"three", Highest(3, "d3"))
    assert one.highest() == two.highest() == Highest(5, "d5")
    assert two.routes() == b"five"
    (tmp_path / "epoch.json").write_bytes(b"{")
    with pytest.raises(Untrusted):
        one.highest()


def test_the_spool_survives_and_forgets_only_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spool.jsonl"

    def record(key: str) -> RefusalRecord:
        return RefusalRecord(id=key, runtime="r", at="2026-01-01T00:00:00Z", code="untrusted", detail="no")

    spool = RefusalSpool(path)
    spool.record([record("a"), record("b")])
    spool.record([record("a")])
    with path.open("ab") as handle:
        handle.write(b'{"id":"torn')
    again = RefusalSpool(path)
    assert [r.id for r in again.waiting()] == ["a", "b"]
    again.record([record("c")])
    again.acknowledge({"a", "c"})
    assert [r.id for r in RefusalSpool(path).waiting()] == ["b"]
