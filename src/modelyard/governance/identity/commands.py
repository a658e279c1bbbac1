"""Wishes to change who may do what."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from modelyard.core.digests import DIGEST
from modelyard.core.messages import Command
from modelyard.governance.identity.model import EMAIL, NAME, IdentityKind, Role, Scope
from modelyard.governance.identity.secrets import KEY

IdentityId = Annotated[str, Field(min_length=1, max_length=100)]
Key = Annotated[str, Field(pattern=KEY)]
SecretDigest = Annotated[str, Field(pattern=DIGEST.pattern)]


class CreateIdentity(Command):
    """Make a person or a service account known. It has no role and no token yet."""

    action: ClassVar[str] = "governance.create_identity"

    name: str = Field(pattern=NAME)
    kind: IdentityKind = IdentityKind.PERSON
    display_name: str = Field(min_length=1, max_length=200)
    email: str | None = Field(default=None, pattern=EMAIL, max_length=255)


class DeactivateIdentity(Command):
    """Close an identity: its tokens stop working at once. The last active administrator cannot be closed."""

    action: ClassVar[str] = "governance.deactivate_identity"

    identity: IdentityId


class GrantRole(Command):
    """Give a role. Nobody gives one to themselves."""

    action: ClassVar[str] = "governance.grant_role"

    identity: IdentityId
    role: Role


class RevokeRole(Command):
    """Take a role back. The last active administrator keeps theirs."""

    action: ClassVar[str] = "governance.revoke_role"

    identity: IdentityId
    role: Role


class IssueToken(Command):
    """Let an identity use a token that its holder has made: `secret_digest` is the SHA-256 of the whole token, `key` the part
    between its first and second underscore. No scopes: all that the roles allow."""

    action: ClassVar[str] = "governance.issue_token"

    identity: IdentityId
    name: str = Field(min_length=1, max_length=100)
    key: Key
    secret_digest: SecretDigest
    scopes: tuple[Scope, ...] = Field(default=(), max_length=50)
    expires_at: AwareDatetime


class RevokeToken(Command):
    """Make a token useless from now on."""

    action: ClassVar[str] = "governance.revoke_token"

    token: Annotated[str, Field(min_length=1, max_length=100)]


class BootstrapAdministrator(Command):
    """The very first change of an installation: one administrator with one token. Done by the platform itself, once."""

    action: ClassVar[str] = "governance.bootstrap_administrator"

    name: str = Field(default="administrator", pattern=NAME)
    key: Key
    secret_digest: SecretDigest
    expires_at: AwareDatetime
