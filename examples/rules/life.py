"""The governed life of the versions, step by step, each done by the person whose step it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from examples.life import command_line, moved, until
from examples.people import Person
from examples.rules.data import LABEL
from examples.rules.people import Cast
from examples.rules.versions import DECISION, ENDPOINT, USE_CASE, Built, compiled, granted_by_age
from examples.stage import Say
from modelyard.catalog import Version
from modelyard.catalog.profile import Automation
from modelyard.core.errors import Refused, TimedOut, Unavailable
from modelyard.delivery.commands import CreateEndpoint, Deploy, Promote
from modelyard.delivery.model import Endpoint
from modelyard.evaluation.commands import RecordComparison, RunChecks
from modelyard.governance.assurance.commands import DecideApproval, EvaluateGate, RecordEvidence, RequestApproval
from modelyard.governance.assurance.model import APPROVALS, EVIDENCE, Approval, Evidence, EvidenceType, Scope
from modelyard.governance.releases.commands import IssueRelease
from modelyard.governance.releases.model import IssuedRelease
from modelyard.governance.risk.commands import AssessRisk
from modelyard.governance.risk.model import RiskAssessment, RiskInputs
from modelyard.jobs.model import JOBS, Job, JobState
from modelyard.measures import Interval, Moments
from modelyard.monitoring import ALERTS, MONITORS, Alert, CreateMonitor, Monitor, Severity, Watch, WindowKind, WindowSpec
from modelyard.trust.statements import ArmRole

_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

RISK = RiskInputs(
    financial_exposure=5_000_000,
    customers_affected=20_000,
    criticality_of_purpose="important",
    regulatory_use=False,
    customer_facing=True,
    autonomy=Automation.DECIDES,
    reversibility="costly",
    personal_data=True,
    protected_groups=True,
    complexity="low",
    opacity="transparent",
    data_quality="good",
    third_party=False,
    concentration_of_dependencies="low",
    eu_class="high",
)
"""Judging whether people are creditworthy is high-risk by regulation (EU) 2024/1689, annex III, 5 (b)."""

COVERAGE = 0.8
"""So many of the rules the examples must reach at the least."""
GUARD_LINE = 0.5
"""The PSI of a day's answers, or of the rules that fire, against those of the version it follows, from which the guard of a fresh
version calls. Two versions of one policy differ by less; what chance alone could do to a day of 60, the monitor adds."""


class Life:
    """What is done to versions. `say` tells what happened; `refused` counts refusals that were asked for on purpose."""

    def __init__(self, cast: Cast, say: Say) -> None:
        self.cast, self.say = cast, say
        self.refused = 0

    def register(self, built: Built) -> Version:
        """Dana registers the use case, the model and the version from `modelyard.yaml`."""
        why = f"version {built.number} is written"
        told = command_line(self.cast.dana, "register", "--manifest", str(built.folder), "--reason", why)
        version = Version.model_validate(told["version"])
        self.say(f"dana registers {version.model}@{version.number} · {version.manifest.artifact.format}")
        return version

    def assess(self) -> RiskAssessment:
        """Rita rates the use case by the risk tiering in force, which is a DMN decision too."""
        command = AssessRisk(use_case=USE_CASE, inputs=RISK)
        found = self.cast.rita.client.do(command, RiskAssessment, reason="before anything is decided about people")
        self.say(f"rita rates the use case: tier {found.tier.value}; asked are {', '.join(found.outputs.required_controls)}")
        return found

    def check(self, version: Version, built: Built) -> Evidence:
        """Dana has it tested by a worker, Vera validates it, and the gate judges what was found."""
        dana = self.cast.dana.client
        test = dana.upload(built.test).digest
        job = dana.do(RunChecks(version=version.id, test=test, label=LABEL), Job, reason="tests for the gate")
        ended = until(f"the checks of version {version.number}", lambda: self._ended(job.id))
        if ended.state is not JobState.DONE:
            raise Unavailable(f"the checks of version {version.number} {ended.state}: {ended.error}")
        self._validate(version, built)
        gate = dana.do(EvaluateGate(version=version.id), Evidence, reason="is it fit for production?")
        passes = "passes" if gate.metrics.get("passes") == 1 else "refuses"
        self.say(f"the gate to production {passes} version {version.number}: {gate.summary}")
        return gate

    def _ended(self, job: str) -> Job | None:
        found = self.cast.dana.client.get(JOBS, job)
        return found if found.state in _ENDED else None

    def _validate(self, version: Version, built: Built) -> None:
        """Vera runs the examples herself, looks how many of the rules they reach, and at the answers by age."""
        vera, names = self.cast.vera, [str(path) for path in built.files]
        told = command_line(vera, "dmn", "test", *names, "--min-coverage", str(COVERAGE))
        by_age = granted_by_age(compiled(built.policy), pq.read_table(built.test))
        spread = f"granted from {min(by_age.values()):.0%} to {max(by_age.values()):.0%} by age"
        summary = f"{told['examples']} examples agree and reach {told['rule_share']:.0%} of the rules; {spread}"
        self.say(f"vera validates version {version.number}: {summary}")
        command = RecordEvidence(
            version=version.id,
            type=EvidenceType.VALIDATION,
            metrics={"rule_share": float(told["rule_share"]), **by_age},
            facts={"examples": _short(told)},
            summary=summary,
        )
        vera.client.do(command, Evidence, reason="independent of who wrote it")

    def failed_checks(self, version: Version) -> list[str]:
        """What the version's test report says of checks that failed."""
        reports = self.cast.guest.client.find(EVIDENCE, where={"version": version.id, "type": "test_report"})
        report = next(iter(reports), None)
        checks = [] if report is None else report.facts.get("checks", [])
        return [f"{check['name']}: {check['detail']}" for check in checks if not check["passed"]]

    def ask(self, version: Version) -> Approval:
        """Omar asks for approval. Raises what the platform says when the gate has not passed."""
        scope = Scope(use_case=USE_CASE, endpoints=(ENDPOINT,), roles=("champion", "challenger"))
        request = RequestApproval(version=version.id, scope=scope)
        return self.cast.omar.client.do(request, Approval, reason=f"version {version.number} is to serve")

    def ask_in_vain(self, version: Version) -> None:
        """Omar asks for what did not pass. Raises Unavailable when he gets it."""
        try:
            self.ask(version)
        except Refused as refusal:
            self.refused += 1
            self.say(f"omar cannot even ask for it: {refusal.detail}")
            return
        raise Unavailable(f"approval of version {version.number} could be asked for without a passing gate")

    def approve(self, version: Version, *, tempt: bool = False) -> Approval:
        """Omar asks; Bea and Vera approve what they were shown. With `tempt`, requester and author try to approve first."""
        asked = self.ask(version)
        for person in (self.cast.omar, self.cast.dana) if tempt else ():
            self._tempted(person, asked)
        for person in (self.cast.bea, self.cast.vera):
            shown = person.client.get(APPROVALS, asked.id)
            comments = f"seen: {len(shown.evidence)} pieces of evidence, gate {shown.gate}, scope {', '.join(shown.scope.roles)}"
            decide = DecideApproval(approval=shown.id, verdict="approved", comments=comments, shown=shown.bound)
            asked = person.client.do(decide, Approval, reason="worth its risk")
        self.say(f"bea and vera approve version {version.number} as they were shown it: {asked.bound[:19]}…")
        return asked

    def _tempted(self, person: Person, approval: Approval) -> None:
        decide = DecideApproval(approval=approval.id, verdict="approved", comments="looks good to me", shown=approval.bound)
        try:
            person.client.do(decide, reason="an attempt that must fail")
        except Refused as refusal:
            self.refused += 1
            self.say(f"{person.name} may not approve it: {refusal.detail}")
            return
        raise Unavailable(f"{person.name} could approve, which must not be")

    def release(self, approval: Approval) -> IssuedRelease:
        found = self.cast.omar.client.do(IssueRelease(approval=approval.id), IssuedRelease, reason="approved")
        self.say(f"omar signs the release {found.payload[:19]}…, good until {found.until:%d %B %Y}")
        return found

    def open_endpoint(self) -> Endpoint:
        """The stable name; while no policy may answer, every application goes to a credit officer."""
        constant = {f"{DECISION}.decision": "REFER", f"{DECISION}.reason": "no policy may answer"}
        command = CreateEndpoint(name=ENDPOINT, use_case=USE_CASE, constant=constant)
        return self.cast.omar.client.do(command, Endpoint, reason="the branches need an address")

    def deploy(self, release: IssuedRelease, role: ArmRole, share: float | None, reason: str) -> Endpoint:
        command = Deploy(endpoint=ENDPOINT, release=release.id, role=role, share=share)
        return self._moved(self.cast.omar.client.do(command, Endpoint, reason=reason))

    def promote(self, arm: str, reason: str) -> Endpoint:
        """Bea decides on the evidence of the comparison."""
        return self._moved(self.cast.bea.client.do(Promote(endpoint=ENDPOINT, arm=arm), Endpoint, reason=reason))

    def roll_back(self, reason: str) -> Endpoint:
        """One command, as an operator types it."""
        told = command_line(self.cast.omar, "rollback", ENDPOINT, "--reason", reason, "--yes")
        return self._moved(Endpoint.model_validate(told))

    def _moved(self, endpoint: Endpoint) -> Endpoint:
        return moved(self.cast.omar, endpoint, self.say)

    def compare(
        self,
        version: Version,
        champion: Version,
        period: tuple[datetime, datetime],
        found: Interval,
        of: tuple[Moments, Moments],
    ) -> Evidence:
        """Vera records what the weeks in parallel showed."""
        before, after = of
        sentence = (
            f"an application brings {after.mean:.2f} with version {version.number} and {before.mean:.2f} with version "
            f"{champion.number}: {found.estimate:+.2f}, 95 % interval {found.low:+.2f} to {found.high:+.2f} ({found.method})"
        )
        command = RecordComparison(
            version=version.id,
            champion=champion.id,
            endpoint=ENDPOINT,
            since=period[0],
            until=period[1],
            metrics={
                "value_difference": found.estimate,
                "value_difference_low": found.low,
                "value_difference_high": found.high,
                "champion_value": before.mean,
                "challenger_value": after.mean,
                "applications": float(after.count),
                "challenger_better": 1.0 if found.low > 0 else 0.0,
            },
            sentence=sentence,
        )
        evidence = self.cast.vera.client.do(command, Evidence, reason="the same applications, priced under both policies")
        self.say(f"vera: {sentence}")
        return evidence

    def guard(self, version: Version, reference: str) -> Monitor:
        """Omar watches a fresh version by the day: does it decide like the version it follows, by the same rules?"""
        own = until("the version's own monitors", lambda: self._own(version))
        fields = tuple(
            f for m in own for f in m.fields if f.path == f"output.{DECISION}.decision" or f.path.startswith("observed.")
        )
        command = CreateMonitor(
            name=f"{ENDPOINT}-v{version.number}-guard",
            use_case=USE_CASE,
            endpoint=ENDPOINT,
            version=version.manifest_digest,
            window=WindowSpec(kind=WindowKind.DAY),
            fields=fields,
            watches=tuple(_guarding(f.path) for f in fields),
            reference=reference,
        )
        return self.cast.omar.client.do(command, Monitor, reason="the first days of a version are watched by the day")

    def _own(self, version: Version) -> list[Monitor] | None:
        found = list(self.cast.omar.client.find(MONITORS, where={"version": version.manifest_digest}))
        wanted = [m for m in found if m.name.endswith(("-output", "-observed"))]
        return wanted if len(wanted) == 2 else None

    def called(self, guard: Monitor, patience: float) -> list[Alert]:
        """The guard's alerts, the worst first, waited for a while; none when there is none."""

        def look() -> list[Alert] | None:
            where = {"monitor_id": guard.id, "severity": Severity.CRITICAL}
            return sorted(self.cast.omar.client.find(ALERTS, where=where), key=lambda a: -a.value) or None

        try:
            return until("an alert", look, patience)
        except TimedOut:
            return []

    def explain(self, built: Built, application: dict[str, Any], folder: Path) -> list[str]:
        """Why an application was decided as it was: the rules that fired, in words."""
        row = folder / "application.json"
        row.write_text(json.dumps([application]), encoding="utf-8")
        files = [str(path) for path in built.files if path.suffix == ".dmn"]
        told = command_line(self.cast.guest, "dmn", "explain", *files, "--decision", DECISION, "--data", str(row))
        return list(_because(told))


def _guarding(path: str) -> Watch:
    why = "the answers, and the rules behind them, of the version that it follows"
    return Watch(measure="psi", field=path, warning=GUARD_LINE, critical=GUARD_LINE, reason=why, minimum_rows=50)


def _because(told: Any) -> Iterator[str]:
    for row in told if isinstance(told, list) else [told]:
        yield from row["because"]


def _short(told: Any) -> Any:
    """What `modelyard dmn test` says, without the rows."""
    return {name: value for name, value in told.items() if isinstance(value, int | float | str | bool)}
