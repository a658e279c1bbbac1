"""What can be done about the value ledger."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, Field, FiniteFloat, model_validator

from modelyard.core.messages import Command
from modelyard.value.model import ValueFigures


class RecordValue(Command):
    """Enter a period's value. `version` is a manifest digest, empty for all versions together. A period that has an entry is
    entered again only by naming the latest entry that it `restates`."""

    action: ClassVar[str] = "value.record_value"

    use_case: Annotated[str, Field(min_length=1, max_length=200)]
    endpoint: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    period_from: AwareDatetime
    period_to: AwareDatetime
    figures: ValueFigures
    expected: FiniteFloat | None = None
    cost: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    basis: Annotated[str, Field(min_length=1, max_length=2000)] = "decisions with their outcomes, costs of the use case"
    restates: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.period_from < self.period_to:
            raise ValueError("the period ends before it starts")
        if self.figures.outcomes > self.figures.decisions:
            raise ValueError("there are more outcomes than decisions")
        return self
