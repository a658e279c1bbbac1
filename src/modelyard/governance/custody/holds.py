"""Legal holds: what must not go while a matter is open."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.lookup import find_use_case
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotFound, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction, equals, every, first
from modelyard.governance.custody.commands import LiftHold, PlaceHold
from modelyard.governance.custody.events import HoldLifted, HoldPlaced
from modelyard.governance.custody.model import (
    ERASURES,
    HOLDS,
    NAMED_SUBJECTS,
    ErasureState,
    HoldState,
    LegalHold,
    NamedSubject,
    salted,
)
from modelyard.governance.custody.retention import about_use_case


def active_holds(tx: Transaction, organisation: str) -> list[LegalHold]:
    return every(tx, HOLDS, equals("organisation", organisation), equals("state", HoldState.ACTIVE.value))


def subject_of(tx: Transaction, record_id: str) -> str | None:
    """The pseudonym that an active hold or an open erasure is about; None when it is about nobody in particular, or closed."""
    found = first(tx, NAMED_SUBJECTS, equals("id", record_id))
    return None if found is None else found.subject


def on_subject(tx: Transaction, organisation: str, subject: str) -> list[LegalHold]:
    """The active holds that may have rows of this person."""
    return [hold for hold in active_holds(tx, organisation) if subject_of(tx, hold.id) in (None, subject)]


def keep_subject(work: Work, record_id: str, subject: str) -> None:
    """Note the pseudonym of an open record, beside the audit: it is no part of what the log explains."""
    fields = {"id": record_id, "organisation": work.organisation, "created_at": work.now}
    work.tx.add(NAMED_SUBJECTS, NamedSubject(**fields, subject=subject))


def forget_subject(work: Work, record_id: str) -> None:
    if subject_of(work.tx, record_id) is not None:
        work.tx.remove(NAMED_SUBJECTS, record_id)


def place_hold(work: Work, command: PlaceHold) -> LegalHold:
    """Raises NotFound for the use case."""
    use_case = None if command.use_case is None else find_use_case(work.tx, work.organisation, command.use_case)
    under_way = every(work.tx, ERASURES, equals("organisation", work.organisation), equals("state", ErasureState.HIDDEN.value))
    late = [e.id for e in under_way if command.subject is None or salted(e.salt, command.subject) == e.subject_digest]
    hold = LegalHold(
        **work.new("hld"),
        use_case_id=use_case.id if use_case else None,
        use_case=use_case.name if use_case else None,
        since=command.since,
        until=command.until,
        subject_digest=salted(command.salt, command.subject) if command.subject and command.salt else None,
        salt=command.salt or "",
        matter=command.matter,
        reason=work.request.reason,
        placed_by=work.actor.id,
        too_late_for=tuple(late),
    )
    kept = work.add(HOLDS, hold)
    if command.subject is not None:
        keep_subject(work, kept.id, command.subject)
    work.emit(HoldPlaced(hold=kept.id, use_case=kept.use_case, matter=kept.matter), f"hold:{kept.id}")
    return kept


def lift_hold(work: Work, command: LiftHold) -> LegalHold:
    """Raises NotFound, and WrongState when it is lifted already."""
    hold = _find(work.tx, work.organisation, command.hold)
    if hold.state is not HoldState.ACTIVE:
        raise WrongState(f"hold {hold.id} was lifted already", field="hold")
    update = {
        "state": HoldState.LIFTED,
        "lifted_at": work.now,
        "lifted_by": work.actor.id,
        "lifted_reason": work.request.reason,
    }
    kept = work.save(HOLDS, hold.model_copy(update=update))
    forget_subject(work, kept.id)
    work.emit(HoldLifted(hold=kept.id, matter=kept.matter), f"hold:{kept.id}")
    return kept


def _find(tx: Transaction, organisation: str, hold_id: str) -> LegalHold:
    found = first(tx, HOLDS, equals("organisation", organisation), equals("id", hold_id))
    if found is None:
        raise NotFound(f"there is no hold {hold_id!r}", field="hold")
    return found


def _about_new(tx: Transaction, request: Request, command: PlaceHold) -> Subject:
    if command.use_case is not None:
        return about_use_case(tx, request.organisation, command.use_case)
    return Subject(type="organisation", id=request.organisation)


def _about(tx: Transaction, request: Request, command: LiftHold) -> Subject:
    """A hold, with all who own or build what decides in its use case."""
    hold = _find(tx, request.organisation, command.hold)
    attributes: dict[str, Any] = {"requester": hold.placed_by}
    if hold.use_case_id is not None:
        attributes |= about_use_case(tx, request.organisation, hold.use_case_id).attributes
    return Subject(type="hold", id=hold.id, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(PlaceHold, place_hold, _about_new, LegalHold),
        Handling(LiftHold, lift_hold, _about, LegalHold),
    ]
