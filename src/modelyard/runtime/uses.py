"""How often fallbacks stood in: counted as it happens, handed over as one record a key now and then, kept until it is taken."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime

import structlog

from modelyard.core.clock import Clock
from modelyard.core.errors import ModelyardError, NotFound
from modelyard.runtime.errors import SourceDown
from modelyard.runtime.ports import FallbackUse, Source
from modelyard.runtime.spool import Spool

_LOGGER = structlog.get_logger("modelyard.runtime")
_AT_ONCE = 500
_MOST_KEPT = 5000

Key = tuple[str, str, str, str, int]
"""Endpoint, arm drawn, who answered, kind of reason, epoch."""


@dataclass(slots=True)
class _Count:
    count: int
    since: datetime
    until: datetime


class FallbackUses:
    """Counts and their records. `note` is cheap and called from the event loop, `flush` and `hand_over` from a thread."""

    def __init__(self, runtime: str, spool: Spool[FallbackUse], clock: Clock) -> None:
        self._runtime, self._spool, self._clock = runtime, spool, clock
        self._mutex = threading.Lock()
        self._counts: dict[Key, _Count] = {}

    def note(self, endpoint: str, arm: str, answered_by: str, reason: str, epoch: int, count: int) -> None:
        """A fallback answered so many rows."""
        key, now = (endpoint, arm, answered_by, reason, epoch), self._clock.now()
        with self._mutex:
            known = self._counts.get(key)
            if known is None:
                self._counts[key] = _Count(count, now, now)
            else:
                known.count, known.until = known.count + count, now

    def flush(self) -> None:
        """Make what was counted durable: one record a key. Raises OSError; then it stays counted."""
        with self._mutex:
            counts, self._counts = self._counts, {}
        try:
            self._spool.record([self._record(key, found) for key, found in counts.items()])
        except OSError:
            with self._mutex:
                for key, found in self._counts.items():
                    _add(counts, key, found)
                self._counts = counts
            raise

    def hand_over(self, source: Source) -> None:
        """Bring what waits. A control plane that does not take it must not keep newer routes from being pulled."""
        waiting = self._spool.waiting()
        if not waiting:
            return
        try:
            self._spool.acknowledge(source.report_fallbacks(waiting[:_AT_ONCE]))
        except (SourceDown, NotFound) as error:
            _LOGGER.warning("uses of fallbacks were not taken", waiting=len(waiting), detail=error.detail)
        except ModelyardError as error:
            _LOGGER.error("uses of fallbacks were refused", waiting=len(waiting), detail=error.detail)
        if len(waiting) > _MOST_KEPT:
            self._condense(waiting)

    def _condense(self, waiting: list[FallbackUse]) -> None:
        """When nobody takes them for long, records of one key become one, so that the file stays bounded."""
        counts: dict[Key, _Count] = {}
        for use in waiting:
            key = (use.endpoint, use.arm, use.answered_by, use.reason, use.epoch)
            since, until = datetime.fromisoformat(use.since), datetime.fromisoformat(use.until)
            _add(counts, key, _Count(use.count, since, until))
        self._spool.replace({use.id for use in waiting}, [self._record(key, found) for key, found in counts.items()])

    def _record(self, key: Key, found: _Count) -> FallbackUse:
        endpoint, arm, answered_by, reason, epoch = key
        since, until = found.since.isoformat(), found.until.isoformat()
        return FallbackUse(
            f"use_{secrets.token_hex(16)}", self._runtime, endpoint, arm, answered_by, reason, found.count, since, until, epoch
        )


def _add(counts: dict[Key, _Count], key: Key, found: _Count) -> None:
    known = counts.get(key)
    if known is None:
        counts[key] = found
    else:
        since, until = min(known.since, found.since), max(known.until, found.until)
        counts[key] = _Count(known.count + found.count, since, until)
