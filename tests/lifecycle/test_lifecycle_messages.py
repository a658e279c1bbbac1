"""Messages, signals and events of the platform: whom they reach, and that they reach them once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.core.errors import Forbidden, InvalidInput, NotFound, TooLarge
from modelyard.core.messages import SYSTEM
from modelyard.core.outbox import EVENTS
from modelyard.lifecycle.commands import DeliverEvent, SendMessage, SendSignal, StartProcess
from modelyard.lifecycle.model import INSTANCES, MESSAGES, STEPS, SUBSCRIPTIONS, InstanceStatus
from modelyard.lifecycle.tasks.commands import CompleteTask
from tests.bpmn.bpmn_text import (
    boundary,
    catch,
    end,
    event_based,
    event_sub,
    message,
    par,
    process,
    receive,
    signal,
    start,
    terminate,
    throw,
    timer,
)
from tests.life.conftest import DANA
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)
WAITS = process("waits", "s -> paid -> e", paid=catch(message("paid", "order")))


def statuses(yard: Yard, *instances: Any) -> list[str]:
    return [yard.instance(each).status.value for each in instances]


def test_a_message_goes_to_those_with_its_key_and_once(yard: Yard) -> None:
    yard.publish(text(WAITS))
    one, two, three = (yard.start("waits", data={"order": order}) for order in ("a", "a", "b"))
    told = yard.do("dana", SendMessage(name="paid", key="a", payload={"amount": 5}))
    assert set(told.instances) == {one.id, two.id}
    assert statuses(yard, one, two, three) == ["completed", "completed", "running"]
    assert yard.data(one)["amount"] == 5
    with pytest.raises(NotFound, match="nobody waits for the message 'paid' with key 'a'"):
        yard.do("dana", SendMessage(name="paid", key="a"))
    with pytest.raises(NotFound):
        yard.do("dana", SendMessage(name="paid"))
    assert not yard.rows(MESSAGES)


@ON_MEMORY
def test_the_same_request_twice_is_one_message(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"), s=start(message("begin")))))
    command = SendMessage(name="begin", payload={"x": 1})
    first = yard.do("dana", command, idempotency_key="once")
    assert yard.do("dana", command, idempotency_key="once") == first
    assert [i.id for i in yard.rows(INSTANCES)] == list(first.started)
    assert yard.rows(INSTANCES)[0].started_by == yard.people["dana"].id


def test_a_message_that_is_kept_reaches_who_comes_in_time(yard: Yard) -> None:
    yard.publish(text(WAITS))
    for order in ("a", "b"):
        assert yard.do("dana", SendMessage(name="paid", key=order, payload={"n": order}, keep_s=60)).held
    other = yard.start("waits", data={"order": "c"})
    came = yard.start("waits", data={"order": "b"})
    assert statuses(yard, other, came) == ["running", "completed"]
    assert yard.data(came)["n"] == "b"
    assert [step.event for step in yard.rows(STEPS) if step.instance == came.id] == ["started", "message"]
    yard.house.later(seconds=61)
    late = yard.start("waits", data={"order": "a"})
    assert statuses(yard, late) == ["running"]
    assert yard.mover.forget_messages() == 1
    assert not yard.rows(MESSAGES)
    assert yard.mover.forget_messages() == 0


@ON_MEMORY
def test_a_kept_message_is_found_among_many_of_other_keys(yard: Yard) -> None:
    yard.publish(text(WAITS))
    for number in range(120):
        yard.do("dana", SendMessage(name="paid", key=f"k{number}", keep_s=60))
    assert statuses(yard, yard.start("waits", data={"order": "k119"})) == ["completed"]


@ON_MEMORY
def test_of_two_kept_messages_at_an_event_gateway_the_second_stays_for_the_next(yard: Yard) -> None:
    flows = "s -> which -> yes -> e; which -> no -> e2"
    yard.publish(text(process("p", flows, which=event_based(), yes=catch(message("yes")), no=catch(message("no")))))
    for name in ("yes", "no"):
        yard.do("dana", SendMessage(name=name, payload={"said": name}, keep_s=60))
    first, second, third = (yard.start("p") for _ in range(3))
    assert statuses(yard, first, second, third) == ["completed", "completed", "running"]
    assert {yard.data(first)["said"], yard.data(second)["said"]} == {"yes", "no"}


@ON_MEMORY
def test_two_branches_that_wait_for_the_same_message_both_get_it_and_one_that_it_ends_does_not(yard: Yard) -> None:
    both = process("both", "s -> fork -> a -> e; fork -> b -> e2", fork=par(), a=catch(message("m")), b=receive(message("m")))
    ends = process(
        "ends", "s -> fork -> a -> e; fork -> b -> e2",
        fork=par(), e=end(terminate), a=catch(message("n")), b=catch(message("n")),
    )  # fmt: skip
    gateway = process(
        "gateway", "s -> which -> a -> t -> e; which -> b -> e2",
        which=event_based(), a=catch(message("o")), b=catch(message("o")), t=person("developer"),
    )  # fmt: skip
    for made in (both, ends, gateway):
        yard.publish(text(made))
    one, two, three = yard.start("both"), yard.start("ends"), yard.start("gateway")
    for name, instance in (("m", one), ("n", two), ("o", three)):
        assert yard.do("dana", SendMessage(name=name)).instances == (instance.id,)
    assert statuses(yard, one, two) == ["completed", "terminated"]
    assert yard.instance(three).places in (("t",), ())


@ON_MEMORY
def test_more_than_can_be_told_at_once_is_an_error(yard: Yard) -> None:
    many = process("many", "s -> all -> e", all=catch(message("m")))
    yard.publish(text(many))
    instances = [yard.start("many") for _ in range(201)]
    with pytest.raises(TooLarge, match="201 wait"):
        yard.do("dana", SendMessage(name="m"))
    assert set(statuses(yard, *instances)) == {"running"}


@ON_MEMORY
def test_a_superseded_version_is_started_by_messages_no_more(yard: Yard) -> None:
    one = process("p", "s -> t -> e", s=start(message("old")), t=person("developer"))
    two = process("p", "s -> t -> e", s=start(message("new")), t=person("developer"))
    old = yard.publish(text(one))
    assert yard.start("p", start="old").number == 1
    yard.publish(text(two))
    with pytest.raises(NotFound):
        yard.do("dana", SendMessage(name="old"))
    begun = yard.do("dana", SendMessage(name="new")).started
    assert yard.instance(begun[0]).number == 2
    assert [(s.name, s.definition == old.id) for s in yard.rows(SUBSCRIPTIONS) if s.name in ("old", "new")] == [("new", False)]


def test_messages_between_instances(yard: Yard) -> None:
    asks = process(
        "asks",
        "s -> ask -> answered -> e",
        ask=throw(message("question", "ticket", '{"ticket": ticket, "text": "why?"}')),
        answered=catch(message("answer", "ticket")),
    )
    replies = process(
        "replies", "s -> think -> e", s=start(message("question")), think=person("validator"),
        e=end(message("answer", "ticket", '{"said": verdict}')),
    )  # fmt: skip
    yard.publish(text(asks))
    yard.publish(text(replies))
    asking, other = yard.start("asks", data={"ticket": "T1"}), yard.start("asks", data={"ticket": "T2"})
    yard.move()
    replying = [i for i in yard.rows(INSTANCES) if i.process == "replies"]
    assert len(replying) == 2
    assert {i.started_by for i in replying} == {yard.people["omar"].id}, "who began the one that asked"
    mine = next(i for i in replying if yard.data(i)["ticket"] == "T1")
    yard.complete("vera", "think", mine, verdict="approved")
    assert statuses(yard, asking, other, mine) == ["completed", "running", "completed"]
    assert yard.data(asking)["said"] == "approved"


def test_events_of_the_platform_are_messages(yard: Yard) -> None:
    yard.move()
    before = {envelope.id for envelope in yard.rows(EVENTS)}
    told = process("told", "s -> t -> e", s=start(message("catalog.use_case_registered")), t=person("developer"))
    waits = process("waits", "s -> here -> e", here=catch(message("catalog.model_registered", "whose")))
    yard.publish(text(told))
    yard.publish(text(waits))
    use_case = yard.house.do(DANA, RegisterUseCase(name="credit"))
    right, wrong, named = (yard.start("waits", data={"whose": whose}) for whose in (use_case.id, "other", "credit-model"))
    yard.house.do(DANA, RegisterModel(name="credit-model", use_case="credit", kind="ml"))
    yard.move()
    assert statuses(yard, named) == ["running"], "what somebody called it is no way to reach whom they like"
    assert statuses(yard, right, wrong) == ["completed", "running"]
    (begun,) = [i for i in yard.rows(INSTANCES) if i.process == "told"]
    assert begun.about is not None
    assert begun.about.startswith("use_case:")
    assert begun.started_by == "idn_dana", "who registered it"
    # Handed over again, as after a crash between telling and noting it down, it changes nothing.
    steps = len(yard.rows(STEPS))
    for envelope in yard.rows(EVENTS):
        if envelope.id not in before:
            yard.mover.hear(envelope)
    yard.move()
    assert len(yard.rows(STEPS)) == steps


@ON_MEMORY
def test_an_event_comes_to_a_loop_once_however_often_it_is_handed_over(yard: Yard) -> None:
    yard.move()
    late = event_sub("s2 -> note -> e3", message("catalog.use_case_registered"), interrupting=False, note=person("developer"))
    yard.publish(text(process("p", "s -> t -> e", t=person("operator"), late=late)))
    instance = yard.start("p")
    yard.do("dana", RegisterUseCase(name="credit", tier="low"))
    yard.move()
    registered = [e for e in yard.rows(EVENTS) if e.type == "catalog.use_case_registered"]
    (envelope,) = [e for e in registered if "credit" in e.payload.values()]
    for _ in range(3):
        yard.mover.hear(envelope)
        yard.move()
    assert [task.element for task in yard.tasks(instance)].count("note") == 1
    yard.do("dana", RegisterUseCase(name="other", tier="low"))
    yard.move()
    assert [task.element for task in yard.tasks(instance)].count("note") == 2


def test_a_signal_goes_to_all_and_to_the_senders_other_branches_once(yard: Yard) -> None:
    made = process(
        "sender",
        "s -> go -> fork -> shout -> e; fork -> hear -> e2; fork -> work -> e3; alarm -> noted -> e4",
        fork=par(),
        go=catch(timer("PT1S")),
        shout=throw(signal("fire", '{"floor": 3}')),
        hear=catch(signal("fire")),
        work=person("developer"),
        alarm=boundary("work", signal("fire"), interrupting=False),
        noted=person("validator"),
    )
    hears = process("hears", "s -> hear -> e", hear=catch(signal("fire")))
    begins = process("begins", "s -> t -> e", s=start(signal("fire")), t=person("developer"))
    for each in (made, hears, begins):
        yard.publish(text(each))
    other = yard.start("hears")
    sender = yard.start("sender")
    yard.house.later(seconds=2)
    yard.move()
    heard = [task.element for task in yard.tasks(sender)].count("noted")
    assert heard <= 1
    assert statuses(yard, other) == ["completed"]
    assert yard.data(other)["floor"] == 3
    assert len([i for i in yard.rows(INSTANCES) if i.process == "begins"]) == 1
    yard.do("omar", SendSignal(name="fire", payload={"floor": 9}))
    yard.move()
    assert [task.element for task in yard.tasks(sender)].count("noted") == heard + 1
    assert len([i for i in yard.rows(INSTANCES) if i.process == "begins"]) == 2


@pytest.mark.usefixtures("logs")
@ON_MEMORY
def test_one_that_cannot_take_an_event_in_keeps_no_other_from_it(yard: Yard) -> None:
    yard.move()
    name = "catalog.use_case_registered"
    yard.publish(text(process("waits", "s -> here -> t -> e", here=catch(message(name)), t=person("developer"))))
    full = yard.start("waits", data={"a": "x" * ((4 << 20) - 530)})
    others = [yard.start("waits") for _ in range(2)]
    yard.do("dana", RegisterUseCase(name="credit", tier="low"))
    with pytest.raises(AssertionError, match="TooLarge"):
        yard.move()
    assert [yard.instance(each).places for each in (full, *others)] == [("here",), ("t",), ("t",)]


@ON_MEMORY
def test_who_was_told_in_the_meantime_is_left_alone(yard: Yard) -> None:
    """A worker finds who waits, and before it tells them somebody else does."""
    yard.publish(text(process("waits", "s -> here -> t -> e", here=catch(message("m")), t=person("developer"))))
    instance = yard.start("waits")
    (subscription,) = [s for s in yard.rows(SUBSCRIPTIONS) if s.instance == instance.id]
    yard.do("dana", SendMessage(name="m"))
    with pytest.raises(NotFound, match="any more"):
        yard.do(SYSTEM, DeliverEvent(subscriptions=(subscription.id,), event_id="evt_1", name="m"))
    assert yard.instance(instance).steps == 2
    with pytest.raises(Forbidden):
        yard.do("omar", DeliverEvent(subscriptions=(subscription.id,), event_id="evt_1", name="m"))


@pytest.mark.parametrize("adapter", ["sqlite", "postgres"], indirect=True)
def test_an_event_that_comes_while_somebody_else_steps_the_instance_is_not_lost(yard: Yard) -> None:
    yard.move()
    flows = "s -> fork -> t -> e; fork -> here -> e2; fork -> told -> e3"
    here, told = catch(message("catalog.use_case_registered")), catch(message("m"))
    yard.publish(text(process("p", flows, fork=par(), t=person("developer"), here=here, told=told)))
    instances = [yard.start("p") for _ in range(3)]
    yard.do("dana", RegisterUseCase(name="credit", tier="low"))
    ready = threading.Barrier(3)

    def hear() -> None:
        ready.wait()
        yard.move()

    def do() -> None:
        ready.wait()
        for instance in instances:
            yard.do("dana", CompleteTask(task=yard.task("t", instance).id))

    def send() -> None:
        ready.wait()
        yard.do("dana", SendMessage(name="m"))

    at_once = [threading.Thread(target=what) for what in (hear, do, send)]
    for each in at_once:
        each.start()
    for each in at_once:
        each.join()
    yard.move()
    assert statuses(yard, *instances) == ["completed"] * 3
    assert len(yard.rows(STEPS)) == 12
    assert not yard.left_over()


@ON_MEMORY
def test_a_message_start_that_fails_begins_nothing(yard: Yard) -> None:
    made = process("p", "s -> t -> e", s=start(message("begin")), t=person("developer"))
    yard.publish(text(made))
    with pytest.raises(InvalidInput):
        yard.do("dana", SendMessage(name="begin", payload={"x": "y" * (5 << 20)}))
    assert not yard.rows(INSTANCES)
    assert yard.do("omar", StartProcess(process="p")).status is InstanceStatus.RUNNING
