"""The quick way for the usual request: one row, JSON, nothing odd about it. Whatever surprises here takes the way that does it
all, so this one never has to say what is wrong. Event loop, but for `QuickWay.rows`.

What makes it quick: the body is decoded once into types made for the endpoint's inputs (`usual`); an arm's part of the answer and
log is made once for each snapshot (`blanks`); rows that are committed together are encoded together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput, ModelyardError, Unavailable
from modelyard.decisions import DecisionIds, Objects, Rows, json_lines
from modelyard.runtime.asked import Asked
from modelyard.runtime.blanks import FACES, Blank, Face
from modelyard.runtime.calls import Call, Draft, Hidden
from modelyard.runtime.engine import MARGIN, Outputs
from modelyard.runtime.http import Exchange
from modelyard.runtime.inputs import Columns, Row
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.protocol import Group
from modelyard.runtime.routing import draw
from modelyard.runtime.table import LiveSlot, ServedEndpoint, Table
from modelyard.runtime.usual import Reader, Usual
from modelyard.runtime.writer import LogWriter, Way
from modelyard.trust.statements import OnUnlogged

_MOST_FIELDS = 512
SHORTEST_TIMEOUT = 0.01
"""The quick way has no clock: it is for models that answer in far less."""
_RANDOM = 1 << 53


class Ticket:
    """One row on its way: in a model's queue, then in the log's. Its lane is told None when it must be answered
    otherwise, the error when it could not be logged, else the answer's body."""

    __slots__ = (
        "asked", "decided", "decision", "due", "exchange", "key", "lane", "outputs", "place", "queue_time", "quick", "row",
        "since", "started", "texts", "trace", "way",
    )  # fmt: skip
    rows = 1
    columns: Columns | None = None
    gone = False

    def __init__(self, lane: Lane, way: QuickWay, asked: Usual, key: str | None, exchange: Exchange) -> None:
        self.way: Way | None = way
        self.asked, self.key = asked, key
        self.row: Row | None = asked.row
        self.lane, self.quick, self.exchange, self.started = lane, way, exchange, exchange.started
        self.since = perf_counter()
        self.due: float | None = None
        self.decision, self.decided = "", 0
        self.texts: tuple[bytes, ...] = ()
        self.outputs: Outputs = {}
        self.place, self.queue_time = 0, 0.0
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

    def draft(self) -> Draft:
        """The draw that was made, for who answers it otherwise."""
        return Draft(self.quick.slot, None, self.quick.probability)

    def call(self) -> Call:
        """The request as shadows take it. All of an endpoint with a quick way take the same inputs."""
        asked, endpoint = self.asked, self.lane.endpoint
        columns = [[value] for value in asked.row]
        plans = [id(arm.model.plan) for arm in endpoint.shadows]
        return Call(
            self.lane.table,
            endpoint,
            Asked({}, 1, asked.id, trace=self.trace),
            1,
            self.key,
            None if asked.subject is None else [asked.subject],
            None if asked.event_time is None else [asked.event_time],
            self.started,
            dict.fromkeys(plans, (1, columns)),
            {plan: {} for plan in plans},
            self.decided,
        )


Told = Callable[[Ticket, bytes | ModelyardError | None], None]


