"""A real API server, and somebody who has every role."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.bootstrap import Settings, build, first_start
from modelyard.governance.identity.model import Role
from modelyard.governance.identity.secrets import mint

READY_WITHIN = 60.0


@dataclass(frozen=True)
class Server:
    """Where it is, its folder and process; `everybody` is a token of one person with every role."""

    url: str
    home: Path
    administrator: str
    everybody: str
    pid: int

    def ask(self, method: str, path: str, *, token: str | None = None, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.everybody}"} | how.pop("headers", {})
        return httpx.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **how)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def person(url: str, administrator: str, name: str, *roles: str) -> str:
    """A token of a new person with these roles."""
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {administrator}"}, timeout=30) as http:
        made = http.post("/identities", json={"name": name, "display_name": name.title()}).raise_for_status().json()
        for role in roles:
            http.post(f"/identities/{made['id']}/roles", json={"role": role}).raise_for_status()
        minted = mint()
        expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"name": "t", "key": minted.key, "secret_digest": minted.digest, "expires_at": expires}
        http.post(f"/identities/{made['id']}/tokens", json=body).raise_for_status()
    return minted.text


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end, pause = time.monotonic() + READY_WITHIN, threading.Event()
    while True:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).status_code == 200:
                return
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError("the API did not get ready") from error
        pause.wait(0.1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, for tests that leave nothing as it was."""
    with started(tmp_path_factory.mktemp("victim")) as found:
        yield found


@contextmanager
def started(home: Path) -> Iterator[Server]:
    port = free_port()
    platform = build(Settings(home=home, port=port))
    administrator = first_start(platform)
    platform.close()
    assert administrator is not None
    environment = os.environ | {"MODELYARD_HOME": str(home), "MODELYARD_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with (home / "api.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "modelyard.api"], env=environment, stdout=log, stderr=log)
    try:
        wait_until_ready(url, process)
        everybody = person(url, administrator, "everybody", *(r.value for r in Role))
        yield Server(url, home, administrator, everybody, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=20)
