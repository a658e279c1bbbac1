"""What breaks: technical failures are tried again, then a person decides; nothing is lost meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from modelyard.core.bus import Bus
from modelyard.core.errors import Busy, Forbidden, NotFound, WrongState
from modelyard.core.messages import AUDIT
from modelyard.core.outbox import EVENTS
from modelyard.lifecycle.commands import CancelInstance, ChangeData, RetryIncident, SkipIncident
from modelyard.lifecycle.model import INCIDENTS, STEPS, WORK, Health, InstanceStatus
from tests.bpmn.bpmn_text import boundary, each, error, par, process, service, sub, timer, xor
from tests.lifecycle.lifecycle_yard import Yard, person, text

pytestmark = pytest.mark.usefixtures("logs")
ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


class Broken:
    """While it is broken, commands of steps fail as if the world outside did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error_: Exception) -> None:
        self.error: Exception | None = error_
        self.tries = 0
        whole = Bus.within

        def within(bus: Bus, *given: Any) -> Any:
            self.tries += 1
            if self.error is not None:
                raise self.error
            return whole(bus, *given)

        monkeypatch.setattr(Bus, "within", within)


def scanning(yard: Yard, **extensions: str) -> Any:
    yard.house.use_case()
    version = yard.house.version()
    inputs = {"version": "version.id", "type": '"document"', "metrics": "{pages: 7}"}
    scan = service("governance.record_evidence", inputs=inputs, result="scan", extensions=extensions)
    flows = "s -> fork -> scan -> e; fork -> look -> e2; late -> e3"
    yard.publish(text(process("p", flows, fork=par(), scan=scan, look=person("developer"), late=boundary("scan", error("odd")))))
    return yard.start("p", about=f"version:{version.name}")


@pytest.mark.parametrize("error_", [OSError("the cable is out"), Busy("locked")])
@ON_MEMORY
def test_technical_failures_are_tried_again_later_and_later_then_an_incident(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, error_: Exception
) -> None:
    monkeypatch.setattr("modelyard.core.bus._back_off", lambda number: None)
    broken = Broken(monkeypatch, error_)
    instance = scanning(yard)
    pauses = []
    for _ in range(3):
        yard.move()
        (item,) = yard.rows(WORK)
        assert str(error_) in item.error
        pauses.append((item.not_before - yard.house.clock.now()).total_seconds())
        yard.house.later(seconds=pauses[-1] - 1)
        yard.move()
        assert yard.rows(WORK) == [item], "not before its time"
        yard.house.later(seconds=1)
    assert pauses == [2, 4, 8]
    yard.move()
    assert not yard.rows(WORK)
    (incident,) = yard.incidents(instance)
    assert (incident.element, incident.cause) == ("scan", "work")
    assert str(error_) in incident.message
    broke = yard.instance(instance)
    assert (broke.health, broke.open_incidents, broke.status) == (Health.BROKEN, 1, InstanceStatus.RUNNING)
    broken.error = None
    yard.do("root", RetryIncident(incident=incident.id))
    yard.move()
    assert [i.message for i in yard.incidents()] == []
    assert yard.instance(instance).health is Health.OK
    assert yard.instance(instance).places == ("look",)
    closed = next(i for i in yard.rows(INCIDENTS))
    assert (closed.status, closed.how, closed.resolved_by) == ("closed", "retry", yard.people["root"].id)
    with pytest.raises(WrongState, match="is closed"):
        yard.do("root", RetryIncident(incident=incident.id))
    yard.complete("dana", "look")
    assert not yard.left_over()


