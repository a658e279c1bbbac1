"""People and service accounts, the roles granted to them, and the tokens they present. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelyard.core.records import Record, Table

NAME = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
SCOPE = r"^(read|\*|[a-z]+\.(\*|[a-z_]+))$"
EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,190}$"
LONGEST_TOKEN_LIFE = timedelta(days=366)


class IdentityKind(StrEnum):
    PERSON = "person"
    SERVICE = "service"


class Role(StrEnum):
    """What people and services may be granted. The platform's own loops act as `system`, which nobody can be granted."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    VALIDATOR = "validator"
    OPERATOR = "operator"
    BUSINESS_OWNER = "business_owner"
    RISK_OFFICER = "risk_officer"
    ADMINISTRATOR = "administrator"


Scope = Annotated[str, Field(pattern=SCOPE, max_length=100)]
"""`read`, one action (`catalog.register_model`), all of a package (`catalog.*`) or everything (`*`)."""


class Identity(Record):
    """A person or a service account. Names are never reused: identities are deactivated, not removed."""

    name: str
    kind: IdentityKind
    display_name: str
    email: str | None = None
    active: bool = True
    deactivated_at: datetime | None = None
    deactivated_by: str | None = None


class RoleGrant(Record):
    """A role given to an identity; it stays as history when it is taken back."""

    identity: str
    role: Role
    granted_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None


class Token(Record):
    """What proves an identity. Only the SHA-256 of the whole token is kept; `key` is its public part, by which it is found.

    Use leaves no trace here on purpose: requests are in the audit log and in traces, and reading takes no write lock.
    """

    identity: str
    name: str
    key: str
    secret_digest: str
    scopes: tuple[Scope, ...] = ()
    issued_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None


IDENTITIES: Table[Identity] = Table(
    "identities",
    Identity,
    indexed=("name", "kind", "active"),
    unique=(("organisation", "name"),),
    text=("name", "display_name"),
)
ROLE_GRANTS: Table[RoleGrant] = Table("role_grants", RoleGrant, indexed=("identity", "role", "revoked_at"))
TOKENS: Table[Token] = Table("tokens", Token, indexed=("identity", "name", "key", "expires_at", "revoked_at"), unique=(("key",),))
TABLES: tuple[Table[Any], ...] = (IDENTITIES, ROLE_GRANTS, TOKENS)


def covers(scope: str, wanted: str) -> bool:
    """Whether `scope` allows all that `wanted` (a scope or an action) does. `read` is covered by itself and by `*` alone."""
    if scope in ("*", wanted):
        return True
    return scope.endswith(".*") and wanted.startswith(scope[:-1])


def within(scopes: frozenset[str], wanted: str) -> bool:
    """Whether a token with these scopes may do `wanted`; a token without scopes is not narrowed."""
    return not scopes or any(covers(scope, wanted) for scope in scopes)
