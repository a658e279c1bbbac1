"""The body of a check job: the kind's own checks, and measures on test data, each result becoming evidence.

Reads blobs and works in child processes; nothing here holds a transaction. The evidence goes through the bus like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.catalog.model import Version
from modelyard.core.blobs import Blobs
from modelyard.core.errors import InvalidInput
from modelyard.evaluation.registration import fetch
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import EvidenceType
from modelyard.kinds.contract import Batch, CheckResult, Policy, Severity
from modelyard.kinds.infer import decode, read
from modelyard.kinds.sandbox import Limits, check_isolated, evaluate_isolated
from modelyard.kinds.signature import FieldSpec, Role, Signature
from modelyard.measures import measure

SAMPLE = "sample.parquet"
OF_SCORES = ("roc_auc", "average_precision", "log_loss", "brier", "ece")
OF_ANSWERS = ("accuracy", "balanced_accuracy")
OF_NUMBERS = ("rmse", "mae", "r2")
EVEN_ODDS = 0.5


@dataclass(frozen=True)
class Checked:
    """What checking a version found: the evidence, and the rows it answered with their answers (from which a reference profile
    for monitors is made)."""

    evidence: tuple[RecordEvidence, ...]
    inputs: Batch
    answers: Batch


def run_checks(blobs: Blobs, policy: Policy, limits: Limits, version: Version, test: str | None, label: str | None) -> Checked:
    """Scan, translation where there is one, test report. Measures are taken on `test`; without it the sample is answered."""
    found = [_scan(version)]
    inputs: Batch = {}
    answers: Batch = {}
    if version.manifest.serving.digest != version.manifest.artifact.digest:
        found.append(_translation(version))
    with tempfile.TemporaryDirectory(prefix="modelyard-check-") as folder:
        here = Path(folder)
        serving = version.manifest.serving
        artifact = fetch(blobs, serving.digest, here / "artifact" / (serving.filename or "model"))
        results: Sequence[CheckResult] = ()
        if version.sample is not None:
            sample = fetch(blobs, version.sample, here / SAMPLE)
            results = check_isolated(artifact, sample, version.manifest.signature, policy, limits=limits).checks
        figures: Mapping[str, float] = {}
        rows_digest = test or version.sample
        if rows_digest is not None:
            table = read(fetch(blobs, rows_digest, here / "rows" / SAMPLE))
            inputs, answers = _answered(artifact, version.manifest.signature, policy, limits, table)
            if test is not None:
                figures = measured(_labels(table, label), answers, version.manifest.signature.outputs)
    found.append(_report(version, results, figures, test, label))
    return Checked(tuple(found), inputs, answers)


def _scan(version: Version) -> RecordEvidence:
    risks = version.manifest.inspection.risks
    counts = {f"{s.value}s": float(sum(r.severity is s for r in risks)) for s in Severity}
    return RecordEvidence(
        version=version.id,
        type=EvidenceType.SCAN,
        metrics=counts | {"executes_code": float(version.manifest.inspection.executes_code)},
        facts={"format": version.manifest.artifact.format, "risks": [r.model_dump(mode="json") for r in risks]},
        summary=f"{version.manifest.artifact.format}: {len(risks)} risks found without running it",
    )


def _translation(version: Version) -> RecordEvidence:
    facts = dict(version.manifest.inspection.facts.get("translation", {}))
    numbers = {k: float(v) for k, v in facts.items() if isinstance(v, int | float)}
    return RecordEvidence(
        version=version.id,
        type=EvidenceType.TRANSLATION,
        metrics=numbers,
        facts={"from": version.manifest.artifact.format, "to": version.manifest.serving.format},
        summary=str(facts.get("sentence", "")),
    )


def _report(
    version: Version, results: Sequence[CheckResult], figures: Mapping[str, float], test: str | None, label: str | None
) -> RecordEvidence:
    failed = [r for r in results if not r.passed]
    names = ", ".join(r.name for r in failed) or "none"
    return RecordEvidence(
        version=version.id,
        type=EvidenceType.TEST_REPORT,
        metrics={"checks": float(len(results)), "checks_failed": float(len(failed)), **figures},
        facts={"checks": [r.model_dump(mode="json") for r in results], "test": test or "", "label": label or ""},
        summary=f"{len(results)} checks, failed: {names}; {len(figures)} measures on test data",
    )


def _answered(artifact: Path, signature: Signature, policy: Policy, limits: Limits, table: pa.Table) -> tuple[Batch, Batch]:
    missing = [f.name for f in signature.inputs if f.name not in table.column_names]
    if missing:
        raise InvalidInput(f"the rows lack the inputs {', '.join(missing)}", field="test", hint="give every input of the model")
    inputs = decode(table.select([f.name for f in signature.inputs]), signature.model_copy(update={"outputs": ()}))
    return inputs, evaluate_isolated(artifact, signature, inputs, policy, limits=limits)


def _labels(table: pa.Table, label: str | None) -> pa.ChunkedArray:
    if label is None or label not in table.column_names:
        raise InvalidInput(
            f"the test data has no column {label!r}", field="label", hint=f"its columns: {', '.join(table.column_names[:30])}"
        )
    return table[label]


def measured(truth: pa.ChunkedArray, answers: Batch, outputs: Sequence[FieldSpec]) -> dict[str, float]:
    """Measures of answers against the truth: those of two classes where there is a probability, else those of numbers."""
    score = next((f for f in outputs if f.role is Role.SCORE and f.shape == ()), None)
    if score is None:
        raise InvalidInput("no output has the role `score` and one number a row", field="signature.outputs")
    values = np.asarray(answers[score.name], dtype=np.float64)
    found: dict[str, float] = {"rows": float(len(values))}
    if score.minimum == 0 and score.maximum == 1:
        labels = _positive(truth, score.positive)
        for name in OF_SCORES:
            found[name] = measure(name).compute(label=labels, score=values)
        for name in OF_ANSWERS:
            found[name] = measure(name).compute(label=labels, prediction=(values >= EVEN_ODDS).astype(np.float64))
        found["base_rate"] = float(labels.mean())
        return found
    numbers = np.asarray(pc.cast(truth, pa.float64()).to_numpy(zero_copy_only=False))
    for name in OF_NUMBERS:
        found[name] = measure(name).compute(label=numbers, estimate=values)
    return found


def _positive(truth: pa.ChunkedArray, positive: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    if truth.null_count:
        raise InvalidInput(f"{truth.null_count} rows of the test data have no label", field="label")
    if positive is not None and pa.types.is_string(truth.type):
        return np.asarray(pc.equal(truth, str(positive)).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(pc.cast(truth, pa.float64()).to_numpy(zero_copy_only=False))
