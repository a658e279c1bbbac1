"""The HTTP face. Every error is `{"error": …}` with the protocol's status."""

from __future__ import annotations

import asyncio
from math import isnan
from time import perf_counter, time
from typing import Any

import structlog

from modelyard.core.errors import InvalidInput, ModelyardError, NotFound, TooLarge, Unavailable
from modelyard.runtime import metrics as exposition
from modelyard.runtime import protocol
from modelyard.runtime.answering import Answering, endpoint_of
from modelyard.runtime.aside import MANY, aside
from modelyard.runtime.asked import ReplyHeaders
from modelyard.runtime.calls import Draft
from modelyard.runtime.errors import BodyLate, BodyWrong, MethodNotAllowed, Overloaded, body_wrong
from modelyard.runtime.forms import Door, about, door, encodings, form_of, is_door
from modelyard.runtime.forms.limits import LONG
from modelyard.runtime.forms.media import wants_events
from modelyard.runtime.http import BodyBroken, CallerGone, Exchange
from modelyard.runtime.lanes import DEADLINE, Lanes, trace_of
from modelyard.runtime.leaving import Leaving
from modelyard.runtime.limits import Held
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.order_door import PATH as ORDERS
from modelyard.runtime.order_door import OrderDoor
from modelyard.runtime.quick import Lane, Ticket
from modelyard.runtime.shadows import Shadows
from modelyard.runtime.spool import RefusalSpool
from modelyard.runtime.streaming import Listener
from modelyard.runtime.table import ServedEndpoint, Table

_JSON = [("content-type", "application/json")]
_TEXT = [("content-type", exposition.CONTENT_TYPE)]
_LOG = structlog.get_logger("modelyard.runtime")


