"""A bus with the catalog's handlers over each storage adapter that the tree has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.catalog import TABLES, commands, service
from modelyard.catalog.errors import InvalidManifestFile
from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock
from modelyard.core.digests import digest
from modelyard.core.ids import RandomIds
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, Actor, Command, EventEnvelope
from modelyard.core.records import Storage, Transaction, every
from modelyard.kinds.contract import Inspection
from modelyard.kinds.manifest import ArtifactRef
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

ALL_TABLES = (*TABLES, AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX)
ANNA = Actor(id="anna", roles=frozenset({"developer"}))


class AllowAll:
    def authorise(self, tx: Transaction, request: Request, subject: Any) -> Permit:
        return Permit("sha256:" + "0" * 64)

    def policy_set(self, tx: Transaction) -> str:
        return "sha256:" + "0" * 64


@dataclass
class Yard:
    """A small platform: storage, bus, clock, and the endpoints where versions are said to be live."""

    storage: Storage
    clock: ManualClock = field(default_factory=ManualClock)
    live: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bus = Bus(self.storage, AllowAll(), self.clock, RandomIds())
        self.bus.register(*service.handlings(kinds=("ml", "rules"), in_use=self._in_use, **self.options))

    def _in_use(self, tx: Transaction, version_id: str) -> Sequence[str]:
        return self.live.get(version_id, [])

    def do(self, command: Command, actor: Actor = ANNA, organisation: str = "default", **more: Any) -> Any:
        return self.bus.handle(Request(command=command, actor=actor, organisation=organisation, **more))

    def read(self, question: Callable[[Transaction], Any]) -> Any:
        with self.storage.reading() as tx:
            return question(tx)

    def events(self, type_: str) -> list[EventEnvelope]:
        return [e for e in self.read(lambda tx: every(tx, OUTBOX)) if e.type == type_]

    def model(self, name: str = "flight-delay", **more: Any) -> Any:
        """A model with its use case."""
        use_case = f"{name}-case"
        self.do(commands.RegisterUseCase(name=use_case, business_owner="bea"))
        return self.do(commands.RegisterModel(name=name, use_case=use_case, kind="ml", **more))


def signature(*inputs: FieldSpec) -> Signature:
    return Signature(
        inputs=inputs or (FieldSpec(name="dep_hour", type=DataType.INT64), FieldSpec(name="carrier", type=DataType.BYTES)),
        outputs=(FieldSpec(name="late", type=DataType.FP32, role=Role.SCORE),),
    )


def artifact(content: bytes = b"one", format_: str = "onnx") -> ArtifactRef:
    return ArtifactRef(digest=digest(content), size=len(content), format=format_, filename="model")


def version(model: str = "flight-delay", content: bytes = b"one", **more: Any) -> commands.RegisterVersion:
    format_ = more.pop("format_", "onnx")
    given = {"inspection": Inspection(kind="ml", format=format_), "signature": signature()} | more
    return commands.RegisterVersion(model=model, artifact=artifact(content, format_), **given)


def refusal(read: Callable[..., object], text: str) -> InvalidManifestFile | None:
    """What `read` has against the text, None when it reads it."""
    try:
        read(text, "f")
    except InvalidManifestFile as refused:
        return refused
    return None
