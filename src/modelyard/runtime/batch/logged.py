"""A batch's decisions as rows of the decision log, built column by column and appended a slice at a time.

A slice is one frame of the log: it is there whole or not at all, so that its first id tells whether it is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core.errors import Busy
from modelyard.core.faults import Faults
from modelyard.decisions import DECISIONS, SCHEMA_VERSION, Pseudonyms
from modelyard.decisions.bulk import BulkJournal
from modelyard.decisions.journal import Journal, Limits
from modelyard.decisions.packing import objects, plain_ids, runs, same
from modelyard.decisions.schema import DECISION_TABLE
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.batch.called import names_of
from modelyard.runtime.batch.fitting import FLOATS, Fitted
from modelyard.runtime.batch.model import Pin, Plan
from modelyard.runtime.batch.protecting import Shield
from modelyard.runtime.batch.released import Allowed

_LIMITS = Limits(segment_bytes=16 << 20)
"""Packed rows are small, and become many times larger where they are read."""


@dataclass(slots=True)
class Slice:
    """Answers to log. `ids` are packed; `rows` are their numbers in `table` (None: all); `numbers` those within the part, added
    to `start` to find them in the file at `path`; `arms` says which pin answered each, as in `Answered`."""

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

    def __init__(self, root: Path, plan: Plan, allowed: Allowed, pseudonyms: Pseudonyms, shield: Shield, faults: Faults) -> None:
        self._root, self._plan, self._allowed = root, plan, allowed
        self._pseudonyms, self._shield, self._faults = pseudonyms, shield, faults
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
        batch = self._batch(piece if self._plan.order.log >= 1 else _taken(piece, self._places(piece.count)))
        with self._opening:
            journal = self._journal = self._journal or self._opened(batch.schema)
        first, last = plain_ids(batch.column(0).take(pa.array([0, batch.num_rows - 1]))).to_pylist()
        journal.commit(batch, (first, last))  # they increase

    def _opened(self, schema: Any) -> Journal:
        """A writer's name of its own: the first number that no living process has. Its segments have packed columns, the same in
        all slices of a batch."""
        table = replace(DECISION_TABLE, schema=schema)
        for number in count(1):
            try:
                return BulkJournal(self._root, table, f"{self._plan.id}-{number}", limits=_LIMITS, faults=self._faults)
            except Busy:
                continue
        raise AssertionError("numbers do not end")

    def _places(self, rows: int) -> Any:
        """Every so many rows, evenly, the first one always among them."""
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
        columns = {
            "id": piece.ids,
            "inputs": self._inputs(piece),
            "output": objects(self._shield.columns(piece.outputs, rows), rows),
        }
        columns |= self._by_arm(piece)
        for name, source in (("unit", order.key), ("subject", order.subject)):
            if source is not None:
                columns[name] = self._pseudonymous(name, piece, source)
        arrays = [columns[f.name] if f.name in columns else same(single.get(f.name), f.type, rows) for f in DECISIONS]
        fields = [pa.field(f.name, array.type, f.nullable) for f, array in zip(DECISIONS, arrays, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _by_arm(self, piece: Slice) -> dict[str, Any]:
        """What differs between arms: a run of rows for each that answered neighbouring ones."""
        asked = [*self._plan.pins, *reversed(self._plan.pins)]  # so that the constant's numbers count from the end
        pins = [*self._plan.pins, *(Pin("", "constant", pin.share, "", "", "") for pin in reversed(self._plan.pins))]
        values: dict[str, list[Any]] = {
            "requested_arm": [pin.name for pin in asked],
            "answered_arm": [pin.name or None for pin in pins],
            "role": [pin.role for pin in pins],
            "version": [pin.version or None for pin in pins],
            "manifest": [pin.manifest or None for pin in pins],
            "release": [pin.release or None for pin in pins],
            "probability": [pin.share for pin in pins],
            "reason": [None if pin.name else "the row does not fit the signature" for pin in pins],
        }
        places, ends = _runs(piece.arms, piece.count)
        return {name: runs([found[p] for p in places], DECISIONS.field(name).type, ends) for name, found in values.items()}

    def _inputs(self, piece: Slice) -> Any:
        if self._plan.order.log_inputs == "reference":
            return _reference(piece)
        columns = {}
        for spec in piece.specs:
            values = piece.fitted.batch[spec.name]
            lost = piece.fitted.lost.get(spec.name)
            if piece.rows is not None:
                values, lost = values[piece.rows], None if lost is None else lost[piece.rows]
            columns[spec.name] = _logged(values, spec, lost)
        return objects(self._shield.columns(columns, piece.count), piece.count)

    def _pseudonymous(self, domain: str, piece: Slice, source: str) -> Any:
        column = piece.table[source]
        column = column if piece.rows is None else column.take(pa.array(piece.rows))
        of = self._pseudonyms.of
        number = domain == "unit" and any(s.name == source and s.type in FLOATS for s in piece.specs)
        return pa.array([None if name is None else of(domain, name) for name in names_of(column, number)], pa.string())


def _logged(values: Any, spec: FieldSpec, lost: Any | None = None) -> Any:
    """An array as Arrow has it, of the field's type whatever is in it: vectors as lists, nulls as nulls. Rows of `lost` are null:
    the array has something there that nobody gave."""
    kind = pa.string() if spec.type is DataType.BYTES else pa.from_numpy_dtype(spec.type.numpy)
    if values.ndim > 1:
        flat = values.reshape(len(values), -1)
        each = None if lost is None else np.repeat(lost, flat.shape[1])
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1), kind, mask=each), flat.shape[1])
    return pa.array(values, kind, mask=lost)


def _reference(piece: Slice) -> Any:
    """File and row (from 0) in place of the inputs."""
    numbers = np.arange(piece.start, piece.start + piece.count) if piece.numbers is None else piece.numbers + piece.start
    return objects({"$file": same(piece.path, pa.string(), piece.count), "$row": pa.array(numbers, pa.int64())}, piece.count)


def _runs(arms: Any | None, rows: int) -> tuple[list[int], list[int]]:
    """The arm of each run of rows, and where it ends."""
    if arms is None:
        return [0], [rows]
    ends = np.append(np.flatnonzero(np.diff(arms)) + 1, rows)
    return arms[ends - 1].tolist(), ends.tolist()


def _taken(piece: Slice, places: Any) -> Slice:
    """Some rows of a slice."""
    taken = pa.array(places)
    return replace(
        piece,
        ids=piece.ids.take(taken),
        count=len(places),
        outputs={name: values.take(taken) for name, values in piece.outputs.items()},
        rows=places if piece.rows is None else piece.rows[places],
        numbers=places if piece.numbers is None else piece.numbers[places],
        arms=None if piece.arms is None else piece.arms[places],
    )
