"""A stage for the runtime: a control plane reduced to a key and a folder, and the runtime as a real process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from modelyard.core.digests import digest
from modelyard.kinds.contract import Inspection
from modelyard.kinds.manifest import ArtifactRef, VersionManifest
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots, sign_release, sign_routes
from modelyard.trust.statements import Arm, ArmRole, EndpointRoutes, Release, RouteSnapshot

SIGNATURE = Signature(
    inputs=(
        FieldSpec(name="a", type=DataType.FP32),
        FieldSpec(name="b", type=DataType.FP32, minimum=-100, maximum=100),
    ),
    outputs=(FieldSpec(name="prediction", type=DataType.FP32, role=Role.SCORE),),
)


@cache
def onnx_model(bias: float, fields: int = 2) -> bytes:
    """A linear model of which the bias tells the version: prediction = a + b + bias."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Gemm", ["input", "weights", "bias"], ["score"])],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, fields])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [fields, 1], [1.0] * fields),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@cache
def looping_model(bias: float) -> bytes:
    """prediction = a + b + bias, after as many turns of a loop as the greatest input says."""
    from onnx import TensorProto, helper

    turns = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Add", ["sum", "nothing"], ["more"])],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, None),
        ],
        [helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["input"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["turns"], to=TensorProto.INT64),
            helper.make_node("Gemm", ["input", "weights", "bias"], ["sum"]),
            helper.make_node("Loop", ["turns", "", "sum"], ["score"], body=turns),
        ],
        "looping",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [2, 1], [1.0, 1.0]),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


class ControlPlane:
    """Signs releases and snapshots and publishes them to a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Ed25519Signer.generate()
        self.published = folder / "published"
        self.roots = folder / "roots.json"
        self.trust(self.signer)
        self.epoch = 0
        for name in ("releases", "manifests", "blobs/sha256"):
            (self.published / name).mkdir(parents=True, exist_ok=True)

    def trust(self, signer: Ed25519Signer) -> None:
        now = datetime.now(UTC)
        root = TrustRoot.of(signer.public_key, tuple(Purpose), now - timedelta(days=1), now + timedelta(days=30))
        self.roots.write_bytes(TrustRoots(roots=(root,)).to_json())

    def blob(self, data: bytes) -> str:
        found = digest(data)
        name = found.removeprefix("sha256:")
        path = self.published / "blobs" / "sha256" / name[:2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return found

    def blob_path(self, found: str) -> Path:
        name = found.removeprefix("sha256:")
        return self.published / "blobs" / "sha256" / name[:2] / name

    def version(self, data: bytes, signature: Signature = SIGNATURE, format_: str = "onnx", kind: str = "ml") -> VersionManifest:
        """A version's manifest and artifact, published."""
        artifact = ArtifactRef(digest=self.blob(data), size=len(data), format=format_)
        manifest = VersionManifest(
            model="delay",
            kind=kind,
            artifact=artifact,
            serving=artifact,
            inspection=Inspection(kind=kind, format=format_),
            signature=signature,
        )
        name = manifest.digest().removeprefix("sha256:")
        (self.published / "manifests" / f"{name}.json").write_bytes(manifest.encode())
        return manifest

    def release(self, manifest: VersionManifest, version: str, signer: Ed25519Signer | None = None, **terms: Any) -> str:
        """A release of the version, signed and published; its digest."""
        now = datetime.now(UTC)
        release = Release.model_validate(
            {
                "id": f"rel_{version}",
                "organisation": "default",
                "use_case": "connections",
                "model": "delay",
                "version": version,
                "manifest": manifest.digest(),
                "serving": manifest.serving.digest,
                "endpoints": ("hold",),
                "stage": "production",
                "roles": tuple(ArmRole),
                "greatest_share": 1.0,
                "tier": "low",
                "evidence": (),
                "approvals": (),
                "policy": digest(b"policy"),
                "issued_by": "tests",
                "issued_at": now,
                "not_before": now - timedelta(minutes=1),
                "until": now + timedelta(days=1),
            }
            | terms
        )
        signed = sign_release(release, signer or self.signer)
        name = signed.digest.removeprefix("sha256:")
        (self.published / "releases" / f"{name}.dsse.json").write_bytes(signed.envelope)
        return signed.digest

    def arm(
        self, bias: float, version: str = "1", role: str = "champion", share: float = 1.0, name: str = "", **terms: Any
    ) -> Arm:
        """An arm with a version and a release of its own."""
        manifest = self.version(onnx_model(bias))
        released = self.release(manifest, version, **terms)
        return Arm(name=name or role, role=ArmRole(role), release=released, manifest=manifest.digest(), share=share)

    def endpoint(self, *arms: Arm, name: str = "hold", **more: Any) -> EndpointRoutes:
        values = {"use_case": "connections", "stage": "production", "tier": "low", "greatest_age": 3600.0} | more
        return EndpointRoutes(name=name, arms=arms, **values)

    def snapshot(self, *endpoints: EndpointRoutes, epoch: int | None = None, **more: Any) -> RouteSnapshot:
        self.epoch = epoch if epoch is not None else self.epoch + 1
        values = {"organisation": "default", "issued_at": datetime.now(UTC)} | more
        return RouteSnapshot(epoch=self.epoch, endpoints=endpoints, **values)

    def publish(self, *endpoints: EndpointRoutes, signer: Ed25519Signer | None = None, **more: Any) -> int:
        """Sign and publish the desired state; its epoch."""
        self.put(sign_routes(self.snapshot(*endpoints, **more), signer or self.signer).envelope)
        return self.epoch

    def put(self, envelope: bytes) -> None:
        temporary = self.published / ".routes.tmp"
        temporary.write_bytes(envelope)
        temporary.replace(self.published / "routes.dsse.json")


