"""What the runtime needs from outside: where snapshots, releases and blobs come from, and where it reports to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec


class RefusalRecord(msgspec.Struct, frozen=True):
    """Something that the runtime did not let serve. The id is the same whenever the same thing is refused again, so that
    taking it in twice changes nothing. `at` is ISO 8601."""

    id: str
    runtime: str
    at: str
    code: str
    detail: str
    clause: str | None = None
    epoch: int | None = None
    snapshot: str | None = None
    endpoint: str | None = None
    arm: str | None = None
    release: str | None = None
    manifest: str | None = None


class FallbackUse(msgspec.Struct, frozen=True):
    """How often something else stood in for an arm, from `since` to `until` (ISO 8601). `answered_by` is the arm that answered,
    or `constant`; with nobody left it is `none`. The id is the report's own: taking it in twice changes nothing."""

    id: str
    runtime: str
    endpoint: str
    arm: str
    answered_by: str
    reason: str
    count: int
    since: str
    until: str
    epoch: int


class OrderReport(msgspec.Struct, frozen=True):
    """An operator's order that this runtime acts on: its payload's digest, its envelope (JSON) and since when (ISO 8601)."""

    digest: str
    runtime: str
    envelope: str
    taken_at: str
    epoch: int


class Source(Protocol):
    """The control plane as the runtime sees it. Nothing that comes from it is trusted before it is verified."""

    def routes(self, after: int, wait: float) -> bytes | None:
        """The envelope of the current snapshot when it is another than that of epoch `after`; waits up to `wait` seconds
        for one, then None. Raises SourceDown."""
        ...

    def release(self, digest: str) -> bytes:
        """The envelope of a release by its payload's digest. Raises NotFound or SourceDown."""
        ...

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob in pieces. Raises NotFound or SourceDown."""
        ...

    def report(self, refusals: Sequence[RefusalRecord]) -> set[str]:
        """Hand refusals over; the ids of those that are safely there. Raises SourceDown."""
        ...

    def report_fallbacks(self, uses: Sequence[FallbackUse]) -> set[str]:
        """Hand over how often fallbacks answered; the ids of those that are safely there. Raises SourceDown."""
        ...

    def report_orders(self, orders: Sequence[OrderReport]) -> set[str]:
        """Hand over orders that this runtime acts on; the digests of those that are safely there. Raises SourceDown."""
        ...