@ON_MEMORY
def test_how_often_it_is_tried_is_the_processs_to_say(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(monkeypatch, OSError("gone"))
    instance = scanning(yard, retries="0")
    yard.move()
    assert (broken.tries, len(yard.incidents(instance))) == (1, 1)


@ON_MEMORY
def test_skipping_takes_a_risk_officer_and_a_reason(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    Broken(monkeypatch, OSError("gone"))
    instance = scanning(yard, retries="0")
    yard.move()
    (incident,) = yard.incidents(instance)
    for who in ("omar", "dana", "root"):
        with pytest.raises(Forbidden):
            yard.do(who, SkipIncident(incident=incident.id, why="later"))
    with pytest.raises(ValueError, match="why"):
        SkipIncident(incident=incident.id, why="")
    yard.do("rita", SkipIncident(incident=incident.id, why="scanned by hand", data={"scan": {"id": "evd_1"}}))
    kept = next(i for i in yard.rows(INCIDENTS))
    assert (kept.how, kept.why, kept.resolved_by) == ("skip", "scanned by hand", yard.people["rita"].id)
    assert yard.data(instance)["scan"] == {"id": "evd_1"}
    (step,) = [s for s in yard.rows(STEPS) if s.event == "skip"]
    assert (step.by, step.element, step.details["why"]) == (yard.people["rita"].id, "scan", "scanned by hand")
    assert [a.subject_id for a in yard.rows(AUDIT) if a.action == "lifecycle.skip_incident" and a.outcome == "done"] == [
        incident.id
    ]
    yard.complete("dana", "look")
    assert not yard.left_over()


@ON_MEMORY
def test_incidents_are_told_of_and_go_with_their_instance(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    Broken(monkeypatch, OSError("gone"))
    instance = scanning(yard, retries="0")
    yard.move()
    (incident,) = yard.incidents(instance)
    yard.do("omar", CancelInstance(instance=instance.id, why="enough"))
    assert not yard.left_over()
    assert next(i for i in yard.rows(INCIDENTS)).how == "with its scope"
    ended = yard.instance(instance)
    assert (ended.status, ended.health, ended.open_incidents) == (InstanceStatus.CANCELLED, Health.OK, 0)
    yard.move()
    told = [e.type for e in yard.rows(EVENTS) if e.aggregate_id == instance.id]
    assert "lifecycle.incident_opened" in told
    assert told[-1] in ("lifecycle.instance_ended", "lifecycle.incident_closed")
    with pytest.raises(NotFound):
        yard.do("omar", RetryIncident(incident="ins_1:i1"))
    with pytest.raises(WrongState):
        yard.do("omar", RetryIncident(incident=incident.id))


def test_a_condition_that_cannot_be_asked_is_an_incident_that_names_its_flow(yard: Yard) -> None:
    made = process(
        "p",
        "s -> which; which -[amount + 1]-> a -> e; which -else-> b -> e2",
        which=xor(),
        a=person("developer"),
        b=person("developer"),
    )
    yard.publish(text(made))
    instance = yard.start("p", data={"amount": "much"})
    (incident,) = yard.incidents(instance)
    assert (incident.element, incident.cause) == ("which", "expression")
    assert "which_a" in incident.message
    yard.do("omar", RetryIncident(incident=incident.id))
    assert len(yard.incidents(instance)) == 1, "it fails again"
    yard.do("rita", SkipIncident(incident=yard.incidents(instance)[0].id, why="take the default"))
    assert yard.instance(instance).places == ("b",)
    assert len([i for i in yard.rows(INCIDENTS) if i.status == "closed"]) == 2


@ON_MEMORY
def test_a_retry_may_bring_what_was_missing(yard: Yard) -> None:
    made = process("p", "s -> check; check -[amount > 5]-> e; check -[amount <= 5]-> t -> e2", check=xor(), t=person("developer"))
    yard.publish(text(made))
    instance = yard.start("p", data={"other": 1})
    (incident,) = yard.incidents(instance)
    yard.do("omar", RetryIncident(incident=incident.id, data={"amount": 3}))
    assert yard.instance(instance).places == ("t",)
    yard.do("omar", ChangeData(instance=instance.id, data={"amount": 9}))
    assert yard.data(instance)["amount"] == 9


@ON_MEMORY
def test_an_error_nobody_catches_is_an_incident_and_one_of_a_sub_process_is_caught_outside(yard: Yard) -> None:
    missing = service("governance.evaluate_gate", inputs={"version": '"nothing@3"'})
    inside = process("p", "s -> inner -> e; failed -> told -> e2", inner=sub("s2 -> do -> e3", do=missing),
                     failed=boundary("inner", error("not_found")), told=person("developer"))  # fmt: skip
    yard.publish(text(inside))
    instance = yard.start("p")
    yard.move()
    assert [i.message for i in yard.incidents()] == []
    assert yard.instance(instance).places == ("told",)
    assert "no model named 'nothing'" in yard.data(instance)["error"]


@ON_MEMORY
def test_a_boundary_timer_ends_work_that_waits_to_be_tried_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    Broken(monkeypatch, OSError("gone"))
    made = process("p", "s -> do -> e; late -> told -> e2", do=service("governance.evaluate_gate", inputs={"version": '"v"'}),
                   late=boundary("do", timer("PT3S")), told=person("developer"))  # fmt: skip
    yard.publish(text(made))
    instance = yard.start("p")
    yard.move()
    yard.house.clock.advance(timedelta(seconds=3))
    yard.mover.fire_timers()
    assert yard.instance(instance).places == ("told",)
    assert not yard.rows(WORK)


@ON_MEMORY
def test_a_retry_makes_the_inputs_again_from_the_variables_around(yard: Yard) -> None:
    one = service("read.models", inputs={"name": "name.first", "colour": "colour"}, result="found")
    many = service("read.models", inputs={"item": "item.name"}, result="found", loop=each("list"))
    for given, data in ((one, {"name": {"first": "m"}, "colour": "red"}), (many, {"list": [{"name": "a"}, {"name": "b"}]})):
        key = f"p{len(data)}"
        yard.publish(text(process(key, "s -> look -> e", look=given)))
        instance = yard.start(key, data=data)
        for _ in range(2):
            yard.move()
            told = [incident.message for incident in yard.incidents(instance)]
            assert told
            assert all("models has no index" in message for message in told)
            for incident in yard.incidents(instance):
                yard.do("omar", RetryIncident(incident=incident.id))
