"""Checkpoints of the audit log in an append-only folder: somewhere the database's administrators cannot write, ideally.

    checkpoints.jsonl   one signed checkpoint a line: {"note": "…", "size": 12}
    leaves.jsonl        one leaf a line, by position: {"leaf": "<hex>", "position": 11, "record": "aud_…"}

Leaves are flushed to the disk before the checkpoint that covers them. Leaves that no checkpoint covers, and a last line that
is not whole, are what a crash left: the next append removes them. Ids and hashes only; no content leaves the database.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.core.digests import canonical
from modelyard.core.errors import Busy, StorageFull, Unavailable, Untrusted
from modelyard.core.faults import Faults, NoFaults
from modelyard.governance.audit.ports import LogEntry
from modelyard.trust import CompactRange

CHECKPOINTS, LEAVES, LOCK = "checkpoints.jsonl", "leaves.jsonl", "lock"


@dataclass(frozen=True)
class _State:
    """How much of each file counts (bytes), and the tree that it holds."""

    checkpoints: int
    leaves: int
    tree: CompactRange


class AuditFiles:
    """A CheckpointSink in a folder, which is created. Several processes may append; they take turns by a file lock."""

    def __init__(self, folder: Path, faults: Faults | None = None) -> None:
        self._folder, self._faults = folder, faults or NoFaults()
        self._known: _State | None = None

    def checkpoints(self) -> list[bytes]:
        with _translated():
            return [_note(line) for line in _whole_lines(self._folder / CHECKPOINTS)]

    def entries(self) -> list[LogEntry]:
        with _translated():
            lines = _whole_lines(self._folder / LEAVES)
        found: list[LogEntry] = []
        for line in lines:
            entry = _entry(line)
            if entry is None or entry.position != len(found):
                break
            found.append(entry)
        return found

    def exported(self) -> CompactRange:
        with self._alone():
            return self._state().tree

    def append(self, entries: Sequence[LogEntry], note: bytes) -> None:
        with self._alone():
            state = self._state()
            if not entries or entries[0].position != state.tree.size:
                raise Busy("another process exported the audit log first")
            tree = state.tree
            for entry in entries:
                tree = tree.append(entry.leaf)
            leaves = self._write(LEAVES, state.leaves, b"".join(_leaf_line(entry) for entry in entries))
            self._faults.reach("audit_files.leaves_written")
            line = canonical({"note": note.decode(), "size": tree.size}) + b"\n"
            checkpoints = self._write(CHECKPOINTS, state.checkpoints, line)
            self._known = _State(checkpoints, leaves, tree)

    def _state(self) -> _State:
        """What the files hold; read whole once, then only when somebody else has written."""
        known = self._known
        if known is None or (known.checkpoints, known.leaves) != (self._size(CHECKPOINTS), self._size(LEAVES)):
            known = self._known = self._read_state()
        return known

    def _read_state(self) -> _State:
        checkpoints = _whole_lines(self._folder / CHECKPOINTS)
        size = _size_of(checkpoints[-1]) if checkpoints else 0
        tree, counted = CompactRange(), 0
        for line in _whole_lines(self._folder / LEAVES)[:size]:
            entry = _entry(line)
            if entry is None or entry.position != tree.size:
                break
            tree, counted = tree.append(entry.leaf), counted + len(line) + 1
        if tree.size != size:
            raise Untrusted(
                f"the last exported checkpoint covers {size} leaves, but only {tree.size} of them can be read",
                hint="restore the export's folder from its copy; run `modelyard audit verify`",
            )
        return _State(sum(len(line) + 1 for line in checkpoints), counted, tree)

    def _write(self, name: str, at: int, data: bytes) -> int:
        """Put data at that place, drop what stood there, flush it to the disk; the new size."""
        path = self._folder / name
        fresh = not path.exists()
        with path.open("ab") as file:
            os.ftruncate(file.fileno(), at)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _flush_folder(self._folder)
        return at + len(data)

    def _size(self, name: str) -> int:
        path = self._folder / name
        return path.stat().st_size if path.exists() else 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        import fcntl  # not on every platform; without it this adapter alone does not work

        with _translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no space is left for the audit log's export", hint="free some space; nothing is lost") from error
        raise Unavailable(f"the audit log's export cannot be written: {error.strerror}", hint="check the folder") from error


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end in a newline."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _note(line: bytes) -> bytes:
    note = _object(line).get("note")
    return note.encode() if isinstance(note, str) else line


def _size_of(line: bytes) -> int:
    size = _object(line).get("size")
    if not isinstance(size, int):
        raise Untrusted("the last exported checkpoint is damaged", hint="restore the export's folder from its copy")
    return size


def _entry(line: bytes) -> LogEntry | None:
    value = _object(line)
    try:
        return LogEntry(int(value["position"]), str(value["record"]), bytes.fromhex(value["leaf"]))
    except (KeyError, TypeError, ValueError):
        return None


def _leaf_line(entry: LogEntry) -> bytes:
    return canonical({"leaf": entry.leaf.hex(), "position": entry.position, "record": entry.record}) + b"\n"


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