class App:
    """Answers HTTP requests against the table of the moment; `table` is replaced whole. Requests whose model is being asked keep
    theirs, those that wait go by the new one."""

    def __init__(
        self,
        answering: Answering,
        shadows: Shadows,
        metrics: Metrics,
        spool: RefusalSpool,
        largest_body: int,
        lanes: Lanes,
        body_seconds: float = 30.0,
        leaving: Leaving | None = None,
    ) -> None:
        self._answering, self._shadows, self._metrics, self._spool = answering, shadows, metrics, spool
        self._largest_body, self._lanes = largest_body, lanes
        self._quick: dict[str, Lane] = {}
        lanes.onwards, answering.newest = self._onwards, lambda: self.table
        self._body_seconds = body_seconds
        self._leaving = leaving or Leaving()
        self.table: Table | None = None
        self.refusals: Any = tuple
        self.models: Any = list
        self.orders: OrderDoor | None = None

    def swap(self, table: Table) -> None:
        """Answer from this table from now on. Called from the thread that brings tables."""
        for endpoint in table.endpoints.values():
            endpoint.prepare(table)
        quick = self._lanes.laid(table)
        self._close_lanes()
        before, self.table, self._quick = self.table, table, {} if self._leaving.begun else quick
        for server in before.servers() if before is not None else ():
            server.recheck()

    def leave(self) -> None:
        """Answer on, but tell callers to come back by a new connection, which finds another runtime: who keeps one would be cut
        off at the end. The quick way does not do that."""
        self._close_lanes()
        self._quick = {}

    def _close_lanes(self) -> None:
        for lane in self._quick.values():
            lane.left = True

    def takes_whole(self, exchange: Exchange) -> bool:
        """Whether the request goes the quick way, as far as its head tells."""
        lane = self._quick.get(exchange.path)
        return lane is not None and lane.open and exchange.method == "POST" and self._lanes.enter(lane, exchange)

    def take(self, exchange: Exchange) -> None:
        """The quick way."""
        self._lanes.take(exchange)

    def give_up(self, exchange: Exchange, late: bool) -> None:
        """A request on the quick way whose body does not come."""
        self._lanes.leave()
        if late:
            exchange.run(self._infer(exchange, b"", BodyLate(f"the body did not come within {self._body_seconds:g} s")))

    async def __call__(self, exchange: Exchange) -> None:
        """A request to any path, the general way."""
        path = exchange.path
        if is_door(path):
            await self._infer(exchange)
            return
        if path == ORDERS and self.orders is not None:
            await self.orders(exchange)
            return
        headers, question = _JSON, None
        body: bytes | str
        try:
            if about.is_repository(path) and exchange.method == "POST":
                question = await self._body(exchange)
                status, body = 200, about.repository(path, question, self._table())
            else:
                status, body = 200, self._look(exchange.method, path)
        except Exception as error:  # noqa: BLE001 - the last line of defence; told below
            status, body = _problem(error)
            headers = _allowing(error, headers)
        if question is None:
            headers = await self._unread(exchange, headers)
        if isinstance(body, str):
            headers, body = _TEXT, body.encode()
        exchange.answer(status, headers, body)

    def _onwards(self, exchange: Exchange, ticket: Ticket | None, error: ModelyardError | None) -> None:
        """From where the quick way ended: with the arm that was drawn there, if its routes are still in force."""
        drawn = None
        if ticket is not None and error is None and not ticket.lane.left:
            drawn = ticket.draft()
        exchange.run(self._infer(exchange, exchange.body, error, drawn))

    async def _infer(
        self, exchange: Exchange, body: bytes | None = None, failed: Exception | None = None, drawn: Draft | None = None
    ) -> None:
        path, started = exchange.path, exchange.started
        table, call, listener = self.table, None, None
        held = self._answering.admission.held()
        ids: list[str] = []
        name = ""
        try:
            found = door(path)
            name, form = found.endpoint, found.form
            if exchange.method != "POST":
                raise MethodNotAllowed(f"{exchange.method} is not how to ask for an inference", hint="POST")
            if table is None:
                raise Unavailable("no route snapshot has been accepted yet")
            name = name or about.sole(table)
            endpoint = endpoint_of(table, name)
            if failed is not None:
                raise failed
            if body is None:
                body = await self._body(exchange, held)
            table = self.table or table  # a body may take its time, and what was in force when it began may be so no more
            endpoint = endpoint_of(table, name)
            if body[:1] != b"{":  # which no compressed body begins with
                body = await encodings.plain(body, exchange.headers, self._largest_body)
            most = self._answering.most_rows
            asked = await aside(len(body) > LONG, form.read, body, exchange.headers, endpoint.specs, most)
            asked.version, asked.trace = found.version, _trace(exchange)
            asked.deadline = _deadline(exchange, asked.deadline, started)
            listener = asked.listener = None if found.streams is False else _listener(found, exchange)
            said, call = await self._answering.answer(table, endpoint, asked, started, drawn)
            ids, status = said.ids, 200
            headers, answer = await aside(said.rows > MANY, form.write, said, asked)
        except Exception as error:  # noqa: BLE001 - the last line of defence; told below
            status, headers, answer = _refusal(path, error)
            if body is None:
                headers = await self._left_over(exchange, headers, error)
        try:
            if listener is None or not await listener.end(status, answer):
                await self._tell(exchange, status, headers, answer)
        finally:
            held.release()
        known = name if table is not None and name in table.endpoints else ""
        self._metrics.requests[known, status] += 1
        self._metrics.latency[known].observe(perf_counter() - started)
        if call is not None and call.endpoint.shadows:
            self._shadows.mirror(call, ids)

    async def _tell(self, exchange: Exchange, status: int, headers: ReplyHeaders, answer: bytes) -> None:
        if len(answer) > encodings.WORTH:
            headers, answer = await encodings.packed(headers, answer, exchange.headers)
        if self._leaving.begun:
            headers = [*headers, ("connection", "close")]
        exchange.answer(status, headers, answer)

    async def _body(self, exchange: Exchange, held: Held | None = None) -> bytes:
        """The body, within the time and the room there is for it. Raises TooLarge, Overloaded, BodyLate or BodyWrong."""
        length = exchange.headers.get("content-length")
        try:
            async with asyncio.timeout(self._body_seconds):
                if length is not None and length.isdigit():
                    if int(length) > self._largest_body:
                        raise self._too_large()
                    if held is not None:
                        held.grow(int(length))
                    whole: bytes = await exchange.whole()
                    return whole
                return await self._pieces(exchange, held)
        except TimeoutError as error:
            raise BodyLate(f"the body did not come within {self._body_seconds:g} s") from error
        except BodyBroken as error:
            raise body_wrong(error) from error
        except CallerGone as error:
            raise BodyLate("the caller left before the body was whole") from error

    async def _pieces(self, exchange: Exchange, held: Held | None) -> bytes:
        whole = bytearray()  # a list of pieces would take many times the memory of small ones
        async for piece in exchange:
            if len(whole) + len(piece) > self._largest_body:
                raise self._too_large()
            if held is not None:
                held.grow(len(piece))
            whole += piece
        return bytes(whole)

    async def _left_over(self, exchange: Exchange, headers: ReplyHeaders, error: Exception) -> ReplyHeaders:
        """As `_unread`, after an error; a body that did not come whole is not waited for again."""
        return (
            [*headers, ("connection", "close")]
            if isinstance(error, BodyLate | BodyWrong)
            else await self._unread(exchange, headers)
        )

    async def _unread(self, exchange: Exchange, headers: ReplyHeaders) -> ReplyHeaders:
        """The headers of an answer given before the request's body was read: what is left of a small body is read and dropped;
        with more of it, the caller is told that the connection ends, since the server closes one with an unread body."""
        length = exchange.headers.get("content-length") or "0"
        if length.isdigit() and int(length) <= 2 * self._largest_body and exchange.headers.get("transfer-encoding") is None:
            try:
                async with asyncio.timeout(self._body_seconds):
                    if int(length):
                        async for _ in exchange:
                            pass
            except (TimeoutError, CallerGone):
                return [*headers, ("connection", "close")]
            return headers
        return [*headers, ("connection", "close")]

    def _too_large(self) -> TooLarge:
        return encodings.too_large(self._largest_body)

    def _look(self, method: str, path: str) -> bytes | str:
        if method not in {"GET", "HEAD"} and not (method == "POST" and about.is_probe(path)):
            raise MethodNotAllowed(f"{method} {path[:80]} is not possible", hint="GET")
        if path == "/metrics":
            return self._metrics.text(self._gauges())
        if path == "/status":
            return protocol.encode(self._status())
        if path in {"/v2", "/v2/"}:
            return protocol.encode(about.server())
        if path in about.PROBES:
            if path in about.NEED_ROUTES:
                self._table()
                self._require_staying()
            return about.PROBES[path]
        if path.startswith("/v2/models/"):
            return self._model(path.removeprefix("/v2/models/").split("/"))
        raise NotFound(f"there is no {path[:80]}")

    def _model(self, steps: list[str]) -> bytes:
        ready = len(steps) > 1 and steps[-1] == "ready"
        steps = steps[:-1] if ready else steps
        if not (len(steps) == 1 or (len(steps) == 3 and steps[1] == "versions")) or not all(steps):
            raise NotFound("there is no such path")
        endpoint = endpoint_of(self._table(), steps[0])
        if len(steps) == 3:
            endpoint.version(steps[2])
        if not ready:
            return protocol.encode(_metadata(endpoint))
        self._require_staying()
        if not endpoint.can_answer(time()):
            starting = endpoint.starting()
            raise Unavailable(f"endpoint {steps[0]!r} cannot answer now" + (f": {'; '.join(starting)}" if starting else ""))
        return protocol.encode({"name": steps[0], "ready": True})

    def _require_staying(self) -> None:
        """Raises Unavailable when the runtime is about to end: what is asked now is answered, what comes later may not be."""
        if self._leaving.begun:
            raise Unavailable("the runtime is leaving: it still answers, but not for long", hint="ask another runtime")

    def _table(self) -> Table:
        if self.table is None:
            raise Unavailable("no route snapshot has been accepted yet")
        return self.table

    def _gauges(self) -> dict[str, tuple[str, float]]:
        table = self.table
        age = time() - table.issued_at.timestamp() if table else float("nan")
        return {
            "modelyard_epoch": ("Epoch of the route snapshot in force.", float(table.epoch if table else 0)),
            "modelyard_snapshot_age_seconds": ("Age of the route snapshot in force.", age),
            "modelyard_refusals_waiting": ("Refusals not yet handed over.", float(len(self._spool.waiting()))),
            "modelyard_leaving": ("1 from the order to end on.", float(self._leaving.begun)),
            **self._load(),
            "modelyard_refusals": ("Refusals recorded since the start.", float(self._spool.recorded)),
        }

    def _load(self) -> dict[str, tuple[str, float]]:
        admission, writer = self._answering.admission, self._lanes.writer
        return {
            "modelyard_requests_open": ("Requests under way.", float(admission.open)),
            "modelyard_requests_waiting": ("Requests in the queues of endpoints.", float(admission.waiting)),
            "modelyard_requests_shed": ("Requests turned away since the start.", float(admission.turned_away)),
            "modelyard_log_commits": ("Durable writes of the decision log since the start.", float(writer.commits)),
            "modelyard_log_unwritten": ("Requests that the decision log did not take.", float(writer.unwritten)),
        }

    def _status(self) -> dict[str, Any]:
        table = self.table
        return {
            "epoch": table.epoch if table else None,
            "snapshot": table.digest if table else None,
            "issued_at": table.issued_at if table else None,
            "phase": self._leaving.phase.name.lower(),
            "endpoints": [_endpoint_status(e) for e in table.endpoints.values()] if table else [],
            "refused_endpoints": table.refused if table else {},
            "refusals": self.refusals(),
            "log": self._lanes.writer.status(),
            "models": self.models(),
            "load": self._answering.admission.status(),
            "shadows": self._shadows.status(),
            "refusals_waiting": len(self._spool.waiting()),
        }


