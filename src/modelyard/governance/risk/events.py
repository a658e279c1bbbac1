"""What happened to the risk of use cases."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class RiskAssessed(Event):
    type: ClassVar[str] = "governance.risk_assessed"

    assessment: str
    use_case_id: str
    tier: str
    overridden: bool


EVENTS: tuple[type[Event], ...] = (RiskAssessed,)
