"""From the outbox to consumers, on every adapter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modelyard.core import outbox
from modelyard.core.clock import ManualClock
from modelyard.core.errors import WrongState
from modelyard.core.messages import OUTBOX, Event, EventEnvelope
from modelyard.core.outbox import EVENTS, INBOX, POSITION, Consumer, Deliveries, DeliveryState, distribute, emit
from modelyard.core.records import Record, Storage, Table, Transaction, equals, every


class Note(Record):
    text: str


NOTES: Table[Note] = Table("notes", Note)
TABLES = (EVENTS, INBOX, POSITION, NOTES)


class Happened(Event):
    type = "tests.happened"

    number: int


class Other(Event):
    type = "tests.other"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def deliveries(storage: Storage, clock: ManualClock) -> Deliveries:
    return Deliveries(storage, clock, jitter=lambda: 1.0)


class Listener:
    """Remembers what it was told, and fails when it is told to."""

    def __init__(self, name: str = "listener") -> None:
        self.heard: list[str] = []
        self.failing: set[str] = set()
        self.consumer = Consumer(name, self.handle)

    def handle(self, envelope: EventEnvelope) -> outbox.Afterwards:
        if envelope.id in self.failing:
            raise RuntimeError(f"cannot take {envelope.id}")
        self.heard.append(envelope.id)

        def write(tx: Transaction) -> None:
            tx.add(NOTES, Note(id=f"{self.consumer.name}-{envelope.id}", created_at=envelope.created_at, text="heard"))

        return write


def happen(storage: Storage, clock: ManualClock, *names: str, aggregate: str = "model:m", event: Event | None = None) -> None:
    with storage.transaction() as tx:
        for name in names:
            clock.advance(timedelta(microseconds=1))
            told = event or Happened(number=1)
            emit(tx, told, aggregate=aggregate, event_id=name, now=clock.now(), actor="ann", organisation="default")


def spread(storage: Storage, clock: ManualClock, *consumers: Consumer) -> int:
    with storage.transaction() as tx:
        return distribute(tx, consumers, clock.now())


def states(storage: Storage) -> dict[str, DeliveryState]:
    with storage.reading() as tx:
        return {d.event_id: d.state for d in every(tx, INBOX)}


def test_every_consumer_hears_every_event_once_in_order(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    one, two = Listener("one"), Listener("two")
    happen(storage, clock, "e2", "e1", "e3")
    assert spread(storage, clock, one.consumer, two.consumer) == 3
    assert spread(storage, clock, one.consumer, two.consumer) == 0
    for listener in (one, two, one):
        deliveries.run(listener.consumer)
    assert one.heard == two.heard == ["e2", "e1", "e3"]
    with storage.reading() as tx:
        assert (len(every(tx, NOTES)), len(every(tx, OUTBOX)), len(every(tx, EVENTS))) == (6, 0, 3)


def test_a_late_commit_is_not_skipped(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    listener = Listener()
    early = clock.now()
    happen(storage, clock, "later")
    spread(storage, clock, listener.consumer)
    deliveries.run(listener.consumer)
    with storage.transaction() as tx:  # began before, committed after
        emit(tx, Other(), aggregate="x:1", event_id="a-smaller-id", now=early, actor="ann", organisation="default")
    spread(storage, clock, listener.consumer)
    deliveries.run(listener.consumer)
    assert listener.heard == ["later", "a-smaller-id"]


def test_a_consumer_hears_only_what_it_wants(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    picky = Listener("picky")
    consumer = Consumer("picky", picky.handle, frozenset({Other.type}))
    happen(storage, clock, "e1")
    happen(storage, clock, "e2", event=Other())
    spread(storage, clock, consumer)
    deliveries.run(consumer)
    assert picky.heard == ["e2"]


def test_a_failure_is_tried_again_and_holds_back_its_aggregate_only(
    storage: Storage, clock: ManualClock, deliveries: Deliveries
) -> None:
    listener = Listener()
    happen(storage, clock, "a1", "a2", aggregate="model:a")
    happen(storage, clock, "b1", aggregate="model:b")
    spread(storage, clock, listener.consumer)
    listener.failing.add("a1")
    deliveries.run(listener.consumer)
    assert listener.heard == ["b1"]
    assert states(storage) == {"a1": "waiting", "a2": "waiting", "b1": "done"}
    deliveries.run(listener.consumer)
    assert listener.heard == ["b1"]
    listener.failing.clear()
    clock.advance(timedelta(seconds=2))
    deliveries.run(listener.consumer)
    assert listener.heard == ["b1", "a1", "a2"]


def test_what_keeps_failing_is_visible_and_a_person_decides(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    listener = Listener()
    happen(storage, clock, "a1", "a2")
    spread(storage, clock, listener.consumer)
    listener.failing.add("a1")
    for _ in range(outbox.TRIES):
        deliveries.run(listener.consumer)
        clock.advance(timedelta(hours=2))
    with storage.reading() as tx:
        failed = every(tx, INBOX, equals("state", DeliveryState.FAILED))
    assert [(d.event_id, d.error) for d in failed] == [("a1", "RuntimeError: cannot take a1")]
    assert listener.heard == []
    with storage.transaction() as tx:
        outbox.skip(tx, failed[0])
        with pytest.raises(WrongState):
            outbox.retry(tx, tx.get(INBOX, failed[0].id), clock.now())
    deliveries.run(listener.consumer)
    assert listener.heard == ["a2"]


def test_an_effect_is_kept_with_the_mark_or_not_at_all(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    def handle(envelope: EventEnvelope) -> outbox.Afterwards:
        def write(tx: Transaction) -> None:
            tx.add(NOTES, Note(id="half", created_at=clock.now(), text="half"))
            raise RuntimeError("in the middle")

        return write

    happen(storage, clock, "e")
    consumer = Consumer("clumsy", handle)
    spread(storage, clock, consumer)
    deliveries.run(consumer)
    with storage.reading() as tx:
        assert every(tx, NOTES) == []
    assert states(storage) == {"e": "waiting"}


def test_the_event_of_a_dead_consumer_is_taken_over(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    listener = Listener()

    def die(envelope: EventEnvelope) -> None:
        raise KeyboardInterrupt

    happen(storage, clock, "e")
    spread(storage, clock, listener.consumer)
    with pytest.raises(KeyboardInterrupt):
        deliveries.run(Consumer("listener", die))
    assert deliveries.run(listener.consumer) == 0
    clock.advance(outbox.LEASE)
    assert deliveries.run(listener.consumer) == 1
    assert listener.heard == ["e"]


def test_who_is_slower_than_its_lease_goes_on_with_what_is_still_its_own(
    storage: Storage, clock: ManualClock, deliveries: Deliveries
) -> None:
    heir, told = Listener(), list[str]()

    def dawdle(envelope: EventEnvelope) -> None:
        told.append(envelope.id)
        if envelope.id == "a1":
            clock.advance(outbox.LEASE)
            deliveries.run(heir.consumer, limit=2)

    happen(storage, clock, "a1", "a2")
    happen(storage, clock, "b1", aggregate="model:b")
    spread(storage, clock, heir.consumer)
    deliveries.run(Consumer("listener", dawdle))
    assert (heir.heard, told) == (["a1", "a2"], ["a1", "b1"])
    assert set(states(storage).values()) == {DeliveryState.DONE}


def test_done_deliveries_can_be_forgotten(storage: Storage, clock: ManualClock, deliveries: Deliveries) -> None:
    listener = Listener()
    happen(storage, clock, "a", "b")
    spread(storage, clock, listener.consumer)
    deliveries.run(listener.consumer)
    with storage.transaction() as tx:
        assert outbox.prune(tx, clock.now() + timedelta(days=1)) == 2
    assert states(storage) == {}
