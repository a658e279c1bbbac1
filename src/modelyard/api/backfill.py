"""Decisions that were made elsewhere, put into the log: `POST /api/v1/decisions/backfill`."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Query

from modelyard.api.access import Asker, PlatformHere
from modelyard.api.commands import FAULTS
from modelyard.api.decision_files import MEDIA_TYPES, Form
from modelyard.bootstrap import Platform
from modelyard.core.bus import Request
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.records import equals, first
from modelyard.decisions.backfill import Backfill
from modelyard.delivery.model import ENDPOINTS
from modelyard.governance.custody.commands import BackfillDecisions
from modelyard.governance.custody.model import Backfilled

TAKEN = {MEDIA_TYPES[form]: form for form in (Form.ARROW, Form.PARQUET, Form.JSONL)}
OCTETS = "application/octet-stream"
SOURCE = r"^[a-z0-9][a-z0-9._-]{0,59}$"
routes = APIRouter(tags=["decisions"])


@routes.post(
    "/decisions/backfill",
    responses=FAULTS,
    operation_id="governance_backfill_decisions",
    summary="Put decisions that were made elsewhere into the log",
    openapi_extra={
        "requestBody": {
            "description": f"A file, as {', '.join(TAKEN)}; or as application/octet-stream with its `format`",
            "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
            "required": True,
        }
    },
)
def backfill_decisions(
    here: PlatformHere,
    asker: Asker,
    data: Annotated[bytes, Body(media_type=OCTETS, include_in_schema=False)],
    endpoint: Annotated[str, Query(min_length=1, max_length=200, description="Where they would have been asked")],
    source: Annotated[str, Query(pattern=SOURCE, description="Where they were made; the same name every time")],
    use_case: Annotated[str | None, Query(min_length=1, max_length=200, description="That of the endpoint when left out")] = None,
    format: Annotated[Literal["arrow", "parquet", "jsonl"] | None, Query(description="By Content-Type when left out")] = None,  # noqa: A002
    reason: Annotated[str, Query(max_length=2000, description="Why: kept in the audit log")] = "",
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
) -> Backfilled:
    """Columns are those of the log: `id` (your own), `decision_time` and `inputs` are needed; `unit` and `subject` are
    identifiers, which become pseudonyms here. The same decision sent twice is there once. Rows have the role `backfill`."""
    told = {
        "source": source,
        "endpoint": endpoint,
        "use_case": _use_case(here, endpoint, use_case),
        "content": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "accepted": 0,
        "repeated": 0,
    }
    _give(here, asker, told, reason, dry_run=True)
    span: list[datetime] = []
    rows = _rows(Form(format) if format else _form(content_type), data, told | {"organisation": here.settings.organisation}, span)
    with Backfill(here.custodian.place.decisions, source, pseudonyms=here.pseudonyms, clock=here.clock) as log:
        done = log.add(rows)
    more = {
        "accepted": done.added,
        "repeated": done.repeated,
        "earliest": min(span, default=None),
        "latest": max(span, default=None),
    }
    return _give(here, asker, told | more, reason, dry_run=False)


def _give(here: Platform, asker: Any, told: dict[str, Any], reason: str, *, dry_run: bool) -> Backfilled:
    """Raises Forbidden before anything is written, as a dry run does everything but keep it."""
    command = BackfillDecisions.model_validate(told)
    request = Request(command=command, actor=asker, organisation=here.settings.organisation, reason=reason, dry_run=dry_run)
    made = here.bus.handle(request)
    assert isinstance(made, Backfilled)
    return made


def _use_case(here: Platform, endpoint: str, given: str | None) -> str:
    with here.storage.reading() as tx:
        found = first(tx, ENDPOINTS, equals("organisation", here.settings.organisation), equals("name", endpoint))
    if found is not None and given not in (None, found.use_case):
        raise InvalidInput(f"endpoint {endpoint} is of use case {found.use_case}", field="use_case", hint="leave it out")
    if found is not None and found.policy.protect:
        raise WrongState(
            f"endpoint {endpoint} protects {', '.join(found.policy.protect)} in the log, and a backfill comes in clear",
            field="endpoint",
            hint="leave those fields out, and give another endpoint's name with its use case",
        )
    if found is None and given is None:
        raise NotFound(f"there is no endpoint {endpoint!r}", field="endpoint", hint="or say which use case it was of")
    return found.use_case if found is not None else str(given)


def _form(content_type: str) -> Form:
    named = content_type.split(";", maxsplit=1)[0].strip().lower()
    if named not in TAKEN:
        raise InvalidInput(f"a body of {named or 'no type'!r:.80}", field="Content-Type", hint=f"one of {', '.join(TAKEN)}")
    return TAKEN[named]


def _rows(form: Form, data: bytes, told: dict[str, Any], span: list[datetime]) -> Iterator[Any]:
    """Batches with the columns that this request says for all of them. Raises InvalidInput for what is no such file."""
    import pyarrow as pa

    shared = {name: told[name] for name in ("organisation", "use_case", "endpoint")}
    try:
        for batch in _read(form, data):
            named = _named(batch, shared)
            if named.num_rows:
                span += _ends(named)
            yield named
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInput(f"the body is no {form.value}: {str(error).splitlines()[0][:200]}", field="body") from error


def _read(form: Form, data: bytes) -> Iterator[Any]:
    import pyarrow as pa

    if form is Form.ARROW:
        yield from pa.ipc.open_stream(data)
    elif form is Form.PARQUET:
        from pyarrow import parquet

        yield from parquet.ParquetFile(io.BytesIO(data)).iter_batches()
    else:
        yield from _json_lines(data)


def _json_lines(data: bytes) -> Iterator[Any]:
    """Rows of JSON lines; documents (`inputs`, `output`, `parts`) may be JSON or text, times are ISO 8601."""
    import json

    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            rows.append(_row(json.loads(line), number))
    yield from pa.Table.from_pylist(rows).to_batches() if rows else ()


def _row(row: Any, number: int) -> dict[str, Any]:
    import json

    if not isinstance(row, dict):
        raise InvalidInput(f"line {number} is no JSON object", field="body")
    found = dict(row)
    for name in ("inputs", "output", "parts"):
        if name in found and not isinstance(found[name], str | None):
            found[name] = json.dumps(found[name], ensure_ascii=False)
    for name in ("decision_time", "event_time"):
        if isinstance(found.get(name), str):
            found[name] = _moment(found[name], name, number)
    return found


def _moment(text: str, name: str, number: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"line {number}: {text[:60]!r} is no time", field=name, hint="2026-05-04T09:00:00Z") from error
    if moment.tzinfo is None:
        raise InvalidInput(f"line {number}: a time without a zone", field=name, hint="2026-05-04T09:00:00Z")
    return moment.astimezone(UTC)


def _named(batch: Any, shared: dict[str, str]) -> Any:
    """The batch in this organisation, use case and at this endpoint. Raises InvalidInput when it says otherwise."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, value in shared.items():
        if name in batch.schema.names:
            if not pc.all(pc.equal(batch.column(name), value)).as_py():
                raise InvalidInput(f"rows of another {name} than {value}", field=name, hint="send each by itself")
        else:
            batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
    return batch


def _ends(batch: Any) -> list[datetime]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if "decision_time" not in batch.schema.names or not pa.types.is_timestamp(batch.column("decision_time").type):
        return []
    found = pc.min_max(batch.column("decision_time")).as_py()
    return [moment for moment in found.values() if moment is not None and moment.tzinfo is not None]
