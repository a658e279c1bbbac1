"""Shadow arms answer after the caller has its answer, from a queue bounded in rows; what does not fit is dropped, and counted.

A shadow's rows bear the time of the decision that they were made beside, however late the shadow answers: who is erased in
between is erased from both.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter, time

import structlog

from modelyard.decisions import DecisionIds
from modelyard.runtime.aside import aside
from modelyard.runtime.calls import Call, Hidden, Part, decision_rows, fault, picked
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.routing import draw
from modelyard.runtime.table import ServingArm
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import OnInvalid, Stale

Places = list[int] | None
"""Rows of a request by their place; None: all of them."""

_LOGGER = structlog.get_logger("modelyard.runtime")


class Shadows:
    """A queue and the task that works through it. Event loop only."""

    def __init__(self, log: LogWriter, ids: DecisionIds, hidden: Hidden, metrics: Metrics, capacity: int) -> None:
        self._log, self._ids, self._hidden, self._metrics = log, ids, hidden, metrics
        self._queue: asyncio.Queue[tuple[Call, ServingArm, list[str], Places]] = asyncio.Queue()
        self._capacity, self._rows = capacity, 0
        self._task: asyncio.Task[None] | None = None

    def mirror(self, call: Call, ids: list[str]) -> None:
        """Queue those rows for each shadow that fall into its share. Returns at once."""
        for arm in call.endpoint.shadows:
            places = self._chosen(call, arm)
            rows = _count(call, places)
            if not rows:
                continue
            if self._rows + rows > self._capacity:
                self._metrics.shadow_dropped += 1
                continue
            self._rows += rows
            self._queue.put_nowait((call, arm, ids, places))
        if self._task is None and not self._queue.empty():
            self._task = asyncio.get_running_loop().create_task(self._work())

    def status(self) -> dict[str, int]:
        """How full the queue is, for people and probes."""
        return {"waiting_rows": self._rows, "capacity": self._capacity, "dropped": self._metrics.shadow_dropped}

    async def stop(self) -> None:
        """Give up what is queued; it is counted as dropped."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._metrics.shadow_dropped += self._queue.qsize()

    def _chosen(self, call: Call, arm: ServingArm) -> Places:
        """By the key: one draw for the request when it has one key or none, one a row when it has a key a row."""
        if arm.share >= 1:
            return None
        salt = f"{call.endpoint.routes.sticky_salt}\0{arm.name}"
        if not isinstance(call.keys, list):
            return None if _number(salt, call.keys) < arm.share else []
        return [place for place, key in enumerate(call.keys) if _number(salt, key) < arm.share]

    async def _work(self) -> None:
        while True:
            call, arm, ids, places = await self._queue.get()
            self._rows -= _count(call, places)
            try:
                await self._answer(call, arm, ids, places)
            except asyncio.CancelledError:
                self._metrics.shadow_dropped += 1
                raise
            except Exception as error:  # noqa: BLE001  a shadow never hurts anybody: its failure is counted and told
                self._metrics.shadow_failed += 1
                detail = fault(call, error) if call.endpoint.routes.policy.protect else str(error)
                _LOGGER.warning("shadow failed", arm=arm.name, detail=detail)

    async def _answer(self, call: Call, arm: ServingArm, ids: Sequence[str], places: Places) -> None:
        now = time()
        if now >= arm.until or call.endpoint.policy(now) is not Stale.SERVE:
            self._metrics.shadow_dropped += 1
            return
        call.started = perf_counter()
        places = await aside(call.asked.many, _fitting, call, arm, places)
        columns = await aside(call.asked.many, call.columns, arm, places)
        rows = _count(call, places)
        answer = await arm.model.answer(columns, rows)
        names = arm.model.plan.names
        part = Part(places, None, arm.share, arm, names, columns, rows, answer.outputs, answer.queue_time, None)
        made = await aside(call.asked.many, self._ids.mint, rows)
        beside = picked(ids, places)
        await self._log.append([await aside(call.asked.many, decision_rows, call, part, made, self._hidden, beside)])
        self._metrics.decisions[call.endpoint.routes.name, arm.name, arm.role.value] += rows


def _count(call: Call, places: Places) -> int:
    return call.rows if places is None else len(places)


def _number(salt: str, key: str | None) -> float:
    return secrets.randbits(53) / (1 << 53) if key is None else draw(salt, key)


def _fitting(call: Call, arm: ServingArm, places: Places) -> Places:
    """The places without those rows that do not fit the shadow's model, where somebody else answered for such rows. Raises
    what is wrong when none fits."""
    bad = call.sift(arm) if call.endpoint.routes.policy.invalid is OnInvalid.FALLBACK else {}
    if not bad:
        return places
    wanted = range(call.rows) if places is None else places
    fitting = [place for place in wanted if place not in bad]
    if not fitting:
        raise bad[wanted[0]]
    return fitting
