"""Handlers of the value ledger's commands."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.lookup import find_use_case
from modelyard.catalog.model import UseCase
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import InvalidInput, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, equals
from modelyard.value.commands import RecordValue
from modelyard.value.events import ValueRecorded
from modelyard.value.model import VALUE_ENTRIES, ValueEntry


def record_value(work: Work, command: RecordValue) -> ValueEntry:
    """Raises NotFound for the use case, InvalidInput when the currency is not the use case's, WrongState when the period has
    an entry that the command does not restate."""
    use_case = find_use_case(work.tx, work.organisation, command.use_case)
    _same_currency(use_case, command)
    earlier = _latest(work, use_case, command)
    if (earlier.id if earlier else None) != command.restates:
        said = f"its latest entry is {earlier.id}" if earlier else "it has no entry"
        raise WrongState(f"the period cannot be entered so: {said}", field="restates", hint="read the ledger again")
    kept = work.add(VALUE_ENTRIES, _entry(work, use_case, command, earlier))
    names = [name for name in ValueRecorded.model_fields if name != "entry_id"]
    event = ValueRecorded(entry_id=kept.id, **{name: getattr(kept, name) for name in names})
    work.emit(event, f"use_case:{use_case.id}")
    return kept


def _entry(work: Work, use_case: UseCase, command: RecordValue, earlier: ValueEntry | None) -> ValueEntry:
    figures = command.figures
    bounds = figures.gain_per_decision() if figures.outcomes >= 2 else None
    given = ("endpoint", "version", "period_from", "period_to", "expected", "cost", "basis", "figures", "restates")
    return ValueEntry(
        **work.new("val"),
        **{name: getattr(command, name) for name in given},
        use_case=use_case.name,
        currency=figures.costs.currency,
        realised=figures.gain(),
        realised_low=bounds.low * figures.outcomes if bounds else None,
        realised_high=bounds.high * figures.outcomes if bounds else None,
        baseline=figures.best_baseline,
        decided=figures.cost,
        restatement=earlier.restatement + 1 if earlier else 0,
    )


def _latest(work: Work, use_case: UseCase, command: RecordValue) -> ValueEntry | None:
    where = (
        equals("organisation", work.organisation),
        equals("use_case", use_case.name),
        equals("endpoint", command.endpoint),
        equals("version", command.version),
        equals("period_from", command.period_from),
    )
    items = work.find(VALUE_ENTRIES, Query(where=where, sort="restatement", descending=True, limit=1)).items
    return items[0] if items else None


def _same_currency(use_case: UseCase, command: RecordValue) -> None:
    costs = use_case.value.cost_matrix
    if costs is not None and costs.currency != command.figures.costs.currency:
        detail = f"the use case counts in {costs.currency}, the figures in {command.figures.costs.currency}"
        raise InvalidInput(detail, field="figures.costs.currency")


def _use_case(tx: Transaction, request: Request, command: RecordValue) -> Subject:
    record = find_use_case(tx, request.organisation, command.use_case)
    attributes = {"name": record.name, "owner": record.business_owner, "tier": record.tier or "", "endpoint": command.endpoint}
    return Subject(type="use_case", id=record.id, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    """The ledger's commands."""
    return [Handling(RecordValue, record_value, _use_case, ValueEntry)]
