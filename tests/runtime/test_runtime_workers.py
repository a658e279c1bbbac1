"""The processes of a runtime: killed, orphaned, unable to live."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window

_BODY = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}


@contextmanager
def runtime(folder: Path, workers: int, *options: str) -> Iterator[RunningRuntime]:
    plane = ControlPlane(folder)
    plane.publish(plane.endpoint(plane.arm(1.0)))
    running = RunningRuntime(plane, folder / "home", None, "--workers", str(workers), *options)
    try:
        running.at_epoch(1)
        yield running
    finally:
        if running.process.poll() is None:
            running.stop(signal.SIGKILL)


def workers_of(process: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()}


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def listens(process: int) -> bool:
    """Whether the process has a listening socket."""
    held = set()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            held.add(str(entry.readlink()))
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(f"socket:[{fields[9]}]" in held for fields in listening if fields[3] == "0A")


def came_in(load: dict[str, Any]) -> bool:
    """By either way: on a busy machine the model's first call may have looked long."""
    return bool(load["open"] or load["bytes"])


def status(port: int) -> int | None:
    """By a connection of its own; None when it cannot be had."""
    try:
        with httpx.Client(timeout=20) as client:
            return client.get(f"http://127.0.0.1:{port}/v2/models/hold/ready").status_code
    except httpx.TransportError:
        return None


def once(at_first: str, made: str, run: str, folder: Path) -> list[str]:
    """A program with a worker that does so when it serves for the first time; the one that replaces it ends the program."""
    program = f"""
import os, re, signal, sys, threading
from pathlib import Path
from modelyard.runtime import workers
from modelyard.runtime.leaving import Leaving, Phase
def at_first(): {at_first}
class Worker:
    leaving = Leaving()
    async def serve(self, sock, up):
        up()
        mark = Path(sys.argv[1])
        if mark.exists():
            os.kill(os.getppid(), signal.SIGTERM)
        else:
            mark.touch()
            at_first()
        await self.leaving.until(Phase.STOPPING)
workers._GRACE = 0.2
sys.exit(workers.Workers(1, "127.0.0.1", 0, Worker, {made}).run({run}))
"""
    return [sys.executable, "-c", program, str(folder / "mark")]


def test_a_worker_that_dies_is_replaced_and_callers_wait_for_it(tmp_path: Path) -> None:
    with runtime(tmp_path, 1) as running:
        assert running.infer().status_code == 200
        (victim,) = workers_of(running.process.pid)
        os.kill(victim, signal.SIGKILL)
        with httpx.Client(timeout=20) as client:  # not refused: the main process holds the socket
            assert client.get(f"http://127.0.0.1:{running.port}/v2/health/live").status_code == 200
        running.until(
            lambda: running.get("/v2/models/hold/ready") is not None and status(running.port) == 200, "it was not replaced"
        )
        assert workers_of(running.process.pid).isdisjoint({victim})
        assert running.infer().status_code == 200
        assert running.stop() == 0
        assert DecisionReader(tmp_path / "home" / "decisions").scan(Window(), ["id"]).num_rows == 2


def test_a_worker_that_stands_still_is_killed_and_replaced(tmp_path: Path) -> None:
    with runtime(tmp_path, 2, "--stuck-seconds", "0.5") as running:
        before = workers_of(running.process.pid)
        victim = min(before)
        os.kill(victim, signal.SIGSTOP)
        running.until(lambda: not workers_of(running.process.pid) & {victim}, "it was not killed")
        running.until(lambda: len(workers_of(running.process.pid)) == 2, "it was not replaced")
        assert workers_of(running.process.pid) & before == before - {victim}, "the other one was none to blame"
        running.until(lambda: all(status(running.port) == 200 for _ in range(8)), "not all answer")
        assert running.stop() == 0
        assert "stands still" in running.log_text()


def test_a_worker_that_stands_still_tells_where(tmp_path: Path) -> None:
    """A library that never returns and keeps the interpreter: no thread of the worker's own could tell, or end it."""
    command = once('re.match("(a+)+$", "a" * 60 + "b")', "stuck_seconds=0.5", "", tmp_path)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0
    assert "stands still" in ended.stdout + ended.stderr
    assert "in at_first" in ended.stderr


