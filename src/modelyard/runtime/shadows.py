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
from modelyard.runtime.calls import Call, Hidden, Part, decision_rows, fault
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.routing import draw
from modelyard.runtime.table import ServingArm
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Stale

_LOGGER = structlog.get_logger("modelyard.runtime")


class Shadows:
    """A queue and the task that works through it. Event loop only."""

    def __init__(self, log: LogWriter, ids: DecisionIds, hidden: Hidden, metrics: Metrics, capacity: int) -> None:
        self._log, self._ids, self._hidden, self._metrics = log, ids, hidden, metrics
        self._queue: asyncio.Queue[tuple[Call, ServingArm, list[str]]] = asyncio.Queue()
        self._capacity, self._rows = capacity, 0
        self._task: asyncio.Task[None] | None = None

    def mirror(self, call: Call, ids: list[str]) -> None:
        """Queue the request for each shadow whose share it falls into. Returns at once."""
        for arm in call.endpoint.shadows:
            if not self._chosen(call, arm):
                continue
            if self._rows + call.rows > self._capacity:
                self._metrics.shadow_dropped += 1
                continue
            self._rows += call.rows
            self._queue.put_nowait((call, arm, ids))
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

    def _chosen(self, call: Call, arm: ServingArm) -> bool:
        if arm.share >= 1:
            return True
        key = call.key(0)
        number = secrets.randbits(53) / (1 << 53) if key is None else draw(f"{call.endpoint.routes.sticky_salt}\0{arm.name}", key)
        return number < arm.share

    async def _work(self) -> None:
        while True:
            call, arm, ids = await self._queue.get()
            self._rows -= call.rows
            try:
                await self._answer(call, arm, ids)
            except Exception as error:  # noqa: BLE001  a shadow never hurts anybody: its failure is counted and told
                self._metrics.shadow_failed += 1
                detail = fault(call, error) if call.endpoint.routes.policy.protect else str(error)
                _LOGGER.warning("shadow failed", arm=arm.name, detail=detail)

    async def _answer(self, call: Call, arm: ServingArm, ids: Sequence[str]) -> None:
        now = time()
        if now >= arm.until or call.endpoint.policy(now) is not Stale.SERVE:
            self._metrics.shadow_dropped += 1
            return
        call.started = perf_counter()
        columns = await aside(call.asked.many, call.columns, arm, None)
        answer = await arm.model.answer(columns, call.rows)
        names = arm.model.plan.names
        part = Part(None, None, arm.share, arm, names, columns, call.rows, answer.outputs, answer.queue_time, None)
        made = await aside(call.asked.many, self._ids.mint, call.rows)
        await self._log.append([await aside(call.asked.many, decision_rows, call, part, made, self._hidden, ids)])
        self._metrics.decisions[call.endpoint.routes.name, arm.name, arm.role.value] += call.rows
