"""How many requests are under way: bounded for each endpoint by its policy, and for the process in any case, so that memory
is bounded whatever the load. Event loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from time import perf_counter
from typing import Any

from modelyard.core.errors import TimedOut
from modelyard.runtime.errors import Overloaded
from modelyard.trust.statements import EndpointPolicy

_LONGEST_WAIT = 60


class Gate:
    """The way into one endpoint: so many at once, so many in the queue, the others are turned away."""

    def __init__(self) -> None:
        self.inside = self.shed = self.late = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._interval: float | None = None
        self._left_at = 0.0

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    async def enter(self, policy: EndpointPolicy, deadline: float | None) -> None:
        """Come in, or wait for it. Raises Overloaded when the queue is full, TimedOut when the deadline came first."""
        if policy.concurrency is None or (self.inside < policy.concurrency and not self._queue):
            self.inside += 1
            return
        if policy.queue is not None and len(self._queue) >= policy.queue:
            self.shed += 1
            raise Overloaded(f"{self.inside} requests are being answered and {len(self._queue)} are waiting", self.retry_after())
        await self._wait(policy, deadline)

    def leave(self, policy: EndpointPolicy) -> None:
        """Go, and let in who may come now."""
        now = perf_counter()
        if self._left_at:
            gap = now - self._left_at
            self._interval = gap if self._interval is None else self._interval + 0.1 * (gap - self._interval)
        self._left_at = now
        self.inside -= 1
        while self._queue and (policy.concurrency is None or self.inside < policy.concurrency):
            turn = self._queue.popleft()
            if not turn.done():
                self.inside += 1
                turn.set_result(None)

    def retry_after(self) -> int:
        """Seconds until those who are here now should be through, as fast as requests have gone out of late."""
        return max(1, min(_LONGEST_WAIT, ceil((self.inside + len(self._queue)) * (self._interval or 0.0))))

    async def _wait(self, policy: EndpointPolicy, deadline: float | None) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - perf_counter())):
                await turn
        except TimeoutError as error:
            self.late += 1
            self._give_up(turn, policy)
            raise TimedOut("the caller's time was up while the request waited for its turn") from error
        except asyncio.CancelledError:
            self._give_up(turn, policy)
            raise

    def _give_up(self, turn: asyncio.Future[None], policy: EndpointPolicy) -> None:
        if turn.done() and not turn.cancelled():
            self.leave(policy)  # its turn came just then
        else:
            turn.cancel()
            if turn in self._queue:
                self._queue.remove(turn)


class Admission:
    """All requests of a process, and the gates of its endpoints. `most` bounds requests, `most_bytes` their bodies."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.open = self.bytes = self.shed = 0
        self.gates: dict[str, Gate] = {}

    @property
    def full(self) -> bool:
        """Whether the next request is turned away."""
        return self.open >= self.most

    @asynccontextmanager
    async def admitted(self, endpoint: str, policy: EndpointPolicy, deadline: float | None) -> AsyncIterator[None]:
        """Inside, a request may be answered. Raises Overloaded or TimedOut."""
        if self.full:
            self.shed += 1
            raise Overloaded(f"{self.open} requests are under way here", 1)
        gate = self.gates.get(endpoint)
        if gate is None:
            gate = self.gates[endpoint] = Gate()
        self.open += 1
        try:
            await gate.enter(policy, deadline)
            try:
                yield
            finally:
                gate.leave(policy)
        finally:
            self.open -= 1

    def held(self) -> Held:
        """Room for one body, none yet."""
        return Held(self)

    @property
    def waiting(self) -> int:
        """How many requests are in the queues of endpoints."""
        return sum(gate.waiting for gate in self.gates.values())

    @property
    def turned_away(self) -> int:
        """How many requests were turned away, by the process or an endpoint."""
        return self.shed + sum(gate.shed for gate in self.gates.values())

    def status(self) -> dict[str, Any]:
        """How full it is, for people and probes."""
        gates = {
            name: {"inside": gate.inside, "waiting": gate.waiting, "shed": gate.shed, "late": gate.late}
            for name, gate in self.gates.items()
        }
        return {"open": self.open, "bytes": self.bytes, "shed": self.shed, "endpoints": gates}


class Held:
    """The room that one body takes while its request is under way."""

    __slots__ = ("_admission", "_size")

    def __init__(self, admission: Admission) -> None:
        self._admission, self._size = admission, 0

    def grow(self, size: int) -> None:
        """So many bytes more. Raises Overloaded when there is no room; a single body always has it."""
        admission = self._admission
        if admission.bytes + size > admission.most_bytes and admission.bytes > self._size:
            admission.shed += 1
            raise Overloaded(f"requests of {admission.bytes} bytes are under way here", 1)
        admission.bytes += size
        self._size += size

    def release(self) -> None:
        """Give the room back. Idempotent."""
        self._admission.bytes -= self._size
        self._size = 0
