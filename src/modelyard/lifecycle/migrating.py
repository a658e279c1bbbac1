"""Moving a running instance to another version of its life cycle: planned, shown, refused where a token would be lost, done."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard import bpmn
from modelyard.bpmn.migration import Become, Plan, migrate, plan
from modelyard.core.bus import Work
from modelyard.core.errors import WrongState
from modelyard.core.records import Table, Transaction, equals, first
from modelyard.lifecycle import events
from modelyard.lifecycle.advancing import Told, written
from modelyard.lifecycle.commands import MigrateInstance
from modelyard.lifecycle.course import Course
from modelyard.lifecycle.definitions import authorities, compiled, numbered
from modelyard.lifecycle.model import (
    INCIDENTS,
    INSTANCES,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    Instance,
    InstanceStatus,
    ProcessDefinition,
    record_id,
)
from modelyard.lifecycle.replaying import MIGRATED
from modelyard.lifecycle.tasks.model import TASKS


class Migrated(BaseModel):
    """The instance after it, and what became of each of its parts."""

    model_config = ConfigDict(frozen=True)

    instance: Instance
    plan: tuple[str, ...]


def migrate_instance(work: Work, command: MigrateInstance) -> Migrated:
    """Raises WrongState with all that stands against it; then nothing has changed."""
    instance = work.get(INSTANCES, command.instance)
    target = numbered(work.tx, work.organisation, instance.process, command.number)
    planned = plan_for(work.tx, instance, target, command.moves)
    if planned.problems:
        raise WrongState(
            f"instance {instance.id} cannot move to version {target.number}: {'; '.join(p.detail for p in planned.problems)}",
            field="moves",
            hint="say where tokens go: moves={old step: new step}",
        )
    _lend_nobodys_name(planned, command.moves)
    state, effects = migrate(planned.state, planned, work.now)
    _rename(work, instance, planned)
    moved = instance.model_copy(update={"number": target.number, "definition": target.id, "source": target.source})
    course = Course(work, planned.new, moved, planned.state, state, effects, None)
    details = {"from": instance.number, "to": target.number, "plan": list(planned.lines)}
    given = {"type": MIGRATED, "before": instance.number, "number": target.number, "moves": command.moves}
    kept = written(course, Told("migrated", None, details, given))
    told = events.InstanceMigrated(instance=instance.id, process=instance.process, before=instance.number, after=target.number)
    work.emit(told, f"instance:{instance.id}")
    return Migrated(instance=kept, plan=planned.lines)


def _lend_nobodys_name(planned: Plan, moves: dict[str, str]) -> None:
    """Who was asked for one thing has not lent their name for another: a step from which authority is taken was one before.
    Raises WrongState."""
    before, after = authorities(planned.old.process), authorities(planned.new.process)
    for old, new in moves.items():
        if new in after and old not in before:
            raise WrongState(
                f"what is done in the name of who did {new!r} cannot be done in the name of who did {old!r}",
                field="moves",
                hint=f"let {new!r} be done once more: cancel the instance and begin again",
            )


def plan_for(tx: Transaction, instance: Instance, target: ProcessDefinition, moves: dict[str, str]) -> Plan:
    """What would become of each token. Raises WrongState when there is nothing to move, or the move cannot be understood."""
    if instance.status is not InstanceStatus.RUNNING:
        raise WrongState(f"instance {instance.id} has ended: it is {instance.status.value}", field="instance")
    if target.published_at is None:
        raise WrongState(
            f"version {target.number} of {target.key} was never put in force",
            field="number",
            hint="let another person publish it",
        )
    if target.id == instance.definition:
        raise WrongState(f"instance {instance.id} is of version {target.number} already", field="number")
    old = compiled(tx, instance.organisation, instance.source, instance.process)
    new = compiled(tx, instance.organisation, target.source, target.key)
    try:
        return plan(bpmn.loads(instance.state, old.digest), old, new, moves=moves)
    except bpmn.BpmnError as error:
        raise WrongState(str(error), field="moves") from error


def _rename(work: Work, instance: Instance, planned: Plan) -> None:
    """What is kept under a step's new name is found under it from now on."""
    for move in planned.moves:
        if move.become is not Become.MOVES or move.target is None:
            continue
        id_, changes = record_id(instance.id, move.id), {"element": move.target}
        if move.what == "incident":
            work.save(INCIDENTS, work.get(INCIDENTS, id_).model_copy(update=changes))
        elif move.what == "work" and (task := first(work.tx, TASKS, equals("id", id_))) is not None:
            work.save(TASKS, task.model_copy(update=changes))
        else:
            _rename_queued(work.tx, id_, changes)


def _rename_queued(tx: Transaction, id_: str, changes: dict[str, Any]) -> None:
    tables: tuple[Table[Any], ...] = (WORK, TIMERS, SUBSCRIPTIONS)
    for table in tables:
        kept = first(tx, table, equals("id", id_))
        if kept is not None:
            tx.save(table, kept.model_copy(update=changes))
