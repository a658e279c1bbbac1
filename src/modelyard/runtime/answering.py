"""From a request to an answer: admit it, draw the arm, ask it, stand in for it when it may not or cannot, log, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter, time
from typing import Any

from modelyard.core.errors import InvalidInput, ModelyardError, NotFound, StorageFull, TimedOut, Unavailable
from modelyard.decisions import DecisionIds, LogUnwritable, Rows
from modelyard.kinds.signature import DataType
from modelyard.runtime import inputs, protocol
from modelyard.runtime.aside import aside
from modelyard.runtime.asked import Asked, Column, Said
from modelyard.runtime.calls import Call, Draft, Hidden, Part, Reasons, decision_rows, fault, faults, picked
from modelyard.runtime.drawing import drafts, sticky
from modelyard.runtime.engine import Answer
from modelyard.runtime.errors import NoAnswer, Withdrawn
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.table import ServedEndpoint, ServingArm, Table
from modelyard.runtime.uses import FallbackUses
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import ColdStart, OnInvalid, OnUnlogged, Stale

__all__ = ["Answering", "Call", "Expired", "Part", "decision_rows", "endpoint_of"]

Expired = Callable[[Table, ServedEndpoint, ServingArm | None], None]
"""Called when an arm's release has ended while it serves, or with None when the snapshot is too old to serve from."""


