"""Instances of life cycles: what comes in, what follows, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.bpmn.model import Process
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, WrongState
from modelyard.lifecycle.commands import (
    CancelInstance,
    ChangeData,
    FireTimer,
    ProposeProcess,
    PublishProcess,
    RetryIncident,
    SendMessage,
    SendSignal,
    SkipIncident,
    StartProcess,
)
from modelyard.lifecycle.model import (
    DEFINITIONS,
    MESSAGES,
    STAYS,
    STEPS,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    DefinitionStatus,
    Health,
    InstanceStatus,
)
from modelyard.lifecycle.tasks.model import TASKS, TaskStatus
from tests.bpmn.bpmn_text import (
    boundary,
    call,
    catch,
    end,
    error,
    message,
    process,
    rule,
    script,
    service,
    signal,
    start,
    throw,
    timer,
    user,
    xml,
    xor,
)
from tests.lifecycle.lifecycle_yard import Yard


def text(*made: Process) -> str:
    return xml(*made).decode()


def person(role: str, **more: Any) -> Any:
    """A user task for a role."""
    given = more.pop("extensions", {})
    return user(extensions={"role": role} | given, **more)


def test_a_process_of_people_and_commands_runs_to_its_end(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    made = process(
        "check",
        "s -> look -> judge -> e",
        look=person("developer"),
        judge=service("governance.evaluate_gate", inputs={"version": "version.id"}, outputs={"passes": "result.metrics.passes"}),
    )
    yard.publish(text(made))
    instance = yard.start("check", about=f"version:{version.name}")
    assert instance.about == f"version:{version.id}" and instance.use_case == "credit"
    assert instance.places == ("look",)
    yard.complete("dana", "look")
    ended = yard.instance(instance)
    assert ended.status is InstanceStatus.COMPLETED and ended.ended_at is not None
    assert '"passes":0' in ended.state.replace(" ", "")
    assert not yard.rows(WORK)
    steps = [step.event for step in yard.rows(STEPS)]
    assert steps == ["started", "task", "done"]
