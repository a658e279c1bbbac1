"""What the control plane should know waits here, durably, until it has taken it in: delivered at least once, the same ids each
time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from modelyard.decisions import write_atomically
from modelyard.runtime.ports import FallbackUse, RefusalRecord


class Kept(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str: ...


Record = TypeVar("Record", bound=Kept)


class Spool(Generic[Record]):
    """A file of JSON lines for one runtime process. Safe for several threads."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._mutex = threading.Lock()
        self._waiting: dict[str, Record] = {record.id: record for record in _read(path, msgspec.json.Decoder(kind))}
        self._known = set(self._waiting)
        self.recorded = 0

    def record(self, records: Sequence[Record]) -> None:
        """Durable on return. What this process already recorded is not recorded again. Raises OSError."""
        with self._mutex:
            fresh = {r.id: r for r in records if r.id not in self._known}
            if not fresh:
                return
            with self._path.open("ab") as handle:
                handle.write(_lines(fresh.values()))
                handle.flush()
                os.fsync(handle.fileno())
            self._remember(fresh)
            self._waiting.update(fresh)
            self.recorded += len(fresh)

    def waiting(self) -> list[Record]:
        """What has not been acknowledged, oldest first."""
        with self._mutex:
            return list(self._waiting.values())

    def acknowledge(self, ids: set[str]) -> None:
        """Forget those that are safely elsewhere."""
        self.replace(ids, ())

    def replace(self, ids: set[str], by: Sequence[Record]) -> None:
        """Forget some, and keep others in their place; durable on return."""
        with self._mutex:
            left = {key: record for key, record in self._waiting.items() if key not in ids}
            if len(left) < len(self._waiting) or by:
                left |= {record.id: record for record in by}
                write_atomically(self._path, _lines(left.values()))
                self._waiting = left

    def _remember(self, fresh: dict[str, Record]) -> None:
        self._known.update(fresh)


class RefusalSpool(Spool[RefusalRecord]):
    """The refusals of one runtime process."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, RefusalRecord)


class UseSpool(Spool[FallbackUse]):
    """The uses of fallbacks of one runtime process. Their ids are made anew each time: none is remembered once it is gone."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FallbackUse)

    def _remember(self, fresh: dict[str, FallbackUse]) -> None:
        return


def _lines(records: Iterable[Kept]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _read(path: Path, decoder: msgspec.json.Decoder[Record]) -> list[Record]:
    """Whole lines; a torn last one was never acknowledged as recorded and is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        write_atomically(path, b"\n".join(lines[:-1]) + b"\n" if len(lines) > 1 else b"")
    return [decoder.decode(line) for line in lines[:-1] if line]
