"""gRPC against HTTP with JSON: 100 rows a request, the same runtime, four callers each that know their bytes beforehand."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import running
from benchmarks.against.peers import open_inference
from benchmarks.model import FIELDS, rows
from benchmarks.rounds import Sample, Spread, cheaper, cpu_of, faster, interleaved, settle
from benchmarks.yard import free_port

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROWS, CALLERS = 100, 4


def run(stack: ExitStack, folder: Path) -> None:
    """Print rows a second and processor time of the runtime for both."""
    port = free_port()
    started = stack.enter_context(running({"m": onnx_bytes("logistic")}, folder / "runtime", "--grpc-port", str(port)))
    settle([started.process.pid])
    sides = {"grpc": partial(_by_grpc, port), "http json": partial(_by_http, started.port)}
    turns = {name: partial(turn, caller, started.process.pid) for name, caller in sides.items()}
    for one in turns.values():
        one()
    taken = interleaved(turns, ROUNDS)
    print("| wire | rows a second | µs of the runtime's processor a row |")
    print("|---|---|---|")
    for name, samples in taken.items():
        print(f"| {name} | {Spread.of([s.rate for s in samples])} | {Spread.of([s.cpu_each * 1e6 for s in samples])} |")
    ours, theirs = taken["grpc"], taken["http json"]
    print(f"gRPC against HTTP: {faster(ours, theirs)} by the clock, {cheaper(ours, theirs)} by the processor (aim: above 1)")


def turn(caller: Callable[[], Callable[[], None]], process: int) -> Sample:
    """So many callers for so long."""
    counts, end = [0] * CALLERS, time.perf_counter() + SECONDS

    def work(place: int) -> None:
        ask = caller()
        while time.perf_counter() < end:
            ask()
            counts[place] += 1

    before, begun = cpu_of([process]), time.perf_counter()
    threads = [threading.Thread(target=work, args=(place,)) for place in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sample(time.perf_counter() - begun, cpu_of([process]) - before, sum(counts) * ROWS)


def _by_grpc(port: int) -> Callable[[], None]:
    import grpc

    from modelyard.runtime.grpc.messages import SERVICE, messages

    request = messages()["ModelInferRequest"](model_name="m")
    request.inputs.add(name="x", datatype="FP32", shape=[ROWS, len(FIELDS)])
    request.raw_input_contents.append(np.array(rows(ROWS), "<f4").tobytes())
    body, answer = request.SerializeToString(), messages()["ModelInferResponse"]
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
    call = channel.unary_unary(f"/{SERVICE}/ModelInfer", None, answer.FromString)

    def ask() -> None:
        assert len(call(body, timeout=30).raw_output_contents) == 2

    return ask


def _by_http(port: int) -> Callable[[], None]:
    body, connection = open_inference(ROWS), http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> None:
        connection.request("POST", "/v2/models/m/infer", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()

    return ask
