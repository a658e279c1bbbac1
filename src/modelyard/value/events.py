"""What happened to the value ledger."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from modelyard.core.messages import Event


class ValueRecorded(Event):
    type: ClassVar[str] = "value.value_recorded"

    entry_id: str
    use_case: str
    endpoint: str
    version: str
    period_from: AwareDatetime
    period_to: AwareDatetime
    currency: str
    realised: float
    expected: float | None
    restates: str | None


EVENTS: tuple[type[Event], ...] = (ValueRecorded,)
