"""What a piece of work is: the command, record, decision, job or process that a step of a life cycle names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from modelyard.bpmn.model import TaskKind
from modelyard.core.bus import Work
from modelyard.core.digests import canonical
from modelyard.core.errors import InvalidInput, NotApproved, NotFound
from modelyard.core.messages import SYSTEM, Actor, ActorKind, Command
from modelyard.core.records import Query, Table, Transaction, Where, equals, every
from modelyard.governance.assurance.decisions import answer, compiled
from modelyard.governance.assurance.gates import source_of
from modelyard.governance.assurance.service import named
from modelyard.governance.identity.model import IDENTITIES
from modelyard.governance.identity.service import roles_of
from modelyard.lifecycle.definitions import compiled as ready
from modelyard.lifecycle.definitions import numbered, require_giver, tasks_of
from modelyard.lifecycle.model import STEPS, WorkItem
from modelyard.lifecycle.tasks.model import TASKS, Task, TaskStatus

MOST_READ = 50
OWN = "lifecycle."
MAY_CALL = ("lifecycle.start_process", "lifecycle.send_signal")
"""Of the commands on life cycles, those that a step may give: the others would step its own instance while it is being
stepped."""

MEASURED = ("scan", "translation", "test_report", "comparison", "validation")
WRITING = ("data", "retry", "skip")
"""Steps by which somebody writes variables of an instance as they like."""


def command_from(kind: type[Command], given: Mapping[str, Any], *, strict: bool, where: str) -> Command:
    """The command with its fields taken from `given`; what is no field of it is an error when `strict`. Raises InvalidInput."""
    if kind.action.startswith(OWN) and kind.action not in MAY_CALL:
        raise InvalidInput(f"{where}: a process cannot give the command {kind.action}", field="operation")
    fields = kind.model_fields
    unknown = sorted(given.keys() - fields.keys())
    if strict and unknown:
        raise InvalidInput(
            f"{where}: {kind.action} has no field {', '.join(unknown)}", field=unknown[0], hint=f"it has {', '.join(fields)}"
        )
    try:
        return kind.model_validate_json(canonical({name: value for name, value in given.items() if name in fields}))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InvalidInput(f"{where}: {kind.action} cannot be given: {place}: {fault['msg']}", field=place or None) from error


def actor_of(work: Work, item: WorkItem) -> Actor:
    """In whose name a piece of work is done: the platform's, or that of the person who last completed the user task it names,
    with the roles they hold now, narrowed as their token was. Raises NotApproved when nobody has, or not for this, NotFound or
    Forbidden's kin when they no longer may."""
    if item.authority is None:
        _require_no_witness(item)
        return SYSTEM
    names = names_of(work.tx, item.instance, item.authority)
    named = Where("element", "in", names)
    where = (equals("instance", item.instance), named, equals("status", TaskStatus.COMPLETED))
    done = work.tx.find(TASKS, Query(where=where, sort="created_at", descending=True, limit=200)).items
    last = max(done, key=lambda task: task.ended_at or task.created_at, default=None)
    if last is None or last.completed_by is None:
        raise NotApproved(
            f"{item.element} is done in the name of who completed {item.authority}, and nobody has", field="authority"
        )
    _require_lent(work, item, last, names)
    _require_unchanged(work, item, last)
    return person(work.tx, last.completed_by).model_copy(update={"scopes": frozenset(last.scopes)})


def _require_no_witness(item: WorkItem) -> None:
    """What the platform says that it measured is what its own checks measured, not what variables of a process say. Raises
    InvalidInput."""
    require_giver(item.operation, item.element)
    if item.operation == "governance.record_evidence" and item.arguments.get("type") in MEASURED:
        raise InvalidInput(
            f"{item.element}: evidence of the type {item.arguments['type']} is not given in the platform's name by a process",
            field="type",
            hint="name a user task with `modelyard:authority`, or let the platform's checks find it",
        )


