"""What time brings to tasks: reminders, escalation, expiry; time worked; tasks that nobody needs any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from modelyard.core.errors import Forbidden, WrongState
from modelyard.core.messages import AUDIT, SYSTEM
from modelyard.lifecycle.commands import CancelInstance, RetryIncident
from modelyard.lifecycle.model import STAYS, InstanceStatus
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask, DelegateTask, ReleaseTask, TendTask
from modelyard.lifecycle.tasks.model import CANDIDACIES, TASK_DECISIONS, TASKS, Task, TaskStatus
from tests.bpmn.bpmn_text import boundary, error, process, timer, user, xor
from tests.life.conftest import START
from tests.lifecycle.lifecycle_yard import Yard
from tests.lifecycle.test_lifecycle_tasks import attached, opened, text

ALL_TIMES = {"role": "validator", "remindIn": "P1D", "dueIn": "P2D", "escalateTo": "risk_officer", "expiresIn": "P3D"}


def told(yard: Yard) -> list[str]:
    """What was told of the task, beginning with its opening."""
    kinds = [kind for record in sorted(yard.rows(AUDIT), key=lambda record: record.id) for kind in record.events]
    return [kind.removeprefix("lifecycle.task_") for kind in kinds if kind.startswith("lifecycle.task_")]


def current(yard: Yard, task: Task) -> Task:
    with yard.platform.storage.reading() as tx:
        return tx.get(TASKS, task.id)


def later(yard: Yard, **by: float) -> datetime:
    moment = yard.house.later(**by)
    yard.move()
    return moment


def caught(yard: Yard, **extensions: str) -> Task:
    """A task whose expiry leads to another."""
    made = process(
        "late",
        "s -> t -> e; x -> instead -> e2",
        t=user(extensions={"role": "validator"} | extensions),
        x=boundary("t", error("expired")),
    )
    yard.publish(text(made))
    return yard.task("t", yard.start("late"))


def test_each_thing_comes_once_and_in_its_time(yard: Yard) -> None:
    task = caught(yard, **ALL_TIMES)
    seen = []
    for _ in range(4):
        later(yard, hours=23)
        seen.append(told(yard)[-1])
        later(yard, hours=1)
        seen.append(told(yard)[-1])
    assert told(yard)[:4] == ["opened", "reminded", "escalated", "expired"]
    assert seen[:6] == ["opened", "reminded", "reminded", "escalated", "escalated", "opened"]
    assert [told(yard).count(what) for what in ("reminded", "escalated", "expired")] == [1, 1, 1]
    assert current(yard, task).status is TaskStatus.EXPIRED
    assert [t.element for t in yard.tasks()] == ["instead"]


def test_when_several_are_due_at_once_the_end_comes_first(yard: Yard) -> None:
    task = caught(yard, **ALL_TIMES)
    later(yard, days=10)
    assert told(yard)[:2] == ["opened", "expired"]
    assert not {"reminded", "escalated"} & {*told(yard)}
    assert current(yard, task).next_at is None


def test_when_no_end_is_due_all_the_others_come(yard: Yard) -> None:
    task = opened(yard, extensions={**ALL_TIMES, "expiresIn": "P30D"})
    later(yard, days=10)
    assert told(yard) == ["opened", "escalated", "reminded"]
    assert current(yard, task).next_at == task.expires_at


def test_after_completion_nothing_comes(yard: Yard) -> None:
    task = opened(yard, extensions=ALL_TIMES)
    yard.do("vera", CompleteTask(task=task.id))
    before = told(yard)
    later(yard, days=30)
    assert told(yard) == before
    with pytest.raises(WrongState):
        yard.do(SYSTEM, TendTask(task=task.id))


def test_nothing_comes_before_its_time_nor_by_anybodys_word(yard: Yard) -> None:
    task = opened(yard, extensions=ALL_TIMES)
    with pytest.raises(WrongState, match="nothing is due"):
        yard.do(SYSTEM, TendTask(task=task.id))
    yard.house.later(days=5)
    with pytest.raises(Forbidden):
        yard.do("rita", TendTask(task=task.id))


def test_an_escalated_task_is_for_more_people_and_more_urgent(yard: Yard) -> None:
    task = opened(yard, extensions={**ALL_TIMES, "escalateTo": "risk_officer,validator"})
    with pytest.raises(Forbidden):
        yard.do("rita", ClaimTask(task=task.id))
    later(yard, days=2)
    wider = current(yard, task)
    assert (wider.roles, wider.priority, wider.escalated) == (("validator", "risk_officer"), 1, True)
    assert sorted(c.who for c in yard.rows(CANDIDACIES)) == ["role:risk_officer", "role:validator"]
    yard.do("rita", CompleteTask(task=task.id))
    assert current(yard, task).completed_by == yard.people["rita"].id


def test_who_holds_an_escalated_task_keeps_it_until_it_is_put_back(yard: Yard) -> None:
    task = opened(yard, extensions=ALL_TIMES)
    yard.do("vera", ClaimTask(task=task.id))
    later(yard, days=2)
    assert current(yard, task).assignee == yard.people["vera"].id
    with pytest.raises(WrongState, match="claimed by vera"):
        yard.do("rita", CompleteTask(task=task.id))
    yard.do("omar", ReleaseTask(task=task.id))
    assert sorted(c.who for c in yard.rows(CANDIDACIES)) == ["role:risk_officer", "role:validator"]
    yard.do("rita", CompleteTask(task=task.id))


def test_in_a_task_of_all_roles_who_is_escalated_to_stands_in_for_one(yard: Yard) -> None:
    task = opened(
        yard,
        extensions={"role": "validator,business_owner", "quorum": "all", "dueIn": "P1D", "escalateTo": "risk_officer"},
    )
    yard.do("vera", CompleteTask(task=task.id, verdict="approved"))
    later(yard, days=1)
    done = yard.do("rita", CompleteTask(task=task.id, verdict="approved"))
    assert done.status is TaskStatus.COMPLETED
    assert [d["role"] for d in done.result["decisions"]] == ["validator", "risk_officer"]


def test_who_comes_after_the_end_is_too_late_even_before_it_is_noticed(yard: Yard) -> None:
    task = caught(yard, **ALL_TIMES)
    yard.do("vera", ClaimTask(task=task.id))
    yard.house.later(days=3)
    for command in (CompleteTask(task=task.id), DelegateTask(task=task.id, to="rita"), attached(task)):
        with pytest.raises(WrongState, match="expired at 2026-01-04"):
            yard.do("vera", command)
    yard.move()
    assert current(yard, task).status is TaskStatus.EXPIRED


def test_an_end_that_nobody_catches_is_an_incident(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator", "expiresIn": "PT1H"})
    later(yard, hours=1)
    [incident] = yard.incidents()
    assert (incident.element, incident.cause) == ("t", "error")
    assert "expired" in incident.message or "nobody did" in incident.message
    assert yard.instance(task.instance).health == "broken"


def test_what_ended_without_a_decision_is_asked_anew(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator", "expiresIn": "PT1H"})
    later(yard, hours=1)
    yard.do("omar", RetryIncident(incident=yard.incidents()[0].id))
    again = yard.task("t")
    assert again.id != task.id
    assert again.expires_at == START + timedelta(hours=2)
    yard.do("vera", CompleteTask(task=again.id))
    assert yard.instance(task.instance).status is InstanceStatus.COMPLETED


def test_a_step_that_comes_again_is_another_task(yard: Yard) -> None:
    made = process(
        "turns", 's -> t -> x -[verdict = "rejected"]-> t; x -else-> e', t=user(extensions={"role": "validator"}), x=xor()
    )
    yard.publish(text(made))
    instance = yard.start("turns")
    for verdict in ("rejected", "rejected", "approved"):
        yard.do("vera", CompleteTask(task=yard.task("t", instance).id, verdict=verdict))
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    chain = sorted(yard.rows(TASK_DECISIONS), key=lambda d: d.sequence)
    assert [d.verdict for d in chain] == ["rejected", "rejected", "approved"]
    assert [d.previous for d in chain] == [None, chain[0].digest(), chain[1].digest()]


def test_several_decisions_before_the_end_are_kept_and_not_enough(yard: Yard) -> None:
    task = caught(yard, role="risk_officer", quorum="2", expiresIn="P1D")
    yard.do("rita", CompleteTask(task=task.id, verdict="approved"))
    later(yard, days=1)
    assert current(yard, task).status is TaskStatus.EXPIRED
    assert [t.element for t in yard.tasks()] == ["instead"]


# --- nobody needs it any more ---------------------------------------------------------------------------------------------------


def test_a_timer_at_its_border_withdraws_a_task(yard: Yard) -> None:
    made = process("late", "s -> t -> e; x -> e2", t=user(extensions=ALL_TIMES), x=boundary("t", timer("PT1H")))
    yard.publish(text(made))
    task = yard.task("t", yard.start("late"))
    yard.do("vera", ClaimTask(task=task.id))
    later(yard, hours=1)
    gone = current(yard, task)
    assert (gone.status, gone.next_at, gone.worked_s) == (TaskStatus.WITHDRAWN, None, 3600)
    assert told(yard)[-1] == "withdrawn"
    with pytest.raises(WrongState, match="withdrawn"):
        yard.do("vera", CompleteTask(task=task.id))
    later(yard, days=9)
    assert told(yard).count("withdrawn") == 1
    assert "expired" not in told(yard)


def test_cancelling_withdraws_what_is_open(yard: Yard) -> None:
    task = opened(yard, extensions=ALL_TIMES)
    yard.do("omar", CancelInstance(instance=task.instance, why="not any more"))
    assert current(yard, task).status is TaskStatus.WITHDRAWN
    assert yard.instance(task.instance).status is InstanceStatus.CANCELLED
    assert not yard.rows(CANDIDACIES)


# --- time worked ----------------------------------------------------------------------------------------------------------------


def test_time_is_worked_while_somebody_holds_it(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "risk_officer"})
    steps: list[tuple[str, Any]] = [
        ("rita", ClaimTask(task=task.id)),
        ("rita", ReleaseTask(task=task.id)),
        ("ruth", ClaimTask(task=task.id)),
        ("ruth", DelegateTask(task=task.id, to="rita")),
        ("rita", CompleteTask(task=task.id)),
    ]
    for minutes, (who, command) in enumerate(steps, 1):
        yard.house.later(minutes=minutes)
        yard.do(who, command)
    done = current(yard, task)
    assert done.worked_s == (2 + 4 + 5) * 60, "held for 2, 4 and 5 minutes; 1 and 3 nobody had it"
    [stay] = [s for s in yard.rows(STAYS) if s.element == "t"]
    assert (stay.worked_s, stay.waited_s) == (11 * 60, 4 * 60)
    assert done.ended_at is not None
    assert done.ended_at - done.created_at == timedelta(minutes=15)


def test_what_nobody_claimed_was_not_worked_on(yard: Yard) -> None:
    task = opened(yard, extensions={"role": "validator"})
    yard.house.later(hours=1)
    yard.do("vera", CompleteTask(task=task.id))
    [stay] = [s for s in yard.rows(STAYS) if s.element == "t"]
    assert (current(yard, task).worked_s, stay.waited_s) == (0, 3600)
