"""Decisions with their outcomes, a bounded amount at a time, and outcomes that came too late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions.outcomes import OutcomeReader, join
from modelyard.decisions.reader import DecisionReader, Window

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class LateOutcomes:
    """Of outcomes with a maturity: how many there are, how many became known only after it, and how many are about decisions that
    are not in the log. `by_endpoint` has the late ones."""

    outcomes: int = 0
    late: int = 0
    unknown: int = 0
    by_endpoint: dict[str, int] = field(default_factory=dict)


def joined(
    decisions: DecisionReader,
    outcomes: OutcomeReader,
    window: Window,
    columns: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
) -> Iterator[Any]:
    """Arrow tables of the window's decisions with the columns that `join` adds, for what does not fit in memory."""
    shown = None if columns is None else list(dict.fromkeys(["id", *columns]))
    for table in _tables(decisions.batches(window, shown)):
        yield join(table, outcomes.find(table["id"].to_pylist()), as_of=as_of)


def late_outcomes(
    decisions: DecisionReader, outcomes: OutcomeReader, since: datetime | None = None, until: datetime | None = None
) -> LateOutcomes:
    """Of the outcomes recorded in the window, how many came late: known more than their maturity after the decision was made.
    Corrections are not counted."""
    total = unknown = 0
    late: Counter[str] = Counter()
    for table in _tables(outcomes.batches(since, until)):
        first = table.filter(pc.and_(pc.equal(table["correction"], 0), pc.is_valid(table["maturity"])))
        if first.num_rows == 0:
            continue
        known = decisions.find(first["decision_id"].to_pylist(), ["id", "decision_time", "endpoint"])
        places = pc.index_in(first["decision_id"], value_set=pa.array(known["id"].to_pylist(), pa.string()))
        waited = pc.subtract(_micros(first["time_known"]), _micros(known["decision_time"]).take(places))
        hit = pc.fill_null(pc.greater(waited, pc.multiply(first["maturity"], 1e6)), False)
        late.update(known["endpoint"].take(places).filter(hit).to_pylist())
        total += first.num_rows
        unknown += places.null_count
    return LateOutcomes(total, late.total(), unknown, dict(late))


def _micros(times: Any) -> Any:
    return pc.cast(times, pa.int64())


def _tables(batches: Iterator[Any]) -> Iterator[Any]:
    """Small batches together, large ones in pieces."""
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            piece = batch.slice(start, _ROWS_AT_ONCE)
            waiting.append(piece)
            rows += piece.num_rows
            if rows >= _ROWS_AT_ONCE:
                yield pa.Table.from_batches(waiting)
                waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)
