"""Attacks on what is served. None succeeds, and each leaves a refusal in the spool."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from runtime_stage import ControlPlane, RunningRuntime, onnx_model

from modelyard.core.digests import digest
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.trust import Ed25519Signer, sign_routes
from modelyard.trust.statements import Arm, ArmRole, Constant

GOOD, EVIL = 10.0, 666.0


class Stage:
    """One runtime for all attacks; `reset` puts a good version in force again."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        self.good = self.plane.arm(GOOD, "1")
        self.plane.publish(self.plane.endpoint(self.good))
        self.runtime = RunningRuntime(self.plane, folder / "home")

    def reset(self) -> None:
        self.publish(self.plane.endpoint(self.good))
        assert self.answer() == GOOD

    def publish(self, *endpoints: Any, **more: Any) -> int:
        """Publish and wait until it is in force."""
        epoch = self.plane.publish(*endpoints, **more)
        self.runtime.at_epoch(epoch)
        return epoch

    def answer(self) -> float | str:
        """What the model adds to zero, or the error."""
        response = self.runtime.infer(a=0.0)
        if response.status_code == 200:
            value: float = response.json()["outputs"][0]["data"][0]
            return value
        assert response.status_code == 503
        error: str = response.json()["error"]
        return error

    def refused(self, **wanted: Any) -> None:
        self.runtime.until(lambda: self.runtime.refused(**wanted), f"no refusal {wanted} was spooled")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("adversarial"))
    yield made
    assert made.runtime.stop() == 0


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.reset()
    return shared


def _endpoint(plane: ControlPlane, **terms: Any) -> Any:
    return plane.endpoint(plane.arm(EVIL, "2", **terms))


RELEASE_ATTACKS: dict[str, tuple[str, str | None, Callable[[ControlPlane], Any]]] = {
    "for another stage": ("not_approved", "stage", lambda p: _endpoint(p, stage="validation")),
    "for another use case": ("not_approved", "use_case", lambda p: _endpoint(p, use_case="pricing")),
    "for another endpoint": ("not_approved", "endpoint", lambda p: _endpoint(p, endpoints=("price",))),
    "of another organisation": ("not_approved", "organisation", lambda p: _endpoint(p, organisation="rival")),
    "role beyond it": ("not_approved", "role", lambda p: _endpoint(p, roles=(ArmRole.SHADOW,))),
    "share beyond it": ("not_approved", "share", lambda p: _endpoint(p, greatest_share=0.1)),
    "ended": ("not_approved", "until", lambda p: _endpoint(p, until=datetime.now(UTC) - timedelta(seconds=1))),
    "not begun": ("not_approved", "not_before", lambda p: _endpoint(p, not_before=datetime.now(UTC) + timedelta(hours=1))),
    "for another artifact": ("not_approved", "serving", lambda p: _endpoint(p, serving=digest(b"another"))),
    "forged": ("unknown_key", None, lambda p: _endpoint(p, signer=Ed25519Signer.generate())),
}  # fmt: skip


def test_releases_that_do_not_permit(stage: Stage) -> None:
    """One snapshot after another on one runtime: each takes the endpoint out of service, none serves the version."""
    for name, (code, clause, attack) in RELEASE_ATTACKS.items():
        epoch = stage.publish(attack(stage.plane))
        assert "cannot answer" in str(stage.answer()), name
        wanted = {"code": code, "epoch": epoch, "endpoint": "hold", "arm": "champion"}
        stage.refused(**wanted, **({"clause": clause} if clause else {}))
    stage.reset()


def test_no_release_at_all_revoked_release_and_unsigned_fallback(stage: Stage) -> None:
    plane = stage.plane
    manifest = plane.version(onnx_model(EVIL))
    bare = Arm(name="bare", role=ArmRole.CHAMPION, release=digest(b"none"), manifest=manifest.digest(), share=1.0)
    stage.publish(plane.endpoint(bare))
    assert "cannot answer" in str(stage.answer())
    stage.refused(arm="bare", code="not_approved", clause="release")
    stage.publish(plane.endpoint(stage.good), revoked=(stage.good.release,))
    assert "cannot answer" in str(stage.answer())
    stage.refused(arm="champion", code="not_approved", clause="revoked")
    standby = bare.model_copy(update={"name": "standby", "role": ArmRole.FALLBACK, "share": 0.0})
    broken = plane.arm(EVIL, "3", stage="validation")
    constant = Constant(outputs={"prediction": -1.0})
    stage.publish(plane.endpoint(broken, standby, constant=constant))
    assert stage.answer() == -1.0
    stage.refused(arm="standby", code="not_approved")


def test_swapped_artifact_and_swapped_manifest(stage: Stage) -> None:
    plane = stage.plane
    arm = plane.arm(20.0, "2")
    plane.blob_path(digest(onnx_model(20.0))).write_bytes(onnx_model(EVIL))
    stage.publish(plane.endpoint(arm))
    assert "cannot answer" in str(stage.answer())
    stage.refused(arm="champion", code="untrusted", manifest=arm.manifest)
    arm = plane.arm(30.0, "3")
    path = plane.published / "manifests" / f"{arm.manifest.removeprefix('sha256:')}.json"
    evil = plane.version(onnx_model(EVIL))
    path.write_bytes(evil.encode())
    epoch = stage.publish(plane.endpoint(arm))
    assert "cannot answer" in str(stage.answer())
    stage.refused(arm="champion", code="untrusted", epoch=epoch)