def _listener(found: Door, exchange: Exchange) -> Listener | None:
    """Who hears the answer while it is made, where the path says so or the caller asks for it."""
    return Listener(exchange) if found.streams or wants_events(exchange.headers) else None


def _deadline(exchange: Exchange, asked: float | None, started: float) -> float | None:
    """When the caller gives up: what the body says, or the header, whichever is sooner. Raises InvalidInput."""
    header = exchange.headers.get(DEADLINE)
    if header is None:
        return asked
    try:
        until = started + float(header) / 1000
        if isnan(until):
            raise ValueError(header)
    except ValueError as error:
        raise InvalidInput(f"not a number of milliseconds: {header[:40]!r}", field=DEADLINE) from error
    return until if asked is None else min(asked, until)


def _trace(exchange: Exchange) -> str | None:
    header = exchange.headers.get("traceparent")
    return None if header is None else trace_of(header)


def _told(error: Exception) -> tuple[int, str]:
    if not isinstance(error, ModelyardError):
        _LOG.error("a request failed", exc_info=error)
        return 500, "the runtime failed; its log says why"
    return 400 if error.status == 422 else error.status, str(error)


def _refusal(path: str, error: Exception) -> tuple[int, ReplyHeaders, bytes]:
    """The error as callers of that path expect it."""
    status, told = _told(error)
    headers, answer = form_of(path).refuse(status, told, error)
    if isinstance(error, Overloaded):
        headers = [*headers, ("retry-after", str(error.retry_after))]
    return status, _allowing(error, headers), answer


