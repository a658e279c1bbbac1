"""The quick way at the HTTP door: which paths have one now, and a request's way along it."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # it is the documented place

from modelyard.core.errors import StorageFull
from modelyard.decisions import DecisionIds, LogUnwritable
from modelyard.runtime.asked import Headers
from modelyard.runtime.calls import Hidden
from modelyard.runtime.errors import BodyLate
from modelyard.runtime.forms import encodings
from modelyard.runtime.forms.media import EVENTS
from modelyard.runtime.forms.oip import LENGTH
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.quick import JSON, Lane, Ticket, lane
from modelyard.runtime.table import Table
from modelyard.runtime.writer import LogWriter

_LOGGER = structlog.get_logger("modelyard.runtime")
DEADLINE = "x-timeout-ms"
"""The header that says after how many milliseconds the caller gives up."""
_LARGEST = 1 << 16
"""Bodies beyond this are not the usual single row."""


class Lanes:
    """The quick ways of the table in force, by path. `laid` is called from the thread that brings tables, all else from the event
    loop."""

    def __init__(
        self, writer: LogWriter, ids: DecisionIds, hidden: Hidden, metrics: Metrics, admission: Admission, read_seconds: float
    ) -> None:
        self.writer, self._ids, self._hidden, self._metrics = writer, ids, hidden, metrics
        self.admission, self._read_seconds = admission, read_seconds
        self._reading: dict[asyncio.Task[None], float] = {}
        self._sweeping = False

    def laid(self, table: Table) -> dict[str, Lane]:
        """The quick ways of a table. An endpoint for which none can be made goes without."""
        found = {}
        for name, endpoint in table.endpoints.items():
            try:
                made = lane(table, endpoint, self.writer, self._ids, self._hidden.pseudonyms)
            except Exception:
                _LOGGER.exception("no quick way", endpoint=name)
                continue
            if made is not None:
                found[f"/v2/models/{name}/infer"] = made
        return found

    async def answer(self, lane: Lane, scope: Any, proto: Any, started: float) -> tuple[bytes | None, Ticket | None]:
        """Answer the request, if it is the usual one. Otherwise its body, when that was read, and what it was drawn as.

        (None, None) means: not answered, body unread; the ticket alone: answered.
        """
        headers, admission = scope.headers, self.admission
        if admission.full or not _usual(headers):
            return None, None
        admission.open += 1
        try:  # one coroutine for all of it: each further one would be resumed with every step
            task = self._reads(started)
            try:
                body: bytes = await proto()
            except asyncio.CancelledError as error:
                if task in self._reading:
                    raise
                task.uncancel()
                raise BodyLate(f"the body did not come within {self._read_seconds:g} s") from error
            except ProtocolClosed as error:
                raise BodyLate("the caller left before the body was whole") from error
            finally:
                self._reading.pop(task, None)
            ticket = self._queued(lane, headers, body, started)
            if ticket is None:
                return body, None
            answer = await ticket.future
            if answer is None:
                return body, ticket
            if type(answer) is not bytes:
                answer = self._unlogged(lane, ticket, answer)
            reply = JSON
            if len(answer) > encodings.WORTH:
                reply, answer = await encodings.packed(JSON, answer, headers)
            proto.response_bytes(200, reply, answer)
        finally:
            admission.open -= 1
        self._count(lane, ticket, started)
        return None, ticket

    def _queued(self, lane: Lane, headers: Headers, body: bytes, started: float) -> Ticket | None:
        """The request in its model's queue; None when it is not the usual one after all."""
        if not lane.open:  # a body may take its time: what was in force when it began may be so no more
            return None
        ticket = lane.ticket(body, started, asyncio.get_running_loop())
        if ticket is None:
            return None
        trace = headers.get("traceparent")
        if trace is not None:
            ticket.trace = trace_of(trace)
        ticket.quick.server.put(ticket)
        return ticket

    def _unlogged(self, lane: Lane, ticket: Ticket, error: Any) -> bytes:
        """The answer though it could not be logged, where the endpoint allows that. Raises the error otherwise."""
        if not (lane.unlogged and isinstance(error, (StorageFull, LogUnwritable))):
            raise error
        self._metrics.unlogged[lane.name] += 1
        return ticket.quick.answer(ticket, unlogged=True)

    def _count(self, lane: Lane, ticket: Ticket, started: float) -> None:
        metrics, name, way = self._metrics, lane.name, ticket.quick
        metrics.requests[name, 200] += 1
        metrics.decisions[name, way.arm.name, way.role] += 1
        metrics.latency[name].observe(perf_counter() - started)

    def _reads(self, started: float) -> asyncio.Task[None]:
        """Notes that the task reads a body. One timer looks after all of them: one for each would cost as much as the reading."""
        task: Any = asyncio.current_task()
        self._reading[task] = started
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(self._read_seconds / 4, self._sweep)
        return task  # type: ignore[no-any-return]

    def _sweep(self) -> None:
        latest = perf_counter() - self._read_seconds
        for task, since in list(self._reading.items()):
            if since < latest:
                del self._reading[task]
                task.cancel()
        self._sweeping = bool(self._reading)
        if self._sweeping:
            asyncio.get_running_loop().call_later(self._read_seconds / 4, self._sweep)


def _usual(headers: Headers) -> bool:
    """Whether nothing in the headers asks for more than the quick way does."""
    length = headers.get("content-length")
    if length is None or not length.isdigit() or int(length) > _LARGEST or headers.get("content-type") != "application/json":
        return False
    if headers.get(DEADLINE) is not None or EVENTS in (headers.get("accept") or ""):
        return False
    return headers.get(LENGTH) is None and headers.get("content-encoding") is None  # else the body is not all JSON as it is


def trace_of(header: str) -> str | None:
    """The trace id of a W3C `traceparent` header."""
    parts = header.split("-")
    return parts[1][:32] if len(parts) >= 4 else None