def test_a_worker_that_goes_round_is_left_alone(tmp_path: Path) -> None:
    """Told by looks, of which the main process makes none while it is stopped itself: after that both have to catch up."""
    with runtime(tmp_path, 1, "--stuck-seconds", "0.2") as running:
        before = workers_of(running.process.pid)
        os.kill(running.process.pid, signal.SIGSTOP)
        for _ in range(200):
            assert running.infer().status_code == 200
        os.kill(running.process.pid, signal.SIGCONT)
        for _ in range(200):
            assert running.infer().status_code == 200
        assert workers_of(running.process.pid) == before
        assert running.stop() == 0
        assert "stands still" not in running.log_text()


def test_a_worker_that_is_told_to_end_finishes_and_is_replaced(tmp_path: Path) -> None:
    with runtime(tmp_path, 1) as running:
        assert running.infer().status_code == 200
        (victim,) = workers_of(running.process.pid)
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as caller:
            body = json.dumps(_BODY).encode()
            sent = b"POST /v2/models/hold/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            sent += b"content-length: %d\r\n\r\n%b" % (len(body), body)
            caller.sendall(sent[:-5])
            running.until(lambda: came_in(running.client.get("/status").json()["load"]), "it did not come in")
            os.kill(victim, signal.SIGTERM)
            running.until(lambda: not listens(victim), "it listens on")
            caller.sendall(sent[-5:])
            answer = http.client.HTTPResponse(caller)
            answer.begin()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        running.until(lambda: not alive(victim) and status(running.port) == 200, "it was not replaced")
        assert running.stop() == 0


def test_workers_do_not_outlive_the_main_process(tmp_path: Path) -> None:
    with runtime(tmp_path, 2) as running:
        assert running.infer().status_code == 200
        workers = workers_of(running.process.pid)
        assert len(workers) == 2
        running.process.kill()
        running.process.wait(20)
        running.client.close()
        end = os.times().elapsed + 20
        while any(alive(worker) for worker in workers):
            assert os.times().elapsed < end, "a worker goes on without anybody to tell it to stop"
        sealed = list((tmp_path / "home" / "decisions").rglob("0*.json"))
        assert sealed, "it ended as if it had been told to: what it logged is sealed"


def test_workers_that_cannot_live_are_given_up(tmp_path: Path) -> None:
    program = """
import sys
from modelyard.runtime.workers import Workers
def make(): raise RuntimeError("on purpose")
sys.exit(Workers(2, "127.0.0.1", 0, make).run())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "on purpose" in ended.stderr
    assert "giving up" in ended.stdout + ended.stderr


def test_workers_that_are_told_to_end_while_they_start_are_not_given_up() -> None:
    """As by a signal to all processes of a runtime that is just starting: the main one may hear of it last."""
    program = """
import os, signal, sys
from modelyard.runtime.workers import Workers
def make():
    os.write(2, b"starting\\n")
    signal.pause()
sys.exit(Workers(3, "127.0.0.1", 0, make).run(drain_seconds=60))
"""
    command = [sys.executable, "-c", program]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=subprocess.PIPE, text=True, start_new_session=True) as main:
        assert main.stderr is not None
        starting = iter(main.stderr)
        try:
            for _ in range(2):
                assert [*islice(starting, 3)] == ["starting\n"] * 3
                for worker in workers_of(main.pid):
                    os.kill(worker, signal.SIGTERM)
            assert [*islice(starting, 3)] == ["starting\n"] * 3, "they are made again"
            main.send_signal(signal.SIGTERM)
            main.send_signal(signal.SIGINT)
            assert main.wait(20) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(main.pid, signal.SIGKILL)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_told(tmp_path: Path, workers: str) -> None:
    plane = ControlPlane(tmp_path)
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "modelyard.runtime", "--home", str(tmp_path / "home"), "--port", str(port)]
        command += ["--source", str(plane.published), "--trust-roots", str(plane.roots), "--workers", workers]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in ended.stderr


def test_a_worker_whose_threads_never_return_ends_all_the_same(tmp_path: Path) -> None:
    at_first = "threading.Thread(target=threading.Event().wait).start(); os.kill(os.getpid(), signal.SIGTERM)"
    command = once(at_first, "", "stop_seconds=0.2", tmp_path)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0
    assert (
        f"exit_code={-signal.SIGALRM}" in ended.stdout + ended.stderr
        or f'"exit_code": {-signal.SIGALRM}' in ended.stdout + ended.stderr
    )
