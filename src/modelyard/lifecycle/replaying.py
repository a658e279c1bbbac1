"""The history of an instance holds every event that moved it, exactly as the engine took it: played again, the events give the
state that is kept.

    state = replay(tx, instance)        # of an instance as it is now, from its steps alone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from modelyard import bpmn
from modelyard.bpmn import protocol
from modelyard.bpmn.engine.expressions import feel_values
from modelyard.bpmn.engine.stepping import DEFAULT_LIMITS
from modelyard.bpmn.migration import migrate, plan
from modelyard.bpmn.state import decoded, encoded
from modelyard.core.errors import WrongState
from modelyard.core.records import Transaction, equals, every
from modelyard.lifecycle.definitions import compiled, numbered
from modelyard.lifecycle.model import STEPS, Instance, Step

MIGRATED = "Migrated"
_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in protocol.StepEvent.__args__}


def as_kept(event: protocol.StepEvent) -> dict[str, Any]:
    """An event as JSON, without its time: that is the step's."""
    given = {each.name: getattr(event, each.name) for each in fields(event) if each.name != "at"}
    return {"type": type(event).__name__} | {name: _kept(value) for name, value in given.items()}


def _kept(value: Any) -> Any:
    return {name: encoded(item) for name, item in feel_values(value).items()} if isinstance(value, Mapping) else value


def event_of(step: Step) -> protocol.StepEvent:
    """The event of a step. Raises WrongState for a migration, which is none."""
    given = dict(step.given)
    kind = _TYPES.get(given.pop("type", ""))
    if kind is None:
        raise WrongState(f"step {step.number} of {step.instance} is no event of the engine", field="step")
    made: protocol.StepEvent = kind(at=step.created_at, **{name: _value(value) for name, value in given.items()})
    return made


def _value(value: Any) -> Any:
    return {name: decoded(item) for name, item in value.items()} if isinstance(value, dict) else value


def replay(tx: Transaction, instance: Instance) -> bpmn.State:
    """The state that an instance's steps lead to. Raises WrongState when a step is missing."""
    steps = sorted(every(tx, STEPS, equals("instance", instance.id)), key=lambda step: step.number)
    if [step.number for step in steps] != list(range(1, instance.steps + 1)):
        raise WrongState(f"the history of instance {instance.id} has gaps", field="instance")
    number = next((step.given["before"] for step in steps if step.given["type"] == MIGRATED), instance.number)
    code = _code(tx, instance, number)
    state: bpmn.State | None = None
    for step in steps:
        if step.given["type"] == MIGRATED:
            assert state is not None
            after = _code(tx, instance, step.given["number"])
            state, _ = migrate(state, plan(state, code, after, moves=step.given["moves"]), step.created_at)
            code = after
        else:
            state, _ = bpmn.step(code, state, event_of(step), DEFAULT_LIMITS)
    assert state is not None
    return state


def _code(tx: Transaction, instance: Instance, number: int) -> bpmn.CompiledProcess:
    definition = numbered(tx, instance.organisation, instance.process, number)
    return compiled(tx, instance.organisation, definition.source, definition.key)
