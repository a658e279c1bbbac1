"""Work: what steps ask of the platform, done as commands, reads, decisions, jobs and calls of other processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard import bpmn
from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Table, Transaction, equals, first
from modelyard.jobs.model import Job, JobState
from modelyard.jobs.queue import Order, enqueue
from modelyard.lifecycle import commands as ask
from modelyard.lifecycle import operations, subjects
from modelyard.lifecycle.advancing import advance
from modelyard.lifecycle.definitions import published
from modelyard.lifecycle.instances import begin_about
from modelyard.lifecycle.model import INSTANCES, WORK, WorkItem, engine_id

LONGEST_PAUSE_S = 600.0
LONGEST_RUN = 10_000
"""Pieces of work that an instance may do in a row without a person, a time or a message."""
ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
ENDLESS = "loop"


class Endless(Exception):
    """A loop of work that nothing from outside ever stops; an error of that code, in the process."""


class Worked(BaseModel):
    """What became of a piece of work: it is `done`, a job or a called process does it (`waits`), or it is tried `again`."""

    model_config = ConfigDict(frozen=True)

    work: str
    instance: str
    outcome: str


def do_work(bus: Bus, tables: dict[str, Table[Any]], work: Work, command: ask.DoWork) -> Worked:
    """Do what is asked for; what it changes and the step that follows are kept together or not at all."""
    item = _waiting(work, command.work)
    kind, _, name = item.operation.partition(":")
    if kind == "call":
        return _call(work, item, name)
    if kind == "job":
        return _wait_for_job(work, item, enqueue(work, Order(kind=name, payload=item.arguments)))
    if kind == "decision":
        value = operations.decide(work.tx, work.organisation, name, item.arguments)
        return _done(work, item, {"result": value})
    if item.operation.startswith("read."):
        table = tables.get(item.operation.removeprefix("read."))
        if table is None:
            raise InvalidInput(f"there is no table {item.operation!r} to read", field="operation")
        return _done(
            work, item, {"result": operations.read(work.tx, work.organisation, table, item.arguments if item.strict else {})}
        )
    return _command(bus, work, item)


def _waiting(work: Work, id_: str) -> WorkItem:
    found = work.find(WORK, Query(where=(equals("id", id_),), sort="id", limit=1, claim=True)).items
    if not found:
        raise NotFound(f"there is no work {id_!r}; it was done, or is no longer wanted", field="work")
    if found[0].not_before is None or found[0].not_before > work.now:
        raise WrongState(f"work {id_} is not due", field="work")
    if work.get(INSTANCES, found[0].instance).unattended >= LONGEST_RUN:
        raise Endless(f"{LONGEST_RUN} pieces of work were done and nobody was asked, nor anything waited for: does it never end?")
    return found[0]


def _command(bus: Bus, work: Work, item: WorkItem) -> Worked:
    kind = bus.command_of(item.operation)
    command = operations.command_from(kind, item.arguments, strict=item.strict, where=item.element)
    actor = operations.actor_of(work, item)
    result = bus.within(work, command, actor, f"{item.process}, step {item.name} of {item.instance}")
    if isinstance(result, Job) and result.state not in ENDED:
        return _wait_for_job(work, item, result)
    return _done(work, item, {"result": result.model_dump(mode="json")})


def _call(work: Work, item: WorkItem, key: str) -> Worked:
    caller = work.get(INSTANCES, item.instance)
    asked = item.arguments.get("about") or caller.about
    about = subjects.find(work.tx, work.organisation, str(asked)) if asked else None
    definition = published(work.tx, work.organisation, key)
    # Who began the caller asks for what the called process does: its tasks are kept from them just the same.
    child = begin_about(work, definition, item.arguments, about, by=caller.started_by, parent=item, depth=caller.depth + 1)
    work.tx.save(WORK, item.model_copy(update={"child": child.id, "not_before": None}))
    return Worked(work=item.id, instance=item.instance, outcome="waits")


def _wait_for_job(work: Work, item: WorkItem, job: Job) -> Worked:
    work.tx.save(WORK, item.model_copy(update={"job": job.id, "not_before": None}))
    return Worked(work=item.id, instance=item.instance, outcome="waits")


def _done(work: Work, item: WorkItem, result: dict[str, Any]) -> Worked:
    work.tx.remove(WORK, item.id)
    instance = work.get(INSTANCES, item.instance)
    event = bpmn.WorkCompleted(at=work.now, work=engine_id(item.id), result=result)
    advance(work, instance, event, what="done", element=item.element, details={"operation": item.operation})
    return Worked(work=item.id, instance=item.instance, outcome="done")


def record_result(work: Work, command: ask.RecordResult) -> Worked:
    """A job or a called process has done it. Raises NotFound, and WrongState when something else does it."""
    return _done(work, _done_by(work, command.work, command.doer), command.result)


def _done_by(work: Work, id_: str, doer: str) -> WorkItem:
    """The work that a job or a called process does. Raises NotFound, and WrongState when something else does it."""
    item = _known(work, id_)
    if doer not in (item.job, item.child):
        raise WrongState(f"work {id_} is not done by {doer}", field="doer")
    return item


def _tried(work: Work, command: ask.RecordFailure) -> WorkItem:
    """The work that was tried. Raises WrongState when somebody else has tried it since, or a job or process does it by now."""
    item = _known(work, command.work)
    if item.not_before is None or item.attempts != command.attempts:
        raise WrongState(f"work {item.id} was tried again in the meantime", field="work")
    return item


def _known(work: Work, id_: str) -> WorkItem:
    found = first(work.tx, WORK, equals("id", id_))
    if found is None:
        raise NotFound(f"there is no work {id_!r}; it was done, or is no longer wanted", field="work")
    return found


def record_failure(work: Work, command: ask.RecordFailure) -> Worked:
    """A business error goes to who catches it, a technical one is tried again and then an incident."""
    item = _tried(work, command) if command.doer is None else _done_by(work, command.work, command.doer)
    endless = command.code == ENDLESS and work.get(INSTANCES, item.instance).unattended > LONGEST_RUN
    if endless:  # it was told once; caught again and again, it would never end either
        command = command.model_copy(update={"code": None})
    if command.code is None and not endless and item.attempts < item.retries:
        pause = min(2.0 ** (item.attempts + 1), LONGEST_PAUSE_S)
        later = {"attempts": item.attempts + 1, "not_before": work.now + timedelta(seconds=pause), "error": command.message}
        work.tx.save(WORK, item.model_copy(update=later))
        return Worked(work=item.id, instance=item.instance, outcome="again")
    work.tx.remove(WORK, item.id)
    id_ = engine_id(item.id)
    event = (
        bpmn.WorkBroke(at=work.now, work=id_, message=command.message)
        if command.code is None
        else bpmn.WorkFailed(at=work.now, work=id_, code=command.code, message=command.message, data={"error": command.message})
    )
    details = {"operation": item.operation, "code": command.code, "message": command.message}
    advance(work, work.get(INSTANCES, item.instance), event, what="failed", element=item.element, details=details)
    return Worked(work=item.id, instance=item.instance, outcome="failed")


def _of_work(tx: Transaction, request: Request, command: ask.DoWork | ask.RecordFailure | ask.RecordResult) -> Subject:
    return Subject(type="process_work", id=command.work)


def handlings(bus: Bus, tables: tuple[Table[Any], ...]) -> list[Handling[Any]]:
    """The commands on work. `bus` gives the commands of steps; `tables` are what steps may read."""
    readable = {table.name: table for table in tables}
    doing: Callable[[Work, ask.DoWork], Worked] = partial(do_work, bus, readable)
    return [
        Handling(ask.DoWork, doing, _of_work, Worked),
        Handling(ask.RecordFailure, record_failure, _of_work, Worked),
        Handling(ask.RecordResult, record_result, _of_work, Worked),
    ]
