"""The decision log's write side: many callers, one durable write for all that wait together (group commit)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from modelyard.core.clock import Clock
from modelyard.core.errors import InvalidInput, ModelyardError, Unavailable
from modelyard.core.faults import Faults
from modelyard.decisions import rowframes
from modelyard.decisions.journal import Journal, Limits
from modelyard.decisions.schema import DECISION_TABLE, Rows, to_batch


class _Ticket:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.done = False
        self.error: ModelyardError | None = None


class DecisionLog:
    """One writer's decision log under a root. Safe for several threads.

    `writer` names this process among those that share the root; a name is free again when its process ends. Raises Busy
    when it is taken, StorageFull or LogUnwritable when the disk refuses.
    """

    def __init__(
        self,
        root: Path,
        writer: str,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._journal = Journal(root, DECISION_TABLE, writer, limits=limits, clock=clock, faults=faults)
        self._waiting: list[_Ticket] = []
        self._queue_mutex = threading.Lock()
        self._commit_mutex = threading.Lock()

    def append(self, rows: Rows) -> None:
        """Log rows; they are durable on return. Appends that wait at the same time share one write to the disk.

        Raises InvalidInput when the rows do not fit the schema; nothing of them is logged then.
        """
        ticket = _Ticket(rows)
        with self._queue_mutex:
            self._waiting.append(ticket)
        with self._commit_mutex:
            if not ticket.done:
                self._commit_waiting()
        if ticket.error is not None:
            raise ticket.error

    def commit(self, groups: Sequence[Rows]) -> list[ModelyardError | None]:
        """Log several callers' rows in one durable write; one result for each, None where it is in the log.

        A caller whose rows do not fit the schema gets InvalidInput and does not hurt the others.
        """
        if not any(len(group) for group in groups):
            return [None] * len(groups)
        try:
            rows = rowframes.encoded(groups)
            if rows is None:
                self._journal.commit(to_batch(DECISION_TABLE, groups))
            else:
                self._journal.write(*rows)
        except InvalidInput as error:
            return [error] if len(groups) == 1 else [self.commit([group])[0] for group in groups]
        except ModelyardError as error:
            return [error] * len(groups)
        return [None] * len(groups)

    def adopt_dead(self) -> int:
        """Take over segments of writers that died. Returns how many."""
        return self._journal.adopt_dead()

    def seal(self) -> None:
        """Seal the open segment now."""
        self._journal.seal()

    def seal_if_due(self) -> None:
        """Seal the open segment if it is old enough or somebody was erased since it began; call it now and then so that a quiet
        endpoint's rows get sealed, and those of the erased can be removed."""
        self._journal.seal_if_due()

    def close(self) -> None:
        """Seal and release the writer's name. Idempotent."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit_waiting(self) -> None:
        with self._queue_mutex:
            group, self._waiting = self._waiting, []
        try:
            results: list[ModelyardError | None] = self.commit([t.rows for t in group])
        except BaseException as error:
            results = [Unavailable(f"the log could not be written: {error!r}")] * len(group)
            raise
        finally:
            for ticket, result in zip(group, results, strict=True):
                ticket.error, ticket.done = result, True