class Answering:
    """Answers requests against a table. Event loop only."""

    def __init__(
        self,
        log: LogWriter,
        ids: DecisionIds,
        hidden: Hidden,
        metrics: Metrics,
        expired: Expired,
        most_rows: int,
        admission: Admission,
        uses: FallbackUses,
    ) -> None:
        self._log, self._ids, self._hidden = log, ids, hidden
        self._metrics, self._expired, self.most_rows = metrics, expired, most_rows
        self.admission, self._uses = admission, uses
        self.newest: Callable[[], Table | None] = lambda: None
        """The table in force: it may be another one than a request came with, once it has waited."""

    async def answer(
        self, table: Table, endpoint: ServedEndpoint, asked: Asked, started: float, drawn: Draft | None = None
    ) -> tuple[Said, Call]:
        """The answer, and the call for shadows. What it says is in the log by then, unless it says otherwise. `started` is when
        the request came; `drawn` is for requests that were drawn before.

        Raises InvalidInput, NotFound, NoAnswer, Overloaded, TimedOut, or what the log raises.
        """
        policy = endpoint.routes.policy
        async with self.admission.admitted(endpoint.routes.name, policy, asked.deadline):
            while True:
                newest = self.newest()
                if newest is not None and newest is not table:
                    table, endpoint = newest, endpoint_of(newest, endpoint.routes.name)
                try:
                    return await self._answered(table, endpoint, asked, started, drawn)
                except Withdrawn:  # while it waited for its model; nothing of it was logged
                    drawn = None

    async def _answered(
        self, table: Table, endpoint: ServedEndpoint, asked: Asked, started: float, drawn: Draft | None
    ) -> tuple[Said, Call]:
        call = await aside(asked.many, self._call, table, endpoint, asked, started)
        wrong = self._unknown(call)
        call.keys = await aside(asked.many, sticky, call)
        made = [drawn] if drawn is not None and drawn.slot in endpoint.live else await drafts(call, asked.version, self._metrics)
        made = await aside(asked.many, self._sorted_out, call, made, wrong)
        parts = [await self._part(call, draft) for draft in made]
        wanted = self._wanted(call, parts)
        ids = await aside(asked.many, self._ids.mint, call.rows)
        unlogged = await self._logged(call, parts, ids)
        outputs = await aside(asked.many, _columns, call, parts, wanted)
        return self._said(call, parts, outputs, ids, unlogged), call

    def _stands(self, call: Call, arm: ServingArm) -> bool:
        """Whether the arm is one of the endpoint's still, in the same role and on the same release."""
        newest = self.newest()
        if newest is None or newest is call.table:
            return True
        endpoint = newest.endpoints.get(call.endpoint.routes.name)
        return endpoint is not None and _who(arm) in map(_who, (*(slot.arm for slot in endpoint.live), *endpoint.fallbacks))

    def _call(self, table: Table, endpoint: ServedEndpoint, asked: Asked, started: float) -> Call:
        rows = asked.rows
        if not 0 < rows <= self.most_rows:
            where = next(iter(asked.given), None)
            raise InvalidInput(f"{rows} rows; 1 to {self.most_rows} are answered at once", field=where)
        if asked.id is not None and len(asked.id) > protocol.LONGEST_TEXT:
            raise InvalidInput(f"the request's id has more than {protocol.LONGEST_TEXT} characters", field="id")
        parameters = asked.parameters
        return Call(
            table,
            endpoint,
            asked,
            rows,
            protocol.routing_keys(parameters, rows),  # type: ignore[arg-type]
            protocol.subjects(parameters, rows),
            protocol.event_times(parameters, rows),
            started,
            {},
        )

    @staticmethod
    def _unknown(call: Call) -> InvalidInput | None:
        """An input that nobody knows. Raises it, unless the policy is to stand in for such rows."""
        try:
            call.endpoint.check_inputs(list(call.asked.given))
        except InvalidInput as error:
            if call.endpoint.routes.policy.invalid is OnInvalid.REJECT:
                raise
            return error
        return None

    @staticmethod
    def _sorted_out(call: Call, made: list[Draft], wrong: InvalidInput | None) -> list[Draft]:
        """The drafts, those rows apart that do not fit the drawn arm's model, where the policy is to stand in for them."""
        if call.endpoint.routes.policy.invalid is OnInvalid.REJECT:
            return made
        found: list[Draft] = []
        for draft in made:
            if wrong is not None:
                found.append(Draft(draft.slot, draft.places, draft.probability, wrong))
                continue
            bad = call.sift(draft.slot.arm) if draft.slot is not None and draft.slot.arm is not None else {}
            places = range(call.rows) if draft.places is None else draft.places
            worst = [place for place in places if place in bad]
            if not worst:
                found.append(draft)
                continue
            good = [place for place in places if place not in bad]
            if good:
                found.append(Draft(draft.slot, good, draft.probability))
            wrongs = faults(bad, worst)
            whole = not good and draft.places is None and len(wrongs) == 1
            found += [Draft(draft.slot, None if whole else some, draft.probability, error) for error, some in wrongs]
        return found

    async def _part(self, call: Call, draft: Draft) -> Part:
        """Ask the drawn arm, then the fallbacks in order, then the constant. Raises NoAnswer with all reasons."""
        now, slot = time(), draft.slot
        stale = call.endpoint.policy(now)
        if stale is not Stale.SERVE:
            self._expired(call.table, call.endpoint, None)
        if stale is Stale.REFUSE:
            raise NoAnswer("the route snapshot is older than its tier permits", hint="the control plane must renew it")
        reasons = Reasons()
        candidates = list(call.endpoint.fallbacks)
        if slot is None:
            reasons.add("no_champion", "the endpoint has no champion")
        elif stale is Stale.FALLBACK:
            reasons.add("stale", "the route snapshot is stale")
        elif slot.arm is None:
            reasons.add("refused", f"{slot.name}: {slot.refused}")
        elif draft.wrong is not None:
            reasons.add("invalid", f"{slot.name}: {draft.wrong.detail}", f"{slot.name}: {fault(call, draft.wrong)}")
            reasons.invalid = draft.wrong
        else:
            candidates.insert(0, slot.arm)
        for arm in candidates:
            part = await self._ask(call, arm, draft.places, now, reasons, slot is not None and arm is slot.arm)
            if part is not None:
                break
        else:
            part = await aside(call.asked.many, self._constant, call, draft.places, reasons)
        part.slot, part.probability, part.reason, part.kind = slot, draft.probability, str(reasons) or None, reasons.kind
        part.kept = "; ".join(reasons.kept) or None
        return part

    async def _ask(
        self, call: Call, arm: ServingArm, places: list[int] | None, now: float, reasons: Reasons, drawn: bool
    ) -> Part | None:
        policy = call.endpoint.routes.policy
        if now >= arm.until:
            self._expired(call.table, call.endpoint, arm)
            reasons.add("ended", f"{arm.name}: its release has ended")
            return None
        if policy.cold_start is ColdStart.FALLBACK and not arm.model.ready():
            reasons.add("starting", f"{arm.name} is not ready: {arm.model.progress}", f"{arm.name} is not ready")
            return None
        try:
            columns = await aside(call.asked.many, call.columns, arm, places)
            count = call.rows if places is None else len(places)
            answer = await self._answer(call, arm, columns, count)
        except Withdrawn:
            raise
        except InvalidInput as error:
            if drawn and policy.invalid is OnInvalid.REJECT:
                raise
            reasons.add("invalid", f"{arm.name}: {error.detail}", f"{arm.name}: {fault(call, error)}")
            reasons.invalid = reasons.invalid or error
            return None
        except TimedOut as error:
            self._too_late(call, arm, reasons, error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a model raises, somebody must still answer
            self._metrics.arm_failures[call.endpoint.routes.name, arm.name] += 1
            reasons.add("failed", f"{arm.name} failed: {_told(error)}", f"{arm.name} failed: {fault(call, error)}")
            return None
        if call.asked.listener is not None:
            for reason in call.asked.listener.reasons:
                reasons.add("broken_off", reason, reason.partition(":")[0])
        return Part(places, None, 1.0, arm, arm.model.plan.names, columns, count, answer.outputs, answer.queue_time, None)

    def _too_late(self, call: Call, arm: ServingArm, reasons: Reasons, error: TimedOut) -> None:
        """Raises TimedOut when the caller's time is up as well."""
        late = _late(arm, error)
        if _over(call):
            raise TimedOut("; ".join([late.detail, *reasons.told])) from error
        self._metrics.arm_timeouts[call.endpoint.routes.name, arm.name] += 1
        reasons.add("timeout", f"{arm.name}: {late.detail}", f"{arm.name}: {fault(call, error)}")

    async def _answer(self, call: Call, arm: ServingArm, columns: inputs.Columns, count: int) -> Answer:
        """The arm's answer within its time and the caller's. What cannot be there in time is not begun. Raises TimedOut."""
        policy, deadline = call.endpoint.routes.policy, call.asked.deadline
        timeout = policy.timeout
        if deadline is not None:
            left = deadline - perf_counter()
            if left <= 0:
                raise TimedOut("the caller's time was up")
            timeout = left if timeout is None else min(left, timeout)
            if arm.model.cost.known and arm.model.cost.of(count) > left:
                arm.model.cost.fade()
                raise TimedOut(f"would take longer than the {left:.3g} s that the caller still waits")
        piecewise = policy.unlogged is OnUnlogged.ANSWER
        model = arm.model if call.asked.listener is None else call.asked.listener.over(arm.model, piecewise)
        found: Answer = await model.answer(
            columns, count, timeout=timeout, target=policy.latency_target, stands=partial(self._stands, call, arm)
        )
        return found

    @staticmethod
    def _constant(call: Call, places: list[int] | None, reasons: Reasons) -> Part:
        constant = call.endpoint.routes.constant
        if constant is None:
            if reasons.invalid is not None and reasons.kind == "invalid":
                raise reasons.invalid
            if reasons.kind == "timeout" and call.asked.deadline is not None and not call.endpoint.fallbacks:
                raise TimedOut(f"endpoint {call.endpoint.routes.name!r} cannot answer in time: {reasons}")
            raise NoAnswer(f"endpoint {call.endpoint.routes.name!r} cannot answer: {reasons}")
        names, columns = call.told(places)
        rows = call.rows if places is None else len(places)
        outputs = {name: [value] * rows for name, value in constant.outputs.items()}
        return Part(places, None, 1.0, None, names, columns, rows, outputs, 0.0, None)

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

    async def _logged(self, call: Call, parts: list[Part], ids: Sequence[str]) -> bool:
        """Put the parts into the log; True when it takes nothing and the policy is to answer all the same. Raises what the log
        raises."""
        try:
            rows: list[Rows] = [
                await aside(call.asked.many, decision_rows, call, part, picked(ids, part.places), self._hidden) for part in parts
            ]
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # whatever a model's answer does to JSON
            raise Unavailable(f"the answer cannot be logged: {type(error).__name__}") from error
        try:
            await self._log.append(rows)
        except (StorageFull, LogUnwritable):
            if call.endpoint.routes.policy.unlogged is OnUnlogged.REFUSE:
                raise
            self._metrics.unlogged[call.endpoint.routes.name] += call.rows
            return True
        return False

    def _said(self, call: Call, parts: list[Part], outputs: list[Column], ids: list[str], unlogged: bool) -> Said:
        name = call.endpoint.routes.name
        for part in parts:
            arm, role = ("", "constant") if part.arm is None else (part.arm.name, part.arm.role.value)
            self._metrics.decisions[name, arm, role] += part.count
            if part.kind is not None:
                self._stood_in(call, part, part.kind)
        groups = [_group(part) for part in parts]
        version = groups[0].version if len(groups) == 1 else None
        return Said(name, version, call.asked.id or ids[0], ids, groups, call.table.epoch, call.rows, outputs, unlogged)

    def _stood_in(self, call: Call, part: Part, kind: str) -> None:
        drawn = part.slot.name if part.slot else "none"
        answered = part.arm.name if part.arm else "constant"
        if drawn == answered:
            return
        self._metrics.fallbacks[call.endpoint.routes.name, drawn, answered, kind] += part.count
        self._uses.note(call.endpoint.routes.name, drawn, answered, kind, call.table.epoch, part.count)


def endpoint_of(table: Table, name: str) -> ServedEndpoint:
    """The endpoint. Raises NotFound, or NoAnswer when the snapshot's entry for it was refused."""
    endpoint = table.endpoints.get(name)
    if endpoint is not None:
        return endpoint
    if name in table.refused:
        raise NoAnswer(f"endpoint {name!r} is refused: {table.refused[name]}")
    raise NotFound(f"there is no endpoint {name!r:.80}")


def _who(arm: ServingArm | None) -> tuple[str, ...]:
    return () if arm is None else (arm.name, arm.role.value, arm.release)


def _late(arm: ServingArm, error: TimedOut) -> TimedOut:
    """The error, which says as well when the arm is late because it has not started."""
    return error if arm.model.ready() else TimedOut(f"{error.detail}; {arm.name} is not ready: {arm.model.progress}")


def _over(call: Call) -> bool:
    return call.asked.deadline is not None and perf_counter() >= call.asked.deadline


def _group(part: Part) -> protocol.Group:
    if part.arm is None:
        return protocol.Group(None, None, "constant", part.places, part.reason)
    return protocol.Group(part.arm.name, part.arm.version, part.arm.role.value, part.places, part.reason)


def _columns(call: Call, parts: list[Part], wanted: list[str]) -> list[Column]:
    return [_column(call, parts, output) for output in wanted]


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
