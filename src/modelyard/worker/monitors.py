"""Monitors set themselves up: when a version becomes an arm, its signature and the reference profile of its test report say what
to watch. Nobody has to remember it."""

from __future__ import annotations

from typing import Any

from modelyard.bootstrap import Platform
from modelyard.catalog.model import USE_CASES, VERSIONS, Version
from modelyard.core.bus import Request
from modelyard.core.errors import AlreadyExists
from modelyard.core.messages import SYSTEM, EventEnvelope
from modelyard.core.records import equals, first
from modelyard.delivery.model import ENDPOINTS
from modelyard.evaluation.checks import Checked
from modelyard.governance.assurance.gates import latest
from modelyard.governance.assurance.model import Evidence, EvidenceType
from modelyard.governance.assurance.service import evidence_of
from modelyard.kinds.signature import Role, Signature
from modelyard.monitoring import Placement, WindowSpec, autoconfigure, make_profile, observed_fields, read_profile, watched_fields
from modelyard.monitoring.reference import ReferenceProfile

PROFILE = "reference_profile"
BASELINES = ("roc_auc", "log_loss", "brier", "ece", "accuracy", "balanced_accuracy", "rmse", "mae", "r2")


def keep_profile(platform: Platform, version: Version, found: Checked, figures: dict[str, float]) -> str | None:
    """Make the reference profile of the rows that a check answered, and keep it; gives its digest."""
    if not found.inputs:
        return None
    profile = make_profile(
        (*watched_fields(version.manifest.signature), *observed_fields(found.observed)),
        found.inputs,
        found.answers,
        found.observed,
        source=f"test report of {version.name}",
        baselines={name: figures[name] for name in BASELINES if name in figures},
    )
    return platform.blobs.put(iter((profile.encode(),))).digest


def watch_arms(platform: Platform, envelope: EventEnvelope) -> None:
    """Make the monitors of every arm of an endpoint that has none yet."""
    organisation = envelope.organisation
    with platform.storage.reading() as tx:
        endpoint = first(tx, ENDPOINTS, equals("organisation", organisation), equals("name", envelope.payload["endpoint"]))
        if endpoint is None:
            return
        wanted = []
        for arm in endpoint.arms:
            version = tx.get(VERSIONS, arm.version)
            report = latest(evidence_of(tx, version)).get(EvidenceType.TEST_REPORT)
            tier = tx.get(USE_CASES, version.use_case_id).tier
            if report is not None and report.facts.get(PROFILE):
                wanted.append((version, report, tier))
    for version, report, tier in wanted:
        profile = read_profile(platform.blob(report.facts[PROFILE]), report.facts[PROFILE])
        placement = Placement(
            prefix=f"{endpoint.name}-{version.model}-v{version.number}",
            use_case=endpoint.use_case,
            endpoint=endpoint.name,
            version=version.manifest_digest,
            window=WindowSpec(kind=platform.settings.monitor_window),
        )
        _make(platform, organisation, version.manifest.signature, report, profile, tier, placement)


def _make(
    platform: Platform,
    organisation: str,
    signature: Signature,
    report: Evidence,
    profile: ReferenceProfile,
    tier: Any,
    placement: Placement,
) -> None:
    outcome = report.facts.get("label") or None
    positive = next((f.positive for f in signature.with_role(Role.SCORE) if f.positive is not None), None)
    for command in autoconfigure(signature, profile, tier, placement, outcome=outcome, outcome_positive=positive):
        reason = f"arm of {placement.endpoint}; configured from its signature"
        try:
            platform.bus.handle(Request(command=command, actor=SYSTEM, organisation=organisation, reason=reason))
        except AlreadyExists:
            continue
