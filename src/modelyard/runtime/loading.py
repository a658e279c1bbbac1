"""From a verified arm to a loaded model: manifest, artifact, kind; every byte checked against its digest on the way.

Where a model runs: in this process, when its format runs no code and its work is bounded; in a child of our
own environment; or in a child of the version's environment, which is built from its lock. The policy's `isolate` decides.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Executor, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from modelyard.core.errors import InvalidArtifact, NotApproved, Unavailable, Untrusted
from modelyard.kinds import registry
from modelyard.kinds.contract import UNBOUNDED_WORK, Confine, Inspection, Isolate, Policy, Predictor, Severity
from modelyard.kinds.environments import Environments, lacking, requirements
from modelyard.kinds.manifest import VersionManifest
from modelyard.kinds.sandbox import SERVING, ForeignPredictor, HostedPredictor, Limits, NativePredictor
from modelyard.runtime.cache import Cache, manifest_in
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.ports import Source
from modelyard.runtime.turns import Turn
from modelyard.trust import AllowedArm

_LARGEST_MANIFEST = 16 << 20
_LARGEST_LOCK = 8 << 20
_IN_PROCESS = frozenset({"onnx", "dmn"})
"""Formats that run no code of their author and whose engines keep to limits of their own, or whose work a request's size bounds
(of ONNX, all but `UNBOUNDED_WORK`)."""
_LASTING = _IN_PROCESS | {"xgboost-json", "xgboost-ubj", "lightgbm-text", "jdm"}
"""Formats that any later version of their engine reads; the others depend on the very version that wrote them."""
_PICKLES = frozenset({"pickle", "joblib", "cloudpickle"})
_CODE = _PICKLES | {"python", "torchscript"}
"""Formats that run code of their author."""

_STILL_ASKED = 30.0
"""Seconds for which requests under way, and shadows in their queue, may ask a model that has left the routes."""

_Key = tuple[str, bool]
"""The manifest's digest, and whether the model may use the network."""


class Place(StrEnum):
    """Where a model runs."""

    HERE = "in process"
    CHILD = "in a process of its own"
    ENVIRONMENT = "in an environment of its own"


class _Loaded(NamedTuple):
    server: ModelServer
    manifest: VersionManifest
    place: Place
    thread: Executor | None

    def close(self, at_once: bool = False) -> None:
        self.server.close(at_once)
        if self.thread is not None:
            self.thread.shutdown(wait=False, cancel_futures=True)


