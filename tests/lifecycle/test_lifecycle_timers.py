"""Times: when they come, that they come once, and what is done about those that were missed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from modelyard import bpmn
from modelyard.bpmn.engine.compiled import Start
from modelyard.bpmn.model import TimerKind, Trigger
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.messages import SYSTEM
from modelyard.lifecycle.commands import ChangeData, FireTimer, ProposeProcess, RetryIncident, SendMessage
from modelyard.lifecycle.inbound import Mover
from modelyard.lifecycle.model import INSTANCES, STEPS, TIMERS, InstanceStatus
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.timed import times_of
from tests.bpmn.bpmn_text import boundary, catch, event_based, message, par, process, start, timer
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_what_is_due_is_fired_soonest_first_and_once(yard: Yard) -> None:
    made = process(
        "p",
        "s -> fork -> late -> e; fork -> soon -> e2; fork -> then -> e3",
        fork=par(),
        late=catch(timer("P2D")),
        soon=catch(timer("PT1H")),
        then=catch(timer("2026-01-03T00:00:00Z")),
    )
    yard.publish(text(made))
    instance = yard.start("p")
    assert yard.mover.fire_timers() == 0
    yard.house.later(hours=1)
    (due,) = [t for t in yard.rows(TIMERS) if t.element == "soon"]
    assert yard.mover.fire_timers() == 1
    with pytest.raises(NotFound):
        yard.do(SYSTEM, FireTimer(timer=due.id))
    assert yard.mover.fire_timers() == 0
    assert yard.instance(instance).places == ("late", "then")
    yard.house.later(days=30)
    yard.move()
    steps = [(s.event, s.element) for s in yard.rows(STEPS) if s.instance == instance.id]
    assert steps[:2] == [("started", None), ("timer", "soon")]
    assert sorted(steps[2:]) == [("timer", "late"), ("timer", "then")]
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    assert not yard.left_over()


@pytest.mark.parametrize("adapter", ["sqlite", "postgres"], indirect=True)
def test_workers_at_once_fire_a_timer_once_while_others_step_the_same_instance(yard: Yard) -> None:
    flows = "s -> fork -> a -> e; fork -> b -> e2; fork -> c -> e3; fork -> t -> e4"
    times = {name: catch(timer("PT1H")) for name in "abc"}
    yard.publish(text(process("p", flows, fork=par(), t=person("developer"), **times)))
    instances = [yard.start("p") for _ in range(2)]
    yard.house.later(hours=1)
    ready = threading.Barrier(3)

    def fire() -> None:
        ready.wait()
        Mover(yard.platform.storage, yard.platform.bus, yard.platform.clock).fire_timers()

    def do() -> None:
        ready.wait()
        for instance in instances:
            yard.do("dana", CompleteTask(task=yard.task("t", instance).id))

    workers = [threading.Thread(target=what) for what in (fire, fire, do)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    yard.move()
    for instance in instances:
        assert yard.instance(instance).status is InstanceStatus.COMPLETED
        steps = sorted((s for s in yard.rows(STEPS) if s.instance == instance.id), key=lambda s: s.number)
        assert [s.number for s in steps] == [1, 2, 3, 4, 5]
        assert sorted(s.event for s in steps[1:]) == ["task", "timer", "timer", "timer"]
    assert not yard.left_over()


@ON_MEMORY
def test_one_that_is_not_due_is_not_fired_and_a_clock_that_jumps_back_harms_nothing(yard: Yard) -> None:
    yard.publish(
        text(
            process("p", "s -> fork -> wait -> e; fork -> t -> e2", fork=par(), wait=catch(timer("PT1H")), t=person("developer"))
        )
    )
    instance = yard.start("p")
    (waits,) = yard.rows(TIMERS)
    with pytest.raises(WrongState, match="is due at"):
        yard.do(SYSTEM, FireTimer(timer=waits.id))
    yard.house.later(hours=-3)
    assert yard.mover.fire_timers() == 0
    yard.complete("dana", "t")
    yard.house.later(hours=10)
    yard.move()
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    assert not yard.left_over()


@ON_MEMORY
def test_a_timer_that_is_withdrawn_while_due_does_nothing(yard: Yard) -> None:
    flows = "s -> which -> told -> t -> e; which -> late -> e2"
    yard.publish(
        text(process("p", flows, which=event_based(), told=catch(message("m")), late=catch(timer("PT1H")), t=person("developer")))
    )
    instance = yard.start("p")
    (waits,) = yard.rows(TIMERS)
    yard.house.later(hours=2)
    yard.do("dana", SendMessage(name="m"))
    with pytest.raises(NotFound):
        yard.do(SYSTEM, FireTimer(timer=waits.id))
    assert yard.instance(instance).places == ("t",)


@ON_MEMORY
def test_a_cycle_of_an_instance_comes_as_often_as_it_says(yard: Yard) -> None:
    flows = "s -> work -> e; again -> remind -> e2"
    made = process(
        "p",
        flows,
        work=person("developer"),
        again=boundary("work", timer("R3/PT1H"), interrupting=False),
        remind=person("operator"),
    )
    yard.publish(text(made))
    instance = yard.start("p")
    for hour in range(1, 6):
        yard.house.later(hours=1)
        yard.move()
        assert len([t for t in yard.tasks(instance) if t.element == "remind"]) == min(hour, 3)
    assert not yard.rows(TIMERS)


@ON_MEMORY
def test_a_timed_start_comes_as_often_as_it_says_and_missed_times_come_once(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", s=start(timer("R3/P1D")), t=person("developer"))))
    begun = lambda: len(yard.rows(INSTANCES))  # noqa: E731 -- short and used here only
    yard.house.later(hours=23)
    yard.move()
    assert begun() == 0
    yard.house.later(hours=1)
    yard.move()
    assert begun() == 1
    yard.house.later(days=10, hours=5)
    yard.move()
    assert begun() == 2, "the worker was away for ten days"
    (waits,) = yard.rows(TIMERS)
    assert waits.due == datetime(2026, 1, 13, tzinfo=UTC), "and goes on as planned"
    yard.house.later(days=1)
    yard.move()
    assert begun() == 3
    assert not yard.rows(TIMERS)
    yard.house.later(days=30)
    yard.move()
    assert begun() == 3
    assert yard.data(yard.rows(INSTANCES)[0])["due"].startswith("2026-01-02")


@ON_MEMORY
def test_a_timed_start_goes_with_its_version(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", s=start(timer("R/P1D")), t=person("developer"))))
    yard.publish(text(process("p", "s -> t -> e; at -> t", at=start(timer("2026-03-01T00:00:00Z")), t=person("developer"))))
    (waits,) = yard.rows(TIMERS)
    assert (waits.element, waits.due) == ("at", datetime(2026, 3, 1, tzinfo=UTC))
    yard.house.later(days=70)
    yard.move()
    assert [i.number for i in yard.rows(INSTANCES)] == [2]
    assert not yard.rows(TIMERS)


def begins(expression: str, kind: TimerKind) -> bpmn.Start:
    return Start("s", Trigger.TIMER, timer=kind, expression=expression)


@pytest.mark.parametrize(
    ("expression", "kind", "first", "left"),
    [
        ("R/P30D", TimerKind.CYCLE, NOON + timedelta(days=30), None),
        ("R-1/PT30M", TimerKind.CYCLE, NOON + timedelta(minutes=30), None),
        ("R5/2026-02-01T08:00:00+01:00/P1D", TimerKind.CYCLE, datetime(2026, 2, 1, 7, tzinfo=UTC), 5),
        ("R/P1M", TimerKind.CYCLE, datetime(2026, 2, 28, 12, tzinfo=UTC), None),
        ("PT4H", TimerKind.DURATION, NOON + timedelta(hours=4), 1),
        ("P1Y", TimerKind.DURATION, datetime(2027, 1, 31, 12, tzinfo=UTC), 1),
        ("2026-05-01", TimerKind.DATE, datetime(2026, 5, 1, tzinfo=UTC), 1),
        ("2026-05-01T08:00:00", TimerKind.DATE, datetime(2026, 5, 1, 8, tzinfo=UTC), 1),
        ('duration("PT" + string(1 + 1) + "H")', TimerKind.DURATION, NOON + timedelta(hours=2), 1),
        ('now() + duration("P1D")', TimerKind.DATE, NOON + timedelta(days=1), 1),
    ],
)
def test_what_a_timed_start_may_say(expression: str, kind: TimerKind, first: datetime, left: int | None) -> None:
    times = times_of(begins(expression, kind), NOON)
    assert (times.first, times.left) == (first, left)


@ON_MEMORY
@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("soon", TimerKind.DATE),
        ("R0/P1D", TimerKind.CYCLE),
        ("R/PT0S", TimerKind.CYCLE),
        ("R/-P1D", TimerKind.CYCLE),
        ("R/PT0.001S", TimerKind.CYCLE),
        ("P1D", TimerKind.CYCLE),
        ("P999999999Y", TimerKind.DURATION),
        ("", TimerKind.DURATION),
        ("1 +", TimerKind.DATE),
    ],
)
def test_a_timed_start_that_is_no_time_is_not_proposed(yard: Yard, expression: str, kind: TimerKind) -> None:
    source = text(process("p", "s -> t -> e", s=start(timer(expression, kind)), t=person("developer")))
    with pytest.raises(InvalidInput):
        yard.do("dana", ProposeProcess(source=source))


def test_cycles_of_months_go_on_after_what_was_missed() -> None:
    times = times_of(begins("R/P1M", TimerKind.CYCLE), NOON)
    assert times.after(datetime(2026, 2, 28, 12, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)) == datetime(
        2026, 6, 28, 12, tzinfo=UTC
    )
    days = times_of(begins("R/PT1S", TimerKind.CYCLE), NOON)
    assert days.after(NOON, NOON + timedelta(days=4000)) == NOON + timedelta(days=4000, seconds=1)
    assert times_of(begins("PT1H", TimerKind.DURATION), NOON).after(NOON, NOON) is None


@pytest.mark.usefixtures("logs")
def test_a_timer_that_cannot_be_fired_keeps_no_other_waiting_and_says_why(yard: Yard) -> None:
    grows = process("grows", "s -> late -> t -> e", late=catch(timer("PT1H")), t=person("developer"))
    yard.publish(text(grows))
    broken, well = yard.start("grows"), yard.start("grows")
    kept = yard.instance(broken)
    with yard.platform.storage.transaction() as tx:
        tx.save(INSTANCES, kept.model_copy(update={"state": kept.state.replace('"format":1', '"format":99')}))
    yard.house.later(hours=1)
    assert yard.mover.fire_timers() == 1
    assert yard.instance(well).places == ("t",)
    (waits,) = yard.rows(TIMERS)
    assert waits.instance == broken.id
    assert waits.error is not None
    assert waits.due > yard.house.clock.now()
    assert yard.mover.fire_timers() == 0
    with yard.platform.storage.transaction() as tx:
        tx.save(INSTANCES, yard.instance(broken).model_copy(update={"state": kept.state}))
    yard.house.later(minutes=6)
    yard.move()
    assert yard.instance(broken).places == ("t",)


@ON_MEMORY
def test_a_time_may_depend_on_data(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> wait -> e", wait=catch(timer("duration(pause)", TimerKind.DURATION)))))
    instance = yard.start("p", data={"pause": "PT2H"})
    yard.house.later(hours=2)
    yard.move()
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    wrong = yard.start("p", data={"pause": "soon"})
    (incident,) = yard.incidents(wrong)
    assert incident.cause == "expression"
    yard.do("omar", ChangeData(instance=wrong.id, data={"pause": "PT1H"}))
    yard.do("omar", RetryIncident(incident=incident.id))
    yard.house.later(hours=1)
    yard.move()
    assert yard.instance(wrong).status is InstanceStatus.COMPLETED
    assert not yard.left_over()
