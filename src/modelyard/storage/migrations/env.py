"""Run by Alembic: migrates on the connection, and in the transaction, that `upgrade_on` was given."""

from __future__ import annotations

from alembic import context

# Both databases can undo changes of the schema, and the transaction is the caller's.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
