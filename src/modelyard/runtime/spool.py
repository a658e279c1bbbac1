"""Refusals wait here, durably, until the control plane has taken them in: delivered at least once, the same ids each time."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from modelyard.decisions import write_atomically
from modelyard.runtime.ports import RefusalRecord

_decoder = msgspec.json.Decoder(RefusalRecord)


class RefusalSpool:
    """A file of JSON lines for one runtime process. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._mutex = threading.Lock()
        self._waiting = {record.id: record for record in _read(path)}
        self._known = set(self._waiting)
        self.recorded = 0

    def record(self, refusals: Sequence[RefusalRecord]) -> None:
        """Durable on return. What this process already recorded is not recorded again."""
        with self._mutex:
            fresh = {r.id: r for r in refusals if r.id not in self._known}
            if not fresh:
                return
            with self._path.open("ab") as handle:
                handle.write(b"".join(msgspec.json.encode(r) + b"\n" for r in fresh.values()))
                handle.flush()
                os.fsync(handle.fileno())
            self._known.update(fresh)
            self._waiting.update(fresh)
            self.recorded += len(fresh)

    def waiting(self) -> list[RefusalRecord]:
        """What has not been acknowledged, oldest first."""
        with self._mutex:
            return list(self._waiting.values())

    def acknowledge(self, ids: set[str]) -> None:
        """Forget those that are safely elsewhere."""
        with self._mutex:
            left = {key: record for key, record in self._waiting.items() if key not in ids}
            if len(left) < len(self._waiting):
                write_atomically(self._path, b"".join(msgspec.json.encode(r) + b"\n" for r in left.values()))
                self._waiting = left


def _read(path: Path) -> list[RefusalRecord]:
    """Whole lines; a torn last one was never acknowledged as recorded and is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        write_atomically(path, b"\n".join(lines[:-1]) + b"\n" if len(lines) > 1 else b"")
    return [_decoder.decode(line) for line in lines[:-1] if line]