def test_forged_edited_older_and_unreadable_snapshots(stage: Stage) -> None:
    """The snapshot in force stays in force."""
    plane = stage.plane
    start = plane.epoch
    first = (plane.published / "routes.dsse.json").read_bytes()
    evil = plane.endpoint(plane.arm(EVIL, "2"))
    forged = sign_routes(plane.snapshot(evil, epoch=start + 7), Ed25519Signer.generate())
    plane.put(forged.envelope)
    stage.refused(code="unknown_key", snapshot=forged.digest)
    signed = sign_routes(plane.snapshot(plane.endpoint(stage.good), epoch=start + 8), plane.signer)
    envelope = json.loads(signed.envelope)
    epoch, edited = f'"epoch":{start + 8}'.encode(), f'"epoch":{start + 9}'.encode()
    payload = base64.b64decode(envelope["payload"]).replace(epoch, edited)
    envelope["payload"] = base64.b64encode(payload).decode()
    plane.put(json.dumps(envelope).encode())
    stage.refused(code="bad_signature", snapshot=digest(payload))
    plane.put(b"not an envelope")
    stage.refused(code="malformed")
    assert stage.answer() == GOOD
    last = stage.publish(plane.endpoint(plane.arm(20.0, "2")), epoch=start + 10)
    plane.put(first)
    stage.refused(code="older_epoch")
    twin = sign_routes(plane.snapshot(evil, epoch=last), plane.signer)
    plane.put(twin.envelope)
    stage.refused(code="older_epoch", snapshot=twin.digest)
    assert stage.answer() == 20.0
    stage.runtime.stop()
    stage.runtime.start()
    stage.runtime.at_epoch(last)
    assert stage.answer() == 20.0


def test_swapped_trust_root_and_altered_cache(stage: Stage) -> None:
    epoch, signer = stage.plane.epoch, stage.plane.signer
    stage.runtime.stop()
    stage.plane.trust(Ed25519Signer.generate())
    stage.runtime.start()
    stage.refused(code="unknown_key")
    assert "no route snapshot" in str(stage.answer())
    assert stage.runtime.client.get("/v2/health/ready").status_code == 503
    stage.runtime.stop()
    stage.plane.trust(signer)
    good = digest(onnx_model(GOOD))
    (stage.runtime.home / "cache" / "blobs" / good.removeprefix("sha256:")).write_bytes(onnx_model(EVIL))
    stage.plane.blob_path(good).write_bytes(onnx_model(EVIL))
    stage.runtime.start()
    stage.runtime.at_epoch(epoch)
    assert "cannot answer" in str(stage.answer())
    stage.refused(code="untrusted", arm="champion", epoch=epoch)
    stage.plane.blob(onnx_model(GOOD))


def test_a_release_that_ends_while_it_serves(stage: Stage) -> None:
    plane = stage.plane
    brief = plane.arm(20.0, "2", until=datetime.now(UTC) + timedelta(seconds=2))
    standby = plane.arm(GOOD, "1", "fallback", 0.0)
    stage.publish(plane.endpoint(brief, standby))
    assert stage.answer() == 20.0
    stage.runtime.until(lambda: stage.answer() == GOOD, "the fallback did not take over")
    stage.refused(code="not_approved", clause="until", arm="champion")
    group = stage.runtime.infer().json()["parameters"]["groups"][0]
    assert group["role"] == "fallback"
    assert "ended" in group["reason"]


def test_an_arm_that_would_answer_otherwise_than_callers_expect(stage: Stage) -> None:
    plane = stage.plane
    other = Signature(inputs=(FieldSpec(name="a", type=DataType.FP32), FieldSpec(name="b", type=DataType.FP32)),
                      outputs=(FieldSpec(name="prediction", type=DataType.FP64),))  # fmt: skip
    manifest = plane.version(onnx_model(20.0), other)
    champion = stage.good.model_copy(update={"share": 0.5})
    rival = Arm(name="rival", role=ArmRole.CHALLENGER, release=plane.release(manifest, "2"),
                manifest=manifest.digest(), share=0.5)  # fmt: skip
    stage.publish(plane.endpoint(champion, rival))
    stage.refused(code="incompatible_outputs", arm="rival")
    answers = {stage.answer() if stage.runtime.infer().status_code == 200 else None for _ in range(20)}
    assert 20.0 not in answers


def test_an_artifact_that_no_kind_can_load(stage: Stage) -> None:
    plane = stage.plane
    manifest = plane.version(b"\x08\x09 no model at all")
    arm = Arm(name="junk", role=ArmRole.CHAMPION, release=plane.release(manifest, "2"),
              manifest=manifest.digest(), share=1.0)  # fmt: skip
    standby = plane.arm(30.0, "3", "fallback", 0.0)
    stage.publish(plane.endpoint(arm, standby))
    assert stage.answer() == 30.0
    stage.runtime.until(lambda: stage.runtime.refused(arm="junk"), "no refusal")
