"""Who was erased: rows that no reader shows and no rewriting keeps, from the moment this is written."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import InvalidInput
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.files import exclusive, write_atomically
from modelyard.decisions.schema import TIME, TableSpec

NAME = "erasures.json"
FOREVER = 253_402_300_799_000_000
"""The end of the last year that calendars have, in microseconds."""
AGAIN = 60.0
"""So many seconds after an erasure the rows are logged that were decided before it: no call takes longer to be answered."""

_KEYS = {"decisions": ("subject", "decision_time"), "outcomes": ("decision_id", "recorded_time")}


class _File(msgspec.Struct, frozen=True):
    """`erased` maps whom to the time (microseconds, UTC) up to which the rows about them are gone."""

    erased: dict[str, int]


_decoder = msgspec.json.Decoder(_File)


class Erasures:
    """The erased subjects of a log's folder, by pseudonym (in the outcomes' folder: the erased decisions, by id).

    A row is erased when it is about one of them and was decided no later than the erasure: somebody who comes back later is a
    new customer, whose decisions count again. Safe for several threads and processes.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._turn = root / "erasures.lock"
        self._mutex = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._erased: Mapping[str, int] = {}

    def add(self, subjects: Sequence[str], at: datetime) -> None:
        """Durable on return. Idempotent; the latest time counts. Raises InvalidInput, StorageFull, LogUnwritable."""
        self.add_until(subjects, checked(subjects, at))

    def add_until(self, subjects: Sequence[str], until: int) -> None:
        """The same with a time in microseconds."""
        if not subjects:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._turn):
                known = dict(self.until())
                changed = known | {s: max(until, known.get(s, until)) for s in subjects}
                if changed != known:
                    write_atomically(self._path, msgspec.json.encode(_File(changed)))
        except OSError as error:
            raise storage_error(error, self._path) from error

    def subjects(self) -> frozenset[str]:
        """All who were ever erased."""
        return frozenset(self.until())

    def until(self) -> Mapping[str, int]:
        """Each erased subject with the time in microseconds up to which it is. Raises LogDamaged when the file does not read."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        with self._mutex:
            if mark != self._seen:
                try:
                    self._erased, self._seen = _decoder.decode(self._path.read_bytes()).erased, mark
                except msgspec.DecodeError as error:
                    raise LogDamaged(f"{NAME} does not read: {error}", hint="restore it from a backup") from error
            return self._erased


class ErasureWatch:
    """Tells a writer when to seal its open segment because somebody was erased: only sealed ones can be rewritten. Once when the
    list of the erased has changed, and once more `AGAIN` seconds later, for what was decided before and logged after.

    Not safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._seen = self._mark()
        self._again: float | None = None

    def due(self, now: float) -> bool:
        """Whether to seal now (`now` in seconds since 1970); once for each occasion. Raises OSError when it cannot look."""
        mark = self._mark()
        if mark != self._seen:
            self._seen, self._again = mark, now + AGAIN
            return True
        if self._again is None or self._again - AGAIN <= now < self._again:  # a clock that was set back does not prolong it
            return False
        self._again = None
        return True

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


class Filter:
    """Leaves erased rows out of batches. `needs` are the columns that a batch must have."""

    def __init__(self, table: TableSpec, until: Mapping[str, int]) -> None:
        self._key, self._time = _KEYS[table.name]
        self.needs = (self._key, self._time) if until else ()
        self._whom = pa.array(list(until), pa.string())
        self._until = pa.array(list(until.values()), pa.int64())

    def table(self) -> Any:
        """Whom, and until when, as an Arrow table."""
        return pa.table({"whom": self._whom, "until": self._until.cast(TIME)})

    def hit(self, batch: Any) -> Any:
        """Which rows are erased, as a mask without nulls."""
        places = pc.index_in(batch.column(self._key), value_set=self._whom)
        limits = pc.take(self._until, places)
        times = batch.column(self._time).cast(TIME).cast(pa.int64())
        return pc.fill_null(pc.less_equal(times, limits), False)

    def keep(self, batch: Any) -> Any:
        """The batch (or table) without erased rows."""
        if not self.needs:
            return batch
        hit = self.hit(batch)
        return batch.filter(pc.invert(hit)) if pc.any(hit).as_py() else batch


def checked(subjects: Sequence[str], at: datetime) -> int:
    """The time in microseconds. Raises InvalidInput for no text among the subjects or a time without a zone."""
    if isinstance(subjects, str) or any(not isinstance(s, str) or not s for s in subjects):
        raise InvalidInput("subjects are a list of pseudonyms", field="subjects")
    if at.tzinfo is None:
        raise InvalidInput("a time without a zone", field="at", hint="give the offset, for example +00:00")
    return int(pa.scalar(at, TIME).value)
