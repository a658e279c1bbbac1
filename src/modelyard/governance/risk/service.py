"""Handlers of the risk of use cases."""

from __future__ import annotations

import calendar
from datetime import datetime
from typing import Any

from modelyard.catalog.commands import UpdateUseCase
from modelyard.catalog.lookup import find_use_case
from modelyard.catalog.model import MODELS, UseCase
from modelyard.catalog.service import update_use_case
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotApproved, NotFound
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction, equals, every
from modelyard.governance.assurance.gates import source_of
from modelyard.governance.assurance.model import RISK_TIER, Gate
from modelyard.governance.assurance.service import named
from modelyard.governance.risk.commands import AssessRisk
from modelyard.governance.risk.events import RiskAssessed
from modelyard.governance.risk.model import RISK_ASSESSMENTS, RiskAssessment, RiskOutputs
from modelyard.governance.risk.tiering import rate

SEVERITY = ("", "low", "medium", "high")


def rule_in_force(tx: Transaction, organisation: str) -> Gate:
    """The risk tiering in force. Raises NotFound."""
    found = named(tx, organisation, RISK_TIER)
    if found is None:
        raise NotFound(
            "there is no risk tiering", field="use_case", hint=f"adopt one: `modelyard gate adopt {RISK_TIER} VERSION`"
        )
    return found


def assess_risk(work: Work, command: AssessRisk) -> RiskAssessment:
    """Keep an assessment and give the use case its tier. Raises NotApproved for what is prohibited whatever its rating."""
    use_case = find_use_case(work.tx, work.organisation, command.use_case)
    rule = rule_in_force(work.tx, work.organisation)
    outputs = rate(source_of(rule), command.inputs)
    if not outputs.permitted:
        raise NotApproved(
            f"use case {use_case.name} is not permitted: its EU class is {command.inputs.eu_class}",
            field="inputs.eu_class",
            hint="regulation (EU) 2024/1689, article 5, prohibits such practices; an override does not change that",
        )
    tier = command.override.tier if command.override else outputs.tier
    assessment = work.add(
        RISK_ASSESSMENTS,
        RiskAssessment(
            **work.new("rsk"),
            use_case_id=use_case.id,
            use_case=use_case.name,
            inputs=command.inputs,
            outputs=outputs,
            override=command.override,
            tier=tier,
            previous_tier=use_case.tier,
            rule=rule.id,
            rule_definition=rule.definition_digest(),
            assessor=work.actor.id,
            next_review=months_later(work.now, outputs.validation_months),
        ),
    )
    _write_down(work, use_case, assessment)
    told = RiskAssessed(assessment=assessment.id, use_case_id=use_case.id, tier=tier, overridden=command.override is not None)
    work.emit(told, f"use_case:{use_case.id}")
    return assessment


def _write_down(work: Work, use_case: UseCase, assessment: RiskAssessment) -> None:
    update = UpdateUseCase(
        use_case=use_case.id,
        revision=use_case.revision,
        tier=assessment.tier,
        regulatory_class=f"EU AI Act: {assessment.inputs.eu_class}",
        review_at=assessment.next_review,
    )
    update_use_case(work, update)


def months_later(at: datetime, months: int) -> datetime:
    """The same day so many months later, or the last of that month."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))


def _subject(tx: Transaction, request: Request, command: AssessRisk) -> Subject:
    """`new_tier` is what the command would make of the tier; `lowers` says that an override takes less care than the rule asks
    for, or than the use case has been given until now."""
    use_case = find_use_case(tx, request.organisation, command.use_case)
    outputs = rate(source_of(rule_in_force(tx, request.organisation)), command.inputs)
    new = command.override.tier if command.override else outputs.tier
    models = every(tx, MODELS, equals("use_case_id", use_case.id))
    involved = {use_case.business_owner, use_case.registered_by, *(m.owner for m in models), *(m.registered_by for m in models)}
    attributes: dict[str, Any] = {
        "name": use_case.name,
        "owner": use_case.business_owner,
        "developers": sorted(involved - {""}),
        "tier": use_case.tier or "",
        "new_tier": new.value,
        "overrides": command.override is not None,
        "lowers": _lowers(outputs, use_case, command),
    }
    return Subject(type="use_case", id=use_case.id, attributes=attributes)


def _lowers(outputs: RiskOutputs, use_case: UseCase, command: AssessRisk) -> bool:
    if command.override is None:
        return False
    return SEVERITY.index(command.override.tier) < max(SEVERITY.index(outputs.tier), SEVERITY.index(use_case.tier or ""))


def handlings() -> list[Handling[Any]]:
    return [Handling(AssessRisk, assess_risk, _subject, RiskAssessment)]
