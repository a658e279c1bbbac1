"""The life cycles that come with the platform: `processes/NAME.bpmn` with its forms and scenarios."""

from __future__ import annotations

import json
from importlib import resources

from modelyard.core.bus import Bus, Request
from modelyard.core.errors import AlreadyExists, WrongState
from modelyard.core.messages import SYSTEM
from modelyard.core.records import Storage, equals, first
from modelyard.lifecycle.commands import ProposeProcess, PublishProcess
from modelyard.lifecycle.definitions import bundle_of, in_force
from modelyard.lifecycle.model import DEFINITIONS, DefinitionStatus, ProcessDefinition

WHY = "a life cycle that comes with the platform"


def shipped() -> tuple[ProposeProcess, ...]:
    """Every life cycle that is shipped, as it would be proposed."""
    folder = resources.files("modelyard.lifecycle") / "processes"
    files = {file.name: file for file in folder.iterdir()}
    return tuple(_proposal(name.removesuffix(".bpmn"), files) for name in sorted(files) if name.endswith(".bpmn"))


def _proposal(name: str, files: dict[str, resources.abc.Traversable]) -> ProposeProcess:
    def text(ending: str) -> str:
        file = files.get(name + ending)
        return file.read_text("utf-8") if file is not None else ""

    forms = json.loads(text(".forms.json") or "{}")
    return ProposeProcess(source=text(".bpmn"), forms=forms, scenarios=text(".scenarios.yaml"), notes=WHY)


def bootstrap_processes(bus: Bus, storage: Storage, organisation: str) -> None:
    """Publish what the organisation has no life cycle of; of what it has, propose a newer version that came with an upgrade:
    people decide on that. Safe to call at each start, and from several processes."""
    for proposal in shipped():
        bundle = bundle_of(proposal.source, proposal.process, proposal.forms, proposal.scenarios)
        with storage.reading() as tx:
            known = first(tx, DEFINITIONS, equals("organisation", organisation), equals("bundle", bundle))
        if known is None:
            known = _propose(bus, proposal, organisation)
        if known is not None and known.status is DefinitionStatus.PROPOSED and not _runs(storage, known):
            _publish(bus, known, organisation)


def _runs(storage: Storage, definition: ProcessDefinition) -> bool:
    """Whether a version of the life cycle is in force."""
    with storage.reading() as tx:
        return in_force(tx, definition.organisation, definition.key) is not None


def _propose(bus: Bus, proposal: ProposeProcess, organisation: str) -> ProcessDefinition | None:
    try:
        made = bus.handle(Request(command=proposal, actor=SYSTEM, organisation=organisation, reason=WHY))
    except AlreadyExists:
        return None  # another process was first, and goes on to publish it
    assert isinstance(made, ProcessDefinition)
    return made


def _publish(bus: Bus, definition: ProcessDefinition, organisation: str) -> None:
    command = PublishProcess(definition=definition.id)
    try:
        bus.handle(Request(command=command, actor=SYSTEM, organisation=organisation, reason=WHY))
    except WrongState:
        return
