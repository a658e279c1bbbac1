"""Versions of life cycles: proposed, and put in force. A version in force waits for what starts its instances."""

from __future__ import annotations

from typing import Any

from modelyard import bpmn
from modelyard.bpmn.model import Trigger
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Table, Transaction, equals, every, first
from modelyard.lifecycle import commands as ask
from modelyard.lifecycle import events
from modelyard.lifecycle.definitions import check, compiled, in_force
from modelyard.lifecycle.model import (
    DEFINITIONS,
    SOURCES,
    SUBSCRIPTIONS,
    TIMERS,
    DefinitionStatus,
    ProcessDefinition,
    ProcessSource,
    Subscription,
    Timer,
)
from modelyard.lifecycle.timed import times_of


def propose_process(work: Work, command: ask.ProposeProcess) -> ProcessDefinition:
    """Keep a new version that was checked. The same bundle again is an error that names the version it is."""
    found = check(command.source, command.process, command.forms, command.scenarios)
    mine = equals("organisation", work.organisation)
    same = first(work.tx, DEFINITIONS, mine, equals("key", found.key), equals("bundle", found.bundle))
    if same is not None:
        raise AlreadyExists(f"this is version {same.number} of {same.key}, {same.status.value}", field="source")
    newest = work.find(DEFINITIONS, Query(where=(mine, equals("key", found.key)), sort="number", descending=True, limit=1)).items
    if first(work.tx, SOURCES, mine, equals("digest_of_source", found.source)) is None:
        work.add(SOURCES, ProcessSource(**work.new("src"), digest_of_source=found.source, text=command.source))
    definition = ProcessDefinition(
        **work.new("prc"),
        key=found.key,
        number=newest[0].number + 1 if newest else 1,
        name=found.name,
        source=found.source,
        bundle=found.bundle,
        forms=command.forms,
        scenarios=command.scenarios,
        tested=found.tested,
        coverage=found.coverage,
        warnings=found.warnings,
        notes=command.notes,
        proposed_by=work.actor.id,
    )
    work.emit(
        events.ProcessProposed(definition=definition.id, key=definition.key, number=definition.number),
        f"process:{definition.key}",
    )
    return work.add(DEFINITIONS, definition)


def publish_process(work: Work, command: ask.PublishProcess) -> ProcessDefinition:
    """Put a version in force; the one before is superseded, and no longer starts anything."""
    definition = work.get(DEFINITIONS, command.definition)
    if definition.status is DefinitionStatus.PUBLISHED:
        raise WrongState(f"{definition.key} {definition.number} is published already", field="definition")
    before = in_force(work.tx, work.organisation, definition.key)
    if before is not None:
        work.save(DEFINITIONS, before.model_copy(update={"status": DefinitionStatus.SUPERSEDED}))
        _no_longer_start(work, before)
    changes = {"status": DefinitionStatus.PUBLISHED, "published_by": work.actor.id, "published_at": work.now}
    definition = work.save(DEFINITIONS, definition.model_copy(update=changes))
    _start_on(work, definition)
    told = events.ProcessPublished(definition=definition.id, key=definition.key, number=definition.number)
    work.emit(told, f"process:{definition.key}")
    return definition


def _no_longer_start(work: Work, definition: ProcessDefinition) -> None:
    tables: tuple[Table[Any], ...] = (TIMERS, SUBSCRIPTIONS)
    for table in tables:
        for record in every(work.tx, table, equals("definition", definition.id)):
            work.tx.remove(table, record.id)


def record_of(definition: ProcessDefinition, start: bpmn.Start) -> str:
    """The id under which a start is waited for; an element may have several."""
    told = start.name or start.expression or ""
    return f"{definition.id}:{start.element}:{start.trigger.value}:{digest_of([told])[7:19]}"


def _start_on(work: Work, definition: ProcessDefinition) -> None:
    """Wait for what starts instances: messages, signals and times."""
    code = compiled(work.tx, work.organisation, definition.source, definition.key)
    for start in code.starts:
        kept = {"organisation": work.organisation, "created_at": work.now, "id": record_of(definition, start)}
        if start.trigger in (Trigger.MESSAGE, Trigger.SIGNAL):
            signal = start.trigger is Trigger.SIGNAL
            waits = Subscription(
                **kept, instance=None, definition=definition.id, element=start.element, name=start.name or "", signal=signal
            )
            work.tx.add(SUBSCRIPTIONS, waits)
        elif start.trigger is Trigger.TIMER:
            times = times_of(start, work.now)
            timer = Timer(
                **kept, instance=None, definition=definition.id, element=start.element, due=times.first, left=times.left
            )
            work.tx.add(TIMERS, timer)


def _of_proposed(tx: Transaction, request: Request, command: ask.ProposeProcess) -> Subject:
    """Checking it here means that a bad file is told as bad input, not as a refusal."""
    key = check(command.source, command.process, command.forms, command.scenarios).key
    return Subject(type="process", id=key, attributes={"name": key})


def _of_definition(tx: Transaction, request: Request, command: ask.PublishProcess) -> Subject:
    definition = tx.get(DEFINITIONS, command.definition)
    attributes = {"name": definition.key, "proposer": definition.proposed_by, "number": definition.number}
    return Subject(type="process", id=definition.id, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    """The commands on definitions."""
    return [
        Handling(ask.ProposeProcess, propose_process, _of_proposed, ProcessDefinition),
        Handling(ask.PublishProcess, publish_process, _of_definition, ProcessDefinition),
    ]
