"""Who acts: people and service accounts, their roles, and the tokens by which they are known."""

from modelyard.governance.identity.events import EVENTS
from modelyard.governance.identity.model import (
    IDENTITIES,
    ROLE_GRANTS,
    TABLES,
    TOKENS,
    Identity,
    IdentityKind,
    Role,
    RoleGrant,
    Token,
)
from modelyard.governance.identity.secrets import Minted, mint
from modelyard.governance.identity.service import authenticate, bootstrap_administrator, handlings, roles_of

__all__ = [
    "EVENTS",
    "IDENTITIES",
    "ROLE_GRANTS",
    "TABLES",
    "TOKENS",
    "Identity",
    "IdentityKind",
    "Minted",
    "Role",
    "RoleGrant",
    "Token",
    "authenticate",
    "bootstrap_administrator",
    "handlings",
    "mint",
    "roles_of",
]
