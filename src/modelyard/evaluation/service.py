"""Handlers of evaluation: checks become jobs, comparisons become evidence."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.lookup import find_version
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import InvalidInput
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction
from modelyard.evaluation.commands import RecordComparison, RunChecks
from modelyard.evaluation.events import ChecksRequested, ComparisonRecorded
from modelyard.governance.assurance.model import Evidence, EvidenceType
from modelyard.governance.assurance.service import add_evidence
from modelyard.jobs import Job, Order, enqueue

JOB_KIND = "evaluation.checks"
LONGEST_CHECK = 900.0


def request_checks(work: Work, command: RunChecks) -> Job:
    """Enqueue the check; the worker records its evidence."""
    version = find_version(work.tx, work.organisation, command.version)
    if (command.test is None) != (command.label is None):
        raise InvalidInput("test data and the name of its label column go together", field="label")
    if command.bounds and command.test is None:
        raise InvalidInput("bounds need test data to be measured on", field="bounds", hint="give test data and its label column")
    bounds = [bound.model_dump(mode="json") for bound in command.bounds]
    payload = {"version": version.id, "test": command.test, "label": command.label, "bounds": bounds}
    job = enqueue(work, Order(JOB_KIND, payload, timeout_s=LONGEST_CHECK, max_attempts=3))
    work.emit(ChecksRequested(version=version.id, job=job.id), f"version:{version.id}")
    return job


def record_comparison(work: Work, command: RecordComparison) -> Evidence:
    """Keep what a comparison found as evidence about the challenger."""
    challenger = find_version(work.tx, work.organisation, command.version)
    champion = find_version(work.tx, work.organisation, command.champion)
    if command.until <= command.since:
        raise InvalidInput("the window ends before it starts", field="until")
    facts = {
        "champion": champion.id,
        "endpoint": command.endpoint,
        "since": command.since.isoformat(),
        "until": command.until.isoformat(),
    }
    evidence = add_evidence(
        work,
        challenger,
        type=EvidenceType.COMPARISON,
        metrics=command.metrics,
        facts=facts,
        summary=command.sentence,
    )
    better = command.metrics.get("challenger_better", 0.0) > 0
    work.emit(
        ComparisonRecorded(version=challenger.id, champion=champion.id, evidence=evidence.id, challenger_better=better),
        f"version:{challenger.id}",
    )
    return evidence


def _subject(tx: Transaction, request: Request, command: RunChecks | RecordComparison) -> Subject:
    version = find_version(tx, request.organisation, command.version)
    attributes: dict[str, Any] = {"developer": version.developer, "developers": [version.developer]}
    if isinstance(command, RecordComparison):
        attributes["evidence_type"] = "comparison"
    return Subject(type="version", id=version.id, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(RunChecks, request_checks, _subject, Job),
        Handling(RecordComparison, record_comparison, _subject, Evidence),
    ]
