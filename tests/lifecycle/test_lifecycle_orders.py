"""An operator's order that the control plane did not follow comes to a person, by a life cycle that begins with it."""

from __future__ import annotations

import pytest

from modelyard.delivery.model import OrderOutcome
from modelyard.lifecycle.model import INSTANCES
from tests.bpmn.bpmn_text import message, process, start
from tests.delivery.test_delivery_orders import Yard as Orders
from tests.lifecycle.lifecycle_yard import Yard, person, text


@pytest.mark.parametrize("adapter", ["memory"], indirect=True)
def test_the_life_cycle_that_is_shipped_asks_a_person(yard: Yard) -> None:
    orders = Orders(yard.house)
    envelope = orders.order()
    yard.house.later(minutes=1)
    yard.house.deploy(yard.house.release(yard.house.version(weights=(3.0, 0.0, 0.0))))
    assert orders.bring(envelope) is OrderOutcome.CONFLICT
    yard.move()
    [instance] = [i for i in yard.rows(INSTANCES) if i.process == "order-conflict"]
    task = yard.task("choose", instance)
    told = {name: task.data[name] for name in ("endpoint", "asked", "ordered_by", "reason", "arms", "order")}
    assert told == {
        "endpoint": "credit", "asked": "rollback", "ordered_by": orders.olga, "reason": "it answers nonsense",
        "arms": ["v3 (champion, 1)"], "order": orders.kept().id,
    }  # fmt: skip
    yard.complete("omar", "choose", instance, data={"choice": "left as it is", "why": "v3 has the mend"})
    assert yard.instance(instance).status == "completed"


@pytest.mark.parametrize("adapter", ["memory"], indirect=True)
def test_a_conflict_opens_a_task_with_what_there_is_to_know(yard: Yard) -> None:
    orders = Orders(yard.house)
    told = {name: name for name in ("endpoint", "by", "reason", "detail", "arms")}
    begun = start(message("delivery.order_conflict"))
    yard.publish(text(process("choose", "s -> look -> e", s=begun, look=person("operator", inputs=told))))
    envelope = orders.order()
    yard.house.later(minutes=1)
    yard.house.deploy(yard.house.release(yard.house.version(weights=(3.0, 0.0, 0.0))))
    assert [orders.bring(envelope) for _ in range(2)] == [OrderOutcome.CONFLICT] * 2
    yard.move()
    [instance] = [i for i in yard.rows(INSTANCES) if i.process == "choose"]
    task = yard.task("look", instance)
    assert task.data == {
        "endpoint": "credit",
        "by": orders.olga,
        "reason": "it answers nonsense",
        "detail": orders.kept().detail,
        "arms": ["v3 (champion, 1)"],
    }
    yard.complete("omar", "look", instance)
    assert yard.instance(instance).status == "completed"
