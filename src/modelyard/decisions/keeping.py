"""What is kept of the log and for how long: erasure of a subject, retention by use case, legal holds.

Keeper(root, outcomes).erase([pseudonym], at=now)                     hidden at once, removed now from all that is sealed
Keeper(root, outcomes).expire("credit", before=..., holds=[Hold(...)])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.clock import Clock
from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions.compaction import Compaction, Compactor
from modelyard.decisions.erasures import FOREVER, Erasures, Filter, checked
from modelyard.decisions.extents import Everything, Ids, Matching, Wanted
from modelyard.decisions.schema import DECISION_TABLE, OUTCOME_TABLE, TIME, TableSpec
from modelyard.decisions.tables import TableReader
from modelyard.decisions.traces import traces

__all__ = ["Erased", "Erasures", "Expired", "Hold", "Keeper"]
_AT_ONCE = timedelta(0)


@dataclass(frozen=True)
class Hold:
    """Decisions that must be kept: of a use case, decided from `since` on and before `until` (None: without end), about one
    subject (a pseudonym) or all."""

    use_case: str
    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Erased:
    """Rows that were removed by this call. `pending` are living writers whose open segment still has rows of the erased: no
    reader shows them, and they go when erase is called after that segment was sealed."""

    decisions: int
    outcomes: int
    pending: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expired:
    """Rows that were removed by this call; `pending` as in `Erased`: what is due but open goes the next time."""

    decisions: int
    outcomes: int
    pending: tuple[str, ...] = ()


class Keeper:
    """Rewrites what is kept of a decision log and of the outcomes beside it. Waits while a compactor is at work.

    Raises StorageFull or LogUnwritable when the disk refuses; call again then, every step is safe to repeat. Raises LogDamaged
    when a segment or file no longer reads: nobody can say whose rows are in it, so it has to be restored first.
    """

    def __init__(
        self, root: Path, outcomes: Path | None = None, *, clock: Clock | None = None, faults: Faults | None = None
    ) -> None:
        self._root, self._outcomes, self._faults = root, outcomes, faults or NoFaults()
        self._compactor = Compactor(root, clock=clock, faults=faults)
        self._outcome_compactor = (
            None if outcomes is None else Compactor(outcomes, table=OUTCOME_TABLE, clock=clock, faults=faults)
        )

    def erase(self, subjects: Sequence[str], at: datetime) -> Erased:
        """Erase these subjects' decisions made until `at`, and what came of them. Idempotent; call it again for what is pending.

        Readers show none of it from the first moment on. On return it is gone from sealed segments, the Delta table and all files
        that the table does not name any more. Raises InvalidInput.
        """
        until = checked(subjects, at)
        if not self._root.exists() or not subjects:
            return Erased(0, 0)
        Erasures(self._root).add_until(subjects, until)
        self._faults.reach("decisions.erase.noted")
        drop = Filter(DECISION_TABLE, Erasures(self._root).until())
        ids = self._ids(Everything(), drop.needs, drop.hit)
        outcomes, late = self._forget_outcomes(ids)
        self._faults.reach("decisions.erase.outcomes_gone")
        with self._compactor.held() as turn:
            turn.take_in()
            turn.lake.rewrite(turn.lake.snapshot().files, drop.needs, drop.hit, "DELETE")
            _clean(turn)
        left = _open_rows(self._root, DECISION_TABLE, Everything(), drop.needs, drop.hit)
        decisions = len(ids) - sum(left.values())
        return Erased(decisions, outcomes, tuple(sorted({*left, *late})))

    def decisions_of(self, subject: str, at: datetime) -> list[str]:
        """The ids of the decisions that erasing this subject takes and that are still in the log, shown or not."""
        drop = Filter(DECISION_TABLE, {subject: checked([subject], at)})
        return self._ids(Everything(), drop.needs, drop.hit) if self._root.exists() else []

    def erased_decisions(self) -> list[str]:
        """The ids of all decisions that were ever erased."""
        return [] if self._outcomes is None else sorted(Erasures(self._outcomes).until())

    def expire(self, use_case: str, before: datetime, holds: Sequence[Hold] = ()) -> Expired:
        """Remove the use case's decisions made before then, with their outcomes, but for what a hold covers. Idempotent.

        A decision with an outcome in a segment that is still open stays until that is sealed. Raises InvalidInput.
        """
        limit = checked([use_case], before)
        due = _due(use_case, limit, holds)
        if not self._root.exists():
            return Expired(0, 0)
        old = Matching(lambda extent: extent.min_time < limit)
        columns = ("use_case", "decision_time", "subject", "id")
        ids = self._ids(old, columns, due)
        outcomes, waiting, late = self._remove_outcomes(ids)

        def drop(batch: Any) -> Any:
            kept = pc.is_in(batch.column("id"), value_set=pa.array(sorted(waiting), pa.string()))
            return pc.and_(due(batch), pc.invert(kept))

        self._faults.reach("decisions.expire.outcomes_gone")
        with self._compactor.held() as turn:
            turn.take_in()
            decisions = turn.lake.rewrite(turn.lake.snapshot().wanted(old), columns, drop, "DELETE")
            _clean(turn)
        left = _open_rows(self._root, DECISION_TABLE, old, columns, due)
        return Expired(decisions, outcomes, tuple(sorted({*left, *late})))

    def verify_erased(self, subjects: Sequence[str]) -> int:
        """How many rows of erased subjects, and outcomes of their decisions, are still in any file, whether readers show them or
        not, and how often their pseudonyms are in the bytes of files that have no business with them: 0 when all is gone."""
        until = Erasures(self._root).until()
        named = {s: until.get(s, FOREVER) for s in subjects}
        found = traces(self._root, DECISION_TABLE, named, subjects)
        if self._outcomes is not None and self._outcomes.exists():
            known = Erasures(self._outcomes).until()
            drop = Filter(DECISION_TABLE, named)
            ids = self._ids(Everything(), drop.needs, drop.hit) if named else []
            found += traces(self._outcomes, OUTCOME_TABLE, {**known, **dict.fromkeys(ids, FOREVER)}, subjects)
        return found

    def _ids(self, wanted: Wanted, columns: Sequence[str], hit: Callable[[Any], Any]) -> list[str]:
        """The decisions that are hit, shown or not, wherever they are."""
        needed = list(dict.fromkeys(["id", *columns]))
        reader = TableReader(self._root, DECISION_TABLE, everyone=True)
        found: list[str] = reader.collect(wanted, needed, lambda b: b.filter(hit(b)).select(["id"]))["id"].to_pylist()
        return found

    def _forget_outcomes(self, ids: Sequence[str]) -> tuple[int, list[str]]:
        """Outcomes of these decisions are hidden for ever, and removed; how many, and who still has some open."""
        if self._outcomes is None or self._outcome_compactor is None:
            return 0, []
        if ids:
            Erasures(self._outcomes).add_until(ids, FOREVER)
        until = Erasures(self._outcomes).until()
        if not until or not self._outcomes.exists():
            return 0, []
        drop = Filter(OUTCOME_TABLE, until)
        wanted = Ids(list(until))
        before = _rows(self._outcomes, OUTCOME_TABLE, wanted, drop)
        with self._outcome_compactor.held() as turn:
            turn.take_in()
            turn.lake.rewrite(turn.lake.snapshot().wanted(wanted), drop.needs, drop.hit, "DELETE")
            _clean(turn)
        left = _open_rows(self._outcomes, OUTCOME_TABLE, wanted, drop.needs, drop.hit)
        return before - sum(left.values()), list(left)

    def _remove_outcomes(self, ids: Sequence[str]) -> tuple[int, set[str], list[str]]:
        """Outcomes of these decisions are removed; how many, which decisions still have some open, and with whom."""
        if self._outcomes is None or self._outcome_compactor is None or not ids or not self._outcomes.exists():
            return 0, set(), []
        wanted, values = Ids(ids), pa.array(ids, pa.string())

        def hit(batch: Any) -> Any:
            return pc.is_in(batch.column("decision_id"), value_set=values)

        with self._outcome_compactor.held() as turn:
            turn.take_in()
            removed = turn.lake.rewrite(turn.lake.snapshot().wanted(wanted), ["decision_id"], hit, "DELETE")
            _clean(turn)
        left = _open_batches(self._outcomes, OUTCOME_TABLE, wanted, ["decision_id"], hit)
        waiting = {i for _, batch in left for i in batch.column("decision_id").to_pylist()}
        return removed, waiting, sorted({writer for writer, _ in left})


def _due(use_case: str, limit: int, holds: Sequence[Hold]) -> Callable[[Any], Any]:
    spans = [(hold, *_span(hold)) for hold in holds if hold.use_case == use_case]

    def due(batch: Any) -> Any:
        times = pc.cast(batch.column("decision_time"), pa.int64())
        mask = pc.and_(pc.equal(batch.column("use_case"), use_case), pc.less(times, limit))
        for hold, since, until in spans:
            held = [pc.greater_equal(times, since), pc.less(times, until)]
            if hold.subject is not None:
                held.append(pc.fill_null(pc.equal(batch.column("subject"), hold.subject), False))
            mask = pc.and_(mask, pc.invert(reduce(pc.and_, held)))
        return mask

    return due


def _span(hold: Hold) -> tuple[int, int]:
    ends = []
    for name, moment, otherwise in (("since", hold.since, -FOREVER), ("until", hold.until, FOREVER)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput("a hold's time without a zone", field=name, hint="give the offset, for example +00:00")
        ends.append(otherwise if moment is None else int(pa.scalar(moment, TIME).value))
    return ends[0], ends[1]


def _clean(turn: Compaction) -> None:
    """Nothing that was replaced stays: no compacted segment, no file that the table does not name."""
    turn.remove_segments(_AT_ONCE)
    turn.lake.vacuum(_AT_ONCE)


def _rows(root: Path, table: TableSpec, wanted: Wanted, drop: Filter) -> int:
    reader = TableReader(root, table, everyone=True)
    return int(reader.collect(wanted, list(drop.needs), lambda batch: batch.filter(drop.hit(batch))).num_rows)


def _open_batches(
    root: Path, table: TableSpec, wanted: Wanted, columns: Sequence[str], hit: Callable[[Any], Any]
) -> list[tuple[str, Any]]:
    """By writer, the rows that are hit and in segments that were not taken in."""
    reader = TableReader(root, table, everyone=True)
    found = [(writer, batch.filter(hit(batch))) for writer, batch in reader.unsealed(wanted, list(columns))]
    return [(writer, batch) for writer, batch in found if batch.num_rows]


def _open_rows(root: Path, table: TableSpec, wanted: Wanted, columns: Sequence[str], hit: Callable[[Any], Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for writer, batch in _open_batches(root, table, wanted, columns, hit):
        counts[writer] = counts.get(writer, 0) + batch.num_rows
    return counts
