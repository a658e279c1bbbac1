"""The kind `rules`: its face towards the contract; each capability has a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modelyard.kinds import reading
from modelyard.kinds.contract import Batch, Capability, CheckResult, Inspection, Policy, Predictor, Translation
from modelyard.kinds.rules import artifact, checking, inspecting, jdm
from modelyard.kinds.rules.jdm_predictor import JdmPredictor
from modelyard.kinds.rules.predictor import RulesPredictor
from modelyard.kinds.signature import Signature


class RulesKind:
    """Decision models in DMN 1.1 to 1.5; GoRules JDM where `zen-engine` is installed."""

    name = "rules"
    formats: tuple[str, ...] = (inspecting.FORMAT, jdm.FORMAT) if jdm.AVAILABLE else (inspecting.FORMAT,)
    capabilities: frozenset[Capability] = frozenset(Capability) - {Capability.TRANSLATE}

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        """See `Kind.inspect`."""
        return jdm.inspect(artifact, policy) if _is_jdm(artifact) else inspecting.inspect(artifact, policy)

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> RulesPredictor | JdmPredictor:
        """See `Kind.load`. Outputs that the signature names choose which decisions answer."""
        if _is_jdm(artifact):
            return JdmPredictor(jdm.read(artifact, policy), signature)
        contents = _contents(artifact, policy)
        return RulesPredictor(inspecting.compiled(contents), signature, contents.examples)

    def checks(self, predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
        """See `Kind.checks`."""
        if isinstance(predictor, RulesPredictor):
            return checking.checks(predictor, sample)
        return checking.of_answers(predictor, sample)

    def translate(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Batch, into: Path, policy: Policy
    ) -> Translation | None:
        """Not declared: rules are served as they were written."""
        return None


def _is_jdm(path: Path) -> bool:
    """By content: JSON may be JDM; whether it is, `jdm` says."""
    return jdm.AVAILABLE and path.is_file() and jdm.is_jdm(reading.head(path))


def _contents(path: Path, policy: Policy) -> artifact.Contents:
    return artifact.read(path, policy)
