"""Shadow arms answer after the caller has its answer, from a queue bounded in rows; what does not fit is dropped, and counted.

A shadow's rows bear the time of the decision that they were made beside, however late the shadow answers: who is erased in
between is erased from both.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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


_AT_ONCE = 32
"""So many of an arm's are answered at once: they share calls of its model and commits of the log."""

_Waiting = tuple[Call, ServingArm, list[str], Places]


@dataclass(slots=True)
class _Queue:
    """What waits for one arm, in rows too, and how many tasks work at it."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    rows: int = 0
    tasks: int = 0


class Shadows:
    """A queue for each arm, and tasks that work through it while there is work: a slow arm holds up no other. `capacity` is in
    rows, for all together; what waits for one arm takes half of it at most. Event loop only."""

    def __init__(self, log: LogWriter, ids: DecisionIds, hidden: Hidden, metrics: Metrics, capacity: int) -> None:
        self._log, self._ids, self._hidden, self._metrics = log, ids, hidden, metrics
        self._queues: dict[str, _Queue] = {}
        self._capacity, self._rows = capacity, 0
        self._tasks: set[asyncio.Task[None]] = set()

    def mirror(self, call: Call, ids: list[str]) -> None:
        """Queue those rows for each shadow that fall into its share. Returns at once."""
        for arm in call.endpoint.shadows:
            places = self._chosen(call, arm)
            rows = _count(call, places)
            if rows:
                self._put(f"{call.endpoint.routes.name}\0{arm.name}\0{arm.release}", (call, arm, ids, places), rows)

    def _put(self, name: str, waiting: _Waiting, rows: int) -> None:
        queue = self._queues.get(name) or _Queue()
        if self._rows + rows > self._capacity or (queue.rows and queue.rows + rows > self._capacity // 2):
            self._metrics.shadow_dropped += 1
            return
        self._queues[name] = queue
        queue.waiting.append(waiting)
        queue.rows += rows
        self._rows += rows
        if queue.tasks < _AT_ONCE:
            queue.tasks += 1
            task = asyncio.get_running_loop().create_task(self._work(name, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def status(self) -> dict[str, int]:
        """How full the queue is, for people and probes."""
        return {"waiting_rows": self._rows, "capacity": self._capacity, "dropped": self._metrics.shadow_dropped}

    async def stop(self) -> None:
        """Give up what is queued; it is counted as dropped."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._metrics.shadow_dropped += sum(len(queue.waiting) for queue in self._queues.values())

    def _chosen(self, call: Call, arm: ServingArm) -> Places:
        """By the key: one draw for the request when it has one key or none, one a row when it has a key a row."""
        if arm.share >= 1:
            return None
        salt = f"{call.endpoint.routes.sticky_salt}\0{arm.name}"
        if not isinstance(call.keys, list):
            return None if _number(salt, call.keys) < arm.share else []
        return [place for place, key in enumerate(call.keys) if _number(salt, key) < arm.share]

    async def _work(self, name: str, queue: _Queue) -> None:
        try:
            while queue.waiting:
                call, arm, ids, places = queue.waiting.popleft()
                rows = _count(call, places)
                queue.rows -= rows
                self._rows -= rows
                await self._tried(call, arm, ids, places)
        finally:
            queue.tasks -= 1
            if not queue.tasks and not queue.waiting and self._queues.get(name) is queue:
                del self._queues[name]

    async def _tried(self, call: Call, arm: ServingArm, ids: list[str], places: Places) -> None:
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
        call = replace(call, started=perf_counter())
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
