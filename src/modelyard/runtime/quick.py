"""The quick way for the usual request: one row, JSON, nothing odd about it. Whatever surprises here takes the way that does it
all, so this one never has to say what is wrong. Event loop, but for `QuickWay.rows`.

What makes it quick: the body is decoded once into types made for the endpoint's inputs; an arm's part of the answer and log is
made once for each snapshot; rows that are committed together are encoded together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from time import perf_counter, time
from typing import Any, Literal, Union

import msgspec

from modelyard.core.errors import InvalidInput, ModelyardError, Unavailable
from modelyard.decisions import DecisionIds, Objects, Pseudonyms, Rows, json_lines
from modelyard.runtime import protocol
from modelyard.runtime.asked import Asked, Column, ReplyHeaders, Said
from modelyard.runtime.engine import MARGIN, Outputs
from modelyard.runtime.forms import DEFAULT
from modelyard.runtime.http import Exchange
from modelyard.runtime.inputs import Columns, FieldPlan, InputPlan, Row
from modelyard.runtime.protocol import Key
from modelyard.runtime.routing import draw
from modelyard.runtime.table import LiveSlot, ServedEndpoint, Table
from modelyard.runtime.writer import LogWriter, Way
from modelyard.trust.statements import OnUnlogged

_MOST_FIELDS = 512
_HEADERS = {"content-type": "application/json"}
_SHORTEST_TIMEOUT = 0.01
"""The quick way has no clock: it is for models that answer in far less."""
_RANDOM = 1 << 53
JSON: ReplyHeaders = [("content-type", "application/json")]


class _Parameters(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    routing_key: Key | None = None


class QuickReader:
    """Reads one row of a plan's inputs from the protocol's JSON."""

    def __init__(self, plan: InputPlan) -> None:
        self._fields = list(plan.fields.values())
        tensors = [_tensor(place, field) for place, field in enumerate(self._fields)]
        if len(tensors) == 1:  # of one type alone, msgspec does not ask for the name
            tensors.append(
                msgspec.defstruct("Other", [], namespace={"place": -1}, tag_field="name", tag=f"not {self._fields[0].name}")
            )
        inputs = list[Union[tuple(tensors)]]  # type: ignore[valid-type,misc]  # noqa: UP007  made at run time
        options = [("id", protocol.Text | None, None), ("parameters", _Parameters | None, None)]
        request = msgspec.defstruct("QuickRequest", [("inputs", inputs), *options], forbid_unknown_fields=True)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(request).decode
        self._order = list(range(len(self._fields)))
        self._checked = [(place, field.check) for place, field in enumerate(self._fields) if field.check is not None]
        self._vectors = [
            (place, field.size, [1, *field.spec.shape]) for place, field in enumerate(self._fields) if field.spec.shape
        ]

    def read(self, body: bytes) -> tuple[Row, str | None, Key | None] | None:
        """The row, the request's id and its routing key; None when the body is not the usual one, or wrong."""
        try:
            request = self._decode(body)
            row = self._row(request.inputs)
            if row is None:
                return None
            for place, check in self._checked:
                check(row[place] if self._fields[place].spec.shape else [row[place]])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput):
            return None
        parameters = request.parameters
        return row, request.id, None if parameters is None else parameters.routing_key

    def _row(self, tensors: list[Any]) -> Row | None:
        if [t.place for t in tensors] != self._order:
            tensors = sorted(tensors, key=_place)
            if [t.place for t in tensors] != self._order:
                return None
        row = [t.data[0] for t in tensors] if not self._vectors else [
            t.data if isinstance(t.data, list) else t.data[0] for t in tensors
        ]  # fmt: skip
        for place, size, shape in self._vectors:
            if len(row[place]) != size or tensors[place].shape != shape:
                return None
        return row


