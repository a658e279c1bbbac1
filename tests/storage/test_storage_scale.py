"""A page costs about the same at 10,000 records as at 1,000: counted in steps of the database's machine, not in time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.core.records import Query, Record, Table, Where, equals
from modelyard.storage.sql import SqlStorage

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 50


class Card(Record):
    name: str
    tier: str
    about: str
    batch: int


CARDS: Table[Card] = Table(
    "cards", Card, indexed=("name", "tier", "batch"), unique=(("organisation", "name"),), text=("name", "about")
)


class Counted:
    """A storage that counts the steps its database takes."""

    def __init__(self, path: Path, size: int) -> None:
        self.steps = 0
        self.storage = SqlStorage(f"sqlite:///{path}/{size}.db", [CARDS], durable=False)

        @sa.event.listens_for(self.storage.engine, "connect")
        def _count(connection: Any, _: Any) -> None:
            connection.set_progress_handler(self._step, STEP)

        self.storage.create()
        chance = random.Random(7)
        vocabulary = [f"word{n}" for n in range(300)]
        with self.storage.transaction() as tx:
            for number in range(size):
                about = " ".join(["common", *chance.choices(vocabulary, k=6), "only" if number == size // 2 else ""])
                fields = {"id": f"c{number:06d}", "created_at": START + timedelta(seconds=number)}
                tx.add(CARDS, Card(**fields, name=f"card {number}", tier=chance.choice("ab"), about=about, batch=number // 10))

    def _step(self) -> int:
        self.steps += STEP
        return 0

    def cost(self, query: Query) -> tuple[int, int]:
        with self.storage.reading() as tx:
            tx.find(CARDS, query)  # prepares the statements
            before = self.steps
            found = len(tx.find(CARDS, query).items)
            return self.steps - before + STEP, found


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Counted, Counted]]:
    small, large = (Counted(tmp_path_factory.mktemp("scale"), size) for size in (1_000, 10_000))
    yield small, large
    small.storage.close()
    large.storage.close()


HERE = equals("organisation", "default")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(where=(HERE,), text="common"), 50),
        (Query(where=(HERE,), text="wor", descending=True), 50),
        (Query(where=(HERE,), text="only"), 1),
        (Query(where=(HERE,), text="common", sort="name"), 50),
        (Query(where=(HERE,), descending=True), 50),
        (Query(where=(HERE,), sort="name"), 50),
        (Query(where=(HERE, equals("name", "card 77"))), 1),
        (Query(where=(equals("name", "card 77"),)), 1),
        (Query(where=(HERE, equals("tier", "a")), descending=True), 50),
        (Query(where=(HERE, equals("tier", "a")), sort="name"), 50),
        (Query(where=(HERE, equals("tier", "unknown")), sort="name"), 0),
        (Query(where=(HERE, equals("tier", "a"), equals("batch", 3)), sort="name"), 6),
        (Query(where=(HERE, equals("batch", 3)), sort="name", descending=True), 10),
        (Query(where=(HERE, equals("tier", "a"), equals("batch", 3)), sort="id"), 6),
        (Query(where=(HERE, equals("batch", 3), equals("tier", "a")), sort="created_at"), 6),
        (Query(where=(HERE, equals("tier", "a"), Where("batch", "in", (3,))), sort="id"), 6),
    ],
)
def test_a_page_costs_the_same_at_ten_times_the_size(sizes: tuple[Counted, Counted], query: Query, expected: int) -> None:
    small, large = sizes
    cost_small, _ = small.cost(query)
    cost_large, found = large.cost(query)
    assert found == expected
    assert cost_large <= 2 * cost_small + 20 * STEP
