"""What evaluation needs from outside: somewhere safe to run strangers' files, and the blobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from modelyard.kinds.contract import CheckResult, Inspection, Policy, Translation
from modelyard.kinds.signature import FieldSpec, Signature


class Workshop(Protocol):
    """Works on artifacts in child processes with limits of memory, time and files. Everything that may run a model's own code,
    or crash on a corrupt file, happens there. Raises InvalidArtifact when the child dies of the file, TimedOut at a limit."""

    def inspect(self, artifact: Path, policy: Policy) -> Inspection: ...

    def outputs(
        self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy
    ) -> tuple[FieldSpec, ...]:
        """What the loaded model says it answers, for formats that do not tell without loading."""
        ...

    def translate(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Path, into: Path, policy: Policy
    ) -> Translation | None: ...

    def check(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Path, policy: Policy
    ) -> Sequence[CheckResult]: ...

    def predict(
        self, artifact: Path, inspection: Inspection, signature: Signature, rows: Path, into: Path, policy: Policy
    ) -> Path:
        """Answers for a file of rows (Parquet, Arrow or CSV), written as Parquet below `into`."""
        ...
