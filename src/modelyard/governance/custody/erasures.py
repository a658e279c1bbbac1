"""Erasure of data subjects, step by step: requested, deferred by a hold or hidden, rewritten, proven."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotFound, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction, Where, equals, every, first
from modelyard.governance.custody.commands import ErasureTold, ImportErasures, JudgeErasure, RecordErasure, RequestErasure
from modelyard.governance.custody.copies import merged, open_batches
from modelyard.governance.custody.events import ErasureDeferred, ErasureRequested, SubjectErased
from modelyard.governance.custody.holds import forget_subject, keep_subject, on_subject, subject_of
from modelyard.governance.custody.model import (
    ERASURES,
    EXPORTS,
    HOLDS,
    Erasure,
    ErasureState,
    salted,
)

MOST_EXPORTS = 1000
OPEN = (ErasureState.REQUESTED, ErasureState.DEFERRED, ErasureState.HIDDEN)


class ErasuresTaken(BaseModel):
    """What became of an import: the erasures that go on from here, and how many were applied already."""

    added: tuple[str, ...] = ()
    known: int = 0


def open_erasures(tx: Transaction, organisation: str) -> list[Erasure]:
    """Those that are not done, oldest first."""
    found = [e for s in OPEN for e in every(tx, ERASURES, equals("organisation", organisation), equals("state", s.value))]
    return sorted(found, key=lambda e: (e.created_at, e.id))


def request_erasure(work: Work, command: RequestErasure) -> Erasure:
    erasure = Erasure(
        **work.new("era"),
        subject_digest=salted(command.salt, command.subject),
        salt=command.salt,
        until=work.now,
        requested_by=work.actor.id,
        reason=work.request.reason,
    )
    return _kept(work, erasure, command.subject)


def _kept(work: Work, erasure: Erasure, subject: str) -> Erasure:
    kept = work.add(ERASURES, erasure)
    keep_subject(work, kept.id, subject)
    work.emit(ErasureRequested(erasure=kept.id), f"erasure:{kept.id}")
    return kept


def import_erasures(work: Work, command: ImportErasures) -> ErasuresTaken:
    added = tuple(_imported(work, told, command.salt) for told in command.erasures)
    return ErasuresTaken(added=added, known=command.known)


def _imported(work: Work, told: ErasureTold, salt: str) -> str:
    erasure = Erasure(
        **work.new("era"),
        subject_digest=salted(salt, told.subject),
        salt=salt,
        until=told.until,
        requested_by=work.actor.id,
        reason=work.request.reason,
        imported=True,
    )
    return _kept(work, erasure, told.subject).id


def judge_erasure(work: Work, command: JudgeErasure) -> Erasure:
    """Raises WrongState when it is under way or done, and when there is a hold that was not considered: look again."""
    erasure = find_erasure(work.tx, work.organisation, command.erasure)
    subject = subject_of(work.tx, erasure.id)
    if erasure.state not in (ErasureState.REQUESTED, ErasureState.DEFERRED) or subject is None:
        raise WrongState(f"the erasure is {erasure.state.value}", field="erasure")
    standing = {hold.id for hold in on_subject(work.tx, work.organisation, subject)}
    unseen = standing - set(command.considered)
    if unseen:
        raise WrongState(f"hold {min(unseen)} was placed meanwhile", field="considered", hint="look again")
    met = tuple(sorted(standing & set(command.met)))
    return _deferred(work, erasure, met) if met else _hidden(work, erasure)


def _deferred(work: Work, erasure: Erasure, met: tuple[str, ...]) -> Erasure:
    if erasure.state is ErasureState.DEFERRED and erasure.holds == met:
        return erasure
    holds = [work.get(HOLDS, hold) for hold in met]
    why = "; ".join(f"hold {h.id} of matter {h.matter!r} keeps decisions of this person: {h.reason}" for h in holds)
    update = {"state": ErasureState.DEFERRED, "holds": met, "why": why[:2000]}
    kept = work.save(ERASURES, erasure.model_copy(update=update))
    work.emit(ErasureDeferred(erasure=kept.id, holds=met), f"erasure:{kept.id}")
    return kept


def _hidden(work: Work, erasure: Erasure) -> Erasure:
    update = {
        "state": ErasureState.HIDDEN,
        "hidden_at": work.now,
        "holds": (),
        "why": "",
        "exports": _exports_before(work, erasure),
    }
    return work.save(ERASURES, erasure.model_copy(update=update))


def _exports_before(work: Work, erasure: Erasure) -> tuple[str, ...]:
    """The newest exports that were made before and may hold the person's decisions."""
    where = (equals("organisation", work.organisation), Where("created_at", "le", work.now))
    query = Query(where=where, descending=True, limit=MOST_EXPORTS)
    return tuple(e.id for e in work.find(EXPORTS, query).items if e.since is None or e.since <= erasure.until)


def record_erasure(work: Work, command: RecordErasure) -> Erasure:
    """Raises WrongState unless it is under way."""
    erasure = find_erasure(work.tx, work.organisation, command.erasure)
    if erasure.state is not ErasureState.HIDDEN:
        raise WrongState(f"the erasure is {erasure.state.value}", field="erasure")
    update: dict[str, Any] = {
        "decisions": erasure.decisions + command.decisions,
        "outcomes": erasure.outcomes + command.outcomes,
        "pending": command.pending,
        "trouble": command.trouble,
        "copies": merged(erasure.copies, command.copies),
        "proof": command.proof,
    }
    open_files = open_batches(update["copies"])
    done = command.proof is not None and command.proof.left == 0 and not (command.pending or command.trouble or open_files)
    if done:
        update |= {"state": ErasureState.DONE, "done_at": work.now}
    kept = work.save(ERASURES, erasure.model_copy(update=update))
    if done:
        forget_subject(work, kept.id)
        told = SubjectErased(erasure=kept.id, decisions=kept.decisions, outcomes=kept.outcomes)
        work.emit(told, f"erasure:{kept.id}")
    return kept


def find_erasure(tx: Transaction, organisation: str, erasure_id: str) -> Erasure:
    """Raises NotFound."""
    found = first(tx, ERASURES, equals("organisation", organisation), equals("id", erasure_id))
    if found is None:
        raise NotFound(f"there is no erasure {erasure_id!r}", field="erasure")
    return found


def _about_all(tx: Transaction, request: Request, command: RequestErasure | ImportErasures) -> Subject:
    return Subject(type="decision_log", id=request.organisation)


def _about(tx: Transaction, request: Request, command: JudgeErasure | RecordErasure) -> Subject:
    found = find_erasure(tx, request.organisation, command.erasure)
    return Subject(type="erasure", id=found.id, attributes={"requester": found.requested_by, "state": found.state.value})


def handlings() -> list[Handling[Any]]:
    return [
        Handling(RequestErasure, request_erasure, _about_all, Erasure),
        Handling(ImportErasures, import_erasures, _about_all, ErasuresTaken),
        Handling(JudgeErasure, judge_erasure, _about, Erasure),
        Handling(RecordErasure, record_erasure, _about, Erasure),
    ]
