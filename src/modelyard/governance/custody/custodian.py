"""Does to the log's files what was decided about them, and tells what it did. Every step is safe to repeat, by any process.

custodian.judge(erasure.id)      at once, where the request came in: readers show nothing of the person any more
custodian.step()                 again and again in a worker: retention runs, deferred erasures, rewriting, proofs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog
from pydantic import BaseModel, ConfigDict

from modelyard.catalog.lookup import find_use_case
from modelyard.core.bus import Bus, Request
from modelyard.core.clock import Clock
from modelyard.core.errors import Conflict, InvalidInput, NotFound
from modelyard.core.messages import SYSTEM, Command
from modelyard.core.records import Query, Storage, equals
from modelyard.decisions import DecisionReader, Erasures, Hold, Keeper, LogDamaged, Pseudonyms, Window, write_atomically
from modelyard.governance.custody.commands import ApplyRetention, JudgeErasure, RecordErasure, RecordRetention
from modelyard.governance.custody.copies import HeldCopies, changed, looked_into, merged, open_batches, waiting
from modelyard.governance.custody.erasures import find_erasure, open_erasures
from modelyard.governance.custody.holds import active_holds, on_subject, subject_of
from modelyard.governance.custody.model import (
    RETENTION_RUNS,
    CopyFate,
    CopyTold,
    Erasure,
    ErasureState,
    InForce,
    LegalHold,
    Proof,
    Removed,
    RetentionRun,
    RunState,
    salted,
)
from modelyard.governance.custody.retention import all_in_force, in_force

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
FORMAT: Literal["modelyard-erasures/1"] = "modelyard-erasures/1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


class Due(BaseModel):
    """What applying retention to a use case now would do: `rows` of before `before` would go, `held` of them stay for holds."""

    model_config = ConfigDict(frozen=True)

    use_case: str
    days: int | None
    source: str | None
    before: datetime | None = None
    rows: int = 0
    held: int = 0
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogPlace:
    """Where the decisions and their outcomes are."""

    decisions: Path
    outcomes: Path


@dataclass
class _Pause:
    until: datetime
    lasting: timedelta = FIRST_PAUSE


class Shipped(Protocol):
    """Copies of segments that runtimes on other machines left in a store."""

    def forget(self, kept_for: timedelta) -> int:
        """Remove those that were collected and compacted that long ago; says how many."""
        ...


@dataclass
class Custodian:
    """The log of one organisation in the hands of one process. `known_file` is where the list of erasures is kept outside of the
    installation, so that a restored backup can be told of them; `shipped` where runtimes elsewhere leave their segments,
    `copies` the answers that batches wrote to files."""

    storage: Storage
    bus: Bus
    clock: Clock
    organisation: str
    place: LogPlace
    decisions: DecisionReader
    known_file: Path | None = None
    shipped: Shipped | None = None
    copies: HeldCopies | None = None
    _asked: str = ""
    _pauses: dict[str, _Pause] = field(default_factory=dict)

    @property
    def keeper(self) -> Keeper:
        return Keeper(self.place.decisions, self.place.outcomes, clock=self.clock)

    # ---- Erasures --------------------------------------------------------------------------------------------------

    def judge(self, erasure_id: str) -> Erasure:
        """Defer it where a hold has rows of the person, else hide it from every reader: both are durable on return. One that is
        under way or done is given as it is. Raises NotFound."""
        while True:
            with self.storage.reading() as tx:
                erasure = find_erasure(tx, self.organisation, erasure_id)
                subject = subject_of(tx, erasure.id)
                holds = on_subject(tx, self.organisation, subject) if subject else []
            if subject is None or erasure.state is ErasureState.DONE:
                return erasure
            if erasure.state is ErasureState.HIDDEN:
                self._hide(subject, erasure)
                return erasure
            met = [hold.id for hold in holds if self._holds(hold, subject, erasure)]
            command = JudgeErasure(erasure=erasure.id, considered=tuple(h.id for h in holds), met=tuple(met))
            try:
                judged = self._give(command, "a person asked to be erased")
            except Conflict as changed:  # a hold was placed, or another process was first: look again
                _log.info("judging an erasure again", erasure=erasure.id, detail=changed.detail)
                continue
            assert isinstance(judged, Erasure)
            if judged.state is ErasureState.HIDDEN:
                self._hide(subject, judged)
            return judged

    def _hide(self, subject: str, erasure: Erasure) -> None:
        Erasures(self.place.decisions).add([subject], erasure.until)

    def _holds(self, hold: LegalHold, subject: str, erasure: Erasure) -> bool:
        """Whether the hold has decisions of this person that the erasure would take."""
        ends = [moment for moment in (hold.until, erasure.until + timedelta(microseconds=1)) if moment is not None]
        if hold.since is not None and min(ends) <= hold.since:
            return False
        window = Window(use_case=hold.use_case, subject=subject, since=hold.since, until=min(ends), shadows=True)
        return bool(self.decisions.scan(window, ["id"], limit=1).num_rows)

    def erase(self) -> bool:
        """Go on with every erasure that is not done; says whether one of them came further."""
        with self.storage.reading() as tx:
            waiting = open_erasures(tx, self.organisation)
            standing = {hold.id for hold in active_holds(tx, self.organisation)}
        moved = [self._further(erasure, standing) for erasure in waiting]
        if waiting or (self.known_file is not None and not self.known_file.exists()):
            self.tell_erasures()
        return any(moved)

    def _further(self, erasure: Erasure, standing: set[str]) -> bool:
        if erasure.state is ErasureState.DEFERRED and standing & set(erasure.holds):
            return False  # what one hold keeps stays there for as long as that hold is
        judged = self.judge(erasure.id)
        if judged.state is not ErasureState.HIDDEN or self._paused(judged):
            return judged.state is not erasure.state
        return self._rewrite(judged)

    def _rewrite(self, erasure: Erasure) -> bool:
        """Remove what is sealed; with nothing pending, count what is left."""
        with self.storage.reading() as tx:
            subject = subject_of(tx, erasure.id)
        if subject is None:
            return False
        self._pause(erasure)
        try:
            copies = self._look(subject, erasure)
        except Conflict as other:
            _log.info("another worker was first", action=RecordErasure.action, detail=other.detail)
            return False
        except LogDamaged as damaged:
            copies, found = erasure.copies, RecordErasure(erasure=erasure.id, trouble=str(damaged)[:2000])
        else:
            found = self._erased(subject, erasure, copies)
        told = (found.pending, found.trouble, found.proof and found.proof.left)
        moved = merged(copies, found.copies) != copies
        if not found.decisions and not found.outcomes and not moved and told == _told(erasure):
            return False
        self._record(found, "files were rewritten")
        return True

    def _look(self, subject: str, erasure: Erasure) -> tuple[CopyTold, ...]:
        """Tell which files have rows of the person while the log still knows: on return that is durable, whoever goes on."""
        if self.copies is None:
            return ()
        news = self.copies.find(self.keeper.decisions_of(subject, erasure.until))
        held_up = waiting(erasure.copies)
        if held_up:
            news += self.copies.find(self.keeper.erased_decisions(), held_up)
        kept = merged(erasure.copies, news)
        if kept != erasure.copies:
            told = RecordErasure(erasure=erasure.id, pending=erasure.pending, trouble=erasure.trouble, copies=tuple(news))
            self._give(told, "files of batches were found")
        return kept

    def _copies_rewritten(self, copies: Sequence[CopyTold]) -> tuple[CopyTold, ...]:
        found = [one for one in copies if one.fate is CopyFate.FOUND]
        if self.copies is None or not found:
            return ()
        decisions = self.keeper.erased_decisions()
        told = tuple(self.copies.rewrite(one, decisions) for one in found)
        done = changed(told)
        return looked_into(told, self.copies.find(decisions, done)) if done else told

    def _erased(self, subject: str, erasure: Erasure, copies: tuple[CopyTold, ...]) -> RecordErasure:
        try:
            done = self.keeper.erase([subject], erasure.until)
            if self.shipped is not None:
                self.shipped.forget(timedelta(0))
            news = self._copies_rewritten(copies)
            pending = (*done.pending, *open_batches(merged(copies, news)))
            left = None if pending else Proof(left=self.keeper.verify_erased([subject]), at=self.clock.now())
        except LogDamaged as damaged:
            return RecordErasure(erasure=erasure.id, trouble=str(damaged)[:2000])
        return RecordErasure(
            erasure=erasure.id, decisions=done.decisions, outcomes=done.outcomes, pending=pending, proof=left, copies=news
        )

    def _paused(self, erasure: Erasure) -> bool:
        pause = self._pauses.get(erasure.id)
        return pause is not None and self.clock.now() < pause.until

    def _pause(self, erasure: Erasure) -> None:
        """Rewriting reads the whole log: what waits for an open segment is tried ever more seldom."""
        before = self._pauses.get(erasure.id)
        lasting = FIRST_PAUSE if before is None else min(before.lasting * 2, LONGEST_PAUSE)
        self._pauses[erasure.id] = _Pause(self.clock.now() + lasting, lasting)

    def verify(self, erasure_id: str) -> Proof:
        """Count again what is left of the person in any file. Raises NotFound, also when nobody knows any more who it was."""
        with self.storage.reading() as tx:
            erasure = find_erasure(tx, self.organisation, erasure_id)
            subject = subject_of(tx, erasure.id)
        known = [subject] if subject else [s for s in self.erased() if salted(erasure.salt, s) == erasure.subject_digest]
        if not known:
            raise NotFound("the list of erased subjects does not hold this one", field="erasure", hint="import the list")
        return Proof(left=self.keeper.verify_erased(known), at=self.clock.now())

    def erased(self) -> dict[str, datetime]:
        """Everybody whose decisions are hidden or gone, with the moment up to which they are."""
        until = Erasures(self.place.decisions).until()
        return {subject: _EPOCH + timedelta(microseconds=micros) for subject, micros in until.items()}

    def tell_erasures(self) -> None:
        """Keep the list of erasures outside of the installation, if that is asked for."""
        if self.known_file is None:
            return
        listed = [{"subject": s, "until": at.isoformat()} for s, at in sorted(self.erased().items())]
        text = json.dumps({"format": FORMAT, "erasures": listed}, indent=1).encode()
        if not self.known_file.exists() or self.known_file.read_bytes() != text:
            self.known_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.known_file, text, mode=0o600)

    # ---- Retention -------------------------------------------------------------------------------------------------

    def due(self, use_case: str | None = None) -> list[Due]:
        """What would go if retention were applied now. Raises NotFound for the use case."""
        return [self._due(policy) for policy in self._policies(use_case)]

    def _due(self, policy: InForce) -> Due:
        before = policy.before(self.clock.now())
        told = Due(use_case=policy.use_case, days=policy.days, source=policy.source, before=before)
        if before is None:
            return told
        rows = held = 0
        holds = self._holds_on(policy)
        kept = [hold for _, hold in holds]
        for batch in self._old(policy, before):
            rows += batch.num_rows
            held += _covered(batch, kept)
        return told.model_copy(update={"rows": rows - held, "held": held, "holds": tuple(i for i, _ in holds)})

    def _old(self, policy: InForce, before: datetime) -> Iterator[Any]:
        window = Window(use_case=policy.use_case, until=before, shadows=True)
        return self.decisions.batches(window, ["decision_time", "subject"])

    def _policies(self, use_case: str | None) -> list[InForce]:
        with self.storage.reading() as tx:
            if use_case is None:
                return all_in_force(tx, self.organisation)
            return [in_force(tx, self.organisation, find_use_case(tx, self.organisation, use_case))]

    def _holds_on(self, policy: InForce) -> list[tuple[str, Hold]]:
        """The holds that keep decisions of a use case, by id."""
        with self.storage.reading() as tx:
            return [
                (h.id, Hold(policy.use_case, h.since, h.until, subject_of(tx, h.id)))
                for h in active_holds(tx, self.organisation)
                if h.use_case in (None, policy.use_case)
            ]

    def ask_daily(self) -> None:
        """Ask for today's application, where there is a rule by which something ends; once a day, whoever asks."""
        today = self.clock.now().astimezone(UTC).date().isoformat()
        if self._asked == today or all(policy.days is None for policy in self._policies(None)):
            return
        self._give(ApplyRetention(), "every day", key=f"retention-{today}")
        self._asked = today

    def run_retention(self) -> bool:
        """Do the oldest run that waits; says whether there was one."""
        with self.storage.reading() as tx:
            where = (equals("organisation", self.organisation), equals("state", RunState.ASKED.value))
            waiting = tx.find(RETENTION_RUNS, Query(where=where, limit=1)).items
        if not waiting:
            return False
        try:
            command = RecordRetention(run=waiting[0].id, removed=tuple(self._removals(waiting[0])))
        except (InvalidInput, NotFound, LogDamaged) as error:
            command = RecordRetention(run=waiting[0].id, error=str(error)[:2000])
        self._record(command, f"asked for by {waiting[0].asked_by}")
        return True

    def _removals(self, run: RetentionRun) -> Iterator[Removed]:
        now = self.clock.now()
        for policy in self._policies(run.use_case):
            before = policy.before(now)
            if before is None or policy.days is None:
                continue
            holds = self._holds_on(policy)
            gone = self.keeper.expire(policy.use_case, before, [hold for _, hold in holds])
            yield Removed(
                use_case=policy.use_case,
                before=before,
                days=policy.days,
                rows=gone.decisions,
                outcomes=gone.outcomes,
                pending=gone.pending,
                policy=policy.digest(),
                holds=tuple(i for i, _ in holds),
            )

    def _record(self, command: Command, reason: str) -> None:
        try:
            self._give(command, reason)
        except Conflict as other:
            _log.info("another worker was first", action=command.action, detail=other.detail)

    def _give(self, command: Command, reason: str, key: str | None = None) -> BaseModel:
        request = Request(command=command, actor=SYSTEM, organisation=self.organisation, reason=reason, idempotency_key=key)
        return self.bus.handle(request)


def fingerprint(pseudonyms: Pseudonyms) -> str:
    """Tells one pseudonym key from another, and nothing of it."""
    return pseudonyms.of("fingerprint", "modelyard")


def _told(erasure: Erasure) -> tuple[Any, ...]:
    return (erasure.pending, erasure.trouble, erasure.proof and erasure.proof.left)


def _covered(batch: Any, holds: Sequence[Hold]) -> int:
    """How many rows a hold keeps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not holds:
        return 0
    masks = pa.array([False] * batch.num_rows)
    for hold in holds:
        mask = pa.array([True] * batch.num_rows)
        if hold.since is not None:
            mask = pc.and_(mask, pc.greater_equal(batch["decision_time"], pa.scalar(hold.since, batch["decision_time"].type)))
        if hold.until is not None:
            mask = pc.and_(mask, pc.less(batch["decision_time"], pa.scalar(hold.until, batch["decision_time"].type)))
        if hold.subject is not None:
            mask = pc.and_(mask, pc.fill_null(pc.equal(batch["subject"], hold.subject), False))
        masks = pc.or_(masks, mask)
    return int(pc.sum(masks).as_py() or 0)
