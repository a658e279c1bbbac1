"""What monitoring needs from outside. The decision log's readers and the bus fit as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from modelyard.core.bus import Request
from modelyard.decisions import Mark, Window


class Decisions(Protocol):
    """Reads the decision log; `modelyard.decisions.DecisionReader` does."""

    def mark(self) -> Mark:
        """What the log is like now; None when it is just being written."""
        ...

    def scan(self, window: Window, columns: Sequence[str] | None = None) -> Any: ...


class Outcomes(Protocol):
    """Reads outcomes; `modelyard.decisions.OutcomeReader` does."""

    def mark(self) -> Mark:
        """As that of decisions."""
        ...

    def find(self, ids: Sequence[str]) -> Any: ...

    def scan(self, since: datetime | None = None, until: datetime | None = None) -> Any: ...


class Observer(Protocol):
    """Sees logged decisions happen again (`modelyard.kinds.contract.Observing`), in a process of the version's own."""

    def observe(self, manifest: str, inputs: Sequence[str | None]) -> Sequence[str | None]:
        """A JSON object of categories for each row of logged inputs, None where the row cannot be read. `manifest` names the
        version that answered them."""
        ...


class Blobs(Protocol):
    """Where reference profiles are kept."""

    def read(self, digest: str) -> bytes:
        """The bytes of that digest. Raises NotFound."""
        ...


class Commands(Protocol):
    """Handles a command; `modelyard.core.bus.Bus` does."""

    def handle(self, request: Request) -> BaseModel: ...
