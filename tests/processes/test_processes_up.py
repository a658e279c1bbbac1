"""`modelyard up` in a terminal: Ctrl-C ends all of it, in order and at once; what is in the way is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from processes_yard import answers, eventually, free_port, process

from modelyard.bootstrap import Settings
from modelyard.core.errors import Unavailable
from modelyard.worker.up import House


def up_at(folder: Path, port: int, runtime_port: int) -> list[str]:
    home = ["--home", str(folder / "home")]
    return ["modelyard.cli", "up", *home, "--port", str(port), "--runtime-port", str(runtime_port)]


def children_of(pid: int) -> set[int]:
    """Every process below that one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child, *children_of(child)}
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; what is dead and only waits for its parent does not."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found.add(pid)
    return found


@pytest.mark.slow
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    port, runtime_port = free_port(), free_port()
    log = tmp_path / "up.log"
    with process(*up_at(tmp_path, port, runtime_port), log=log, environment={}) as up:
        eventually(lambda: "Ctrl-C" in log.read_text(), "it says what to do next", 90)
        assert "token, shown this once" in log.read_text()
        below = children_of(up.pid)
        assert len(below) >= 3
        with httpx.Client() as caller:  # a connection that is kept open must not hold it up
            assert caller.get(f"http://127.0.0.1:{runtime_port}/v2/health/live").status_code == 200
            os.kill(up.pid, signal.SIGINT)
            assert up.wait(40) == 0
        assert alive(below) == set()
    assert not answers(f"http://127.0.0.1:{port}/health/live")
    assert "nothing is lost" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        command = [sys.executable, "-m", *up_at(tmp_path, taken, free_port())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert f"port {taken} is taken" in done.stderr
        assert "Traceback" not in done.stderr
        with pytest.raises(Unavailable, match=f"port {taken} is taken"):
            House(Settings(home=tmp_path / "home", port=free_port(), runtime_port=taken)).start()
    assert not (tmp_path / "home" / "modelyard.db").exists()


@pytest.mark.slow
def test_a_child_that_dies_ends_the_house(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    with process(*up_at(tmp_path, free_port(), free_port()), log=log, environment={}) as up:
        eventually(lambda: "Ctrl-C" in log.read_text(), "it is up", 90)
        below = children_of(up.pid)
        worker = next(p for p in below if b"modelyard.worker" in Path(f"/proc/{p}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        assert up.wait(40) == 1
        assert alive(below) == set()
    assert "worker has ended" in log.read_text()
