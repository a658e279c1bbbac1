"""Messages and signals: told to who waits for them, kept for who will."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard import bpmn
from modelyard.bpmn.engine.catching import carried
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotFound, TooLarge
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction, equals, first
from modelyard.lifecycle import commands as ask
from modelyard.lifecycle import events, subjects
from modelyard.lifecycle.advancing import advance
from modelyard.lifecycle.definitions import compiled
from modelyard.lifecycle.instances import begin_about
from modelyard.lifecycle.model import (
    DEFINITIONS,
    INSTANCES,
    MESSAGES,
    SUBSCRIPTIONS,
    HeldMessage,
    Instance,
    Subscription,
    engine_id,
)
from modelyard.lifecycle.waiting import require_own_name, waiting_for

MOST_TOLD = 200


class Told(BaseModel):
    """Who was told of a message or signal: `instances` went on, `started` are new, `held` says that it is kept for later."""

    model_config = ConfigDict(frozen=True)

    instances: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    held: bool = False


def send_message(work: Work, command: ask.SendMessage) -> Told:
    """Tell all who wait for it, in this transaction. Raises NotFound when nobody does and it is not to be kept,
    InvalidInput for the name of a platform event."""
    require_own_name(command.name, "name")
    waiting = waiting_for(work.tx, work.organisation, command.name, [command.key] if command.key is not None else [])
    if len(waiting) > MOST_TOLD:
        raise TooLarge(
            f"{len(waiting)} wait for {command.name!r}, more than {MOST_TOLD}", field="key", hint="give a key, or send a signal"
        )
    if waiting:
        return _tell(work, waiting, command.name, command.payload)
    if command.keep_s <= 0:
        key = f" with key {command.key!r}" if command.key is not None else ""
        raise NotFound(
            f"nobody waits for the message {command.name!r}{key}", field="name", hint="give `keep_s` to keep it for who will"
        )
    expires = work.now + timedelta(seconds=command.keep_s)
    held = HeldMessage(**work.new("msg"), name=command.name, key=command.key, payload=command.payload, expires_at=expires)
    work.tx.add(MESSAGES, held)
    return Told(held=True)


def _tell(work: Work, waiting: list[Subscription], name: str, payload: dict[str, Any], by: str | None = None) -> Told:
    """Tell each that still waits when its turn comes: what it brought the one before may have ended what the next waited for."""
    went_on: list[str] = []
    started: list[str] = []
    for subscription in waiting:
        if first(work.tx, SUBSCRIPTIONS, equals("id", subscription.id)) is not None:
            reached = deliver(work, subscription, name, payload, by)
            (started if subscription.instance is None else went_on).append(reached.id)
    return Told(instances=tuple(dict.fromkeys(went_on)), started=tuple(started))


def deliver(work: Work, subscription: Subscription, name: str, payload: dict[str, Any], by: str | None = None) -> Instance:
    """A message or signal reaches one who waits for it: an instance goes on, or a new one begins. `by` is who caused it."""
    if subscription.instance is None:
        definition = work.get(DEFINITIONS, str(subscription.definition))
        about = subjects.of_payload(work.tx, work.organisation, payload)
        code = compiled(work.tx, work.organisation, definition.source, definition.key)
        given = carried(code.nodes[subscription.element], payload)
        return begin_about(work, definition, given, about, start=subscription.element, by=by)
    instance = work.get(INSTANCES, subscription.instance)
    if subscription.signal:
        event: Any = bpmn.SignalArrived(at=work.now, name=name, payload=payload)
    else:
        work.tx.remove(SUBSCRIPTIONS, subscription.id)
        event = bpmn.MessageArrived(at=work.now, subscription=engine_id(subscription.id), payload=payload)
    what = "signal" if subscription.signal else "message"
    return advance(work, instance, event, what=what, element=subscription.element, details={"name": name, "payload": payload})


def deliver_event(work: Work, command: ask.DeliverEvent) -> Told:
    """Tell those who waited for an event when it was seen. Raises NotFound when none of them does any more."""
    found = [first(work.tx, SUBSCRIPTIONS, equals("id", id_)) for id_ in command.subscriptions]
    waiting = [subscription for subscription in found if subscription is not None]
    if not waiting:
        raise NotFound("nobody waits for it any more", field="subscriptions")
    return _tell(work, waiting, command.name, command.payload, command.by)


def send_signal(work: Work, command: ask.SendSignal) -> Told:
    """Put it in the outbox; who waits at the moment it is delivered goes on."""
    work.emit(events.SignalSent(instance=None, name=command.name, payload=command.payload), f"signal:{command.name}")
    return Told()


def _of_message(tx: Transaction, request: Request, command: ask.SendMessage | ask.SendSignal | ask.DeliverEvent) -> Subject:
    return Subject(type="message", id=command.name, attributes={"name": command.name})


def handlings() -> list[Handling[Any]]:
    """The commands that tell instances of something."""
    return [
        Handling(ask.SendMessage, send_message, _of_message, Told),
        Handling(ask.SendSignal, send_signal, _of_message, Told),
        Handling(ask.DeliverEvent, deliver_event, _of_message, Told),
    ]
