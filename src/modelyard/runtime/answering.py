"""From a request to an answer: draw the arm, ask it, stand in for it when it may not or cannot, log, answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any

from modelyard.core.errors import InvalidInput, ModelyardError, NotFound
from modelyard.decisions import DecisionIds, Pseudonyms, Rows
from modelyard.kinds.signature import DataType
from modelyard.runtime import inputs, protocol
from modelyard.runtime.asked import Asked, Column, Said
from modelyard.runtime.errors import NoAnswer
from modelyard.runtime.inputs import Columns
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.routing import draw
from modelyard.runtime.table import LiveSlot, ServedEndpoint, ServingArm, Table
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Stale

Expired = Callable[[Table, ServedEndpoint, ServingArm | None], None]
"""Called when an arm's release has ended while it serves, or with None when the snapshot is too old to serve from."""


@dataclass(slots=True)
class Part:
    """Rows of a request that go one way. `places` is None for all rows; `arm` is None when the constant answered."""

    places: list[int] | None
    slot: LiveSlot | None
    probability: float
    arm: ServingArm | None
    names: list[str]
    columns: Columns
    count: int
    outputs: dict[str, list[Any]]
    queue_time: float
    reason: str | None


@dataclass(slots=True)
class Call:
    """One request on its way, with what all its parts share."""

    table: Table
    endpoint: ServedEndpoint
    asked: Asked
    rows: int
    keys: list[str] | str | None
    subjects: list[str] | None
    event_times: list[int] | None
    started: float
    read: dict[int, tuple[int, Columns]]

    def key(self, place: int) -> str | None:
        """The sticky key of a row."""
        return self.keys[place] if isinstance(self.keys, list) else self.keys

    def columns(self, arm: ServingArm, places: list[int] | None) -> Columns:
        """The rows as the arm's model takes them; read once for all arms that share a model."""
        plan = arm.model.plan
        if id(plan) not in self.read:
            self.read[id(plan)] = plan.read(self.asked.given)
        rows, columns = self.read[id(plan)]
        if rows != self.rows:
            raise InvalidInput(f"{rows} rows, other inputs have {self.rows}", field="inputs")
        return columns if places is None else inputs.rows_of(columns, places)


