"""Which rows of a request go to which arm: the version that was asked for, else the first rule that holds, else the shares.

What the log calls `probability` is the chance with which the arm was drawn for that very row. It is 1 where nothing was drawn:
the version was asked for, a rule sent the row, or there is one arm. Comparisons of arms leave such rows out
where there are several arms, since nothing was left to chance there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from modelyard.core.errors import InvalidInput
from modelyard.runtime import inputs
from modelyard.runtime.aside import aside
from modelyard.runtime.calls import Bad, Call, Draft, Keys
from modelyard.runtime.inputs import Columns
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.routing import Rule, draw
from modelyard.runtime.table import ServedEndpoint, ServingArm
from modelyard.trust.statements import OnInvalid

_RANDOM = 1 << 53
_FEW = 200
"""So many evaluations of rules are made in the event loop."""


async def drafts(call: Call, version: str | None, metrics: Metrics) -> list[Draft]:
    """Each row in exactly one draft, in the order of the rows. Raises NotFound for a version that nobody may ask for."""
    endpoint = call.endpoint
    if version is not None:
        return [Draft(endpoint.version(version), None, 1.0)]
    if len(endpoint.live) <= 1:
        return [Draft(endpoint.live[0] if endpoint.live else None, None, 1.0)]
    if not endpoint.rules:
        return await aside(call.asked.many, _shared, call, None)
    found: dict[int, list[int]] = {}
    ruled = await _ruled(call, metrics)
    for place, arm in enumerate(ruled):
        found.setdefault(arm, []).append(place)
    left = found.pop(-1, None)
    made = [Draft(endpoint.live[arm], None if len(places) == call.rows else places, 1.0) for arm, places in found.items()]
    if left is not None:
        made += await aside(call.asked.many, _shared, call, None if len(left) == call.rows else left)
    return made


def sticky(call: Call) -> Keys:
    """The keys from the input that the policy names, when the request brings none; None when it is not there or not a plain
    value."""
    name = call.endpoint.routes.policy.sticky_by
    if call.keys is not None or name is None:
        return call.keys
    values, bad = _values(call)
    if name in values and not bad:
        return [_key(value) for value in values[name]]
    return _own_keys(call, name) if call.endpoint.routes.policy.invalid is OnInvalid.FALLBACK else None


def _own_keys(call: Call, name: str) -> Keys:
    """The keys where some rows do not fit: a row has its key all the same, unless it is the key itself that does not fit."""
    field = call.endpoint.contract.plan.fields.get(name) if call.endpoint.contract is not None else None
    given = call.asked.given.get(name)
    if field is None or given is None:
        return None
    try:
        rows, values, bad = field.sift(given)
    except InvalidInput:
        return None
    return [None if place in bad else _key(value) for place, value in enumerate(values)] if rows == call.rows else None


def _key(value: Any) -> str | None:
    return None if value is None or isinstance(value, list) else str(value)


def _shared(call: Call, places: list[int] | None) -> list[Draft]:
    """By the shares: one draw for the request when it has one key or none, one a row when it has a key a row."""
    endpoint = call.endpoint
    if not isinstance(call.keys, list):
        return [_draft(endpoint, endpoint.shares.arm(_number(endpoint, call.keys)), places)]
    drawn: dict[int, list[int]] = {}
    for place in range(call.rows) if places is None else places:
        drawn.setdefault(endpoint.shares.arm(_number(endpoint, call.keys[place])), []).append(place)
    if len(drawn) == 1:
        return [_draft(endpoint, next(iter(drawn)), places)]
    return [_draft(endpoint, arm, chosen) for arm, chosen in drawn.items()]


def _number(endpoint: ServedEndpoint, key: str | None) -> float:
    return secrets.randbits(53) / _RANDOM if key is None else draw(endpoint.routes.sticky_salt, key)


def _draft(endpoint: ServedEndpoint, arm: int, places: list[int] | None) -> Draft:
    slot = endpoint.live[arm]
    return Draft(slot, places, endpoint.share(slot))


async def _ruled(call: Call, metrics: Metrics) -> list[int]:
    """For each row the place of the arm that the first rule that holds sends it to; -1 where none does."""
    rules, (values, bad) = call.endpoint.rules, await aside(call.asked.many, _values, call)
    if call.rows * len(rules) <= _FEW:
        ruled, failed = _evaluated(rules, values, call.rows, bad)
    else:
        ruled, failed = await asyncio.to_thread(_evaluated, rules, values, call.rows, bad)
    for rule, count in failed.items():
        metrics.rule_failures[call.endpoint.routes.name, rule] += count
    return ruled


def _evaluated(rules: Sequence[Rule], values: dict[str, Sequence[Any]], rows: int, bad: Bad) -> tuple[list[int], dict[int, int]]:
    ruled, failed = [], dict[int, int]()
    for place in range(rows):
        if place in bad:
            ruled.append(-1)
            continue
        row = {name: column[place] for name, column in values.items()}
        chosen = -1
        for number, rule in enumerate(rules):
            holds = rule.holds(row)
            if holds is None:
                failed[number] = failed.get(number, 0) + 1
            elif holds:
                chosen = rule.arm
                break
        ruled.append(chosen)
    return ruled, failed


def _values(call: Call) -> tuple[dict[str, Sequence[Any]], Bad]:
    """The inputs by name, and the rows that do not fit: no rule holds for those, whoever answers says what is wrong. No inputs
    when none can be read."""
    endpoint = call.endpoint
    try:
        if endpoint.contract is not None and endpoint.arms:
            columns, bad = _read(call, endpoint.arms[0])
            return dict(zip(endpoint.contract.plan.names, columns, strict=True)), bad
        rows, names, columns = inputs.untyped(call.asked.given)
    except InvalidInput:
        return {}, {}
    return (dict(zip(names, columns, strict=True)) if rows == call.rows else {}), {}


def _read(call: Call, arm: ServingArm) -> tuple[Columns, Bad]:
    """The rows as the arm's model takes them. Where others stand in for those that do not fit, these stay as they came."""
    if call.endpoint.routes.policy.invalid is OnInvalid.REJECT:
        return call.columns(arm, None), {}
    return call.fitting(arm)
