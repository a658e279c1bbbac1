"""Views of life cycles and tasks: where an instance stands, what it took, whose turn it is, how long it takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.bootstrap import Platform
from modelyard.catalog.lookup import find_use_case, mine
from modelyard.decisions import Window
from modelyard.lifecycle.definitions import text_of
from modelyard.lifecycle.model import DEFINITIONS, INSTANCES, Instance, Step
from modelyard.lifecycle.tasks.model import TASKS, Task
from modelyard.lifecycle.times import ProcessTimes, TimeToDecision, process_times, time_to_decision
from modelyard.lifecycle.views import InstanceView, TaskView, history, inbox, view_instance, view_task

Reference = Annotated[str, Path(min_length=1, max_length=300)]
routes = APIRouter(responses=FAULTS)


@routes.get(
    "/process-instances/{instance}/view",
    tags=["life cycles"],
    operation_id="view_instance",
    summary="Where an instance stands and what it waits for",
)
def show_instance(here: PlatformHere, asker: Asker, instance: Reference) -> InstanceView:
    require_read(here, asker, INSTANCES.name)
    with here.storage.reading() as tx:
        return view_instance(tx, mine(tx, INSTANCES, instance, here.settings.organisation), here.clock.now())


@routes.get(
    "/process-instances/{instance}/history",
    tags=["life cycles"],
    operation_id="instance_history",
    summary="The steps of an instance; `wait` holds the answer until there is a newer one",
)
def show_history(
    here: PlatformHere,
    asker: Asker,
    instance: Reference,
    after: Annotated[int, Query(ge=0, description="Only steps after this number")] = 0,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for a step")] = 0,
) -> list[Step]:
    require_read(here, asker, INSTANCES.name)
    organisation = here.settings.organisation

    def look() -> list[Step] | None:
        with here.storage.reading() as tx:
            found: Instance = mine(tx, INSTANCES, instance, organisation)
            return list(history(tx, found.id, after)) or None

    return (here.signals.wait_for(look, wait) if wait else look()) or []


@routes.get(
    "/process-definitions/{definition}/source",
    tags=["life cycles"],
    operation_id="definition_source",
    summary="The BPMN file of a definition",
    response_class=Response,
)
def show_source(here: PlatformHere, asker: Asker, definition: Reference) -> Response:
    require_read(here, asker, DEFINITIONS.name)
    with here.storage.reading() as tx:
        found = mine(tx, DEFINITIONS, definition, here.settings.organisation)
        return Response(text_of(tx, found.organisation, found.source), media_type="application/xml")


@routes.get(
    "/processes/{process}/times",
    tags=["life cycles"],
    operation_id="process_times",
    summary="Waiting against working, by step and role",
)
def show_times(here: PlatformHere, asker: Asker, process: Reference) -> ProcessTimes:
    require_read(here, asker, INSTANCES.name)
    with here.storage.reading() as tx:
        return process_times(tx, here.settings.organisation, process)


@routes.get(
    "/use-cases/{use_case}/time-to-decision",
    tags=["life cycles"],
    operation_id="time_to_decision",
    summary="From intake to the first decision in production",
)
def show_time_to_decision(here: PlatformHere, asker: Asker, use_case: Reference) -> TimeToDecision:
    require_read(here, asker, INSTANCES.name)
    with here.storage.reading() as tx:
        found = find_use_case(tx, here.settings.organisation, use_case)
        return time_to_decision(tx, found, _first_decision(here, found.name, found.created_at))


def _first_decision(here: Platform, use_case: str, since: datetime) -> datetime | None:
    """Looked for in spans that double, so that the log behind the first decision is not read."""
    now, span, until = here.clock.now(), timedelta(days=1), since
    while until < now:
        since, until, span = until, min(until + span, now + timedelta(seconds=1)), span * 2
        window = Window(use_case=use_case, since=since, until=until)
        times = here.decisions.scan(window, columns=["decision_time"])["decision_time"].to_pylist()
        if times:
            first: datetime = min(times)
            return first
    return None


@routes.get("/tasks/inbox", tags=["tasks"], operation_id="task_inbox", summary="The tasks that I could do, urgent first")
def show_inbox(here: PlatformHere, asker: Asker, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[Task]:
    require_read(here, asker, TASKS.name)
    with here.storage.reading() as tx:
        return list(inbox(tx, here.settings.organisation, asker, limit))


@routes.get(
    "/tasks/{task}/view",
    tags=["tasks"],
    operation_id="view_task",
    summary="A task with its decisions, comments and documents",
)
def show_task(here: PlatformHere, asker: Asker, task: Reference) -> TaskView:
    require_read(here, asker, TASKS.name)
    with here.storage.reading() as tx:
        return view_task(tx, mine(tx, TASKS, task, here.settings.organisation))