class Answering:
    """Answers requests against a table. Event loop only."""

    def __init__(
        self,
        log: LogWriter,
        ids: DecisionIds,
        pseudonyms: Pseudonyms,
        metrics: Metrics,
        expired: Expired,
        most_rows: int,
    ) -> None:
        self._log, self._ids, self._pseudonyms = log, ids, pseudonyms
        self._metrics, self._expired, self._most_rows = metrics, expired, most_rows

    async def answer(self, table: Table, endpoint: ServedEndpoint, asked: Asked, started: float) -> tuple[Said, Call]:
        """The answer, and the call for shadows. What it says is in the log by then. `started` is when the request came.

        Raises InvalidInput, NotFound, NoAnswer, or what the log raises.
        """
        call = self._call(table, endpoint, asked, started)
        parts = [await self._part(call, *draft) for draft in self._draw(call, asked.version)]
        wanted = self._wanted(call, parts)
        ids = self._ids.mint(call.rows)
        await self._log.append([self._logged(call, part, ids) for part in parts])
        return self._said(call, parts, wanted, ids), call

    def _call(self, table: Table, endpoint: ServedEndpoint, asked: Asked, started: float) -> Call:
        endpoint.check_inputs(list(asked.given))
        rows = asked.rows
        if not 0 < rows <= self._most_rows:
            raise InvalidInput(f"{rows} rows; 1 to {self._most_rows} are answered at once", field=next(iter(asked.given), None))
        parameters = asked.parameters
        return Call(
            table,
            endpoint,
            asked,
            rows,
            protocol.routing_keys(parameters, rows),
            protocol.subjects(parameters, rows),
            protocol.event_times(parameters, rows),
            started,
            {},
        )

    def _draw(self, call: Call, version: str | None) -> list[tuple[LiveSlot | None, list[int] | None, float]]:
        """Which rows go to which slot, with the probability of that; one slot None when the endpoint has none."""
        endpoint = call.endpoint
        if version is not None:
            return [(endpoint.version(version), None, 1.0)]
        live = endpoint.live
        if len(live) <= 1:
            return [(live[0] if live else None, None, 1.0)]
        salt = endpoint.routes.sticky_salt
        if not isinstance(call.keys, list):
            number = draw(salt, call.keys) if call.keys is not None else secrets.randbits(53) / (1 << 53)
            return [self._slot(endpoint, endpoint.shares.arm(number), None)]
        drawn: dict[int, list[int]] = {}
        for place, key in enumerate(call.keys):
            drawn.setdefault(endpoint.shares.arm(draw(salt, key)), []).append(place)
        if len(drawn) == 1:
            return [self._slot(endpoint, next(iter(drawn)), None)]
        return [self._slot(endpoint, arm, places) for arm, places in drawn.items()]

    @staticmethod
    def _slot(endpoint: ServedEndpoint, arm: int, places: list[int] | None) -> tuple[LiveSlot, list[int] | None, float]:
        slot = endpoint.live[arm]
        share = next(a.share for a in endpoint.routes.arms if a.name == slot.name)
        return slot, places, share

    async def _part(self, call: Call, slot: LiveSlot | None, places: list[int] | None, probability: float) -> Part:
        """Ask the drawn arm, then the fallbacks in order, then the constant. Raises NoAnswer with all reasons."""
        now = time()
        policy = call.endpoint.policy(now)
        if policy is not Stale.SERVE:
            self._expired(call.table, call.endpoint, None)
        if policy is Stale.REFUSE:
            raise NoAnswer("the route snapshot is older than its tier permits", hint="the control plane must renew it")
        reasons: list[str] = []
        candidates = list(call.endpoint.fallbacks)
        if slot is None:
            reasons.append("the endpoint has no champion")
        elif policy is Stale.FALLBACK:
            reasons.append("the route snapshot is stale")
        elif slot.arm is None:
            reasons.append(f"{slot.name}: {slot.refused}")
        else:
            candidates.insert(0, slot.arm)
        for arm in candidates:
            drawn = slot is not None and arm is slot.arm
            part = await self._ask(call, arm, places, now, reasons, drawn)
            if part is not None:
                part.slot, part.probability, part.reason = slot, probability, "; ".join(reasons) or None
                return part
        return self._constant(call, slot, places, probability, reasons)

    async def _ask(
        self, call: Call, arm: ServingArm, places: list[int] | None, now: float, reasons: list[str], drawn: bool
    ) -> Part | None:
        if now >= arm.until:
            self._expired(call.table, call.endpoint, arm)
            reasons.append(f"{arm.name}: its release has ended")
            return None
        try:
            columns = call.columns(arm, places)
            count = call.rows if places is None else len(places)
            model = arm.model if call.asked.listener is None else call.asked.listener.over(arm.model)
            answer = await model.answer(columns, count)
        except InvalidInput as error:
            if drawn:
                raise
            reasons.append(f"{arm.name}: {error.detail}")
            return None
        except Exception as error:  # noqa: BLE001 - whatever a model raises, somebody must still answer
            self._metrics.arm_failures[call.endpoint.routes.name, arm.name] += 1
            reasons.append(f"{arm.name} failed: {_told(error)}")
            return None
        if call.asked.listener is not None:
            reasons.extend(call.asked.listener.reasons)
        return Part(places, None, 1.0, arm, arm.model.plan.names, columns, count, answer.outputs, answer.queue_time, None)

    def _constant(
        self, call: Call, slot: LiveSlot | None, places: list[int] | None, probability: float, reasons: list[str]
    ) -> Part:
        constant = call.endpoint.routes.constant
        if constant is None:
            raise NoAnswer(f"endpoint {call.endpoint.routes.name!r} cannot answer: {'; '.join(reasons)}")
        contract = call.endpoint.contract
        if contract is not None:
            rows, columns = contract.plan.read(call.asked.given)
            names = contract.plan.names
        else:
            rows, names, columns = inputs.untyped(call.asked.given)
        if rows != call.rows:
            raise InvalidInput(f"{rows} rows, other inputs have {call.rows}", field="inputs")
        if places is not None:
            rows, columns = len(places), inputs.rows_of(columns, places)
        outputs = {name: [value] * rows for name, value in constant.outputs.items()}
        return Part(places, slot, probability, None, names, columns, rows, outputs, 0.0, "; ".join(reasons))

    @staticmethod
    def _wanted(call: Call, parts: list[Part]) -> list[str]:
        """The names of the outputs to send. Raises InvalidInput for one that the caller asks for and nobody gives."""
        given = [spec.name for spec in call.endpoint.outputs] or list(parts[0].outputs)
        everywhere = [name for name in given if all(name in part.outputs for part in parts)]
        if not call.asked.outputs:
            return everywhere
        for name in call.asked.outputs:
            if name not in everywhere:
                raise InvalidInput(f"there is no output {name!r:.80}", field="outputs", hint=f"{', '.join(given)}")
        return list(dict.fromkeys(call.asked.outputs))

    def _logged(self, call: Call, part: Part, ids: Sequence[str]) -> Rows:
        """The part as rows of the decision log."""
        return decision_rows(call, part, _picked(ids, part.places), self._pseudonyms)

    def _said(self, call: Call, parts: list[Part], wanted: list[str], ids: list[str]) -> Said:
        name = call.endpoint.routes.name
        for part in parts:
            arm, role = ("", "constant") if part.arm is None else (part.arm.name, part.arm.role.value)
            self._metrics.decisions[name, arm, role] += part.count
        groups = [_group(part) for part in parts]
        outputs = [_column(call, parts, output) for output in wanted]
        version = groups[0].version if len(groups) == 1 else None
        return Said(name, version, call.asked.id or ids[0], ids, groups, call.table.epoch, call.rows, outputs)


