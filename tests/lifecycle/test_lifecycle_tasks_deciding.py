"""Decisions: the command in one's own name, quorums, and the approval record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelyard.bpmn.model import Process
from modelyard.catalog.commands import UpdateUseCase
from modelyard.catalog.model import USE_CASES, Version
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, ModelyardError, NotApproved, WrongState
from modelyard.core.messages import AUDIT
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import APPROVAL_DECISIONS, APPROVALS, Approval, EvidenceType
from modelyard.governance.identity.commands import GrantRole, RevokeRole
from modelyard.governance.identity.model import Role
from modelyard.governance.risk.model import RISK_ASSESSMENTS, RiskInputs
from modelyard.lifecycle.model import InstanceStatus
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask, DelegateTask, ReleaseTask
from modelyard.lifecycle.tasks.model import TASK_DECISIONS, TASKS, Task, TaskDecision, TaskStatus
from tests.bpmn.bpmn_text import par, process, user, xml
from tests.life.conftest import SYSTEM
from tests.lifecycle.lifecycle_yard import Yard
from tests.lifecycle.test_lifecycle_tasks import attached, opened

ALL = {"role": "validator,risk_officer,business_owner", "quorum": "all"}


def text(*made: Process) -> str:
    return xml(*made).decode()


def decisions(yard: Yard) -> list[TaskDecision]:
    return sorted(yard.rows(TASK_DECISIONS), key=lambda decision: decision.sequence)


def complete(yard: Yard, who: str, task: Task, verdict: Any = "approved", **given: Any) -> Task:
    done = yard.do(who, CompleteTask(task=task.id, verdict=verdict, **given))
    assert isinstance(done, Task)
    return done


# --- the command in one's own name ----------------------------------------------------------------------------------------------


def passed(yard: Yard) -> Version:
    """A version that has passed its gate."""
    yard.house.use_case()
    version = yard.house.version()
    yard.house.evidence(version)
    yard.house.gate(version)
    return version


def deciding(yard: Yard, inputs: dict[str, str] | None = None, **more: Any) -> tuple[Approval, Task]:
    """An approval, and the task that decides it."""
    version = passed(yard)
    approval = yard.house.request(version)
    extensions = {"role": "business_owner,validator"} | more.pop("extensions", {})
    task = user(extensions=extensions, operation="governance.decide_approval", inputs={"approval": "approval"} | (inputs or {}))
    yard.publish(text(process("review", "s -> t -> e", t=task)), **more)
    instance = yard.start("review", about=f"version:{version.id}", data={"approval": approval.id})
    return approval, yard.task("t", instance)


def kept(yard: Yard, approval: Approval) -> Approval:
    with yard.platform.storage.reading() as tx:
        return tx.get(APPROVALS, approval.id)


def test_an_approval_is_decided_by_the_person_who_completes_the_task(yard: Yard) -> None:
    approval, task = deciding(yard)
    assert task.data == {"approval": approval.id, "shown": approval.bound}
    done = complete(yard, "bea", task, comments="worth it")
    assert kept(yard, approval).status == "approved"
    [decision] = yard.rows(APPROVAL_DECISIONS)
    assert (decision.approver, decision.comments, decision.shown) == (yard.people["bea"].id, "worth it", approval.bound)
    assert done.result is not None
    assert done.result["result"]["status"] == "approved"
    record = next(r for r in yard.rows(AUDIT) if r.action == "governance.decide_approval")
    assert (record.actor, record.reason) == (yard.people["bea"].id, "worth it")


def test_the_process_puts_no_words_into_anybodys_mouth(yard: Yard) -> None:
    inputs = {"verdict": '"approved"', "comments": '"as always"', "conditions": "[]"}
    approval, task = deciding(yard, inputs)
    complete(yard, "bea", task, "rejected", comments="too risky")
    assert kept(yard, approval).status == "rejected"
    assert [(d.verdict, d.comments) for d in yard.rows(APPROVAL_DECISIONS)] == [("rejected", "too risky")]


def test_what_others_said_before_is_not_said_again_by_the_next(yard: Yard) -> None:
    version = passed(yard)
    approval = yard.house.request(version)
    decide = user(extensions={"role": "business_owner"}, operation="governance.decide_approval")
    yard.publish(text(process("two", "s -> look -> t -> e", look=user(extensions={"role": "validator"}), t=decide)))
    data = {"approval": approval.id, "shown": approval.bound}
    instance = yard.start("two", about=f"version:{version.id}", data=data)
    complete(yard, "vera", yard.task("look", instance), "approved", comments="fine by me")
    complete(yard, "bea", yard.task("t", instance), "rejected", comments="not by me")
    assert kept(yard, approval).status == "rejected"
    assert yard.rows(APPROVAL_DECISIONS)[0].comments == "not by me"


def test_a_form_may_ask_for_the_word_itself(yard: Yard) -> None:
    schema = {
        "type": "object",
        "properties": {
            "verdict": {"enum": ["approved_with_conditions", "rejected"]},
            "comments": {"type": "string"},
            "conditions": {
                "type": "array",
                "items": {"type": "object", "properties": {"text": {}, "due": {"type": "string", "format": "date-time"}}},
            },
        },
    }
    approval, task = deciding(yard, extensions={"form": "f"}, forms={"f": schema})
    asked = {"text": "look again", "due": "2026-02-01T00:00:00Z"}
    data = {"verdict": "approved_with_conditions", "comments": "for a month", "conditions": [asked]}
    yard.do("bea", CompleteTask(task=task.id, data=data))
    [governed], [record] = yard.rows(APPROVAL_DECISIONS), decisions(yard)
    assert kept(yard, approval).status == "approved"
    for decision in (governed, record):
        assert (decision.verdict, decision.comments) == ("approved_with_conditions", "for a month")
        assert [c.text for c in decision.conditions] == ["look again"]


def test_a_verdict_that_there_is_not_is_none(yard: Yard) -> None:
    schema = {"type": "object", "properties": {"verdict": {"type": "string"}}}
    yard.publish(text(process("one", "s -> t -> e", t=user(extensions={"role": "validator", "form": "f"}))), forms={"f": schema})
    task = yard.task("t", yard.start("one"))
    with pytest.raises(InvalidInput, match="no verdict"):
        yard.do("vera", CompleteTask(task=task.id, data={"verdict": "perhaps"}))


def test_a_verdict_that_a_form_takes_for_granted_is_one(yard: Yard) -> None:
    schema = {"type": "object", "properties": {"verdict": {"type": "string", "default": "approved"}}}
    made = process("one", "s -> t -> e", t=user(extensions={"role": "validator", "form": "f"}))
    yard.publish(text(made), forms={"f": schema})
    task = yard.task("t", yard.start("one", "vera"))
    with pytest.raises(Forbidden, match=r"separation\.task-verdict"):
        yard.do("vera", CompleteTask(task=task.id))


OPEN = {"type": "object", "properties": {"approval": {}, "shown": {}}}


@pytest.mark.parametrize("schema", [None, {"type": "object", "properties": {}}])
def test_what_the_form_does_not_have_does_not_reach_the_command(yard: Yard, schema: Any) -> None:
    more = {"forms": {"f": schema}, "extensions": {"form": "f"}} if schema else {}
    approval, task = deciding(yard, **more)
    with pytest.raises(InvalidInput) as refusal:
        complete(yard, "bea", task, comments="x", data={"approval": "apr_another"})
    assert str(refusal.value.field).startswith("data")
    assert kept(yard, approval).status == "pending"


def test_what_the_process_named_is_not_overridden_by_the_form(yard: Yard) -> None:
    approval, task = deciding(yard, extensions={"form": "f"}, forms={"f": OPEN})
    complete(yard, "bea", task, comments="x", data={"approval": "apr_another", "shown": "sha256:" + "0" * 64})
    assert kept(yard, approval).status == "approved"


def test_what_the_process_did_not_name_is_filled_in(yard: Yard) -> None:
    """Without inputs, what merely is in scope does not come before what somebody filled in."""
    version = passed(yard)
    approval, other = yard.house.request(version), "apr_in_scope"
    task = user(extensions={"role": "business_owner", "form": "f"}, operation="governance.decide_approval")
    yard.publish(text(process("one", "s -> t -> e", t=task)), forms={"f": OPEN})
    instance = yard.start("one", data={"approval": other})
    given = {"approval": approval.id, "shown": approval.bound}
    complete(yard, "bea", yard.task("t", instance), comments="x", data=given)
    assert kept(yard, approval).status == "approved"
    assert decisions(yard)[0].approval == approval.id, "the one that was decided, not the one in scope"


def test_a_void_approval_is_refused_and_nothing_is_half_done(yard: Yard) -> None:
    approval, task = deciding(yard)
    yard.do("vera", ClaimTask(task=task.id))
    before = yard.task("t")
    report = RecordEvidence(version=approval.subject_id, type=EvidenceType.TEST_REPORT, metrics={"checks_failed": 1.0})
    yard.house.do(SYSTEM, report)
    refused = [r for r in yard.rows(AUDIT) if r.outcome == "refused"]
    yard.do("omar", ReleaseTask(task=task.id))
    with pytest.raises(NotApproved, match="void"):
        complete(yard, "bea", task, comments="fine")
    new = [r for r in yard.rows(AUDIT) if r.outcome == "refused" and r not in refused]
    assert [(r.actor, r.error_code) for r in new] == [(yard.people["bea"].id, "not_approved")], "once"
    again = yard.task("t")
    assert (again.status, again.id) == (TaskStatus.OPEN, before.id)
    assert not yard.rows(APPROVAL_DECISIONS)
    assert not decisions(yard)
    assert yard.instance(task.instance).status is InstanceStatus.RUNNING


def test_who_may_do_the_task_but_not_the_command_does_neither(yard: Yard) -> None:
    approval, task = deciding(yard, extensions={"role": "operator,business_owner"})
    with pytest.raises(Forbidden):
        complete(yard, "otto", task, comments="fine")
    narrowed = yard.people["bea"].model_copy(update={"scopes": frozenset({"lifecycle.complete_task"})})
    with pytest.raises(Forbidden, match="this token may not"):
        yard.do(narrowed, CompleteTask(task=task.id, verdict="approved", comments="fine"))
    assert kept(yard, approval).status == "pending"
    assert not decisions(yard)


def test_a_command_that_needs_more_than_was_said_leaves_the_task(yard: Yard) -> None:
    _, task = deciding(yard)
    with pytest.raises(InvalidInput) as refusal:
        complete(yard, "bea", task, comments="")
    assert refusal.value.field == "comments"
    assert yard.task("t").status is TaskStatus.OPEN


def test_approval_is_requested_by_the_person_who_completes_the_task(yard: Yard) -> None:
    version = passed(yard)
    scope = '{use_case: "credit", endpoints: ["credit"], roles: ["champion"]}'
    ask = user(
        extensions={"role": "operator"},
        operation="governance.request_approval",
        inputs={"version": "version.id", "scope": scope},
        outputs={"approval": "result"},
    )
    yard.publish(text(process("ask", "s -> t -> e", t=ask)))
    instance = yard.start("ask", "dana", about=f"version:{version.id}")
    yard.do("otto", CompleteTask(task=yard.task("t", instance).id))
    [approval] = yard.rows(APPROVALS)
    assert (approval.requester, approval.subject_id) == (yard.people["otto"].id, version.id)


def test_risk_is_assessed_in_the_name_of_who_filled_in_the_form(yard: Yard) -> None:
    yard.house.use_case()
    fields: dict[str, Any] = {name: {"type": _type_of(of)} for name, of in RiskInputs.model_json_schema()["properties"].items()}
    needed = RiskInputs.model_json_schema().get("required", [])
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "object", "required": needed, "properties": fields}},
    }
    assess = user(
        extensions={"role": "risk_officer", "form": "f"},
        operation="governance.assess_risk",
        inputs={"use_case": "use_case.name"},
    )
    yard.publish(text(process("rate", "s -> t -> e", t=assess)), forms={"f": schema})
    task = yard.task("t", yard.start("rate", about="use_case:credit"))
    values = _some(RiskInputs)
    yard.do("rita", CompleteTask(task=task.id, data={"inputs": values}))
    record = next(r for r in yard.rows(AUDIT) if r.action == "governance.assess_risk")
    assert record.actor == yard.people["rita"].id
    assert [a.assessor for a in yard.rows(RISK_ASSESSMENTS)] == [yard.people["rita"].id]


def _type_of(of: dict[str, Any]) -> str:
    found = of.get("type")
    return found if isinstance(found, str) else "string"


def _some(model: Any) -> dict[str, Any]:
    definitions = model.model_json_schema().get("$defs", {})
    found: dict[str, Any] = {}
    for name, said in model.model_json_schema()["properties"].items():
        of = definitions[said["$ref"].rpartition("/")[2]] if "$ref" in said else said
        if "enum" in of:
            found[name] = of["enum"][0]
        elif of.get("type") in ("number", "integer"):
            found[name] = of.get("minimum", 1)
        elif of.get("type") == "boolean":
            found[name] = False
    return found


# --- quorums --------------------------------------------------------------------------------------------------------------------


def test_all_is_one_of_each_role_and_no_role_twice(yard: Yard) -> None:
    task = opened(yard, extensions=ALL)
    assert (task.quorum, task.rule) == (3, "all")
    complete(yard, "rita", task)
    with pytest.raises(WrongState, match="validator, business_owner"):
        complete(yard, "ruth", task)
    complete(yard, "vera", task)
    assert yard.task("t").approvals == 2
    done = complete(yard, "bea", task)
    assert done.status is TaskStatus.COMPLETED
    assert {(d["role"], d["verdict"]) for d in (done.result or {})["decisions"]} == {
        ("risk_officer", "approved"),
        ("validator", "approved"),
        ("business_owner", "approved"),
    }
    assert yard.instance(task.instance).status is InstanceStatus.COMPLETED


def test_somebody_with_several_roles_decides_once_in_one_of_them(yard: Yard) -> None:
    yard.do("root", GrantRole(identity=yard.people["vera"].id, role=Role.RISK_OFFICER))
    both = yard.people["vera"].model_copy(update={"roles": frozenset({"validator", "risk_officer"})})
    task = opened(yard, extensions=ALL)
    yard.do(both, CompleteTask(task=task.id, verdict="approved"))
    with pytest.raises(AlreadyExists, match="already"):
        yard.do(both, CompleteTask(task=task.id, verdict="approved"))
    complete(yard, "rita", task)
    assert {d.role for d in decisions(yard)} == {"validator", "risk_officer"}


def test_n_different_people_each_once(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer,validator", "quorum": "2"})
    complete(yard, "rita", task)
    with pytest.raises(AlreadyExists):
        complete(yard, "rita", task)
    done = complete(yard, "ruth", task)
    assert (done.status, done.approvals) == (TaskStatus.COMPLETED, 2)


def test_all_of_the_candidates_where_there_are_no_roles(yard: Yard) -> None:
    task = opened(yard, extensions={"quorum": "all"}, inputs={"candidates": '["dana", "bea"]'})
    assert task.quorum == 2
    complete(yard, "dana", task)
    assert complete(yard, "bea", task).status is TaskStatus.COMPLETED


@pytest.mark.parametrize("verdict", ["rejected", "changes_requested"])
def test_one_rejection_ends_it(yard: Yard, verdict: str) -> None:
    task = opened(yard, extensions=ALL)
    complete(yard, "vera", task)
    done = complete(yard, "rita", task, verdict, comments="no")
    assert done.result is not None
    assert (done.status, done.result["verdict"]) == (TaskStatus.COMPLETED, verdict)
    assert [d["verdict"] for d in done.result["decisions"]] == ["approved", verdict]
    with pytest.raises(WrongState):
        complete(yard, "bea", task)


def test_nobody_holds_a_task_of_several(yard: Yard) -> None:
    task = opened(yard, extensions=ALL)
    for command in (ClaimTask(task=task.id), DelegateTask(task=task.id, to="rita")):
        with pytest.raises(WrongState, match="3 decisions"):
            yard.do("vera", command)
    with pytest.raises(WrongState, match="nobody has claimed"):
        yard.do("omar", ReleaseTask(task=task.id))


def test_who_loses_the_role_between_decisions_has_decided_and_decides_no_more(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator,risk_officer", "quorum": "2"})
    complete(yard, "rita", task)
    yard.do("root", RevokeRole(identity=yard.people["ruth"].id, role=Role.RISK_OFFICER))
    gone = yard.people["ruth"].model_copy(update={"roles": frozenset()})
    with pytest.raises(Forbidden):
        yard.do(gone, CompleteTask(task=task.id, verdict="approved"))
    assert yard.task("t").approvals == 1


def test_what_each_of_several_filled_in_is_given_to_the_process(yard: Yard) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}}
    task = user(extensions={"role": "risk_officer", "quorum": "2", "form": "f"}, outputs={"scores": "decisions.data.score"})
    yard.publish(text(process("one", "s -> t -> last -> e", t=task, last=user())), forms={"f": schema})
    instance = yard.start("one")
    for who, score in (("rita", 3), ("ruth", 5)):
        complete(yard, who, yard.task("t", instance), data={"score": score})
    assert yard.task("last", instance).data["scores"] == [3, 5]


def test_a_rejection_without_a_quorum_goes_on_with_its_verdict(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator"})
    done = complete(yard, "vera", task, "changes_requested", comments="explain the winter")
    assert done.result is not None
    assert (done.result["verdict"], done.result["comments"], done.result["by"]) == (
        "changes_requested",
        "explain the winter",
        yard.people["vera"].id,
    )


# --- the record -----------------------------------------------------------------------------------------------------------------


def test_the_record_says_all_that_an_approval_says(yard: Yard) -> None:
    """Field by field as FIELDS asks for it."""
    approval, task = deciding(yard, extensions={"expiresIn": "P14D", "dueIn": "P3D", "escalateTo": "risk_officer"})
    assigned = yard.house.later(hours=1)
    yard.do("vera", DelegateTask(task=task.id, to="bea"))
    note = yard.do("bea", attached(task))
    decided = yard.house.later(hours=1)
    condition = {"text": "watch the winter", "due": "2026-03-01T00:00:00Z"}
    complete(yard, "bea", task, "approved_with_conditions", comments="for now", conditions=(condition,), ticket="T-1")
    [found] = decisions(yard)
    people = yard.people
    expected = {
        "subject_type": "version",
        "subject_id": approval.subject_id,
        "subject_version": 1,
        "subject_digest": approval.manifest,
        "action": "governance.decide_approval",
        "from_stage": "validation",
        "to_stage": "production",
        "process": "review",
        "number": 1,
        "step": "t",
        "quorum": 1,
        "rule": "any",
        "roles": ("business_owner", "validator"),
        "role": "business_owner",
        "assignee": people["bea"].id,
        "delegated_by": people["vera"].id,
        "requester": people["omar"].id,
        "approver": people["bea"].id,
        "authentication": "token",
        "second_line": False,
        "verdict": "approved_with_conditions",
        "comments": "for now",
        "findings": (),
        "tier": "medium",
        "ticket": "T-1",
        "requested_at": task.created_at,
        "assigned_at": assigned,
        "created_at": decided,
        "expires_at": task.expires_at,
        "on_timeout": "expire",
        "approval": approval.id,
        "sequence": 1,
        "previous": None,
        "task": task.id,
        "instance": task.instance,
    }
    assert {name: getattr(found, name) for name in expected} == expected
    assert [(c.text, c.due.isoformat()) for c in found.conditions] == [("watch the winter", "2026-03-01T00:00:00+00:00")]
    assert {e.id: e.digest for e in found.evidence} == {
        note.id: note.document,
        **{link.id: link.digest for link in approval.evidence},
    }
    assert found.policy_set.startswith("sha256:")
    assert found.shown.startswith("sha256:")


def test_the_tier_is_that_of_the_moment(yard: Yard) -> None:
    yard.house.use_case()
    task = opened(yard, start={"about": "use_case:credit"}, extensions={"role": "validator"})
    use_case = next(u for u in yard.rows(USE_CASES) if u.name == "credit")
    yard.do("rita", UpdateUseCase(use_case=use_case.id, tier="high", revision=use_case.revision))
    complete(yard, "vera", task)
    [found] = decisions(yard)
    assert (found.tier, found.subject_type, found.second_line) == ("high", "use_case", True)


def test_without_a_subject_the_record_is_about_the_instance(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator"})
    complete(yard, "vera", task, "done")
    [found] = decisions(yard)
    assert (found.subject_type, found.subject_id, found.subject_digest) == ("instance", task.instance, None)
    assert (found.assignee, found.assigned_at, found.on_timeout) == (None, None, "wait")


def test_who_is_named_decides_in_no_role_and_is_of_the_second_line_if_they_are(yard: Yard) -> None:
    task = opened(yard, extensions={"quorum": "all"}, inputs={"candidates": '["rita", "dana"]'})
    complete(yard, "rita", task)
    complete(yard, "dana", task)
    assert [(d.role, d.second_line) for d in decisions(yard)] == [(None, True), (None, False)]


def test_records_of_an_instance_are_a_chain_also_within_one_moment(yard: Yard) -> None:
    """The clock stands still: the order is not that of time."""
    flows = "s -> p; p -> a -> j; p -> b -> j; p -> c -> j; j -> d -> e"
    person = user(extensions={"role": "validator,risk_officer", "quorum": "2"})
    yard.publish(text(process("three", flows, p=par(), j=par(), a=person, b=person, c=person, d=person)))
    instance = yard.start("three")
    for element, who in (("a", "vera"), ("b", "rita"), ("c", "ruth"), ("a", "rita"), ("b", "vera"), ("c", "vera")):
        complete(yard, who, yard.task(element, instance))
    complete(yard, "rita", yard.task("d", instance))
    complete(yard, "ruth", yard.task("d", instance))
    chain = decisions(yard)
    assert [d.sequence for d in chain] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [d.previous for d in chain] == [None, *(d.digest() for d in chain[:-1])]


def test_a_record_is_never_changed_or_removed(yard: Yard) -> None:
    complete(yard, "vera", opened(yard, extensions={"role": "validator"}), "done")
    [found] = decisions(yard)
    storage = yard.platform.storage
    with pytest.raises(ModelyardError), storage.transaction() as tx:
        tx.save(TASK_DECISIONS, found.model_copy(update={"comments": "other"}))
    with pytest.raises(ModelyardError), storage.transaction() as tx:
        tx.remove(TASK_DECISIONS, found.id)
    assert decisions(yard) == [found]


def test_the_record_is_in_the_audit_of_the_completion(yard: Yard) -> None:
    complete(yard, "vera", opened(yard, extensions={"role": "validator"}), "done")
    [found] = decisions(yard)
    [record] = [r for r in yard.rows(AUDIT) if r.action == "lifecycle.complete_task"]
    assert (TASK_DECISIONS.name, found.id, found.digest()) in [(c.table, c.id, c.after) for c in record.changes]
    assert {c.table for c in record.changes} >= {TASKS.name, TASK_DECISIONS.name}


def test_the_guide_says_where_each_field_of_the_record_is() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "decide-a-task.md").read_text(encoding="utf-8")
    missing = [name for name in TaskDecision.model_fields if f"`{name}`" not in guide.partition("## The approval record")[2]]
    assert not missing
