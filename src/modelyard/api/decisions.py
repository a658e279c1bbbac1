"""Reading the decision log: one decision, a window as JSON or as a file, counts; protected fields in clear to who may see them.

GET  /api/v1/decisions?endpoint=hold&since=2026-06-01T00:00:00Z&format=parquet
POST /api/v1/decisions/search     {"endpoint": "hold", "subject": "C-1234"}       identifiers stand in bodies, not in addresses
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.api.access import Asker, PlatformHere, require_read
from modelyard.api.commands import FAULTS
from modelyard.api.decision_files import MEDIA_TYPES, Form, accepted, encoded
from modelyard.api.subjects import Identifier, pseudonym
from modelyard.bootstrap import Platform
from modelyard.catalog.lookup import find_model, find_version
from modelyard.catalog.model import VERSIONS
from modelyard.client.decision_forms import DecisionGroup, LateTold, Summary
from modelyard.core.bus import Request
from modelyard.core.digests import DIGEST
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.messages import Actor
from modelyard.core.records import equals, every
from modelyard.decisions import DECISIONS, OUTCOMES, Time, Window, join, joined, late_outcomes
from modelyard.governance.custody.commands import MOST_REVEALED, ExportDecisions, RevealDecisions
from modelyard.governance.custody.model import PSEUDONYM

GREATEST_READ = 10_000
NOWHERE = "nowhere"
NO_IDENTIFIERS = "a pseudonym; send identifiers in the body of POST /decisions/search, as addresses end up in logs"
WHY = "Why: kept in the audit log; `reveal` needs it"
routes = APIRouter(tags=["decisions"], responses=FAULTS)


class DecisionRows(BaseModel):
    """Decisions in the order of the log (writer by writer, each in its order), with outcomes where there are any. `more` says
    that the window holds more."""

    items: list[dict[str, Any]]
    more: bool


class Wanted(BaseModel):
    """Which decisions; what is not given does not filter. `since` is inclusive, `until` is not; `by` says which time they are
    about. `version` is `model@3`, an id or a manifest digest. `as_of` shows what was known at that moment: later decisions and
    outcomes are left out. Shadows' answers are left out unless `shadows`, or their arm or role, asks for them. `outcomes` joins
    what came of each decision; without a word, JSON has it and files do not."""

    model_config = ConfigDict(extra="forbid")

    endpoint: Annotated[str | None, Field(max_length=200)] = None
    use_case: Annotated[str | None, Field(max_length=200)] = None
    model: Annotated[str | None, Field(max_length=200)] = None
    version: Annotated[str | None, Field(max_length=300)] = None
    arm: Annotated[str | None, Field(max_length=200)] = None
    role: Annotated[str | None, Field(max_length=50)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    by: Time = Time.DECISION
    shadows: bool = False
    as_of: AwareDatetime | None = None
    outcomes: bool | None = None
    format: Form | None = None
    limit: Annotated[int | None, Field(ge=1, le=10**9)] = None
    reveal: bool = False


class WantedByAddress(Wanted):
    """The same, for an address: people and routing keys by their pseudonyms."""

    unit: Annotated[str | None, Field(pattern=PSEUDONYM, description=f"Routing key: {NO_IDENTIFIERS}")] = None
    subject: Annotated[str | None, Field(pattern=PSEUDONYM, description=f"Person: {NO_IDENTIFIERS}")] = None
    reason: Annotated[str, Field(max_length=2000, description=WHY)] = ""


class Search(Wanted):
    """The same, with the identifiers of a person and a routing key as callers of the endpoint give them."""

    key: Identifier | None = None
    subject: Identifier | None = None


FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Decisions",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in list(MEDIA_TYPES.values())[1:]},
    },
}
Reason = Annotated[str, Query(max_length=2000, description=WHY)]
Accept = Annotated[str, Header(include_in_schema=False)]


@routes.get(
    "/decisions",
    responses=FILES,
    response_model=DecisionRows,
    operation_id="list_decisions",
    summary="Read the decision log, as JSON or as a file",
)
def list_decisions(here: PlatformHere, asker: Asker, wanted: Annotated[WantedByAddress, Query()], accept: Accept = "") -> Any:
    """JSON holds the first `limit` decisions of a window (100, at most 10,000). Files (`format`, or an `Accept` header) hold all
    of them and are told in the audit log."""
    return _answer(here, asker, wanted, (wanted.unit, wanted.subject), wanted.reason, accept)


@routes.post(
    "/decisions/search",
    responses=FILES,
    response_model=DecisionRows,
    operation_id="search_decisions",
    summary="Read the decisions about a person or a routing key",
)
def search_decisions(here: PlatformHere, asker: Asker, wanted: Search, reason: Reason = "", accept: Accept = "") -> Any:
    """As `GET /decisions`, with identifiers in the body: they become pseudonyms here and are kept nowhere."""
    who = (pseudonym(here, "unit", wanted.key), pseudonym(here, "subject", wanted.subject))
    return _answer(here, asker, wanted, who, reason, accept)


@routes.get("/decisions/summary", operation_id="summarise_decisions", summary="Count decisions and outcomes")
def summarise_decisions(here: PlatformHere, asker: Asker, wanted: Annotated[WantedByAddress, Query()]) -> Summary:
    """By day, arm, version and role; how many have an outcome; which outcomes came late."""
    require_read(here, asker, "decisions")
    groups: Counter[tuple[Any, ...]] = Counter()
    with_outcome: Counter[tuple[Any, ...]] = Counter()
    columns = ["decision_time", "answered_arm", "manifest", "role"]
    for table in _joined(here, wanted, (wanted.unit, wanted.subject), columns):
        for row in _counted(table):
            group = (row["day"], row["answered_arm"], row["manifest"], row["role"])
            groups[group] += row["id_count"]
            with_outcome[group] += row["outcome_correction_count"]
    late = late_outcomes(here.decisions, here.outcome_reader, wanted.since, wanted.until)
    total, known = groups.total(), with_outcome.total()
    return Summary(
        decisions=total,
        outcomes=known,
        coverage=known / total if total else None,
        groups=tuple(
            DecisionGroup(day=g[0], arm=g[1], version=g[2], role=g[3], decisions=n, outcomes=with_outcome[g])
            for g, n in sorted(groups.items(), key=lambda item: tuple(str(part) for part in item[0]))
        ),
        late=LateTold(outcomes=late.outcomes, late=late.late, unknown=late.unknown, by_endpoint=late.by_endpoint),
    )


@routes.get("/decisions/{id}", operation_id="get_decision", summary="Show one decision")
def get_decision(
    here: PlatformHere,
    asker: Asker,
    id: Annotated[str, Path(min_length=1, max_length=100)],  # noqa: A002
    reveal: Annotated[bool, Query(description="Protected fields in clear")] = False,
    as_of: Annotated[AwareDatetime | None, Query(description="With the outcome as it was known then")] = None,
    reason: Reason = "",
) -> dict[str, Any]:
    """One decision with its outcome."""
    require_read(here, asker, "decisions")
    found = here.decisions.find([id])
    if found.num_rows == 0:
        raise NotFound(f"there is no decision {id!r}", field="id")
    rows: list[dict[str, Any]] = join(found, here.outcome_reader.find([id]), as_of=as_of).to_pylist()
    return (_revealed(here, asker, rows[:1], reason) if reveal else rows)[0]


def _answer(
    here: Platform, asker: Actor, wanted: Wanted, who: tuple[str | None, str | None], reason: str, accept: str
) -> Response | DecisionRows:
    require_read(here, asker, "decisions")
    form = wanted.format or accepted(accept)
    if form is Form.JSON:
        return _page(here, asker, wanted, who, reason)
    if wanted.reveal:
        raise InvalidInput("files do not hold protected fields in clear", field="reveal", hint="leave format away")
    return _file(here, asker, wanted, who, form, reason)


def _page(here: Platform, asker: Actor, wanted: Wanted, who: tuple[str | None, str | None], reason: str) -> DecisionRows:
    limit, most = wanted.limit or 100, MOST_REVEALED if wanted.reveal else GREATEST_READ
    if limit > most:
        raise InvalidInput(f"{limit} decisions are more than the {most} of one answer", field="limit", hint="ask for a file")
    window, role = _window(here, wanted, who), wanted.role
    most_read = limit + 1
    table = here.decisions.scan(window, limit=most_read) if role is None else _first(here, window, role, most_read)
    if wanted.outcomes is not False:
        table = join(table, here.outcome_reader.find(table["id"].to_pylist()), as_of=wanted.as_of)
    rows: list[dict[str, Any]] = table.slice(0, limit).to_pylist()
    items = _revealed(here, asker, rows, reason) if wanted.reveal and rows else rows
    return DecisionRows(items=items, more=table.num_rows > limit)


def _first(here: Platform, window: Window, role: str, limit: int) -> Any:
    """The first decisions of a role."""
    import pyarrow as pa

    found, rows = [], 0
    for batch in here.decisions.batches(window):
        found.append(_of_role(batch, role))
        rows += found[-1].num_rows
        if rows >= limit:
            break
    return pa.Table.from_batches(found, schema=DECISIONS).slice(0, limit)


def _file(
    here: Platform, asker: Actor, wanted: Wanted, who: tuple[str | None, str | None], form: Form, reason: str
) -> StreamingResponse:
    """The file as it is read. Its beginning is read before the answer starts, so that what is wrong can still be told."""
    tables = _joined(here, wanted, who, None) if wanted.outcomes else _plain(here, wanted, who)
    pieces = _limited(tables, wanted.limit)
    beginning = next(pieces, None)
    _told(here, asker, wanted, narrowed=any(who), form=form, reason=reason)
    schema = _schema(with_outcomes=bool(wanted.outcomes))
    data = encoded(form, schema, pieces if beginning is None else chain([beginning], pieces))
    headers = {"Content-Disposition": f'attachment; filename="decisions.{form.value}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(data, media_type=MEDIA_TYPES[form], headers=headers)


def _told(here: Platform, asker: Actor, wanted: Wanted, *, narrowed: bool, form: Form, reason: str) -> None:
    command = ExportDecisions(
        form=form.value,
        endpoint=wanted.endpoint,
        use_case=wanted.use_case,
        since=wanted.since if wanted.by is Time.DECISION else None,
        until=wanted.until if wanted.by is Time.DECISION else None,
        narrowed=narrowed,
        outcomes=bool(wanted.outcomes),
    )
    here.bus.handle(Request(command=command, actor=asker, organisation=here.settings.organisation, reason=reason))


def _revealed(here: Platform, asker: Actor, rows: list[dict[str, Any]], reason: str) -> list[dict[str, Any]]:
    """The rows in clear, told in the audit log first. Raises Forbidden for who may not see them."""
    command = RevealDecisions(decisions=tuple(row["id"] for row in rows))
    here.bus.handle(Request(command=command, actor=asker, organisation=here.settings.organisation, reason=reason))
    return here.in_clear(rows)


def _window(here: Platform, wanted: Wanted, who: tuple[str | None, str | None]) -> Window:
    until = wanted.until
    if wanted.as_of is not None and wanted.by is Time.DECISION:
        until = wanted.as_of if until is None else min(until, wanted.as_of)
    return Window(
        organisation=here.settings.organisation,
        use_case=wanted.use_case,
        endpoint=wanted.endpoint,
        versions=_versions(here, wanted),
        arms=(wanted.arm,) if wanted.arm else (),
        key=who[0],
        subject=who[1],
        since=wanted.since,
        until=until,
        by=wanted.by,
        shadows=wanted.shadows or wanted.role == "shadow",
    )


def _versions(here: Platform, wanted: Wanted) -> tuple[str, ...]:
    """The manifests that are asked for; nowhere's when a model has none. Raises NotFound."""
    if wanted.version is not None and DIGEST.match(wanted.version):
        return (wanted.version,)
    organisation = here.settings.organisation
    with here.storage.reading() as tx:
        if wanted.version is not None:
            return (find_version(tx, organisation, wanted.version).manifest_digest,)
        if wanted.model is not None:
            model = find_model(tx, organisation, wanted.model)
            found = tuple({v.manifest_digest for v in every(tx, VERSIONS, equals("model_id", model.id))})
            return found or (NOWHERE,)
    return ()


