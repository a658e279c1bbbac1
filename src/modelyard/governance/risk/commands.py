"""What can be done about the risk of use cases."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from modelyard.core.messages import Command
from modelyard.governance.risk.model import Override, RiskInputs


class AssessRisk(Command):
    """Rate a use case by the rule in force and set its tier. An override takes another tier than the rule's, with a rationale."""

    action: ClassVar[str] = "governance.assess_risk"

    use_case: Annotated[str, Field(min_length=1, max_length=200)]
    inputs: RiskInputs
    override: Override | None = None
