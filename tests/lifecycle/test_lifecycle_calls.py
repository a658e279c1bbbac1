"""Processes that call others: what goes in and comes back, how failures and cancellations pass, and how deep it may go."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.lifecycle.commands import CancelInstance, MigrateInstance
from modelyard.lifecycle.model import INSTANCES, WORK, InstanceStatus
from tests.bpmn.bpmn_text import boundary, call, end, error, par, process, script, terminate, timer
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


def child_of(yard: Yard, instance: Any) -> Any:
    (found,) = [i for i in yard.rows(INSTANCES) if i.parent is not None and i.parent.startswith(instance.id)]
    return found


def calling(yard: Yard, child: Any) -> Any:
    parent = process(
        "parent",
        "s -> do -> e; off -> cancelled -> e2; broke -> failed -> e3; stopped -> ended -> e4",
        do=call("child", inputs={"amount": "total * 2"}, outputs={"answer": "doubled"}),
        off=boundary("do", error("process_cancelled")),
        broke=boundary("do", error("process_failed")),
        stopped=boundary("do", error("process_terminated")),
        cancelled=person("developer"),
        failed=person("developer"),
        ended=person("developer"),
    )
    yard.publish(text(child))
    yard.publish(text(parent))
    instance = yard.start("parent", who="bea", data={"total": 21})
    yard.move()
    return instance


CHILD = process("child", "s -> twice -> ask -> e", twice=script("amount * 2", "doubled"), ask=person("operator"))


def test_a_called_process_gets_its_inputs_and_gives_its_variables(yard: Yard) -> None:
    yard.house.use_case()
    instance = calling(yard, CHILD)
    child = child_of(yard, instance)
    assert child.depth == 1
    assert child.started_by == yard.people["bea"].id, "who asked for it is the same person"
    assert yard.data(child)["started_by"] == yard.people["bea"].id
    (item,) = yard.rows(WORK)
    assert (item.child, item.not_before) == (child.id, None)
    yard.complete("omar", "ask", child)
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    assert yard.data(instance)["answer"] == 84
    assert not yard.left_over()


@ON_MEMORY
def test_a_called_process_is_about_the_same_unless_it_is_told_otherwise(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    yard.publish(text(process("child", "s -> t -> e", t=person("operator"))))
    yard.publish(text(process("same", "s -> do -> e", do=call("child"))))
    yard.publish(text(process("other", "s -> do -> e", do=call("child", inputs={"about": '"use_case:credit"'}))))
    same, other, none = yard.start("same", about=f"version:{version.name}"), yard.start("other"), yard.start("same")
    yard.move()
    assert child_of(yard, same).about == f"version:{version.id}"
    assert yard.data(child_of(yard, same))["version"]["id"] == version.id
    assert child_of(yard, other).about.startswith("use_case:")
    assert child_of(yard, none).about is None


@ON_MEMORY
@pytest.mark.parametrize(
    ("last", "place"),
    [(end(terminate), "ended"), (end(error("broken")), "failed")],
)
def test_however_a_called_process_ends_its_caller_hears_of_it(yard: Yard, last: Any, place: str) -> None:
    instance = calling(yard, process("child", "s -> ask -> e", ask=person("operator"), e=last))
    yard.complete("omar", "ask")
    assert yard.instance(instance).places == (place,)
    assert not yard.rows(WORK)


@ON_MEMORY
def test_cancelling_the_called_process_is_an_error_of_the_caller_and_the_caller_ends_what_it_called(yard: Yard) -> None:
    instance = calling(yard, CHILD)
    yard.do("omar", CancelInstance(instance=child_of(yard, instance).id, why="wrong one"))
    yard.move()
    assert yard.instance(instance).places == ("cancelled",)
    second = yard.start("parent", data={"total": 1})
    yard.move()
    child = child_of(yard, second)
    yard.do("omar", CancelInstance(instance=second.id, why="all of it"))
    yard.move()
    assert yard.instance(child).status is InstanceStatus.CANCELLED
    assert [t.instance for t in yard.tasks()] == [instance.id]


@ON_MEMORY
def test_a_boundary_timer_ends_the_called_process(yard: Yard) -> None:
    yard.publish(text(CHILD))
    yard.publish(
        text(
            process(
                "p", "s -> do -> e; late -> t -> e2", do=call("child"), late=boundary("do", timer("PT1H")), t=person("developer")
            )
        )
    )
    instance = yard.start("p", data={"amount": 1})
    yard.move()
    child = child_of(yard, instance)
    yard.house.later(hours=1)
    yard.move()
    assert yard.instance(child).status is InstanceStatus.CANCELLED
    assert yard.instance(instance).places == ("t",)
    assert len(yard.tasks()) == 1


@ON_MEMORY
def test_a_process_that_is_not_there_is_an_error_of_the_step(yard: Yard) -> None:
    yard.publish(
        text(
            process(
                "p",
                "s -> do -> e; none -> t -> e2",
                do=call("nothing"),
                none=boundary("do", error("not_found")),
                t=person("developer"),
            )
        )
    )
    instance = yard.start("p")
    yard.move()
    assert yard.instance(instance).places == ("t",)


@ON_MEMORY
def test_processes_that_call_each_other_for_ever_stop(yard: Yard) -> None:
    yard.publish(text(process("ping", "s -> do -> e", do=call("pong"))))
    yard.publish(text(process("pong", "s -> do -> e", do=call("ping"))))
    first = yard.start("ping")
    yard.move()
    instances = yard.rows(INSTANCES)
    assert len(instances) == 21
    (incident,) = yard.incidents()
    assert "more than 20 deep" in incident.message
    yard.do("omar", CancelInstance(instance=first.id, why="endless"))
    yard.move()
    assert {i.status for i in yard.rows(INSTANCES)} == {InstanceStatus.CANCELLED}
    assert not yard.left_over()


@ON_MEMORY
def test_a_called_process_is_migrated_and_still_answers_its_caller(yard: Yard) -> None:
    instance = calling(yard, CHILD)
    child = child_of(yard, instance)
    newer = process("child", "s -> twice -> ask2 -> e", twice=script("amount * 2", "doubled"), ask2=person("operator"))
    yard.publish(text(newer))
    yard.do("omar", MigrateInstance(instance=child.id, number=2, moves={"ask": "ask2"}))
    yard.complete("omar", "ask2", child)
    assert yard.data(instance)["answer"] == 84
    assert not yard.left_over()


@ON_MEMORY
def test_several_calls_at_once(yard: Yard) -> None:
    yard.publish(text(CHILD))
    one, two = (call("child", inputs={"amount": str(n)}, outputs={f"answer{n}": "doubled"}) for n in (1, 2))
    yard.publish(text(process("p", "s -> fork -> a -> join -> e; fork -> b -> join", fork=par(), join=par(), a=one, b=two)))
    instance = yard.start("p")
    yard.move()
    for task in yard.tasks():
        yard.complete("omar", "ask", yard.instance(task.instance))
    data = yard.data(instance)
    assert (data["answer1"], data["answer2"]) == (2, 4)
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
