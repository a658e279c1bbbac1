"""A decision log whose segments go to a store, in one of two modes.

local         an answer is acknowledged after the local disk; sealed segments follow to the store. If the machine's disk is
              lost, so is what was not yet shipped: at most what came in `seal_after` plus the time of one shipping.
object-store  an answer is acknowledged after its rows are in the store as well. If the disk is lost, nothing acknowledged is.

In both modes a process may be killed anywhere: what was acknowledged is read exactly once where it is collected.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

import structlog

from modelyard.core.clock import Clock
from modelyard.core.errors import Busy, ModelyardError, WrongState
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import layout
from modelyard.decisions.adoption import cut_and_seal
from modelyard.decisions.errors import LogDamaged, storage_error
from modelyard.decisions.journal import Limits
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.log import DecisionLog
from modelyard.decisions.schema import Rows
from modelyard.decisions.shipping import KEEP, Claim, Shipper, noted, own_name, settle
from modelyard.decisions.shipping_frames import Pieces, SegmentConflict, SegmentEnded, local_name, read_bytes
from modelyard.decisions.shipping_stores import SegmentStore

_log = structlog.get_logger("modelyard.decisions")
_LONGEST_PAUSE = 30.0
_ROOM_FROM = 4 << 20
"""Smaller segments are soon full: making room for the next costs more than it saves."""


class Acknowledge(StrEnum):
    """After what an answer is acknowledged."""

    LOCAL = "local"
    OBJECT_STORE = "object-store"


@dataclass(frozen=True)
class Shipping:
    """How a log is shipped: a segment is sealed at so many bytes or so long after its first row; shipped ones stay for `keep`;
    the store is looked after every `every` seconds."""

    acknowledge: Acknowledge = Acknowledge.LOCAL
    segment_bytes: int = 16 << 20
    seal_after: timedelta = timedelta(minutes=1)
    keep: timedelta = KEEP
    every: float = 1.0


class ShippedLog:
    """A decision log (see `DecisionLog`, whose place it takes) with a thread that ships. Safe for several threads.

    Raises Busy when another process writes under the name; in mode object-store Unavailable when the store does not answer at
    the start. In mode local the store may be away at the start, and for as long as the disk has room.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        store: SegmentStore,
        shipping: Shipping | None = None,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
        background: bool = True,
    ) -> None:
        self._shipping, self._store, self._faults = shipping or Shipping(), store, faults or NoFaults()
        self._root, self.writer = root, own_name(root, name)
        self._in_pieces = self._shipping.acknowledge is Acknowledge.OBJECT_STORE
        size = self._shipping.segment_bytes
        limits = Limits(size, self._shipping.seal_after.total_seconds(), room=0 if self._in_pieces or size < _ROOM_FROM else size)
        self._log = DecisionLog(root, self.writer, limits=limits, clock=clock, faults=faults)
        self._shipper = Shipper(root, store, in_pieces=self._in_pieces, keep=self._shipping.keep, faults=faults)
        self._mutex = threading.Lock()
        self._folder = layout.writer_folder(root, self.writer)
        self._number, self._offset = _first_waiting(self._folder), 0
        self._claim: Claim | None = None
        self._lost: ModelyardError | None = None
        self._closed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ship", daemon=True) if background else None
        try:
            if self._in_pieces:
                self._begin()
        except BaseException:
            self._log.close()
            raise
        if self._thread is not None:
            self._thread.start()

    @property
    def problems(self) -> dict[str, str]:
        """What cannot be shipped, by segment: other bytes under its name in the store, or damage."""
        return dict(self._shipper.problems)

    def append(self, rows: Rows) -> None:
        """Log rows; they are where the mode says on return. Raises like `commit` answers."""
        error = self.commit([rows])[0]
        if error is not None:
            raise error

    def commit(self, groups: Sequence[Rows]) -> list[ModelyardError | None]:
        """Log several callers' rows together; one result for each, None where they are where the mode says.

        In mode object-store an error of the store means that the rows were not acknowledged; they are on the local disk, and will
        be in the log unless the disk is lost first."""
        if self._lost is not None:
            return [self._lost] * len(groups)
        if self._closed:
            raise WrongState("the log is closed")
        if not self._in_pieces:
            return self._log.commit(groups)
        with self._mutex:
            return self._commit_there(groups)

    def adopt_dead(self) -> int:
        """Take over segments of writers that died. Returns how many."""
        return self._log.adopt_dead()

    def seal(self) -> None:
        """Seal the open segment now; it will be shipped."""
        self._log.seal()

    def seal_if_due(self) -> None:
        """Seal the open segment if it is old enough."""
        self._log.seal_if_due()

    def ship(self) -> int:
        """Ship what is sealed, now; how many segments that were. Raises Unavailable when the store does not answer, Busy when
        another process has claimed the name."""
        try:
            self._begin().check()
        except Busy as error:
            self._lost = error
            raise
        before = None
        if self._in_pieces:
            with self._mutex:
                self._flush()
                before = self._number
        return self._shipper.ship(self.writer, before)

    def close(self) -> None:
        """Seal, ship what can be shipped, and let the name go. What cannot stays on the disk for the next start. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._log.seal()
            self.ship()
        except ModelyardError as error:
            _log.warning("the log is closed with segments that are not shipped; they stay on the disk", problem=str(error))
        finally:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> Claim:
        if self._claim is None:
            self._claim = Claim(self._store, self.writer)
        return self._claim

    def _run(self) -> None:
        failures = 0
        while not self._stop.wait(min(self._shipping.every * 2.0**failures, _LONGEST_PAUSE)):
            try:
                self._log.seal_if_due()
                self.ship()
            except ModelyardError as error:
                failures = min(failures + 1, 10)
                _log.warning("shipping the decision log failed; it is tried again", problem=str(error), failures=failures)
            except Exception:  # noqa: BLE001  the segments are on the disk; tried again
                failures = min(failures + 1, 10)
                _log.exception("shipping the decision log failed; it is tried again")
            else:
                failures = 0

    def _commit_there(self, groups: Sequence[Rows]) -> list[ModelyardError | None]:
        results = self._log.commit(groups)
        logged = [group for group, error in zip(groups, results, strict=True) if error is None]
        if not any(len(group) for group in logged):
            return results
        try:
            while self._newest() in self._flush():
                # The store has ended the segment that these rows went to: they were cut off it, and go to the next.
                again = self._log.commit(logged)
                if any(again):
                    return _merged(results, again)
        except ModelyardError as error:
            return [found or error for found in results]
        return results

    def _newest(self) -> int:
        return max((path.number for path in layout.segments(self._folder)), default=0)

    def _flush(self) -> set[int]:
        """Bring the store up to the last whole row; the numbers of segments that the store had ended before."""
        ended: set[int] = set()
        try:
            for path in [s for s in layout.segments(self._folder) if s.number >= self._number]:
                if path.number > self._number:
                    self._number, self._offset = path.number, 0
                if not (path.seal.exists() or self._left(path) or self._extend(path)):
                    break
                ended |= self._finish(path)
                self._number, self._offset = path.number + 1, 0
        except OSError as error:
            raise storage_error(error, self._folder / "segment") from error
        return ended

    def _left(self, path: SegmentPath) -> bool:
        """A segment that the journal gave up, after a failed sync, is sealed here: nothing is written to it again."""
        if path.number >= self._newest():
            return False
        if not path.seal.exists():
            cut_and_seal(path)
        return True

    def _extend(self, path: SegmentPath) -> bool:
        """Put what an open segment has more than the store; whether it is sealed now."""
        size = path.data.stat().st_size
        pieces = Pieces(self._store, self.writer, path.number)
        try:
            self._offset = pieces.extend(self._offset, read_bytes(path.data, self._offset, size))
        except SegmentEnded:
            self._log.seal()
            return True
        self._faults.reach("shipping.piece")
        return False

    def _finish(self, path: SegmentPath) -> set[int]:
        """A sealed segment ends in the store where it ends here, or the other way round."""
        before = path.data.stat().st_size
        try:
            settle(Pieces(self._store, self.writer, path.number), path, self._offset)
        except (LogDamaged, SegmentConflict) as error:
            if path.number == self._newest():
                raise
            self._shipper.problems[local_name(path)] = str(error)  # what is damaged keeps no other row from the store
        return {path.number} if path.data.stat().st_size < before else set()


def _first_waiting(folder: Path) -> int:
    """The number of the first segment that is not in the store, as far as this machine knows."""
    found = layout.segments(folder)
    waiting = [path.number for path in found if not noted(path)]
    return min(waiting, default=max((path.number for path in found), default=0) + 1)


def _merged(results: Sequence[ModelyardError | None], again: Sequence[ModelyardError | None]) -> list[ModelyardError | None]:
    """The results of a second try in the places of those that were fine at the first."""
    second = iter(again)
    return [error if error is not None else next(second) for error in results]