class QuickWay:
    """The quick way to one arm: all that its answers and its rows of the log have in common. `probability` is the chance with
    which rows come to it."""

    def __init__(
        self,
        writer: LogWriter,
        ids: DecisionIds,
        hidden: Hidden,
        table: Table,
        endpoint: ServedEndpoint,
        slot: LiveSlot,
        probability: float,
    ) -> None:
        """Raises InvalidInput when a field is to be encrypted and there is no key."""
        assert slot.arm is not None
        self.writer, self._ids, self._pseudonyms = writer, ids, hidden.pseudonyms
        self.slot, self.arm, self.server, self.probability = slot, slot.arm, slot.arm.model, probability
        self._stamp = endpoint.stamp(table, slot, slot.arm, probability)
        self._names = tuple(self.server.plan.names)
        self.role = slot.arm.role.value
        self.given = [spec.name for spec in self.server.predictor.signature.outputs]
        given = set(self.given)
        columns = [spec for spec in endpoint.outputs if spec.name in given]
        self.vectors = [spec.name for spec in columns if spec.shape]
        self._logged = b",".join(msgspec.json.encode(name).replace(b"%", b"%%") + b":%b" for name in self.given)
        self._logged = b"{" + self._logged + b"}"
        self._sent = [self.given.index(spec.name) for spec in columns]
        self._all_sent = self._sent == list(range(len(self.given)))
        self._protector = endpoint.protector(slot.arm, [*self._names, *self.given], hidden)
        group = Group(slot.arm.name, slot.arm.version, self.role)
        blank = partial(Blank, endpoint=endpoint.routes.name, group=group, epoch=table.epoch, columns=columns)
        self._blanks = {face.prefix: blank(face, unlogged=False) for face in FACES}
        self._unlogged = {face.prefix: blank(face, unlogged=True) for face in FACES}

    def rows(self, entries: Sequence[Any]) -> Rows:
        """See `Way`. Called in the log's thread."""
        tickets: Sequence[Ticket] = entries
        now, decided = perf_counter(), int(time() * 1_000_000)
        said = [[t.outputs[name][t.place] for t in tickets] for name in self.given]
        told = [json_lines(values) for values in said]
        ids = self._ids.mint(len(tickets))
        for ticket, decision, texts in zip(tickets, ids, zip(*told, strict=True), strict=True):
            ticket.decision, ticket.decided, ticket.texts = decision, decided, texts
        inputs: Sequence[Row] = [t.asked.row for t in tickets]
        if self._protector is not None:
            inputs = list(zip(*self._protector.columns(self._names, list(zip(*inputs, strict=True))), strict=True))
            kept = self._protector.columns(self.given, said)
            told = [text if k is s else json_lines(k) for text, k, s in zip(told, kept, said, strict=True)]
        rows: dict[str, Any] = {
            "id": ids,
            "inputs": Objects(self._names, inputs),
            "output": [self._logged % texts for texts in zip(*told, strict=True)],
            "latency": [now - t.started for t in tickets],
            "queue_time": [t.queue_time for t in tickets],
        }
        return Rows(len(tickets), rows | self._beside(tickets), {"decision_time": decided}, self._stamp)

    def _beside(self, tickets: Sequence[Ticket]) -> dict[str, Any]:
        """The columns of what not every request brings."""
        of, asked = self._pseudonyms.of, [t.asked for t in tickets]
        columns: dict[str, list[Any]] = {
            "request": [one.id for one in asked],
            "trace": [t.trace for t in tickets],
            "event_time": [one.event_time for one in asked],
            "unit": [None if t.key is None else of("unit", t.key) for t in tickets],
            "subject": [None if one.subject is None else of("subject", one.subject) for one in asked],
        }
        return {name: values for name, values in columns.items() if _some(values)}

    def answer(self, ticket: Ticket, unlogged: bool = False) -> bytes:
        """The answer's body."""
        texts = ticket.texts if self._all_sent else [ticket.texts[place] for place in self._sent]
        blank = (self._unlogged if unlogged else self._blanks)[ticket.lane.prefix]
        return blank.filled(ticket.asked.id, ticket.decision, texts)


