"""gRPC against HTTP with JSON: 100 rows a request, the same runtime, four callers each that know their bytes beforehand.

Asked three times: by h2load (of nghttp2), which speaks both and costs next to nothing, so that the runtime is what is measured;
by callers in Python with their bytes made beforehand, each with the client that Python has for it; and by Triton's client from
arrays to arrays, as users ask, where making and reading the bytes counts.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import running
from benchmarks.against.peers import open_inference
from benchmarks.model import FIELDS, rows
from benchmarks.rounds import Sample, Spread, Turn, cheaper, cpu_of, faster, interleaved, settle
from benchmarks.yard import free_port
from modelyard.runtime.grpc.messages import SERVICE, messages

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROWS, CALLERS = 100, 4
_GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")
_JSON_HEADERS = ("content-type: application/json",)


def run(stack: ExitStack, folder: Path) -> None:
    """Print rows a second and processor time of the runtime for both."""
    port = free_port()
    started = stack.enter_context(running({"m": onnx_bytes("logistic")}, folder / "runtime", "--grpc-port", str(port)))
    process = started.process.pid
    settle([process])
    sides = {"grpc": partial(_by_grpc, port), "http json": partial(_by_http, started.port)}
    arrays = {"grpc": partial(_by_triton_grpc, port), "http json": partial(_by_triton_http, started.port)}
    for caller in (*sides.values(), *arrays.values()):
        caller()()  # it looks at the answer, which h2load does not
    if shutil.which("h2load"):
        _compare("h2load", _by_h2load(folder, port, started.port, process))
    else:
        print("h2load is not here (Debian: nghttp2-client): only callers in Python are asked, whose own cost is in the rates\n")
    for who, callers in (("callers in Python", sides), ("Triton's client, from arrays to arrays", arrays)):
        _compare(who, {name: partial(turn, caller, process) for name, caller in callers.items()})


def _compare(callers: str, turns: dict[str, Turn]) -> None:
    for one in turns.values():
        one()
    taken = interleaved(turns, ROUNDS)
    print(f"| wire, asked by {callers} | rows a second | µs of the runtime's processor a row |")
    print("|---|---|---|")
    for name, samples in taken.items():
        print(f"| {name} | {Spread.of([s.rate for s in samples])} | {Spread.of([s.cpu_each * 1e6 for s in samples])} |")
    ours, theirs = taken["grpc"], taken["http json"]
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"gRPC against HTTP: {faster(ours, theirs)} by the clock, {cheaper(ours, theirs)} by the processor (aim: above 1)")
    print(f"load {load}\n", flush=True)


def _by_h2load(folder: Path, grpc_port: int, http_port: int, process: int) -> dict[str, Turn]:
    """Turns of h2load with a body in a file; over HTTP/2 with the five bytes before a message that gRPC asks for."""
    message = _request()
    (folder / "message").write_bytes(struct.pack(">BI", 0, len(message)) + message)
    (folder / "json").write_bytes(open_inference(ROWS))
    return {
        "grpc": partial(
            _h2load, f"http://127.0.0.1:{grpc_port}/{SERVICE}/ModelInfer", folder / "message", _GRPC_HEADERS, (), process
        ),
        "http json": partial(
            _h2load, f"http://127.0.0.1:{http_port}/v2/models/m/infer", folder / "json", _JSON_HEADERS, ("--h1",), process
        ),
    }


def _h2load(url: str, body: Path, headers: tuple[str, ...], options: tuple[str, ...], process: int) -> Sample:
    told = [part for header in headers for part in ("-H", header)]
    command = ["h2load", *options, "-c", str(CALLERS), "-m", "1", "-D", f"{SECONDS * 1000:.0f}ms", "-d", str(body), *told, url]
    before = cpu_of([process])
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = cpu_of([process]) - before
    found = re.search(r"finished in ([\d.]+)(m?)s.*?(\d+) succeeded, (\d+) failed, (\d+) errored", printed, re.DOTALL)
    if found is None or int(found[3]) == 0 or int(found[4]) or int(found[5]):
        raise SystemExit(f"h2load was not answered as it should be:\n{printed}")
    return Sample(float(found[1]) / (1000 if found[2] else 1), used, int(found[3]) * ROWS)


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


def _request() -> bytes:
    request = messages()["ModelInferRequest"](model_name="m")
    request.inputs.add(name="x", datatype="FP32", shape=[ROWS, len(FIELDS)])
    request.raw_input_contents.append(np.array(rows(ROWS), "<f4").tobytes())
    return bytes(request.SerializeToString())


def _by_grpc(port: int) -> Callable[[], None]:
    import grpc

    body, answer = _request(), messages()["ModelInferResponse"]
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


def _by_triton_grpc(port: int) -> Callable[[], None]:
    from tritonclient import grpc

    return _from_array_to_arrays(grpc, grpc.InferenceServerClient(f"127.0.0.1:{port}"), {})


def _by_triton_http(port: int) -> Callable[[], None]:
    from tritonclient import http

    return _from_array_to_arrays(http, http.InferenceServerClient(f"127.0.0.1:{port}"), {"binary_data": False})


def _from_array_to_arrays(kind: Any, client: Any, json_alone: dict[str, bool]) -> Callable[[], None]:
    given = np.array(rows(ROWS), "<f4")

    def ask() -> None:
        asked = kind.InferInput("x", given.shape, "FP32")
        asked.set_data_from_numpy(given, **json_alone)
        outputs = [kind.InferRequestedOutput(name, **json_alone) for name in ("label", "probability")]
        told = client.infer("m", [asked], outputs=outputs)
        assert [len(told.as_numpy(name)) for name in ("label", "probability")] == [ROWS, ROWS]

    return ask
