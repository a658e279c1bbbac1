"""Our side: a runtime with one released version behind an endpoint, published to a folder by a control plane of one key."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.against.peers import Peer, open_inference
from benchmarks.model import FIELDS
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.trust.statements import Arm, ArmRole
from tests.runtime.runtime_stage import ControlPlane, RunningRuntime

SIGNATURE = Signature(
    inputs=(FieldSpec(name="x", type=DataType.FP32, shape=(len(FIELDS),)),),
    outputs=(
        FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
        FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
    ),
)


def endpoint(plane: ControlPlane, model: bytes, name: str) -> object:
    """An endpoint with that model as its champion."""
    manifest = plane.version(model, SIGNATURE)
    release = plane.release(manifest, "1", endpoints=(name,))
    arm = Arm(name="champion", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
    return plane.endpoint(arm, name=name)


@contextmanager
def running(models: dict[str, bytes], folder: Path, *options: str) -> Iterator[RunningRuntime]:
    """A runtime that serves the models by name."""
    folder.mkdir(exist_ok=True)
    plane = ControlPlane(folder)
    plane.publish(*(endpoint(plane, model, name) for name, model in models.items()))
    started = RunningRuntime(plane, folder / "home", None, *options)
    try:
        started.at_epoch(plane.epoch)
        yield started
    finally:
        started.stop(signal.SIGTERM)


@contextmanager
def modelyard(model: bytes, folder: Path, *options: str) -> Iterator[Peer]:
    """One model, asked as the peers are."""
    with running({"m": model}, folder / "modelyard", *options) as started:
        yield Peer(f"http://127.0.0.1:{started.port}/v2/models/m/infer", open_inference(1), [started.process.pid])
