"""How a runtime ends while somebody still holds it up."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from runtime_stage import ControlPlane, RunningRuntime

_HEAD = b"POST /v2/models/hold/infer HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"


def test_a_request_that_does_not_end_holds_up_the_end_only_so_long(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    plane.publish(plane.endpoint(plane.arm(1.0)))
    running = RunningRuntime(plane, tmp_path / "home", None, "--read-seconds", "600", "--stop-seconds", "1")
    running.at_epoch(1)
    with socket.create_connection(("127.0.0.1", running.port)) as caller:
        caller.sendall(_HEAD)
        assert running.infer().status_code == 200
        began = time.monotonic()
        assert running.stop() == 0
        assert 0.9 <= time.monotonic() - began < 15
