"""Named leases on every adapter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modelyard.core.clock import ManualClock
from modelyard.core.leases import LEASES, Fenced, Lease, acquire, guard, release, renew
from modelyard.core.records import Storage

TABLES = (LEASES,)
TEN = timedelta(seconds=10)


def take(storage: Storage, clock: ManualClock, holder: str) -> Lease | None:
    with storage.transaction() as tx:
        return acquire(tx, "sequencer", holder=holder, now=clock.now(), lasting=TEN)


def test_one_holder_at_a_time(storage: Storage) -> None:
    clock = ManualClock()
    first = take(storage, clock, "a")
    assert first is not None
    assert take(storage, clock, "b") is None
    clock.advance(timedelta(seconds=9))
    again = take(storage, clock, "a")
    assert again is not None
    assert (again.fence, again.until) == (first.fence, clock.now() + TEN)
    clock.advance(timedelta(seconds=9))
    assert take(storage, clock, "b") is None


def test_who_was_silent_is_replaced_and_fenced_off(storage: Storage) -> None:
    clock = ManualClock()
    first = take(storage, clock, "a")
    assert first is not None
    clock.advance(TEN)
    with storage.transaction() as tx:
        assert guard(tx, first).holder == "a"  # nobody took it: it may go on
        first = renew(tx, first, now=clock.now(), lasting=TEN)
    clock.advance(TEN)
    second = take(storage, clock, "b")
    assert second is not None
    assert second.fence > first.fence
    for attempt in (
        lambda tx: guard(tx, first),
        lambda tx: renew(tx, first, now=clock.now(), lasting=TEN),
        lambda tx: release(tx, first, now=clock.now()),
    ):
        with storage.transaction() as tx, pytest.raises(Fenced):
            attempt(tx)


def test_the_same_holder_after_a_gap_gets_a_new_fence(storage: Storage) -> None:
    clock = ManualClock()
    first = take(storage, clock, "a")
    assert first is not None
    clock.advance(TEN)
    again = take(storage, clock, "a")
    assert again is not None
    assert again.fence == first.fence + 1


def test_a_released_lease_is_free_at_once(storage: Storage) -> None:
    clock = ManualClock()
    first = take(storage, clock, "a")
    assert first is not None
    with storage.transaction() as tx:
        release(tx, first, now=clock.now())
    second = take(storage, clock, "b")
    assert second is not None
    assert second.fence == first.fence + 1
