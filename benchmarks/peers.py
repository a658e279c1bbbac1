"""Peers live in virtual environments of their own under `.envs/`, made from hashed locks; their programs run there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENVS = Path(__file__).parent / ".envs"
UV = Path(sys.executable).with_name("uv")
READY_WITHIN = 180.0
GRACE = 15.0


def environment(name: str) -> Path:
    """The folder of a peer's programs; installed from `locks/bench-<name>.txt` when the lock is newer than what is there."""
    folder, lock = ENVS / name, ROOT / "locks" / f"bench-{name}.txt"
    ready = folder / ".ready"
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        python = folder / "bin" / "python"
        subprocess.run([UV, "pip", "sync", "-q", "--require-hashes", "--python", python, lock], check=True)
        ready.touch()
    return folder / "bin"


@contextmanager
def program(arguments: Sequence[str | Path], log: Path, ready: str | None = None, **more: str) -> Iterator[int]:
    """Runs a program in a session of its own until the block ends, from when its address answers; gives the process id."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"} | more
    with log.open("ab") as file:
        process = subprocess.Popen(arguments, stdout=file, stderr=file, env=variables, start_new_session=True)
    try:
        if ready is not None:
            _wait(process, ready, log)
        yield process.pid
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended at its start:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer:\n{log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Caller:
    """A client program in a process of its own that does one order after another: a JSON line in, a JSON line out."""

    def __init__(self, python: Path, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"},
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def do(self, order: str, **given: Any) -> Any:
        """Its answer. Raises SystemExit when it has ended."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"order": order, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the client ended while it did {order}")
        return json.loads(line)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)


def serve(orders: Any) -> None:
    """The other end of a Caller: methods of `orders` by name, until the input ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints must not get between the answers
    for line in sys.stdin:
        given = json.loads(line)
        out.write(json.dumps(getattr(orders, given.pop("order"))(**given)) + "\n")
        out.flush()
