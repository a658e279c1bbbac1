"""A life cycle is no way around what the policies say of people: what is forged, changed behind somebody's back, or lent for
something else."""

from __future__ import annotations

import pytest

from modelyard.core.errors import InvalidInput, WrongState
from modelyard.lifecycle.commands import MigrateInstance, ProposeProcess, PublishProcess, SendMessage, StartProcess
from modelyard.lifecycle.model import INSTANCES, MESSAGES
from tests.bpmn.bpmn_text import catch, message, process
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
