"""The ledger keeps what was entered, says what replaced it, and computes money itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from modelyard import value
from modelyard.catalog import commands as catalog_commands
from modelyard.catalog import model as catalog_model
from modelyard.catalog import service as catalog_service
from modelyard.catalog.profile import CostMatrix, Value
from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.ids import RandomIds
from modelyard.core.messages import OUTBOX, Actor, Command
from modelyard.core.records import Storage, Transaction, equals, every
from modelyard.value import Baseline, RecordValue, ValueEntry, in_force, realised

TABLES = (*value.TABLES, *catalog_model.TABLES)
COSTS = CostMatrix(currency="USD", false_positive=100, false_negative=400)
JUNE, JULY = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 7, 1, tzinfo=UTC)


class AllowAll:
    def authorise(self, tx: Transaction, request: Request, subject: Any) -> Permit:
        return Permit("sha256:" + "0" * 64)

    def policy_set(self, tx: Transaction) -> str:
        return "sha256:" + "0" * 64


class Ledger:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.bus = Bus(storage, AllowAll(), ManualClock(), RandomIds())
        self.bus.register(*catalog_service.handlings(kinds=("ml",)), *value.handlings())
        costs = Value(cost_matrix=COSTS)
        self.do(catalog_commands.RegisterUseCase(name="connections", business_owner="bea", tier="medium", value=costs))

    def do(self, command: Command) -> Any:
        return self.bus.handle(Request(command, Actor(id="anna")))

    def enter(self, hits: int = 3, **more: Any) -> ValueEntry:
        figures = realised([True] * hits + [False] * (20 - hits), [True] * 4 + [False] * 16, COSTS, decisions=25)
        fields = {"use_case": "connections", "endpoint": "hold", "period_from": JUNE, "period_to": JULY, "figures": figures}
        entry: ValueEntry = self.do(RecordValue(**fields | more))
        return entry

    def entries(self) -> list[ValueEntry]:
        with self.storage.reading() as tx:
            return every(tx, value.VALUE_ENTRIES, equals("use_case", "connections"))


@pytest.fixture(params=["memory", "sqlite"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return Ledger(storage)


def test_an_entry_says_what_was_gained_and_how_sure_that_is(ledger: Ledger) -> None:
    entry = ledger.enter(expected=1000.0, cost=40.0)
    assert (entry.realised, entry.decided, entry.baseline, entry.currency) == (1200.0, 400.0, Baseline.NEVER, "USD")
    assert entry.realised_low is not None
    assert entry.realised_high is not None
    assert entry.realised_low < 1200 < entry.realised_high
    assert (entry.expected, entry.cost, entry.figures.decisions) == (1000.0, 40.0, 25)
    with ledger.storage.reading() as tx:
        (event,) = [e for e in every(tx, OUTBOX) if e.type == "value.value_recorded"]
    assert event.payload["realised"] == 1200.0


def test_a_period_is_entered_again_only_as_a_restatement(ledger: Ledger) -> None:
    first = ledger.enter()
    with pytest.raises(WrongState):
        ledger.enter(2)
    second = ledger.enter(2, restates=first.id)
    assert (second.restatement, second.realised) == (1, 800.0)
    with pytest.raises(WrongState):
        ledger.enter(1, restates=first.id)
    by_version = ledger.enter(4, version="sha256:" + "a" * 64)
    assert [e.id for e in in_force(ledger.entries())] == [second.id, by_version.id]
    assert len(ledger.entries()) == 3


def test_bad_entries_are_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        ledger.enter(use_case="nothing")
    euros = realised([True], [True], COSTS.model_copy(update={"currency": "EUR"}))
    with pytest.raises(InvalidInput):
        ledger.enter(figures=euros)
    for wrong in ({"period_to": JUNE}, {"version": "v3"}, {"period_from": JUNE.replace(tzinfo=None)}, {"cost": -1.0}):
        with pytest.raises(ValidationError):
            ledger.enter(**wrong)
    assert ledger.entries() == []
