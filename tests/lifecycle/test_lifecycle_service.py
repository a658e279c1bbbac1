"""Instances of life cycles: how they begin, what they are told, and how they end."""

from __future__ import annotations

import pytest

from modelyard.core.errors import InvalidInput, NotFound, TooLarge, WrongState
from modelyard.lifecycle.commands import CancelInstance, ChangeData, StartProcess
from modelyard.lifecycle.model import INSTANCES, STEPS, WORK, Health, InstanceStatus
from tests.bpmn.bpmn_text import catch, condition, end, message, par, process, script, service, start, sub, terminate, timer, xor
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


def test_a_process_of_people_and_commands_runs_to_its_end(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    judge = service("governance.evaluate_gate", inputs={"version": "version.id"}, outputs={"passes": "result.metrics.passes"})
    yard.publish(text(process("check", "s -> look -> judge -> e", look=person("developer"), judge=judge)))
    instance = yard.start("check", about=f"version:{version.name}")
    assert instance.about == f"version:{version.id}"
    assert instance.use_case == "credit"
    assert instance.places == ("look",)
    yard.complete("dana", "look")
    ended = yard.instance(instance)
    assert ended.status is InstanceStatus.COMPLETED
    assert ended.ended_at is not None
    assert yard.data(instance)["passes"] == 0
    assert not yard.rows(WORK)
    assert not yard.left_over()
    assert [step.event for step in yard.rows(STEPS)] == ["started", "task", "done"]


@ON_MEMORY
def test_what_an_instance_is_about_is_told_to_it(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    of_version = yard.data(
        yard.start("p", about=f"version:{version.id}", data={"version": "mine", "note": "hello", "started_by": "x"})
    )
    assert of_version["version"]["id"] == version.id
    assert of_version["version"]["developer"] == version.developer
    assert of_version["about"] == f"version:{version.id}"
    assert of_version["tier"] == "medium"
    assert of_version["note"] == "hello"
    assert of_version["started_by"] == yard.people["omar"].id
    of_model = yard.start("p", about="model:credit-model")
    assert yard.data(of_model)["model"]["name"] == "credit-model"
    assert of_model.use_case == "credit"
    of_use_case = yard.start("p", about="use_case:credit")
    assert yard.data(of_use_case)["use_case"]["name"] == "credit"
    assert of_use_case.title == "p: credit"
    assert "version" not in yard.data(of_use_case)


@ON_MEMORY
@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"process": "nothing"}, NotFound, "no published life cycle"),
        ({"process": "p", "about": "version:nothing@3"}, NotFound, "nothing"),
        ({"process": "p", "about": "dataset:x"}, InvalidInput, "does not say what"),
        ({"process": "p", "about": "version:"}, InvalidInput, "does not say what"),
        ({"process": "p", "start": "elsewhere"}, InvalidInput, "no start"),
        ({"process": "p", "data": {"x": float("nan")}}, InvalidInput, "finite"),
        ({"process": "p", "data": {"x": "\ud800"}}, InvalidInput, "JSON"),
        ({"process": "p", "data": {"x": "y" * (5 << 20)}}, TooLarge, "characters"),
    ],
)
def test_a_wrong_start_is_told_and_begins_nothing(
    yard: Yard, given: dict[str, object], error: type[Exception], told: str
) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    with pytest.raises(error, match=told):
        yard.do("omar", StartProcess.model_validate(given))
    assert not yard.rows(INSTANCES)
    assert not yard.tasks()
    assert not yard.rows(STEPS)


@ON_MEMORY
def test_data_of_any_shape_comes_through_unchanged(yard: Yard) -> None:
    data = {
        "nothing": None,
        "yes": True,
        "text": "ä\n\u2028",
        "whole": -(10**17),
        "part": 0.1,
        "list": [1, [2, {"a b": "c"}]],
        "context": {"$number": "7", "deep": {"é": []}},
        "date": "2026-01-01",
    }
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    kept = yard.data(yard.start("p", data=data))
    assert {name: kept[name] for name in data} == data


