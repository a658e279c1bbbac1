"""A gate's successor goes the way of every model: judged by the gate in force, approved by two risk officers, adopted."""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from importlib import resources
from typing import Any

import pytest

from modelyard.catalog.commands import RegisterModel, RegisterUseCase, RetireVersion, UpdateUseCase
from modelyard.catalog.lookup import find_use_case, state_of
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, NotApproved, TooLarge, Untrusted, WrongState
from modelyard.core.messages import AUDIT, SYSTEM, ActorKind
from modelyard.core.records import equals, every
from modelyard.evaluation.checks import run_checks
from modelyard.evaluation.commands import RecordComparison
from modelyard.evaluation.registration import Registration, prepare
from modelyard.governance.adoption import artifact_of
from modelyard.governance.assurance.commands import AdoptGate, EvaluateGate, RecordEvidence, WithdrawApproval
from modelyard.governance.assurance.model import EVIDENCE, GATES, GOVERNANCE, PLATFORM, EvidenceType, Gate
from modelyard.governance.bootstrap import BootstrapGates, bootstrap_gates, root_gates
from tests.life.conftest import BEA, DANA, DAVE, OMAR, RITA, RUTH, SHIPPED, VERA, House, actor

STRICTER = SHIPPED["production"].replace("<text>0.6</text>", "<text>0.9</text>")


def gates_of(house: House, name: str) -> list[Gate]:
    with house.platform.storage.reading() as tx:
        return every(tx, GATES, equals("name", name))


def approved(house: House, source: str, name: str = "production") -> Any:
    """A version that both risk officers approved as a gate."""
    version = house.judged(house.rules(name, source))
    approval = house.for_gate(version, name)
    for officer in (RITA, RUTH):
        house.approve(approval, officer)
    return version


def test_a_stricter_gate_comes_into_force_and_judges(house: House) -> None:
    house.use_case()
    served = house.version()
    house.evidence(served, roc_auc=0.8)
    before = house.gate(served)
    assert before.metrics["passes"] == 1
    version = approved(house, STRICTER)
    gate = house.adopt(version, "production")
    assert (gate.number, gate.version, gate.manifest, gate.source) == (2, version.id, version.manifest_digest, STRICTER)
    assert (gate.defined_by, gate.adopted_by) == (DANA.id, RITA.id)
    after = house.gate(served)
    assert after.metrics["passes"] == 0
    failed = [row for row in after.facts["rows"] if not row["passed"]]
    assert [(row["name"], row["category"], row["limit"]) for row in failed] == [("ranks better than chance", "performance", 0.9)]
    assert (before.gate_definition, after.gate_definition) == tuple(g.definition_digest() for g in gates_of(house, "production"))
    with house.platform.storage.reading() as tx:
        assert state_of(tx, version).status == "released"
        assert state_of(tx, version).stage == GOVERNANCE


def test_the_gate_to_governance_judges_and_replaces_itself(house: House) -> None:
    for number in (2, 3):
        successor = house.successor("governance")
        assert (successor.number, successor.to_stage) == (number, GOVERNANCE)
        assert house.successor("production").number == number


def test_the_risk_tiering_is_adopted_the_same_way(house: House) -> None:
    assert house.successor("risk-tier").number == 2
    assert [gate.to_stage for gate in gates_of(house, "risk-tier")] == ["", ""]


def test_every_evidence_names_the_definition_of_its_gate(house: House) -> None:
    house.use_case()
    version, other = house.version(), house.version(weights=(2.0, 0.0, 0.0))
    house.evidence(version)
    house.gate(version)
    window = {"since": house.clock.now(), "until": house.later(days=1)}
    house.do(
        SYSTEM,
        RecordComparison(version=version.id, champion=other.id, endpoint="credit", metrics={"challenger_better": 1.0}, **window),
    )
    rules = house.judged(house.rules("production", STRICTER))
    definition = {name: gates_of(house, name)[0].definition_digest() for name in ("production", "governance")}
    with house.platform.storage.reading() as tx:
        serving, governing = (every(tx, EVIDENCE, equals("version", v.id)) for v in (version, rules))
    assert {e.type.value: e.gate_definition for e in serving} == dict.fromkeys(
        ("scan", "test_report", "gate_result", "comparison"), definition["production"]
    )
    assert {e.gate_definition for e in governing} == {definition["governance"]}


