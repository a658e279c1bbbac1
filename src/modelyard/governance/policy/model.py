"""Policy sets as records: what was in force when, and who answers for it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.core.records import Record, Table, Transaction, equals, first

GREATEST_TEXT = 1 << 18


class PolicyState(StrEnum):
    PROPOSED = "proposed"
    ACTIVE = "active"
    RETIRED = "retired"


class PolicySet(Record):
    """A numbered set of Cedar policies. `text` never changes; at most one set is active, and none means the shipped default."""

    number: int
    text: str
    text_digest: str
    note: str = ""
    state: PolicyState = PolicyState.PROPOSED
    proposed_by: str
    activated_by: str | None = None
    activated_at: datetime | None = None
    retired_at: datetime | None = None


POLICY_SETS: Table[PolicySet] = Table(
    "policy_sets", PolicySet, indexed=("number", "state", "text_digest"), unique=(("number",),), text=("note",)
)
TABLES: tuple[Table[Any], ...] = (POLICY_SETS,)


def active_set(tx: Transaction) -> PolicySet | None:
    """The set in force; None when it is the shipped default."""
    return first(tx, POLICY_SETS, equals("state", PolicyState.ACTIVE))
