"""Moving running instances to another version: planned, shown, refused where something would be lost, done."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard import bpmn
from modelyard.bootstrap import EXPLAINED_TABLES
from modelyard.core.errors import Forbidden, NotFound, WrongState
from modelyard.core.outbox import EVENTS
from modelyard.governance.audit import verify_records
from modelyard.jobs.queue import Queue
from modelyard.lifecycle.commands import CancelInstance, MigrateInstance, PublishProcess, RetryIncident, SendMessage, SkipIncident
from modelyard.lifecycle.definitions import numbered
from modelyard.lifecycle.model import INSTANCES, STAYS, STEPS, SUBSCRIPTIONS, TIMERS, WORK, InstanceStatus
from modelyard.lifecycle.replaying import replay
from modelyard.lifecycle.tasks.commands import ClaimTask
from modelyard.lifecycle.times import process_times
from modelyard.lifecycle.views import view_instance
from tests.bpmn.bpmn_text import boundary, catch, error, message, par, process, service, timer, xor
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


def waiting(suffix: str, **more: Any) -> Any:
    """Waits for a person, a time, a message, a job, and with an incident; steps end in `suffix`."""
    a, b, c, d, x = (name + suffix for name in "abcdx")
    nodes = {
        a: person("validator"),
        b: catch(timer("PT2H")),
        c: catch(message("m", '"k"')),
        d: service("job:probe", outputs={"y": "result.result.y"}),
        x: xor(),
    }
    flows = f"s -> fork -> {a} -> e; fork -> {b} -> e2; fork -> {c} -> e3; fork -> {d} -> e4"
    flows += f"; fork -> {x}; {x} -[n + 1]-> e5; {x} -else-> e6"
    return process("p", flows, fork=par(), **(nodes | more))


def to_second(yard: Yard, **how: Any) -> tuple[Any, Any]:
    yard.publish(text(waiting("")))
    instance = yard.start("p", data={"n": "x"})
    yard.move()
    yard.publish(text(waiting("2")))
    moves = {name: name + "2" for name in "abcdx"}
    return instance, yard.do("omar", MigrateInstance(instance=instance.id, number=2, moves=moves), **how)


def test_everything_goes_on_under_its_new_name(yard: Yard) -> None:
    instance, done = to_second(yard)
    assert done.instance.number == 2
    assert done.instance.places == ("a2", "b2", "c2", "d2", "x2")
    assert yard.task("a2", instance).element == "a2"
    for table, element in ((TIMERS, "b2"), (SUBSCRIPTIONS, "c2"), (WORK, "d2")):
        assert [row.element for row in yard.rows(table) if row.instance is not None] == [element]
    (incident,) = yard.incidents(instance)
    assert incident.element == "x2"
    (step,) = [s for s in yard.rows(STEPS) if s.event == "migrated"]
    assert (step.details["from"], step.details["to"], step.by) == (1, 2, yard.people["omar"].id)
    assert step.details["plan"] == list(done.plan)
    # And each of them is done as if it had never had another name.
    yard.complete("vera", "a2", instance)
    yard.do("dana", SendMessage(name="m", key="k"))
    queue = Queue(yard.platform.storage, yard.platform.clock, yard.platform.ids)
    job = queue.claim("w", ["probe"])
    assert job is not None
    queue.complete(job, {"y": 7})
    yard.house.later(hours=2)
    yard.move()
    yard.do("omar", RetryIncident(incident=incident.id, data={"n": True}))
    assert [i.message for i in yard.incidents(instance)] != []
    yard.do("omar", CancelInstance(instance=instance.id, why="done with it"))
    assert yard.data(instance)["y"] == 7
    assert not yard.left_over()
    kept = yard.instance(instance)
    with yard.platform.storage.reading() as tx:
        assert bpmn.dumps(replay(tx, kept)) == kept.state
    assert not verify_records(yard.platform.storage, EXPLAINED_TABLES)
    assert "lifecycle.instance_migrated" in [e.type for e in yard.rows(EVENTS)]


def test_a_dry_run_shows_the_plan_and_changes_nothing(yard: Yard) -> None:
    instance, shown = to_second(yard, dry_run=True)
    assert shown.instance.number == 2
    assert any("a2" in line for line in shown.plan)
    kept = yard.instance(instance)
    assert (kept.number, kept.places, kept.steps) == (1, ("a", "b", "c", "d", "x"), 1)
    assert [row.element for row in yard.rows(TIMERS)] == ["b"]


@ON_MEMORY
def test_it_is_refused_where_a_token_would_be_lost(yard: Yard) -> None:
    yard.publish(text(waiting("")))
    instance = yard.start("p", data={"n": "x"})
    yard.publish(text(waiting("2")))
    before = yard.instance(instance)
    for moves in ({}, {"a": "a2"}, {"a": "nothing"}, dict.fromkeys("abcdx", "a2")):
        with pytest.raises(WrongState, match=r"cannot move|nothing"):
            yard.do("omar", MigrateInstance(instance=instance.id, number=2, moves=moves))
    assert yard.instance(instance) == before
    assert yard.task("a", instance)


@ON_MEMORY
def test_what_cannot_be_moved_is_told(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    instance = yard.start("p")
    with pytest.raises(WrongState, match="already"):
        yard.do("omar", MigrateInstance(instance=instance.id, number=1))
    with pytest.raises(NotFound, match="no version 7"):
        yard.do("omar", MigrateInstance(instance=instance.id, number=7))
    with pytest.raises(Forbidden):
        yard.do("dana", MigrateInstance(instance=instance.id, number=1))
    yard.do("omar", CancelInstance(instance=instance.id, why="over"))
    yard.publish(text(process("p", "s -> t -> u -> e", t=person("developer"), u=person("developer"))))
    with pytest.raises(WrongState, match="has ended"):
        yard.do("omar", MigrateInstance(instance=instance.id, number=2))


@ON_MEMORY
def test_a_new_boundary_timer_begins_to_wait_and_one_that_is_gone_does_not(yard: Yard) -> None:
    plain = process("p", "s -> t -> e", t=person("developer"))
    limited = process("p", "s -> t -> e; late -> e2", t=person("developer"), late=boundary("t", timer("PT1H")))
    yard.publish(text(plain))
    instance = yard.start("p")
    yard.publish(text(limited))
    yard.do("omar", MigrateInstance(instance=instance.id, number=2))
    assert [row.element for row in yard.rows(TIMERS)] == ["late"]
    yard.do("omar", MigrateInstance(instance=instance.id, number=1))
    assert not yard.rows(TIMERS)
    assert [task.element for task in yard.tasks(instance)] == ["t"]
    assert yard.instance(instance).number == 1
    with yard.platform.storage.reading() as tx:
        assert bpmn.dumps(replay(tx, yard.instance(instance))) == yard.instance(instance).state


@ON_MEMORY
def test_time_worked_before_the_move_is_counted_once(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("validator"))))
    instance = yard.start("p")
    yard.house.later(minutes=10)
    yard.do("vera", ClaimTask(task=yard.task("t").id))
    yard.house.later(minutes=5)
    yard.publish(text(process("p", "s -> u -> e", u=person("validator"))))
    yard.do("omar", MigrateInstance(instance=instance.id, number=2, moves={"t": "u"}))
    with yard.platform.storage.reading() as tx:
        (place,) = view_instance(tx, yard.instance(instance), yard.house.clock.now()).places
    assert (place.element, place.role, place.task) == ("u", "validator", yard.task("u").id)
    yard.house.later(minutes=7)
    yard.complete("vera", "u")
    with yard.platform.storage.reading() as tx:
        steps = process_times(tx, "default", "p").steps
    assert {s.element: (s.waiting.total / 60, s.working.total / 60) for s in steps} == {"t": (10, 5), "u": (0, 7)}
    assert {s.role for s in yard.rows(STAYS)} == {"validator"}


@ON_MEMORY
def test_a_name_that_was_lent_goes_with_its_step_and_to_no_other(yard: Yard) -> None:
    scan = service("governance.issue_release", inputs={"approval": '"apr_1"'}, extensions={"authority": "ask"})
    first = process(
        "p",
        "s -> look -> ask -> wait -> do -> e",
        look=person("validator"),
        ask=person("operator"),
        wait=person("developer"),
        do=scan,
    )
    scan2 = service("governance.issue_release", inputs={"approval": '"apr_1"'}, extensions={"authority": "ask2"})
    nodes = {"look": person("validator"), "ask2": person("operator"), "wait": person("developer"), "do": scan2}
    yard.publish(text(first))
    yard.publish(text(process("p", "s -> look -> ask2 -> wait -> do -> e", **nodes)))
    with yard.platform.storage.reading() as tx:
        old = first_of(tx)
    yard.do("rita", PublishProcess(definition=old.id))
    instance = yard.start("p")
    with pytest.raises(WrongState, match="in the name of who did 'look'"):
        yard.do("omar", MigrateInstance(instance=instance.id, number=2, moves={"look": "ask2"}))
    yard.complete("vera", "look")
    yard.complete("omar", "ask")
    yard.do("omar", MigrateInstance(instance=instance.id, number=2, moves={"ask": "ask2"}))
    yard.complete("dana", "wait")
    (incident,) = yard.incidents(instance)
    assert "not_found" in incident.message, "the approval is not there; that it may be asked for is omar's doing"
    yard.do("rita", SkipIncident(incident=incident.id, why="seen"))
    assert yard.instance(instance).status is InstanceStatus.COMPLETED


def first_of(tx: Any) -> Any:
    return numbered(tx, "default", "p", 1)


@ON_MEMORY
def test_work_that_failed_before_is_caught_by_the_new_version(yard: Yard) -> None:
    look = service("read.models", inputs={"nothing": "1"})
    yard.publish(text(process("p", "s -> look -> e", look=look)))
    instance = yard.start("p")
    yard.move()
    (incident,) = yard.incidents(instance)
    caught = process(
        "p", "s -> look -> e; odd -> t -> e2", look=look, odd=boundary("look", error("invalid_input")), t=person("developer")
    )
    yard.publish(text(caught))
    yard.do("omar", MigrateInstance(instance=instance.id, number=2))
    yard.do("omar", RetryIncident(incident=incident.id))
    yard.move()
    assert yard.instance(instance).places == ("t",)
    assert [i.status for i in yard.rows(INSTANCES)] == [InstanceStatus.RUNNING]
