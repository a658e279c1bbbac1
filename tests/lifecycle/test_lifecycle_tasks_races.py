"""Several people at one task at the same moment: each adapter lets one be first, and tells the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelyard.core.errors import ModelyardError, WrongState
from modelyard.core.messages import AUDIT, Actor
from modelyard.governance.identity.model import Role
from modelyard.lifecycle.model import STEPS, InstanceStatus
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask
from modelyard.lifecycle.tasks.model import TASK_DECISIONS, TaskStatus
from tests.bpmn.bpmn_text import par, process, user
from tests.lifecycle.lifecycle_yard import Yard
from tests.lifecycle.test_lifecycle_tasks import newcomer, opened, text

FOUR = 4


def officers(yard: Yard) -> list[Actor]:
    return [newcomer(yard, f"officer{n}", Role.RISK_OFFICER) for n in range(FOUR)]


def at_once(yard: Yard, asked: list[tuple[Actor, Any]]) -> list[Any]:
    """What each got: a record or an error."""
    ready = threading.Barrier(len(asked))

    def one(who: Actor, command: Any) -> Any:
        ready.wait(timeout=30)
        try:
            return yard.do(who, command)
        except ModelyardError as refusal:
            return refusal

    with ThreadPoolExecutor(len(asked)) as pool:
        return [found.result() for found in [pool.submit(one, *each) for each in asked]]


def test_one_claims_and_the_others_are_told_who(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer"})
    people = officers(yard)
    found = at_once(yard, [(who, ClaimTask(task=task.id)) for who in people])
    refused = [each for each in found if isinstance(each, ModelyardError)]
    held = yard.task("t")
    [winner] = [n for n, who in enumerate(people) if who.id == held.assignee]
    assert len(refused) == FOUR - 1
    for refusal in refused:
        assert isinstance(refusal, WrongState)
        assert refusal.status == 409
        assert f"claimed by officer{winner}" in refusal.detail


def test_one_decides_and_one_step_follows(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer"})
    found = at_once(yard, [(who, CompleteTask(task=task.id, verdict="approved")) for who in officers(yard)])
    refused = [each for each in found if isinstance(each, ModelyardError)]
    assert {type(each) for each in refused} == {WrongState}
    [decision] = yard.rows(TASK_DECISIONS)
    assert all("completed by officer" in each.detail for each in refused)
    assert [step.event for step in yard.rows(STEPS)] == ["started", "task"]
    assert len([r for r in yard.rows(AUDIT) if r.action == "lifecycle.complete_task"]) == 1
    assert decision.sequence == 1


def test_the_same_person_twice_decides_once(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer", "quorum": "2"})
    rita = yard.people["rita"]
    found = at_once(yard, [(rita, CompleteTask(task=task.id, verdict="approved"))] * 3)
    assert sum(not isinstance(each, ModelyardError) for each in found) == 1
    assert (yard.task("t").approvals, len(yard.rows(TASK_DECISIONS))) == (1, 1)


def test_as_many_as_are_needed_decide_and_no_more(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer", "quorum": "3"})
    found = at_once(yard, [(who, CompleteTask(task=task.id, verdict="approved")) for who in officers(yard)])
    done = [each for each in found if not isinstance(each, ModelyardError)]
    assert len(done) == 3
    assert sum(each.status is TaskStatus.COMPLETED for each in done) == 1
    decided = sorted(yard.rows(TASK_DECISIONS), key=lambda d: d.sequence)
    assert [d.sequence for d in decided] == [1, 2, 3]
    assert [d.previous for d in decided] == [None, decided[0].digest(), decided[1].digest()]
    assert yard.instance(task.instance).status is InstanceStatus.COMPLETED


@pytest.mark.parametrize("quorum", ["any", "2"])
def test_tasks_of_one_instance_decided_at_once_are_one_chain(yard: Yard, quorum: str) -> None:
    names = [f"t{n}" for n in range(FOUR)]
    flows = "; ".join(["s -> p", *(f"p -> {name} -> j" for name in names), "j -> e"])
    made = {name: user(extensions={"role": "risk_officer", "quorum": quorum}) for name in names}
    yard.publish(text(process("many", flows, p=par(), j=par(), **made)))
    instance = yard.start("many")
    found = at_once(
        yard,
        [
            (who, CompleteTask(task=yard.task(name, instance).id, verdict="approved"))
            for who, name in zip(officers(yard), names, strict=True)
        ],
    )
    assert not [each for each in found if isinstance(each, ModelyardError)]
    chain = sorted(yard.rows(TASK_DECISIONS), key=lambda d: d.sequence)
    assert [d.sequence for d in chain] == [1, 2, 3, 4]
    assert [d.previous for d in chain] == [None, *(d.digest() for d in chain[:-1])]


def test_a_key_used_by_many_threads_decides_once(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer"})
    command = CompleteTask(task=task.id, comments="once")
    with ThreadPoolExecutor(FOUR) as pool:
        found = list(pool.map(lambda _: yard.do("rita", command, idempotency_key="k"), range(FOUR)))
    assert {each.digest() for each in found} == {found[0].digest()}
    assert len(yard.rows(TASK_DECISIONS)) == 1
