"""Migrations lead from nothing, and from each released schema, to exactly what the packages declare."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.core.errors import InvalidInput, Unavailable, WrongState
from modelyard.core.messages import AUDIT_PENDING, IDEMPOTENCY, Idempotency, Pending
from modelyard.storage.engines import engine_for
from modelyard.storage.layout import Layout
from modelyard.storage.migrations import newest, require_newest, upgrade, upgrade_on
from modelyard.storage.migrations.declared import declared_tables
from modelyard.storage.migrations.draft import draft
from modelyard.storage.migrations.inspection import Description, describe
from modelyard.storage.schema import create, shape_of
from modelyard.storage.sql import SqlStorage

RELEASED = Path(__file__).parent / "released"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/migrated.db" if dialect == "sqlite" else request.getfixturevalue("pg_url")


def described(url: str) -> Description:
    engine = engine_for(url, 5.0, False)
    with engine.connect() as connection:
        found = describe(connection)
    engine.dispose()
    return found


def as_declared(url: str) -> Description:
    """What the declarations of today would make, in the same kind of database; made there and taken back."""
    engine = engine_for(url, 5.0, False)
    with engine.connect() as connection, connection.begin() as undone:
        create(connection, [shape_of(Layout(table)) for table in declared_tables()])
        found = describe(connection)
        undone.rollback()
    engine.dispose()
    return found


def test_the_migrated_schema_is_the_declared_one(url: str) -> None:
    declared = as_declared(url)
    assert described(url) == {}
    assert upgrade(url) == newest()
    assert described(url) == declared, "draft the revision again: python -m modelyard.storage.migrations.draft NNNN slug"


@pytest.mark.parametrize("released", sorted(path.stem for path in RELEASED.glob("*.sqlite.sql")) or [None])
def test_every_released_schema_can_be_migrated(url: str, dialect: str, released: str | None) -> None:
    if released is None:
        assert newest() == "0001", "a second revision means that the first was released: run tests/storage/released/write.py"
        return
    text = (RELEASED / f"{released.split('.')[0]}.{dialect}.sql").read_text()
    load(url, dialect, text)
    assert upgrade(url) == newest()
    assert described(url) == as_declared(url + "-declared" if dialect == "sqlite" else url)


def load(url: str, dialect: str, text: str) -> None:
    if dialect == "sqlite":
        with sqlite3.connect(str(sa.make_url(url).database)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(text)
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


def test_migrating_again_changes_nothing(url: str) -> None:
    upgrade(url)
    before = described(url)
    assert upgrade(url) == newest()
    assert described(url) == before
    require_newest(url)


def test_a_database_that_was_never_migrated_is_not_used(url: str) -> None:
    with pytest.raises(WrongState):
        require_newest(url)


def test_a_database_newer_than_the_program_is_left_alone(url: str) -> None:
    upgrade(url)
    engine = engine_for(url, 5.0, False)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(WrongState, match="9999"):
        upgrade(url)


def test_a_failing_migration_leaves_the_database_as_it_was(url: str) -> None:
    engine = engine_for(url, 5.0, False)
    with engine.connect() as connection, connection.begin() as undone:
        upgrade_on(connection)
        undone.rollback()
    engine.dispose()
    assert described(url) == {}


def test_processes_that_start_at_once_wait_for_each_other(url: str) -> None:
    program = "import sys; from modelyard.storage.migrations import upgrade; print(upgrade(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outcomes = [process.communicate(timeout=120)[0].strip() for process in started]
    assert outcomes == [newest()] * 3


def test_records_are_kept_in_a_migrated_database_and_append_only_ones_stay(url: str) -> None:
    upgrade(url)
    storage = SqlStorage(url, [IDEMPOTENCY, AUDIT_PENDING], durable=False)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with storage.transaction() as tx:
        tx.add(IDEMPOTENCY, Idempotency(id="i", created_at=now, command_digest="x", result={}))
        tx.add(AUDIT_PENDING, Pending(id="p", created_at=now))
    for statement in ("UPDATE idempotency SET body = ''", "DELETE FROM idempotency", "DELETE FROM idempotency WHERE id = 'none'"):
        if "none" in statement and storage.engine.dialect.name == "sqlite":
            continue  # SQLite's triggers look at rows: no row, nothing to refuse
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), storage.engine.begin() as connection:
            connection.execute(sa.text(statement))
    with storage.reading() as tx:
        assert tx.get(IDEMPOTENCY, "i").command_digest == "x"
    storage.close()


def test_a_draft_says_what_is_missing() -> None:
    assert 'create_records(\n        "audit"' in draft("0001", "house")
    assert '"audit"' not in draft("0002", "nothing")


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "mysql://x", "nonsense", "sqlite:////nowhere/at/all/x.db"])
def test_addresses_that_lead_nowhere_are_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        SqlStorage(bad, [])


def test_a_server_that_is_not_there_is_unavailable() -> None:
    pytest.importorskip("psycopg")
    storage: Any = SqlStorage("postgresql://127.0.0.1:1/none", [], patience=1.0)
    with pytest.raises(Unavailable, match="reached"), storage.transaction():
        pass
