"""The cost of governing an answer: the runtime against the bare server that it stands on, nothing else beside them.

    python -m benchmarks.serving.governed [seconds] [rounds]

One release, published to a folder and verified once; each request is routed, checked and durable in the decision log before its
answer. Two bodies: the 30 numbers as one vector, and as 30 named inputs; at 16 and at 256 connections. The echoes are the
runtime's own door, and granian, on which it stood before: a faster door makes every answer cheaper, and the ratio to itself
smaller. All take turns within each round; processor time a request is what a busy machine does not change.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.model import FIELDS, rows, train
from benchmarks.rounds import Sample, Spread, cheaper, faster, interleaved, settle, stamp
from benchmarks.serving import echo
from benchmarks.serving.load import ask
from tests.runtime.runtime_stage import ControlPlane, RunningRuntime

Server = tuple[str, list[int]]
CONNECTIONS = (16, 256)
ECHOES = {"echo": "", "granian's echo": "granian"}


def onnx_vector() -> bytes:
    """The benchmark's pipeline, taking one vector `x`."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    made = to_onnx(train(), initial_types=[("x", FloatTensorType([None, len(FIELDS)]))], options={"zipmap": False})
    return bytes(made.SerializeToString())


def as_vector() -> bytes:
    """One row as one tensor."""
    return json.dumps({"inputs": [{"name": "x", "shape": [1, 30], "datatype": "FP32", "data": rows(1)[0]}]}).encode()


def as_columns() -> bytes:
    """One row as 30 named tensors."""
    inputs = [{"name": n, "shape": [1], "datatype": "FP32", "data": [v]} for n, v in zip(FIELDS, rows(1)[0], strict=True)]
    return json.dumps({"inputs": inputs}).encode()


@contextmanager
def governed(folder: Path, *options: str) -> Iterator[dict[str, Server]]:
    """A runtime with two endpoints, `vector` and `columns`."""
    from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
    from modelyard.trust.statements import Arm, ArmRole

    plane, model = ControlPlane(folder), onnx_vector()
    answers = (
        FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
        FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
    )
    takes = {
        "vector": (FieldSpec(name="x", type=DataType.FP32, shape=(len(FIELDS),)),),
        "columns": tuple(FieldSpec(name=name, type=DataType.FP32) for name in FIELDS),
    }
    endpoints = []
    for name, inputs in takes.items():
        manifest = plane.version(model, Signature(inputs=inputs, outputs=answers))
        release = plane.release(manifest, "1", endpoints=(name,))
        arm = Arm(name="champion", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
        endpoints.append(plane.endpoint(arm, name=name))
    plane.publish(*endpoints)
    running = RunningRuntime(plane, folder / "home", None, *options)
    try:
        running.at_epoch(plane.epoch)
        yield {n: (f"http://127.0.0.1:{running.port}/v2/models/{n}/infer", [running.process.pid]) for n in takes}
    finally:
        running.stop(signal.SIGTERM)


def main(seconds: float = 3.0, rounds: int = 3) -> None:
    print(stamp())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(governed(folder))
        echoes = {name: stack.enter_context(echo(folder, of)) for name, of in ECHOES.items()}
        settle([*next(iter(ours.values()))[1], *(pid for _, pids in echoes.values() for pid in pids)])
        for name, body in (("vector", as_vector()), ("columns", as_columns())):
            for connections in CONNECTIONS:
                servers = {"modelyard": ours[name], **echoes}
                turns: dict[str, Any] = {n: partial(ask, s[0], body, connections, seconds, s[1]) for n, s in servers.items()}
                turns["modelyard"]()
                told(f"{name}, {connections} connections", interleaved(turns, rounds))


def told(what: str, taken: dict[str, list[Sample]]) -> None:
    print(what)
    for name, samples in taken.items():
        print(
            f"  {name:10} {Spread.of([s.rate for s in samples])} a second, "
            f"{Spread.of([s.cpu_each * 1e6 for s in samples])} µs processor"
        )
    for name in ECHOES:
        print(
            f"  of {name}: {faster(taken['modelyard'], taken[name])} by the clock, "
            f"{cheaper(taken['modelyard'], taken[name])} by the processor",
            flush=True,
        )


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((float, int), sys.argv[1:], strict=False)))
