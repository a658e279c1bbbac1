"""A call's way from its own thread into the loop and back, through gRPC itself."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from modelyard.core.errors import NotFound
from modelyard.runtime.grpc import GrpcServer
from modelyard.runtime.grpc.crossing import Crossing
from modelyard.runtime.grpc.health import MOST_WATCHERS, TO_REFUSE
from modelyard.runtime.grpc.messages import SERVICE, messages
from modelyard.runtime.grpc.server import _ASIDE
from modelyard.runtime.metrics import Metrics

_PATIENCE = 30


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in another thread."""
    loop = asyncio.new_event_loop()
    runs = threading.Thread(target=loop.run_forever)
    runs.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runs.join()
        loop.close()


@contextmanager
def serving(method: Any) -> Iterator[Callable[..., Any]]:
    """A server of one method, in the loop of another thread; yields what calls it."""
    with looping() as loop:
        crossing, threads = Crossing(loop), ThreadPoolExecutor(16)
        server = grpc.server(threads)
        handler = grpc.unary_unary_rpc_method_handler(lambda request, context: crossing.answer(method, request, context))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Ask": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary("/test/Ask")
        assert server.stop(0).wait(_PATIENCE)
        threads.shutdown()


class Holding:
    """Answers no inference until it is told to, which ends them all as not found."""

    most_rows = 100

    def __init__(self, most: int) -> None:
        self.admission, self.free = SimpleNamespace(most=most), asyncio.Event()

    async def answer(self, *asked: Any) -> Any:
        await self.free.wait()
        raise NotFound("let go")


def test_health_is_told_while_inferences_wait_and_there_is_an_end_to_them() -> None:
    """Where nobody watches and nobody asks for metadata, inferences may wait in the places kept for those."""
    holding = Holding(2)
    places = 2 + _ASIDE + MOST_WATCHERS + TO_REFUSE
    table: Any = SimpleNamespace(endpoints={"m": object()})
    served = GrpcServer(holding, None, Metrics(), lambda: table, -1)  # type: ignore[arg-type]
    kinds = messages()
    asked = kinds["ModelInferRequest"](model_name="m")
    asked.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents.append(1.0)
    with looping() as loop:
        port = asyncio.run_coroutine_threadsafe(served.start("127.0.0.1", 0), loop).result(_PATIENCE)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer, live = channel.unary_unary(f"/{SERVICE}/ModelInfer"), channel.unary_unary(f"/{SERVICE}/ServerLive")
            waiting = [infer.future(asked.SerializeToString(), timeout=_PATIENCE) for _ in range(places - 2)]
            assert kinds["ServerLiveResponse"].FromString(live(b"", timeout=_PATIENCE)).live
            more = [infer.future(asked.SerializeToString(), timeout=_PATIENCE) for _ in range(6)]
            ended: queue.SimpleQueue[grpc.Future] = queue.SimpleQueue()
            for one in waiting + more:
                one.add_done_callback(ended.put)
            codes = [ended.get(timeout=_PATIENCE).code().name for _ in range(4)]
            assert codes == ["RESOURCE_EXHAUSTED"] * 4
            loop.call_soon_threadsafe(holding.free.set)
            codes = [ended.get(timeout=_PATIENCE).code().name for _ in range(places)]
            assert codes == ["NOT_FOUND"] * places
        asyncio.run_coroutine_threadsafe(served.stop(1), loop).result(_PATIENCE)


def test_calls_that_come_together_are_in_the_loop_together() -> None:
    together = asyncio.Barrier(12)

    async def method(request: bytes, context: Any) -> bytes:
        await together.wait()
        return request[::-1]

    with serving(method) as call:
        asked = [call.future(b"%02d" % number, timeout=_PATIENCE) for number in range(12)]
        assert [one.result() for one in asked] == [(b"%02d" % number)[::-1] for number in range(12)]


def test_what_the_method_raises_comes_back_to_the_thread() -> None:
    async def method(request: bytes, context: Any) -> bytes:
        raise NotFound("nobody is here")

    with serving(method) as call, pytest.raises(grpc.RpcError, match="nobody is here"):
        call(b"", timeout=_PATIENCE)


def test_a_call_whose_caller_leaves_is_given_up() -> None:
    begun, given_up = threading.Event(), threading.Event()

    async def method(request: bytes, context: Any) -> bytes:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            given_up.set()
            raise
        return b"never"

    with serving(method) as call:
        asked = call.future(b"", timeout=_PATIENCE)
        assert begun.wait(_PATIENCE)
        asked.cancel()
        assert given_up.wait(_PATIENCE)


def test_a_server_that_ends_gives_up_what_it_has_begun() -> None:
    begun, loop_free = threading.Event(), threading.Event()

    async def method(request: bytes, context: Any) -> bytes:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            loop_free.set()
        return b"never"

    with serving(method) as call:
        asked = call.future(b"", timeout=_PATIENCE)
        assert begun.wait(_PATIENCE)
    assert loop_free.is_set()
    assert asked.cancelled() or asked.exception() is not None
