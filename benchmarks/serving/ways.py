"""What each way of asking costs beside the usual one: other forms, keys and persons, rules, shadows, protected fields.

    python -m benchmarks.serving.ways [seconds] [rounds]

One model of 30 named inputs behind endpoints that differ in their policy; one row a request, 16 connections. All take turns
within each round.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.model import FIELDS, rows
from benchmarks.rounds import Spread, cheaper, faster, interleaved, settle, stamp
from benchmarks.serving.governed import as_columns, onnx_vector
from benchmarks.serving.load import ask
from tests.runtime.runtime_stage import ControlPlane, RunningRuntime

CONNECTIONS = 16
RECORD = dict(zip(FIELDS, rows(1)[0], strict=True))
BESIDE = {"key": "customer-17", "subject": "customer-17", "event_time": "2026-01-01T12:00:00Z"}


def _infer(parameters: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(as_columns()) | {"parameters": parameters}).encode()


def _split() -> bytes:
    return json.dumps({"dataframe_split": {"columns": list(RECORD), "data": [list(RECORD.values())]}}).encode()


WAYS: dict[str, tuple[str, bytes]] = {
    "usual": ("/v2/models/plain/infer", as_columns()),
    "with a person": (
        "/v2/models/plain/infer",
        _infer({"routing_key": "c-17", "subject": "c-17", "event_time": BESIDE["event_time"]}),
    ),
    "record": ("/decide/plain", json.dumps(RECORD).encode()),
    "record, with a person": ("/decide/plain", json.dumps({"inputs": RECORD, **BESIDE}).encode()),
    "MLflow's split": ("/endpoints/plain/invocations", _split()),
    "sticky by a field": ("/v2/models/sticky/infer", as_columns()),
    "a rule": ("/v2/models/ruled/infer", as_columns()),
    "protected fields": ("/v2/models/protected/infer", as_columns()),
    "a shadow": ("/v2/models/shadowed/infer", as_columns()),
    "record, all of it": ("/decide/all", json.dumps({"inputs": RECORD, **BESIDE}).encode()),
}


@contextmanager
def staged(folder: Path) -> Iterator[tuple[str, int]]:
    """A runtime with an endpoint for each policy; its address and process."""
    from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
    from modelyard.trust.statements import Arm, ArmRole, EndpointPolicy, Protection, RoutingRule

    plane = ControlPlane(folder)
    answers = (
        FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
        FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
    )
    manifest = plane.version(
        onnx_vector(), Signature(inputs=tuple(FieldSpec(name=n, type=DataType.FP32) for n in FIELDS), outputs=answers)
    )
    names = ("plain", "sticky", "ruled", "protected", "shadowed", "all")
    release = plane.release(manifest, "1", endpoints=names)

    def arm(role: str, share: float = 1.0) -> Arm:
        return Arm(name=role, role=ArmRole(role), release=release, manifest=manifest.digest(), share=share)

    alone, two = (arm("champion"),), (arm("champion", 0.9), arm("challenger", 0.1))
    shadow = arm("shadow")
    rule = RoutingRule(when=f"{FIELDS[0]} > 1000", arm="challenger")
    protect = {FIELDS[0]: Protection.HASH, FIELDS[1]: Protection.MASK}
    plane.publish(
        plane.endpoint(*alone, name="plain"),
        plane.endpoint(*two, name="sticky", policy=EndpointPolicy(sticky_by=FIELDS[0])),
        plane.endpoint(*two, name="ruled", policy=EndpointPolicy(rules=(rule,))),
        plane.endpoint(*alone, name="protected", policy=EndpointPolicy(protect=protect)),
        plane.endpoint(*alone, shadow, name="shadowed"),
        plane.endpoint(*two, shadow, name="all", policy=EndpointPolicy(sticky_by=FIELDS[0], rules=(rule,), protect=protect)),
    )
    running = RunningRuntime(plane, folder / "home", None)
    try:
        running.at_epoch(plane.epoch)
        yield f"http://127.0.0.1:{running.port}", running.process.pid
    finally:
        running.stop(signal.SIGTERM)


def main(seconds: float = 3.0, rounds: int = 3) -> None:
    print(stamp())
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as (address, process):
        settle([process])
        turns: dict[str, Any] = {
            name: partial(ask, address + path, body, CONNECTIONS, seconds, [process]) for name, (path, body) in WAYS.items()
        }
        for turn in turns.values():
            turn()
        taken = interleaved(turns, rounds)
        usual = taken["usual"]
        for name, samples in taken.items():
            rate, each = Spread.of([s.rate for s in samples]), Spread.of([s.cpu_each * 1e6 for s in samples])
            print(f"{name:22} {rate} a second, {each} µs processor")
            print(f"{'':22} of the usual {faster(samples, usual)} by the clock, {cheaper(samples, usual)} by the processor")


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((float, int), sys.argv[1:], strict=False)))
