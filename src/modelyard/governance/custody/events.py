"""What happened to the decision log. No event tells of a person: ids only."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class RetentionSet(Event):
    type: ClassVar[str] = "governance.retention_set"

    scope: str
    days: int | None


class RetentionApplied(Event):
    type: ClassVar[str] = "governance.retention_applied"

    run: str
    rows: int
    use_cases: tuple[str, ...]


class HoldPlaced(Event):
    type: ClassVar[str] = "governance.hold_placed"

    hold: str
    use_case: str | None
    matter: str


class HoldLifted(Event):
    type: ClassVar[str] = "governance.hold_lifted"

    hold: str
    matter: str


class ErasureRequested(Event):
    type: ClassVar[str] = "governance.erasure_requested"

    erasure: str


class ErasureDeferred(Event):
    type: ClassVar[str] = "governance.erasure_deferred"

    erasure: str
    holds: tuple[str, ...]


class SubjectErased(Event):
    type: ClassVar[str] = "governance.subject_erased"

    erasure: str
    decisions: int
    outcomes: int


class DecisionsRevealed(Event):
    type: ClassVar[str] = "governance.decisions_revealed"

    disclosure: str
    decisions: int


class DecisionsBackfilled(Event):
    type: ClassVar[str] = "governance.decisions_backfilled"

    backfill: str
    source: str
    endpoint: str
    accepted: int
    repeated: int
    content: str


EVENTS: tuple[type[Event], ...] = (
    RetentionSet,
    RetentionApplied,
    HoldPlaced,
    HoldLifted,
    ErasureRequested,
    ErasureDeferred,
    SubjectErased,
    DecisionsRevealed,
    DecisionsBackfilled,
)
