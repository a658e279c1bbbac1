"""The inbox: what somebody could do now, the most urgent first, in a few statements however much there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from modelyard.core.messages import Actor
from modelyard.core.records import Transaction
from modelyard.lifecycle.commands import CancelInstance
from modelyard.lifecycle.model import Instance
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask, DelegateTask, ReleaseTask
from modelyard.lifecycle.tasks.model import CANDIDACIES, TASKS, Candidacy, Task
from modelyard.lifecycle.tasks.opening import urgency, whose
from modelyard.lifecycle.views import inbox, names, view_instance, view_task
from tests.bpmn.bpmn_text import boundary, process, timer, user
from tests.life.conftest import START
from tests.lifecycle.lifecycle_yard import Yard
from tests.lifecycle.test_lifecycle_tasks import text


def one(yard: Yard, key: str, inputs: dict[str, str] | None = None, **extensions: str) -> Instance:
    """An instance of a process with one task."""
    yard.publish(
        text(process(key, "s -> t -> e", t=user(name=key, extensions=extensions, **({"inputs": inputs} if inputs else {}))))
    )
    return yard.start(key)


def seen(yard: Yard, who: str | Actor, limit: int = 50) -> list[str]:
    """The names of what is in somebody's inbox."""
    actor = yard.people[who] if isinstance(who, str) else who
    with yard.platform.storage.reading() as tx:
        return [task.name for task in inbox(tx, "default", actor, limit)]


def test_it_holds_what_is_theirs_by_role_or_by_name(yard: Yard) -> None:
    one(yard, "role", role="validator")
    one(yard, "named", {"candidates": '"vera"'})
    one(yard, "both", {"candidates": '"vera"'}, role="validator,risk_officer")
    one(yard, "not", {"exclude": '"vera"'}, role="validator")
    one(yard, "other", role="operator")
    assert sorted(seen(yard, "vera")) == ["both", "named", "role"]
    assert seen(yard, "rita") == ["both"]
    assert seen(yard, "root") == []


def test_the_most_urgent_comes_first(yard: Yard) -> None:
    one(yard, "old", role="validator")
    yard.house.later(minutes=1)
    one(yard, "new", role="validator")
    one(yard, "due-late", role="validator", dueIn="P9D")
    one(yard, "due-soon", role="validator", dueIn="PT1H")
    one(yard, "low", role="validator", priority="-5", dueIn="PT1M")
    one(yard, "high", role="validator", priority="10")
    expected = ["high", "due-soon", "due-late", "old", "new", "low"]
    assert seen(yard, "vera") == expected
    assert seen(yard, "vera", 3) == expected[:3]
    with yard.platform.storage.reading() as tx:
        held = inbox(tx, "default", yard.people["vera"])[4]
    yard.do("vera", ClaimTask(task=held.id))
    assert seen(yard, "vera") == expected, "what one holds is in its place"


def test_what_somebody_holds_is_theirs_alone_until_they_put_it_back(yard: Yard) -> None:
    instance = one(yard, "it", role="risk_officer")
    task = yard.task("t", instance)
    yard.do("rita", ClaimTask(task=task.id))
    assert (seen(yard, "rita"), seen(yard, "ruth")) == (["it"], [])
    yard.do("rita", DelegateTask(task=task.id, to="ruth"))
    assert (seen(yard, "rita"), seen(yard, "ruth")) == ([], ["it"])
    yard.do("omar", ReleaseTask(task=task.id))
    assert (seen(yard, "rita"), seen(yard, "ruth")) == (["it"], ["it"])
    yard.do("ruth", CompleteTask(task=task.id))
    assert (seen(yard, "rita"), seen(yard, "ruth")) == ([], [])
    assert not yard.rows(CANDIDACIES)


def test_what_somebody_has_decided_is_no_longer_in_theirs(yard: Yard) -> None:
    instance = one(yard, "it", role="risk_officer", quorum="2")
    yard.do("rita", CompleteTask(task=yard.task("t", instance).id, verdict="approved"))
    assert (seen(yard, "rita"), seen(yard, "ruth")) == ([], ["it"])


def test_what_is_withdrawn_leaves(yard: Yard) -> None:
    yard.publish(
        text(process("late", "s -> t -> e; x -> e2", t=user(extensions={"role": "validator"}), x=boundary("t", timer("PT1H"))))
    )
    yard.start("late")
    cancelled = one(yard, "cancelled", role="validator")
    assert len(seen(yard, "vera")) == 2
    yard.do("omar", CancelInstance(instance=cancelled.id, why="x"))
    yard.house.later(hours=1)
    yard.move()
    assert seen(yard, "vera") == []


