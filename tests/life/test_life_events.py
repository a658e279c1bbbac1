"""Every version of every event has a fixture that keeps loading: what is in somebody's outbox today is read by tomorrow's code.

A new event, or a new version of one, needs a file here: `python -m tests.life.test_life_events` writes those that are missing.
A file that was released is never changed; the event gets a new version and an upcaster.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import AwareDatetime, BaseModel

from modelyard.bootstrap import event_types
from modelyard.core.messages import Event, EventEnvelope

FOLDER = Path(__file__).parent / "events"
TYPES = event_types()


def envelope(name: str, version: int, payload: dict[str, Any]) -> EventEnvelope:
    return EventEnvelope(
        id="evt_1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        type=name,
        schema_version=version,
        aggregate_type="any",
        aggregate_id="1",
        actor="idn_1",
        payload=payload,
    )


def known() -> list[tuple[str, int]]:
    return [(name, version) for name in TYPES.names() for version in range(1, TYPES.newest(name).schema_version + 1)]


@pytest.mark.parametrize(("name", "version"), known())
def test_an_event_of_every_version_still_loads(name: str, version: int) -> None:
    payload = json.loads((FOLDER / f"{name}.v{version}.json").read_text("utf-8"))
    event = TYPES.read(envelope(name, version, payload))
    assert event.type == name
    if version == event.schema_version:
        assert event.model_dump(mode="json") == payload


def test_no_fixture_is_of_an_event_that_nobody_knows() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{name}.v{version}.json" for name, version in known()}


def example(annotation: Any) -> Any:
    """A plausible value of a type."""
    arguments = get_args(annotation)
    if NoneType in arguments:
        return example(next(a for a in arguments if a is not NoneType))
    if get_origin(annotation) is dict:
        return {"text": example(arguments[1]) if arguments[1] is not Any else "text"}
    if get_origin(annotation) in (tuple, list):
        return [example(arguments[0])]
    if get_origin(annotation) is Annotated:
        return example(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: example(field.annotation) for name, field in annotation.model_fields.items()}
    moment = "2026-01-01T00:00:00Z"
    plain: dict[Any, Any] = {str: "text", int: 1, float: 0.5, bool: True, datetime: moment, AwareDatetime: moment}
    return plain[annotation] if annotation in plain else next(iter(annotation)).value


def write_missing() -> None:
    for name, version in known():
        path, event = FOLDER / f"{name}.v{version}.json", TYPES.newest(name)
        if not path.exists() and version == event.schema_version:
            payload = {field: example(info.annotation) for field, info in event.model_fields.items()}
            told: Event = event.model_validate(payload)
            path.write_text(json.dumps(told.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_missing()
