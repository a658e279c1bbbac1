"""What every adapter refuses, in the same words."""

from __future__ import annotations

from typing import Any

from modelyard.core.errors import AlreadyExists, NotFound, StaleRevision, WrongState
from modelyard.core.records import Record, Table


def not_found(table: Table[Any], record_id: str) -> NotFound:
    return NotFound(f"{table.name} has no record {record_id!r}", field="id")


def refuse_reading(writable: bool) -> None:
    if not writable:
        raise WrongState("nothing can be changed while only reading", hint="use storage.transaction()")


def refuse_append_only(table: Table[Any]) -> None:
    if table.append_only:
        raise WrongState(f"{table.name} is append-only: its records are never changed or removed")


def stale(table: Table[Any], record: Record) -> StaleRevision:
    return StaleRevision(
        f"somebody else changed {record.id!r} of {table.name} first", field="revision", hint="read it again and repeat the change"
    )


def already_exists(table: Table[Any], group: tuple[str, ...]) -> AlreadyExists:
    return AlreadyExists(f"{table.name} already has a record with the same {', '.join(group)}", field=group[-1])
