"""Whose a task is: candidates, claims, separation of duties, delegation, and what is said at it."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.bpmn.model import Process
from modelyard.core.bus import Request
from modelyard.core.errors import Forbidden, InvalidInput, NotFound, WrongState
from modelyard.core.messages import AUDIT, Actor, ActorKind
from modelyard.governance.assurance.model import EVIDENCE
from modelyard.governance.identity.commands import CreateIdentity, DeactivateIdentity, GrantRole, RevokeRole
from modelyard.governance.identity.model import IdentityKind, Role
from modelyard.governance.identity.service import roles_of
from modelyard.lifecycle.commands import ProposeProcess
from modelyard.lifecycle.tasks.commands import (
    AttachToTask,
    ClaimTask,
    CommentTask,
    CompleteTask,
    DelegateTask,
    ReleaseTask,
)
from modelyard.lifecycle.tasks.model import TASK_DECISIONS, TASK_NOTES, TASKS, Task, TaskStatus
from modelyard.lifecycle.views import view_task
from tests.bpmn.bpmn_text import process, user, xml
from tests.lifecycle.lifecycle_yard import Yard

DOCUMENT = "sha256:" + "a" * 64


def text(*made: Process) -> str:
    return xml(*made).decode()


def opened(yard: Yard, starter: str = "omar", start: dict[str, Any] | None = None, **task: Any) -> Task:
    """The one task of a new instance; `task` are the attributes of the user task."""
    yard.publish(text(process("one", "s -> t -> e", t=user(**task))))
    return yard.task("t", yard.start("one", starter, **(start or {})))


def for_role(yard: Yard, role: str = "validator", **more: Any) -> Task:
    return opened(yard, extensions={"role": role} | more)


def newcomer(yard: Yard, name: str, *roles: Role, kind: IdentityKind = IdentityKind.PERSON) -> Actor:
    made = yard.do("root", CreateIdentity(name=name, display_name=name, kind=kind))
    for role in roles:
        yard.do("root", GrantRole(identity=made.id, role=role))
    return Actor(id=made.id, kind=ActorKind(kind.value), roles=frozenset(role.value for role in roles))


def now(yard: Yard, who: Actor) -> Actor:
    """As a token would stand for them at this moment."""
    with yard.platform.storage.reading() as tx:
        return who.model_copy(update={"roles": roles_of(tx, who.id)})


def may(yard: Yard, who: str | Actor, task: Task) -> bool:
    try:
        yard.do(who, ClaimTask(task=task.id), dry_run=True)
        yard.do(who, CompleteTask(task=task.id), dry_run=True)
    except Forbidden:
        return False
    return True


def able(yard: Yard, task: Task) -> set[str]:
    return {name for name, who in yard.people.items() if may(yard, who, task)}


# --- whose it is ----------------------------------------------------------------------------------------------------------------


def test_a_task_is_for_the_people_in_its_roles(yard: Yard) -> None:
    assert able(yard, for_role(yard, "validator,risk_officer")) == {"vera", "rita", "ruth"}


def test_without_a_role_it_is_for_the_lanes(yard: Yard) -> None:
    lanes = {"Business owner": ("t",)}
    yard.publish(text(process("one", "s -> t -> e", lanes=lanes)))
    task = yard.task("t", yard.start("one"))
    assert task.roles == ("business_owner",)
    assert able(yard, task) == {"bea"}


def test_inputs_say_whose_it_is_before_the_process_does(yard: Yard) -> None:
    inputs = {"role": 'if amount > 10 then ["risk_officer"] else "validator"', "amount": "amount"}
    task = opened(yard, start={"data": {"amount": 11}}, extensions={"role": "developer"}, inputs=inputs)
    assert able(yard, task) == {"rita", "ruth"}
    assert task.data == {"amount": 11}, "what says whose it is is not shown"


def test_candidates_are_people_by_name_or_id_whatever_their_role(yard: Yard) -> None:
    inputs = {"candidates": f'["dana", "{yard.people["bea"].id}", "nobody-known"]'}
    task = opened(yard, inputs=inputs)
    assert able(yard, task) == {"dana", "bea"}
    assert "nobody-known" in task.candidates


def test_who_is_excluded_never_does_it(yard: Yard) -> None:
    inputs = {"exclude": f'["rita", "{yard.people["ruth"].id}"]', "candidates": '"rita"'}
    task = opened(yard, extensions={"role": "risk_officer,validator"}, inputs=inputs)
    assert able(yard, task) == {"vera"}
    for command in (ClaimTask(task=task.id), DelegateTask(task=task.id, to="vera"), attached(task)):
        with pytest.raises(Forbidden, match=r"separation\.task"):
            yard.do("rita", command)


def test_who_is_excluded_by_a_name_that_is_given_later_is_excluded(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator"}, inputs={"exclude": '"val"'})
    assert not may(yard, newcomer(yard, "val", Role.VALIDATOR), task)
    assert may(yard, newcomer(yard, "sal", Role.VALIDATOR), task)


def test_an_id_is_not_taken_for_the_name_of_somebody_else(yard: Yard) -> None:
    vera = yard.people["vera"]
    newcomer(yard, vera.id.replace("_", "-"))
    stranger = newcomer(yard, vera.id)
    task = opened(yard, extensions={"role": "validator"}, inputs={"exclude": f'"{vera.id}"'})
    assert task.excluded == (vera.id,)
    assert stranger.id != vera.id
    assert not may(yard, "vera", task)


def test_programs_and_narrowed_tokens_do_no_tasks(yard: Yard) -> None:
    task = for_role(yard)
    service = newcomer(yard, "bot", Role.VALIDATOR, kind=IdentityKind.SERVICE)
    narrowed = yard.people["vera"].model_copy(update={"scopes": frozenset({"read", "lifecycle.claim_task"})})
    for command in (ClaimTask(task=task.id), CompleteTask(task=task.id)):
        with pytest.raises(Forbidden):
            yard.do(service, command)
    yard.do(narrowed, ClaimTask(task=task.id))
    with pytest.raises(Forbidden, match="this token may not"):
        yard.do(narrowed, CompleteTask(task=task.id))


def test_tasks_of_another_organisation_are_not_there(yard: Yard) -> None:
    task = for_role(yard)
    with pytest.raises(NotFound):
        yard.do("vera", ClaimTask(task=task.id), organisation="another")
    with pytest.raises(NotFound):
        yard.do("vera", CompleteTask(task="ins_nothing:w1"))


# --- what is asked again --------------------------------------------------------------------------------------------------------


def test_who_loses_the_role_after_claiming_cannot_complete(yard: Yard) -> None:
    task, vera = for_role(yard), yard.people["vera"]
    yard.do(vera, ClaimTask(task=task.id))
    yard.do("root", RevokeRole(identity=vera.id, role=Role.VALIDATOR))
    for command in (CompleteTask(task=task.id), DelegateTask(task=task.id, to="rita"), attached(task)):
        with pytest.raises(Forbidden):
            yard.do(now(yard, vera), command)
    yard.do(now(yard, vera), ReleaseTask(task=task.id))
    assert yard.task("t").status is TaskStatus.OPEN


def test_who_is_deactivated_after_claiming_cannot_complete_even_in_flight(yard: Yard) -> None:
    task, vera = for_role(yard), yard.people["vera"]
    yard.do(vera, ClaimTask(task=task.id))
    yard.do("root", DeactivateIdentity(identity=vera.id))
    for command in (CompleteTask(task=task.id), attached(task), DelegateTask(task=task.id, to="rita")):
        with pytest.raises(Forbidden, match="no longer active"):
            yard.do(vera, command)
    assert not yard.rows(TASK_DECISIONS)


@pytest.mark.parametrize("verdict", ["approved", "rejected", "changes_requested"])
def test_who_asked_does_not_give_the_verdict_and_may_do_what_is_none(yard: Yard, verdict: Any) -> None:
    task = opened(yard, extensions={"role": "validator"}, inputs={"requester": '"vera"'})
    assert task.requester == yard.people["vera"].id
    with pytest.raises(Forbidden, match=r"separation\.task-verdict"):
        yard.do("vera", CompleteTask(task=task.id, verdict=verdict))
    yard.do("vera", CompleteTask(task=task.id))


def test_who_started_it_is_who_asked_unless_the_process_says_another(yard: Yard) -> None:
    task = opened(yard, "vera", extensions={"role": "validator"})
    with pytest.raises(Forbidden):
        yard.do("vera", CompleteTask(task=task.id, verdict="approved"))


def test_who_built_it_does_not_give_the_verdict(yard: Yard) -> None:
    yard.house.use_case()
    made = yard.house.version()
    dana = yard.people["dana"].model_copy(update={"id": made.developer})
    schema = {"type": "object", "properties": {"verdict": {"type": "string"}}}
    yard.publish(text(process("one", "s -> t -> e", t=user(extensions={"role": "developer", "form": "f"}))), forms={"f": schema})
    task = yard.task("t", yard.start("one", about=f"version:{made.id}"))
    for given in ({"verdict": "approved"}, {"data": {"verdict": "approved"}}):
        with pytest.raises(Forbidden, match=r"separation\.task-verdict"):
            yard.do(dana, CompleteTask(task=task.id, **given))
    yard.do("dave", CompleteTask(task=task.id, data={"verdict": "approved"}))
    assert [d.verdict for d in yard.rows(TASK_DECISIONS)] == ["approved"]


# --- claims ---------------------------------------------------------------------------------------------------------------------


def test_who_holds_a_task_is_not_gone_round(yard: Yard) -> None:
    task = for_role(yard, "risk_officer")
    yard.do("rita", ClaimTask(task=task.id))
    assert yard.do("rita", ClaimTask(task=task.id)).assignee == yard.people["rita"].id
    for command in (
        ClaimTask(task=task.id),
        CompleteTask(task=task.id),
        DelegateTask(task=task.id, to="ruth"),
        DelegateTask(task=task.id, to=yard.people["ruth"].id),
    ):
        with pytest.raises(WrongState, match="claimed by rita"):
            yard.do("ruth", command)


def test_only_the_holder_and_operators_release(yard: Yard) -> None:
    task = for_role(yard, "risk_officer")
    with pytest.raises(WrongState, match="nobody has claimed"):
        yard.do("omar", ReleaseTask(task=task.id))
    yard.do("rita", ClaimTask(task=task.id))
    with pytest.raises(Forbidden):
        yard.do("ruth", ReleaseTask(task=task.id))
    released = yard.do("omar", ReleaseTask(task=task.id))
    assert (released.assignee, released.status) == (None, TaskStatus.OPEN)
    with pytest.raises(Forbidden):
        yard.do("omar", CompleteTask(task=task.id))
    yard.do("ruth", CompleteTask(task=task.id))


def test_a_task_that_is_done_is_done(yard: Yard) -> None:
    task = for_role(yard)
    yard.do("vera", CompleteTask(task=task.id))
    for command in (
        ClaimTask(task=task.id),
        CompleteTask(task=task.id),
        DelegateTask(task=task.id, to="vera"),
        attached(task),
    ):
        with pytest.raises(WrongState, match="completed by vera"):
            yard.do("vera", command)


def test_a_repeated_completion_gets_its_first_result(yard: Yard) -> None:
    task = for_role(yard)
    command = CompleteTask(task=task.id, comments="seen")
    done = yard.do("vera", command, idempotency_key="k")
    assert yard.do("vera", command, idempotency_key="k") == done
    assert len(yard.rows(TASK_DECISIONS)) == 1


def test_a_dry_run_decides_nothing(yard: Yard) -> None:
    task = for_role(yard)
    assert yard.do("vera", CompleteTask(task=task.id), dry_run=True).status is TaskStatus.COMPLETED
    assert yard.task("t").revision == task.revision
    assert not yard.rows(TASK_DECISIONS)


# --- delegation -----------------------------------------------------------------------------------------------------------------


def test_a_task_is_handed_on_and_on_to_those_who_may(yard: Yard) -> None:
    task = for_role(yard, "risk_officer,validator")
    yard.do("rita", DelegateTask(task=task.id, to="ruth"))
    again = yard.do("ruth", DelegateTask(task=task.id, to="vera"))
    assert (again.assignee, again.delegated_by) == (yard.people["vera"].id, yard.people["ruth"].id)
    with pytest.raises(WrongState, match="claimed by vera"):
        yard.do("rita", CompleteTask(task=task.id))
    yard.do("vera", CompleteTask(task=task.id))
    [decision] = yard.rows(TASK_DECISIONS)
    assert (decision.approver, decision.delegated_by) == (yard.people["vera"].id, yard.people["ruth"].id)


def test_a_released_task_was_delegated_by_nobody(yard: Yard) -> None:
    task = for_role(yard, "risk_officer")
    yard.do("rita", DelegateTask(task=task.id, to="ruth"))
    yard.do("ruth", ReleaseTask(task=task.id))
    yard.do("ruth", ClaimTask(task=task.id))
    yard.do("ruth", CompleteTask(task=task.id))
    assert yard.rows(TASK_DECISIONS)[0].delegated_by is None


def test_a_task_is_not_handed_to_who_may_not_do_it(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator,risk_officer"}, inputs={"exclude": '"ruth"'})
    newcomer(yard, "bot", Role.VALIDATOR, kind=IdentityKind.SERVICE)
    gone = newcomer(yard, "gone", Role.VALIDATOR)
    yard.do("root", DeactivateIdentity(identity=gone.id))
    for to, kind in (("ruth", Forbidden), ("omar", Forbidden), ("bot", Forbidden), ("gone", WrongState), ("who", NotFound)):
        with pytest.raises(kind) as refusal:
            yard.do("vera", DelegateTask(task=task.id, to=to))
        assert refusal.value.field == "to", to
    with pytest.raises(WrongState, match="somebody else"):
        yard.do("vera", DelegateTask(task=task.id, to="vera"))
    assert yard.task("t").assignee is None


# --- comments and attachments ---------------------------------------------------------------------------------------------------


def attached(task: Task, **given: Any) -> AttachToTask:
    return AttachToTask(**({"task": task.id, "document": DOCUMENT, "filename": "minutes.pdf"} | given))


def test_what_is_said_is_kept_in_order_with_names(yard: Yard) -> None:
    task = for_role(yard)
    yard.do("dana", CommentTask(task=task.id, text="first"))
    yard.house.later(seconds=1)
    yard.do("vera", CommentTask(task=task.id, text="second"))
    yard.do("vera", CompleteTask(task=task.id))
    yard.house.later(seconds=1)
    yard.do("dana", CommentTask(task=task.id, text="thanks"))
    with yard.platform.storage.reading() as tx:
        view = view_task(tx, tx.get(TASKS, task.id))
    assert [note.text for note in view.notes] == ["first", "second", "thanks"]
    assert {view.people[note.author] for note in view.notes} == {"dana", "vera"}
    assert view.people[view.decisions[0].approver] == "vera"


def test_what_is_attached_is_named_in_the_decision(yard: Yard) -> None:
    task = for_role(yard)
    note = yard.do("vera", attached(task, summary="of the meeting"))
    yard.do("vera", CompleteTask(task=task.id))
    [decision] = yard.rows(TASK_DECISIONS)
    assert [(e.id, e.type, e.digest) for e in decision.evidence] == [(note.id, "attachment", DOCUMENT)]
    assert note.evidence is None
    assert not yard.rows(EVIDENCE)


def test_what_is_attached_about_a_version_is_evidence_from_who_may_give_it(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    task = opened(yard, start={"about": f"version:{version.id}"}, extensions={"role": "validator,business_owner"})
    before = len(yard.rows(EVIDENCE))
    note = yard.do("vera", attached(task))
    plain = yard.do("bea", attached(task))
    [found] = [e for e in yard.rows(EVIDENCE)[before:] if e.id == note.evidence]
    assert (found.type, found.document, found.produced_by) == ("document", DOCUMENT, yard.people["vera"].id)
    assert plain.evidence is None
    assert len(yard.rows(EVIDENCE)) == before + 1
    yard.do("vera", CompleteTask(task=task.id))
    assert {e.id for e in yard.rows(TASK_DECISIONS)[0].evidence} == {found.id, plain.id}


def test_attaching_does_not_make_void_what_others_are_deciding(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    yard.house.evidence(version)
    yard.house.gate(version)
    approval = yard.house.request(version)
    task = opened(yard, start={"about": f"version:{version.id}"}, extensions={"role": "validator"})
    assert yard.do("vera", attached(task)).evidence is None
    assert yard.house.approve(approval).status == "approved"


@pytest.mark.parametrize("given", [{"document": "sha256:x"}, {"filename": ""}, {"filename": "x" * 256}])
def test_an_attachment_names_a_document(yard: Yard, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        attached(for_role(yard), **given)


# --- what is not published ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"role": "validater"}, "there is no role validater"),
        ({"escalateTo": "boss"}, "there is no role boss"),
        ({"dueIn": "3 days"}, "dueIn"),
        ({"dueIn": "-P3D"}, "dueIn"),
        ({"remindIn": "PT0S"}, "remindIn"),
        ({"expiresIn": "P999999999Y"}, "expiresIn"),
        ({"priority": "high"}, "no priority"),
        ({"priority": "--5"}, "no priority"),
        ({"priority": "99999999999999999999"}, "no priority"),
        ({"quorum": "most"}, "no quorum"),
        ({"quorum": "0"}, "no quorum"),
        ({"quorum": "1000"}, "no quorum"),
        ({"form": "missing"}, "missing"),
    ],
)
def test_a_task_that_nobody_could_do_is_not_published(yard: Yard, wrong: dict[str, str], told: str) -> None:
    source = text(process("one", "s -> t -> e", t=user(extensions={"role": "validator"} | wrong)))
    with pytest.raises(InvalidInput, match=told) as refusal:
        yard.do("dana", ProposeProcess(source=source))
    assert "'t'" in refusal.value.detail


@pytest.mark.parametrize("quorum", ["all", "2"])
def test_a_command_is_given_by_one_person(yard: Yard, quorum: str) -> None:
    given = user(operation="governance.decide_approval", extensions={"role": "validator", "quorum": quorum})
    with pytest.raises(InvalidInput, match="one person"):
        yard.do("dana", ProposeProcess(source=text(process("one", "s -> t -> e", t=given))))


@pytest.mark.parametrize("operation", ["governance.aprove", "read", "read.evidence", "job:x"])
def test_a_task_stands_for_a_command_that_there_is(yard: Yard, operation: str) -> None:
    given = user(operation=operation, extensions={"role": "validator"})
    with pytest.raises(InvalidInput, match="command"):
        yard.do("dana", ProposeProcess(source=text(process("one", "s -> t -> e", t=given))))


@pytest.mark.parametrize("said", ["\x00", "a\x00b", "\u202e☃", "'; drop table tasks; --"])
def test_whatever_is_said_is_kept_or_refused(yard: Yard, said: str) -> None:
    task = for_role(yard)
    try:
        note = yard.do("vera", CommentTask(task=task.id, text=said))
    except InvalidInput:
        assert not yard.rows(TASK_NOTES)
    else:
        assert [n.text for n in yard.rows(TASK_NOTES)] == [note.text] == [said]


@pytest.mark.parametrize("said", ["\x00", "\ud800", "☃" * 50_000, 10**400, 1e308, [[[]]]])
def test_whatever_is_filled_in_is_kept_or_refused(yard: Yard, said: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "number"]}}}
    made = process("one", "s -> t -> e", t=user(extensions={"role": "validator", "form": "f"}))
    yard.publish(text(made), forms={"f": schema})
    task = yard.task("t", yard.start("one"))
    try:
        done = yard.do("vera", CompleteTask(task=task.id, data={"a": said}))
    except InvalidInput:
        assert yard.task("t").status is TaskStatus.OPEN
    else:
        assert done.result["a"] == said


def test_a_refusal_is_in_the_audit_log_once(yard: Yard) -> None:
    task = for_role(yard)
    with pytest.raises(Forbidden):
        yard.do("dana", CompleteTask(task=task.id))
    refused = [r for r in yard.rows(AUDIT) if r.outcome == "refused"]
    assert [(r.action, r.subject_id, r.actor) for r in refused] == [("lifecycle.complete_task", task.id, yard.people["dana"].id)]


def test_a_request_names_the_task_in_its_audit_record(yard: Yard) -> None:
    task = for_role(yard)
    request = Request(command=ClaimTask(task=task.id), actor=yard.people["vera"], reason="mine")
    yard.platform.bus.handle(request)
    [record] = [r for r in yard.rows(AUDIT) if r.action == "lifecycle.claim_task"]
    assert (record.subject_type, record.subject_id, record.reason) == ("task", task.id, "mine")
