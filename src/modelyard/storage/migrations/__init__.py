"""Schema migrations: Alembic, packaged, for SQLite and PostgreSQL alike.

`upgrade(url)` brings a database from any released schema (or from nothing) to the newest one, in one transaction and under a
lock: processes that start at once wait for each other, and a failure leaves the database as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from modelyard.core.errors import WrongState
from modelyard.storage.engines import engine_for
from modelyard.storage.failures import translated
from modelyard.storage.schema import POSTGRESQL

PATIENCE = 120.0
_LOCK = 0x6D6F64656C  # "model": any fixed number that all our processes agree on


def upgrade(url: str, to: str = "head") -> str:
    """Migrate and return the revision that is now in force. Raises WrongState when the database is newer than this program."""
    engine = engine_for(url, PATIENCE, True)
    try:
        with translated(), engine.begin() as connection:
            return upgrade_on(connection, to)
    finally:
        engine.dispose()


def upgrade_on(connection: sa.Connection, to: str = "head") -> str:
    """As `upgrade`, inside a transaction of the caller's."""
    if connection.dialect.name == POSTGRESQL:
        # SQLite needs no such lock: its transaction began as a writing one.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    config = _config()
    _refuse_unknown(connection, config)
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    return str(revision_of(connection))


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that a database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def require_newest(url: str) -> None:
    """Raises WrongState unless the database is at the newest revision."""
    engine = engine_for(url, 5.0, True)
    try:
        with translated(), engine.connect() as connection:
            found = revision_of(connection)
    finally:
        engine.dispose()
    if found != newest():
        raise WrongState(
            f"the database is at schema {found or 'none'}, this program needs {newest()}", hint="run `modelyard migrate` first"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "modelyard.storage:migrations")
    return config


def _refuse_unknown(connection: sa.Connection, config: Config) -> None:
    found = revision_of(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise WrongState(
            f"the database is at schema {found}, which this program does not know", hint="use the newer version of modelyard"
        )