class Ticket:
    """One row on its way: in a model's queue, then in the log's. Its lane is told None when it must be answered
    otherwise, the error when it could not be logged, else the answer's body."""

    __slots__ = (
        "decision", "due", "exchange", "id", "key", "lane", "outputs", "place", "queue_time", "quick", "row", "since", "started",
        "texts", "trace", "way",
    )  # fmt: skip
    rows = 1
    columns: Columns | None = None
    gone = False

    def __init__(self, lane: Lane, way: QuickWay, row: Row, exchange: Exchange) -> None:
        self.way: Way | None = way
        self.row: Row | None = row
        self.lane, self.quick, self.exchange, self.started = lane, way, exchange, exchange.started
        self.since = perf_counter()
        self.due: float | None = None
        self.decision = ""
        self.texts: tuple[bytes, ...] = ()
        self.outputs: Outputs = {}
        self.place, self.queue_time = 0, 0.0
        self.id: str | None = None
        self.key: Key | None = None
        self.trace: str | None = None

    @property
    def stands(self) -> bool:
        """See `Waiting`."""
        return not self.lane.left

    def answered(self, outputs: Outputs, first: int, started: float) -> None:
        """See `Waiting`."""
        quick = self.quick
        if list(outputs) != quick.given or not all(isinstance(outputs[name][first], list) for name in quick.vectors):
            self.lane.told(self, None)  # the way that can do everything says what is wrong with it, or goes without
            return
        self.outputs, self.place, self.queue_time = outputs, first, started - self.since
        quick.writer.put(self)

    def failed(self, error: BaseException) -> None:
        """See `Waiting`."""
        self.lane.told(self, None)

    def groups(self) -> Sequence[Rows]:
        """See `Entry`."""
        return [self.quick.rows([self])]

    def logged(self, error: ModelyardError | None) -> None:
        """See `Entry`. What fails here must not reach those that share its commit."""
        try:
            answer = self.quick.answer(self) if error is None else error
        except Exception as failure:  # noqa: BLE001  see above
            answer = Unavailable(f"the answer cannot be written: {type(failure).__name__}")
        self.lane.told(self, answer)


Told = Callable[[Ticket, bytes | ModelyardError | None], None]


class QuickWay:
    """The quick way to one arm: all that its answers and its rows of the log have in common."""

    def __init__(
        self, writer: LogWriter, ids: DecisionIds, pseudonyms: Pseudonyms, table: Table, endpoint: ServedEndpoint, slot: LiveSlot
    ) -> None:
        assert slot.arm is not None
        probability = endpoint.share(slot)
        self.writer, self._ids, self._pseudonyms = writer, ids, pseudonyms
        self.slot, self.arm, self.server = slot, slot.arm, slot.arm.model
        self._stamp = endpoint.stamp(table, slot, slot.arm, probability)
        self._names = tuple(self.server.plan.names)
        self.role = slot.arm.role.value
        self.given = [spec.name for spec in self.server.predictor.signature.outputs]
        given = set(self.given)
        self._columns = [spec for spec in endpoint.outputs if spec.name in given]
        self.vectors = [spec.name for spec in self._columns if spec.shape]
        self._logged = b",".join(msgspec.json.encode(name).replace(b"%", b"%%") + b":%b" for name in self.given)
        self._logged = b"{" + self._logged + b"}"
        self._sent = [self.given.index(spec.name) for spec in self._columns]
        self._template = self._body(table, endpoint, False)
        self._unlogged = self._body(table, endpoint, True)

    def rows(self, entries: Sequence[Any]) -> Rows:
        """See `Way`. Called in the log's thread."""
        tickets: Sequence[Ticket] = entries
        now = perf_counter()
        found = [json_lines([t.outputs[name][t.place] for t in tickets]) for name in self.given]
        ids = self._ids.mint(len(tickets))
        output = []
        for ticket, decision, texts in zip(tickets, ids, zip(*found, strict=True), strict=True):
            ticket.decision, ticket.texts = decision, texts
            output.append(self._logged % texts)
        rows: dict[str, Any] = {
            "id": ids,
            "inputs": Objects(self._names, [t.row or () for t in tickets]),
            "output": output,
            "latency": [now - t.started for t in tickets],
            "queue_time": [t.queue_time for t in tickets],
        }
        asked, traces = [t.id for t in tickets], [t.trace for t in tickets]
        rows |= ({"request": asked} if _some(asked) else {}) | ({"trace": traces} if _some(traces) else {})
        if any(t.key is not None for t in tickets):
            rows["unit"] = [None if t.key is None else self._pseudonyms.of("unit", str(t.key)) for t in tickets]
        return Rows(len(tickets), rows, {"decision_time": int(time() * 1_000_000)}, self._stamp)

    def answer(self, ticket: Ticket, unlogged: bool = False) -> bytes:
        """The answer's body."""
        decision = ticket.decision.encode()
        called = b'"' + decision + b'"' if not ticket.id else msgspec.json.encode(ticket.id)
        texts = [ticket.texts[place] for place in self._sent]
        return (self._unlogged if unlogged else self._template) % (called, decision, *texts)

    def _body(self, table: Table, endpoint: ServedEndpoint, unlogged: bool) -> bytes:
        """The answer as the form writes it, with places for what differs."""
        mark = secrets.token_hex(16)
        marks = [f"{mark}-{i}" for i in range(len(self._columns))]
        columns = [
            Column(spec.name, spec.type.value, spec.shape, [[text] if spec.shape else text])
            for spec, text in zip(self._columns, marks, strict=True)
        ]
        name, arm = endpoint.routes.name, self.arm
        group = protocol.Group(arm.name, arm.version, arm.role.value)
        said = Said(name, arm.version, f"{mark}-id", [f"{mark}-decision"], [group], table.epoch, 1, columns, unlogged)
        body = DEFAULT.write(said, usual_request(endpoint))[1].replace(b"%", b"%%")
        body = body.replace(f'"{mark}-id"'.encode(), b"%b").replace(f"{mark}-decision".encode(), b"%b")
        for spec, text in zip(self._columns, marks, strict=True):
            body = body.replace((f'["{text}"]' if spec.shape else f'"{text}"').encode(), b"%b")
        return body


