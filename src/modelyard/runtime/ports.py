"""What the runtime needs from outside: where snapshots, releases and blobs come from, and where its refusals go."""

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
