"""A step of an instance as it is being written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelyard import bpmn
from modelyard.core.bus import Work
from modelyard.lifecycle.model import Instance, record_id


@dataclass(frozen=True)
class Resolution:
    """How a person brought an incident to its end."""

    incident: str
    how: str
    why: str = ""


@dataclass
class Course:
    """A step being written down: the instance as it was (`before`, None when it begins) and as it becomes."""

    work: Work
    code: bpmn.CompiledProcess
    instance: Instance
    before: bpmn.State | None
    after: bpmn.State
    effects: tuple[Any, ...]
    resolution: Resolution | None = None
    left: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    """Subscriptions to messages that the step made."""

    def named(self, id_: str) -> str:
        return record_id(self.instance.id, id_)

    def kept(self) -> dict[str, Any]:
        """The fields that every record of the step has."""
        return {"organisation": self.work.organisation, "created_at": self.work.now}
