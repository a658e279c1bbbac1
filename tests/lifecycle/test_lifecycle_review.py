"""A life cycle is no way around what the policies say of people: what is forged, changed behind somebody's back, or lent for
something else."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.core.errors import Forbidden, InvalidInput, WrongState
from modelyard.governance.assurance.model import EVIDENCE
from modelyard.lifecycle.commands import (
    ChangeData,
    MigrateInstance,
    ProposeProcess,
    PublishProcess,
    RetryIncident,
    SendMessage,
    StartProcess,
)
from modelyard.lifecycle.definitions import numbered
from modelyard.lifecycle.model import INSTANCES, MESSAGES
from modelyard.lifecycle.tasks.commands import CompleteTask
from tests.bpmn.bpmn_text import boundary, catch, error, message, process, service, start, throw, xor
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


@ON_MEMORY
@pytest.mark.parametrize("name", ["monitoring.alert_opened", "governance.release_issued", "evaluation.comparison_recorded"])
def test_an_event_of_the_platform_is_told_by_nobody_else(yard: Yard, name: str) -> None:
    """On a forged alert the platform would stop an arm, on a forged release revoke it."""
    yard.publish(text(process("p", "s -> told -> e", told=catch(message(name)))))
    instance = yard.start("p")
    for keep in (0, 3600):
        with pytest.raises(InvalidInput, match="only the platform"):
            yard.do("dana", SendMessage(name=name, payload={"severity": "critical"}, keep_s=keep))
    assert yard.instance(instance).places == ("told",)
    assert not yard.rows(MESSAGES)


@ON_MEMORY
@pytest.mark.parametrize("start", ["alerted", "monitoring.alert_opened"])
def test_what_begins_with_an_event_of_the_platform_is_not_begun_by_hand(yard: Yard, start: str) -> None:
    with pytest.raises(InvalidInput, match="only the platform") as refused:
        yard.do(
            "dana", StartProcess(process="monitoring-response", start=start, data={"alert_id": "alr_1", "severity": "critical"})
        )
    assert refused.value.field == "start"
    assert not yard.rows(INSTANCES)


@ON_MEMORY
def test_nothing_runs_that_nobody_put_in_force(yard: Yard) -> None:
    """Who may propose and migrate would otherwise need no second person."""
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    instance = yard.start("p")
    proposed = yard.do(
        "omar", ProposeProcess(source=text(process("p", "s -> t -> u -> e", t=person("developer"), u=person("operator"))))
    )
    with pytest.raises(WrongState, match="never put in force"):
        yard.do("omar", MigrateInstance(instance=instance.id, number=2))
    assert yard.instance(instance).number == 1
    yard.do("rita", PublishProcess(definition=proposed.id))
    assert yard.do("omar", MigrateInstance(instance=instance.id, number=2)).instance.number == 2
    assert yard.do("omar", MigrateInstance(instance=instance.id, number=1)).instance.number == 1, "it was in force once"


def lent(operation: str = "governance.revoke_key", **given: str) -> Any:
    """Rita is asked, vera does something in between, and then something is done in rita's name."""
    inputs = {"key_id": "key", "cause": '"old"'} if operation == "governance.revoke_key" else given
    done = service(operation, inputs=inputs, extensions={"authority": "ask"})
    ask = person("risk_officer", inputs={"key": "key"})
    return process("p", "s -> ask -> between -> do -> e", ask=ask, between=person("validator"), do=done)


@ON_MEMORY
@pytest.mark.parametrize("when", ["before it was done", "after it was done"])
def test_what_another_changed_is_not_done_in_ones_name(yard: Yard, when: str) -> None:
    yard.publish(text(lent()))
    instance = yard.start("p", data={"key": "what rita was shown"})
    change = ChangeData(instance=instance.id, data={"key": "what omar likes"})
    if when == "before it was done":
        yard.do("omar", change)
    yard.complete("rita", "ask")
    if when == "after it was done":
        yard.do("omar", change)
    yard.complete("vera", "between")
    (incident,) = yard.incidents(instance)
    assert "not_approved" in incident.message
    assert "somebody else has changed key" in incident.message


