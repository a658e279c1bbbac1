"""From the outbox to consumers: every consumer handles every event once, in order per aggregate.

    distribute(tx, consumers, now)      moves events from the outbox to the log of events and into each consumer's inbox
    Deliveries(storage, clock).run(c)   hands a consumer what waits for it; what fails is tried again, later and later

Rows are claimed, never remembered as "seen up to here": a transaction that commits late is not skipped. A consumer is told of an
event at least once; what it returns is done in the transaction that marks the event handled, so that happens exactly once.
An event that keeps failing holds back later ones of the same aggregate until a person retries or skips it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from modelyard.core.clock import Clock
from modelyard.core.errors import WrongState
from modelyard.core.leases import Fenced
from modelyard.core.messages import OUTBOX, Event, EventEnvelope
from modelyard.core.records import Query, Record, Storage, Table, Transaction, Where, equals
from modelyard.core.transactions import in_transaction

Afterwards = Callable[[Transaction], None]

LEASE = timedelta(seconds=30)
"""For how long events that a killed process had taken wait for another one. Who is slower than that does no harm: what it
settles late is fenced, and consumers bear being told twice."""
TRIES = 12
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Consumer:
    """Who wants events. `types` None means all but those it `passes_over`. `handle` must bear being told twice (use the event's
    id as idempotency key); it may return what is to be done in the transaction that marks the event handled."""

    name: str
    handle: Callable[[EventEnvelope], Afterwards | None]
    types: frozenset[str] | None = None
    passes_over: frozenset[str] = frozenset()

    def wants(self, envelope: EventEnvelope) -> bool:
        return envelope.type not in self.passes_over and (self.types is None or envelope.type in self.types)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    HANDLING = "handling"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


OPEN = (DeliveryState.WAITING, DeliveryState.HANDLING, DeliveryState.FAILED)


class Delivery(Record):
    """One event for one consumer: the consumer's inbox. `position` is the order of distribution."""

    consumer: str
    event_id: str
    event_type: str
    aggregate: str
    position: int
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    not_before: datetime
    lease_until: datetime | None = None
    error: str | None = None


class Position(Record):
    """How many events were distributed. Taking the next number keeps two distributors from overtaking each other."""

    last: int = 0


EVENTS: Table[EventEnvelope] = Table(
    "events", EventEnvelope, indexed=("type", "aggregate_type", "aggregate_id", "actor"), append_only=True
)
INBOX: Table[Delivery] = Table(
    "inbox",
    Delivery,
    indexed=("consumer", "event_id", "event_type", "aggregate", "position", "state", "not_before", "lease_until"),
    unique=(("consumer", "event_id"),),
)
POSITION: Table[Position] = Table("outbox_position", Position)


def emit(
    tx: Transaction, event: Event, *, aggregate: str, event_id: str, now: datetime, actor: str, organisation: str
) -> EventEnvelope:
    """Put an event into the outbox from a loop that has no command; `aggregate` reads `type:id`."""
    aggregate_type, _, aggregate_id = aggregate.partition(":")
    envelope = EventEnvelope(
        id=event_id,
        organisation=organisation,
        created_at=now,
        type=event.type,
        schema_version=event.schema_version,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        actor=actor,
        payload=event.model_dump(mode="json"),
    )
    return tx.add(OUTBOX, envelope)


def distribute(tx: Transaction, consumers: Iterable[Consumer], now: datetime, limit: int = 100) -> int:
    """Move events from the outbox into the log of events and the inboxes; says how many."""
    position = _position(tx, now)
    envelopes = tx.find(OUTBOX, Query(sort="created_at", limit=limit, claim=True)).items
    wanting = tuple(consumers)
    for number, envelope in enumerate(envelopes, start=position.last + 1):
        tx.remove(OUTBOX, envelope.id)
        tx.add(EVENTS, envelope.model_copy(update={"revision": 0}))
        for consumer in wanting:
            if consumer.wants(envelope):
                tx.add(INBOX, _delivery(consumer, envelope, number, now))
    if envelopes:
        tx.save(POSITION, position.model_copy(update={"last": position.last + len(envelopes)}))
    return len(envelopes)


def _position(tx: Transaction, now: datetime) -> Position:
    found = tx.find(POSITION, Query(where=(equals("id", "outbox"),), sort="id", limit=1)).items
    return found[0] if found else tx.add(POSITION, Position(id="outbox", created_at=now))


def _delivery(consumer: Consumer, envelope: EventEnvelope, number: int, now: datetime) -> Delivery:
    return Delivery(
        id=f"{consumer.name}:{envelope.id}",
        organisation=envelope.organisation,
        created_at=now,
        consumer=consumer.name,
        event_id=envelope.id,
        event_type=envelope.type,
        aggregate=f"{envelope.aggregate_type}:{envelope.aggregate_id}",
        position=number,
        not_before=now,
    )


