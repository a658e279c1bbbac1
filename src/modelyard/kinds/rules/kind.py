"""The kind `rules`: its face towards the contract; each capability has a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch, Capability, CheckResult, Inspection, Policy, Predictor, Translation
from modelyard.kinds.rules import artifact, checking, inspecting
from modelyard.kinds.rules.predictor import RulesPredictor
from modelyard.kinds.signature import Signature


class RulesKind:
    """Decision models in DMN 1.1 to 1.5."""

    name = "rules"
    formats: tuple[str, ...] = (inspecting.FORMAT,)
    capabilities: frozenset[Capability] = frozenset(Capability) - {Capability.TRANSLATE}

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        """See `Kind.inspect`."""
        return inspecting.inspect(artifact, policy)

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> RulesPredictor:
        """See `Kind.load`. Outputs that the signature names choose which decisions answer."""
        contents = _contents(artifact, policy)
        return RulesPredictor(inspecting.compiled(contents), signature, contents.examples)

    def checks(self, predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
        """See `Kind.checks`."""
        if not isinstance(predictor, RulesPredictor):
            raise InvalidInput("the predictor is of another kind", field="predictor")
        return checking.checks(predictor, sample)

    def translate(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Batch, into: Path, policy: Policy
    ) -> Translation | None:
        """Not declared: rules are served as they were written."""
        return None


def _contents(path: Path, policy: Policy) -> artifact.Contents:
    return artifact.read(path, policy)
