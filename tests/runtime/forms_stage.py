"""A runtime for the wire forms: a sum of two numbers, a vector, an echo of every data type, one that streams, and a constant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from runtime_stage import ControlPlane, RunningRuntime, onnx_model

from modelyard.decisions import DecisionReader
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.trust.statements import Arm, ArmRole, Constant, EndpointPolicy, EndpointRoutes, OnInvalid, OnUnlogged

LARGEST_BODY = 16 << 20
SMALL = {name: getattr(DataType, name) for name in DataType.__members__}


def echo_of(*fields: FieldSpec) -> Signature:
    """The signature of the echo of these fields."""
    outputs = tuple(field.model_copy(update={"name": f"{field.name}_out"}) for field in fields)
    return Signature(inputs=fields, outputs=outputs)


EVERY_TYPE = echo_of(*(FieldSpec(name=name.lower(), type=kind) for name, kind in SMALL.items()))
PERSON = echo_of(
    FieldSpec(name="age", type=DataType.INT32, minimum=0, maximum=130),
    FieldSpec(name="income", type=DataType.FP64, nullable=True),
    FieldSpec(name="region", type=DataType.BYTES, allowed=("north", "south", "élan")),
    FieldSpec(name="member", type=DataType.BOOL),
    FieldSpec(name="scores", type=DataType.FP32, shape=(2,)),
)
CALLED_INPUTS = echo_of(
    FieldSpec(name="inputs", type=DataType.FP32, shape=(2,)), FieldSpec(name="records", type=DataType.FP32, shape=(1,))
)
CREDIT = (FieldSpec(name="income", type=DataType.FP32), FieldSpec(name="debt", type=DataType.FP32))
WIDE = echo_of(*(FieldSpec(name=f"f{n}", type=DataType.FP32, nullable=True) for n in range(100)))
TALK = Signature(
    inputs=(FieldSpec(name="text", type=DataType.BYTES),),
    outputs=(FieldSpec(name="text_out", type=DataType.BYTES), FieldSpec(name="words_out", type=DataType.INT64)),
)


def install_echo(folder: Path) -> str:
    """Put the echo kind where an interpreter finds it; the path to add to PYTHONPATH."""
    told = folder / "echo_kind-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-kind\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[modelyard.kinds]\necho = echo_kind:KIND\n")
    (folder / "echo_kind.py").write_text((Path(__file__).parent / "echo_kind.py").read_text())
    return str(folder)


class Served:
    """The runtime and what tests ask of it. Its `options` are those of the command."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.plane = ControlPlane(folder)
        self.plane.publish(
            self.plane.endpoint(self.plane.arm(10.0, "1", share=0.5), self.plane.arm(20.0, "2", "challenger", 0.5), name="hold"),
            self._echo("every", EVERY_TYPE),
            self._echo("person", PERSON),
            self._echo("odd", CALLED_INPUTS),
            self._echo("talk", TALK).model_copy(update={"policy": EndpointPolicy(unlogged=OnUnlogged.ANSWER)}),
            self._echo("careful", TALK),
            self._echo("wide", WIDE),
            self._sum("vector", "7", (FieldSpec(name="x", type=DataType.FP32, shape=(3,)),), "prediction", 3),
            self._sum("credit", "3", CREDIT, "limit"),
            self._sum("lenient", "3", CREDIT, "limit").model_copy(
                update={"constant": Constant(outputs={"limit": 0.0}), "policy": EndpointPolicy(invalid=OnInvalid.FALLBACK)}
            ),
            self.plane.endpoint(name="fixed", constant=Constant(outputs={"prediction": 0.5, "label": "no"})),
        )
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [install_echo(folder / "site"), before]))
        try:
            self.runtime = RunningRuntime(self.plane, folder / "home", None, *options)
        finally:
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
        self.runtime.at_epoch(1)
        self.client = self.runtime.client
        self.url = f"127.0.0.1:{self.runtime.port}"

    def _echo(self, name: str, signature: Signature) -> EndpointRoutes:
        manifest = self.plane.version(f"echo of {name}".encode(), signature, "onnx", "echo")
        release = self.plane.release(manifest, "1", endpoints=(name,))
        arm = Arm(name="echo", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
        return self.plane.endpoint(arm, name=name)

    def _sum(self, name: str, version: str, fields: tuple[FieldSpec, ...], output: str, size: int = 2) -> EndpointRoutes:
        """The sum of all numbers and a half."""
        signature = Signature(inputs=fields, outputs=(FieldSpec(name=output, type=DataType.FP32),))
        manifest = self.plane.version(onnx_model(0.5, size), signature)
        release = self.plane.release(manifest, version, endpoints=(name,))
        arm = Arm(name="champion", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
        return self.plane.endpoint(arm, name=name)

    def decision(self, identity: str) -> dict[str, Any]:
        """The logged decision of that id."""
        found = DecisionReader(self.runtime.home / "decisions").get(identity)
        assert found is not None
        return found
