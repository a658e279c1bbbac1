"""The shipped risk tiering over all that can be asked of it: complete, and never milder for what is worse."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from gates_yard import SHIPPED, dmn_of
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.catalog.profile import Automation
from modelyard.core.errors import InvalidInput
from modelyard.governance.assurance.decisions import compiled
from modelyard.governance.risk.model import RiskInputs, RiskOutputs
from modelyard.governance.risk.tiering import rate, unusable

ORDER = {"low": 0, "medium": 1, "high": 2}
SCALES: dict[str, tuple[Any, ...]] = {
    "financial_exposure": (0.0, 499_999.99, 500_000.0, 9_999_999.0, 10_000_000.0, 1e12),
    "customers_affected": (0, 999, 1_000, 99_999, 100_000, 10**9),
    "autonomy": tuple(Automation),
} | {
    name: (False, True) if field.annotation is bool else get_args(field.annotation)
    for name, field in RiskInputs.model_fields.items()
    if name not in ("financial_exposure", "customers_affected", "autonomy")
}
"""The values of each input, from the mildest on."""
SCALES["eu_class"] = ("minimal", "limited", "high")
inputs = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SCALES.items()})


def rated(values: dict[str, Any]) -> RiskOutputs:
    return rate(SHIPPED["risk-tier"], RiskInputs.model_validate(values))


@settings(max_examples=150, deadline=None)
@given(inputs, st.sampled_from(sorted(SCALES)))
def test_what_is_worse_is_never_rated_milder(values: dict[str, Any], name: str) -> None:
    found = [rated(values | {name: value}) for value in SCALES[name]]
    for field in ("impact", "likelihood", "inherent_rating", "residual_rating", "tier"):
        ratings = [ORDER[getattr(outputs, field)] for outputs in found]
        assert ratings == sorted(ratings), field


@settings(max_examples=50, deadline=None)
@given(inputs)
def test_a_high_class_under_the_eu_act_is_of_the_high_tier_and_more_care_asks_for_more(values: dict[str, Any]) -> None:
    assert rated(values | {"eu_class": "high"}).tier == "high"
    found = rated(values)
    assert ORDER[found.residual_rating] <= ORDER[found.tier]
    assert len(found.required_controls) == {"low": 2, "medium": 4, "high": 7}[found.tier]
    assert found.validation_months == {"low": 24, "medium": 12, "high": 6}[found.tier]


def test_what_is_shipped_can_be_put_in_force_and_other_decisions_cannot() -> None:
    assert unusable(SHIPPED["risk-tier"], compiled(SHIPPED["risk-tier"])) == []
    assert unusable(SHIPPED["production"], compiled(SHIPPED["production"])) == ["it has no decision 'Risk tier'"]
    stranger = dmn_of().replace('name="Gate"', 'name="Risk tier"')
    assert any("'stage', which nobody gives it" in problem for problem in unusable(stranger, compiled(stranger)))


def test_half_a_rating_is_none() -> None:
    half = SHIPPED["risk-tier"].replace(
        '<variable name="impact" typeRef="string"/>', '<variable name="effect" typeRef="string"/>'
    )
    with pytest.raises(InvalidInput, match="no complete rating"):
        rate(half, RiskInputs.model_validate({name: values[0] for name, values in SCALES.items()}))
