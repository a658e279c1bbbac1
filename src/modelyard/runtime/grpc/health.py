"""grpc.health.v1: whether the server, or an endpoint, can answer now; asked once (`Check`) or until it is different (`Watch`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Event
from time import time
from typing import Any

from modelyard.core.errors import NotFound
from modelyard.runtime.grpc.messages import SERVICE, messages
from modelyard.runtime.leaving import Leaving, Phase
from modelyard.runtime.table import Table

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
MOST_WATCHERS = 32
"""Each has a thread of this worker for as long as it watches. More are told RESOURCE_EXHAUSTED."""
TO_REFUSE = 2
"""Threads that tell them."""
_LOOK_EVERY = 0.25
"""Seconds. Releases end by the clock, so that somebody has to look."""


class Health:
    """What the health service says. Callable from any thread."""

    def __init__(self, table: Callable[[], Table | None], leaving: Leaving) -> None:
        self._table, self._leaving = table, leaving
        self._places = BoundedSemaphore(MOST_WATCHERS)

    def status(self, service: str) -> int:
        """The server's, or with a service that of the endpoint of that name (of the protocol's own service: the server's)."""
        table = self._table()
        healthy = table is not None
        if service not in ("", SERVICE):
            endpoint = table.endpoints.get(service) if table else None
            if endpoint is None:
                return SERVICE_UNKNOWN
            healthy = endpoint.can_answer(time())
        return SERVING if healthy and not self._leaving.begun else NOT_SERVING

    async def check(self, request: Any, context: Any) -> Any:
        """`Check`. Raises NotFound."""
        status = self.status(request.service)
        if status == SERVICE_UNKNOWN:
            raise NotFound(f"there is no endpoint {request.service[:80]!r}", field="service")
        return messages()["HealthCheckResponse"](status=status)

    def watcher(self, grpc: Any, threads: ThreadPoolExecutor) -> Any:
        """The handler of `Watch`, in threads of its own."""
        kinds = messages()

        def watch(request: Any, context: Any) -> Iterator[Any]:
            if not self._places.acquire(blocking=False):
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MOST_WATCHERS} callers watch already; ask by Check")
            try:
                yield from self._changes(request.service, context)
            finally:
                self._places.release()

        watch.experimental_thread_pool = threads  # type: ignore[attr-defined]  # which threads gRPC takes
        return grpc.unary_stream_rpc_method_handler(
            watch, kinds["HealthCheckRequest"].FromString, kinds["HealthCheckResponse"].SerializeToString
        )

    def _changes(self, service: str, context: Any) -> Iterator[Any]:
        """The status now and whenever it is another one, until the caller leaves or the server stops."""
        gone, said = Event(), None
        if not context.add_callback(gone.set):
            return
        while not gone.is_set():
            status = self.status(service)
            if status != said:
                yield messages()["HealthCheckResponse"](status=status)
                said = status
            if self._leaving.phase is Phase.STOPPING:
                return
            gone.wait(_LOOK_EVERY)