@ON_MEMORY
def test_one_of_several_starts_is_chosen_and_data_objects_have_their_first_values(yard: Yard) -> None:
    made = process(
        "p",
        "s -> a -> e; start_told -> b -> e2",
        data={"count": "1 + 1", "name": '"first"'},
        start_told=start(message("told")),
        a=person("developer"),
        b=person("developer"),
    )
    yard.publish(text(made))
    assert yard.start("p").places == ("a",)
    by_hand = yard.start("p", start="told", data={"name": "mine"})
    assert by_hand.places == ("b",)
    assert yard.data(by_hand)["count"] == 2
    assert yard.data(by_hand)["name"] == "mine"


@ON_MEMORY
def test_changing_data_asks_conditions_again_and_what_has_ended_takes_nothing(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> wait -> e", wait=catch(condition("amount > 10")))))
    instance = yard.start("p", data={"amount": 1})
    assert yard.do("omar", ChangeData(instance=instance.id, data={"amount": 5})).status is InstanceStatus.RUNNING
    assert yard.do("omar", ChangeData(instance=instance.id, data={"amount": 11})).status is InstanceStatus.COMPLETED
    for command in (ChangeData(instance=instance.id, data={"amount": 1}), CancelInstance(instance=instance.id, why="late")):
        with pytest.raises(WrongState, match="has ended: it is completed"):
            yard.do("omar", command)
    assert yard.instance(instance).steps == 3


def test_what_would_make_the_state_too_large_changes_nothing(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    instance = yard.start("p", data={"a": "x" * 1_000_000})
    before = yard.instance(instance)
    with pytest.raises(TooLarge, match="keep less in it"):
        yard.do("omar", ChangeData(instance=instance.id, data={"b": "y" * 3_500_000}))
    assert yard.instance(instance) == before
    assert len(yard.rows(STEPS)) == 1


def busy_process() -> str:
    """Waits in every way at once."""
    made = process(
        "busy",
        "s -> split -> a -> e; split -> b -> e; split -> c -> e; split -> d -> e; split -> f -> e",
        split=par(),
        a=person("developer"),
        b=catch(timer("P1D")),
        c=catch(message("m", '"k"')),
        d=sub("s2 -> t -> e2", t=person("validator")),
        f=service("job:noop", inputs={"x": "1"}),
    )
    return text(made)


def test_cancelling_leaves_nothing_behind(yard: Yard) -> None:
    yard.publish(busy_process())
    instance = yard.start("busy")
    yard.mover.do_work()
    assert len(yard.left_over()) >= 10
    cancelled = yard.do("omar", CancelInstance(instance=instance.id, why="no longer wanted"))
    assert cancelled.status is InstanceStatus.CANCELLED
    assert cancelled.ended_at is not None
    assert cancelled.places == ()
    assert cancelled.standing == {}
    assert not yard.left_over()
    yard.move()
    assert yard.instance(instance).steps == 2


@ON_MEMORY
def test_a_terminate_end_event_leaves_nothing_behind(yard: Yard) -> None:
    made = process(
        "p",
        "s -> split -> go -> stop; split -> b -> e2; split -> c -> e2; split -> d -> e2",
        split=par(),
        stop=end(terminate),
        go=person("operator"),
        b=catch(timer("P1D")),
        c=catch(message("m")),
        d=person("validator"),
    )
    yard.publish(text(made))
    instance = yard.start("p")
    yard.complete("omar", "go")
    assert yard.instance(instance).status is InstanceStatus.TERMINATED
    assert not yard.left_over()


@ON_MEMORY
def test_an_automatic_loop_that_never_ends_is_an_incident_and_other_instances_go_on(yard: Yard) -> None:
    made = process(
        "p", "s -> a -> add -> a2; a2 -[turns < 1000000]-> a; a2 -else-> e", a=xor(), a2=xor(), add=script("turns + 1", "turns")
    )
    yard.publish(text(made))
    instance = yard.start("p", data={"turns": 0})
    (incident,) = yard.incidents(instance)
    assert incident.cause == "loop"
    assert yard.instance(instance).health is Health.BROKEN
    yard.do("omar", CancelInstance(instance=instance.id, why="endless"))
    assert not yard.left_over()
