"""What people declare about use cases and models: the inventory's sections, as far as they cannot be derived.

Sections and fields follow the inventory of SR 11-7 and SR 26-2, EU AI Act Annex IV, PRA SS1/23 and ISO/IEC 42001; which
framework asks for which field is data elsewhere. A field left out is `None` (or empty) and shows as missing in the inventory.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from modelyard.catalog.texts import Line, Lines, Words
from modelyard.core.errors import InvalidInput


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """Risk tier: how much care a use case needs."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Automation(StrEnum):
    """How far the model decides by itself."""

    INFORMS = "informs"
    RECOMMENDS = "recommends"
    DECIDES_WITH_REVIEW = "decides_with_review"
    DECIDES = "decides"


class Purpose(Section):
    """Which business decision is made, for whom, and what the model must not be used for."""

    business_problem: Words | None = None
    products: Lines = ()
    intended_use: Words | None = None
    out_of_scope_uses: Lines = ()
    affected_persons: Words | None = None
    expected_volume: Line | None = None
    restrictions: Lines = ()


class People(Section):
    """Who else answers for it, by the ids of people or teams. Owners stand on the use case and on the model."""

    validator: Line | None = None
    vendor: Line | None = None


class Technique(Section):
    """How the model works and why it was made so."""

    methodology: Words | None = None
    assumptions: Words | None = None
    optimizes: Words | None = None
    trade_offs: Words | None = None
    third_party: Lines = ()
    predetermined_changes: Words | None = None


class DataUse(Section):
    """What is to be said of the data beyond its references."""

    provenance: Words | None = None
    personal_data: Words | None = None


class Dependencies(Section):
    """What it needs and who needs it, beyond the recorded lineage."""

    upstream_data: Lines = ()
    downstream_consumers: Lines = ()
    operating_system: Line | None = None
    hardware: Line | None = None


class Outputs(Section):
    """What is done with the answers."""

    intended_use: Words | None = None
    automation: Automation | None = None
    reversibility: Words | None = None
    fallback: Words | None = None


class Assurance(Section):
    """What is known of its fitness."""

    validation_due: date | None = None
    valid_until: date | None = None
    metric_rationale: Words | None = None
    limitations: Lines = ()
    known_biases: Lines = ()
    security_tests: Lines = ()
    exceptions: Lines = ()


class Operation(Section):
    """How it is run and watched. Retention in days."""

    human_oversight: Words | None = None
    logging: Words | None = None
    decision_retention_days: Annotated[int, Field(ge=1)] | None = None
    document_retention_days: Annotated[int, Field(ge=1)] | None = None
    monitoring_plan: Words | None = None
    thresholds: Lines = ()
    retraining_policy: Words | None = None
    rollback_target: Line | None = None


class TierInputs(Section):
    """What the risk tier is decided on (materiality = exposure × purpose, then complexity)."""

    financial_exposure: FiniteFloat | None = None
    customers_affected: Annotated[int, Field(ge=0)] | None = None
    criticality: Line | None = None
    regulatory_use: bool | None = None
    customer_facing: bool | None = None
    autonomy: Automation | None = None
    reversible: bool | None = None
    personal_data: bool | None = None
    protected_groups: bool | None = None
    complexity: Line | None = None
    opacity: Line | None = None
    data_quality: Line | None = None
    third_party: bool | None = None
    concentration: Line | None = None


class Governance(Section):
    """What rules apply. `tier_inputs` feed the tiering decision; the tier itself stands on the use case."""

    tier_inputs: TierInputs | None = None
    standards: Lines = ()


class CostMatrix(Section):
    """What one decision costs, by how it turned out, in `currency` for each `unit`; a gain is a negative cost."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    unit: Line = "decision"
    false_positive: FiniteFloat
    false_negative: FiniteFloat
    true_positive: FiniteFloat = 0.0
    true_negative: FiniteFloat = 0.0


class Kpi(Section):
    """A business figure the use case is to move."""

    name: Line
    unit: Line = ""
    baseline: FiniteFloat | None = None
    target: FiniteFloat | None = None


class Value(Section):
    """What the decisions are worth: expectation here, realised value comes from the value ledger."""

    kpis: Annotated[tuple[Kpi, ...], Field(max_length=50)] = ()
    cost_matrix: CostMatrix | None = None
    formula: Words | None = None
    baseline: FiniteFloat | None = None
    target: FiniteFloat | None = None
    running_cost: FiniteFloat | None = None


SECTIONS: dict[str, type[Section]] = {
    "purpose": Purpose,
    "people": People,
    "technique": Technique,
    "data": DataUse,
    "dependencies": Dependencies,
    "outputs": Outputs,
    "assurance": Assurance,
    "operation": Operation,
    "governance": Governance,
    "value": Value,
}


def declarable() -> tuple[str, ...]:
    """The dotted paths of all fields that people may declare."""
    return tuple(f"{name}.{field}" for name, section in SECTIONS.items() for field in section.model_fields)


def checked(path: str, value: Any) -> Any:
    """The JSON value of a declared field in its normal form. Raises InvalidInput for an unknown path or a wrong value."""
    section, _, field = path.partition(".")
    if section not in SECTIONS or field not in SECTIONS[section].model_fields:
        near = difflib.get_close_matches(path, declarable(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see the inventory's fields"
        raise InvalidInput(f"no inventory field {path!r} can be declared", field="field", hint=hint)
    try:
        kept = SECTIONS[section].model_validate({field: value})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{path}: {first['msg']}", field="value") from error
    return kept.model_dump(mode="json")[field]


def stated(sections: dict[str, Section | None]) -> Iterator[tuple[str, Any]]:
    """Dotted path and JSON value of every field that says something."""
    for name, section in sections.items():
        if section is None:
            continue
        for field, value in section.model_dump(mode="json").items():
            if value not in (None, [], ""):
                yield f"{name}.{field}", value