@ON_MEMORY
def test_a_retry_with_data_is_not_done_in_ones_name(yard: Yard) -> None:
    yard.publish(text(lent()))
    instance = yard.start("p", data={"key": "no such key"})
    yard.complete("rita", "ask")
    yard.complete("vera", "between")
    (incident,) = yard.incidents(instance)
    assert "not_found" in incident.message
    yard.do("omar", RetryIncident(incident=incident.id, data={"key": "another"}))
    yard.move()
    (incident,) = yard.incidents(instance)
    assert "somebody else has changed key" in incident.message
    yard.do("omar", RetryIncident(incident=incident.id))


@ON_MEMORY
def test_what_one_changed_oneself_is(yard: Yard) -> None:
    waits = person("operator", inputs={"key": "key"})
    done = service("delivery.rollback", inputs={"endpoint": "key"}, extensions={"authority": "ask"})
    yard.publish(text(process("p", "s -> ask -> between -> do -> e", ask=waits, between=person("validator"), do=done)))
    instance = yard.start("p", data={"key": "one"})
    yard.do("otto", ChangeData(instance=instance.id, data={"other": 1}))
    yard.complete("omar", "ask")
    yard.do("omar", ChangeData(instance=instance.id, data={"key": "two"}))
    yard.complete("vera", "between")
    (incident,) = yard.incidents(instance)
    assert "somebody else has changed other" in incident.message
    again = yard.start("p", data={"key": "one"})
    yard.complete("omar", "ask", again)
    yard.do("omar", ChangeData(instance=again.id, data={"key": "two"}))
    yard.complete("vera", "between", again)
    (incident,) = yard.incidents(again)
    assert "not_found" in incident.message, "it was tried, at the endpoint that he named himself"


@ON_MEMORY
def test_a_name_is_lent_no_wider_than_the_token_that_lent_it(yard: Yard) -> None:
    yard.publish(text(lent()))
    rita = yard.people["rita"]
    narrow = rita.model_copy(update={"scopes": frozenset({"lifecycle.complete_task"})})
    instance = yard.start("p", data={"key": "k"})
    yard.do(narrow, CompleteTask(task=yard.task("ask").id))
    yard.complete("vera", "between")
    (incident,) = yard.incidents(instance)
    assert "this token may not do governance.revoke_key" in incident.message


@ON_MEMORY
def test_a_version_that_came_later_does_not_widen_what_was_lent(yard: Yard) -> None:
    """Neither a step with another command, nor a task that lent nothing when it was done."""
    yard.publish(text(lent()))
    plain = {"ask": person("risk_officer"), "between": person("validator")}
    yard.publish(text(process("p", "s -> ask -> between -> e", **plain)))
    yard.publish(text(lent("catalog.retire_version", version='"v"', reason='"r"')))
    for number, first in enumerate((1, 2)):
        with yard.platform.storage.reading() as tx:
            definition = numbered(tx, "default", "p", first)
        yard.do("rita", PublishProcess(definition=definition.id))
        instance = yard.start("p", data={"key": "k"})
        assert instance.number == first
        yard.complete("rita", "ask", instance)
        yard.do("omar", MigrateInstance(instance=instance.id, number=3))
        yard.complete("vera", "between", instance)
        assert len(yard.incidents()) == number + 1
        (incident,) = yard.incidents(instance)
        assert "no part of it then" in incident.message


@ON_MEMORY
@pytest.mark.parametrize("operation", ["monitoring.record_run", "governance.register_key", "evaluation.record_comparison"])
def test_a_process_bears_no_witness_in_the_platforms_name(yard: Yard, operation: str) -> None:
    """Evidence from the platform is what it measured itself, so that nobody who built a version says how good it is."""
    with pytest.raises(InvalidInput, match="not given in the platform's name"):
        yard.publish(text(process("p", "s -> say -> e", say=service(operation))))
    say = service(operation, extensions={"authority": "t"})
    yard.publish(text(process("p", "s -> t -> say -> e", t=person("validator"), say=say)))