def _plain(here: Platform, wanted: Wanted, who: tuple[str | None, str | None]) -> Iterator[Any]:
    import pyarrow as pa

    for batch in here.decisions.batches(_window(here, wanted, who)):
        yield _known_then(_of_role(pa.Table.from_batches([batch]), wanted.role), wanted.as_of)


def _joined(here: Platform, wanted: Wanted, who: tuple[str | None, str | None], columns: list[str] | None) -> Iterator[Any]:
    window = _window(here, wanted, who)
    for table in joined(here.decisions, here.outcome_reader, window, columns, as_of=wanted.as_of):
        yield _known_then(_of_role(table, wanted.role), wanted.as_of)


def _of_role(rows: Any, role: str | None) -> Any:
    import pyarrow.compute as pc

    return rows if role is None else rows.filter(pc.fill_null(pc.equal(rows["role"], role), False))


def _known_then(table: Any, as_of: datetime | None) -> Any:
    """Without decisions that were made later, for windows over another time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if as_of is None:
        return table
    times = table["decision_time"]
    return table.filter(pc.less(times, pa.scalar(as_of, times.type)))


def _limited(tables: Iterator[Any], limit: int | None) -> Iterator[Any]:
    left = limit
    for table in tables:
        if left is not None and table.num_rows >= left:
            yield table.slice(0, left)
            return
        left = None if left is None else left - table.num_rows
        if table.num_rows:
            yield table


def _schema(*, with_outcomes: bool) -> Any:
    empty = DECISIONS.empty_table()
    return join(empty, OUTCOMES.empty_table()).schema if with_outcomes else DECISIONS


def _counted(table: Any) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    day = pc.strftime(table["decision_time"].cast(pa.timestamp("s", "UTC"), safe=False), format="%Y-%m-%d")
    keys = ["day", "answered_arm", "manifest", "role"]
    grouped = table.append_column("day", day).group_by(keys)
    rows: list[dict[str, Any]] = grouped.aggregate([("id", "count"), ("outcome_correction", "count")]).to_pylist()
    return rows
