"""Database engines, set up so that no update is lost: see *SQL details* in the design."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from modelyard.core.errors import InvalidInput

POOL = 10


def engine_for(url: str, patience: float, durable: bool) -> sa.Engine:
    """An engine for `sqlite:///path` or `postgresql://…`. Raises InvalidInput for any other address."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise InvalidInput("not the address of a database", hint="use sqlite:///path or postgresql://…") from error
    if parsed.drivername == "sqlite" and parsed.database and parsed.database != ":memory:":
        return _sqlite(parsed, patience, durable)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _postgresql(parsed, patience)
    raise InvalidInput(
        f"no storage for {parsed.drivername!r} with this address",
        hint="use sqlite:///path/to/file.db or postgresql://user@host/database",
    )


def _sqlite(url: URL, patience: float, durable: bool) -> sa.Engine:
    folder = Path(str(url.database)).parent
    if not folder.is_dir():
        raise InvalidInput(f"the folder of the database does not exist: {folder}", hint="create it first")
    engine = sa.create_engine(
        url, pool_size=POOL, max_overflow=2 * POOL, pool_timeout=patience, connect_args={"timeout": patience}
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        # None: the driver must not begin transactions behind our back.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint=4000")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writable = connection.get_execution_options().get("modelyard_writable", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writable else "BEGIN")

    return engine


def _postgresql(url: URL, patience: float) -> sa.Engine:
    options = f"-c lock_timeout={int(patience * 1000)} -c idle_in_transaction_session_timeout=60000 -c enable_seqscan=off"
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL,
        max_overflow=2 * POOL,
        pool_timeout=patience,
        pool_pre_ping=False,
        connect_args={"options": options, "connect_timeout": max(2, int(patience))},
    )
