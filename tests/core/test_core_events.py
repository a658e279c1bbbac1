"""Events: known by type, read in every version they ever had."""

from __future__ import annotations

import pytest

from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput
from modelyard.core.messages import Event, EventEnvelope, EventTypes


class Renamed(Event):
    type = "models.renamed"
    schema_version = 3

    name: str
    reason: str


def envelope(version: int, event_type: str = "models.renamed", **payload: str) -> EventEnvelope:
    return EventEnvelope(
        id="e",
        created_at=ManualClock().now(),
        type=event_type,
        schema_version=version,
        aggregate_type="model",
        aggregate_id="m",
        actor="ann",
        payload=payload,
    )


@pytest.fixture
def types() -> EventTypes:
    known = EventTypes()
    known.register(Renamed)
    known.upcast("models.renamed", 1, lambda old: {"name": old["title"]})
    known.upcast("models.renamed", 2, lambda old: {**old, "reason": "unknown"})
    return known


def test_old_payloads_are_brought_up_step_by_step(types: EventTypes) -> None:
    assert types.read(envelope(3, name="n", reason="r")) == Renamed(name="n", reason="r")
    assert types.read(envelope(2, name="n")) == Renamed(name="n", reason="unknown")
    assert types.read(envelope(1, title="n")) == Renamed(name="n", reason="unknown")
    assert types.names() == ["models.renamed"]


def test_what_cannot_be_read_is_refused(types: EventTypes) -> None:
    with pytest.raises(InvalidInput):
        types.read(envelope(0, title="n"))
    with pytest.raises(InvalidInput):
        types.read(envelope(1, event_type="models.unknown"))
    with pytest.raises(ValueError, match="extra"):
        types.read(envelope(3, name="n", reason="r", surprise="x"))
