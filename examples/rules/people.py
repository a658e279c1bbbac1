"""Who takes part: each a known identity with a role and a token of their own, made as an administrator would make them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from examples.flights.people import GOOD_FOR, Person
from modelyard.client import Client
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import Identity, IdentityKind, Role
from modelyard.governance.identity.secrets import mint


@dataclass(frozen=True)
class Cast:
    """Dana writes the policy, Omar operates, Bea answers for the money, Vera validates, Rita answers for the risk; `books` is the
    feed of how loans ended and `guest` may only look. Omar also holds the role of a business owner, so that it is the separation
    of duties, and not a missing role, that keeps him from approving what he asked for."""

    dana: Person
    omar: Person
    bea: Person
    vera: Person
    rita: Person
    books: Person
    guest: Person

    def close(self) -> None:
        for person in vars(self).values():
            person.client.close()


_ROLES: dict[str, tuple[str, IdentityKind, tuple[Role, ...]]] = {
    "dana": ("Dana, credit policy", IdentityKind.PERSON, (Role.DEVELOPER,)),
    "omar": ("Omar, operator", IdentityKind.PERSON, (Role.OPERATOR, Role.BUSINESS_OWNER)),
    "bea": ("Bea, head of consumer lending", IdentityKind.PERSON, (Role.BUSINESS_OWNER,)),
    "vera": ("Vera, validator", IdentityKind.PERSON, (Role.VALIDATOR,)),
    "rita": ("Rita, risk officer", IdentityKind.PERSON, (Role.RISK_OFFICER,)),
    "books": ("The loan accounts", IdentityKind.SERVICE, (Role.OPERATOR,)),
    "guest": ("Guest", IdentityKind.PERSON, (Role.VIEWER,)),
}


def hire(url: str, runtime_url: str, administrator: str) -> Cast:
    """Make everybody known, with the administrator's token."""
    with Client(url, administrator, runtime_url=runtime_url) as admin:
        return Cast(**{name: _hired(admin, name, url, runtime_url) for name in _ROLES})


def _hired(admin: Client, name: str, url: str, runtime_url: str) -> Person:
    title, kind, roles = _ROLES[name]
    made = admin.do(CreateIdentity(name=name, kind=kind, display_name=title), Identity, reason="takes part in the demo")
    for role in roles:
        admin.do(GrantRole(identity=made.id, role=role), reason=f"{title} works as {role.value}")
    minted, until = mint(), datetime.now(UTC) + GOOD_FOR
    token = IssueToken(identity=made.id, name="demo", key=minted.key, secret_digest=minted.digest, expires_at=until)
    admin.do(token, reason="a token for the demo")
    client = Client(url, minted.text, runtime_url=runtime_url, timeout=120.0)
    return Person(made.id, name, minted.text, client, url, runtime_url)