def _allowing(error: Exception, headers: ReplyHeaders) -> ReplyHeaders:
    """The headers, with the method that would do when another came."""
    if isinstance(error, MethodNotAllowed) and error.hint:
        return [*headers, ("allow", error.hint)]
    return headers


def _problem(error: Exception) -> tuple[int, bytes]:
    status, told = _told(error)
    return status, protocol.encode({"error": told})


def _metadata(endpoint: ServedEndpoint) -> dict[str, Any]:
    signature = endpoint.contract.predictor.signature if endpoint.contract else None
    described: dict[str, Any] = {
        "name": endpoint.routes.name,
        "versions": list(dict.fromkeys(slot.arm.version for slot in endpoint.live if slot.arm)),
        "platform": "modelyard",
    }
    for side in ("inputs", "outputs"):
        specs = getattr(signature, side) if signature else ()
        described[side] = [{"name": s.name, "datatype": s.type.value, "shape": [-1, *s.shape]} for s in specs]
    return described


def _endpoint_status(endpoint: ServedEndpoint) -> dict[str, Any]:
    now = time()
    return {
        "name": endpoint.routes.name,
        "stage": endpoint.routes.stage,
        "stale": now >= endpoint.stale_at,
        "arms": [
            {
                "name": arm.name,
                "role": arm.role.value,
                "share": arm.share,
                "version": arm.version,
                "manifest": arm.manifest,
                "ended": now >= arm.until,
            }
            for arm in endpoint.arms
        ],
        "idle_rules": list(endpoint.idle_rules),
        "starting": endpoint.starting(),
        "queues": {arm.name: arm.model.status() for arm in endpoint.arms},
        "missing": {slot.name: slot.refused for slot in endpoint.live if slot.arm is None},
    }