class Models:
    """Loaded models by manifest digest. Those that left the routes stay warm, so that a rollback is instant: the last few, and
    all for a while, since requests that came before may still ask them."""

    def __init__(
        self,
        cache: Cache,
        source: Source,
        executor: Executor,
        policy: Policy,
        warm: int = 4,
        environments: Environments | None = None,
        limits: Limits = SERVING,
        weights: Path | None = None,
        turn: Turn | None = None,
    ) -> None:
        """`environments` are kept beside the cache's blobs unless given; `limits` bound a model in a process of its own.
        `weights` is where models in this process find large weights that they share with the neighbours. `turn` is the one that
        the log's writer has too."""
        self._cache, self._source, self._executor, self._warm = cache, source, executor, warm
        self._environments, self._limits, self._turn = environments, limits, turn or Turn()
        self._policy = policy.model_copy(update={"shared_weights": None})  # a model's own process could not reach them
        self._here = policy.model_copy(update={"shared_weights": weights})
        self._loaded: OrderedDict[_Key, _Loaded] = OrderedDict()
        self._left: dict[_Key, float] = {}
        self._shown: tuple[tuple[str, _Loaded], ...] = ()

    def get(self, allowed: AllowedArm) -> ModelServer:
        """The arm's model. One with an environment of its own begins to start, and may not be `ready` yet.

        Raises Untrusted or NotApproved when a digest does not fit, InvalidArtifact when it cannot be loaded, SourceDown when it
        cannot be fetched now.
        """
        manifest = self._manifest(allowed.arm.manifest)
        release = allowed.release.release
        if manifest.serving.digest != release.serving:
            raise NotApproved("the release is for another artifact than the manifest serves", field="serving")
        network = release.network and bool({manifest.model, "*"} & set(self._policy.network))
        key = (allowed.arm.manifest, network)
        if key not in self._loaded:
            self._loaded[key] = self._load(manifest, network)
        self._loaded.move_to_end(key)
        self._show()
        return self._loaded[key].server

    def trim(self, serving: set[str], now: float) -> None:
        """Let go of those that left the routes a while ago, all but the few that served last. Models whose manifests are in
        `serving` always stay. `now` is of a clock that only goes on, in seconds."""
        idle = [key for key in self._loaded if key[0] not in serving]
        self._left = {key: self._left.get(key, now) for key in idle}
        for key in idle[: max(0, len(idle) - self._warm)]:
            if now - self._left[key] >= _STILL_ASKED:
                self._loaded.pop(key).close()
        self._show()

    def close(self) -> None:
        """Let go of all models. An answer that one is still at is heard by nobody: it must not keep the process from ending."""
        while self._loaded:
            self._loaded.popitem()[1].close(at_once=True)
        self._show()

    def status(self) -> list[dict[str, Any]]:
        """Each loaded model: which, where it runs, and how its process is, if it has one. Safe to call from any thread."""
        return [_status(digest, loaded) for digest, loaded in self._shown]

    def _show(self) -> None:
        self._shown = tuple((digest, loaded) for (digest, _), loaded in self._loaded.items())

    def _manifest(self, digest: str) -> VersionManifest:
        return manifest_in(self._blob(digest, _LARGEST_MANIFEST))

    def _blob(self, digest: str, largest: int) -> Path:
        return self._cache.blob(digest) or self._cache.keep_blob(digest, self._source.blob(digest), largest)

    def _load(self, manifest: VersionManifest, network: bool) -> _Loaded:
        path = self._blob(manifest.serving.digest, manifest.serving.size)
        lock = None if manifest.environment_lock is None else self._blob(manifest.environment_lock, _LARGEST_LOCK)
        place = self._place(manifest, lock)
        inspection = self._inspected(manifest, path) if place is Place.HERE else None
        if inspection is not None and any(risk.code == UNBOUNDED_WORK for risk in inspection.risks):
            place = Place.CHILD  # its engine has no limit of time: a request could hold up all others
        predictor: Predictor
        if place is Place.ENVIRONMENT and lock is not None:
            predictor = self._foreign(manifest, path, lock, network)
        elif place is Place.HERE and inspection is not None:
            predictor = registry.kind(manifest.kind).load(path, inspection, manifest.signature, self._here)
        else:
            predictor = NativePredictor(
                path, manifest.signature, self._policy, kind=manifest.kind, limits=self._bounds(manifest, network)
            )
        # One that hangs holds up a thread of its own, and so nobody else's answers.
        thread = None if place is Place.HERE else ThreadPoolExecutor(1, "predict-apart")
        server = ModelServer(
            predictor, InputPlan(manifest.signature), thread or self._executor, inline=place is Place.HERE, turn=self._turn
        )
        return _Loaded(server, manifest, place, thread)

    def _place(self, manifest: VersionManifest, lock: Path | None) -> Place:
        """Where it runs. Raises Unavailable when only an environment of its own would do and it may have none."""
        isolate, format_ = self._policy.isolate, manifest.serving.format
        known = format_ in _known(manifest.kind)
        if lock is not None and isolate is not Isolate.NEVER:
            pins = requirements(lock.read_text(errors="replace"))
            lack = lacking(_needs(manifest), pins, exactly=format_ not in _LASTING)
            if isolate is Isolate.ALWAYS or not known or lack is not None or _runs_code(manifest):
                return Place.ENVIRONMENT
        elif not known:
            hint = "register it with its lock" if lock is None else "let the policy's `isolate` be `untrusted`"
            raise Unavailable(f"no kind here loads {format_}: it needs its own environment", field="environment_lock", hint=hint)
        return Place.HERE if format_ in _IN_PROCESS and isolate is not Isolate.ALWAYS else Place.CHILD

    def _foreign(self, manifest: VersionManifest, path: Path, lock: Path, network: bool) -> ForeignPredictor:
        _require_leave(manifest, self._policy)
        if self._environments is None:
            self._environments = Environments(lock.parents[1] / "environments")
        predictor = ForeignPredictor(
            path,
            manifest.signature,
            self._environments,
            lock.read_bytes(),
            format_=manifest.serving.format,
            policy=self._policy,
            facts=dict(manifest.inspection.facts),
            limits=self._bounds(manifest, network),
        )
        predictor.start()
        return predictor

    def _bounds(self, manifest: VersionManifest, network: bool) -> Limits:
        demand = self._policy.confine is Confine.REQUIRED
        return self._limits.model_copy(update={"network": network, "demand": demand})

    def _inspected(self, manifest: VersionManifest, path: Path) -> Inspection:
        inspection = registry.kind(manifest.kind).inspect(path, self._here)
        if inspection.format != manifest.serving.format:
            raise InvalidArtifact(f"the artifact is {inspection.format}, the manifest says {manifest.serving.format}")
        return inspection


def _needs(manifest: VersionManifest) -> tuple[str, ...]:
    """What the served artifact needs: its translation needs what its format does, not what the original did. MLflow itself is not
    needed to serve its folders."""
    if manifest.serving.format == manifest.artifact.format:
        return tuple(need for need in manifest.inspection.requirements if not need.startswith("mlflow"))
    return ("onnxruntime",) if manifest.serving.format == "onnx" else ()


def _known(kind: str) -> tuple[str, ...]:
    return registry.kind(kind).formats if kind in registry.names() else ()


def _runs_code(manifest: VersionManifest) -> bool:
    served = manifest.serving.format
    return served in _CODE or (manifest.inspection.executes_code and served == manifest.inspection.format)


def _require_leave(manifest: VersionManifest, policy: Policy) -> None:
    """Raises Untrusted when the policy does not let a version run its author's code, even in a process of its own."""
    if policy.allow_code:
        return
    format_ = manifest.serving.format
    if _runs_code(manifest) and not (policy.allow_pickle and format_ in _PICKLES | {"mlflow"}):
        raise Untrusted(f"policy forbids the format {format_}: it runs its author's code", field="artifact", hint="allow_code")
    danger = [risk for risk in manifest.inspection.risks if risk.severity is Severity.DANGER and risk.code != "executes_code"]
    if danger and format_ == manifest.inspection.format:
        raise Untrusted(f"policy forbids to load this artifact: it {danger[0].detail}", field="artifact", hint="allow_code")


def _status(digest: str, loaded: _Loaded) -> dict[str, Any]:
    predictor = loaded.server.predictor
    found = {"manifest": digest, "model": loaded.manifest.model, "format": loaded.manifest.serving.format, "place": loaded.place}
    return found | (predictor.status() if isinstance(predictor, HostedPredictor) else {"ready": True})
