"""Outcomes: what came of decisions. Posted late, twice, corrected, or before their decision is known; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.digests import canonical
from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults
from modelyard.decisions.extents import Extent, Matching
from modelyard.decisions.files import exclusive
from modelyard.decisions.journal import Journal, Limits
from modelyard.decisions.schema import OUTCOME_TABLE, TIME, Rows, require_time, to_batch
from modelyard.decisions.tables import Mark, TableReader


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one decision. `values` by name; `time_known` is when the source knew it (default: when it is posted)."""

    decision_id: str
    values: Mapping[str, Any]
    source: str
    event_time: datetime | None = None
    time_known: datetime | None = None
    maturity: float | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a post: new outcomes, repeats of what was known (not stored again), corrections, and the ids for which
    no decision is in the log (stored all the same: they join when their decision arrives)."""

    accepted: int
    repeated: int
    corrected: int
    unknown: tuple[str, ...]


class KnownDecisions(Protocol):
    """Says which decisions exist; a `DecisionReader` does."""

    def known(self, ids: Sequence[str]) -> set[str]: ...


class OutcomeLog:
    """Posts outcomes as one writer and reads those of all. Safe for several threads and processes on one folder."""

    def __init__(
        self,
        root: Path,
        writer: str,
        decisions: KnownDecisions,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._journal = Journal(root, OUTCOME_TABLE, writer, limits=limits, clock=self._clock, faults=faults)
        self._reader = OutcomeReader(root)
        self._turn = root / "post.lock"
        self._decisions = decisions

    def post(self, outcomes: Sequence[Outcome]) -> Receipt:
        """Log a batch; durable on return, all of it or (when this raises) nothing. Raises InvalidInput for values that are
        no JSON and for times that not every reader could read.

        Values equal to the latest known ones are a repeat and change nothing; others are a correction, numbered upwards.
        """
        texts = [_values(outcome) for outcome in outcomes]
        _require_times(outcomes)
        ids = [outcome.decision_id for outcome in outcomes]
        known = self._decisions.known(ids)
        with exclusive(self._turn):
            latest = self._reader.latest(ids)
            fresh, corrections, repeated = _sort_out(ids, texts, latest)
            if fresh:
                rows = self._rows([outcomes[i] for i in fresh], [texts[i] for i in fresh], corrections)
                self._journal.commit(to_batch(OUTCOME_TABLE, [rows]))
        corrected = sum(1 for number in corrections if number > 0)
        unknown = tuple(dict.fromkeys(i for i in ids if i not in known))
        return Receipt(len(fresh) - corrected, repeated, corrected, unknown)

    def seal(self) -> None:
        """Seal the open segment now, so that what is in it can be rewritten."""
        self._journal.seal()

    def close(self) -> None:
        """Seal and release the writer's name. Idempotent."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, outcomes: Sequence[Outcome], texts: Sequence[str], corrections: Sequence[int]) -> Rows:
        now = self._clock.now()
        columns = {
            "decision_id": [o.decision_id for o in outcomes],
            "values": texts,
            "event_time": [o.event_time for o in outcomes],
            "time_known": [o.time_known or now for o in outcomes],
            "source": [o.source for o in outcomes],
            "correction": corrections,
            "maturity": [o.maturity for o in outcomes],
            "organisation": [o.organisation for o in outcomes],
        }
        return Rows(len(outcomes), columns, {"recorded_time": now})


