"""What goes out of the log and comes in: exports, revealed fields, backfills. Each is told before, or as, it happens."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.lookup import find_use_case
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction, equals, first
from modelyard.governance.custody.commands import BackfillDecisions, ExportDecisions, RevealDecisions
from modelyard.governance.custody.events import DecisionsBackfilled, DecisionsRevealed
from modelyard.governance.custody.model import (
    BACKFILLS,
    DISCLOSURES,
    EXPORTS,
    Backfilled,
    DecisionExport,
    Disclosure,
)


def export_decisions(work: Work, command: ExportDecisions) -> DecisionExport:
    fields = command.model_dump() | {"by": work.actor.id, "reason": work.request.reason}
    return work.add(EXPORTS, DecisionExport(**work.new("exp"), **fields))


def reveal_decisions(work: Work, command: RevealDecisions) -> Disclosure:
    fields = {"by": work.actor.id, "decisions": command.decisions, "reason": work.request.reason}
    kept = work.add(DISCLOSURES, Disclosure(**work.new("dis"), **fields))
    work.emit(DecisionsRevealed(disclosure=kept.id, decisions=len(kept.decisions)), f"disclosure:{kept.id}")
    return kept


def backfill_decisions(work: Work, command: BackfillDecisions) -> Backfilled:
    """Raises NotFound for the use case. What was told already, with nothing new in it, is given again."""
    find_use_case(work.tx, work.organisation, command.use_case)
    where = (equals("organisation", work.organisation), equals("source", command.source), equals("endpoint", command.endpoint))
    before = first(work.tx, BACKFILLS, *where, equals("content", command.content)) if command.accepted == 0 else None
    if before is not None:
        return before
    kept = work.add(BACKFILLS, Backfilled(**work.new("bkf"), **command.model_dump(), by=work.actor.id))
    told = kept.model_dump(include={"source", "endpoint", "accepted", "repeated", "content"})
    work.emit(DecisionsBackfilled(backfill=kept.id, **told), f"backfill:{kept.id}")
    return kept


def _about_log(tx: Transaction, request: Request, command: Any) -> Subject:
    return Subject(type="decision_log", id=request.organisation)


def _about_use_case(tx: Transaction, request: Request, command: BackfillDecisions) -> Subject:
    use_case = find_use_case(tx, request.organisation, command.use_case)
    return Subject(type="use_case", id=use_case.id, attributes={"name": use_case.name, "endpoint": command.endpoint})


def handlings() -> list[Handling[Any]]:
    return [
        Handling(ExportDecisions, export_decisions, _about_log, DecisionExport),
        Handling(RevealDecisions, reveal_decisions, _about_log, Disclosure),
        Handling(BackfillDecisions, backfill_decisions, _about_use_case, Backfilled),
    ]
