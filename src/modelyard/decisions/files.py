"""Files that are whole and durable or not there, and locks that die with their process."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from modelyard.decisions.errors import storage_error


def try_lock(path: Path) -> IO[bytes] | None:
    """A lock, held until the file is closed or the process dies; None while somebody else holds it."""
    try:
        handle = path.open("ab")
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process (and thread) at a time; waits for its turn."""
    try:
        handle = path.open("ab")
    except OSError as error:
        raise storage_error(error, path) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, data: bytes, mode: int = 0o666) -> None:
    """The file appears whole and durable, or not at all, whoever else writes it now. `mode` is cut by the umask. Raises
    OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_durably(path: Path, data: bytes) -> None:
    """The file appears whole and durable under a name that nobody has, or not at all. Raises FileExistsError when the name is
    taken, OSError."""
    temporary = path.with_name(f"_{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, below: Path) -> None:
    """A folder and those between it and `below`, which exists, with durable names."""
    if folder.is_dir():
        return
    make_folder(folder.parent, below)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
