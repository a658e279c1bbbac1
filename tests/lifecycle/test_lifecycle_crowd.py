"""Many at once, on databases that let some of them fail: everybody gets through. And what is kept of events does not grow on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.core.errors import Forbidden
from modelyard.core.messages import EventEnvelope
from modelyard.core.outbox import EVENTS, INBOX
from modelyard.lifecycle.commands import RetryIncident
from modelyard.lifecycle.inbound import keys_of
from modelyard.lifecycle.model import INSTANCES
from modelyard.worker.duties import REMEMBERED, forget_deliveries
from tests.bpmn.bpmn_text import process, service, user, xml
from tests.lifecycle.lifecycle_yard import Yard

OPERATOR = {"role": "operator"}
PEOPLE, TURNS = 4, 6
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def test_everybody_in_a_crowd_gets_through(yard: Yard) -> None:
    yard.publish(xml(process("crowd", "s -> a -> b -> e", a=user(extensions=OPERATOR), b=user(extensions=OPERATOR))).decode())

    def work(number: int) -> None:
        who = ("omar", "otto")[number % 2]
        for _ in range(TURNS):
            instance = yard.start("crowd", "dana")
            for step in ("a", "b"):
                yard.do(who, yard.completion(step, instance))

    with ThreadPoolExecutor(PEOPLE) as crowd:
        list(crowd.map(work, range(PEOPLE)))
    ended = [i.status for i in yard.rows(INSTANCES) if i.process == "crowd"]
    assert ended == ["completed"] * (PEOPLE * TURNS)


def test_events_are_found_by_what_they_name_not_by_what_somebody_wrote() -> None:
    payload = {"version": "ver_1", "alert_id": "alr_1", "reason": "ver_2", "field": "ver_3", "name": "ver_4", "value": 1.5}
    event = EventEnvelope(
        id="evt_1",
        created_at=EPOCH,
        type="monitoring.alert_opened",
        schema_version=1,
        aggregate_type="alert",
        aggregate_id="alr_1",
        actor="system",
        payload=payload,
    )
    assert keys_of(event) == {"ver_1", "alr_1"}


def test_a_step_is_tried_again_by_who_may_not_change_what_it_knows(yard: Yard) -> None:
    yard.publish(xml(process("broken", "s -> a -> e", a=service("governance.evaluate_gate", inputs={"stage": "x"}))).decode())
    instance = yard.start("broken")
    yard.move()
    (incident,) = yard.incidents(instance)
    with pytest.raises(Forbidden, match=r"separation\.incident-data"):
        yard.do("rita", RetryIncident(incident=incident.id, data={"x": "production"}))
    yard.do("rita", RetryIncident(incident=incident.id))
    yard.move()
    (incident,) = yard.incidents(instance)
    yard.do("omar", RetryIncident(incident=incident.id, data={"x": "production"}))


def test_inboxes_forget_what_was_handled_long_ago_and_the_log_of_events_does_not(yard: Yard) -> None:
    yard.publish(xml(process("short", "s -> e")).decode())
    yard.start("short")
    yard.move()
    handled, events = len(yard.rows(INBOX)), len(yard.rows(EVENTS))
    assert handled > 0
    assert not forget_deliveries(yard.platform)
    yard.house.clock.advance(REMEMBERED + timedelta(seconds=1))
    assert forget_deliveries(yard.platform)
    assert yard.rows(INBOX) == []
    assert len(yard.rows(EVENTS)) == events
