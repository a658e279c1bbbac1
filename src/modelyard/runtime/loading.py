"""From a verified arm to a loaded model: manifest, artifact, kind; every byte checked against its digest on the way."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Executor
from pathlib import Path

from pydantic import ValidationError

from modelyard.core.errors import InvalidArtifact, NotApproved, Untrusted
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy, Predictor
from modelyard.kinds.manifest import VersionManifest
from modelyard.kinds.sandbox import NativePredictor
from modelyard.runtime.cache import Cache
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.ports import Source
from modelyard.trust import AllowedArm

_LARGEST_MANIFEST = 16 << 20
_IN_PROCESS = frozenset({"onnx", "dmn"})
"""Formats that run no code of their author and whose engines keep to limits of their own."""


class Models:
    """Loaded models by manifest digest. Those that left the routes stay warm, so that a rollback is instant."""

    def __init__(self, cache: Cache, source: Source, executor: Executor, policy: Policy, warm: int = 4) -> None:
        self._cache, self._source, self._executor, self._policy, self._warm = cache, source, executor, policy, warm
        self._loaded: OrderedDict[str, ModelServer] = OrderedDict()

    def get(self, allowed: AllowedArm) -> ModelServer:
        """The arm's model. Raises Untrusted or NotApproved when a digest does not fit, InvalidArtifact when it cannot be
        loaded, SourceDown when it cannot be fetched now."""
        manifest = self._manifest(allowed.arm.manifest)
        if manifest.serving.digest != allowed.release.release.serving:
            raise NotApproved("the release is for another artifact than the manifest serves", field="serving")
        if allowed.arm.manifest not in self._loaded:
            self._loaded[allowed.arm.manifest] = self._load(manifest)
        self._loaded.move_to_end(allowed.arm.manifest)
        return self._loaded[allowed.arm.manifest]

    def trim(self, serving: set[str]) -> None:
        """Let go of all but the few models that served last. Models whose manifests are in `serving` always stay."""
        idle = [digest for digest in self._loaded if digest not in serving]
        for digest in idle[: max(0, len(idle) - self._warm)]:
            self._loaded.pop(digest).close()

    def close(self) -> None:
        """Let go of all models."""
        self._warm = 0
        self.trim(set())

    def _manifest(self, digest: str) -> VersionManifest:
        path = self._blob(digest, _LARGEST_MANIFEST)
        try:
            return VersionManifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise Untrusted(f"manifest {digest} cannot be read: {error.errors()[0]['msg']}", field="manifest") from error

    def _blob(self, digest: str, largest: int) -> Path:
        return self._cache.blob(digest) or self._cache.keep_blob(digest, self._source.blob(digest), largest)

    def _load(self, manifest: VersionManifest) -> ModelServer:
        path = self._blob(manifest.serving.digest, manifest.serving.size)
        inline = manifest.serving.format in _IN_PROCESS
        predictor = self._in_process(manifest, path) if inline else self._in_child(manifest, path)
        return ModelServer(predictor, InputPlan(manifest.signature), self._executor, inline=inline)

    def _in_child(self, manifest: VersionManifest, path: Path) -> Predictor:
        return NativePredictor(path, manifest.signature, self._policy, kind=manifest.kind)

    def _in_process(self, manifest: VersionManifest, path: Path) -> Predictor:
        kind = registry.kind(manifest.kind)
        inspection = kind.inspect(path, self._policy)
        if inspection.format != manifest.serving.format:
            raise InvalidArtifact(f"the artifact is {inspection.format}, the manifest says {manifest.serving.format}")
        return kind.load(path, inspection, manifest.signature, self._policy)