def _require_lent(work: Work, item: WorkItem, task: Task, names: tuple[str, ...]) -> None:
    """Who did a task lent their name for what its version of the process said; another, to which the instance was migrated since,
    does not add to it."""
    definition = numbered(work.tx, work.organisation, item.process, task.number)
    process = ready(work.tx, work.organisation, definition.source, definition.key).process
    services = tasks_of(process.body, TaskKind.SERVICE)
    if not any(each.operation == item.operation and each.extensions.get("authority") in names for each in services):
        raise NotApproved(
            f"{item.element} gives {item.operation} in the name of who completed {item.authority}, which was no part of it then",
            field="authority",
            hint="let it be decided again",
        )


def _require_unchanged(work: Work, item: WorkItem, task: Task) -> None:
    """Nobody's name is lent for what another wrote into the process after the task was put before them."""
    since = Where("number", "gt", task.opened_step)
    steps = every(work.tx, STEPS, equals("instance", item.instance), Where("event", "in", WRITING), since)
    changed = next((step for step in steps if step.by != task.completed_by and step.given.get("data")), None)
    if changed is not None:
        raise NotApproved(
            f"{item.element} is done in the name of who completed {item.authority}, and somebody else has changed "
            f"{', '.join(sorted(changed.given['data']))} since they were asked",
            field="authority",
            hint="let it be decided again",
        )


def names_of(tx: Transaction, instance: str, element: str) -> tuple[str, ...]:
    """What a step is called, and was called before the instance was migrated."""
    names = {element}
    migrations = every(tx, STEPS, equals("instance", instance), equals("event", "migrated"))
    for step in sorted(migrations, key=lambda step: -step.number):
        names |= {old for old, new in step.given["moves"].items() if new in names}
    return tuple(sorted(names))


def person(tx: Transaction, identity_id: str) -> Actor:
    """Somebody as they are now. Raises NotApproved when the identity is no longer active."""
    identity = tx.get(IDENTITIES, identity_id)
    if not identity.active:
        raise NotApproved(f"{identity.name} is no longer active", field="authority", hint="let somebody else decide again")
    return Actor(id=identity.id, kind=ActorKind(identity.kind.value), roles=roles_of(tx, identity.id))


def read(tx: Transaction, organisation: str, table: Table[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Records whose indexed fields equal what is given, newest first. Raises InvalidInput for a field that is not indexed, and
    for a value that no field equals."""
    for name, value in given.items():
        if isinstance(value, (dict, list)):
            raise InvalidInput(f"{name} is compared with one value, not with {str(value)[:80]}", field=name)
    where: list[Where] = [equals("organisation", organisation)]
    where += [equals(name, value) for name, value in given.items()]
    found = tx.find(table, Query(where=tuple(where), sort="created_at", descending=True, limit=MOST_READ)).items
    rows = [record.model_dump(mode="json") for record in found]
    return {"first": rows[0] if rows else None, "found": rows}


def decide(tx: Transaction, organisation: str, asked: str, given: Mapping[str, Any]) -> Any:
    """The value of a decision in force: `gate`, or `gate/decision name`. Raises NotFound, and InvalidInput when the decision
    cannot answer."""
    name, _, decision = asked.partition("/")
    gate = named(tx, organisation, name)
    if gate is None:
        raise NotFound(
            f"no decision {name!r} is in force", field="decision", hint=f"adopt one: `modelyard gate adopt {name} VERSION`"
        )
    source = source_of(gate)
    decision = decision or _only(source, name)
    found = answer(source, decision, given)
    if found.problems:
        raise InvalidInput(f"decision {asked} has no answer: {'; '.join(found.problems)}", field="decision")
    return found.value


def _only(source: str, name: str) -> str:
    decisions = [decision.name for decision in compiled(source).decisions]
    if len(decisions) == 1 or name in decisions:
        return name if name in decisions else decisions[0]
    raise InvalidInput(
        f"{name} has several decisions", field="decision", hint="write " + " or ".join(f"{name}/{d}" for d in decisions)
    )
