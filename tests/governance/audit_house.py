"""What the audit tests share: a bus that leaves audit records, a sequencer, an export folder, keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock
from modelyard.core.faults import Faults
from modelyard.core.ids import CountedIds
from modelyard.core.messages import AUDIT, Actor, AuditRecord, Command
from modelyard.core.records import Storage, Table, every
from modelyard.governance.audit import AUDIT_LEAVES, Lease, Report, Sequencer, verify
from modelyard.governance.audit import TABLES as AUDIT_TABLES
from modelyard.governance.identity import TABLES as IDENTITY_TABLES
from modelyard.governance.identity import Identity
from modelyard.governance.identity import handlings as identity_handlings
from modelyard.governance.identity.commands import CreateIdentity, DeactivateIdentity
from modelyard.storage.audit_files import AuditFiles
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots

TABLES: tuple[Table[Any], ...] = (*AUDIT_TABLES, *IDENTITY_TABLES)
ORIGIN = "modelyard.test/audit"
ANN = Actor(id="ann", roles=frozenset({"administrator"}))


class AllowAll:
    def authorise(self, tx, request, subject) -> Permit:
        return Permit("sha256:" + "0" * 64)

    def policy_set(self, tx) -> str:
        return "sha256:" + "0" * 64


class House:
    """Everything around one storage. `sequencer()` is a new process's: nothing of the last one is remembered."""

    def __init__(self, storage: Storage, folder: Path, signer: Ed25519Signer | None = None) -> None:
        self.storage, self.folder = storage, folder
        self.clock = ManualClock()
        self.signer = signer or Ed25519Signer.generate()
        self.bus = Bus(storage, AllowAll(), self.clock, CountedIds())
        self.bus.register(*identity_handlings())
        self.made = 0

    def roots(self, *signers: Ed25519Signer) -> TrustRoots:
        start = ManualClock().now()
        end = start + timedelta(days=365)
        keys = signers or (self.signer,)
        return TrustRoots(roots=tuple(TrustRoot.of(s.public_key, [Purpose.AUDIT], start, end) for s in keys))

    def do(self, command: Command) -> Any:
        return self.bus.handle(Request(command=command, actor=ANN, reason="because"))

    def write(self, count: int = 1) -> list[Identity]:
        """That many commands, each with an audit record."""
        made = []
        for _ in range(count):
            self.made += 1
            self.clock.advance(timedelta(seconds=1))
            made.append(self.do(CreateIdentity(name=f"member-{self.made}", display_name=f"Member {self.made}")))
        return made

    def close(self, member: Identity) -> Identity:
        self.clock.advance(timedelta(seconds=1))
        return self.do(DeactivateIdentity(identity=member.id))

    def files(self, faults: Faults | None = None) -> AuditFiles:
        return AuditFiles(self.folder, faults)

    def sequencer(
        self,
        *,
        faults: Faults | None = None,
        signer: Ed25519Signer | None = None,
        batch: int = 500,
        lease: Lease | None = None,
    ) -> Sequencer:
        files, key = self.files(faults), signer or self.signer
        return Sequencer(self.storage, files, key, self.clock, ORIGIN, lease=lease, faults=faults, batch=batch)

    def verify(self, roots: TrustRoots | None = None) -> Report:
        return verify(self.storage, self.files(), roots or self.roots(), ORIGIN)

    def records(self) -> list[AuditRecord]:
        with self.storage.reading() as tx:
            return every(tx, AUDIT)

    def places(self) -> dict[str, int]:
        with self.storage.reading() as tx:
            return {leaf.id: leaf.position for leaf in every(tx, AUDIT_LEAVES)}