class Lane:
    """The quick way into an endpoint: which of its arms a row goes to."""

    def __init__(self, endpoint: ServedEndpoint, ways: Sequence[QuickWay], until: float, told: Told) -> None:
        """`told` hears what became of each row."""
        self.told = told
        self.endpoint, self._ways, self._until = endpoint, ways, until
        self._reader = QuickReader(ways[0].server.plan)
        self._servers = list({id(way.server): way.server for way in ways}.values())
        self._salt = endpoint.routes.sticky_salt
        self.name = endpoint.routes.name
        self.target = endpoint.routes.policy.latency_target
        self.unlogged = endpoint.routes.policy.unlogged is OnUnlogged.ANSWER
        self.left = False

    @property
    def open(self) -> bool:
        """Whether the quick way can be taken now: no newer routes are in force, all that serves may, and answers quickly."""
        if self.left or time() >= self._until:
            return False
        return self._servers[0].quick if len(self._servers) == 1 else all(server.quick for server in self._servers)

    def ticket(self, exchange: Exchange) -> Ticket | None:
        """A row ready for its arm's queue; None when the body is not the usual one."""
        found = self._reader.read(exchange.body)
        if found is None:
            return None
        row, asked, key = found
        ticket = Ticket(self, self._ways[self._drawn(key)], row, exchange)
        ticket.id, ticket.key = asked, key
        if self.target is not None:
            ticket.due = exchange.started + self.target * MARGIN
        return ticket

    def _drawn(self, key: Key | None) -> int:
        if len(self._ways) == 1:
            return 0
        number = secrets.randbits(53) / _RANDOM if key is None else draw(self._salt, str(key))
        return self.endpoint.shares.arm(number)


def lane(
    table: Table, endpoint: ServedEndpoint, writer: LogWriter, ids: DecisionIds, pseudonyms: Pseudonyms, told: Told
) -> Lane | None:
    """The endpoint's quick way; None when it needs what the quick way does not do."""
    arms = [slot.arm for slot in endpoint.live if slot.arm is not None]
    policy = endpoint.routes.policy
    if not arms or len(arms) < len(endpoint.live) or endpoint.shadows or not endpoint.outputs:
        return None
    if policy.rules or policy.sticky_by is not None or policy.protect or policy.concurrency is not None:
        return None
    if policy.timeout is not None and policy.timeout < _SHORTEST_TIMEOUT:
        return None
    taken = arms[0].model.plan.specs
    alike = all(arm.model.plan.specs == taken for arm in arms) and endpoint.inputs == frozenset(arms[0].model.plan.names)
    if not alike or len(taken) > _MOST_FIELDS or any(len(spec.shape) > 1 for spec in endpoint.outputs):
        return None
    if any(size < 1 for spec in taken for size in spec.shape):
        return None
    ways = [QuickWay(writer, ids, pseudonyms, table, endpoint, slot) for slot in endpoint.live]
    return Lane(endpoint, ways, min(endpoint.stale_at, *[arm.until for arm in arms]), told)


def usual_request(endpoint: ServedEndpoint) -> Asked:
    """What the protocol's form reads from a request without anything odd."""
    inputs = [{"name": s.name, "shape": [1, *s.shape], "datatype": s.type.value, "data": []} for s in endpoint.specs.values()]
    return DEFAULT.read(msgspec.json.encode({"inputs": inputs}), _HEADERS, endpoint.specs)


def _some(values: list[str | None]) -> bool:
    """Whether anything was given; an empty text was."""
    return any(value is not None for value in values)


def _place(tensor: Any) -> int:
    place: int = tensor.place
    return place


def _tensor(place: int, field: FieldPlan) -> Any:
    """The type of one field's tensor, told by its name."""
    shape, data = (list[int], list[field.item]) if field.spec.shape else (tuple[Literal[1]], tuple[field.item])  # type: ignore[name-defined]
    fields = [("shape", shape), ("datatype", Literal[tuple(sorted(field.accepts))]), ("data", data)]
    return msgspec.defstruct(
        f"Tensor{place}", fields, namespace={"place": place}, tag_field="name", tag=field.name,
        forbid_unknown_fields=True, gc=False,
    )  # fmt: skip
