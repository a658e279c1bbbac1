"""Decisions over HTTP: searches, files of them, counts, and those made elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from modelyard.client.decision_forms import MEDIA_TYPES, Summary
from modelyard.client.http import Connection
from modelyard.core.errors import InvalidInput, StorageFull

__all__ = ["FILES_TIME", "MEDIA_TYPES", "Backfill", "Summary", "asked", "content_of", "fetch"]

PIECE = 1 << 20
FILES_TIME = 3600.0


class Backfill(BaseModel):
    """What became of decisions made elsewhere: new ones, and those that the log had already."""

    id: str
    source: str
    endpoint: str
    use_case: str
    content: str
    accepted: int
    repeated: int


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """A window as the server takes it."""
    return {name: plain(value) for name, value in given.items() if value is not None}


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def fetch(http: Connection, body: Mapping[str, Any], out: Path, *, reason: str = "") -> int:
    """Write an export to a file that appears whole or not at all; says its size in bytes. Raises StorageFull, and Unavailable
    when the answer breaks off."""
    out.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in http.posted("/decisions/search", body, params={"reason": reason}, timeout=FILES_TIME):
                file.write(piece)
            size = file.tell()
        Path(name).replace(out)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise StorageFull(f"{out} cannot be written: {error.strerror}") from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return size


def content_of(data: bytes | os.PathLike[str]) -> Iterator[bytes]:
    """Bytes, or those of a file, piece by piece. Raises InvalidInput when it does not read."""
    if isinstance(data, bytes):
        yield data
        return
    try:
        with Path(data).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise InvalidInput(f"{os.fspath(data)} cannot be read: {error.strerror}", field="file") from error