@pytest.mark.parametrize(
    ("examples", "hit_policies", "failed"), [(False, True, "examples agree"), (True, False, "hit policies are kept")]
)
def test_what_the_checks_found_wrong_is_no_gate(house: House, examples: bool, hit_policies: bool, failed: str) -> None:
    version = house.rules("production", STRICTER)
    house.evidence(version)
    house.report(version, examples, hit_policies)
    result = house.do(DANA, EvaluateGate(version=version.id, stage=GOVERNANCE))
    assert result.metrics["passes"] == 0
    assert {row["name"] for row in result.facts["rows"] if not row["passed"]} == {"all checks pass", failed}
    with pytest.raises(NotApproved, match=failed):
        house.for_gate(version, "production")


def test_nobody_adopts_what_two_risk_officers_have_not_approved(house: House) -> None:
    version = house.rules("production", STRICTER)
    with pytest.raises(NotApproved, match="nobody asked"):
        house.adopt(version, "production")
    house.judged(version)
    approval = house.for_gate(version, "production")
    for who in (RITA, None, RUTH):
        with pytest.raises(NotApproved, match="is pending"):
            house.adopt(version, "production")
        if who is None:
            with pytest.raises(AlreadyExists, match="decided"):
                house.approve(approval, RITA)
            for other in (BEA, VERA):
                with pytest.raises(Forbidden, match="risk_officer"):
                    house.approve(approval, other)
        else:
            house.approve(approval, who)
    assert house.adopt(version, "production").number == 2


def test_an_approval_is_for_one_gate_and_holds_while_nothing_changes(house: House) -> None:
    version = approved(house, STRICTER)
    with pytest.raises(NotApproved, match="as validation"):
        house.adopt(version, "validation")
    house.later(seconds=1)
    house.report(version)
    with pytest.raises(NotApproved, match="newer evidence"):
        house.adopt(version, "production")
    house.do(DANA, EvaluateGate(version=version.id, stage=GOVERNANCE))
    approval = house.for_gate(version, "production")
    for officer in (RITA, RUTH):
        house.approve(approval, officer)
    house.later(days=15)
    with pytest.raises(NotApproved, match="expired"):
        house.adopt(version, "production")


def test_an_approval_under_the_earlier_gate_to_governance_is_void(house: House) -> None:
    version = approved(house, STRICTER)
    house.successor("governance")
    with pytest.raises(NotApproved, match="successor"):
        house.adopt(version, "production")


def test_a_request_that_was_taken_back_carries_nothing(house: House) -> None:
    version = house.judged(house.rules("production", STRICTER))
    house.do(OMAR, WithdrawApproval(approval=house.for_gate(version, "production").id))
    with pytest.raises(NotApproved, match="withdrawn"):
        house.adopt(version, "production")


@pytest.mark.parametrize("who", [DANA, OMAR, BEA, VERA, SYSTEM, RITA.model_copy(update={"kind": ActorKind.SERVICE})])
def test_a_risk_officer_adopts_and_it_is_a_person(house: House, who: Any) -> None:
    version = approved(house, STRICTER)
    with pytest.raises(Forbidden):
        house.adopt(version, "production", who)
    with house.platform.storage.reading() as tx:
        assert every(tx, AUDIT, equals("action", "governance.adopt_gate"), equals("outcome", "refused"))


def test_who_wrote_a_gate_neither_asks_approves_nor_adopts(house: House) -> None:
    rita = RITA.model_copy(update={"roles": frozenset({"risk_officer", "developer"})})
    version = house.judged(house.rules("production", STRICTER, rita))
    approval = house.for_gate(version, "production")
    with pytest.raises(Forbidden, match=r"separation\.approver"):
        house.approve(approval, rita)
    for officer in (RUTH, actor("rolf", "risk_officer")):
        house.approve(approval, officer)
    with pytest.raises(Forbidden, match=r"separation\.adopter"):
        house.adopt(version, "production", rita)
    assert house.adopt(version, "production", RUTH).number == 2


def test_another_file_than_the_versions_is_not_adopted(house: House) -> None:
    version = approved(house, STRICTER)
    other = b64encode(SHIPPED["production"].encode())
    with pytest.raises(Untrusted, match="not the one"):
        house.do(RITA, AdoptGate(gate="production", version=version.id, artifact=other))


