"""What the first start makes known: the keys that sign, and the root gates. Each is a command like any other, audited."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from typing import Any, ClassVar, Protocol

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict

from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import AlreadyExists, WrongState
from modelyard.core.messages import SYSTEM, Command, Subject
from modelyard.core.records import Query, Storage, Transaction, equals, first
from modelyard.governance.assurance.commands import DefineGate
from modelyard.governance.assurance.model import GATES, Gate
from modelyard.governance.assurance.service import define_gate
from modelyard.governance.identity import secrets
from modelyard.governance.identity import service as identity
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken, Key, SecretDigest
from modelyard.governance.identity.model import IDENTITIES, IdentityKind, Role, Token
from modelyard.governance.releases.commands import RegisterKey
from modelyard.governance.releases.model import KEYS
from modelyard.trust import Purpose, TrustRoots

RUNTIME = "runtime"
RUNTIME_SCOPES = ("read", "governance.record_refusals")
RUNTIME_TOKEN_LIFE = timedelta(days=365)


class BootstrapGates(Command):
    """Define the root gates of an organisation that has none. Done by the platform itself, once."""

    action: ClassVar[str] = "governance.bootstrap_gates"

    gates: tuple[DefineGate, ...]


class RootGates(BaseModel):
    """The gates that were defined."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[Gate, ...]


class KeyHolder(Protocol):
    """Knows which key signs what, and the public halves."""

    def active(self) -> dict[Purpose, str]: ...

    def roots(self) -> TrustRoots: ...


def root_gates() -> tuple[DefineGate, ...]:
    """The gates that are shipped."""
    folder = resources.files("modelyard.governance") / "gates"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return tuple(DefineGate.model_validate(yaml.safe_load(f.read_text("utf-8"))) for f in files)


def bootstrap_gates(bus: Bus, storage: Storage, organisation: str) -> None:
    """Define the root gates if the organisation has none. Safe to call from several processes at once."""
    with storage.reading() as tx:
        if first(tx, GATES, equals("organisation", organisation)) is not None:
            return
    command = BootstrapGates(gates=root_gates())
    try:
        bus.handle(Request(command=command, actor=SYSTEM, organisation=organisation, reason="first start"))
    except (AlreadyExists, WrongState):
        return


def bootstrap_keys(bus: Bus, storage: Storage, keys: KeyHolder) -> None:
    """Make the public halves of the active keys known to the database, each once."""
    for key_id in sorted(set(keys.active().values())):
        with storage.reading() as tx:
            if first(tx, KEYS, equals("id", key_id)) is not None:
                continue
        root = keys.roots().get(key_id)
        command = RegisterKey(key_id=key_id, purposes=tuple(root.purposes), public_pem=root.public_key)
        try:
            bus.handle(Request(command=command, actor=SYSTEM, reason="key found at start"))
        except AlreadyExists:
            continue


class BootstrapRuntime(Command):
    """Give the runtime beside this platform a token that reads and reports, and nothing else. Done by the platform itself."""

    action: ClassVar[str] = "governance.bootstrap_runtime"

    key: Key
    secret_digest: SecretDigest
    expires_at: AwareDatetime


def bootstrap_runtime(bus: Bus, now: datetime) -> str:
    """A fresh token of the service account `runtime`, which is made if need be."""
    minted = secrets.mint()
    command = BootstrapRuntime(key=minted.key, secret_digest=minted.digest, expires_at=now + RUNTIME_TOKEN_LIFE)
    bus.handle(Request(command=command, actor=SYSTEM, reason="the runtime beside this platform needs a token"))
    return minted.text


def _runtime_token(work: Work, command: BootstrapRuntime) -> Token:
    known = first(work.tx, IDENTITIES, equals("organisation", work.organisation), equals("name", RUNTIME))
    if known is None:
        kind, title = IdentityKind.SERVICE, "Runtime"
        known = identity.create_identity(work, CreateIdentity(name=RUNTIME, kind=kind, display_name=title))
        identity.grant_role(work, GrantRole(identity=known.id, role=Role.OPERATOR))
    wanted = IssueToken(identity=known.id, name=RUNTIME, scopes=RUNTIME_SCOPES, **command.model_dump())
    return identity.issue_token(work, wanted)


def _define_all(work: Work, command: BootstrapGates) -> RootGates:
    if work.find(GATES, Query(where=(equals("organisation", work.organisation),), limit=1)).items:
        raise WrongState("this organisation has gates already", hint="define the successor of one")
    return RootGates(gates=tuple(define_gate(work, gate) for gate in command.gates))


def _organisation(tx: Transaction, request: Request, command: Command) -> Subject:
    return Subject(type="installation", id=request.organisation)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(BootstrapGates, _define_all, _organisation, RootGates),
        Handling(BootstrapRuntime, _runtime_token, _organisation, Token),
    ]