class Deliveries:
    """Hands events to consumers. Safe to run in several processes at once."""

    def __init__(self, storage: Storage, clock: Clock, *, jitter: Callable[[], float] = random.random) -> None:
        self._storage, self._clock, self._jitter = storage, clock, jitter

    def run(self, consumer: Consumer, limit: int = 20) -> int:
        """Handle what is due for the consumer now; says how many events were handled or failed. An error of the consumer is
        kept with the delivery and does not leave this method; Busy does."""
        broken: set[str] = set()
        claimed = self._claim(consumer, limit)
        for delivery, envelope in claimed:
            if delivery.aggregate in broken:
                self._put_back(delivery)
            elif not self._hand_over(consumer, delivery, envelope):
                broken.add(delivery.aggregate)
        return len(claimed)

    def _claim(self, consumer: Consumer, limit: int) -> list[tuple[Delivery, EventEnvelope]]:
        now = self._clock.now()

        def claim(tx: Transaction) -> list[tuple[Delivery, EventEnvelope]]:
            chosen: dict[str, Delivery] = {}
            for delivery in _due(tx, consumer, now, limit):
                if _is_next(tx, delivery, chosen):
                    chosen[delivery.id] = tx.save(INBOX, _being_handled(delivery, now))
            return [(delivery, tx.get(EVENTS, delivery.event_id)) for delivery in chosen.values()]

        return in_transaction(self._storage, claim)

    def _hand_over(self, consumer: Consumer, delivery: Delivery, envelope: EventEnvelope) -> bool:
        try:
            afterwards = consumer.handle(envelope)
            self._settle(delivery, _handled, afterwards)
        except Fenced:
            return False  # somebody else has taken it over and will settle it
        except Exception as error:  # noqa: BLE001 -- kept with the delivery, shown to operators, tried again
            failed = partial(_failed_once, now=self._clock.now(), error=error, jitter=self._jitter())
            self._settle(delivery, failed)
            return False
        return True

    def _put_back(self, delivery: Delivery) -> None:
        with suppress(Fenced):  # who has taken over the event before it may have this one too
            self._settle(delivery, _waiting_again)

    def _settle(self, delivery: Delivery, change: Callable[[Delivery], Delivery], afterwards: Afterwards | None = None) -> None:
        def settle(tx: Transaction) -> None:
            kept = tx.get(INBOX, delivery.id)
            if kept.revision != delivery.revision:
                raise Fenced(f"{delivery.id} was taken over")
            if afterwards is not None:
                afterwards(tx)
            tx.save(INBOX, change(kept))

        in_transaction(self._storage, settle)


def retry(tx: Transaction, delivery: Delivery, now: datetime) -> Delivery:
    """Try a failed delivery again from the start. Raises WrongState for any other."""
    _must_have_failed(delivery)
    return tx.save(INBOX, _changed(delivery, state=DeliveryState.WAITING, attempts=0, not_before=now))


def skip(tx: Transaction, delivery: Delivery) -> Delivery:
    """Give up a failed delivery, so that later events of its aggregate come through. Raises WrongState for any other."""
    _must_have_failed(delivery)
    return tx.save(INBOX, _changed(delivery, state=DeliveryState.SKIPPED))


def prune(tx: Transaction, before: datetime, limit: int = 500) -> int:
    """Forget deliveries that were done before a time; says how many. The log of events keeps the events."""
    where = (equals("state", DeliveryState.DONE), Where("created_at", "lt", before))
    done = tx.find(INBOX, Query(where=where, sort="created_at", limit=limit)).items
    for delivery in done:
        tx.remove(INBOX, delivery.id)
    return len(done)


def _due(tx: Transaction, consumer: Consumer, now: datetime, limit: int) -> list[Delivery]:
    mine = equals("consumer", consumer.name)
    waiting = (mine, equals("state", DeliveryState.WAITING), Where("not_before", "le", now))
    orphaned = (mine, equals("state", DeliveryState.HANDLING), Where("lease_until", "le", now))
    found = [
        *tx.find(INBOX, Query(where=orphaned, sort="position", limit=limit, claim=True)).items,
        *tx.find(INBOX, Query(where=waiting, sort="position", limit=limit, claim=True)).items,
    ]
    return sorted(found, key=lambda d: d.position)[:limit]


def _is_next(tx: Transaction, delivery: Delivery, chosen: dict[str, Delivery]) -> bool:
    """Whether every earlier event of the aggregate was handled, or was chosen just now."""
    where = (
        equals("aggregate", delivery.aggregate),
        equals("consumer", delivery.consumer),
        Where("state", "in", OPEN),
        Where("position", "lt", delivery.position),
    )
    earlier = tx.find(INBOX, Query(where=where, sort="position", limit=100)).items
    return all(each.id in chosen for each in earlier)


def _changed(delivery: Delivery, **fields: Any) -> Delivery:
    return delivery.model_copy(update=fields)


def _being_handled(delivery: Delivery, now: datetime) -> Delivery:
    return _changed(delivery, state=DeliveryState.HANDLING, lease_until=now + LEASE, attempts=delivery.attempts + 1, error=None)


def _handled(delivery: Delivery) -> Delivery:
    return _changed(delivery, state=DeliveryState.DONE, lease_until=None, error=None)


def _waiting_again(delivery: Delivery) -> Delivery:
    return _changed(delivery, state=DeliveryState.WAITING, lease_until=None, attempts=delivery.attempts - 1)


def _failed_once(delivery: Delivery, now: datetime, error: Exception, jitter: float) -> Delivery:
    pause = min(timedelta(seconds=2.0 ** min(delivery.attempts, 20)), LONGEST_PAUSE) * (0.5 + jitter / 2)
    state = DeliveryState.FAILED if delivery.attempts >= TRIES else DeliveryState.WAITING
    told = f"{type(error).__name__}: {error}"[:1000]
    return _changed(delivery, state=state, lease_until=None, not_before=now + pause, error=told)


def _must_have_failed(delivery: Delivery) -> None:
    if delivery.state is not DeliveryState.FAILED:
        raise WrongState(f"the delivery is {delivery.state}, not failed", field="state")
