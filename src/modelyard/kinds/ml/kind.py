"""The kind `ml`: its face towards the contract; each capability has a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modelyard.kinds.contract import Batch, Capability, CheckResult, Inspection, Policy, Predictor, Translation
from modelyard.kinds.ml import checking, inspecting, loading, translating
from modelyard.kinds.ml.predictor import MlPredictor
from modelyard.kinds.signature import Signature


class MlKind:
    """Machine-learning models in ONNX, skops, joblib, pickle, XGBoost, LightGBM and MLflow form."""

    name = "ml"
    formats: tuple[str, ...] = inspecting.FORMATS
    capabilities: frozenset[Capability] = frozenset(Capability) - {Capability.OBSERVE}

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        """See `Kind.inspect`."""
        return inspecting.inspect(artifact, policy)

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> MlPredictor:
        """See `Kind.load`."""
        loading.refuse_danger(inspection)
        return MlPredictor(loading.engine(artifact, signature, policy), signature)

    def checks(self, predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
        """See `Kind.checks`."""
        return checking.checks(predictor, sample)

    def translate(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Batch, into: Path, policy: Policy
    ) -> Translation | None:
        """See `Kind.translate`: the format is ONNX."""
        return translating.translate(artifact, inspection, signature, sample, into, policy)
