"""What happened to releases and keys."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class ReleaseIssued(Event):
    type: ClassVar[str] = "governance.release_issued"

    release: str
    version: str
    payload: str


class ReleaseRevoked(Event):
    type: ClassVar[str] = "governance.release_revoked"

    release: str
    version: str
    payload: str
    cause: str


class KeyRegistered(Event):
    type: ClassVar[str] = "governance.key_registered"

    key_id: str
    replaces: str | None = None


class KeyRevoked(Event):
    type: ClassVar[str] = "governance.key_revoked"

    key_id: str
    releases: tuple[str, ...]


class RuntimeRefused(Event):
    type: ClassVar[str] = "governance.runtime_refused"

    runtime: str
    endpoint: str
    code: str
    detail: str


EVENTS: tuple[type[Event], ...] = (ReleaseIssued, ReleaseRevoked, KeyRegistered, KeyRevoked, RuntimeRefused)
