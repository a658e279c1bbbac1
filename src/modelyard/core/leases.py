"""Named leases: one holder at a time for work that must not run twice (the audit sequencer, the compactor).

Each new holder gets a higher fence. A holder that was silent for too long is replaced, and finds out at its next guarded write:

    lease = acquire(tx, "audit-sequencer", holder=me, now=now, lasting=timedelta(seconds=10))
    ...
    with storage.transaction() as tx:
        guard(tx, lease)          # raises Fenced when somebody else holds it by now
        tx.save(...)
"""

from __future__ import annotations

from datetime import datetime, timedelta

from modelyard.core.errors import Conflict
from modelyard.core.records import Query, Record, Table, Transaction, equals


class Fenced(Conflict):
    """The lease has gone to another holder: what was being done must not be written."""

    code = "fenced"


class Lease(Record):
    """Who holds the name that is its id, and until when. `fence` counts holders and never goes back."""

    holder: str | None
    until: datetime
    fence: int


LEASES: Table[Lease] = Table("leases", Lease, indexed=("until",))


def acquire(tx: Transaction, name: str, *, holder: str, now: datetime, lasting: timedelta) -> Lease | None:
    """Take the lease, or prolong it when it is already the holder's; None while somebody else holds it."""
    found = tx.find(LEASES, Query(where=(equals("id", name),), sort="id", limit=1)).items
    if not found:
        return tx.add(LEASES, Lease(id=name, created_at=now, holder=holder, until=now + lasting, fence=1))
    lease = found[0]
    held = lease.holder is not None and lease.until > now
    if held and lease.holder != holder:
        return None
    fence = lease.fence if held else lease.fence + 1
    return tx.save(LEASES, lease.model_copy(update={"holder": holder, "until": now + lasting, "fence": fence}))


def renew(tx: Transaction, lease: Lease, *, now: datetime, lasting: timedelta) -> Lease:
    """Prolong a lease that is still ours, even when it has just run out and nobody took it. Raises Fenced."""
    return tx.save(LEASES, guard(tx, lease).model_copy(update={"until": now + lasting}))


def release(tx: Transaction, lease: Lease, *, now: datetime) -> None:
    """Give the lease back, so that the next holder need not wait. Raises Fenced."""
    tx.save(LEASES, guard(tx, lease).model_copy(update={"holder": None, "until": now}))


def guard(tx: Transaction, lease: Lease) -> Lease:
    """The lease as it is kept, when it is still ours: to be called in the transaction that writes. Raises Fenced."""
    kept = tx.get(LEASES, lease.id)
    if kept.fence != lease.fence or kept.holder != lease.holder:
        raise Fenced(f"{lease.id} is held by somebody else now", hint="stop; the new holder goes on")
    return kept
