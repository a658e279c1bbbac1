"""The body of a check job: the kind's own checks, and measures on test data, each result becoming evidence.

Reads blobs and works in child processes; nothing here holds a transaction. The evidence goes through the bus like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelyard.catalog.model import Version
from modelyard.core.blobs import Blobs
from modelyard.core.errors import InvalidInput
from modelyard.evaluation.measuring import Bound, answered, figures, held
from modelyard.evaluation.registration import fetch
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import EvidenceType
from modelyard.kinds import registry
from modelyard.kinds.batches import row_count, take
from modelyard.kinds.contract import Batch, Capability, CheckResult, Policy, Severity
from modelyard.kinds.infer import decode, read
from modelyard.kinds.sandbox import Limits, check_isolated, evaluate_isolated, observe_isolated
from modelyard.kinds.signature import Signature

SAMPLE = "sample.parquet"
MOST_OBSERVED = 20_000
"""Rows of which the way to the answer is profiled."""


@dataclass(frozen=True)
class TestData:
    """Rows with the true outcomes in the column `label`, and the bounds that measures on them must keep."""

    __test__ = False

    digest: str
    label: str
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Checked:
    """What checking a version found: the evidence, and the rows it answered with their answers (from which a reference profile
    for monitors is made), and what the kind observed on the way (see `Observing`)."""

    evidence: tuple[RecordEvidence, ...]
    inputs: Batch
    answers: Batch
    observed: Batch = field(default_factory=dict)


def run_checks(blobs: Blobs, policy: Policy, limits: Limits, version: Version, data: TestData | None) -> Checked:
    """Scan, translation where there is one, test report. Measures are taken on `data`; without it the sample is answered."""
    found = [_scan(version)]
    inputs: Batch = {}
    answers: Batch = {}
    observed: Batch = {}
    if version.manifest.serving.digest != version.manifest.artifact.digest:
        found.append(_translation(version))
    with tempfile.TemporaryDirectory(prefix="modelyard-check-") as folder:
        here = Path(folder)
        serving = version.manifest.serving
        artifact = fetch(blobs, serving.digest, here / "artifact" / (serving.filename or "model"))
        results: list[CheckResult] = []
        if version.sample is not None:
            sample = fetch(blobs, version.sample, here / SAMPLE)
            results += check_isolated(artifact, sample, version.manifest.signature, policy, limits=limits).checks
        measured: Mapping[str, float] = {}
        rows_digest = data.digest if data is not None else version.sample
        if rows_digest is not None:
            table = read(fetch(blobs, rows_digest, here / "rows" / SAMPLE))
            inputs, answers = _answered(artifact, version.manifest.signature, policy, limits, table)
            if Capability.OBSERVE in registry.kind(version.manifest.kind).capabilities:
                observed = observe_isolated(artifact, version.manifest.signature, _few(inputs), policy, limits=limits)
            if data is not None:
                beside = answered(_labels(table, data.label), answers, version.manifest.signature.outputs)
                measured = figures(beside)
                results += [result for bound in data.bounds for result in held(bound, beside, table)]
    found.append(_report(version, results, measured, data))
    return Checked(tuple(found), inputs, answers, observed)


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
    version: Version, results: Sequence[CheckResult], measured: Mapping[str, float], data: TestData | None
) -> RecordEvidence:
    failed = [r for r in results if not r.passed]
    names = ", ".join(r.name for r in failed) or "none"
    return RecordEvidence(
        version=version.id,
        type=EvidenceType.TEST_REPORT,
        metrics={"checks": float(len(results)), "checks_failed": float(len(failed)), **measured},
        facts={
            "checks": [r.model_dump(mode="json") for r in results],
            "test": data.digest if data else "",
            "label": data.label if data else "",
        },
        summary=f"{len(results)} checks, failed: {names}; {len(measured)} measures on test data",
    )


def _answered(artifact: Path, signature: Signature, policy: Policy, limits: Limits, table: pa.Table) -> tuple[Batch, Batch]:
    missing = [f.name for f in signature.inputs if f.name not in table.column_names]
    if missing:
        raise InvalidInput(f"the rows lack the inputs {', '.join(missing)}", field="test", hint="give every input of the model")
    inputs = decode(table.select([f.name for f in signature.inputs]), signature.model_copy(update={"outputs": ()}))
    return inputs, evaluate_isolated(artifact, signature, inputs, policy, limits=limits)


def _few(inputs: Batch) -> Batch:
    """At most so many rows, evenly taken: observing takes longer than answering."""
    rows = row_count(inputs)
    return take(inputs, np.unique(np.linspace(0, rows - 1, min(rows, MOST_OBSERVED)).astype(int)))


def _labels(table: pa.Table, label: str) -> pa.ChunkedArray:
    if label not in table.column_names:
        raise InvalidInput(
            f"the test data has no column {label!r}", field="label", hint=f"its columns: {', '.join(table.column_names[:30])}"
        )
    return table[label]
