"""An installation of real processes, and people who talk to it over HTTP alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from modelyard.bootstrap import Settings
from modelyard.governance.identity.secrets import mint
from modelyard.worker.up import House
from tests.life.conftest import write_model, write_sample

T = TypeVar("T")
PEOPLE = {
    "dana": ("developer",),
    "omar": ("operator",),
    "bea": ("business_owner",),
    "rita": ("risk_officer",),
    "vera": ("validator",),
}
FIRST, SECOND, THIRD = (1.0, -0.5, 0.25), (-3.0, 0.0, 0.0), (0.0, 0.0, 5.0)
ROW = {"amount": 1.0, "age": 0.0, "tenure": 0.0}
"""Inputs that the three models answer with 0.73, 0.05 and 0.5."""


def eventually(look: Callable[[], T | None], what: str, within: float = 30.0) -> T:
    """What `look` gives as soon as it is something; a failed assertion when that takes too long."""
    end, pause = time.monotonic() + within, threading.Event()
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        pause.wait(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Person:
    """Somebody with a token, at one API. Safe for several threads."""

    def __init__(self, url: str, token: str, name: str = "") -> None:
        self.name, self.token = name, token
        self.http = httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> httpx.Response:
        return self.http.request(method, path, json=body, **how)

    def do(self, path: str, body: Any = None, *, method: str = "POST", key: str | None = None) -> Any:
        """A command that must be done."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.ask(method, path, body, params={"reason": "test"}, headers=headers)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def all(self, path: str, **params: Any) -> list[Any]:
        """Every record of a collection, page by page."""
        found: list[Any] = []
        after: str | None = None
        while True:
            page = self.get(path, limit=200, **params, **({"after": after} if after else {}))
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    def upload(self, path: Path) -> str:
        answer = self.http.post("/blobs", content=path.read_bytes()).raise_for_status()
        return str(answer.json()["digest"])


def people(url: str, administrator: str, **roles: tuple[str, ...]) -> dict[str, Person]:
    """New people with their roles, each with a token of their own."""
    found = {}
    root = Person(url, administrator)
    for name, theirs in roles.items():
        made = root.do("/identities", {"name": name, "display_name": name.title()})
        for role in theirs:
            root.do(f"/identities/{made['id']}/roles", {"role": role})
        minted = mint()
        expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"name": "test", "key": minted.key, "secret_digest": minted.digest, "expires_at": expires}
        root.do(f"/identities/{made['id']}/tokens", body)
        found[name] = Person(url, minted.text, name)
    return found