def test_a_model_of_another_use_case_is_no_gate(house: House) -> None:
    house.use_case()
    version = house.version()
    with pytest.raises(InvalidInput, match="use case credit"):
        house.do(RITA, AdoptGate(gate="production", version=version.id, artifact=b64encode(b"x")))
    house.do(DANA, RegisterUseCase(name="other", tier="low"))
    house.do(DANA, RegisterModel(name="other-rules", use_case="other", kind="rules"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('name="Gate"', 'name="Gates"'), "no decision 'Gate'"),
        (('name="Approvals"', 'name="Approval"'), "no decision 'Approvals'"),
        (("business_owner", "shop_keeper"), "'shop_keeper' is no role"),
        (("return judged(asked, newest(evidence, asked.evidence))", "return null"), "at tier low"),
        (('"fails"', '"passes"'), "lets a version of kind ml pass on no evidence"),
        (("</definitions>", ""), "line"),
        (("newest(evidence", "neuest(evidence"), "neuest"),
    ],
)
def test_what_would_not_work_as_a_gate_is_not_put_in_force(house: House, change: tuple[str, str], why: str) -> None:
    version = house.rules("production", SHIPPED["production"].replace(*change))
    with pytest.raises(InvalidInput, match=why):
        house.adopt(version, "production")
    assert len(gates_of(house, "production")) == 1


def test_a_gate_to_governance_asks_for_two_risk_officers(house: House) -> None:
    weaker = SHIPPED["governance"].replace('["risk_officer","risk_officer"]', '["risk_officer"]', 1)
    with pytest.raises(InvalidInput, match="at tier low fewer than two risk officers"):
        house.adopt(house.rules("governance", weaker), "governance")


def test_a_risk_tiering_with_a_gap_or_that_permits_what_is_prohibited_is_not_put_in_force(house: House) -> None:
    shipped = SHIPPED["risk-tier"]
    gap = shipped.replace("<inputEntry><text>&lt; 500000</text></inputEntry>", "<inputEntry><text>&lt; 0</text></inputEntry>")
    with pytest.raises(InvalidInput, match="where financial exposure is 0"):
        house.adopt(house.rules("risk-tier", gap), "risk-tier")
    lax = shipped.replace('EU class != "prohibited"', "true")
    with pytest.raises(InvalidInput, match="permits what the EU AI Act prohibits"):
        house.adopt(house.rules("risk-tier", lax), "risk-tier")
    with pytest.raises(InvalidInput, match="no decision 'Risk tier'"):
        house.adopt(house.rules("risk-tier", STRICTER), "risk-tier")


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            bundle.writestr(name.replace("_", "."), text)
    return packed.getvalue()


