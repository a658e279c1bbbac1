"""Replay: what was decided is asked again of another version, at a bounded rate, and logged as a shadow's answers.

    await replay(reader, Window(endpoint="hold"), arm, endpoint, table, log, ids, hidden, rows_a_second=500)

The rows are those that live arms answered, with the inputs that the log has of them: where a field was masked, hashed or
encrypted there, the model gets no value for it, and rows that then do not fit are passed over and counted.

A replayed row bears the time of the decision that it repeats: erasure, retention and legal holds do to it what they do to that
one, also when they come while the replay is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter, time
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput, NotApproved
from modelyard.decisions import DecisionIds, DecisionReader, Window
from modelyard.decisions.protection import ENCRYPTED, HASHED
from modelyard.runtime.asked import Asked
from modelyard.runtime.calls import Call, Hidden, Part, decision_rows
from modelyard.runtime.errors import NoAnswer
from modelyard.runtime.table import ServedEndpoint, ServingArm, Table
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Stale

_AT_ONCE = 256
_LIVE = frozenset({"champion", "challenger", "fallback", "constant"})
_COLUMNS = ("id", "role", "endpoint", "inputs", "unit", "subject", "event_time", "decision_time")
_WHOSE = ("unit", "subject", "event_time", "decision_time")
"""What a replayed row has from the first: pseudonyms, when it happened, and when it was decided."""


@dataclass(slots=True)
class Replayed:
    """What came of a replay: rows answered and logged, and rows that the model could not take."""

    answered: int = 0
    unfit: int = 0


async def replay(
    reader: DecisionReader,
    window: Window,
    arm: ServingArm,
    endpoint: ServedEndpoint,
    table: Table,
    log: LogWriter,
    ids: DecisionIds,
    hidden: Hidden,
    rows_a_second: float,
) -> Replayed:
    """Ask the arm for every decision of the window that a caller got from the endpoint. `arm` is of the role shadow; its answers
    are logged with `shadow_of`, and the pseudonyms and times of the first ones. Decisions that were erased meanwhile are passed
    over. Raises NotApproved when the arm's release has ended, NoAnswer when the routes are too old, what the log or the model
    raises; what was logged until then stays."""
    if rows_a_second <= 0:
        raise InvalidInput("a replay needs a rate above 0", field="rows_a_second")
    found = (await asyncio.to_thread(reader.scan, window, list(_COLUMNS))).to_pylist()
    rows = [row for row in found if row["role"] in _LIVE and row["endpoint"] == endpoint.routes.name]
    done, started = Replayed(), perf_counter()
    for first in range(0, len(rows), _AT_ONCE):
        due = started + first / rows_a_second
        await asyncio.sleep(max(0.0, due - perf_counter()))
        _require_in_force(arm, endpoint, time())
        some = rows[first : first + _AT_ONCE]
        known = await asyncio.to_thread(reader.known, [row["id"] for row in some])
        await _some([row for row in some if row["id"] in known], arm, endpoint, table, log, ids, hidden, done)
    return done


def _require_in_force(arm: ServingArm, endpoint: ServedEndpoint, now: float) -> None:
    if now >= arm.until:
        raise NotApproved(f"arm {arm.name!r}: its release has ended", field="until")
    if endpoint.policy(now) is not Stale.SERVE:
        raise NoAnswer("the route snapshot is older than its tier permits", hint="the control plane must renew it")


async def _some(
    rows: Sequence[dict[str, Any]],
    arm: ServingArm,
    endpoint: ServedEndpoint,
    table: Table,
    log: LogWriter,
    ids: DecisionIds,
    hidden: Hidden,
    done: Replayed,
) -> None:
    if not rows:
        return
    inputs = [_clear(msgspec.json.decode(row["inputs"])) for row in rows]
    plan = arm.model.plan
    try:
        _, columns, bad = plan.sift({name: [row.get(name) for row in inputs] for name in plan.names}, len(rows))
    except InvalidInput:
        done.unfit += len(rows)
        return
    good = [place for place in range(len(rows)) if place not in bad]
    done.unfit += len(rows) - len(good)
    if not good:
        return
    call = Call(table, endpoint, Asked({}, len(good)), len(good), None, None, None, perf_counter(), {})
    taken = [[column[place] for place in good] for column in columns]
    answer = await arm.model.answer(taken, len(good))
    part = Part(None, None, 1.0, arm, plan.names, taken, len(good), answer.outputs, answer.queue_time, "replayed")
    of = [rows[place]["id"] for place in good]
    made = decision_rows(call, part, ids.mint(len(good)), hidden, of)
    whose = {name: [rows[place][name] for place in good] for name in _WHOSE}  # so that erasing a person finds them
    shared = {name: value for name, value in made.shared.items() if name not in whose}
    await log.append([replace(made, rows={**made.rows, **whose}, shared=shared)])
    done.answered += len(good)


def _clear(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(v, str) and v.startswith((HASHED, ENCRYPTED)) else v for name, v in row.items()}
