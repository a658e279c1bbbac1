"""Everything in one terminal: API, worker and runtime as child processes, stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from modelyard.bootstrap import Settings, build, first_start, runtime_token
from modelyard.core.errors import ModelyardError, TimedOut, Unavailable
from modelyard.storage.key_files import ROOTS

POLICY = "policy.json"
READY_WITHIN = 60.0
GRACE = 15.0
LOOK_EVERY = 0.1


@dataclass
class Program:
    """A child process and where it says that it is ready."""

    name: str
    arguments: Sequence[str]
    ready: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str], log: Path) -> None:
        # Children get a session of their own, so that Ctrl-C reaches this process alone and they end in order.
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.arguments], env=environment, stdout=file, stderr=file, start_new_session=True
            )

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class House:
    """The programs of one installation on one machine. As a context manager it stops what it started."""

    settings: Settings
    programs: list[Program] = field(default_factory=list)
    administrator: str | None = None

    def start(self) -> House:
        """Migrate, make keys, start everything and wait until all of it answers. Raises Unavailable when a port is taken,
        TimedOut when a program does not get ready."""
        settings = self.settings
        for host, port in ((settings.host, settings.port), (settings.runtime_host, settings.runtime_port)):
            _require_free(host, port)
        platform = build(settings)
        self.administrator = first_start(platform)
        token = runtime_token(platform)
        (settings.home / POLICY).write_text(platform.policy.model_dump_json())
        platform.close()
        self.programs = _programs(settings, token)
        try:
            end = time.monotonic() + READY_WITHIN
            for program in self.programs:
                program.start(_environment(settings), self._log(program))
                self._wait_until_ready(program, end)
        except BaseException:
            self.stop()
            raise
        return self

    def _wait_until_ready(self, program: Program, end: float) -> None:
        pause = threading.Event()
        while program.ready is not None and not _answers(program.ready):
            if not program.running():
                raise Unavailable(f"{program.name} ended at its start", hint=f"see {self._log(program)}")
            if time.monotonic() > end:
                raise TimedOut(f"{program.name} is not ready after {READY_WITHIN:g} s", hint=f"see {self._log(program)}")
            pause.wait(LOOK_EVERY)

    def _log(self, program: Program) -> Path:
        return self.settings.home / f"{program.name}.log"

    def ended(self) -> Program | None:
        """A program that has ended by itself, if any."""
        return next((p for p in self.programs if not p.running()), None)

    def stop(self) -> None:
        """Stop everything: first what answers callers, last what writes the log."""
        for program in reversed(self.programs):
            program.stop()

    def __enter__(self) -> House:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _programs(settings: Settings, token: Path) -> list[Program]:
    runtime = [
        "modelyard.runtime",
        *("--home", str(settings.runtime_folder)),
        *("--host", settings.runtime_host),
        *("--port", str(settings.runtime_port)),
        *("--source", settings.url),
        *("--trust-roots", str(settings.home / "keys" / ROOTS)),
        *("--token-file", str(token)),
    ]
    if settings.runtime_grpc_port is not None:
        runtime += ["--grpc-port", str(settings.runtime_grpc_port)]
    runtime += ["--policy-file", str(settings.home / POLICY), "--stop-seconds", str(int(GRACE) - 5)]
    return [
        Program("worker", ["modelyard.worker"]),
        Program("api", ["modelyard.api"], f"{settings.url}/health/ready"),
        Program("runtime", runtime, f"{settings.runtime_url}/v2/health/live"),
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as the children read them, with everything else that this process has."""
    told = {
        f"MODELYARD_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
        if value not in ((), "")
    }
    return {**os.environ, **told}


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"port {port} is taken ({error.strerror})", field="port", hint="choose another, or stop what listens there"
            ) from error


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def run(settings: Settings) -> int:
    """Start everything, say what to do next, wait for Ctrl-C. Returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _say("starting API, worker and runtime …")
    try:
        house = House(settings).start()
    except ModelyardError as error:
        _say(f"error: {error}")
        return 1
    try:
        _say(_welcome(house))
        while not stop.wait(0.5):
            ended = house.ended()
            if ended is not None:
                _say(f"error: {ended.name} has ended; see {settings.home / (ended.name + '.log')}")
                return 1
    finally:
        _say("stopping …")
        house.stop()
    _say("stopped; nothing is lost")
    return 0


def _welcome(house: House) -> str:
    settings = house.settings
    lines = [
        "",
        f"  control plane  {settings.url}   (API documentation: {settings.url}/docs)",
        f"  runtime        {settings.runtime_url}   (Open Inference Protocol: {settings.runtime_url}/v2)",
        f"  everything is kept in {settings.home.absolute()}",
        "",
    ]
    if house.administrator is not None:
        lines += [
            "  The administrator's token, shown this once:",
            "",
            f"      {house.administrator}",
            "",
            "  Next, in another terminal:",
            f"      export MODELYARD_URL={settings.url} MODELYARD_RUNTIME_URL={settings.runtime_url}",
            f"      export MODELYARD_TOKEN={house.administrator}",
            "      modelyard identity create dana --display-name Dana     # then: role grant, token issue",
            "      modelyard doctor",
        ]
    else:
        lines += ["  Next, in another terminal: modelyard doctor"]
    return "\n".join([*lines, "", "  Ctrl-C stops everything."])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
