"""The sequencer: gives audit records their places in the log, signs what is so, exports it outside the database.

Two steps, in this order, each complete in itself:

1. *Place*, in one transaction: waiting records become leaves, the head grows. A crash leaves all of it or nothing.
2. *Publish*, after the commit: what the database durably holds beyond the export is signed and exported. A crash leaves the
   export behind; the next call catches up.

So no place is ever lost, and nothing is signed that the database does not hold. Before signing, the database's tree is rebuilt
from the *exported* one and the new leaves: a database that was rewritten or set back is not signed, it is reported.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from modelyard.core.clock import Clock
from modelyard.core.errors import AlreadyExists, Busy, Untrusted
from modelyard.core.faults import Faults, NoFaults
from modelyard.core.messages import AUDIT, AUDIT_PENDING, Pending
from modelyard.core.records import Query, Storage, Transaction, Where, equals, first, retrying
from modelyard.governance.audit.model import AUDIT_HEAD, AUDIT_LEAVES, HEAD_ID, Leaf, TreeHead, leaf_of, leaf_of_missing
from modelyard.governance.audit.ports import AlwaysHeld, CheckpointSink, Lease, LogEntry
from modelyard.trust import Checkpoint, CompactRange, Signer, sign_checkpoint

T = TypeVar("T")
BATCH = 500
TRIES = 8
_SUSPECT = "run `modelyard audit verify`; nothing more is signed until this is explained"


class Sequencer:
    """Safe to run in several processes at once: the head's revision and the sink keep them from harm, the lease from useless
    work. `origin` is the log's name; it is part of what is signed."""

    def __init__(
        self,
        storage: Storage,
        sink: CheckpointSink,
        signer: Signer,
        clock: Clock,
        origin: str,
        *,
        lease: Lease | None = None,
        faults: Faults | None = None,
        batch: int = BATCH,
    ) -> None:
        self._storage, self._sink, self._signer, self._clock, self._origin = storage, sink, signer, clock, origin
        self._lease, self._faults, self._batch = lease or AlwaysHeld(), faults or NoFaults(), batch

    def sequence_once(self) -> int:
        """Place what waits (at most a batch), publish what is placed; says how many records got their place: 0 while another
        process holds the lease. Writes nothing when there is nothing to do. Raises Untrusted when the database is not a
        continuation of what was exported, Busy, StorageFull and Unavailable."""
        with self._storage.reading() as tx:
            waiting = bool(tx.find(AUDIT_PENDING, Query(limit=1)).items)
            head = _tree_in(tx)
        if not waiting and head == self._sink.exported():
            return 0
        if not self._lease.hold():
            return 0
        placed = _patiently(self._place) if waiting else 0
        self._faults.reach("audit.placed")
        _patiently(self._publish)
        return placed

    def _place(self) -> int:
        with self._storage.transaction() as tx:
            waiting = tx.find(AUDIT_PENDING, Query(sort="created_at", limit=self._batch, claim=True)).items
            if not waiting:
                return 0
            head = first(tx, AUDIT_HEAD, equals("id", HEAD_ID)) or tx.add(
                AUDIT_HEAD, TreeHead(id=HEAD_ID, created_at=self._clock.now())
            )
            tree = _tree_of(head)
            for pending in waiting:
                tree = self._take_place(tx, pending, tree)
                self._faults.reach("audit.placing")
            tx.save(AUDIT_HEAD, head.holding(tree))
            self._faults.reach("audit.before_commit")
        return len(waiting)

    def _take_place(self, tx: Transaction, pending: Pending, tree: CompactRange) -> CompactRange:
        tx.remove(AUDIT_PENDING, pending.id)
        if first(tx, AUDIT_LEAVES, equals("id", pending.id)) is not None:
            return tree
        record = first(tx, AUDIT, equals("id", pending.id))
        leaf = leaf_of_missing(pending.id) if record is None else leaf_of(record)
        kept = Leaf(
            id=pending.id,
            organisation=pending.organisation,
            created_at=self._clock.now(),
            position=tree.size,
            leaf_hash=leaf.hex(),
        )
        try:
            tx.add(AUDIT_LEAVES, kept)
        except AlreadyExists as error:
            raise Untrusted(f"the log's head says {tree.size} records, but that place is taken", hint=_SUSPECT) from error
        return tree.append(leaf)

    def _publish(self) -> None:
        exported = self._sink.exported()
        with self._storage.reading() as tx:
            tree = _tree_in(tx)
            entries = list(leaves_from(tx, exported.size, tree.size))
        _require_continuation(exported, tree, entries)
        if not entries:
            return
        checkpoint = Checkpoint(self._origin, tree.size, tree.root(), self._clock.now())
        note = sign_checkpoint(checkpoint, self._signer)
        self._faults.reach("audit.signed")
        self._sink.append(entries, note)
        self._faults.reach("audit.exported")


def leaves_from(tx: Transaction, start: int, end: int) -> Iterator[LogEntry]:
    """The database's leaves from `start` up to `end`."""
    within = (Where("position", "ge", start), Where("position", "lt", end))
    cursor: str | None = None
    while True:
        page = tx.find(AUDIT_LEAVES, Query(where=within, sort="position", limit=1000, after=cursor))
        for leaf in page.items:
            yield LogEntry(leaf.position, leaf.id, bytes.fromhex(leaf.leaf_hash))
        cursor = page.next
        if cursor is None:
            return


def _tree_in(tx: Transaction) -> CompactRange:
    head = first(tx, AUDIT_HEAD, equals("id", HEAD_ID))
    return _tree_of(head) if head else CompactRange()


def _tree_of(head: TreeHead) -> CompactRange:
    try:
        return head.tree()
    except ValueError as error:
        raise Untrusted("the log's head is damaged", hint=_SUSPECT) from error


def _require_continuation(exported: CompactRange, tree: CompactRange, entries: list[LogEntry]) -> None:
    if tree.size < exported.size:
        raise Untrusted(
            f"the database's log has {tree.size} records, but {exported.size} were exported: it was set back", hint=_SUSPECT
        )
    grown = exported
    for entry in entries:
        if entry.position != grown.size:
            raise Untrusted(f"the database's log has no record at {grown.size}", hint=_SUSPECT)
        grown = grown.append(entry.leaf)
    if grown != tree:
        raise Untrusted("the database's log does not continue the one that was exported: it was rewritten", hint=_SUSPECT)


def _patiently(attempt: Callable[[], T]) -> T:
    found: T = retrying(attempt, times=TRIES, pause=_back_off, retry_on=Busy)
    return found


def _back_off(number: int) -> None:
    time.sleep(random.uniform(0.5, 1.0) * min(0.005 * 2**number, 0.5))  # noqa: S311 -- jitter, not a secret