class OutcomeReader:
    """Outcomes by decision id, with their corrections."""

    def __init__(self, root: Path) -> None:
        self._table = TableReader(root, OUTCOME_TABLE)

    def mark(self) -> Mark:
        """See `TableReader.mark`."""
        return self._table.mark()

    def find(self, ids: Sequence[str]) -> Any:
        """An Arrow table of every outcome of these decisions, corrections included."""
        return self._table.by_ids(ids, OUTCOME_TABLE.schema.names)

    def latest(self, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """The greatest correction number and its values (canonical JSON) for those decisions that have an outcome."""
        found = self._table.by_ids(ids, ["decision_id", "correction", "values"]).to_pydict()
        best: dict[str, tuple[int, str]] = {}
        rows = zip(found["decision_id"], found["correction"], found["values"], strict=True)
        for decision, correction, values in rows:
            if decision not in best or correction > best[decision][0]:
                best[decision] = (correction, values)
        return best

    def scan(self, since: datetime | None = None, until: datetime | None = None) -> Any:
        """All outcomes recorded in the window, corrections included, as an Arrow table."""
        wanted, keep = _recorded(since, until)
        names = OUTCOME_TABLE.schema.names
        return self._table.collect(wanted, names, keep).cast(OUTCOME_TABLE.schema)

    def batches(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Any]:
        """The same as Arrow batches, for what does not fit in memory. Raises Busy when the log was rewritten meanwhile."""
        wanted, keep = _recorded(since, until)
        for batch in self._table.batches(wanted, OUTCOME_TABLE.schema.names):
            kept = keep(batch)
            if kept.num_rows:
                yield kept


def _recorded(since: datetime | None, until: datetime | None) -> tuple[Matching, Callable[[Any], Any]]:
    low = None if since is None else pa.scalar(since, TIME)
    high = None if until is None else pa.scalar(until, TIME)

    def test(extent: Extent) -> bool:
        return (low is None or extent.max_time >= low.value) and (high is None or extent.min_time < high.value)

    def keep(batch: Any) -> Any:
        if low is not None:
            batch = batch.filter(pc.greater_equal(batch["recorded_time"], low))
        if high is not None:
            batch = batch.filter(pc.less(batch["recorded_time"], high))
        return batch

    return Matching(test), keep


def join(decisions: Any, outcomes: Any, *, as_of: datetime | None = None) -> Any:
    """Decisions with what is known of them: each row gets `outcome_values`, `outcome_event_time`, `outcome_time_known`,
    `outcome_source` and `outcome_correction` of its latest correction, null while there is none.

    `as_of` leaves out what was recorded later, so that what was known on a past day can be computed again. Row order stays.
    """
    if as_of is not None:
        outcomes = outcomes.filter(pc.less_equal(outcomes["recorded_time"], pa.scalar(as_of, TIME)))
    latest = _latest_corrections(outcomes)
    places = pc.index_in(decisions["id"], value_set=latest["decision_id"].combine_chunks())
    joined = decisions
    for name in ("values", "event_time", "time_known", "source", "correction"):
        joined = joined.append_column(f"outcome_{name}", latest[name].take(places))
    return joined


def _latest_corrections(outcomes: Any) -> Any:
    order = pc.sort_indices(outcomes, sort_keys=[("decision_id", "ascending"), ("correction", "ascending")])
    ordered = outcomes.take(order)
    if ordered.num_rows == 0:
        return ordered
    ids = ordered["decision_id"].combine_chunks()
    last = np.ones(len(ids), dtype=bool)
    last[:-1] = pc.not_equal(ids.slice(0, len(ids) - 1), ids.slice(1)).to_numpy(zero_copy_only=False)
    return ordered.filter(pa.array(last))


def _require_times(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        for name, moment in (("event_time", outcome.event_time), ("time_known", outcome.time_known)):
            if moment is not None:
                require_time(moment, name)


def _values(outcome: Outcome) -> str:
    for name in ("decision_id", "source"):
        if not getattr(outcome, name):
            raise InvalidInput("an outcome without it", field=name)
    if not outcome.values:
        raise InvalidInput("an outcome without values", field="values")
    try:
        return canonical(dict(outcome.values)).decode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"values are not JSON: {error}", field="values") from error


def _sort_out(ids: Sequence[str], texts: Sequence[str], latest: dict[str, tuple[int, str]]) -> tuple[list[int], list[int], int]:
    """Positions of what must be stored, the correction number of each, and how many were repeats."""
    fresh: list[int] = []
    corrections: list[int] = []
    for i, (decision, text) in enumerate(zip(ids, texts, strict=True)):
        number, before = latest.get(decision, (-1, None))
        if text == before:
            continue
        latest[decision] = (number + 1, text)
        fresh.append(i)
        corrections.append(number + 1)
    return fresh, corrections, len(ids) - len(fresh)
