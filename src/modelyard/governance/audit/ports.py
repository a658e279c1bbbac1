"""What the audit log needs from outside: a place for its checkpoints outside the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from modelyard.trust import CompactRange


@dataclass(frozen=True)
class LogEntry:
    """What is exported of a leaf: where, which record, and the 32 bytes of its hash. No content."""

    position: int
    record: str
    leaf: bytes


class CheckpointSource(Protocol):
    """Checkpoints and leaves as they were exported. Reading never repairs anything."""

    def checkpoints(self) -> list[bytes]:
        """Signed notes, oldest first; a damaged one as the bytes that are there."""
        ...

    def entries(self) -> list[LogEntry]:
        """Leaves from position 0 on, as far as they can be read without a gap."""
        ...


class CheckpointSink(CheckpointSource, Protocol):
    """Takes checkpoints in, for good, outside the database."""

    def exported(self) -> CompactRange:
        """The tree of all leaves that the last checkpoint covers."""
        ...

    def append(self, entries: Sequence[LogEntry], note: bytes) -> None:
        """Keep the leaves and then the checkpoint that covers them; durable when it returns. After a crash in between, the
        leaves count as never exported. Raises Busy when the entries do not begin where the export ends (somebody else was
        first), StorageFull and Unavailable."""
        ...


class Lease(Protocol):
    """One sequencer at a time. It spares useless work only: two at once are harmless."""

    def hold(self) -> bool:
        """Take or prolong the lease; false while another process has it."""
        ...


class AlwaysHeld:
    """The lease of a process that is alone."""

    def hold(self) -> bool:
        return True