@ON_MEMORY
@pytest.mark.parametrize("about", ["version", "about"])
def test_what_a_version_is_does_not_come_from_who_begins(yard: Yard, about: str) -> None:
    """Who built it is kept from deciding, whatever they say when they begin a process."""
    yard.house.use_case()
    version = yard.house.version()
    told = {"id": version.id, "developer": "somebody else", "model": "harmless"}
    asks = person("developer", inputs={"exclude": "[version.developer]", "model": "version.model"})
    yard.publish(text(process("p", "s -> t -> e", t=asks)))
    data = {"version": told} | ({"about": f"version:{version.id}"} if about == "about" else {})
    instance = yard.start("p", "dana", data=data)
    task = yard.task("t")
    assert task.about == instance.about == f"version:{version.id}"
    assert (task.excluded, task.data["model"]) == ((version.developer,), "credit-model")
    with pytest.raises(InvalidInput, match="names no version"):
        yard.start("p", data={"version": {"id": "ver_none", "developer": "x", "model": "y"}})


@ON_MEMORY
@pytest.mark.parametrize("how", ["command", "message"])
def test_who_begins_a_process_by_way_of_another_is_who_asks(yard: Yard, how: str) -> None:
    begins: Any = service("lifecycle.start_process", inputs={"process": '"q"'})
    if how == "message":
        begins = throw(message("please"))
    yard.publish(
        text(process("q", "start_q -> t -> e", start_q=start(message("please")), t=person("business_owner")))
        if how == "message"
        else text(process("q", "s -> t -> e", t=person("business_owner")))
    )
    yard.publish(text(process("p", "s -> go -> e", go=begins)))
    yard.start("p", "bea")
    yard.move()
    task = yard.task("t")
    assert task.requester == yard.people["bea"].id
    with pytest.raises(Forbidden, match=r"separation\.task-verdict"):
        yard.do("bea", CompleteTask(task=task.id, verdict="approved"))


@ON_MEMORY
def test_nobody_gives_a_clean_scan_by_way_of_a_process(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    yard.publish(text(process("p", "s -> note -> e", note=service("governance.record_evidence"))))
    scan = yard.start("p", "dana", data={"version": version.id, "type": "scan", "metrics": {"dangers": 0}})
    yard.move()
    (incident,) = yard.incidents(scan)
    assert "scan is not given in the platform's name" in incident.message
    assert yard.rows(EVIDENCE) == []


@ON_MEMORY
def test_a_loop_that_catches_its_own_end_is_an_incident(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.lifecycle.working.LONGEST_RUN", 5)
    look = service("read.models", inputs={"id": '"none"'})
    yard.publish(text(process("p", "s -> m -> look -> m; any -> m", m=xor(), look=look, any=boundary("look", error()))))
    instance = yard.start("p")
    yard.move(100)
    (incident,) = yard.incidents(instance)
    assert "does it never end" in incident.message
    assert yard.instance(instance).steps < 12


@ON_MEMORY
def test_tasks_that_cannot_be_tended_keep_no_other_waiting(yard: Yard, monkeypatch: pytest.MonkeyPatch, logs: list[Any]) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("validator", extensions={"remindIn": "PT1H"}))))
    for _ in range(3):
        yard.start("p")
        yard.house.later(seconds=1)
    bad, good = [task.id for task in yard.tasks()[:2]], yard.tasks()[2].id
    whole = yard.platform.bus.handle

    def handle(request: Any) -> Any:
        if getattr(request.command, "task", None) in bad:
            raise OSError("its data are broken")
        return whole(request)

    monkeypatch.setattr(yard.platform.bus, "handle", handle)
    yard.house.later(hours=2)
    assert [yard.mover.tend_tasks(limit=2) for _ in range(2)] == [0, 1]
    assert next(t for t in yard.tasks() if t.id == good).remind_at is None
    assert len(logs) == 2
    monkeypatch.undo()
    yard.house.later(minutes=6)
    assert yard.mover.tend_tasks(limit=2) == 2


@ON_MEMORY
def test_who_puts_a_life_cycle_forward_is_told_of_commands_that_there_are_not(yard: Yard) -> None:
    made = process("p", "s -> a -> b -> e", a=service("no.such"), b=service("read.models"))
    (warning,) = yard.publish(text(made)).warnings
    assert "'a'" in warning
    assert "no command 'no.such'" in warning