class RunningRuntime:
    """`python -m modelyard.runtime` on a free port."""

    def __init__(self, plane: ControlPlane, home: Path, source: str | None = None, *options: str) -> None:
        self.home = home
        self._command = [
            sys.executable, "-m", "modelyard.runtime", "--home", str(home), "--source", source or str(plane.published),
            "--trust-roots", str(plane.roots), "--name", "runtime", *options,
        ]  # fmt: skip
        self.client: httpx.Client
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._log = (self.home.parent / f"{self.home.name}.log").open("ab")
        self.process = subprocess.Popen([*self._command, "--port", str(self.port)], stdout=self._log, stderr=self._log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.until(lambda: self.get("/v2/health/live") is not None, "the runtime did not start")

    def get(self, path: str) -> httpx.Response | None:
        try:
            return self.client.get(path)
        except httpx.TransportError:
            assert self.process.poll() is None, self.log_text()
            return None

    def until(self, true: Callable[[], bool], otherwise: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{otherwise}\n{self.log_text()}\n{self.client.get('/status').text}"
            time.sleep(0.02)

    def at_epoch(self, epoch: int) -> None:
        self.until(lambda: self.client.get("/status").json()["epoch"] == epoch, f"epoch {epoch} did not come")

    def infer(self, rows: int = 1, version: str | None = None, a: float = 1.0, **parameters: Any) -> httpx.Response:
        body: dict[str, Any] = {
            "inputs": [
                {"name": "a", "shape": [rows], "datatype": "FP32", "data": [a + n for n in range(rows)]},
                {"name": "b", "shape": [rows], "datatype": "FP32", "data": [0.0] * rows},
            ]
        }
        if parameters:
            body["parameters"] = parameters
        path = f"/v2/models/hold/versions/{version}/infer" if version else "/v2/models/hold/infer"
        return self.client.post(path, json=body)

    def spooled(self) -> list[dict[str, Any]]:
        return [json.loads(line) for path in (self.home / "spool").glob("*.jsonl") for line in path.read_text().splitlines()]

    def refused(self, **wanted: Any) -> bool:
        return any(all(record.get(k) == v for k, v in wanted.items()) for record in self.spooled())

    def log_text(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.client.close()
        self.process.send_signal(how)
        code = self.process.wait(20)
        self._log.close()
        return code