def endpoint_of(table: Table, name: str) -> ServedEndpoint:
    """The endpoint. Raises NotFound, or NoAnswer when the snapshot's entry for it was refused."""
    endpoint = table.endpoints.get(name)
    if endpoint is not None:
        return endpoint
    if name in table.refused:
        raise NoAnswer(f"endpoint {name!r} is refused: {table.refused[name]}")
    raise NotFound(f"there is no endpoint {name!r:.80}")


def decision_rows(
    call: Call, part: Part, ids: Sequence[str], pseudonyms: Pseudonyms, shadow_of: Sequence[str] | None = None
) -> Rows:
    """Rows of the decision log for one part of a request."""
    shared: dict[str, Any] = {
        "decision_time": int(time() * 1_000_000),
        "reason": part.reason,
        "latency": perf_counter() - call.started,
        "queue_time": part.queue_time,
        "request": call.asked.id,
        "trace": call.asked.trace,
    }
    shared = {name: value for name, value in shared.items() if value is not None}
    rows: dict[str, Sequence[Any]] = {
        "id": ids,
        "inputs": protocol.encode_rows(part.names, part.columns),
        "output": protocol.encode_rows(list(part.outputs), list(part.outputs.values())),
    }
    if shadow_of is not None:
        rows["shadow_of"] = shadow_of
    if isinstance(call.keys, list):
        rows["unit"] = [pseudonyms.of("unit", key) for key in _picked(call.keys, part.places)]
    elif call.keys is not None:
        shared["unit"] = pseudonyms.of("unit", call.keys)
    if call.subjects is not None:
        rows["subject"] = [pseudonyms.of("subject", who) for who in _picked(call.subjects, part.places)]
    if call.event_times is not None:
        rows["event_time"] = _picked(call.event_times, part.places)
    return Rows(part.count, rows, shared, call.endpoint.stamp(call.table, part.slot, part.arm, part.probability))


def _picked(values: Sequence[Any], places: list[int] | None) -> Sequence[Any]:
    return values if places is None else [values[place] for place in places]


def _group(part: Part) -> protocol.Group:
    if part.arm is None:
        return protocol.Group(None, None, "constant", part.places, part.reason)
    return protocol.Group(part.arm.name, part.arm.version, part.arm.role.value, part.places, part.reason)


def _column(call: Call, parts: list[Part], name: str) -> Column:
    """One output of all parts, rows in the order of the request."""
    if len(parts) == 1 and parts[0].places is None:
        values = parts[0].outputs[name]
    else:
        values = [None] * call.rows
        for part in parts:
            for place, value in zip(part.places or range(call.rows), part.outputs[name], strict=True):
                values[place] = value
    spec = next((s for s in call.endpoint.outputs if s.name == name), None)
    if spec is None:
        return Column(name, _datatype(values[0]), (), values)
    return Column(name, spec.type.value, spec.shape, values)


def _datatype(value: Any) -> str:
    if isinstance(value, bool):
        return DataType.BOOL.value
    if isinstance(value, int):
        return DataType.INT64.value
    return DataType.FP64.value if isinstance(value, float) else DataType.BYTES.value


def _told(error: Exception) -> str:
    return error.detail if isinstance(error, ModelyardError) else f"{type(error).__name__}: {error}"[:300]
