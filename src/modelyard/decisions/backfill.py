"""Backfill: decisions that were made elsewhere, brought into the log once.

    with Backfill(root, "core-banking") as backfill:
        receipt = backfill.add(table)          # an Arrow table, or any iterable of batches
    backfill_id("core-banking", "4711", decided)   # the id under which decision 4711 is in the log

A decision is known again by its source, the caller's own id and the time it was made: adding it a second time changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.clock import Clock
from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults
from modelyard.decisions.journal import Journal, Limits
from modelyard.decisions.minting import derived_id
from modelyard.decisions.pseudonyms import Pseudonyms
from modelyard.decisions.reader import DecisionReader
from modelyard.decisions.schema import DECISION_TABLE, EARLIEST, LATEST, SCHEMA_VERSION, TIME

ROLE = "backfill"
_ROWS_AT_ONCE = 1 << 15
_SOURCE = re.compile(r"^[a-z0-9][a-z0-9._-]{0,59}$")
_REQUIRED = ("id", "decision_time", "organisation", "use_case", "endpoint", "inputs")
_OURS = frozenset({"role", "requested_arm", "schema_version", "shadow_of", "request"})
_JSON = ("inputs", "output", "parts")
_PSEUDONYM = r"^[0-9a-f]{32}$"


@dataclass(frozen=True)
class Backfilled:
    """What became of an addition: rows that are new, and rows that the log (or an earlier row of this addition) had already."""

    added: int
    repeated: int


def backfill_id(source: str, own_id: str, decided: datetime | int) -> str:
    """The id in the log of a decision made elsewhere at that time (an aware datetime, or microseconds), made of the source and
    the own id (see `derived_id`). Who posts outcomes computes it the same way."""
    micros = decided if isinstance(decided, int) else int(pa.scalar(decided, TIME).value)
    return derived_id(micros, source, own_id)


class Backfill:
    """Adds decisions of one source. One process a source at a time; safe to repeat after a crash.

    `source` names where they were made; `pseudonyms` is asked for the columns `unit` and `subject` (without it they must hold
    pseudonyms already). Raises Busy while another process adds for this source, StorageFull, LogUnwritable.
    """

    def __init__(
        self,
        root: Path,
        source: str,
        *,
        pseudonyms: Pseudonyms | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
        limits: Limits | None = None,
    ) -> None:
        if not _SOURCE.fullmatch(source):
            raise InvalidInput(
                f"{source!r} cannot name a source", field="source", hint="small letters, digits, dot, dash; at most 60"
            )
        self._root, self._source, self._pseudonyms = root, source, pseudonyms
        self._journal = Journal(root, DECISION_TABLE, f"{ROLE}-{source}", limits=limits, clock=clock, faults=faults)
        self._reader = DecisionReader(root)

    def add(self, rows: Any) -> Backfilled:
        """Add an Arrow table, record batch, `RecordBatchReader` or iterable of batches; durable on return, and read in pieces.

        Columns are those of the log. Needed: `id` (the caller's own, a text), `decision_time`, `organisation`, `use_case`,
        `endpoint`, `inputs` (JSON objects as text). The log sets `role` to "backfill", `request` to the own id, and `reason` to
        the source where the caller says none. Raises InvalidInput naming the column and the first wrong row; pieces before it are
        in the log then, and adding all again after mending is right.
        """
        added = repeated = place = 0
        for piece in _pieces(rows):
            batch = self._batch(piece, place)
            new = self._unknown(batch)
            if new.num_rows:
                self._journal.commit(new)
            added, repeated, place = added + new.num_rows, repeated + batch.num_rows - new.num_rows, place + piece.num_rows
        return Backfilled(added, repeated)

    def close(self) -> None:
        """Seal what was added and let the source's name go. Idempotent."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unknown(self, batch: Any) -> Any:
        """Rows that are neither in the log nor earlier in the batch."""
        ids = batch.column("id").to_pylist()
        seen = self._reader.known(ids)
        keep = []
        for decision in ids:
            keep.append(decision not in seen)
            seen.add(decision)
        return batch.filter(pa.array(keep))

    def _batch(self, piece: Any, place: int) -> Any:
        """The piece as the log has rows. Raises InvalidInput."""
        _check_names(piece.schema.names)
        columns = {name: _cast(piece, name, place) for name in piece.schema.names}
        for name in _REQUIRED:
            _check_rows(name, pc.is_valid(columns[name]), "a value is missing", place)
        for name in _JSON:
            if name in columns:
                _check_json(name, columns[name], place)
        for name in ("unit", "subject"):
            if name in columns:
                columns[name] = self._pseudonymous(name, columns[name], place)
        own = columns["id"]
        times = pc.cast(columns["decision_time"], pa.int64()).to_pylist()
        ids = [backfill_id(self._source, i, at) for i, at in zip(own.to_pylist(), times, strict=True)]
        count = piece.num_rows
        columns |= {"id": pa.array(ids, pa.string()), "request": own, "role": pa.array([ROLE] * count, pa.string())}
        columns["schema_version"] = pa.array([SCHEMA_VERSION] * count, pa.int16())
        columns["epoch"] = pc.fill_null(columns.get("epoch", pa.nulls(count, pa.int64())), 0)
        columns["reason"] = pc.fill_null(columns.get("reason", pa.nulls(count, pa.string())), f"{ROLE}: {self._source}")
        arrays = [columns.get(f.name, pa.nulls(count, f.type)) for f in DECISION_TABLE.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=DECISION_TABLE.schema)

    def _pseudonymous(self, name: str, column: Any, place: int) -> Any:
        if self._pseudonyms is None:
            fine = pc.fill_null(pc.match_substring_regex(column, _PSEUDONYM), True)
            hint = "give Backfill the pseudonyms to make them with, or leave the column out"
            _check_rows(name, fine, "no pseudonym (32 hex digits)", place, hint)
            return column
        made = [None if value is None else self._pseudonyms.of(name, value) for value in column.to_pylist()]
        return pa.array(made, pa.string())


def _pieces(rows: Any) -> Iterator[Any]:
    batches: Iterable[Any] = rows
    if isinstance(rows, pa.Table):
        batches = rows.to_batches()
    elif isinstance(rows, pa.RecordBatch):
        batches = [rows]
    for batch in batches:
        if not isinstance(batch, pa.RecordBatch):
            raise InvalidInput(f"a {type(batch).__name__} is no Arrow batch", field="rows", hint="give pyarrow tables or batches")
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            yield batch.slice(start, _ROWS_AT_ONCE)


def _check_names(names: Sequence[str]) -> None:
    for name in _REQUIRED:
        if name not in names:
            raise InvalidInput("the column is missing", field=name, hint=f"needed are {', '.join(_REQUIRED)}")
    for name in names:
        if name in _OURS:
            raise InvalidInput("the log sets this column itself", field=name, hint="leave it out")
        if name not in DECISION_TABLE.names:
            raise InvalidInput("the decision log has no such column", field=name, hint="what was asked goes into inputs")
    if len(set(names)) < len(names):
        raise InvalidInput("a column is there twice", field=max(names, key=list(names).count))


def _cast(piece: Any, name: str, place: int) -> Any:
    column, kind = piece.column(piece.schema.names.index(name)), DECISION_TABLE.schema.field(name).type
    if pa.types.is_timestamp(kind) and not (pa.types.is_timestamp(column.type) and column.type.tz):
        raise InvalidInput(f"a {column.type} and not a time with a zone", field=name, hint="give timestamps in UTC")
    try:
        found = column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"a {column.type} that is no {kind} (rows {place} on): {error}", field=name) from error
    if pa.types.is_timestamp(kind):
        early, late = pa.scalar(EARLIEST, kind), pa.scalar(LATEST, kind)
        fine = pc.and_(pc.greater_equal(found, early), pc.less(found, late))
        _check_rows(name, pc.fill_null(fine, True), "a time that is not within the years 1000 to 8999", place)
    return found


def _check_json(name: str, column: Any, place: int) -> None:
    decoder = msgspec.json.Decoder(dict[str, Any] if name != "parts" else Any)
    for n, value in enumerate(column.to_pylist()):
        if value is not None:
            try:
                decoder.decode(value)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise InvalidInput(f"no JSON object in row {place + n}: {error}", field=name) from error


def _check_rows(name: str, fine: Any, what: str, place: int, hint: str | None = None) -> None:
    first = pc.index(fine, False).as_py()
    if first >= 0:
        raise InvalidInput(f"{what} in row {place + first}", field=name, hint=hint)