class Lane:
    """The quick way into an endpoint by one form: which of its arms a row goes to."""

    def __init__(
        self,
        table: Table,
        endpoint: ServedEndpoint,
        face: Face,
        reader: Reader,
        ways: Ways,
        until: float,
        told: Told,
        metrics: Metrics,
    ) -> None:
        """`told` hears what became of each row."""
        self.told, self.prefix, self.table, self.endpoint = told, face.prefix, table, endpoint
        self._reader, self._until, self._metrics = reader, until, metrics
        self._ways, self._sent = ways.drawn, ways.sent
        self._sole = ways.drawn[0] if len(ways.drawn) == 1 else None
        self._servers = list({id(way.server): way.server for way in ways.drawn}.values())
        self._salt = endpoint.routes.sticky_salt
        self._names = self._servers[0].plan.names
        sticky = endpoint.routes.policy.sticky_by
        self._sticky = self._names.index(sticky) if sticky in self._names else None
        self._rules = endpoint.rules
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
        asked = self._reader.read(exchange.body)
        if asked is None:
            return None
        key = None if asked.key is None and self._sticky is None else self._key(asked)
        ticket = Ticket(self, self._sole or self._way(asked.row, key), asked, key, exchange)
        if self.target is not None:
            ticket.due = exchange.started + self.target * MARGIN
        return ticket

    def _key(self, asked: Usual) -> str | None:
        """The request's routing key, else the value of the input that the policy names."""
        if asked.key is not None:
            return str(asked.key)
        value = None if self._sticky is None else asked.row[self._sticky]
        return None if value is None or isinstance(value, list) else str(value)

    def _way(self, row: Row, key: str | None) -> QuickWay:
        if self._rules:
            values = dict(zip(self._names, row, strict=True))
            for number, rule in enumerate(self._rules):
                holds = rule.holds(values)
                if holds is None:
                    self._metrics.rule_failures[self.name, number] += 1
                elif holds:
                    return self._sent[rule.arm]
        return self._ways[self._drawn(key)]

    def _drawn(self, key: str | None) -> int:
        number = secrets.randbits(53) / _RANDOM if key is None else draw(self._salt, key)
        return self.endpoint.shares.arm(number)


@dataclass(frozen=True)
class Ways:
    """The quick ways to an endpoint's arms, in their order: for rows that are drawn, and for those that a rule sends."""

    drawn: Sequence[QuickWay]
    sent: Sequence[QuickWay]


def lanes(
    table: Table, endpoint: ServedEndpoint, writer: LogWriter, ids: DecisionIds, hidden: Hidden, told: Told, metrics: Metrics
) -> dict[str, Lane]:
    """The endpoint's quick ways by their paths; none when it needs what they do not do."""
    if not _simple(endpoint):
        return {}
    made = partial(QuickWay, writer, ids, hidden, table, endpoint)
    try:
        drawn = [made(slot, endpoint.share(slot)) for slot in endpoint.live]
        sent = [made(slot, 1.0) for slot in endpoint.live] if endpoint.rules else []
    except InvalidInput:  # a field that cannot be protected: nothing can be logged, which the general way says to each
        return {}
    until = min(endpoint.stale_at, *[way.arm.until for way in drawn])
    ways, found = Ways(drawn, sent), {}
    for face in FACES:
        reader = face.reader(drawn[0].server.plan)
        if reader is not None:
            found[face.path(endpoint.routes.name)] = Lane(table, endpoint, face, reader, ways, until, told, metrics)
    return found


def _simple(endpoint: ServedEndpoint) -> bool:
    """Whether the quick way does all that the endpoint needs: all arms take the same inputs and give flat answers, there is no
    limit to the requests at once, and enough time for each."""
    arms, policy = [slot.arm for slot in endpoint.live if slot.arm is not None], endpoint.routes.policy
    if not arms or len(arms) < len(endpoint.live) or not endpoint.outputs or policy.concurrency is not None:
        return False
    if policy.timeout is not None and policy.timeout < SHORTEST_TIMEOUT:
        return False
    taken = arms[0].model.plan.specs
    alike = all(arm.model.plan.specs == taken for arm in (*arms, *endpoint.shadows))
    if not alike or endpoint.inputs != frozenset(arms[0].model.plan.names) or len(taken) > _MOST_FIELDS:
        return False
    return all(len(spec.shape) <= 1 for spec in endpoint.outputs) and all(size >= 1 for spec in taken for size in spec.shape)


def _some(values: Sequence[Any]) -> bool:
    """Whether anything was given; an empty text was."""
    return values.count(None) < len(values)
