"""What happened to identities, roles and tokens. Ids only: no names, no addresses, no digests of secrets."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from modelyard.core.messages import Event
from modelyard.governance.identity.model import IdentityKind, Role


class IdentityCreated(Event):
    type: ClassVar[str] = "governance.identity_created"

    identity: str
    kind: IdentityKind


class IdentityDeactivated(Event):
    type: ClassVar[str] = "governance.identity_deactivated"

    identity: str


class RoleGranted(Event):
    type: ClassVar[str] = "governance.role_granted"

    identity: str
    role: Role


class RoleRevoked(Event):
    type: ClassVar[str] = "governance.role_revoked"

    identity: str
    role: Role


class TokenIssued(Event):
    type: ClassVar[str] = "governance.token_issued"

    token: str
    identity: str
    expires_at: datetime


class TokenRevoked(Event):
    type: ClassVar[str] = "governance.token_revoked"

    token: str
    identity: str


EVENTS: tuple[type[Event], ...] = (IdentityCreated, IdentityDeactivated, RoleGranted, RoleRevoked, TokenIssued, TokenRevoked)
