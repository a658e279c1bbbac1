"""The quick way at the HTTP door: which paths have one now, and a request's way along it. No step of it waits in a coroutine: the
model's queue and the log call back."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import structlog

from modelyard.core.errors import ModelyardError, StorageFull
from modelyard.decisions import DecisionIds, LogUnwritable
from modelyard.runtime.asked import Headers
from modelyard.runtime.calls import Hidden
from modelyard.runtime.forms import encodings
from modelyard.runtime.forms.media import EVENTS, JSON, JSON_HEADERS
from modelyard.runtime.forms.oip import LENGTH
from modelyard.runtime.http import Exchange, head
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.quick import SHORTEST_TIMEOUT, Lane, Ticket, lanes
from modelyard.runtime.shadows import Shadows
from modelyard.runtime.table import Table
from modelyard.runtime.writer import LogWriter

_LOGGER = structlog.get_logger("modelyard.runtime")
DEADLINE = "x-timeout-ms"
"""The header that says after how many milliseconds the caller gives up."""
_LARGEST = 1 << 16
"""Bodies beyond this are not the usual single row."""
_LONGEST_NUMBER = 12
_TYPES = frozenset({JSON, *(f"{JSON};{space}charset={name}" for space in ("", " ") for name in ("utf-8", "UTF-8"))})
_HEAD = head(200, tuple(JSON_HEADERS))


class Lanes:
    """The quick ways of the table in force, by path. `laid` is called from the thread that brings tables, all else from the event
    loop."""

    def __init__(
        self, writer: LogWriter, ids: DecisionIds, hidden: Hidden, metrics: Metrics, admission: Admission, shadows: Shadows
    ) -> None:
        self.writer, self._ids, self._hidden, self._metrics = writer, ids, hidden, metrics
        self.admission, self._shadows = admission, shadows
        self.onwards: Callable[[Exchange, Ticket | None, ModelyardError | None], None]

    def laid(self, table: Table) -> dict[str, Lane]:
        """The quick ways of a table. An endpoint for which none can be made goes without."""
        found: dict[str, Lane] = {}
        for name, endpoint in table.endpoints.items():
            try:
                found |= lanes(table, endpoint, self.writer, self._ids, self._hidden, self._told, self._metrics)
            except Exception:
                _LOGGER.exception("no quick way", endpoint=name)
        return found

    def enter(self, lane: Lane, exchange: Exchange) -> bool:
        """Whether the request takes the quick way; it counts as under way from here on, until it is answered or leaves."""
        if self.admission.full or not _usual(exchange.headers):
            return False
        self.admission.open += 1
        exchange.state = lane
        return True

    def leave(self) -> None:
        """Somebody who entered takes the quick way no more."""
        self.admission.open -= 1

    def take(self, exchange: Exchange) -> None:
        """A request that entered, with its body."""
        lane: Lane = exchange.state
        try:
            ticket = lane.ticket(exchange) if lane.open and _timely(exchange) else None  # a body may take its time
        except Exception:
            self.leave()
            raise
        if ticket is None:
            self.leave()
            self.onwards(exchange, None, None)
            return
        trace = exchange.headers.get("traceparent")
        if trace is not None:
            ticket.trace = trace_of(trace)
        ticket.quick.server.put(ticket)

    def _told(self, ticket: Ticket, answer: bytes | ModelyardError | None) -> None:
        """What became of a request. Whatever goes wrong here must not reach those that share its commit."""
        exchange, error = ticket.exchange, None
        self.leave()
        try:
            if answer is not None and not isinstance(answer, bytes):
                answer, error = self._unlogged(ticket, answer)
            if answer is None:
                self.onwards(exchange, ticket, error)
                return
            if len(answer) > encodings.WORTH:
                exchange.run(_packed(exchange, answer))
            else:
                exchange.reply(_HEAD, answer)
            self._count(ticket, exchange.started)
            if ticket.lane.endpoint.shadows:
                self._shadows.mirror(ticket.call(), [ticket.decision])
        except Exception as error:  # noqa: BLE001  see above
            exchange.run(_broken(error))

    def _unlogged(self, ticket: Ticket, error: ModelyardError) -> tuple[bytes | None, ModelyardError | None]:
        """The answer though it could not be logged, where the endpoint allows that; else the error."""
        if not (ticket.lane.unlogged and isinstance(error, (StorageFull, LogUnwritable))):
            return None, error
        self._metrics.unlogged[ticket.lane.name] += 1
        return ticket.quick.answer(ticket, unlogged=True), None

    def _count(self, ticket: Ticket, started: float) -> None:
        metrics, name, way = self._metrics, ticket.lane.name, ticket.quick
        metrics.requests[name, 200] += 1
        metrics.decisions[name, way.arm.name, way.role] += 1
        metrics.latency[name].observe(perf_counter() - started)


async def _packed(exchange: Exchange, answer: bytes) -> None:
    reply, answer = await encodings.packed(JSON_HEADERS, answer, exchange.headers)
    exchange.answer(200, reply, answer)


async def _broken(error: Exception) -> None:
    """A failure as a task's, which ends the connection."""
    raise error


def _usual(headers: Headers) -> bool:
    """Whether nothing in the headers asks for more than the quick way does."""
    length = headers.get("content-length")
    if length is None or not length.isdigit() or int(length) > _LARGEST or headers.get("content-type") not in _TYPES:
        return False
    if EVENTS in (headers.get("accept") or ""):
        return False
    return headers.get(LENGTH) is None and headers.get("content-encoding") is None  # else the body is not all JSON as it is


def _timely(exchange: Exchange) -> bool:
    """Whether the caller still waits for as long as the quick way may take."""
    deadline = exchange.headers.get(DEADLINE)
    if deadline is None:
        return True
    if not (deadline.isascii() and deadline.isdigit() and len(deadline) < _LONGEST_NUMBER):
        return False
    return exchange.started + int(deadline) / 1000 - perf_counter() >= SHORTEST_TIMEOUT


def trace_of(header: str) -> str | None:
    """The trace id of a W3C `traceparent` header."""
    parts = header.split("-")
    return parts[1][:32] if len(parts) >= 4 else None
