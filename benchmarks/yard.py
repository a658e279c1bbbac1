"""A whole Modelyard on loopback in a folder of its own, with the people that a benchmark needs."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelyard.bootstrap import Settings
from modelyard.client import Client
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import Identity, IdentityKind, Role
from modelyard.governance.identity.secrets import mint
from modelyard.worker.up import House

PEOPLE = {"dana": Role.DEVELOPER, "omar": Role.OPERATOR, "bea": Role.BUSINESS_OWNER}


@dataclass(frozen=True)
class Yard:
    """A running installation: where it is, the processes it consists of, and a token for each person."""

    url: str
    runtime_url: str
    home: Path
    processes: dict[str, int]
    tokens: dict[str, str]

    def client(self, person: str) -> Client:
        return Client(self.url, self.tokens[person], runtime_url=self.runtime_url)


@contextmanager
def yard() -> Iterator[Yard]:
    """Starts API, worker and runtime; ends them and removes what they wrote."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-benchmark-"))
    try:
        settings = Settings(home=folder, port=free_port(), runtime_port=free_port())
        with House(settings) as house:
            processes = {p.name: p.process.pid for p in house.programs if p.process is not None}
            tokens = _hired(settings.url, house.administrator or "")
            yield Yard(settings.url, settings.runtime_url, folder, processes, tokens)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hired(url: str, administrator: str) -> dict[str, str]:
    tokens = {}
    with Client(url, administrator) as admin:
        for name, role in PEOPLE.items():
            who = admin.do(CreateIdentity(name=name, kind=IdentityKind.PERSON, display_name=name), Identity)
            admin.do(GrantRole(identity=who.id, role=role))
            minted, until = mint(), datetime.now(UTC) + timedelta(days=1)
            admin.do(IssueToken(identity=who.id, name="bench", key=minted.key, secret_digest=minted.digest, expires_at=until))
            tokens[name] = minted.text
    return tokens
