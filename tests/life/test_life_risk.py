"""The risk tier of a use case follows from a decision that a risk officer can replace; who takes another tier answers for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from modelyard.catalog.commands import RegisterUseCase, UpdateUseCase
from modelyard.catalog.inventory import inventory
from modelyard.catalog.lookup import find_use_case
from modelyard.catalog.model import UseCase
from modelyard.core.errors import Forbidden, NotApproved
from modelyard.core.messages import AUDIT, SYSTEM
from modelyard.core.records import equals, every
from modelyard.governance.risk.commands import AssessRisk
from modelyard.governance.risk.model import RISK_ASSESSMENTS, Override, RiskAssessment, RiskInputs
from modelyard.governance.risk.service import months_later
from tests.life.conftest import BEA, DANA, OMAR, RITA, RUTH, SHIPPED, VERA, House

LOW: dict[str, Any] = {
    "financial_exposure": 20_000,
    "customers_affected": 50,
    "criticality_of_purpose": "informational",
    "regulatory_use": False,
    "customer_facing": False,
    "autonomy": "informs",
    "reversibility": "reversible",
    "personal_data": False,
    "protected_groups": False,
    "complexity": "low",
    "opacity": "transparent",
    "data_quality": "good",
    "third_party": False,
    "concentration_of_dependencies": "low",
    "eu_class": "minimal",
}
HIGH = LOW | {
    "financial_exposure": 50_000_000,
    "criticality_of_purpose": "critical",
    "autonomy": "decides",
    "complexity": "high",
    "opacity": "opaque",
    "eu_class": "high",
}


def assess(house: House, who: Any, inputs: dict[str, Any], to: str | None = None, use_case: str = "credit") -> RiskAssessment:
    override = Override(tier=to, rationale="known to the committee") if to else None
    found = house.do(who, AssessRisk(use_case=use_case, inputs=RiskInputs.model_validate(inputs), override=override))
    assert isinstance(found, RiskAssessment)
    return found


def unrated(house: House) -> None:
    house.do(DANA, RegisterUseCase(name="credit"))


def use_case_of(house: House) -> UseCase:
    with house.platform.storage.reading() as tx:
        return find_use_case(tx, "default", "credit")


def test_an_assessment_is_kept_and_sets_tier_class_and_review(house: House) -> None:
    unrated(house)
    found = assess(house, DANA, LOW)
    assert (found.outputs.inherent_rating, found.outputs.residual_rating, found.tier) == ("low", "low", "low")
    assert found.outputs.required_controls == ("human can override", "decisions are logged")
    assert (found.assessor, found.previous_tier, found.override) == (DANA.id, None, None)
    assert found.next_review == datetime(2028, 1, 1, tzinfo=UTC)
    use_case = use_case_of(house)
    assert (use_case.tier, use_case.regulatory_class, use_case.review_at) == ("low", "EU AI Act: minimal", found.next_review)


def test_the_inventory_tells_what_a_use_case_was_rated_on(house: House) -> None:
    house.use_case()
    version = house.version()
    assess(house, RITA, LOW, "medium")
    with house.platform.storage.reading() as tx:
        record = inventory(tx, version.id, house.platform.contributors)
    inputs, due = record.field("governance.tier_inputs"), record.field("assurance.validation_due")
    assert inputs is not None
    assert inputs.value["reversibility"] == "reversible"
    assert inputs.from_.startswith("risk assessment rsk_")
    assert due is not None
    assert (due.value, due.by) == ("2028-01-01", RITA.id)


def test_a_second_assessment_that_changes_the_tier_is_a_risk_officers(house: House) -> None:
    unrated(house)
    assess(house, DANA, LOW)
    assert assess(house, DANA, LOW).tier == "low"
    for who in (DANA, BEA, VERA):
        with pytest.raises(Forbidden, match=r"separation\.tier"):
            assess(house, who, HIGH)
    assert assess(house, RITA, HIGH).tier == "high"
    with house.platform.storage.reading() as tx:
        known = every(tx, RISK_ASSESSMENTS, equals("use_case", "credit"))
    assert sorted(assessment.tier for assessment in known) == ["high", "low", "low"]


def test_what_the_eu_prohibits_is_refused_whatever_its_rating_and_the_refusal_is_recorded(house: House) -> None:
    unrated(house)
    for to in (None, "high"):
        with pytest.raises(NotApproved, match="not permitted"):
            assess(house, RITA, LOW | {"eu_class": "prohibited"}, to)
    assert use_case_of(house).tier is None
    with house.platform.storage.reading() as tx:
        refused = every(tx, AUDIT, equals("action", "governance.assess_risk"), equals("outcome", "refused"))
        assert every(tx, RISK_ASSESSMENTS) == []
    assert [record.error_code for record in refused] == ["not_approved", "not_approved"]


def test_another_tier_is_a_risk_officers_word_with_a_rationale(house: House) -> None:
    unrated(house)
    for who in (DANA, BEA, VERA):
        with pytest.raises(Forbidden, match=r"separation\.override"):
            assess(house, who, LOW, "high")
    found = assess(house, RITA, LOW, "medium")
    assert (found.outputs.tier, found.tier) == ("low", "medium")
    assert found.override is not None
    assert found.override.rationale == "known to the committee"
    with pytest.raises(ValidationError, match="rationale"):
        Override(tier="low", rationale="")


def test_who_owns_or_builds_takes_no_lower_tier(house: House) -> None:
    house.use_case(tier="high")
    use_case = use_case_of(house)
    dana = DANA.model_copy(update={"roles": frozenset({"developer", "risk_officer"})})
    with pytest.raises(Forbidden, match=r"separation\.override"):
        assess(house, dana, HIGH, "low")
    house.do(RITA, UpdateUseCase(use_case="credit", revision=use_case.revision, business_owner=RITA.id))
    with pytest.raises(Forbidden, match=r"separation\.override"):
        assess(house, RITA, HIGH, "medium")
    assert assess(house, RITA, HIGH, "high").tier == "high"
    assert assess(house, RUTH, HIGH, "medium").tier == "medium"
    with pytest.raises(Forbidden, match=r"separation\.override"):
        assess(house, dana, LOW, "low")  # the rule says low; it still takes care away


@pytest.mark.parametrize("who", [OMAR, SYSTEM])
def test_operators_and_programs_assess_nothing(house: House, who: Any) -> None:
    unrated(house)
    with pytest.raises(Forbidden):
        assess(house, who, LOW)


def test_the_rule_in_force_rates_and_the_assessment_names_it(house: House) -> None:
    unrated(house)
    before = assess(house, DANA, LOW)
    strict = SHIPPED["risk-tier"].replace(
        '<outputEntry><text>"low"</text></outputEntry>', '<outputEntry><text>"medium"</text></outputEntry>'
    )
    successor = house.successor("risk-tier", strict)
    assert successor.definition_digest() != before.rule_definition
    after = assess(house, RITA, LOW)
    assert (before.tier, after.tier) == ("low", "medium")
    assert (after.rule, after.rule_definition) == (successor.id, successor.definition_digest())


def test_every_input_is_needed_and_known() -> None:
    for name in LOW:
        with pytest.raises(ValidationError, match=name):
            RiskInputs.model_validate({key: value for key, value in LOW.items() if key != name})
    for name, wrong in (
        ("eu_class", "harmless"),
        ("financial_exposure", -1),
        ("financial_exposure", float("nan")),
        ("autonomy", "acts"),
    ):
        with pytest.raises(ValidationError, match=name):
            RiskInputs.model_validate(LOW | {name: wrong})


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2024, 1, 31), 1, (2024, 2, 29)),
        ((2026, 12, 15), 12, (2027, 12, 15)),
        ((2026, 8, 31), 6, (2027, 2, 28)),
    ],
)
def test_a_review_is_due_by_the_calendar(start: tuple[int, int, int], months: int, end: tuple[int, int, int]) -> None:
    assert months_later(datetime(*start, tzinfo=UTC), months) == datetime(*end, tzinfo=UTC)
