"""What the first start makes known: the keys that sign, and the root gates. Each is a command like any other, audited."""

from __future__ import annotations

from importlib import resources
from typing import Any, ClassVar, Protocol

import yaml
from pydantic import BaseModel, ConfigDict

from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import AlreadyExists, WrongState
from modelyard.core.messages import SYSTEM, Command, Subject
from modelyard.core.records import Query, Storage, Transaction, equals, first
from modelyard.governance.assurance.commands import DefineGate
from modelyard.governance.assurance.model import GATES, Gate
from modelyard.governance.assurance.service import define_gate
from modelyard.governance.releases.commands import RegisterKey
from modelyard.governance.releases.model import KEYS
from modelyard.trust import Purpose, TrustRoots


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


def _define_all(work: Work, command: BootstrapGates) -> RootGates:
    if work.find(GATES, Query(where=(equals("organisation", work.organisation),), limit=1)).items:
        raise WrongState("this organisation has gates already", hint="define the successor of one")
    return RootGates(gates=tuple(define_gate(work, gate) for gate in command.gates))


def _organisation(tx: Transaction, request: Request, command: BootstrapGates) -> Subject:
    return Subject(type="installation", id=request.organisation)


def handlings() -> list[Handling[Any]]:
    return [Handling(BootstrapGates, _define_all, _organisation, RootGates)]
