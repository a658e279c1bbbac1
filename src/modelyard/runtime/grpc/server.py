"""The service: what comes by gRPC goes through the same answering as what comes by HTTP, in the event loop of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Any

import structlog

from modelyard.core.errors import ModelyardError, Unavailable
from modelyard.runtime.answering import Answering, endpoint_of
from modelyard.runtime.aside import MANY, aside
from modelyard.runtime.grpc import requests
from modelyard.runtime.grpc.crossing import Crossing, Method
from modelyard.runtime.grpc.health import MOST_WATCHERS, TO_REFUSE, Health
from modelyard.runtime.grpc.messages import HEALTH_SERVICE, METHODS, SERVICE, messages
from modelyard.runtime.leaving import Leaving
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.shadows import Shadows
from modelyard.runtime.table import ServedEndpoint, Table

_LOG = structlog.get_logger("modelyard.runtime")
_VERSION = "0.1.0"
_MOST_THREADS = 512
"""So many inferences by gRPC are under way at once; more wait for a thread. Threads are made when calls come that need them."""
_ASIDE = 4
"""Threads of their own for health and metadata, which must be told however many inferences wait."""
_ENDLESS = 1e9
"""Seconds; a call without a deadline has longer than this."""


@dataclass
class GrpcServer:
    """One worker's service. `table` gives what is served now. Several workers share the port."""

    answering: Answering
    shadows: Shadows
    metrics: Metrics
    table: Callable[[], Table | None]
    largest_message: int
    leaving: Leaving = field(default_factory=Leaving)
    _server: Any = None
    _threads: ThreadPoolExecutor = field(init=False)
    _aside: ThreadPoolExecutor = field(init=False)
    _watching: ThreadPoolExecutor = field(init=False)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was taken. Raises Unavailable when grpcio is missing or the port is not free."""
        try:
            import grpc
        except ImportError as error:
            raise Unavailable("gRPC needs grpcio", hint="pip install 'modelyard[grpc]'") from error
        options = [
            ("grpc.max_receive_message_length", self.largest_message),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 1),
        ]
        most = self.answering.admission.most
        self._threads = ThreadPoolExecutor(min(most, _MOST_THREADS), "grpc")
        self._aside = ThreadPoolExecutor(_ASIDE, "grpc-aside")
        self._watching = ThreadPoolExecutor(MOST_WATCHERS + TO_REFUSE, "grpc-watch")
        at_once = most + _ASIDE + MOST_WATCHERS + TO_REFUSE
        self._server = grpc.server(self._threads, options=options, maximum_concurrent_rpcs=at_once)
        self._server.add_generic_rpc_handlers(self._handlers(grpc, Crossing(asyncio.get_running_loop())))
        try:
            taken: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise Unavailable(f"port {port} is taken", field="grpc_port", hint="choose another with --grpc-port") from error
        self._server.start()
        return taken

    async def stop(self, grace: float) -> None:
        """Refuse new calls; give those under way so many seconds."""
        if self._server is not None:
            ended = self._server.stop(grace)
            await asyncio.to_thread(ended.wait)
            for threads in (self._threads, self._aside, self._watching):
                threads.shutdown(wait=False)

    def _handlers(self, grpc: Any, crossing: Crossing) -> tuple[Any, ...]:
        kinds, health = messages(), Health(self.table, self.leaving)

        def handler(method: Method, name: str) -> Any:
            call: Any = self._guarded(grpc, crossing, method)
            call.experimental_thread_pool = self._threads if name == "ModelInfer" else self._aside  # which threads gRPC takes
            return grpc.unary_unary_rpc_method_handler(
                call, kinds[f"{name}Request"].FromString, kinds[f"{name}Response"].SerializeToString
            )

        calls: dict[str, Method] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        return (
            grpc.method_handlers_generic_handler(SERVICE, {name: handler(calls[name], name) for name in METHODS}),
            grpc.method_handlers_generic_handler(
                HEALTH_SERVICE,
                {"Check": handler(health.check, "HealthCheck"), "Watch": health.watcher(grpc, self._watching)},
            ),
        )

    def _guarded(self, grpc: Any, crossing: Crossing, method: Method) -> Callable[[Any, Any], Any]:
        """The method with errors told as status and sentence. Called in a thread of the call's own."""

        def call(request: Any, context: Any) -> Any:
            try:
                return crossing.answer(method, request, context)
            except ModelyardError as error:
                code, told = _status(grpc, error), str(error)
            except asyncio.CancelledError:
                code, told = grpc.StatusCode.CANCELLED, "the call ended before its answer"
            except Exception as error:  # noqa: BLE001 - the last line of defence
                _LOG.error("a request failed", exc_info=error)
                code, told = grpc.StatusCode.INTERNAL, "the runtime failed; its log says why"
            return context.abort(code, told)

        return call

    async def _infer(self, request: Any, context: Any) -> Any:
        started = perf_counter()
        name, table = request.model_name, self._table()
        known = name if name in table.endpoints else ""
        status = 500
        try:
            asked = await aside(requests.many(request), requests.read, request, self.answering.most_rows)
            asked.deadline, asked.trace = _deadline(context, started), _trace(context)
            said, call = await self.answering.answer(table, endpoint_of(table, name), asked, started)
            response = await aside(said.rows > MANY, requests.write, said, bool(request.raw_input_contents))
            status = 200
        except ModelyardError as error:
            status = error.status
            raise
        finally:
            self.metrics.requests[known, status] += 1
            self.metrics.latency[known].observe(perf_counter() - started)
        if call.endpoint.shadows:
            self.shadows.mirror(call, said.ids)
        return response

    async def _live(self, request: Any, context: Any) -> Any:
        return messages()["ServerLiveResponse"](live=True)

    async def _ready(self, request: Any, context: Any) -> Any:
        return messages()["ServerReadyResponse"](ready=self.table() is not None and not self.leaving.begun)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        endpoint = self._asked_for(request)
        return messages()["ModelReadyResponse"](ready=endpoint.can_answer(time()) and not self.leaving.begun)

    async def _server_metadata(self, request: Any, context: Any) -> Any:
        return messages()["ServerMetadataResponse"](name="modelyard", version=_VERSION, extensions=[])

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        endpoint, kinds = self._asked_for(request), messages()
        signature = endpoint.contract.predictor.signature if endpoint.contract else None
        versions = dict.fromkeys(slot.arm.version for slot in endpoint.live if slot.arm)
        found = kinds["ModelMetadataResponse"](name=endpoint.routes.name, versions=list(versions), platform="modelyard")
        for side in ("inputs", "outputs"):
            for spec in getattr(signature, side, ()):
                getattr(found, side).add(name=spec.name, datatype=spec.type.value, shape=[-1, *spec.shape])
        return found

    def _asked_for(self, request: Any) -> ServedEndpoint:
        endpoint = endpoint_of(self._table(), request.name)
        if request.version:
            endpoint.version(request.version)
        return endpoint

    def _table(self) -> Table:
        table = self.table()
        if table is None:
            raise Unavailable("no route snapshot has been accepted yet")
        return table


def _status(grpc: Any, error: ModelyardError) -> Any:
    codes = grpc.StatusCode
    by_status = {
        401: codes.UNAUTHENTICATED,
        403: codes.PERMISSION_DENIED,
        404: codes.NOT_FOUND,
        409: codes.FAILED_PRECONDITION,
        413: codes.OUT_OF_RANGE,
        503: codes.UNAVAILABLE,
        504: codes.DEADLINE_EXCEEDED,
        507: codes.RESOURCE_EXHAUSTED,
    }
    return by_status.get(error.status, codes.INVALID_ARGUMENT if error.status < 500 else codes.INTERNAL)


def _deadline(context: Any, started: float) -> float | None:
    """When the caller gives up, on the clock of `perf_counter`."""
    left = context.time_remaining()
    return None if left > _ENDLESS else started + left


def _trace(context: Any) -> str | None:
    """The trace id of a W3C `traceparent` in the call's metadata."""
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            parts = str(value).split("-")
            return parts[1][:32] if len(parts) >= 4 else None
    return None