@dataclass
class Yard:
    """A house of processes with people in it. Everything goes through HTTP; what breaks in goes through files and SQL."""

    house: House
    people: dict[str, Person]
    folder: Path
    runtime: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.runtime = httpx.Client(base_url=self.settings.runtime_url, timeout=30)

    @property
    def settings(self) -> Settings:
        return self.house.settings

    def use_case(self, name: str, tier: str = "medium") -> None:
        dana = self.people["dana"]
        dana.do("/use-cases", {"name": name, "tier": tier})
        dana.do("/models", {"name": f"{name}-model", "use_case": name, "kind": "ml"})

    def version(self, weights: tuple[float, float, float], use_case: str = "credit") -> Any:
        return register(self.people["dana"], self.folder, f"{use_case}-model", weights)

    def passed(self, version: Any) -> None:
        """Fresh evidence and a gate that looks at it."""
        dana, vera, path = self.people["dana"], self.people["vera"], f"/versions/{version['id']}"
        vera.do(f"{path}/evidence", {"type": "scan", "metrics": {"dangers": 0.0}})
        report = {"checks": 4.0, "checks_failed": 0.0, "roc_auc": 0.8}
        vera.do(f"{path}/evidence", {"type": "test_report", "metrics": report})
        gate = dana.do(f"{path}/gate")
        assert gate["metrics"]["passes"] == 1, gate

    def release(self, version: Any, *endpoints: str, use_case: str = "credit", **scope: Any) -> Any:
        """From fresh evidence to a release of its own."""
        self.passed(version)
        roles = ["champion", "challenger", "fallback", "shadow"]
        wanted = {"use_case": use_case, "endpoints": list(endpoints), "roles": roles} | scope
        approval = self.people["omar"].do("/approvals", {"version": version["id"], "scope": wanted})
        decision = {"verdict": "approved", "comments": "seen", "shown": approval["bound"]}
        self.people["bea"].do(f"/approvals/{approval['id']}/decisions", decision)
        return self.people["omar"].do("/releases", {"approval": approval["id"]})

    def endpoint(self, name: str, use_case: str = "credit") -> str:
        self.people["omar"].do("/endpoints", {"name": name, "use_case": use_case})
        return name

    def deploy(self, endpoint: str, release: Any, **how: Any) -> Any:
        return self.people["omar"].do(f"/endpoints/{endpoint}/deploy", {"release": release["id"]} | how)

    def serving(self, endpoint: str, version: Any) -> Any:
        """A fresh endpoint where that version answers, with a release of its own; gives the release."""
        release = self.release(version, self.endpoint(endpoint))
        self.deploy(endpoint, release)
        self.await_epoch()
        assert self.ask(endpoint).status_code == 200
        return release

    def ask(self, endpoint: str, **row: float) -> httpx.Response:
        return self.runtime.post(f"/v2/models/{endpoint}/infer", json=question(ROW | row))

    def status(self) -> Any:
        return self.runtime.get("/status").json()

    def epoch(self) -> int:
        """The epoch of the newest snapshot that the control plane signed."""
        return int(self.people["omar"].get("/routes", limit=1, sort="-epoch")["items"][0]["epoch"])

    def await_epoch(self, epoch: int | None = None) -> int:
        """Until the runtime acts on that epoch (the newest, if none is given)."""
        wanted = epoch or self.epoch()
        return eventually(lambda: (self.status()["epoch"] or 0) >= wanted and wanted, f"epoch {wanted} at the runtime")

    def publish(self) -> int:
        return int(self.people["omar"].do("/routes", {"cause": "test"})["epoch"])

    def refusals(self, **where: Any) -> list[Any]:
        found = self.people["rita"].all("/audit", outcome="refused")
        return [r for r in found if all(r[name] == value for name, value in where.items())]

    def await_refusal(self, endpoint: str | None, within: float = 30.0, **where: Any) -> Any:
        """An audit record of something that the runtime refused to serve."""
        wanted = {"action": "runtime.serve"} | ({"subject_id": endpoint} if endpoint else {}) | where
        return eventually(lambda: self.refusals(**wanted), f"a refusal {wanted}", within)[0]

    def break_in(self, statement: str, *values: Any, table: str) -> None:
        """Change the database as its administrator could: with the triggers that forbid it dropped."""
        with contextlib.closing(sqlite3.connect(self.settings.home / "modelyard.db", timeout=30)) as connection:
            for trigger in (f"{table}_never_changed", f"{table}_never_removed"):
                connection.execute(f'DROP TRIGGER IF EXISTS "{trigger}"')
            assert connection.execute(statement, values).rowcount > 0
            connection.commit()

    def program(self, name: str) -> Any:
        return next(p for p in self.house.programs if p.name == name)

    def stop(self, name: str) -> None:
        self.program(name).stop()

    def start(self, name: str, *more: str) -> None:
        """Start a program again; `more` overrides its arguments."""
        from modelyard.worker.up import _environment

        program = self.program(name)
        before = program.arguments
        program.arguments = [*before, *more]
        program.start(_environment(self.settings), self.settings.home / f"{name}.log")
        program.arguments = before
        if program.ready is not None:
            eventually(lambda: answers(program.ready), f"{name} is ready", 60)


def register(dana: Person, folder: Path, model: str, weights: tuple[float, float, float]) -> Any:
    """A version, from a real file."""
    artifact = dana.upload(write_model(folder / "model.onnx", weights))
    sample = dana.upload(write_sample(folder / "sample.parquet"))
    body = {"model": model, "artifact": artifact, "filename": "model.onnx", "sample": sample}
    return dana.do("/versions", body)["version"]


def question(row: dict[str, float]) -> Any:
    return {"inputs": [{"name": n, "shape": [1, 1], "datatype": "FP32", "data": [v]} for n, v in row.items()]}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def process(*arguments: str, log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, which ends with the block whatever it does."""
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        kill(child)


def kill(child: subprocess.Popen[bytes]) -> None:
    """As the kernel would: the whole session, without a word."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(30)


def audit_is_whole(rita: Person, within: float = 30.0) -> Any:
    """Every audit record has its place and a checkpoint, and nothing contradicts the log; gives the verification."""

    def look() -> Any:
        told = rita.get("/audit/verify")
        return told if told["log"]["waiting"] == 0 and told["log"]["uncovered"] == 0 else None

    told = eventually(look, "every audit record has its place", within)
    assert told["ok"], told
    return told
