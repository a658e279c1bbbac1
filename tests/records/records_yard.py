"""A real server with a decision log beside it, people in their roles, and a worker that does one thing at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from modelyard.api.app import create_app
from modelyard.bootstrap import TABLES, Platform, Settings, assemble, build, first_start
from modelyard.core.clock import SystemClock
from modelyard.decisions import DecisionIds, DecisionLog, Pseudonyms, Rows
from modelyard.governance.identity.secrets import mint
from modelyard.storage.sql import SqlStorage
from tests.api.api_yard import person, started
from tests.conftest import database

KEY = b"a secret of thirty-two bytes, hex"
PERSON = "Erika.Mustermann+4711@example.org"
OTHER = "customer-0815"
DAY = timedelta(days=1)


@dataclass
class Yard:
    """The installation's folder, a way to its server, tokens by name, and the platform as a worker in this process sees it."""

    home: Path
    http: httpx.Client
    tokens: dict[str, str]
    platform: Platform
    ids: DecisionIds = field(default_factory=lambda: DecisionIds(SystemClock()))

    @property
    def log(self) -> Path:
        return self.platform.settings.runtime_folder / "decisions"

    def ask(self, who: str, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} | how.pop("headers", {})
        return self.http.request(method, f"/api/v1{path}", headers=headers, **how)

    def do(self, who: str, path: str, body: dict[str, Any], reason: str = "ticket 12", **how: Any) -> Any:
        answer = self.ask(who, "POST", path, json=body, params={"reason": reason}, **how)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def use_case(self, name: str, tier: str = "low") -> None:
        self.do("dana", "/use-cases", {"name": name, "tier": tier})

    def decide(self, log: DecisionLog, use_case: str, *, subject: str | None = None, count: int = 1, **given: Any) -> list[str]:
        """Decisions as a runtime logs them: pseudonyms of the subject and the routing key, whatever the inputs hold."""
        ids = self.ids.mint(count)
        names = Pseudonyms(KEY)
        clear = json.dumps({"name": subject or "nobody", "amount": 10})
        shared = {
            "organisation": "default",
            "use_case": use_case,
            "endpoint": use_case,
            "decision_time": datetime.now(UTC),
            "answered_arm": "v1",
            "requested_arm": "v1",
            "role": "champion",
            "manifest": "sha256:" + "a" * 64,
            "epoch": 1,
            "inputs": clear,
            "output": '{"hold":false}',
            "subject": None if subject is None else names.of("subject", subject),
            "unit": None if subject is None else names.of("unit", subject),
        }
        log.append(Rows(count, {"id": ids}, shared | given))
        return list(ids)

    @contextmanager
    def writing(self, writer: str = "runtime-1") -> Iterator[DecisionLog]:
        with DecisionLog(self.log, writer) as log:
            yield log

    def outcome(self, ids: list[str], **more: Any) -> Any:
        outcomes = [{"decision": i, "values": {"paid": True}} | more for i in ids]
        return self.do("omar", "/outcomes", {"source": "ledger", "outcomes": outcomes})

    def work(self) -> None:
        """What a worker does in its turns until there is nothing more at once."""
        for _ in range(20):
            ran = self.platform.custodian.run_retention()
            if not self.platform.custodian.erase() and not ran:
                return
        raise AssertionError("the custodian finds no end")

    def files_with(self, text: str, *leaving: str) -> list[Path]:
        """Files of the installation that hold these bytes, in any of the forms that JSON and SQLite keep text in."""
        data = text.encode()
        found = [p for p in self.home.rglob("*") if p.is_file() and data in p.read_bytes()]
        return [p for p in found if p.name not in leaving]


ROLES = {"dana": "developer", "omar": "operator", "rita": "risk_officer", "bea": "business_owner", "vic": "viewer"}


def _prepared(home: Path) -> Path:
    (home / "runtime").mkdir(parents=True)
    (home / "runtime" / "pseudonym.key").write_bytes(KEY)
    return home


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One installation with a server in a process of its own, for tests that keep to a use case and people of their own."""
    home = _prepared(tmp_path_factory.mktemp("records"))
    with started(home) as server:
        tokens = {name: person(server.url, server.administrator, name, role) for name, role in ROLES.items()}
        platform = build(Settings(home=home))
        with httpx.Client(base_url=server.url, timeout=30) as http:
            yield Yard(home, http, tokens, platform)
        platform.close()


@dataclass(frozen=True)
class Beginning:
    """The home of an installation with its people, their tokens, and an application that serves any platform: costly to make, and
    the same for every test."""

    home: Path
    tokens: dict[str, str]
    app: FastAPI


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    return _began(Settings(home=_prepared(tmp_path_factory.mktemp("beginning") / "home")))


@pytest.fixture(scope="session")
def pg_beginning(tmp_path_factory: pytest.TempPathFactory, pg_server: str) -> Iterator[tuple[str, Beginning]]:
    """The same with its records in a PostgreSQL database, the name of which is given too: it is copied for each test."""
    with database(pg_server) as url:
        home = _prepared(tmp_path_factory.mktemp("pg-beginning") / "home")
        yield url.split("?")[0].split("/")[-1], _began(Settings(home=home, database=url))


def _began(settings: Settings) -> Beginning:
    platform = build(settings)
    administrator, app = first_start(platform), create_app(platform)
    http = TestClient(app, headers={"Authorization": f"Bearer {administrator}"})
    tokens = {name: _person(http, name, role) for name, role in ROLES.items()}
    platform.close()
    return Beginning(settings.home, tokens, app)


@pytest.fixture
def own(beginning: Beginning, tmp_path: Path) -> Iterator[Yard]:
    """An installation that a test has for itself, served within this process."""
    with _own(beginning, Settings(home=tmp_path / "home")) as yard:
        yield yard


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    """The same on each database: for tests that ask it something of its own, whatever the files of the log do."""
    if request.param == "sqlite":
        with _own(request.getfixturevalue("beginning"), Settings(home=tmp_path / "home")) as yard:
            yield yard
        return
    template, began = request.getfixturevalue("pg_beginning")
    server = request.getfixturevalue("pg_server")
    with database(server, template) as url, _own(began, Settings(home=tmp_path / "home", database=url)) as yard:
        yield yard


@contextmanager
def _own(began: Beginning, settings: Settings) -> Iterator[Yard]:
    shutil.copytree(began.home, settings.home)
    platform = assemble(settings, SqlStorage(settings.database_url, TABLES, durable=False))
    began.app.state.platform = platform
    yield Yard(settings.home, TestClient(began.app), began.tokens, platform)
    platform.close()


def _person(http: TestClient, name: str, role: str) -> str:
    made = http.post("/api/v1/identities", json={"name": name, "display_name": name.title()}).raise_for_status().json()
    http.post(f"/api/v1/identities/{made['id']}/roles", json={"role": role}).raise_for_status()
    minted, until = mint(), (datetime.now(UTC) + DAY).isoformat()
    token = {"name": "t", "key": minted.key, "secret_digest": minted.digest, "expires_at": until}
    http.post(f"/api/v1/identities/{made['id']}/tokens", json=token).raise_for_status()
    return minted.text
