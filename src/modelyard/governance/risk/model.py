"""Risk assessments: what a use case was rated on, what the rule in force made of it, and who answered for it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from modelyard.catalog.profile import Automation, Tier
from modelyard.core.digests import DIGEST
from modelyard.core.records import Record, Table

Rating = Literal["low", "medium", "high"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RiskInputs(_Part):
    """What a use case is rated on; all of it is needed. The decision knows the fields by their names with spaces
    (`financial exposure`). `financial_exposure` is what a year's decisions are worth at most, in the currency of the accounts."""

    financial_exposure: Annotated[FiniteFloat, Field(ge=0)]
    customers_affected: Annotated[int, Field(ge=0)]
    criticality_of_purpose: Literal["informational", "operational", "important", "critical"]
    regulatory_use: bool
    customer_facing: bool
    autonomy: Automation
    reversibility: Literal["reversible", "costly", "irreversible"]
    personal_data: bool
    protected_groups: bool
    complexity: Rating
    opacity: Literal["transparent", "explainable", "opaque"]
    data_quality: Literal["good", "fair", "poor"]
    third_party: bool
    concentration_of_dependencies: Rating
    eu_class: Literal["minimal", "limited", "high", "prohibited"]


class RiskOutputs(_Part):
    """What the rule made of it. `permitted` is false for what the EU AI Act prohibits."""

    permitted: bool
    likelihood: Rating
    impact: Rating
    inherent_rating: Rating
    control_effectiveness: Literal["weak", "adequate", "strong"]
    residual_rating: Rating
    tier: Tier
    required_controls: tuple[str, ...]
    approvers: tuple[str, ...]
    validation_months: Annotated[int, Field(ge=1, le=120)]


class Override(_Part):
    """Another tier than the rule gives, and why."""

    tier: Tier
    rationale: str = Field(min_length=1, max_length=4000)


class RiskAssessment(Record):
    """One assessment of a use case; a later one stands beside it. `tier` is what became of it: the rule's, or the override's.
    `rule` is the record of the rule, `rule_definition` its digest; the time of assessment is `created_at`."""

    use_case_id: str
    use_case: str
    inputs: RiskInputs
    outputs: RiskOutputs
    override: Override | None = None
    tier: Tier
    previous_tier: Tier | None = None
    rule: str
    rule_definition: str = Field(pattern=DIGEST.pattern)
    assessor: str
    next_review: datetime


RISK_ASSESSMENTS: Table[RiskAssessment] = Table(
    "risk_assessments",
    RiskAssessment,
    indexed=("use_case_id", "use_case", "tier", "assessor", "next_review"),
    append_only=True,
)

TABLES: tuple[Table[Any], ...] = (RISK_ASSESSMENTS,)
