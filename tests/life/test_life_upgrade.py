"""A house that version 0.1 kept goes on: its gate stays in force, what was approved holds, nothing looks altered."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.bootstrap import EXPLAINED_TABLES, TABLES, Settings, assemble, first_start
from modelyard.catalog.lookup import find_use_case, find_version
from modelyard.core.clock import ManualClock
from modelyard.core.errors import NotApproved
from modelyard.core.messages import SYSTEM
from modelyard.core.records import equals, every
from modelyard.governance.assurance import gates
from modelyard.governance.assurance.commands import EvaluateGate, RecordEvidence
from modelyard.governance.assurance.model import APPROVALS, EVIDENCE, GATES, PLATFORM, Approval, EvidenceType, Gate
from modelyard.governance.audit import verify_records
from modelyard.governance.releases.commands import IssueRelease
from modelyard.storage.migrations import newest, upgrade
from modelyard.storage.sql import SqlStorage
from tests.life.conftest import DANA, OMAR, START, House

RELEASED = Path(__file__).parents[1] / "storage" / "released"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database as version 0.1 left it, migrated to the present schema."""
    path = tmp_path_factory.mktemp("upgraded") / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for name in ("0001.sqlite.sql", "0001.house.sql"):
            connection.executescript((RELEASED / name).read_text("utf-8"))
    assert upgrade(f"sqlite:///{path}") == newest()
    return path


@pytest.fixture
def old(upgraded: Path, tmp_path: Path) -> Iterator[House]:
    """The house as version 0.1 left it, opened by this version."""
    path = shutil.copyfile(upgraded, tmp_path / "old.db")
    storage = SqlStorage(f"sqlite:///{path}", TABLES, durable=False)
    clock = ManualClock(START + timedelta(days=2))
    platform = assemble(Settings(home=tmp_path / "home"), storage, clock=clock)
    first_start(platform)
    yield House(platform, clock, tmp_path)
    platform.close()


def approvals(house: House, status: str) -> list[Approval]:
    with house.platform.storage.reading() as tx:
        return every(tx, APPROVALS, equals("status", status))


def known_gates(house: House) -> dict[str, Gate]:
    with house.platform.storage.reading() as tx:
        return {f"{gate.name} {gate.number}": gate for gate in every(tx, GATES)}


def test_nothing_looks_altered_and_what_is_shipped_joins_what_there_was(old: House) -> None:
    assert verify_records(old.platform.storage, EXPLAINED_TABLES) == ()
    found = known_gates(old)
    assert sorted(found) == ["governance 1", "production 1", "risk-tier 1"]
    assert (len(found["production 1"].thresholds), found["production 1"].source) == (6, None)
    with old.platform.storage.reading() as tx:
        assert find_use_case(tx, "default", PLATFORM).tier == "high"
        assert {evidence.gate_definition for evidence in every(tx, EVIDENCE)} == {None}
    first_start(old.platform)
    assert known_gates(old) == found


def test_what_was_approved_is_released_and_what_waits_is_decided(old: House) -> None:
    (waiting,) = approvals(old, "pending")
    decided = next(a for a in approvals(old, "approved") if a.subject_id == waiting.subject_id)
    assert old.do(OMAR, IssueRelease(approval=decided.id)).version == decided.subject_id
    assert old.approve(waiting).status == "approved"
    assert verify_records(old.platform.storage, EXPLAINED_TABLES) == ()


def test_the_gate_of_thresholds_judges_on_as_a_decision(old: House) -> None:
    (waiting,) = approvals(old, "pending")
    production = known_gates(old)["production 1"]
    with old.platform.storage.reading() as tx:
        version = find_version(tx, "default", waiting.subject_id)
    judged = old.gate(version)
    assert judged.metrics["passes"] == 1
    assert judged.facts["definition"] == judged.gate_definition == production.definition_digest() == waiting.gate_digest
    assert judged.facts["rows"][0]["reason"] == "dangers is 0, asked is exactly 0"
    old.do(
        SYSTEM, RecordEvidence(version=version.id, type=EvidenceType.TEST_REPORT, metrics={"checks": 1.0, "checks_failed": 1.0})
    )
    assert old.do(DANA, EvaluateGate(version=version.id)).metrics["passes"] == 0
    assert "Gate" in gates.source_of(production)


def test_its_successor_is_a_decision_and_ends_what_was_approved_under_it(old: House) -> None:
    (waiting,) = approvals(old, "pending")
    successor = old.successor()
    assert (successor.number, successor.to_stage, successor.thresholds) == (2, "production", ())
    with pytest.raises(NotApproved, match="successor"):
        old.approve(waiting)
