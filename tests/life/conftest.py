"""A whole platform on each adapter, with people in their roles and a real ONNX model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.bootstrap import TABLES, Platform, Settings, assemble, first_start
from modelyard.catalog.commands import RegisterModel, RegisterUseCase, RegisterVersion
from modelyard.catalog.model import Version
from modelyard.core.blobs import BlobInfo
from modelyard.core.bus import Request
from modelyard.core.clock import ManualClock
from modelyard.core.errors import AlreadyExists
from modelyard.core.messages import SYSTEM, Actor, Command
from modelyard.core.records import Table, every
from modelyard.delivery.commands import CreateEndpoint, Deploy
from modelyard.delivery.model import Endpoint
from modelyard.evaluation.registration import Declared, Registration, prepare
from modelyard.governance.adoption import artifact_of
from modelyard.governance.assurance.commands import AdoptGate, DecideApproval, EvaluateGate, RecordEvidence, RequestApproval
from modelyard.governance.assurance.model import GOVERNANCE, PLATFORM, Approval, Evidence, EvidenceType, Gate, Scope
from modelyard.governance.bootstrap import root_gates
from modelyard.governance.releases.commands import IssueRelease
from modelyard.governance.releases.model import IssuedRelease
from modelyard.kinds.contract import Inspection
from modelyard.kinds.manifest import ArtifactRef
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.storage.memory import MemoryStorage

START = datetime(2026, 1, 1, tzinfo=UTC)
INSPECTIONS: dict[str, Inspection] = {}
"""What was inspected once need not be inspected again: it depends on the bytes alone."""
PROBABILITY = FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE, minimum=0, maximum=1)
FIELDS = ("amount", "age", "tenure")


def actor(name: str, *roles: str) -> Actor:
    return Actor(id=f"idn_{name}", roles=frozenset(roles))


DANA = actor("dana", "developer")
DAVE = actor("dave", "developer")
OMAR = actor("omar", "operator")
BEA = actor("bea", "business_owner")
VERA = actor("vera", "validator")
RITA = actor("rita", "risk_officer")
RUTH = actor("ruth", "risk_officer")
SHIPPED = {gate.name: gate.source for gate in root_gates()}
RULES = Signature(
    inputs=(FieldSpec(name="tier", type=DataType.BYTES, role=Role.PREDICTOR),),
    outputs=(FieldSpec(name="Gate", type=DataType.BYTES, role=Role.OTHER),),
)


def write_model(path: Path, weights: tuple[float, float, float]) -> Path:
    """A logistic regression of three inputs as ONNX, one input a column."""
    from onnx import TensorProto, helper, numpy_helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in FIELDS]
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])
    kernel = numpy_helper.from_array(np.array(weights, dtype=np.float32).reshape(3, 1), "kernel")
    nodes = [
        helper.make_node("Concat", list(FIELDS), ["x"], axis=1),
        helper.make_node("MatMul", ["x", "kernel"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["probability"]),
    ]
    graph = helper.make_graph(nodes, "logistic", inputs, [output], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def write_sample(path: Path, rows: int = 50) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    pq.write_table(pa.table({name: random.normal(size=rows).astype(np.float32) for name in FIELDS}), path)
    return path


@dataclass
class House:
    """A platform and short ways to go through a version's life."""

    platform: Platform
    clock: ManualClock
    folder: Path
    made: dict[str, Any] = field(default_factory=dict)

    def do(self, who: Actor, command: Command, **how: Any) -> Any:
        return self.platform.bus.handle(Request(command=command, actor=who, **({"reason": "test"} | how)))

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            return self.platform.blobs.put(file).digest

    def use_case(self, name: str = "credit", tier: str = "medium") -> None:
        self.do(DANA, RegisterUseCase(name=name, tier=tier))
        self.do(DANA, RegisterModel(name=f"{name}-model", use_case=name, kind="ml"))

    def version(self, use_case: str = "credit", weights: tuple[float, float, float] = (1.0, -0.5, 0.25)) -> Version:
        model = write_model(self.folder / "model.onnx", weights)
        sample = write_sample(self.folder / "sample.parquet")
        asked = Registration(
            model=f"{use_case}-model",
            artifact=self.upload(model),
            filename="model.onnx",
            sample=self.upload(sample),
            signature=Declared(outputs=(PROBABILITY,)),
            translate=False,
        )
        command, _, _ = prepare(self.platform.desk, asked)
        found = self.do(DANA, command)
        assert isinstance(found, Version)
        return found

    def evidence(self, version: Version, **metrics: float) -> Evidence:
        """What a check job would find; `metrics` go into the test report."""
        scan = RecordEvidence(version=version.id, type=EvidenceType.SCAN, metrics={"dangers": 0.0})
        report = {"checks": 4.0, "checks_failed": 0.0, "roc_auc": 0.8} | metrics
        self.do(SYSTEM, scan)
        found = self.do(SYSTEM, RecordEvidence(version=version.id, type=EvidenceType.TEST_REPORT, metrics=report))
        assert isinstance(found, Evidence)
        return found

    def gate(self, version: Version) -> Evidence:
        found = self.do(DANA, EvaluateGate(version=version.id))
        assert isinstance(found, Evidence)
        return found

    def scope(self, use_case: str = "credit", **given: Any) -> Scope:
        given = {"endpoints": (use_case,), "roles": ("champion", "challenger", "fallback", "shadow")} | given
        return Scope(use_case=use_case, **given)

    def request(self, version: Version, scope: Scope | None = None) -> Approval:
        found = self.do(OMAR, RequestApproval(version=version.id, scope=scope or self.scope()))
        assert isinstance(found, Approval)
        return found

    def approve(self, approval: Approval, who: Actor = BEA, verdict: Any = "approved") -> Approval:
        found = self.do(who, DecideApproval(approval=approval.id, verdict=verdict, comments="seen", shown=approval.bound))
        assert isinstance(found, Approval)
        return found

    def release(self, version: Version, scope: Scope | None = None) -> IssuedRelease:
        """From evidence to release in one go."""
        self.evidence(version)
        self.gate(version)
        approval = self.approve(self.request(version, scope))
        found = self.do(OMAR, IssueRelease(approval=approval.id))
        assert isinstance(found, IssuedRelease)
        return found

    def deploy(self, release: IssuedRelease, endpoint: str = "credit", **given: Any) -> Endpoint:
        found = self.do(OMAR, Deploy(endpoint=endpoint, release=release.id, **given))
        assert isinstance(found, Endpoint)
        return found

    def serving(self) -> Endpoint:
        """A version in front of its endpoint."""
        self.use_case()
        return self.serving_of(self.version())

    def serving_of(self, version: Version) -> Endpoint:
        """A given version in front of its endpoint."""
        self.do(OMAR, CreateEndpoint(name="credit", use_case="credit"))
        return self.deploy(self.release(version))

    def rules(self, name: str, source: str | bytes, who: Actor = DANA) -> Version:
        """A version of one of the platform's own models, as registration would give its command."""
        data = source if isinstance(source, bytes) else source.encode()
        kept: BlobInfo = self.platform.blobs.put([data])
        with suppress(AlreadyExists):
            self.do(who, RegisterModel(name=f"{name}-rules", use_case=PLATFORM, kind="rules"))
        artifact = ArtifactRef(digest=kept.digest, size=kept.size, format="dmn", filename="gate.dmn")
        inspection = Inspection(kind="rules", format="dmn")
        command = RegisterVersion(model=f"{name}-rules", artifact=artifact, inspection=inspection, signature=RULES)
        found = self.do(who, command)
        assert isinstance(found, Version)
        return found

    def judged(self, version: Version) -> Version:
        """A version of the platform's own that passed the gate to governance."""
        self.evidence(version)
        self.report(version)
        result = self.do(DANA, EvaluateGate(version=version.id, stage=GOVERNANCE))
        assert result.metrics["passes"] == 1, result.summary
        return version

    def report(self, version: Version, examples: bool = True, hit_policies: bool = True) -> Evidence:
        """What the checks of the kind find out about a gate's file."""
        named = {"examples in gate.csv agree": examples, "tables keep their hit policies": hit_policies, "deterministic": True}
        facts = {"checks": [{"name": name, "passed": passed} for name, passed in named.items()]}
        metrics = {"checks": 3.0, "checks_failed": float(sum(not passed for passed in named.values()))}
        command = RecordEvidence(version=version.id, type=EvidenceType.TEST_REPORT, metrics=metrics, facts=facts)
        self.later(seconds=1)
        found = self.do(SYSTEM, command)
        assert isinstance(found, Evidence)
        return found

    def for_gate(self, version: Version, name: str) -> Approval:
        """A request to let a version become a gate."""
        return self.request(version, self.scope(PLATFORM, endpoints=(name,), stage=GOVERNANCE, roles=("champion",)))

    def adopt(self, version: Version, name: str, who: Actor = RITA) -> Gate:
        artifact = artifact_of(self.platform.storage, self.platform.blobs, "default", version.id)
        found = self.do(who, AdoptGate(gate=name, version=version.id, artifact=artifact))
        assert isinstance(found, Gate)
        return found

    def successor(self, name: str = "production", source: str | bytes = "", who: Actor = DANA) -> Gate:
        """The successor of a gate, all the way from its file; without one, what is shipped with a remark in it."""
        text = source or SHIPPED[name].replace("</definitions>", f"<!-- {len(self.made)} --></definitions>")
        self.made[f"successor {len(self.made)}"] = name
        version = self.judged(self.rules(name, text, who))
        approval = self.for_gate(version, name)
        for officer in (RITA, RUTH):
            self.approve(approval, officer)
        return self.adopt(version, name)

    def later(self, **by: float) -> datetime:
        return self.clock.advance(timedelta(**by))


Records = list[tuple[Table[Any], list[Any]]]


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Records]:
    """What a first start leaves: the home with its keys, and every record. The same for every house, and costly to make."""
    home = tmp_path_factory.mktemp("beginning") / "home"
    storage = MemoryStorage(TABLES)
    first_start(assemble(Settings(home=home), storage, clock=ManualClock(START)))
    with storage.reading() as tx:
        return home, [(table, list(every(tx, table))) for table in TABLES]


@pytest.fixture
def house(make_storage: Any, beginning: tuple[Path, Records], tmp_path: Path) -> Iterator[House]:
    home, records = beginning
    shutil.copytree(home, tmp_path / "home")
    storage = make_storage(TABLES)
    with storage.transaction() as tx:
        for table, kept in records:
            for record in kept:
                tx.add(table, record)
    clock = ManualClock(START)
    platform = assemble(Settings(home=tmp_path / "home"), storage, clock=clock)
    platform.inspections = INSPECTIONS
    yield House(platform, clock, tmp_path)
    platform.close()
