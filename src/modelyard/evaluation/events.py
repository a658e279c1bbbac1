"""What happened in evaluation."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class ChecksRequested(Event):
    type: ClassVar[str] = "evaluation.checks_requested"

    version: str
    job: str


class ComparisonRecorded(Event):
    type: ClassVar[str] = "evaluation.comparison_recorded"

    version: str
    champion: str
    evidence: str
    challenger_better: bool


EVENTS: tuple[type[Event], ...] = (ChecksRequested, ComparisonRecorded)
