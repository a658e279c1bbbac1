"""Reading: every table that people may look at is a collection, filtered, sorted and paged by the database.

GET /api/v1/versions?q=delay&kind=ml&status=released&sort=-created_at&limit=20
GET /api/v1/versions/ver_…
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.bootstrap import Platform
from modelyard.catalog import model as catalog
from modelyard.catalog.search import parse
from modelyard.core import messages, outbox
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Query as Search
from modelyard.core.records import Record, Table, equals, first
from modelyard.delivery import model as delivery
from modelyard.delivery.batches import model as batches
from modelyard.governance.assurance import model as assurance
from modelyard.governance.custody import model as custody
from modelyard.governance.identity import model as identity
from modelyard.governance.policy import model as policy
from modelyard.governance.releases import model as releases
from modelyard.governance.risk import model as risk
from modelyard.jobs import model as jobs
from modelyard.lifecycle import model as lifecycle
from modelyard.lifecycle.tasks import model as tasks
from modelyard.monitoring import model as monitoring
from modelyard.value import model as value

LONGEST_PAGE = 200
WORDS = "Words of the record's text, and conditions like `tier=high` or `number>=3`"
R = TypeVar("R", bound=Record)


class PageOf(BaseModel, Generic[R]):
    """Some records; `next` is the `after` of the next page, absent at the end."""

    items: list[R]
    next: str | None = None


@dataclass(frozen=True)
class Collection:
    """A table at a path. `named` says that a record may also be asked for by its name."""

    path: str
    table: Table[Any]
    tag: str
    named: bool = False


COLLECTIONS: tuple[Collection, ...] = (
    Collection("/use-cases", catalog.USE_CASES, "catalog", named=True),
    Collection("/models", catalog.MODELS, "catalog", named=True),
    Collection("/versions", catalog.VERSION_STATES, "catalog"),
    Collection("/annotations", catalog.ANNOTATIONS, "catalog"),
    Collection("/lineage", catalog.LINEAGE, "catalog"),
    Collection("/status-changes", catalog.STATUS_CHANGES, "catalog"),
    Collection("/evidence", assurance.EVIDENCE, "assurance"),
    Collection("/gates", assurance.GATES, "assurance"),
    Collection("/risk-assessments", risk.RISK_ASSESSMENTS, "risk"),
    Collection("/approvals", assurance.APPROVALS, "assurance"),
    Collection("/decisions-of-approval", assurance.APPROVAL_DECISIONS, "assurance"),
    Collection("/releases", releases.RELEASES, "releases"),
    Collection("/revocations", releases.REVOCATIONS, "releases"),
    Collection("/keys", releases.KEYS, "releases"),
    Collection("/retentions", custody.RETENTIONS, "custody"),
    Collection("/retention-runs", custody.RETENTION_RUNS, "custody"),
    Collection("/holds", custody.HOLDS, "custody"),
    Collection("/erasures", custody.ERASURES, "custody"),
    Collection("/decision-exports", custody.EXPORTS, "custody"),
    Collection("/disclosures", custody.DISCLOSURES, "custody"),
    Collection("/backfills", custody.BACKFILLS, "custody"),
    Collection("/endpoints", delivery.ENDPOINTS, "delivery", named=True),
    Collection("/deployments", delivery.DEPLOYMENTS, "delivery"),
    Collection("/routes", delivery.ROUTES, "delivery"),
    Collection("/batches", batches.BATCHES, "delivery"),
    Collection("/fallback-uses", delivery.FALLBACK_USES, "delivery"),
    Collection("/orders", delivery.ORDERS, "delivery"),
    Collection("/identities", identity.IDENTITIES, "identity", named=True),
    Collection("/role-grants", identity.ROLE_GRANTS, "identity"),
    Collection("/tokens", identity.TOKENS, "identity"),
    Collection("/policies", policy.POLICY_SETS, "policy"),
    Collection("/jobs", jobs.JOBS, "jobs"),
    Collection("/schedules", jobs.SCHEDULES, "jobs"),
    Collection("/resource-limits", jobs.RESOURCE_LIMITS, "jobs", named=True),
    Collection("/monitors", monitoring.MONITORS, "monitoring", named=True),
    Collection("/monitor-runs", monitoring.MONITOR_RUNS, "monitoring"),
    Collection("/alerts", monitoring.ALERTS, "monitoring"),
    Collection("/value", value.VALUE_ENTRIES, "value"),
    Collection("/process-definitions", lifecycle.DEFINITIONS, "life cycles"),
    Collection("/process-instances", lifecycle.INSTANCES, "life cycles"),
    Collection("/process-incidents", lifecycle.INCIDENTS, "life cycles"),
    Collection("/process-steps", lifecycle.STEPS, "life cycles"),
    Collection("/process-stays", lifecycle.STAYS, "life cycles"),
    Collection("/process-timers", lifecycle.TIMERS, "life cycles"),
    Collection("/process-subscriptions", lifecycle.SUBSCRIPTIONS, "life cycles"),
    Collection("/process-work", lifecycle.WORK, "life cycles"),
    Collection("/tasks", tasks.TASKS, "tasks"),
    Collection("/task-decisions", tasks.TASK_DECISIONS, "tasks"),
    Collection("/task-notes", tasks.TASK_NOTES, "tasks"),
    Collection("/audit", messages.AUDIT, "audit"),
    Collection("/events", outbox.EVENTS, "audit"),
    Collection("/deliveries", outbox.INBOX, "audit"),
)


def add_routes(app: FastAPI, prefix: str) -> None:
    """A list and a look-up for each collection."""
    for collection in COLLECTIONS:
        _add_list(app, prefix, collection)
        _add_one(app, prefix, collection)


def _add_list(app: FastAPI, prefix: str, collection: Collection) -> None:
    table = collection.table
    filters = {name: _filter_type(table.record, name) for name in table.indexed}

    def listed(
        here: PlatformHere,
        asker: Asker,
        q: Annotated[
            str, Query(max_length=500, description="Words of the record's text, and conditions like `tier=high` or `number>=3`")
        ] = "",
        sort: Annotated[str, Query(max_length=100, description="A field; `-field` for descending")] = "-created_at",
        limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 50,
        after: Annotated[str | None, Query(max_length=2000, description="`next` of the page before")] = None,
        **wanted: Any,
    ) -> Any:
        require_read(here, asker, table.name)
        conditions, words = parse(q, table)
        where = [equals("organisation", here.settings.organisation), *conditions]
        where += [equals(name, value) for name, value in wanted.items() if value is not None]
        query = Search(
            where=tuple(where), text=words, sort=sort.removeprefix("-"), descending=sort.startswith("-"), limit=limit, after=after
        )
        with here.storage.reading() as tx:
            page = tx.find(table, query)
        return PageOf[table.record](items=list(page.items), next=page.next)  # type: ignore[name-defined]

    _sign(listed, filters)
    app.add_api_route(
        prefix + collection.path,
        listed,
        methods=["GET"],
        response_model=PageOf[table.record],  # type: ignore[name-defined]
        responses=FAULTS,
        tags=[collection.tag],
        operation_id=f"list_{table.name}",
        summary=f"List {table.name.replace('_', ' ')}",
    )


def _add_one(app: FastAPI, prefix: str, collection: Collection) -> None:
    table = collection.table

    def one(here: PlatformHere, asker: Asker, id: Annotated[str, Path(min_length=1, max_length=300)]) -> Any:  # noqa: A002
        require_read(here, asker, table.name)
        return record_of(here, collection, id)

    app.add_api_route(
        prefix + collection.path + "/{id}",
        one,
        methods=["GET"],
        response_model=table.record,
        responses=FAULTS,
        tags=[collection.tag],
        operation_id=f"get_{table.name}",
        summary=f"Show one of {table.name.replace('_', ' ')}",
    )


def record_of(here: Platform, collection: Collection, reference: str) -> Record:
    """The record of that id, or name where the collection has names. Raises NotFound."""
    mine = equals("organisation", here.settings.organisation)
    with here.storage.reading() as tx:
        found: Record | None = first(tx, collection.table, mine, equals("id", reference))
        if found is None and collection.named:
            found = first(tx, collection.table, mine, equals("name", reference))
    if found is None:
        raise NotFound(f"there is no {reference!r} in {collection.path[1:]}", field="id")
    return found


def _filter_type(record: type[Record], name: str) -> Any:
    """The type of a query parameter: that of the record's field, optional; collections are not filtered on."""
    annotation = record.model_fields[name].annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(a for a in get_args(annotation) if a is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        annotation = str
    known = inspect.isclass(annotation) and issubclass(annotation, (str, int, float, bool, datetime, Enum))
    if not known:
        raise InvalidInput(f"{record.__name__}.{name} cannot be a filter")
    return annotation


def _sign(listed: Any, filters: dict[str, Any]) -> None:
    own = inspect.signature(listed, eval_str=True)
    fixed = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for p in own.parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[kind | None, Query(description=f"Only those with this {name}")],
            default=None,
        )
        for name, kind in filters.items()
    ]
    listed.__signature__ = own.replace(parameters=[*fixed, *more])
    listed.__annotations__ = {p.name: p.annotation for p in (*fixed, *more)}