def test_a_role_that_is_lost_takes_its_tasks_with_it(yard: Yard) -> None:
    one(yard, "it", role="validator")
    nobody = yard.people["vera"].model_copy(update={"roles": frozenset()})
    assert seen(yard, nobody) == []


# --- many -----------------------------------------------------------------------------------------------------------------------


class Counted:
    """A transaction that counts what is asked of it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx, self.asked = tx, 0

    def get(self, *given: Any) -> Any:
        self.asked += 1
        return self._tx.get(*given)

    def find(self, *given: Any) -> Any:
        self.asked += 1
        return self._tx.find(*given)


@contextmanager
def counted(yard: Yard) -> Iterator[Any]:
    with yard.platform.storage.reading() as tx:
        yield Counted(tx)


def fill(yard: Yard, count: int, organisation: str = "default", **fields: Any) -> list[Task]:
    """Open tasks, as many as wanted, without a process behind them."""
    made = []
    with yard.platform.storage.transaction() as tx:
        for n in range(count):
            kept = {"organisation": organisation, "created_at": START + timedelta(seconds=n)}
            given = {"instance": "ins_x", "process": "x", "number": 1, "work": "w", "element": "t", "name": f"{organisation} {n}"}
            given |= {"roles": ("validator",)} | fields
            task = Task(id=f"{organisation}{fields.get('assignee', '')}{n:05d}", **kept, **given)
            tx.add(TASKS, task)
            for who in whose(task) if task.assignee is None else ():
                tx.add(CANDIDACIES, Candidacy(id=f"{task.id}:{who}", **kept, task=task.id, who=who, urgency=urgency(task)))
            made.append(task)
    return made


def test_ten_thousand_open_tasks_take_a_few_statements(yard: Yard, adapter: str) -> None:
    count = 10_000 if adapter == "memory" else 1_000
    fill(yard, count)
    with counted(yard) as tx:
        found = inbox(tx, "default", yard.people["vera"])
    assert [task.name for task in found] == [f"default {n}" for n in range(50)], "those that wait longest"
    assert tx.asked <= 4


def test_an_urgent_task_is_found_behind_however_many(yard: Yard) -> None:
    fill(yard, 700)
    one(yard, "urgent", role="validator", priority="1")
    assert seen(yard, "vera", 1) == ["urgent"]


def test_tasks_that_are_not_theirs_do_not_fill_the_page(yard: Yard) -> None:
    fill(yard, 120, excluded=(yard.people["vera"].id,), priority=5)
    fill(yard, 120, "another")
    one(yard, "mine", role="validator")
    assert seen(yard, "vera") == ["mine"]
    with counted(yard) as tx:
        inbox(tx, "default", yard.people["vera"])
    assert tx.asked <= 1 + 2 * 3


def test_nothing_of_another_organisation_is_seen(yard: Yard) -> None:
    fill(yard, 3, "another")
    fill(yard, 3, "another", assignee=yard.people["vera"].id, status="claimed")
    assert seen(yard, "vera") == []
    with yard.platform.storage.reading() as tx:
        assert names(tx, "another", {yard.people["vera"].id}) == {}
        assert names(tx, "default", {yard.people["vera"].id, "idn_unknown"}) == {yard.people["vera"].id: "vera"}
        assert names(tx, "default", set()) == {}


@pytest.mark.parametrize("decided", [0, 5])
def test_views_take_as_many_statements_for_many_people_as_for_one(yard: Yard, decided: int) -> None:
    instance = one(yard, "it", {"candidates": '["dana", "dave", "bea", "vera", "rita", "ruth"]'}, quorum="all")
    task = yard.task("t", instance)
    for who in ("dana", "dave", "bea", "vera", "rita")[:decided]:
        yard.do(who, CompleteTask(task=task.id, verdict="approved"))
    with counted(yard) as tx:
        view = view_task(tx, yard.task("t", instance))
        asked = tx.asked
    assert asked == 3
    assert {"dana", "dave", "bea", "vera", "rita", "ruth"} <= set(view.people.values())
    with counted(yard) as tx:
        found = view_instance(tx, yard.instance(instance), START)
    assert [place.task for place in found.places] == [task.id]
    assert found.instance.state == ""
