"""What the first start makes known: the keys that sign, and the root gates. Each is a command like any other, audited."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from typing import Any, ClassVar, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.catalog.commands import RegisterUseCase
from modelyard.catalog.model import USE_CASES
from modelyard.catalog.profile import Purpose as UseCasePurpose
from modelyard.catalog.profile import Tier
from modelyard.catalog.service import register_use_case
from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import AlreadyExists
from modelyard.core.messages import SYSTEM, Command, Subject
from modelyard.core.records import Storage, Transaction, equals, first
from modelyard.governance.adoption import define_root
from modelyard.governance.assurance.commands import GATE_NAME
from modelyard.governance.assurance.model import GREATEST_SOURCE, PLATFORM, Gate
from modelyard.governance.assurance.service import in_force, named
from modelyard.governance.identity import secrets
from modelyard.governance.identity import service as identity
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken, Key, SecretDigest
from modelyard.governance.identity.model import IDENTITIES, IdentityKind, Role, Token
from modelyard.governance.releases.commands import RegisterKey
from modelyard.governance.releases.model import KEYS
from modelyard.trust import Purpose, TrustRoots

RUNTIME = "runtime"
RUNTIME_SCOPES = ("read", "governance.record_refusals", "delivery.record_fallbacks", "delivery.refuse_order")
RUNTIME_TOKEN_LIFE = timedelta(days=365)
PLATFORMS_OWN = RegisterUseCase(
    name=PLATFORM,
    title="Deciding what may serve",
    description="The gates and the risk tiering of this platform. Their versions are adopted, not deployed.",
    tier=Tier.HIGH,
    tags=("platform",),
    purpose=UseCasePurpose(
        business_problem="Which versions may pass to which stage, who approves, and how much care a use case needs"
    ),
)


class RootGate(BaseModel):
    """A gate, or the risk tiering, that comes with the platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=GATE_NAME)
    source: str = Field(max_length=GREATEST_SOURCE)


class BootstrapGates(Command):
    """Put in force the shipped gates that an organisation has none of, and make their use case known. The platform does it."""

    action: ClassVar[str] = "governance.bootstrap_gates"

    gates: tuple[RootGate, ...]


class RootGates(BaseModel):
    """The gates that were defined."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[Gate, ...]


class KeyHolder(Protocol):
    """Knows which key signs what, and the public halves."""

    def active(self) -> dict[Purpose, str]: ...

    def roots(self) -> TrustRoots: ...


def root_gates() -> tuple[RootGate, ...]:
    """What is shipped: `gates/risk_tier.dmn` is `risk-tier`."""
    folder = resources.files("modelyard.governance") / "gates"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".dmn")), key=lambda f: f.name)
    return tuple(RootGate(name=f.name.removesuffix(".dmn").replace("_", "-"), source=f.read_text("utf-8")) for f in files)


def bootstrap_gates(bus: Bus, storage: Storage, organisation: str) -> None:
    """Put in force what the organisation lacks of the shipped gates. Safe to call at each start, and from several processes."""
    with storage.reading() as tx:
        lacking = tuple(gate for gate in root_gates() if not _has(tx, organisation, gate.name))
    if not lacking:
        return
    try:
        bus.handle(
            Request(command=BootstrapGates(gates=lacking), actor=SYSTEM, organisation=organisation, reason="what is shipped")
        )
    except AlreadyExists:
        return


def _has(tx: Transaction, organisation: str, name: str) -> bool:
    """Whether there is a gate of that name, or another one to its stage: neither is put aside by what is shipped."""
    return named(tx, organisation, name) is not None or in_force(tx, organisation, name) is not None


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
    lacking = [gate for gate in command.gates if not _has(work.tx, work.organisation, gate.name)]
    if not lacking:
        raise AlreadyExists("this organisation has these gates already", hint="adopt the successor of one")
    if first(work.tx, USE_CASES, equals("organisation", work.organisation), equals("name", PLATFORM)) is None:
        register_use_case(work, PLATFORMS_OWN)
    return RootGates(gates=tuple(define_root(work, gate.name, gate.source) for gate in lacking))


def _organisation(tx: Transaction, request: Request, command: Command) -> Subject:
    return Subject(type="installation", id=request.organisation)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(BootstrapGates, _define_all, _organisation, RootGates),
        Handling(BootstrapRuntime, _runtime_token, _organisation, Token),
    ]
