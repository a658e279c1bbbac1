"""What happened to a model, in the order of time, and what of it was in production on a day."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.model import ANNOTATIONS, STATUS_CHANGES, Model, StatusChange
from modelyard.catalog.ports import Served, ServedOn
from modelyard.core.records import Transaction, equals, every


class HistoryEntry(BaseModel):
    """One thing that happened. `number` is the version's, None for what concerns the model itself."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    what: str
    number: int | None = None
    version_id: str | None = None
    by: str = ""
    detail: str = ""


class Day(BaseModel):
    """A model at one moment: what served (None: nobody here knows), and the status and stage of each version."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    served: tuple[Served, ...] | None
    versions: tuple[StatusChange, ...]


def history(tx: Transaction, model: Model) -> tuple[HistoryEntry, ...]:
    """Everything that was registered, moved, annotated and retired, oldest first."""
    entries = [HistoryEntry(at=model.created_at, what="model registered", by=model.registered_by)]
    changes = every(tx, STATUS_CHANGES, equals("model_id", model.id))
    entries += [_entry(change) for change in changes]
    numbers = {change.version_id: change.number for change in changes}
    for version_id, number in numbers.items():
        entries += [
            HistoryEntry(at=n.created_at, what="annotated", number=number, version_id=version_id, by=n.by, detail=n.field)
            for n in every(tx, ANNOTATIONS, equals("version_id", version_id))
        ]
    if model.retired_at is not None:
        entries.append(HistoryEntry(at=model.retired_at, what="model retired", by=model.retired_by, detail=model.retired_reason))
    return tuple(sorted(entries, key=lambda e: e.at))


def on_day(tx: Transaction, model: Model, at: datetime, served_on: ServedOn | None = None) -> Day:
    """The model as it was at `at`: the last status change of each version until then, and what served if somebody can tell."""
    latest: dict[str, StatusChange] = {}
    for change in sorted(every(tx, STATUS_CHANGES, equals("model_id", model.id)), key=lambda c: (c.created_at, c.id)):
        if change.created_at <= at:
            latest[change.version_id] = change
    served = None if served_on is None else tuple(served_on(tx, model.id, at))
    return Day(at=at, served=served, versions=tuple(sorted(latest.values(), key=lambda c: c.number)))


def _entry(change: StatusChange) -> HistoryEntry:
    return HistoryEntry(
        at=change.created_at,
        what=change.status.value,
        number=change.number,
        version_id=change.version_id,
        by=change.by,
        detail="" if change.before is None else change.reason,
    )
