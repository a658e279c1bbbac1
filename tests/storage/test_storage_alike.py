"""Whatever is done, in whatever order: the SQL adapters answer as the one in memory does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from modelyard.core.errors import ModelyardError
from modelyard.core.records import Operator, Query, Record, Storage, Table, Transaction, Where, every
from modelyard.storage.memory import MemoryStorage
from modelyard.storage.sql import SqlStorage

START = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Thing(Record):
    name: str
    colour: Colour | None = None
    size: int | None = None
    weight: float = 0.0
    live: bool = False
    due: datetime | None = None
    about: str = ""


THINGS: Table[Thing] = Table(
    "things",
    Thing,
    indexed=("name", "colour", "size", "weight", "live", "due"),
    unique=(("organisation", "name"), ("colour", "size")),
    text=("name", "about"),
)
FIELDS = ("id", "organisation", "revision", "created_at", "name", "colour", "size", "weight", "live", "due")

ids = st.sampled_from(["a", "b", "c", "d", "e", "f", "B", "é"])
names = st.sampled_from(["", "a", "A", "ab", "ab%", "a_b", "é", "z", "\U0010ffff", "\ue000", "x'y\""])
sizes = st.none() | st.sampled_from([-(2**63) + 1, -1, 0, 1, 2**53 + 1, 2**63 - 1])
weights = st.sampled_from([-0.0, 0.0, 0.1, -1e300, 5e-324])
times = st.none() | st.sampled_from([START, START + timedelta(microseconds=1), datetime(1900, 1, 1, tzinfo=UTC)])
texts = st.sampled_from(["", "Flight delays", "flight-risk 2026", "Ärger über ÄPFEL", "x y z", "'; --", "naïve"])
searches = st.sampled_from(["", "fli", "FLIGHT", "fli del", "arg apfel", "x", "2026 r", "nai", '"', "* OR", "no"])
colours = st.none() | st.sampled_from(list(Colour))
things = st.builds(
    Thing,
    id=ids,
    organisation=st.sampled_from(["default", "other"]),
    created_at=st.sampled_from([START, START + timedelta(seconds=1)]),
    name=names,
    colour=colours,
    size=sizes,
    weight=weights,
    live=st.booleans(),
    due=times,
    about=texts,
)
operators: st.SearchStrategy[Operator] = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "prefix"])
values = names | sizes | weights | times | st.booleans() | colours
wheres = st.builds(Where, st.sampled_from(FIELDS), operators, values) | st.builds(
    Where, st.sampled_from(FIELDS), st.just("in"), st.lists(values, max_size=3)
)
queries = st.builds(
    Query,
    where=st.lists(wheres, max_size=2).map(tuple),
    text=searches,
    sort=st.sampled_from(FIELDS),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    claim=st.booleans(),
)


class Alike(RuleBasedStateMachine):
    """Does everything twice and compares: result, or kind and field of the error."""

    make: Callable[[], SqlStorage]

    def __init__(self) -> None:
        super().__init__()
        self.memory: Storage = MemoryStorage([THINGS])
        self.sql = self.make()

    @initialize()
    def create(self) -> None:
        self.sql.create()

    def teardown(self) -> None:
        self.sql.close()

    def both(self, *steps: Callable[[Transaction], Any]) -> None:
        assert outcome(self.memory, steps) == outcome(self.sql, steps)

    @rule(thing=things)
    def add(self, thing: Thing) -> None:
        self.both(lambda tx: tx.add(THINGS, thing))

    @rule(thing=things, revision=st.integers(0, 2))
    def save(self, thing: Thing, revision: int) -> None:
        self.both(lambda tx: tx.save(THINGS, thing.model_copy(update={"revision": revision})))

    @rule(thing=things)
    def change(self, thing: Thing) -> None:
        def change(tx: Transaction) -> Thing:
            kept = tx.get(THINGS, thing.id)
            return tx.save(THINGS, thing.model_copy(update={"revision": kept.revision}))

        self.both(change)

    @rule(thing=ids)
    def remove(self, thing: str) -> None:
        self.both(lambda tx: tx.remove(THINGS, thing))

    @rule(one=things, other=things, gone=ids)
    def several_at_once(self, one: Thing, other: Thing, gone: str) -> None:
        self.both(lambda tx: tx.add(THINGS, one), lambda tx: tx.remove(THINGS, gone), lambda tx: tx.add(THINGS, other))

    @rule(query=queries)
    def find(self, query: Query) -> None:
        self.both(lambda tx: all_pages(tx, query))

    @invariant()
    def the_same_is_kept(self) -> None:
        with self.memory.reading() as expected, self.sql.reading() as found:
            assert every(found, THINGS) == every(expected, THINGS)


def outcome(storage: Storage, steps: tuple[Callable[[Transaction], Any], ...]) -> Any:
    try:
        with storage.transaction() as tx:
            return [step(tx) for step in steps]
    except ModelyardError as error:
        return (type(error), error.field)


def all_pages(tx: Transaction, query: Query) -> list[Any]:
    found: list[Any] = []
    after: str | None = None
    while True:
        page = tx.find(THINGS, Query(**{**vars(query), "after": after}))
        found.append(page)
        after = page.next
        if after is None:
            return found


def run(make: Callable[[], SqlStorage], examples: int) -> None:
    machine = type("Compared", (Alike,), {"make": staticmethod(make)})
    checks = list(HealthCheck)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=checks, phases=[Phase.generate]
        ),
    )
    assert machine.make is make


def test_sqlite_behaves_as_memory_does(tmp_path: Path) -> None:
    run(lambda: SqlStorage(f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db", [THINGS], durable=False), 50)


@pytest.mark.postgres
def test_postgresql_behaves_as_memory_does(pg_url: str) -> None:
    def fresh() -> SqlStorage:
        storage = SqlStorage(pg_url, [THINGS])
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS things")
        return storage

    run(fresh, 25)
