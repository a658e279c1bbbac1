"""A batch's decisions as rows of the decision log, built column by column and appended a slice at a time.

A slice is one frame of the log: it is there whole or not at all, so that its first id tells whether it is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import Busy
from modelyard.core.faults import Faults
from modelyard.decisions import DECISIONS, SCHEMA_VERSION, Pseudonyms
from modelyard.decisions.journal import Journal
from modelyard.decisions.schema import DECISION_TABLE
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.batch.fitting import Fitted
from modelyard.runtime.batch.json_rows import json_rows, references
from modelyard.runtime.batch.model import Pin, Plan
from modelyard.runtime.batch.released import Allowed

_CONSTANT = Pin("", "constant", 1.0, "", "", "")


@dataclass(slots=True)
class Slice:
    """Answers to log. `rows` are their numbers in `table` (None: all); `numbers` those within the part, added to `start` to find
    them in the file at `path`; `arms` says which pin answered each (None: the first), -1 for the constant."""

    ids: Any
    count: int
    outputs: dict[str, Any]
    table: Any
    fitted: Fitted
    rows: Any | None
    numbers: Any | None
    start: int
    path: str
    arms: Any | None
    seconds: float
    specs: Sequence[FieldSpec]


class BatchLog:
    """The decision log of one worker of a batch. Nothing is opened before something is to be logged. Safe for several threads."""

    def __init__(self, root: Path, plan: Plan, allowed: Allowed, pseudonyms: Pseudonyms, faults: Faults) -> None:
        self._root, self._plan, self._allowed = root, plan, allowed
        self._pseudonyms, self._faults = pseudonyms, faults
        self._journal: Journal | None = None
        self._opening = threading.Lock()

    def close(self) -> None:
        """Seal what was written. Idempotent."""
        if self._journal is not None:
            self._journal.close()

    def wanted(self, rows: int) -> int:
        """How many of so many rows of a slice or part are logged, when the log takes a share of them."""
        return len(self._places(rows)) if self._plan.order.log < 1 else rows

    def sampled(self, ids: Any) -> Any:
        """Those of a slice's ids that are logged."""
        return ids if self._plan.order.log >= 1 else ids.take(pa.array(self._places(len(ids))))

    def append(self, piece: Slice) -> None:
        """Log a slice; durable on return. Raises StorageFull or LogUnwritable."""
        with self._opening:
            journal = self._journal = self._journal or self._opened()
        batch = self._batch(piece)
        if self._plan.order.log < 1:
            batch = batch.take(pa.array(self._places(batch.num_rows)))
        journal.commit(batch)

    def _opened(self) -> Journal:
        """A writer's name of its own: the first number that no living process has."""
        for number in count(1):
            try:
                return Journal(self._root, DECISION_TABLE, f"{self._plan.id}-{number}", faults=self._faults)
            except Busy:
                continue
        raise AssertionError("numbers do not end")

    def _places(self, rows: int) -> Any:
        """Every so many rows, evenly, the first one always among them."""
        import numpy as np

        share = self._plan.order.log
        return np.unique((np.arange(round(rows * share)) / share).astype(np.int64)) if rows * share >= 0.5 else np.arange(0)

    def _batch(self, piece: Slice) -> Any:
        rows, order = piece.count, self._plan.order
        routes = self._allowed.endpoint.routes
        single = {
            "decision_time": int(time.time() * 1e6),
            "organisation": self._allowed.organisation,
            "use_case": routes.use_case,
            "endpoint": routes.name,
            "epoch": self._allowed.check.epoch,
            "latency": piece.seconds,
            "request": self._plan.id,
            "schema_version": SCHEMA_VERSION,
        }
        columns = {"id": piece.ids, "inputs": self._inputs(piece), "output": json_rows(piece.outputs, rows)}
        columns |= self._by_arm(piece)
        for name, source in (("unit", order.key), ("subject", order.subject)):
            if source is not None:
                columns[name] = self._pseudonymous(name, piece, source)
        return pa.RecordBatch.from_arrays([_column(field, columns, single, rows) for field in DECISIONS], schema=DECISIONS)

    def _by_arm(self, piece: Slice) -> dict[str, Any]:
        """What differs between arms: one value a pin, spread over the rows that it answered."""
        first = self._plan.pins[0]
        pins = [*self._plan.pins, _CONSTANT]
        asked = [pin.name for pin in self._plan.pins] + [first.name]
        values: dict[str, list[Any]] = {
            "requested_arm": asked,
            "answered_arm": [pin.name or None for pin in pins],
            "role": [pin.role for pin in pins],
            "version": [pin.version or None for pin in pins],
            "manifest": [pin.manifest or None for pin in pins],
            "release": [pin.release or None for pin in pins],
            "probability": [pin.share for pin in pins],
            "reason": [None] * (len(pins) - 1) + ["the row does not fit the signature"],
        }
        if piece.arms is None:
            return {name: _repeated(found[0], DECISIONS.field(name).type, piece.count) for name, found in values.items()}
        indices = pa.array(piece.arms % len(pins))  # -1 is the last one, the constant
        return {name: pa.array(found, DECISIONS.field(name).type).take(indices) for name, found in values.items()}

    def _inputs(self, piece: Slice) -> Any:
        if self._plan.order.log_inputs == "reference":
            return references(piece.path, piece.start, piece.numbers, piece.count)
        columns = {}
        for spec in piece.specs:
            values = piece.fitted.batch[spec.name]
            values = values if piece.rows is None else values[piece.rows]
            columns[spec.name] = _logged(values)
        return json_rows(columns, piece.count)

    def _pseudonymous(self, domain: str, piece: Slice, source: str) -> Any:
        column = piece.table[source]
        column = column if piece.rows is None else column.take(pa.array(piece.rows))
        of = self._pseudonyms.of
        return pa.array([None if value is None else of(domain, str(value)) for value in column.to_pylist()], pa.string())


def _logged(values: Any) -> Any:
    """An array as Arrow has it: vectors as lists, nulls as nulls."""
    if values.ndim > 1:
        flat = values.reshape(len(values), -1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    return pa.array(values)


def _column(field: Any, columns: dict[str, Any], single: dict[str, Any], rows: int) -> Any:
    if field.name in columns:
        found = columns[field.name]
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        return found if found.type == field.type else found.cast(field.type)
    return _repeated(single.get(field.name), field.type, rows)


def _repeated(value: Any, kind: Any, rows: int) -> Any:
    return _words(value, rows) if isinstance(value, str) else _numbers(value, kind, rows)


@lru_cache(24)
def _words(value: str, rows: int) -> Any:
    """The same text for every row; kept, as the next slice mostly asks for it again."""
    return pa.repeat(pa.scalar(value, pa.string()), rows)


def _numbers(value: Any, kind: Any, rows: int) -> Any:
    return pa.nulls(rows, kind) if value is None else pa.repeat(pa.scalar(value, kind), rows)