def test_a_gate_may_come_in_a_zip_with_its_examples(house: House) -> None:
    gate = house.successor("production", zipped(gate_dmn=STRICTER, gate_csv="tier,expect Gate\n"))
    assert gate.source == STRICTER
    two = zipped(one_dmn=STRICTER, two_dmn=STRICTER)
    with pytest.raises(InvalidInput, match=r"2 \.dmn files"):
        house.adopt(house.rules("production", two), "production")
    with pytest.raises(InvalidInput, match="too large"):
        house.adopt(house.rules("production", zipped(bomb_dmn=" " * 3_000_000)), "production")
    with pytest.raises(InvalidInput, match="unpacked"):
        house.adopt(house.rules("production", two[: len(two) // 2]), "production")
    with pytest.raises(TooLarge, match="at most"):
        house.adopt(house.rules("production", STRICTER + " " * 1_100_000), "production")
    with pytest.raises(InvalidInput, match="UTF-8"):
        house.adopt(house.rules("production", b"\xff\xfe\x00"), "production")


def test_a_stage_has_one_gate_and_a_new_stage_gets_its_own(house: House) -> None:
    validation = house.successor("validation", SHIPPED["production"] + "<!-- for validation -->")
    assert (validation.number, validation.to_stage) == (1, "validation")
    house.use_case()
    version = house.version()
    house.evidence(version)
    assert house.do(DANA, EvaluateGate(version=version.id, stage="validation")).facts["name"] == "validation"


def test_what_is_in_force_is_not_adopted_again_and_an_earlier_one_can_come_back(house: House) -> None:
    version = approved(house, STRICTER)
    house.adopt(version, "production")
    with pytest.raises(WrongState, match="#2 already"):
        house.adopt(version, "production")
    house.successor("production")
    again = house.for_gate(version, "production")
    for officer in (RITA, RUTH):
        house.approve(again, officer)
    assert house.adopt(version, "production").number == 4


def test_a_retired_version_is_no_gate(house: House) -> None:
    version = approved(house, STRICTER)
    house.do(DANA, RetireVersion(version=version.id, reason="not this way"))
    with pytest.raises(WrongState, match="retired"):
        house.adopt(version, "production")


def test_a_lower_tier_of_the_platforms_use_case_does_not_weaken_the_chain(house: House) -> None:
    with house.platform.storage.reading() as tx:
        platform = find_use_case(tx, "default", PLATFORM)
    house.do(RITA, UpdateUseCase(use_case=PLATFORM, revision=platform.revision, tier="low"))
    version = house.judged(house.rules("production", STRICTER))
    assert house.for_gate(version, "production").roles_required == ("risk_officer", "risk_officer")


def test_what_is_shipped_comes_into_force_once(house: House) -> None:
    for _ in range(2):
        bootstrap_gates(house.platform.bus, house.platform.storage, "default")
    with pytest.raises(AlreadyExists):
        house.do(SYSTEM, BootstrapGates(gates=root_gates()))
    with pytest.raises(Forbidden):
        house.do(RITA, BootstrapGates(gates=root_gates()))
    assert [len(gates_of(house, name)) for name in SHIPPED] == [1, 1, 1]


def test_a_gates_result_is_not_recorded_by_hand(house: House) -> None:
    version = house.rules("production", STRICTER, DAVE)
    with pytest.raises(InvalidInput, match="evaluating the gate"):
        house.do(SYSTEM, RecordEvidence(version=version.id, type=EvidenceType.GATE_RESULT, metrics={"passes": 1.0}))


def test_adopting_reads_the_file_before_the_transaction(house: House) -> None:
    version = house.rules("production", STRICTER)
    assert artifact_of(house.platform.storage, house.platform.blobs, "default", version.name) == b64encode(STRICTER.encode())


def sample_of(house: House) -> str:
    """Rows as a gate's file is asked about: what is nested is JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scan = {"id": "e", "type": "scan", "metrics": {"dangers": 0}, "facts": {}, "age": 0, "produced by": "system", "summary": ""}
    path = house.folder / "asked.parquet"
    version = {"model": "m", "kind": "ml", "format": "onnx", "developer": "idn_dana", "protected fields": "[]"}
    columns: dict[str, list[Any]] = {f"version.{name}": [value] * 3 for name, value in version.items()}
    columns |= {"version.number": [1.0, 2.0, 3.0], "version.executes code": [False] * 3}
    columns |= {"tier": ["low", "medium", "high"], "evidence": ["[]", json.dumps([scan]), json.dumps([scan])]}
    pq.write_table(pa.table(columns), path)
    return house.upload(path)


@pytest.mark.parametrize("adapter", ["memory"], indirect=True)
@pytest.mark.parametrize("name", ["production", "governance"])
def test_a_gate_is_registered_checked_and_adopted_like_any_model(house: House, name: str) -> None:
    examples = (resources.files("modelyard.governance") / "gates" / f"{name}.csv").read_text("utf-8")
    packed = house.folder / "gate.zip"
    packed.write_bytes(zipped(gate_dmn=SHIPPED[name] + "<!-- ours -->", gate_csv=examples))
    house.do(DANA, RegisterModel(name="gate-rules", use_case=PLATFORM, kind="rules"))
    asked = Registration(model="gate-rules", artifact=house.upload(packed), filename="gate.zip", sample=sample_of(house))
    command, differences, _ = prepare(house.platform.desk, asked)
    assert differences == ()
    version = house.do(DANA, command)
    checked = run_checks(house.platform.blobs, house.platform.policy, house.platform.limits, version, None)
    for found in checked.evidence:
        house.do(SYSTEM, found)
    result = house.do(DANA, EvaluateGate(version=version.id, stage=GOVERNANCE))
    assert result.metrics["passes"] == 1, result.summary
    approval = house.for_gate(version, name)
    for officer in (RITA, RUTH):
        house.approve(approval, officer)
    assert house.adopt(version, name).number == 2
