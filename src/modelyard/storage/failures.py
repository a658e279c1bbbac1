"""What a database's own errors mean in ours. An error that is not listed is a defect and passes unchanged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from modelyard.core.errors import Busy, InvalidInput, ModelyardError, StorageFull, Unavailable

_BUSY = "another transaction was in the way"


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database leave the block as errors of the house."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Busy("all database connections are in use") from error
    except exc.DBAPIError as error:
        ours = meaning(error)
        if ours is None:
            raise
        raise ours from error
    except sqlite3.Error as error:
        ours = _of_sqlite(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))
        if ours is None:
            raise
        raise ours from error


def meaning(error: exc.DBAPIError) -> ModelyardError | None:
    """Our error for the database's, or None when it has no meaning of its own."""
    cause = error.orig
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _of_sqlite(code & 0xFF, str(cause))
    return _of_postgresql(getattr(cause, "sqlstate", None), error)


def _of_sqlite(code: int, detail: str) -> ModelyardError | None:
    match code:
        case 5 | 6:  # BUSY, LOCKED
            return Busy(_BUSY)
        case 13:  # FULL
            return StorageFull("the disk of the database is full", hint="free some space; nothing was changed")
        case 8:  # READONLY
            return Unavailable(f"the database cannot be written: {detail}", hint="check the rights of the file and its folder")
        case 10 | 14:  # IOERR, CANTOPEN
            return Unavailable(f"the database cannot be used: {detail}", hint="check the disk, the file and its folder")
        case 11 | 26:  # CORRUPT, NOTADB
            return Unavailable(f"the database is damaged: {detail}", hint="restore a backup")
    return None


def _of_postgresql(state: str | None, error: exc.DBAPIError) -> ModelyardError | None:
    if state is None:
        return _lost_connection(error)
    if state in _POSTGRESQL:
        return _POSTGRESQL[state]()
    return Unavailable("the database server is stopping") if state.startswith(("57P", "08")) else None


def _lost_connection(error: exc.DBAPIError) -> ModelyardError | None:
    if error.connection_invalidated:
        return Unavailable("the connection to the database was lost")
    if isinstance(error, exc.OperationalError):
        return Unavailable(f"the database cannot be reached: {error.orig}", hint="check its address and that it runs")
    return None


_POSTGRESQL: dict[str, Callable[[], ModelyardError]] = {
    "40001": lambda: Busy(_BUSY),  # serialization failure
    "40P01": lambda: Busy(_BUSY),  # deadlock
    "55P03": lambda: Busy(_BUSY),  # lock not had in time
    "53300": lambda: Busy("the database server takes no more connections"),
    # A unique group was free when looked at: another transaction was faster, and the next try will see what it did.
    "23505": lambda: Busy(_BUSY),
    "53100": lambda: StorageFull("the disk of the database server is full", hint="free some space; nothing was changed"),
    "25006": lambda: Unavailable("the database takes no changes", hint="is it a standby server?"),
    "54000": lambda: InvalidInput("a value is too long for its index"),
}
